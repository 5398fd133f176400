//! The list of guards that `scripts/mutants` takes away, one at a time: it must keep up with the sources.

use std::path::Path;
use std::process::Command;

fn script(argument: &str) -> (bool, String, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let output = Command::new("python3")
        .arg(root.join("scripts/mutants"))
        .arg(argument)
        .output()
        .expect("python3 is needed: scripts/test installs it");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (said, complained) = (text(output.stdout), text(output.stderr));
    (output.status.success(), said, complained)
}

#[test]
fn every_guard_is_found_once_and_its_test_is_there() {
    let (fits, _, complained) = script("--check");
    assert!(fits, "{complained}");
}

#[test]
fn every_kind_of_guard_is_in_the_list() {
    let (_, listed, _) = script("--list");
    for guard in [
        "token",
        "readiness",
        "cycles",
        "budget-cap",
        "monotone-time",
        "operation-id",
        "late-message-only-when-stale",
        "lock",
        "turnstile",
        "turn",
        "sqlite-immediate",
        "sqlite-immediate-and-lock",
        "sqlite-synchronous-full",
        "json-compare-before-rename",
        "json-fsync-of-the-snapshot",
        "fsync-of-the-folder",
    ] {
        assert!(
            listed
                .lines()
                .any(|line| line.starts_with(&format!("{guard}: "))),
            "{guard} is not in the list:\n{listed}"
        );
    }
}
