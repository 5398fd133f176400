//! What an operation costs where no clock is needed to say it: waits for the disk, counted by strace.
//!
//! A wait for the disk takes a hundred times as long as all else that a step of the queue does, so their number is the
//! speed of a store that survives power cuts.

pub(crate) mod open;

use std::fs;

use crate::crash::place::{Kind, Place, text};
use crate::crash::strace::strace;

/// Every call that waits for a disk.
pub(super) const WAITS: &str = "trace=fsync,fdatasync,?sync,?syncfs,?sync_file_range,?msync";

/// The waits for the disk in what strace wrote.
pub(super) fn waits(trace: &str) -> usize {
    trace.lines().filter(|line| line.contains("sync")).count()
}

/// How often a command waits for the disk.
fn waits_of(place: &Place, words: &[&str]) -> usize {
    let trace = place.project.with_file_name("waits");
    let ran = strace(place, &["-e", WAITS], words, trace.to_str().unwrap());
    assert_eq!(ran.code, Some(0), "{words:?}: {ran:?}");
    waits(&fs::read_to_string(trace).unwrap())
}

#[test]
fn a_command_that_writes_waits_for_the_disk_twice_at_most() {
    let place = Place::with_store(Kind::Sqlite);
    place.add_tasks((0..10).map(|number| format!("TASK-{number}")));
    let claim = |task: &str| {
        let claim = place.data(&["claim", task, "--worker", "w"]);
        text(&claim["token"])
    };
    let tokens = ["TASK-0", "TASK-1", "TASK-2"].map(claim);
    let [done, failed, held] = &tokens;
    for words in [
        &["add", "one more"][..],
        &["claim", "--worker", "w"],
        &["claim", "-n", "3", "--worker", "w"],
        &["heartbeat", "TASK-2", "--token", held],
        &["checkpoint", "TASK-2", "--token", held, "--summary", "half"],
        &["complete", "TASK-0", "--token", done, "--next"],
        &["fail", "TASK-1", "--token", failed, "--message", "red"],
        &["release", "TASK-2", "--token", held],
        &["hold", "F", "--reason", "wait"],
        &["unhold", "F"],
        &["feature", "edit", "F", "--priority", "1"],
        &["block", "TASK-9", "--reason", "no key"],
    ] {
        let waits = waits_of(&place, words);
        assert!((1..=2).contains(&waits), "{words:?} waits {waits} times");
    }
}

#[test]
fn a_command_that_reads_never_waits_for_the_disk() {
    let place = Place::with_store(Kind::Sqlite);
    place.add_tasks(["TASK-1".to_owned()]);
    for words in [
        &["next"][..],
        &["list"],
        &["tree"],
        &["progress"],
        &["show", "TASK-1"],
        &["why", "TASK-1"],
    ] {
        assert_eq!(waits_of(&place, words), 0, "{words:?}");
    }
}

/// Whether nothing in the log of an SQLite store counts: its first frame, if it has one, says other salts than its header.
pub(crate) fn has_no_frames(log: &[u8]) -> bool {
    log.is_empty() || log.get(16..24) != log.get(40..48)
}

/// It moves the log into the database, two waits, after its own; and a third falls to the next, which begins the log anew.
#[test]
fn a_long_log_is_folded_by_a_command_that_writes_and_by_none_that_reads() {
    let place = Place::with_store(Kind::Sqlite);
    let mut log = place.store().into_os_string();
    log.push("-wal");
    let is_folded = || has_no_frames(&fs::read(&log).unwrap());
    // The first one begins the log.
    place.works(&["add", "one"]);
    assert!(!is_folded());
    let folded = (0..200).find(|_| {
        assert_eq!(waits_of(&place, &["list"]), 0);
        let waits = waits_of(&place, &["add", "one more"]);
        let folded = is_folded();
        assert!(
            waits <= if folded { 4 } else { 2 },
            "{waits} waits, folded: {folded}"
        );
        folded
    });
    assert!(folded.is_some_and(|commands| commands > 5), "{folded:?}");
    let next = waits_of(&place, &["add", "one more"]);
    assert!((1..=3).contains(&next), "{next} waits");
}

/// The log, its folder where that is new, the new file, and the folder after the rename.
#[test]
fn a_change_of_a_json_store_waits_for_the_log_the_file_and_the_folder() {
    let place = Place::with_store(Kind::Json);
    place.add_tasks((0..3).map(|number| format!("TASK-{number}")));
    assert_eq!(waits_of(&place, &["claim", "--worker", "w"]), 3);
    assert_eq!(waits_of(&place, &["next"]), 0);
}
