//! Where the changes begin: real files of every kind, and odd ones that once were, or might be, somebody's trouble.

use std::path::Path;
use std::sync::Arc;

use tasq_adapter_json::{JsonStore, Options, SideFiles};
use tasq_app::{App, Caller, ScopeRef, WhichTask};
use tasq_domain::{Actor, OperationId};
use tasq_ports::Store;
use tempfile::TempDir;

use crate::contract::harness::{TestClock, settings};
use crate::contract::make::at;
use crate::usecases::desk::{
    CountedIds, claims, completing, id_of, manual, named, new_epic, new_feature, of_task,
};

/// Odd texts for every reader.
const ODD: [&[u8]; 24] = [
    b"",
    b" \n",
    b"\xEF\xBB\xBF{}",
    b"\xFF\xFE{\0}\0",
    b"{",
    b"[]",
    b"null",
    b"{}",
    b"{\"a\":1,\"a\":2}",
    b"[1e999999999999999999]",
    b"[-0.0e-0, 00]",
    b"\"\\ud800\"",
    b"\"\\ud83d\\ude00\\u0000\"",
    b"\"\xC0\x80\"",
    b"{\"tasks\":{}}",
    b"{\"tasks\":[{}]}",
    b"{\"tasks\":[[]]}",
    b"{\"tasks\":[{\"id\":\"A\",\"status\":\"pending\"},{\"id\":\"A\"}]}",
    b"{\"tasks\":[{\"id\":\"A\",\"dependencies\":[\"A\"]}]}",
    b"{\"features\":[{\"id\":\"F\",\"tasks\":null}]}",
    b"{\"tasq_snapshot\":1}",
    b"{\"tasq_snapshot\":18446744073709551616}",
    b"<<<<<<< ours\n{}\n=======\n[]\n>>>>>>> theirs\n",
    b"SQLite format 3\0",
];

/// Queue files of other tools.
pub(super) fn queue_files() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("import/fixtures");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let files = files.into_iter().map(|path| std::fs::read(path).unwrap());
    with_odd_ones(files.collect())
}

/// Snapshots: of a queue with all that a queue can have, and written by hand.
pub(super) fn snapshots() -> Vec<Vec<u8>> {
    let by_hand = br#"{"tasq_snapshot": 1, "features": [{"id": "F", "name": "f"}],
 "tasks": [{"id": "T", "feature": "F", "description": "do it", "depends_on": ["U"]},
           {"id": "U", "feature": "F", "description": "first", "status": "completed", "mine": [1, {"a": null}]}]}"#;
    let mut files = vec![lived_in().0, by_hand.to_vec()];
    files.extend(seeds("snapshot"));
    with_odd_ones(files)
}

/// Logs: that of a queue on which people and workers have worked, and others that lead to the seed `lived-in.json`.
pub(super) fn logs(lived_in: Vec<u8>) -> Vec<Vec<u8>> {
    let mut files = vec![lived_in];
    files.extend(seeds("json_log"));
    files.extend([b"".to_vec(), b"{}\n".to_vec(), b"\0".to_vec()]);
    files
}

/// A snapshot of the fuzz targets, and the id of its store.
pub(super) fn seeded() -> (Vec<u8>, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/snapshot/lived-in.json");
    let snapshot = std::fs::read(path).unwrap();
    let store = serde_json::from_slice::<serde_json::Value>(&snapshot).unwrap();
    (snapshot, store["store"].as_str().unwrap().to_owned())
}

/// What the fuzz targets begin with, and whatever they found.
pub(super) fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds");
    let mut files: Vec<_> = std::fs::read_dir(folder.join(target))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let files = files.into_iter().map(|path| std::fs::read(path).unwrap());
    files.collect()
}

/// Any JSON there is here, whole and broken.
pub(super) fn json() -> Vec<Vec<u8>> {
    let mut files = seeds("json");
    files.extend(seeds("snapshot"));
    with_odd_ones(files)
}

fn with_odd_ones(mut files: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    files.extend(ODD.map(<[u8]>::to_vec));
    files
}

/// The snapshot and the log of a queue on which people and workers have worked.
pub(super) fn lived_in() -> (Vec<u8>, Vec<u8>) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("queue.json");
    let clock = TestClock::at(at(0));
    let options = Options::new(Arc::clone(&clock.shared()));
    let store = JsonStore::create(&path, &settings(), options).unwrap();
    work(&store);
    let log = SideFiles::of(&path).log;
    (std::fs::read(path).unwrap(), std::fs::read(log).unwrap())
}

fn work(store: &dyn Store) {
    let ids = CountedIds::default();
    let app = || {
        let actor = Actor::new("ada").unwrap();
        App::new(store, &ids, Caller::Person { actor })
    };
    let operation = OperationId::new("op-1").unwrap();
    let epic = app().add_epic(&new_epic("epic")).unwrap().epic.id;
    let mut feature = new_feature("feature");
    feature.epic = Some(epic.to_string());
    let feature = app().add_feature(&feature).unwrap().feature.id.to_string();
    for id in ["A", "B", "C", "D"] {
        app().add_task(&named(id, &feature)).unwrap();
    }
    let mut last = named("E", &feature);
    last.depends_on = vec!["A".to_owned(), "D".to_owned()];
    app().add_task(&last).unwrap();
    app()
        .add_test(&of_task("E"), &manual("look at it"))
        .unwrap();
    let next = || claims(WhichTask::Next(ScopeRef::Queue), 1);
    let first = app().claim(&next()).unwrap().remove(0);
    let completed = completing(id_of(&first), Some(first.token));
    app().complete(&completed).unwrap();
    let app = app().with_op(Some(operation));
    app.claim(&next()).unwrap();
}
