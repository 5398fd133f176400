//! The log of a JSON store: whatever it holds, the tasks are what the snapshot says, and nothing is written by opening.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use tasq_adapter_json::{JsonStore, Options, SideFiles};
use tasq_domain::Timestamp;
use tasq_ports::{Clock, StoreError, StoreExt as _};

const SNAPSHOT: &[u8] = include_bytes!("../seeds/snapshot/lived-in.json");

/// A clock that stands.
struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(2_000_000_000_000_000)
    }
}

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("queue.json");
    let log = SideFiles::of(&path).log;
    std::fs::write(&path, SNAPSHOT).expect("there is room");
    std::fs::write(&log, bytes).expect("there is room");
    let store = JsonStore::open(&path, Options::new(Arc::new(Standing)));
    let store = store.expect("the log is only the past");
    let contents = store.read(|tx| tx.contents());
    let contents = contents.unwrap_or_else(|error: StoreError| panic!("{error}"));
    assert_eq!(contents.tasks.len(), 5);
    assert_eq!(std::fs::read(&path).expect("it is there"), SNAPSHOT);
    assert_eq!(std::fs::read(&log).expect("it is there"), bytes);
});
