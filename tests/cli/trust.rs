//! Test commands run when this account typed them or looked at them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::harness::{Kind, Ran, Sandbox, text};

fn on_each(test: impl Fn(&Sandbox)) {
    for kind in Kind::ALL {
        test(&Sandbox::with(kind));
    }
}

/// A queue whose one task has a test command that leaves a trace when it runs.
fn imported(sandbox: &Sandbox) {
    sandbox.data(&[
        "task",
        "add",
        "work",
        "--id",
        "A",
        "--test",
        "it runs :: touch ran",
    ]);
    sandbox.write("queue-of-another.json", sandbox.export());
}

/// The same, imported into a store of its own: `--store other.db`.
fn other(sandbox: &Sandbox, words: &[&str]) -> Ran {
    sandbox.tasq(&[&["--store", "other.db", "--json"], words].concat())
}

fn ran(sandbox: &Sandbox) -> bool {
    sandbox.project.join("ran").exists()
}

fn import(sandbox: &Sandbox) {
    imported(sandbox);
    let report = sandbox.tasq(&["import", "queue-of-another.json", "--to", "other.db"]);
    assert_eq!(report.code, Some(0), "{report:?}");
}

#[test]
fn what_is_typed_here_runs_at_once() {
    on_each(|sandbox| {
        sandbox.data(&["task", "add", "work", "--id", "A", "--test", "one :: true"]);
        let test = sandbox.id(&[
            "test",
            "add",
            "two",
            "--task",
            "A",
            "--command",
            "test 1 = 1",
        ]);
        sandbox.data(&["verify", "A"]);
        sandbox.data(&["test", "edit", &test, "--command", "test 2 = 2"]);
        assert_eq!(sandbox.data(&["verify", "A"])["passed"], true);
        let line = r#"{"id":"B","description":"more","tests":[{"description":"three","command":"test 3 = 3"}]}"#;
        let added = sandbox.tasq_reading(&["--json", "task", "add", "--from", "-"], line);
        assert_eq!(added.code, Some(0), "{added:?}");
        assert_eq!(sandbox.data(&["verify", "B"])["passed"], true);
    });
}

#[test]
fn what_came_by_import_waits_for_a_word() {
    on_each(|sandbox| {
        import(sandbox);
        let refused = other(sandbox, &["verify", "A"]);
        assert_eq!(refused.code, Some(11), "{refused:?}");
        let error = refused.error();
        assert_eq!(error["code"], "denied");
        assert_eq!(error["details"]["commands"][0], "touch ran");
        assert!(text(&error["hint"]).contains("tasq trust"), "{error}");

        let loop_ = other(sandbox, &["run", "--", "true"]);
        assert_eq!(loop_.code, Some(11), "{loop_:?}");
        let task = other(sandbox, &["show", "A"]).data();
        assert_eq!(
            (&task["status"], &task["attempts"]),
            (&"pending".into(), &serde_json::json!([]))
        );
        assert!(!ran(sandbox), "an untrusted command ran");

        let unasked = other(sandbox, &["trust"]);
        assert_eq!(unasked.code, Some(11), "{unasked:?}");
        assert!(!ran(sandbox));
        let trusted = other(sandbox, &["trust", "--yes"]);
        assert_eq!(trusted.data()["trusted"], 1);
        assert_eq!(trusted.data()["commands"][0]["trusted"], true);
        assert_eq!(other(sandbox, &["verify", "A"]).code, Some(0));
        assert!(ran(sandbox));

        assert_eq!(other(sandbox, &["trust", "--revoke"]).data()["revoked"], 1);
        let listed = other(sandbox, &["trust", "--list"]).data();
        assert_eq!(listed["commands"][0]["trusted"], false);
        assert_eq!(other(sandbox, &["verify", "A"]).code, Some(11));
    });
}

#[test]
fn without_a_terminal_the_commands_are_shown_and_nothing_is_trusted() {
    let sandbox = Sandbox::with(Kind::Sqlite);
    import(&sandbox);
    let shown = sandbox.tasq(&["--store", "other.db", "trust"]);
    assert_eq!(shown.code, Some(11));
    assert!(shown.stdout.starts_with("touch ran  (TEST-"), "{shown:?}");
    assert_eq!(
        shown.stderr,
        "tasq: nobody is here to say whether these commands may run\n\
         hint: look at them, then repeat it with --yes\n"
    );
}

#[test]
fn a_command_that_somebody_wrote_into_the_store_waits_as_well() {
    let sandbox = Sandbox::with(Kind::Json);
    sandbox.data(&["task", "add", "work", "--id", "A", "--test", "one :: true"]);
    let path = sandbox.project.join(Kind::Json.file());
    let edited = fs::read_to_string(&path).unwrap();
    let edited = edited.replace("\"command\": \"true\"", "\"command\": \"touch ran\"");
    fs::write(&path, edited).unwrap();
    assert_eq!(sandbox.error(11, &["verify", "A"])["code"], "denied");
    assert!(!ran(&sandbox));
}

#[test]
fn a_copy_keeps_what_was_trusted_and_another_place_does_not() {
    let sandbox = Sandbox::with(Kind::Sqlite);
    sandbox.data(&["task", "add", "work", "--id", "A", "--test", "one :: true"]);
    sandbox.data(&["copy", "--to", "copy.json"]);
    let verify = |store: &str| sandbox.tasq(&["--store", store, "verify", "A"]).code;
    assert_eq!(verify("copy.json"), Some(0));
    fs::rename(
        sandbox.project.join("copy.json"),
        sandbox.project.join("moved.json"),
    )
    .unwrap();
    assert_eq!(verify("moved.json"), Some(11));
}

#[test]
fn a_worker_may_not_trust() {
    let sandbox = Sandbox::with(Kind::Sqlite);
    sandbox.data(&["task", "add", "work", "--id", "A"]);
    let token = text(&sandbox.data(&["claim", "A"])["token"]);
    let mut command = sandbox.command(&["--json", "trust", "--yes"]);
    command.env("TASQ_TASK", "A").env("TASQ_TOKEN", token);
    let ran = Ran::of(&mut command);
    assert_eq!(
        (ran.code, &ran.error()["code"]),
        (Some(11), &"denied".into())
    );
}

#[test]
fn trust_is_kept_in_the_state_folder_and_nowhere_else() {
    let sandbox = Sandbox::with(Kind::Sqlite);
    let state = sandbox.folder().join("state");
    let add = |id: &str, state: Option<&PathBuf>| {
        let words = [
            "--json",
            "task",
            "add",
            "work",
            "--id",
            id,
            "--test",
            "it :: true",
        ];
        let mut command = sandbox.command(&words);
        match state {
            Some(state) => command.env("XDG_STATE_HOME", state),
            None => command.env_remove("HOME"),
        };
        Ran::of(&mut command)
    };
    let before = sandbox.export();
    assert!(!before.contains("trust"));
    assert_eq!(add("A", Some(&state)).code, Some(0));
    let kept = state.join("tasq/trust");
    assert_eq!(
        fs::metadata(&kept).unwrap().permissions().mode() & 0o777,
        0o700
    );
    assert_eq!(fs::read_dir(&kept).unwrap().count(), 1);
    // Nowhere to keep it: what was asked for is done all the same, and said so.
    let homeless = add("B", None);
    assert_eq!(homeless.code, Some(0), "{homeless:?}");
    assert!(homeless.stdout.contains("nowhere to keep"), "{homeless:?}");
    assert_eq!(sandbox.tasq(&["verify", "B"]).code, Some(11));
}
