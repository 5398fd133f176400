//! Bad input: each is refused with its status, says what to do, and changes nothing.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use super::harness::{Kind, Ran, Sandbox, binary, text};

/// A sandbox of each kind with an epic, a feature and a task in it, the command with these words, and the error; the
/// queue must be what it was.
fn refused(status: i32, words: &[&str]) -> Vec<serde_json::Value> {
    Kind::ALL
        .map(|kind| {
            let sandbox = Sandbox::with(kind);
            fill(&sandbox);
            let before = sandbox.export();
            let error = sandbox.error(status, words);
            assert_eq!(sandbox.export(), before, "{words:?} changed something");
            error
        })
        .to_vec()
}

fn fill(sandbox: &Sandbox) {
    sandbox.data(&["epic", "add", "Epic", "--id", "EPIC-0000AAAA"]);
    sandbox.data(&[
        "feature",
        "add",
        "Feature",
        "--epic",
        "EPIC-0000AAAA",
        "--id",
        "FEAT-0000AAAA",
    ]);
    for id in ["TASK-0000AAAA", "TASK-0000BBBB"] {
        sandbox.data(&[
            "task",
            "add",
            "work",
            "--feature",
            "FEAT-0000AAAA",
            "--id",
            id,
        ]);
    }
}

#[test]
fn a_store_that_is_not_there_hints_at_init() {
    let sandbox = Sandbox::bare();
    for words in [
        &["list"][..],
        &["list", "--store", "nowhere.db"],
        &["list", "--store", "json:nowhere"],
    ] {
        let error = sandbox.error(3, words);
        assert_eq!(error["code"], "not_found");
        assert!(
            text(&error["hint"]).contains("tasq init") || text(&error["hint"]).contains(" init"),
            "{error}"
        );
    }
    assert_eq!(
        fs::read_dir(&sandbox.project).unwrap().count(),
        1,
        "nothing was made"
    );
}

#[test]
fn a_file_that_is_no_store_is_damaged_and_stays_as_it_is() {
    let cases: [(&str, &[u8]); 5] = [
        (
            "text.db",
            b"hello, this is no database at all, only text that happens to lie here\n",
        ),
        ("list.json", b"[]\n"),
        (
            "other.json",
            b"{\"name\": \"package\", \"version\": \"1.0\"}\n",
        ),
        ("empty.json", b""),
        (
            "conflict.json",
            b"{\n<<<<<<< HEAD\n\"a\": 1\n=======\n\"a\": 2\n>>>>>>> other\n}\n",
        ),
    ];
    let sandbox = Sandbox::bare();
    for (name, content) in cases {
        let path = sandbox.write(name, content);
        let error = sandbox.error(8, &["list", "--store", name]);
        assert_eq!(error["code"], "damaged", "{name}");
        assert_eq!(fs::read(path).unwrap(), content, "{name}");
    }
}

#[test]
fn a_store_is_not_made_over_what_is_none() {
    let sandbox = Sandbox::bare();
    let database = |name: &str, id: u32| {
        let path = sandbox.project.join(name);
        let script = format!(
            "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); \
             db.execute('PRAGMA journal_mode = WAL'); db.execute('CREATE TABLE t (x)'); db.execute('PRAGMA application_id = {id}'); db.commit()"
        );
        let python = Command::new("python3")
            .args(["-c", &script])
            .arg(&path)
            .status();
        assert!(python.unwrap().success());
    };
    database("plain.db", 0);
    database("other.db", 0x1234);
    sandbox.write(
        "text.db",
        b"hello, this is no database at all, only text that lies here\n",
    );
    sandbox.write("empty.db", b"");
    sandbox.write("other.json", b"{\"name\": \"package\"}\n");
    for (name, told) in [
        ("plain.db", "no queue of tasq"),
        ("other.db", "another program"),
        ("text.db", "not a database"),
        ("empty.db", "an empty file"),
        ("other.json", "not a snapshot"),
    ] {
        let path = sandbox.project.join(name);
        let before = fs::read(&path).unwrap();
        let error = sandbox.error(8, &["init", "--store", name]);
        assert!(text(&error["message"]).contains(told), "{error}");
        assert!(text(&error["hint"]).contains("another place"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), before, "{name}");
        assert!(!sandbox.project.join(format!("{name}-wal")).exists());
    }
    for kind in Kind::ALL {
        let sandbox = Sandbox::with(kind);
        let error = sandbox.error(4, &["init", "--store", kind.file()]);
        assert!(
            text(&error["message"]).contains("there is a store"),
            "{error}"
        );
    }
}

