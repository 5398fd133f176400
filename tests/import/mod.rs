//! Files of other tools and snapshots, imported into every kind of store.
//!
//! The fixtures are of the shapes that real queue files have, and of some that they might. What is proven for each, on
//! each store: the source can be rebuilt to the last key and number, a second import changes nothing, a refusal leaves
//! the store as it was, and what the store holds is consistent.

mod random;

use std::sync::atomic::{AtomicU64, Ordering};

use tasq_app::import::{ImportOptions, ImportReport, read};
use tasq_app::{App, AppError, Caller, Code};
use tasq_domain::{Actor, Contents, life};
use tasq_formats::import::{CommandTemplate, ReadOptions, rebuild};
use tasq_formats::json::{Document, Layout, Limits, to_pretty};
use tasq_formats::snapshot;
use tasq_ports::{Clock as _, Ids, Store};

use crate::contract::consistent;
use crate::contract::stores::one_of_every_kind;

macro_rules! fixtures {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_bytes!(concat!("fixtures/", $name)) as &[u8])),+]
    };
}

/// Every fixture, with its name.
const FILES: &[(&str, &[u8])] = fixtures!(
    "features.json",
    "sequenced.json",
    "sprint.json",
    "repository.json",
    "named.json",
    "tasks.json",
    "export.json",
    "plan.json",
    "generated.json",
    "editorial.json",
    "sparse.json",
);

/// Numbers that differ, from a fixed start.
struct CountedIds(AtomicU64);

impl Ids for CountedIds {
    fn random(&self) -> u64 {
        self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed)
    }
}

fn ids() -> CountedIds {
    CountedIds(AtomicU64::new(1))
}

fn app<'a>(store: &'a dyn Store, ids: &'a CountedIds) -> App<'a> {
    let actor = Actor::new("ada@host").unwrap();
    App::new(store, ids, Caller::Person { actor })
}

fn import(
    store: &dyn Store,
    name: &str,
    bytes: &[u8],
    options: &ImportOptions,
) -> Result<ImportReport, AppError> {
    let reading = ReadOptions {
        name: Some(name.to_owned()),
        ..ReadOptions::default()
    };
    let draft = read(name, bytes, &reading)?;
    app(store, &ids()).import(&draft, options)
}

fn contents(store: &dyn Store) -> Contents {
    app(store, &ids()).export().unwrap()
}

/// The source as people would read it.
fn shown(bytes: &[u8]) -> String {
    let document = Document::parse_foreign(bytes, Limits::FOREIGN).unwrap();
    to_pretty(document.value(), Layout::OneKeyPerLine)
}

fn rebuilt(store: &dyn Store, report: &ImportReport) -> String {
    let file = rebuild(&contents(store), &report.epic_ids[0]).unwrap();
    to_pretty(&file, Layout::OneKeyPerLine)
}

#[test]
fn every_file_can_be_rebuilt_from_every_store() {
    for (name, bytes) in FILES {
        for bench in one_of_every_kind() {
            let store = bench.store.as_ref();
            let report = import(store, name, bytes, &ImportOptions::default()).unwrap();
            let reopened = bench.harness.open();
            assert_eq!(
                rebuilt(reopened.as_ref(), &report),
                shown(bytes),
                "{name} in {}",
                store.info().kind
            );
            for task in &contents(store).tasks {
                assert_eq!(life::broken_invariant(task), None, "{name}: {}", task.id);
            }
            consistent::assert_consistent(reopened.as_ref());
        }
    }
}

#[test]
fn files_stand_beside_each_other_and_a_second_round_changes_nothing() {
    for bench in one_of_every_kind() {
        let store = bench.store.as_ref();
        let import_all = || {
            let all = FILES.iter().map(|(name, bytes)| {
                import(store, name, bytes, &ImportOptions::default()).unwrap()
            });
            all.collect::<Vec<_>>()
        };
        let first = import_all();
        let before = contents(store);
        let second = import_all();
        assert_eq!(contents(store), before, "{}", store.info().kind);
        for ((first, second), (name, bytes)) in first.iter().zip(&second).zip(FILES) {
            assert_eq!(first.epic_ids, second.epic_ids, "{name}");
            assert_eq!(first.tasks.created, second.tasks.unchanged, "{name}");
            assert_eq!(second.tasks.created + second.tasks.updated, 0, "{name}");
            assert_eq!(
                rebuilt(store, second),
                shown(bytes),
                "{name} in {}",
                store.info().kind
            );
        }
        consistent::assert_consistent(store);
    }
}

