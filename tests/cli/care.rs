//! Checking, mending, backing up and restoring, with the real command on real files.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::harness::{Kind, Ran, Sandbox, text};
use crate::cost::has_no_frames;

/// A queue with the tasks A, B and C, of which B waits for A and C is claimed.
fn stocked(kind: Kind) -> Sandbox {
    let sandbox = Sandbox::with(kind);
    let add = ["task", "add", "first", "--id", "A", "--feature", "F"];
    sandbox.data(&[&add[..], &["--create-feature", "--test", "look :: true"]].concat());
    for (id, more) in [("B", &["--depends-on", "A"][..]), ("C", &[])] {
        sandbox.data(&[&["task", "add", "x", "--id", id, "--feature", "F"], more].concat());
    }
    sandbox.data(&["claim", "C", "--worker", "w"]);
    sandbox
}

/// Runs statements as a plain SQL client does, foreign keys switched off.
fn sql(sandbox: &Sandbox, statements: &str) {
    let script = "import sqlite3, sys\n\
         db = sqlite3.connect(sys.argv[1])\n\
         db.executescript(sys.argv[2])\n";
    let ran = Command::new("python3")
        .args(["-c", script, Kind::Sqlite.file(), statements])
        .current_dir(&sandbox.project)
        .output()
        .expect("this test needs python3 with its sqlite3 module, as a plain SQL client");
    assert!(ran.status.success(), "{ran:?}");
}