#[test]
fn a_damaged_store_is_refused_and_stays_as_it_is() {
    for kind in Kind::ALL {
        let sandbox = Sandbox::with(kind);
        let path = sandbox.project.join(kind.file());
        let mut content = fs::read(&path).unwrap();
        content.truncate(content.len() / 2);
        fs::write(&path, &content).unwrap();
        let error = sandbox.error(8, &["add", "work"]);
        assert_eq!(error["code"], "damaged", "{error}");
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[test]
fn a_newer_store_is_refused_with_both_versions() {
    for kind in Kind::ALL {
        let sandbox = Sandbox::with(kind);
        let path = sandbox.project.join(kind.file());
        let mut content = fs::read(&path).unwrap();
        match kind {
            // The user version is at byte 60 of the header.
            Kind::Sqlite => content[60..64].copy_from_slice(&999_u32.to_be_bytes()),
            Kind::Json => {
                let text = String::from_utf8(content).unwrap();
                content = text
                    .replacen("\"tasq_snapshot\": 1,", "\"tasq_snapshot\": 999,", 1)
                    .into_bytes();
            }
        }
        fs::write(&path, &content).unwrap();
        for words in [&["list"][..], &["add", "work"]] {
            let error = sandbox.error(9, words);
            assert_eq!(error["code"], "too_new");
            let message = text(&error["message"]);
            assert!(
                message.contains("999") && message.contains('1'),
                "{message}"
            );
        }
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[test]
fn a_read_only_store_can_be_read_and_refuses_writes() {
    for kind in Kind::ALL {
        let sandbox = Sandbox::with(kind);
        fill(&sandbox);
        let folder = sandbox.project.join(".tasq");
        let own = own_to_somebody(&sandbox);
        let run = |words: &[&str]| {
            let mut command = sandbox.command(words);
            if let Some((folder, user)) = &own {
                command = {
                    let mut other = Command::new(folder.path().join("tasq"));
                    other
                        .args(words)
                        .current_dir(&sandbox.project)
                        .env_clear()
                        .uid(*user)
                        .gid(*user);
                    other
                };
            }
            Ran::of(&mut command)
        };
        for entry in fs::read_dir(&folder).unwrap() {
            fs::set_permissions(entry.unwrap().path(), fs::Permissions::from_mode(0o400)).unwrap();
        }
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o500)).unwrap();
        let read = run(&["--json", "list"]);
        let write = run(&["--json", "add", "work"]);
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(read.code, Some(0), "{kind:?}: {read:?}");
        assert_eq!(write.code, Some(7), "{kind:?}: {write:?}");
        assert_eq!(write.error()["code"], "storage");
    }
}

/// Root may write to what is read-only, so root hands everything to another user and runs a copy as that one.
fn own_to_somebody(sandbox: &Sandbox) -> Option<(TempDir, u32)> {
    const SOMEBODY: u32 = 65_534;
    chown(&sandbox.project, Some(SOMEBODY), Some(SOMEBODY)).ok()?;
    // Not into the sandbox, whose file system may not allow programs.
    let copy = tempfile::tempdir().unwrap();
    chown(copy.path(), Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    // Not by this process: a child that another test starts meanwhile would hold the copy open for writing, and a file
    // that is open for writing cannot be run.
    let copied = Command::new("cp")
        .arg(binary())
        .arg(copy.path().join("tasq"))
        .status()
        .unwrap();
    assert!(copied.success());
    let mut folders = vec![sandbox.folder().to_path_buf()];
    while let Some(folder) = folders.pop() {
        chown(&folder, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                chown(&path, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
            }
        }
    }
    Some((copy, SOMEBODY))
}

#[test]
fn a_folder_that_is_a_link_is_denied() {
    let sandbox = Sandbox::with(Kind::Sqlite);
    let away = sandbox.folder().join("away");
    fs::rename(sandbox.project.join(".tasq"), &away).unwrap();
    symlink(&away, sandbox.project.join(".tasq")).unwrap();
    assert_eq!(sandbox.error(11, &["list"])["code"], "denied");
}

#[test]
fn an_unknown_id_is_not_found() {
    for words in [
        &["show", "TASK-FFFF0000"][..],
        &["task", "show", "FEAT-0000AAAA"],
        &["claim", "NOPE"],
        &["complete", "NOPE"],
        &["feature", "rm", "NOPE"],
        &["log", "NOPE"],
        &["show", "TAS"],
    ] {
        for error in refused(3, words) {
            assert_eq!(error["code"], "not_found", "{words:?}");
            assert_eq!(error["details"]["candidates"], json!([]));
        }
    }
}

#[test]
fn an_ambiguous_id_lists_the_candidates() {
    for error in refused(3, &["show", "task-0000"]) {
        assert_eq!(error["code"], "ambiguous");
        assert_eq!(
            error["details"]["candidates"],
            json!(["TASK-0000AAAA", "TASK-0000BBBB"])
        );
        assert!(text(&error["message"]).contains("TASK-0000BBBB"));
    }
}

#[test]
fn a_conflict_tells_what_it_is_about() {
    for kind in Kind::ALL {
        let sandbox = Sandbox::with(kind);
        fill(&sandbox);
        let details = |words: &[&str]| sandbox.error(4, words)["details"].clone();
        assert_eq!(
            details(&["epic", "add", "another", "--id", "EPIC-0000AAAA"]),
            json!({ "id": "EPIC-0000AAAA", "kind": "epic" })
        );
        assert_eq!(
            details(&["unhold", "TASK-0000AAAA"]),
            json!({ "id": "TASK-0000AAAA", "kind": "task" })
        );
        sandbox.data(&[
            "add",
            "waits",
            "--id",
            "LATER",
            "--depends-on",
            "TASK-0000BBBB",
        ]);
        assert_eq!(
            details(&["task", "rm", "TASK-0000BBBB"]),
            json!({ "id": "TASK-0000BBBB", "kind": "task", "task": "TASK-0000BBBB", "waiting": "LATER" })
        );
        sandbox.data(&["claim", "TASK-0000AAAA", "--worker", "ada"]);
        assert_eq!(
            details(&["epic", "rm", "EPIC-0000AAAA"]),
            json!({ "id": "EPIC-0000AAAA", "kind": "epic", "task": "TASK-0000AAAA", "claimed_by": "ada" })
        );
        sandbox.data(&["add", "once", "--op", "the-op"]);
        assert_eq!(details(&["add", "twice", "--op", "the-op"])["op"], "the-op");
    }
}

#[test]
fn ids_are_found_in_any_case_and_by_their_beginning() {
    for kind in Kind::ALL {
        let sandbox = Sandbox::with(kind);
        fill(&sandbox);
        for typed in [
            "TASK-0000AAAA",
            "task-0000aaaa",
            "TASK-0000A",
            "task-0000a",
            "task:TASK-0000AAAA",
            "task:task-0000a",
        ] {
            assert_eq!(
                sandbox.data(&["show", typed])["id"],
                "TASK-0000AAAA",
                "{typed}"
            );
        }
    }
}

#[test]
fn a_status_word_that_does_not_exist_lists_the_four() {
    for words in [
        &["list", "--status", "done"][..],
        &["task", "edit", "TASK-0000AAAA", "--status", "done"],
    ] {
        for error in refused(2, words) {
            let message = text(&error["message"]);
            assert!(
                message.contains("pending, in_progress, completed, blocked"),
                "{message}"
            );
        }
    }
}

#[test]
fn a_value_out_of_range_is_a_usage_error() {
    for words in [
        &["add", "work", "--priority", "100"][..],
        &["add", "work", "--priority", "-1"],
        &["feature", "add", "F", "--priority", "high"],
        &["add", "work", "--retry-budget", "1001"],
        &["add", "work", "--retry-budget", "-1"],
        &["claim", "--lease", "soon"],
        &["claim", "--lease", "0s"],
        &["list", "--limit", "0"],
        &["list", "--after", "nonsense"],
        &["add", ""],
        &["add", " \n "],
        &["epic", "add", ""],
        &["task", "edit", "TASK-0000AAAA", "-d", ""],
        &["block", "TASK-0000AAAA", "--reason", ""],
        &["add", "work", "--id", "a b"],
        &[
            "release",
            "TASK-0000AAAA",
            "--token",
            "1-0000000000000000",
            "--not-before",
            "soon",
        ],
        &["nonsense"],
        &["list", "--nonsense"],
        &["--store", "postgres://host/queue", "list"],
        &["epic", "edit", "EPIC-0000AAAA", "--status", "completed"],
    ] {
        for error in refused(2, words) {
            assert_eq!(error["code"], "usage", "{words:?}");
        }
    }
}

#[test]
fn a_feature_or_epic_that_does_not_exist_creates_nothing() {
    for words in [
        &["task", "add", "work", "--feature", "FEAT-TYPO"][..],
        &["task", "add", "work", "--feature", "FEAT-TYPO-P0"],
        &["feature", "add", "F", "--epic", "EPIC-TYPO"],
        &["move", "TASK-0000AAAA", "--feature", "FEAT-TYPO"],
        &["list", "--feature", "FEAT-TYPO"],
        &["claim", "--epic", "EPIC-TYPO"],
        &["add", "work", "--depends-on", "TASK-TYPO"],
        &["test", "add", "t", "--task", "TASK-TYPO"],
    ] {
        for error in refused(3, words) {
            assert_eq!(error["code"], "not_found", "{words:?}");
        }
    }
}

#[test]
fn a_task_cannot_wait_for_itself() {
    for error in refused(13, &["depend", "TASK-0000AAAA", "--on", "TASK-0000AAAA"]) {
        assert_eq!(
            error["details"]["path"],
            json!(["TASK-0000AAAA", "TASK-0000AAAA"])
        );
    }
}

#[test]
fn a_cycle_names_its_path() {
    for kind in Kind::ALL {
        let sandbox = Sandbox::with(kind);
        for id in ["A", "B", "C"] {
            sandbox.data(&["add", id, "--id", id]);
        }
        sandbox.data(&["depend", "A", "--on", "B"]);
        sandbox.data(&["depend", "B", "--on", "C"]);
        let before = sandbox.export();
        let error = sandbox.error(13, &["depend", "C", "--on", "A"]);
        assert_eq!(error["code"], "invalid_data");
        assert_eq!(error["details"]["path"], json!(["C", "A", "B", "C"]));
        assert!(text(&error["message"]).contains("C → A → B → C"));
        assert_eq!(sandbox.export(), before);
    }
}

#[test]
fn a_broken_file_is_refused_with_its_place_and_stays_as_it_is() {
    for kind in Kind::ALL {
        let sandbox = Sandbox::with(kind);
        let before = sandbox.export();
        let cases = [
            (
                "{\n  \"project\": \"p\",\n  \"features\": [,]\n}\n",
                ["line 3", "column 16"],
            ),
            (
                "{\n  \"project\": \"p\",\n  \"features\": [7]\n}\n",
                ["line 3", "$.features[0]"],
            ),
        ];
        for (content, places) in cases {
            let path = sandbox.write("broken.json", content);
            let error = sandbox.error(13, &["import", "broken.json"]);
            assert_eq!(error["code"], "invalid_data");
            let message = text(&error["message"]);
            assert!(
                message.contains("broken.json")
                    && places.iter().all(|place| message.contains(place)),
                "{message}"
            );
            assert_eq!(fs::read_to_string(path).unwrap(), content);
        }
        assert_eq!(sandbox.export(), before);
    }
}

#[test]
fn a_json_store_broken_by_hand_is_refused_with_its_place() {
    let sandbox = Sandbox::with(Kind::Json);
    fill(&sandbox);
    let path = sandbox.project.join(Kind::Json.file());
    let whole = fs::read_to_string(&path).unwrap();
    for (from, to, status, place) in [
        ("\"settings\"", "settings", 8, "line 4"),
        ("\"seq\": 1", "\"seq\": \"one\"", 13, "$.epics"),
        (
            "\"feature\": \"FEAT-0000AAAA\"",
            "\"feature\": \"FEAT-GONE\"",
            13,
            "FEAT-GONE",
        ),
    ] {
        let broken = whole.replacen(from, to, 1);
        assert_ne!(broken, whole, "{from}");
        fs::write(&path, &broken).unwrap();
        let message = text(&sandbox.error(status, &["add", "work"])["message"]);
        assert!(message.contains(place), "{message}");
        assert_eq!(fs::read_to_string(&path).unwrap(), broken);
    }
}

#[test]
fn a_store_is_made_only_in_a_folder_that_is_there() {
    let sandbox = Sandbox::bare();
    for store in ["sqlite:gone/queue.db", "json:gone/queue.json"] {
        let error = sandbox.error(3, &["--store", store, "init"]);
        let message = text(&error["message"]);
        assert!(message.starts_with("there is no folder "), "{message}");
        assert!(message.ends_with("gone"), "{message}");
        assert_eq!(error["hint"], "make that folder first");
    }
}

#[test]
fn a_store_is_never_made_over_another() {
    for kind in Kind::ALL {
        let sandbox = Sandbox::with(kind);
        fill(&sandbox);
        let before = sandbox.export();
        for other in Kind::ALL {
            assert_eq!(
                sandbox.error(4, &["--store", other.file(), "init"])["code"],
                "conflict"
            );
        }
        assert_eq!(sandbox.export(), before);
    }
}

#[test]
fn a_path_with_spaces_and_other_letters_is_a_path() {
    let sandbox = Sandbox::named("mein Projekt – 你好");
    for kind in Kind::ALL {
        let file = format!(
            "größe {}",
            Path::new(kind.file())
                .file_name()
                .unwrap()
                .to_string_lossy()
        );
        sandbox.data(&["--store", &file, "init"]);
        let id = sandbox.id(&["--store", &file, "add", "Übung ✓"]);
        assert_eq!(
            sandbox.data(&["--store", &file, "show", &id])["title"],
            "Übung ✓"
        );
    }
}

#[test]
fn no_home_and_no_user_are_no_trouble() {
    for kind in Kind::ALL {
        let sandbox = Sandbox::with(kind);
        let ran = Ran::of(
            sandbox
                .command(&["--json", "add", "work"])
                .env_remove("HOME")
                .env_remove("USER"),
        );
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let actor = text(&sandbox.data(&["log"])[0]["actor"]);
        assert!(actor.starts_with("uid") && actor.contains('@'), "{actor}");
    }
}