#[test]
fn a_dry_run_writes_nothing_to_any_store() {
    for bench in one_of_every_kind() {
        let store = bench.store.as_ref();
        let before = contents(store);
        for (name, bytes) in FILES {
            let options = ImportOptions {
                dry_run: true,
                ..ImportOptions::default()
            };
            let rehearsed = import(store, name, bytes, &options).unwrap();
            assert!(rehearsed.epics.created == 1 && rehearsed.dry_run);
        }
        assert_eq!(contents(bench.harness.open().as_ref()), before);
    }
}

#[test]
fn a_refused_file_leaves_every_store_as_it_was() {
    let refused: [(&[u8], Code, &str); 9] = [
        (
            b"{\"features\": [\n{\"id\": \"A\"",
            Code::InvalidData,
            "line 2, column 11, at $.features[0]",
        ),
        (
            b"{\"features\": [{\"id\": \"A\", \"status\": 1}]}",
            Code::InvalidData,
            "$.features[0].status",
        ),
        (
            b"{\"features\": [{\"id\": \"A\", \"id\": \"B\"}]}",
            Code::InvalidData,
            "duplicate key",
        ),
        (
            b"{\"features\": [{\"id\": \"A\"}, {\"id\": \"A\"}]}",
            Code::Conflict,
            "$.features[0] and at $.features[1]",
        ),
        (
            b"{\"tasks\": [{\"id\": \"A\", \"depends_on\": [\"A\"]}]}",
            Code::InvalidData,
            "A → A",
        ),
        (
            b"{\"tasks\": [{\"id\": \"N\"}, {\"id\": \"A\", \"depends_on\": [\"Z\"]}]}",
            Code::InvalidData,
            "A on \"Z\"",
        ),
        (
            b"{\"project\": \"other\", \"tasks\": [{\"id\": \"N\"}, {\"id\": \"BREAD-001\"}]}",
            Code::Conflict,
            "task:BREAD-001",
        ),
        (
            b"{\"master\": {\"tasks\": []}}",
            Code::InvalidData,
            "a Task Master file",
        ),
        (b"\xff{}", Code::InvalidData, "not UTF-8"),
    ];
    for bench in one_of_every_kind() {
        let store = bench.store.as_ref();
        let (name, bytes) = FILES[0];
        import(store, name, bytes, &ImportOptions::default()).unwrap();
        let before = contents(store);
        for (bytes, code, text) in refused {
            let error = import(store, "bad.json", bytes, &ImportOptions::default()).unwrap_err();
            assert_eq!(error.code(), code, "{error}");
            assert!(error.to_string().contains(text), "{error}");
            assert_eq!(contents(store), before);
        }
    }
}

#[test]
fn a_file_that_is_too_deep_or_too_large_is_a_limit() {
    let bench = &one_of_every_kind()[0];
    let deep = format!(
        "{{\"features\": [{{\"id\": \"A\", \"x\": {}1{}}}]}}",
        "[".repeat(100),
        "]".repeat(100)
    );
    let error = import(
        bench.store.as_ref(),
        "deep.json",
        deep.as_bytes(),
        &ImportOptions::default(),
    )
    .unwrap_err();
    assert_eq!(error.code(), Code::Limit);
    let options = ReadOptions {
        limits: Limits::FOREIGN.with_bytes(10),
        ..ReadOptions::default()
    };
    let error = read("large.json", b"{\"features\": []}", &options).unwrap_err();
    assert_eq!(error.code(), Code::Limit);
}