/// A plain SQL client that stays open, and may not write the memory that the others share.
struct OnlyReads {
    python: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl OnlyReads {
    fn start(sandbox: &Sandbox) -> Self {
        let script = "import sqlite3, sys\n\
             db = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro&readonly_shm=1', uri=True)\n\
             for _ in sys.stdin:\n    \
                 print(db.execute('SELECT count(*) FROM tasks').fetchone()[0], flush=True)\n";
        let mut python = Command::new("python3")
            .args(["-c", script, Kind::Sqlite.file()])
            .current_dir(&sandbox.project)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test needs python3 with its sqlite3 module, as a plain SQL client");
        let asks = python.stdin.take().unwrap();
        let answers = BufReader::new(python.stdout.take().unwrap());
        Self {
            python,
            asks,
            answers,
        }
    }

    /// How many tasks it sees.
    fn tasks(&mut self) -> usize {
        self.asks.write_all(b"\n").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        answer.trim_end().parse().unwrap()
    }

    fn end(mut self) {
        drop(self.asks);
        assert!(self.python.wait().unwrap().success());
    }
}

/// It has an index of the log of its own, and sees by the log's header and its frames alone that others wrote meanwhile.
#[test]
fn a_client_that_cannot_share_memory_sees_each_commit_after_the_log_was_folded() {
    let sandbox = Sandbox::with(Kind::Sqlite);
    let log = sandbox.project.join(format!("{}-wal", Kind::Sqlite.file()));
    sandbox.data(&["add", "one"]);
    let (mut each, mut at_folds) = (OnlyReads::start(&sandbox), OnlyReads::start(&sandbox));
    assert_eq!((each.tasks(), at_folds.tasks()), (1, 1));
    let (mut added, mut folds) = (1, 0);
    while folds < 3 {
        sandbox.data(&["add", "one more"]);
        added += 1;
        assert!(added < 500, "the log is not folded any more: {folds}");
        assert_eq!(each.tasks(), added);
        if has_no_frames(&fs::read(&log).unwrap()) {
            folds += 1;
            assert_eq!(at_folds.tasks(), added);
        }
    }
    each.end();
    at_folds.end();
}

/// The index of the log is whole, fits the log, and is old: what another machine, or a copy, may have left there.
#[test]
fn an_old_index_of_the_log_is_not_believed() {
    let sandbox = Sandbox::with(Kind::Sqlite);
    let beside = |end| {
        sandbox
            .project
            .join(format!("{}{end}", Kind::Sqlite.file()))
    };
    sandbox.data(&["add", "one"]);
    let old = fs::read(beside("-shm")).unwrap();
    let log = fs::read(beside("-wal")).unwrap();
    sandbox.data(&["add", "two"]);
    assert!(fs::read(beside("-wal")).unwrap().starts_with(&log));
    fs::write(beside("-shm"), &old).unwrap();
    let listed = sandbox.data(&["list"]);
    assert_eq!(
        listed["tasks"].as_array().map(Vec::len),
        Some(2),
        "{listed}"
    );
    assert_ne!(fs::read(beside("-shm")).unwrap(), old);
}

/// What doctor says, whatever its exit status, which must fit.
fn diagnosis(sandbox: &Sandbox, more: &[&str]) -> Value {
    let ran = sandbox.tasq(&[&["doctor", "--json"], more].concat());
    let data = ran.data();
    assert_eq!(ran.code, Some(i32::from(data["well"] == false)), "{data}");
    data
}

/// The whole queue, but for the times of the export itself, which closes open attempts as a restore does.
fn state(sandbox: &Sandbox) -> Vec<String> {
    without_times(&sandbox.export())
}

fn without_times(export: &str) -> Vec<String> {
    let lines = export.lines().filter(|line| !line.contains("updated_at"));
    lines.map(str::to_owned).collect()
}

/// The worst severity of each check that is not as it should be.
fn findings(diagnosis: &Value) -> Vec<(String, String)> {
    let findings = diagnosis["findings"].as_array().unwrap();
    let mut told: Vec<(String, String)> = findings
        .iter()
        .map(|finding| (text(&finding["check"]), text(&finding["severity"])))
        .filter(|(_, severity)| severity != "ok")
        .collect();
    told.dedup();
    told
}

const CHECKS: [&str; 14] = [
    "file_integrity",
    "foreign_keys",
    "schema",
    "versions",
    "references",
    "cycles",
    "invariants",
    "derived",
    "edited_outside",
    "expired_leases",
    "orphan_files",
    "wal_size",
    "network_fs",
    "permissions",
];

#[test]
fn a_store_that_is_well_passes_every_check() {
    for kind in Kind::ALL {
        let diagnosis = diagnosis(&stocked(kind), &[]);
        let checks: Vec<String> = diagnosis["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| text(&finding["check"]))
            .collect();
        assert_eq!(checks, CHECKS, "{kind:?}");
        assert_eq!(findings(&diagnosis), [], "{kind:?}");
    }
}

/// What is done to a store, the check that must notice, how badly, and whether it can be mended.
type Damage = (&'static str, &'static str, bool, fn(&Sandbox));

fn at(sandbox: &Sandbox, name: &str) -> std::path::PathBuf {
    sandbox.project.join(".tasq").join(name)
}

const SQLITE: [Damage; 13] = [
    ("file_integrity", "problem", false, |sandbox| {
        sql(sandbox, "PRAGMA wal_checkpoint(TRUNCATE)");
        overwrite(
            &sandbox.project.join(Kind::Sqlite.file()),
            3 * 4096,
            &[0x5A; 4096],
        );
    }),
    ("foreign_keys", "problem", false, |sandbox| {
        sql(
            sandbox,
            "INSERT INTO checkpoints (task_id, attempt, at, summary) VALUES ('GONE', 1, 1, 'x')",
        );
    }),
    ("references", "problem", false, |sandbox| {
        sql(
            sandbox,
            "INSERT INTO questions (task_id, number, asked_at, asked_by, question) VALUES ('GONE', 1, 1, 'w', 'which?')",
        );
    }),
    ("schema", "problem", true, |sandbox| {
        sql(sandbox, "DROP TRIGGER update_tasks_timestamp")
    }),
    ("versions", "problem", false, |sandbox| {
        sql(sandbox, "DELETE FROM schema_version");
    }),
    ("cycles", "problem", false, |sandbox| {
        sql(
            sandbox,
            "INSERT INTO dependencies (task_id, depends_on) VALUES ('A', 'B')",
        );
    }),
    ("invariants", "problem", false, |sandbox| {
        sql(sandbox, "UPDATE tasks SET lost_in_a_row = 9 WHERE id = 'A'");
    }),
    ("derived", "problem", true, |sandbox| {
        sql(sandbox, "UPDATE tasks SET open_deps = 3 WHERE id = 'A'");
    }),
    ("edited_outside", "warning", false, |sandbox| {
        sql(
            sandbox,
            "UPDATE tasks SET status = 'blocked' WHERE id = 'A'",
        );
    }),
    ("expired_leases", "note", true, |sandbox| {
        sql(
            sandbox,
            "UPDATE tasks SET claim_started_at = 1, lease_expires_at = 2 WHERE id = 'C'",
        );
    }),
    ("orphan_files", "warning", true, |sandbox| {
        fs::write(at(sandbox, ".queue.db.1.0123456789abcdef.tmp"), "x").unwrap();
    }),
    ("wal_size", "warning", true, |sandbox| {
        let log = fs::OpenOptions::new()
            .write(true)
            .open(at(sandbox, "queue.db-wal"));
        // Longer by a hole: SQLite ignores what it did not write.
        log.unwrap().set_len(65 * 1024 * 1024).unwrap();
    }),
    ("permissions", "warning", false, |sandbox| {
        let_others_write(sandbox, Kind::Sqlite)
    }),
];

const JSON: [Damage; 6] = [
    ("file_integrity", "problem", false, |sandbox| {
        fs::write(at(sandbox, "queue.json"), "<<<<<<< ours\n").unwrap();
    }),
    ("derived", "warning", true, |sandbox| {
        edit(
            sandbox,
            "\"status\": \"in_progress\"",
            "\"status\": \"completed\"",
        );
    }),
    ("edited_outside", "warning", false, |sandbox| {
        edit(sandbox, "\"first\"", "\"the first\"");
    }),
    ("versions", "note", false, |sandbox| {
        edit(sandbox, "{", "{\n  \"mine\": 1,")
    }),
    ("orphan_files", "warning", true, |sandbox| {
        fs::write(at(sandbox, ".queue.json.1.0123456789abcdef.tmp"), "x").unwrap();
    }),
    ("permissions", "warning", false, |sandbox| {
        let_others_write(sandbox, Kind::Json)
    }),
];

fn let_others_write(sandbox: &Sandbox, kind: Kind) {
    let path = sandbox.project.join(kind.file());
    fs::set_permissions(path, fs::Permissions::from_mode(0o662)).unwrap();
}

fn edit(sandbox: &Sandbox, from: &str, to: &str) {
    let path = at(sandbox, "queue.json");
    let content = fs::read_to_string(&path).unwrap();
    assert!(content.contains(from), "{content}");
    fs::write(path, content.replacen(from, to, 1)).unwrap();
}

fn overwrite(path: &Path, start: usize, bytes: &[u8]) {
    let mut content = fs::read(path).unwrap();
    content[start..start + bytes.len()].copy_from_slice(bytes);
    fs::write(path, content).unwrap();
}

/// Only a mount could provoke it; what is said there is tested where the words are.
const NOT_PROVOKED: [&str; 1] = ["network_fs"];

#[test]
fn each_check_notices_what_it_is_for_and_only_what_is_derived_is_mended() {
    let mut provoked: BTreeSet<&str> = NOT_PROVOKED.into();
    let sqlite = SQLITE.iter().map(|damage| (Kind::Sqlite, damage));
    for (kind, &(check, severity, mendable, damage)) in
        sqlite.chain(JSON.iter().map(|damage| (Kind::Json, damage)))
    {
        let sandbox = stocked(kind);
        damage(&sandbox);
        let before = diagnosis(&sandbox, &[]);
        let found = findings(&before);
        assert!(
            found.contains(&(check.to_owned(), severity.to_owned())),
            "{kind:?} {check}: {before:#}"
        );
        let advice = before.to_string();
        for word in ["delete", "remove", "rm "] {
            assert!(!advice.contains(&format!("{word} the -wal")), "{advice}");
        }
        provoked.insert(check);
        if mendable {
            let mended = diagnosis(&sandbox, &["--fix"]);
            let left = findings(&mended);
            let still = left
                .iter()
                .any(|(name, severity)| name == check && severity != "note");
            assert!(!still, "{kind:?} {check}: {mended:#}");
            assert_ne!(mended["fixed"].as_array().unwrap().len(), 0, "{check}");
            let backup = text(&mended["backup"]["file"]);
            sandbox.data(&["--store", &backup, "tree"]);
        }
    }
    assert_eq!(provoked, CHECKS.into());
}

#[test]
fn where_nothing_can_be_mended_nothing_is_written() {
    for kind in Kind::ALL {
        let sandbox = stocked(kind);
        let files = || {
            let names = fs::read_dir(sandbox.project.join(".tasq")).unwrap();
            names
                .map(|it| it.unwrap().file_name())
                .collect::<BTreeSet<_>>()
        };
        diagnosis(&sandbox, &[]);
        let before = (files(), state(&sandbox));
        let mended = diagnosis(&sandbox, &["--fix"]);
        assert_eq!(
            (&mended["backup"], &mended["fixed"]),
            (&Value::Null, &Value::Array(vec![]))
        );
        assert_eq!((files(), state(&sandbox)), before);
    }
}

#[test]
fn a_parent_that_is_rolled_up_by_mending_has_an_event() {
    let sandbox = stocked(Kind::Sqlite);
    sql(
        &sandbox,
        "DROP TRIGGER update_features_timestamp; UPDATE features SET status = 'completed'",
    );
    let mended = diagnosis(&sandbox, &["--fix"]);
    assert_eq!(
        findings(&mended).len(),
        1,
        "the backup is noted: {mended:#}"
    );
    let log = sandbox.tasq(&["log", "feature:F"]).stdout;
    assert!(
        log.contains(r#"{"from":"completed","status":"in_progress"}"#),
        "{log}"
    );
}

#[test]
fn what_is_missing_or_newer_is_an_error_and_no_finding() {
    let sandbox = Sandbox::bare();
    assert_eq!(text(&sandbox.error(3, &["doctor"])["code"]), "not_found");
    assert_eq!(
        text(&sandbox.error(3, &["backup", "b.db"])["code"]),
        "not_found"
    );
    let sandbox = stocked(Kind::Sqlite);
    sql(&sandbox, "PRAGMA user_version = 999");
    assert_eq!(text(&sandbox.error(9, &["doctor"])["code"]), "too_new");
}

#[test]
fn a_restore_closes_what_was_open_and_keeps_what_was_there() {
    for kind in Kind::ALL {
        let sandbox = stocked(kind);
        let backup = format!("backup.{}", kind.file().rsplit('.').next().unwrap());
        let made = sandbox.data(&["backup", &backup]);
        assert_eq!((&made["tasks"], &made["tests"]), (&3.into(), &1.into()));
        let again = sandbox.error(4, &["backup", &backup]);
        assert_eq!(text(&again["code"]), "conflict");
        sandbox.data(&["backup", &backup, "--force"]);
        let token = text(&sandbox.data(&["claim", "A", "--worker", "late"])["token"]);
        let before = state(&sandbox);

        sandbox.error(4, &["restore", &backup]);
        let restored = sandbox.data(&["restore", &backup, "--force"]);
        assert_eq!(restored["closed_attempts"], 1, "{restored}");
        let task = sandbox.data(&["show", "C"]);
        let task = if task.get("task").is_some() {
            &task["task"]
        } else {
            &task
        };
        assert_eq!(
            (text(&task["status"]), &task["retries_used"]),
            ("pending".to_owned(), &0.into())
        );
        // What was acknowledged after the backup is not known here, and no token of that time is taken.
        sandbox.error(4, &["complete", "A", "--token", &token]);
        let kept = text(&restored["kept"]);
        let there = sandbox.tasq(&["--store", &kept, "export"]).stdout;
        assert_eq!(without_times(&there), before, "{kind:?}");
        assert_eq!(diagnosis(&sandbox, &[])["well"], true);
    }
}

#[test]
fn a_lost_store_is_restored_where_it_was() {
    for kind in Kind::ALL {
        let sandbox = stocked(kind);
        sandbox.data(&["backup", "backup"]);
        fs::remove_dir_all(sandbox.project.join(".tasq")).unwrap();
        sandbox.data(&["restore", "backup"]);
        assert!(sandbox.project.join(kind.file()).is_file());
        assert_eq!(sandbox.data(&["show", "A"])["error"], Value::Null);
        let well = diagnosis(&sandbox, &[]);
        assert_eq!(findings(&well), [], "{kind:?}");
    }
}

#[test]
fn a_backup_is_restored_into_a_store_of_the_other_kind() {
    for (kind, other) in [
        (Kind::Sqlite, "json:other.json"),
        (Kind::Json, "sqlite:other.db"),
    ] {
        let sandbox = stocked(kind);
        sandbox.data(&["backup", "backup"]);
        sandbox.data(&["restore", "backup", "--to", other]);
        let there = sandbox.tasq(&["--store", other, "export"]).stdout;
        assert_eq!(state(&sandbox), without_times(&there), "{kind:?}");
        sandbox.error(4, &["restore", "backup", "--to", other]);
    }
}

#[test]
fn a_damaged_backup_restores_nothing() {
    for kind in Kind::ALL {
        let sandbox = stocked(kind);
        sandbox.data(&["backup", "backup"]);
        let path = sandbox.project.join("backup");
        match kind {
            Kind::Sqlite => overwrite(&path, 3 * 4096, &[0x5A; 4096]),
            Kind::Json => fs::write(&path, "{\"tasq_snapshot\": 1, \"tasks\"").unwrap(),
        }
        let before = state(&sandbox);
        let code = sandbox.tasq(&["restore", "backup", "--force"]).code;
        assert_eq!(code, Some(8), "{kind:?}");
        assert_eq!(state(&sandbox), before, "{kind:?}");
    }
}

const WRITERS: usize = 8;

/// What was acknowledged before a backup began is in it, and each backup restores clean.
#[test]
fn every_backup_under_eight_writers_restores_clean_and_misses_nothing_acknowledged() {
    let full = std::env::var_os("TASQ_TEST_FULL").is_some();
    let rounds = if full { 200 } else { 12 };
    for kind in Kind::ALL {
        let sandbox = Sandbox::with(kind);
        sandbox.data(&["feature", "add", "F", "--id", "F"]);
        let acknowledged: Mutex<BTreeSet<String>> = Mutex::default();
        let stop = AtomicBool::new(false);
        let largest = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|_| scope.spawn(|| write_until(&sandbox, &acknowledged, &stop)))
                .collect();
            let mut largest = 0;
            for round in 0..rounds {
                let known = acknowledged.lock().unwrap().clone();
                largest = largest.max(back_up_and_restore(&sandbox, round, &known));
            }
            stop.store(true, Ordering::SeqCst);
            let ran: usize = writers.into_iter().map(|it| it.join().unwrap()).sum();
            println!(
                "{kind:?}: {rounds} backups beside {WRITERS} writers with {ran} commands, none failed"
            );
            largest
        });
        let written = acknowledged.lock().unwrap().len();
        println!("{kind:?}: {written} tasks acknowledged, {largest} in the last backup, none lost");
        assert!(largest > 0, "the writers were at work");
    }
}

