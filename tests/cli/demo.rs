//! The demo is real: it must end with everything proven, after one retry.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::harness::{Ran, Sandbox, text};

#[test]
fn the_demo_proves_every_task_and_needs_one_retry() {
    let sandbox = Sandbox::bare();
    let ran = Ran::of(
        sandbox
            .command(&["--json", "demo", "--keep"])
            .env("TMPDIR", sandbox.folder()),
    );
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let envelope: Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    let data = &envelope["data"];
    assert_eq!(
        (&data["proven"], &data["completed"]),
        (&data["tasks"], &data["tasks"])
    );
    assert_eq!(
        (data["tasks"].as_u64(), data["retries"].as_u64()),
        (Some(10), Some(1))
    );
    let folder = text(&data["folder"]);
    let page = fs::read_to_string(Path::new(&folder).join("site/stations.html")).unwrap();
    assert!(page.contains("Sonnblick"), "the worker really wrote it");
    let tree = Ran::of(sandbox.command(&["--json", "tree"]).current_dir(&folder)).data();
    assert_eq!(tree["epics"][0]["status"], "completed");
}

#[test]
fn the_demo_leaves_nothing_behind() {
    let sandbox = Sandbox::bare();
    let temporary = sandbox.folder().join("home");
    let ran = Ran::of(sandbox.command(&["demo"]).env("TMPDIR", &temporary));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("10 proven by their tests"), "{ran:?}");
    assert_eq!(fs::read_dir(temporary).unwrap().count(), 0);
}