#[test]
fn a_changed_file_is_merged_alike_in_every_store() {
    let (name, bytes) = FILES[2];
    let text = std::str::from_utf8(bytes).unwrap();
    let changed = text
        .replace(
            "\"description\": \"Bind roses\", \"status\": \"pending\"",
            "\"description\": \"Tie roses\", \"status\": \"done\"",
        )
        .replace("[\"E2-ROSES-001\", \"E1-VASES-002\"]", "[\"E2-ROSES-001\"]")
        .replace("\"effort\": \"L\"", "\"effort\": \"XL\"")
        .replace("\"total\": 5", "\"total\": 6");
    let update = ImportOptions {
        update: true,
        ..ImportOptions::default()
    };
    for bench in one_of_every_kind() {
        let store = bench.store.as_ref();
        let report = import(store, name, bytes, &ImportOptions::default()).unwrap();
        let error = import(store, name, changed.as_bytes(), &ImportOptions::default()).unwrap_err();
        assert_eq!(error.code(), Code::Conflict);
        let merged = import(store, name, changed.as_bytes(), &update).unwrap();
        assert_eq!(
            (
                merged.epics.updated,
                merged.tasks.updated,
                merged.tasks.unchanged
            ),
            (1, 2, 3)
        );
        assert_eq!(
            rebuilt(store, &report),
            shown(changed.as_bytes()),
            "{}",
            store.info().kind
        );
        consistent::assert_consistent(store);
        let before = contents(store);
        assert_eq!(
            import(store, name, changed.as_bytes(), &update)
                .unwrap()
                .tasks
                .unchanged,
            5
        );
        assert_eq!(contents(store), before);
    }
}

#[test]
fn commands_made_of_paths_keep_each_path_one_argument() {
    let (name, bytes) = FILES[2];
    let template = CommandTemplate::new("npx vitest run {}").unwrap();
    let reading = ReadOptions {
        test_command: Some(template),
        ..ReadOptions::default()
    };
    let draft = read(name, bytes, &reading).unwrap();
    for bench in one_of_every_kind() {
        let store = bench.store.as_ref();
        app(store, &ids())
            .import(&draft, &ImportOptions::default())
            .unwrap();
        let tests = contents(store).tests;
        let mut commands: Vec<&str> = tests
            .iter()
            .filter_map(|test| Some(test.command.as_ref()?.as_str()))
            .collect();
        commands.sort_unstable();
        assert_eq!(
            commands,
            [
                "npx vitest run 'shop/$(reboot).test.ts'",
                "npx vitest run 'shop/it'\\''s wet.test.ts'",
                "npx vitest run 'shop/vases.test.ts'",
            ]
        );
    }
}

#[test]
fn a_snapshot_goes_from_every_kind_of_store_to_every_other() {
    for from in one_of_every_kind() {
        for (name, bytes) in FILES {
            import(from.store.as_ref(), name, bytes, &ImportOptions::default()).unwrap();
        }
        let text =
            snapshot::encode(&contents(from.store.as_ref()), &snapshot::Extra::default()).unwrap();
        for to in one_of_every_kind() {
            let store = to.store.as_ref();
            let fallback = snapshot::Fallback {
                settings: contents(store).settings,
                at: to.clock.now(),
            };
            let read = snapshot::decode(text.as_bytes(), &fallback).unwrap();
            assert_eq!(read.mended, [""; 0]);
            let report = app(store, &ids())
                .import_snapshot(read.contents.clone(), false)
                .unwrap();
            assert_eq!(report.epics.created, FILES.len() as u64);
            let back = contents(store);
            assert_eq!(back.events.len() as u64, report.records);
            assert_eq!(
                snapshot::encode(&back, &snapshot::Extra::default()).unwrap(),
                text
            );
            let before = contents(store);
            let again = app(store, &ids())
                .import_snapshot(read.contents.clone(), false)
                .unwrap();
            assert_eq!(again.tasks.unchanged, report.tasks.created);
            assert_eq!(contents(store), before);
            consistent::assert_consistent(store);
        }
    }
}