/// Adds, claims and completes tasks until it is to stop. Returns how many commands ran.
fn write_until(
    sandbox: &Sandbox,
    acknowledged: &Mutex<BTreeSet<String>>,
    stop: &AtomicBool,
) -> usize {
    let mut ran = 0;
    while !stop.load(Ordering::SeqCst) {
        let id = sandbox.id(&["task", "add", "x", "--feature", "F"]);
        acknowledged.lock().unwrap().insert(id);
        let claim = sandbox.data(&["claim", "--worker", "w"]);
        let (task, token) = (text(&claim["task"]["id"]), text(&claim["token"]));
        sandbox.data(&["complete", &task, "--token", &token]);
        ran += 3;
    }
    ran
}

/// Returns how many tasks the backup holds.
fn back_up_and_restore(sandbox: &Sandbox, round: usize, known: &BTreeSet<String>) -> usize {
    let (backup, restored) = (format!("backup-{round}"), format!("restored-{round}.db"));
    sandbox.data(&["backup", &backup]);
    sandbox.data(&["restore", &backup, "--to", &restored]);
    let ran = sandbox.tasq(&["--store", &restored, "doctor", "--json"]);
    let data = ran.data();
    assert_eq!(
        (ran.code, findings(&data)),
        (Some(0), Vec::new()),
        "{data:#}"
    );
    let ran = sandbox.tasq(&["--store", &restored, "export"]);
    let snapshot: Value = serde_json::from_str(&ran.stdout).unwrap();
    let empty = serde_json::Map::new();
    let tasks = snapshot["tasks"].as_object().unwrap_or(&empty);
    let missing: Vec<_> = known.iter().filter(|id| !tasks.contains_key(*id)).collect();
    assert!(
        missing.is_empty(),
        "acknowledged before the backup, and not in it: {missing:?}"
    );
    tasks.len()
}

