//! The readers, and what must hold for whatever they are given.

use std::fs;

use tasq_adapter_json::{JsonStore, Options, SideFiles};
use tasq_app::import::{ImportOptions, read};
use tasq_app::{App, Caller};
use tasq_domain::{Actor, Settings, life};
use tasq_formats::import::ReadOptions;
use tasq_formats::json::{Document, to_text};
use tasq_formats::snapshot::{self, Fallback};
use tasq_ports::StoreExt as _;
use tempfile::TempDir;

use super::corpus;
use super::{Fate, fuzz};
use crate::contract::harness::{TestClock, settings};
use crate::contract::make::at;
use crate::contract::stores::MemoryHarness;
use crate::usecases::desk::{CountedIds, Desk, new_task};

fn fallback() -> Fallback {
    Fallback {
        settings: settings(),
        at: at(0),
    }
}

/// What is read of another tool's file becomes sound tasks, or nothing at all.
#[test]
fn a_queue_file_is_imported_whole_or_not_at_all() {
    let promise = "a queue file is imported whole or not at all";
    fuzz(
        "fuzz_queue_files",
        promise,
        &corpus::queue_files(),
        |bytes, _| {
            let Ok(draft) = read("fuzz.json", bytes, &ReadOptions::default()) else {
                return Fate::Refused;
            };
            let desk = Desk::fresh::<MemoryHarness>();
            let before = desk.contents();
            if desk
                .ada()
                .import(&draft, &ImportOptions::default())
                .is_err()
            {
                assert_eq!(desk.contents(), before, "a refusal changes nothing");
                return Fate::Refused;
            }
            let contents = desk.contents();
            for task in &contents.tasks {
                assert_eq!(life::broken_invariant(task), None, "{task:?}");
            }
            desk.bench.assert_consistent();
            let again = desk.ada().import(&draft, &ImportOptions::default());
            again.expect("what was imported is imported again");
            assert_eq!(desk.contents().tasks, contents.tasks, "and changes nothing");
            Fate::Taken
        },
    );
}

/// What is written is read as the same, and written the same again.
#[test]
fn a_snapshot_that_is_taken_is_written_the_same_again() {
    let promise = "what is read makes a sound store, and is written the same again";
    fuzz(
        "fuzz_snapshots",
        promise,
        &corpus::snapshots(),
        |bytes, _| {
            let Ok(first) = snapshot::decode(bytes, &fallback()) else {
                return Fate::Refused;
            };
            let text = snapshot::encode(&first.contents, &first.extra)
                .expect("what was read can be written");
            let second =
                snapshot::decode(text.as_bytes(), &fallback()).expect("our own text is read");
            assert_eq!(
                second.mended,
                Vec::<String>::new(),
                "our own text needs no mending"
            );
            assert_eq!(second.contents, first.contents);
            assert_eq!(second.extra, first.extra);
            let again = snapshot::encode(&second.contents, &second.extra);
            assert_eq!(again.as_deref(), Ok(text.as_str()));
            let desk = Desk::fresh::<MemoryHarness>();
            desk.bench.write(|tx| tx.load(&first.contents));
            desk.bench.assert_consistent();
            for task in &desk.contents().tasks {
                assert_eq!(life::broken_invariant(task), None, "{task:?}");
            }
            Fate::Taken
        },
    );
}

/// The strict reader takes nothing that another reader of JSON does not take, and reads the same.
#[test]
fn what_the_strict_reader_takes_is_json() {
    let promise = "the strict reader takes JSON only, and reads what is there";
    fuzz(
        "fuzz_strict_json",
        promise,
        &corpus::json(),
        |bytes, _| match Document::parse(bytes) {
            Err(_) => Fate::Refused,
            Ok(document) => {
                let other: serde_json::Value = serde_json::from_slice(bytes).unwrap();
                let text = to_text(document.value());
                assert_eq!(
                    serde_json::from_str::<serde_json::Value>(&text).unwrap(),
                    other
                );
                Fate::Taken
            }
        },
    );
}

/// A JSON store whose snapshot is something else is refused and left alone, or it is a queue that works.
#[test]
fn a_changed_snapshot_is_refused_untouched_or_works() {
    let (_, log) = corpus::lived_in();
    let promise = "a store is refused untouched or works";
    fuzz(
        "fuzz_json_stores",
        promise,
        &corpus::snapshots(),
        |bytes, _| json_store(bytes, &log),
    );
}

/// A log is only the past: whatever it holds, the queue is what its snapshot says.
#[test]
fn a_changed_log_never_changes_what_the_tasks_are() {
    let (snapshot, log) = corpus::lived_in();
    let (seeded, store) = corpus::seeded();
    let logs = corpus::logs(log);
    // Now and then the snapshot is no queue, so that both ways are gone.
    let promise = "whatever the log holds, the queue is what its snapshot says";
    fuzz("fuzz_json_logs", promise, &logs, |bytes, numbers| {
        if numbers.one_in(20) {
            return json_store(&snapshot[..snapshot.len() / 2], bytes);
        }
        let is_seed = bytes.windows(store.len()).any(|id| id == store.as_bytes());
        let snapshot = if is_seed { &seeded } else { &snapshot };
        assert_eq!(json_store(snapshot, bytes), Fate::Taken);
        Fate::Taken
    });
}

fn json_store(snapshot: &[u8], log: &[u8]) -> Fate {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("queue.json");
    let log_path = SideFiles::of(&path).log;
    fs::write(&path, snapshot).unwrap();
    fs::write(&log_path, log).unwrap();
    let clock = TestClock::at(at(1_000_000));
    let open = || JsonStore::open(&path, Options::new(clock.shared()));
    let opened = open();
    let unchanged = || fs::read(&path).unwrap() == snapshot && fs::read(&log_path).unwrap() == log;
    assert!(unchanged(), "opening writes nothing");
    let Ok(store) = opened else {
        return Fate::Refused;
    };
    let before = store
        .read(|tx| tx.contents())
        .expect("what was opened is read");
    let ids = CountedIds::default();
    let actor = Actor::new("ada").unwrap();
    let app = App::new(&store, &ids, Caller::Person { actor });
    let mut new = new_task("one more", "FUZZ");
    new.create_feature = true;
    let added = app.add_task(&new).expect("what was opened is written to");
    let Settings { store: id, .. } = before.settings;
    let after = open().expect("our own text is read");
    let after = after.read(|tx| tx.contents()).unwrap();
    assert_eq!(after.settings.store, id);
    assert_eq!(after.tasks.len(), before.tasks.len() + 1);
    assert!(
        after
            .tasks
            .iter()
            .any(|task| task.id == added.record.task.id)
    );
    for task in &before.tasks {
        assert!(after.tasks.contains(task), "{task:?} is as it was");
    }
    Fate::Taken
}
