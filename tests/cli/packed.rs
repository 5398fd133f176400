//! Files that gzip packed, and files on standard input.

use std::fs;
use std::process::Command;

use super::harness::{Kind, Sandbox};

const FILE: &str = r#"{"project": "packed", "features": [{"id": "P-1", "description": "unpack it", "status": "pending"}]}"#;

fn gzip(sandbox: &Sandbox, name: &str) -> Vec<u8> {
    sandbox.write(name, FILE);
    let packed = Command::new("gzip")
        .args(["-c", name])
        .current_dir(&sandbox.project)
        .output()
        .unwrap();
    assert!(packed.status.success());
    packed.stdout
}

#[test]
fn a_packed_file_is_read_like_the_plain_one() {
    for kind in Kind::ALL {
        let sandbox = Sandbox::with(kind);
        let packed = gzip(&sandbox, "queue.json");
        fs::write(sandbox.project.join("queue.json.gz"), packed).unwrap();
        let report = sandbox.data(&["import", "queue.json.gz"]);
        assert_eq!(report["tasks"]["created"], 1, "{report}");
        // The plain file has the same records, so there is nothing left to do.
        let report = sandbox.data(&["import", "queue.json"]);
        assert_eq!(
            (&report["tasks"]["created"], &report["tasks"]["unchanged"]),
            (&0.into(), &1.into()),
            "{report}"
        );
    }
}

#[test]
fn a_damaged_packed_file_is_invalid_data_and_changes_nothing() {
    let sandbox = Sandbox::with(Kind::Sqlite);
    let packed = gzip(&sandbox, "queue.json");
    let before = sandbox.export();
    fs::write(sandbox.project.join("torn.gz"), &packed[..packed.len() / 2]).unwrap();
    let error = sandbox.error(13, &["import", "torn.gz"]);
    assert_eq!(error["code"], "invalid_data");
    assert_eq!(sandbox.export(), before);
}

#[test]
fn a_queue_file_is_read_from_standard_input() {
    let sandbox = Sandbox::with(Kind::Json);
    let ran = sandbox.tasq_reading(&["import", "-", "--json"], FILE);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(sandbox.data(&["show", "P-1"])["title"], "unpack it");
}