/// How many single bits are flipped, one at a time, in a store of each kind.
const FLIPS: u64 = 64;

#[test]
fn bits_that_flip_are_found_or_go_unseen_and_never_end_in_a_bug() {
    let flips = if std::env::var_os("TASQ_TEST_FULL").is_some() {
        FLIPS * 20
    } else {
        FLIPS
    };
    for kind in Kind::ALL {
        let sandbox = stocked(kind);
        let many: String = (0..300)
            .map(|number| {
                format!("{{\"description\": \"task number {number}\", \"feature\": \"F\"}}\n")
            })
            .collect();
        let ran = sandbox.tasq_reading(&["task", "add", "--from", "-"], &many);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        sandbox.data(&["backup", "sound"]);
        let whole = state(&sandbox);
        let sound = fs::read(sandbox.project.join("sound")).unwrap();
        let seed = 0x7461_7371_u64;
        let (mut refused, mut problem, mut hint, mut harmless, mut unseen) = (0, 0, 0, 0, 0);
        for number in 0..flips {
            let bit = mix(seed ^ number) % (sound.len() as u64 * 8);
            let mut flipped = sound.clone();
            flipped[usize::try_from(bit / 8).unwrap()] ^= 1 << (bit % 8);
            let name = format!(
                "flipped-{number}.{}",
                kind.file().rsplit('.').next().unwrap()
            );
            sandbox.write(&name, flipped);
            if let Ok(log) = fs::read(sandbox.project.join("sound.log.jsonl")) {
                sandbox.write(&format!("flipped-{number}.log.jsonl"), log);
            }
            let ran: Ran = sandbox.tasq(&["--store", &name, "doctor", "--json"]);
            match ran.code {
                Some(0) if findings(&ran.data()).is_empty() => {
                    let there = sandbox.tasq(&["--store", &name, "export"]).stdout;
                    if without_times(&there) == whole {
                        harmless += 1;
                    } else {
                        unseen += 1;
                    }
                }
                Some(0) => hint += 1,
                Some(1) => problem += 1,
                Some(3 | 8 | 9 | 13) => refused += 1,
                other => {
                    panic!("seed {seed:#x}, bit {bit} of {kind:?} ended with {other:?}: {ran:?}")
                }
            }
        }
        println!(
            "{kind:?}, seed {seed:#x}: of {flips} flipped bits in {} bytes {problem} were found as problems, \
             {hint} as warnings or notes, {refused} kept the store from being opened, \
             {harmless} changed nothing that the queue says, {unseen} went unseen",
            sound.len()
        );
        assert_eq!(refused + problem + hint + harmless + unseen, flips);
        assert!(problem + refused > 0, "nothing was ever found");
    }
}

/// SplitMix64.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
