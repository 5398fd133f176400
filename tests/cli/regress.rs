//! What passed before runs again after a change, and is reopened if it broke.

use super::harness::{Kind, Ran, Sandbox, keys, text};

/// A writes `a`, and B, which waits for A, writes `b` and needs `a` to say `one`.
fn stocked(sandbox: &Sandbox) {
    let add = |words: &[&str]| sandbox.data(&[&["task", "add"], words].concat());
    add(&["write a", "--id", "A", "--test", "it is there :: test -s a"]);
    add(&[
        "write b",
        "--id",
        "B",
        "--depends-on",
        "A",
        "--test",
        "they fit :: grep -q one a",
    ]);
}

fn run(sandbox: &Sandbox, words: &[&str], script: &str) -> Ran {
    sandbox.tasq(&[&["run", "--json"], words, &["--", "sh", "-c", script]].concat())
}

#[test]
fn verify_reopens_what_a_change_broke() {
    for kind in Kind::ALL {
        let sandbox = Sandbox::with(kind);
        stocked(&sandbox);
        let done = run(&sandbox, &[], "echo one > a");
        assert_eq!(done.code, Some(0), "{done:?}");
        let fine = sandbox.data(&["verify", "A", "--regress"]);
        assert_eq!(keys(&fine), ["passed", "tests", "regress"]);
        let looked = ["passed", "tests", "broken", "reopened"];
        assert_eq!(keys(&fine["regress"]), looked);
        assert_eq!(fine["regress"]["tests"].as_array().unwrap().len(), 1);

        sandbox.write("a", "two\n");
        let broken = sandbox.tasq(&["--json", "verify", "A", "--regress"]);
        assert_eq!(broken.code, Some(1), "{broken:?}");
        let data = broken.data();
        assert_eq!(data["passed"], false);
        assert_eq!(data["tests"][0]["status"], "passing");
        assert_eq!(data["regress"]["reopened"], serde_json::json!(["B"]));
        assert_eq!(sandbox.data(&["show", "B"])["status"], "pending");
        assert_eq!(sandbox.data(&["show", "A"])["status"], "completed");
        let feature = text(&sandbox.data(&["show", "A"])["feature_id"]);
        let error = sandbox.error(2, &["verify", &feature, "--regress"]);
        assert!(text(&error["hint"]).contains("task"), "{error}");
    }
}

#[test]
fn the_loop_goes_on_until_nothing_is_broken() {
    let sandbox = Sandbox::with(Kind::Sqlite);
    stocked(&sandbox);
    assert_eq!(run(&sandbox, &[], "echo one > a").code, Some(0));
    sandbox.data(&["reopen", "A"]);
    let script = "case $TASQ_TASK in A) echo two > a;; B) echo one >> a;; esac";
    let done = run(&sandbox, &["--regress"], script);
    assert_eq!(done.code, Some(0), "{done:?}");
    let told = done.stdout.lines().find(|line| line.contains("regressed"));
    let told: serde_json::Value = serde_json::from_str(told.unwrap()).unwrap();
    assert_eq!(
        (&told["task_id"], &told["reopened"][0]),
        (&"A".into(), &"B".into())
    );
    assert_eq!(
        sandbox.data(&["show", "B"])["attempts"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}
