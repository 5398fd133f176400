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

#[test]
fn a_file_above_the_limit_is_refused_until_more_is_allowed() {
    let sandbox = Sandbox::with(Kind::Sqlite);
    let padding = " ".repeat(1_100_000);
    sandbox.write("large.json", format!("{FILE}{padding}"));
    let packed = Command::new("gzip")
        .args(["-k", "large.json"])
        .current_dir(&sandbox.project)
        .status()
        .unwrap();
    assert!(packed.success());
    for file in ["large.json", "large.json.gz"] {
        let before = sandbox.export();
        let error = sandbox.error(12, &["import", file, "--max-mib", "1"]);
        assert!(
            error["hint"].as_str().unwrap().contains("--max-mib"),
            "{error}"
        );
        assert_eq!(sandbox.export(), before, "{file}");
    }
    let report = sandbox.data(&["import", "large.json.gz", "--max-mib", "2"]);
    assert_eq!(report["tasks"]["created"], 1, "{report}");
    // What the store itself wrote is held to the same limit, and taken with the same flag.
    let mut own = sandbox.export();
    own.push_str(&padding);
    sandbox.write("own.json", &own);
    let fresh = Sandbox::with(Kind::Sqlite);
    fresh.write("own.json", &own);
    fresh.error(12, &["import", "own.json", "--max-mib", "1"]);
    let report = fresh.data(&["import", "own.json"]);
    assert_eq!(report["tasks"]["created"], 1, "{report}");
}
