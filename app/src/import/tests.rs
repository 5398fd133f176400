//! Importing into the reference store: what is written, what is refused, and what a second import does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tasq_adapter_memory::MemoryStore;
use tasq_domain::backoff::Backoff;
use tasq_domain::life::broken_invariant;
use tasq_domain::{
    Actor, Contents, EventKind, OperationId, Outcome, Proof, Settings, Status, StoreId, Task,
    TaskId, Timestamp, Worker,
};
use tasq_formats::import::rebuild;
use tasq_formats::json::{Document, Limits, to_text};
use tasq_ports::{Clock, Ids, StoreExt};

use super::*;
use crate::{Caller, Code, EditTask, HolderRef};

const NOW: i64 = 1_780_000_000_000_000;

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(NOW)
    }
}

struct CountedIds(AtomicU64);

impl Ids for CountedIds {
    fn random(&self) -> u64 {
        self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed)
    }
}

struct Queue {
    store: MemoryStore,
    ids: CountedIds,
}

impl Queue {
    fn new() -> Self {
        let settings = Settings {
            store: StoreId::new("store-1").unwrap(),
            name: "test".to_owned(),
            require_tests: false,
            backoff: Backoff::default(),
        };
        Self {
            store: MemoryStore::new(&settings, Arc::new(StoppedClock)),
            ids: CountedIds(AtomicU64::new(1)),
        }
    }

    fn app(&self) -> App<'_> {
        let actor = Actor::new("ada@host").unwrap();
        App::new(&self.store, &self.ids, Caller::Person { actor })
    }

    fn import_with(&self, text: &str, options: &ImportOptions) -> Result<ImportReport, AppError> {
        let draft = read("file.json", text.as_bytes(), &ReadOptions::default())?;
        self.app().import(&draft, options)
    }

    fn import(&self, text: &str) -> ImportReport {
        self.import_with(text, &options())
            .unwrap_or_else(|error| panic!("{error}"))
    }

    fn update(&self, text: &str) -> ImportReport {
        let options = ImportOptions {
            update: true,
            ..options()
        };
        self.import_with(text, &options)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// The code and the message of a refusal, after which nothing has changed.
    fn refusal(&self, text: &str, options: &ImportOptions) -> (Code, String) {
        let before = self.contents();
        let error = self.import_with(text, options).unwrap_err();
        assert_eq!(self.contents(), before);
        (error.code(), error.to_string())
    }

    fn contents(&self) -> Contents {
        self.store.read(|tx| tx.contents()).unwrap()
    }

    fn task(&self, id: &str) -> Task {
        let id = TaskId::new(id).unwrap();
        self.store.read(|tx| tx.task(&id)).unwrap().unwrap().task
    }

    /// Changes a task as no use case would.
    fn change(&self, id: &str, change: impl Fn(&mut Task)) {
        let mut task = self.task(id);
        change(&mut task);
        self.store.write(|tx| tx.update_task(&task)).unwrap();
    }

    fn rebuilt(&self, report: &ImportReport) -> String {
        to_text(&rebuild(&self.contents(), &report.epic_ids[0]).unwrap())
    }

    fn dependencies(&self) -> Vec<String> {
        let contents = self.contents();
        contents
            .dependencies
            .iter()
            .map(|one| format!("{} {}", one.task, one.on))
            .collect()
    }
}

fn options() -> ImportOptions {
    ImportOptions {
        place: "file.json".to_owned(),
        ..ImportOptions::default()
    }
}

fn compact(text: &str) -> String {
    to_text(
        Document::parse_foreign(text.as_bytes(), Limits::FOREIGN)
            .unwrap()
            .value(),
    )
}

/// Every key that is seen in such files, in one.
const SHOP: &str = r#"{
  "project": "shop", "sequence": 3, "last_updated": "2026-01-18T00:00:00Z", "fingerprints": [], "notes": ["a", 1.50],
  "features": [
    {"id": "CART-1", "epic": "E2", "description": "Add to cart", "status": "complete", "attempts": 3, "max_iterations": 10,
     "completed_at": "2026-01-10T10:00:00.000001", "priority": "P0", "passes": true, "tests": ["cart.test.ts"], "bug_count": null},
    {"id": "CART-2", "epic": "E2", "title": "Empty it", "description": "With one key", "status": "pending", "error": "no button",
     "attempts": 20, "max_iterations": 5, "dependencies": ["CART-1"], "priority": 1, "agent": "fixer", "cost": 1e3,
     "last_attempt": "2026-01-11T10:00:00Z", "tests": ["a b.ts", "c.ts"]},
    {"id": "PAY-1", "epic": "E3", "description": "Pay", "status": "in_progress", "dependencies": ["CART-2"], "created_at": "2026-01-09"},
    {"id": "PAY-2", "epic": null, "description": "Refund", "status": "parked", "priority": 120},
    {"id": "ALL", "type": "epic", "description": "All of it", "child_tasks": ["PAY-3"], "status": "complete"},
    {"id": "PAY-3", "epic": "E3", "description": "Invoice", "depends_on": ["ALL"], "status": "done"}
  ],
  "summary": {"total": 6}
}"#;

/// [`SHOP`] with one text put in for another.
fn shop(from: &str, to: &str) -> String {
    assert!(SHOP.contains(from), "{from}");
    SHOP.replace(from, to)
}

#[test]
fn a_file_becomes_an_epic_with_features_and_tasks() {
    let queue = Queue::new();
    let report = queue.import(SHOP);
    assert_eq!(
        (
            report.records,
            report.epics.created,
            report.features.created,
            report.tasks.created
        ),
        (6, 1, 4, 5)
    );
    assert_eq!((report.tests.created, report.dependencies), (3, 2));
    assert_eq!(report.origin, "queue-file:shop");
    let contents = queue.contents();
    for task in &contents.tasks {
        assert_eq!(broken_invariant(task), None, "{}", task.id);
    }
    let done = queue.task("CART-1");
    assert_eq!(
        (done.status, &done.proof),
        (Status::Completed, &Some(Proof::Imported))
    );
    assert_eq!(done.completed_at.unwrap().micros(), 1_768_039_200_000_001);
    assert_eq!((done.retries_used, done.attempts), (3, 0));
    let open = queue.task("CART-2");
    assert_eq!(
        (open.status, open.retries_used, open.attempts),
        (Status::Pending, 4, 1)
    );
    assert_eq!(open.description.as_str(), "Empty it\n\nWith one key");
    assert_eq!(
        queue.task("PAY-2").blocked_reason.unwrap().as_str(),
        "parked"
    );
    let statuses: Vec<_> = contents
        .features
        .iter()
        .map(|one| (one.name.as_str(), one.status))
        .collect();
    assert_eq!(
        statuses,
        [
            ("All of it", Status::Completed),
            ("E2", Status::InProgress),
            ("E3", Status::Pending),
            ("shop", Status::Blocked),
        ]
    );
    assert_eq!(contents.epics[0].status, Status::InProgress);
}

#[test]
fn the_next_worker_sees_how_the_last_attempt_failed() {
    let queue = Queue::new();
    queue.import(SHOP);
    let attempts = queue.contents().attempts;
    assert_eq!(attempts.len(), 1);
    let end = attempts[0].end.as_ref().unwrap();
    assert_eq!(
        (end.outcome, end.message.as_ref().unwrap().as_str()),
        (Outcome::Failed, "no button")
    );
    assert_eq!(
        (attempts[0].token.attempt, attempts[0].worker.as_str()),
        (1, "fixer")
    );
}

#[test]
fn every_item_has_one_event() {
    let queue = Queue::new();
    queue.import(SHOP);
    let contents = queue.contents();
    let mut entities: Vec<String> = contents
        .events
        .iter()
        .map(|event| event.entity.to_string())
        .collect();
    assert!(
        contents
            .events
            .iter()
            .all(|event| event.kind == EventKind::Imported)
    );
    let items = contents.epics.len()
        + contents.features.len()
        + contents.tasks.len()
        + contents.tests.len();
    assert_eq!(entities.len(), items);
    entities.sort();
    entities.dedup();
    assert_eq!(entities.len(), items);
}

#[test]
fn the_source_can_be_rebuilt() {
    let queue = Queue::new();
    let report = queue.import(SHOP);
    assert_eq!(queue.rebuilt(&report), compact(SHOP));
}

#[test]
fn what_changed_here_shows_in_the_rebuilt_file_in_its_own_keys() {
    let queue = Queue::new();
    let report = queue.import(SHOP);
    queue.change("CART-2", |task| {
        task.status = Status::Completed;
        task.completed_at = Some(Timestamp::from_micros(NOW));
        task.own_priority = None;
        task.retries_used = 0;
    });
    let file = Document::parse(queue.rebuilt(&report).as_bytes())
        .unwrap()
        .into_value();
    let record = file
        .as_object()
        .unwrap()
        .get("features")
        .unwrap()
        .as_array()
        .unwrap()[1]
        .as_object()
        .unwrap()
        .clone();
    assert_eq!(record.get("status").unwrap().as_str(), Some("completed"));
    assert_eq!(record.get("attempts").unwrap(), &0_u8.into());
    assert!(record.get("priority").unwrap().is_null());
    assert_eq!(
        record.get("cost").unwrap().as_number().unwrap().as_str(),
        "1e3"
    );
}

#[test]
fn importing_again_changes_nothing_whatever_became_of_the_tasks() {
    let queue = Queue::new();
    queue.import(SHOP);
    queue
        .app()
        .reopen(&TaskId::new("CART-1").unwrap(), false)
        .unwrap();
    let before = queue.contents();
    for options in [
        options(),
        ImportOptions {
            update: true,
            ..options()
        },
        ImportOptions {
            remap: true,
            ..options()
        },
    ] {
        let report = queue.import_with(SHOP, &options).unwrap();
        assert_eq!(queue.contents(), before);
        assert_eq!(
            (
                report.epics.unchanged,
                report.tasks.unchanged,
                report.tests.unchanged
            ),
            (1, 5, 3)
        );
        assert_eq!(
            report.tasks.created
                + report.tasks.updated
                + report.features.created
                + report.dependencies,
            0
        );
    }
}

#[test]
fn a_dry_run_reports_the_same_and_writes_nothing() {
    let queue = Queue::new();
    let before = queue.contents();
    let rehearsed = queue
        .import_with(
            SHOP,
            &ImportOptions {
                dry_run: true,
                ..options()
            },
        )
        .unwrap();
    assert_eq!(queue.contents(), before);
    assert_eq!(
        ImportReport {
            dry_run: false,
            ..rehearsed
        },
        queue.import(SHOP)
    );
}

#[test]
fn an_operation_imports_once() {
    let queue = Queue::new();
    let draft = read("file.json", SHOP.as_bytes(), &ReadOptions::default()).unwrap();
    let import = || {
        queue
            .app()
            .with_op(Some(OperationId::new("op-1").unwrap()))
            .import(&draft, &options())
            .unwrap()
    };
    let first = import();
    let before = queue.contents();
    let again = import();
    assert_eq!(queue.contents(), before);
    assert_eq!(
        (first.tasks, first.epic_ids, first.dependencies),
        (again.tasks, again.epic_ids, again.dependencies)
    );
}

#[test]
fn a_changed_record_is_a_conflict_that_names_it() {
    let queue = Queue::new();
    queue.import(SHOP);
    let (code, message) = queue.refusal(&shop("Refund", "Refund it"), &options());
    assert_eq!(
        (code, message.as_str()),
        (
            Code::Conflict,
            "file.json: the file changed since its last import: task:PAY-2"
        )
    );
}

#[test]
fn an_update_takes_only_what_the_source_changed() {
    let queue = Queue::new();
    queue.import(SHOP);
    let edit = EditTask {
        priority: Some(Some(tasq_domain::Priority::new(7).unwrap())),
        ..EditTask::default()
    };
    queue
        .app()
        .edit_task(&TaskId::new("PAY-2").unwrap(), &edit, false)
        .unwrap();
    let report = queue.update(&shop(
        "\"Refund\", \"status\": \"parked\"",
        "\"Refund it\", \"status\": \"todo\"",
    ));
    assert_eq!((report.tasks.updated, report.tasks.unchanged), (1, 4));
    let task = queue.task("PAY-2");
    assert_eq!(task.description.as_str(), "Refund it");
    assert_eq!((task.status, task.blocked_reason), (Status::Pending, None));
    assert_eq!(task.own_priority.unwrap().number(), 7);
    // The new state is the base of the next import.
    let again = queue.update(&shop(
        "\"Refund\", \"status\": \"parked\"",
        "\"Refund it\", \"status\": \"todo\"",
    ));
    assert_eq!(again.tasks.updated, 0);
}

#[test]
fn an_update_never_undoes_a_completion_nor_the_status_of_a_claim() {
    let queue = Queue::new();
    queue.import(SHOP);
    let changed = shop(
        "\"status\": \"complete\", \"attempts\": 3",
        "\"status\": \"blocked\", \"attempts\": 4",
    );
    let report = queue.update(&changed);
    assert_eq!(queue.task("CART-1").status, Status::Completed);
    assert!(
        report
            .warnings
            .iter()
            .any(|text| text.contains("CART-1") && text.contains("stays completed"))
    );

    queue.app().claim(&claim_of("CART-2")).unwrap();
    let held = queue.task("CART-2").claim;
    assert!(held.is_some());
    let report = queue.update(&shop(
        "\"status\": \"pending\", \"error\"",
        "\"status\": \"done\", \"error\"",
    ));
    let task = queue.task("CART-2");
    assert_eq!((task.status, task.claim), (Status::InProgress, held));
    assert!(
        report
            .warnings
            .iter()
            .any(|text| text.contains("CART-2") && text.contains("claimed"))
    );
}

fn claim_of(id: &str) -> crate::ClaimTasks {
    crate::ClaimTasks {
        which: crate::WhichTask::This(id.to_owned()),
        worker: Worker::new("w").unwrap(),
        lease: std::time::Duration::from_secs(60),
        count: 1,
        pid: None,
    }
}

#[test]
fn an_update_completes_what_the_source_completed() {
    let queue = Queue::new();
    let report = queue.import(SHOP);
    let changed = shop(
        "\"status\": \"pending\", \"error\"",
        "\"status\": \"done\", \"error\"",
    );
    queue.update(&changed);
    let task = queue.task("CART-2");
    assert_eq!(
        (task.status, task.proof.clone()),
        (Status::Completed, Some(Proof::Imported))
    );
    assert_eq!(broken_invariant(&task), None);
    assert_eq!(queue.rebuilt(&report), compact(&changed));
}

#[test]
fn an_update_adds_and_removes_dependencies_and_tests_of_the_source_alone() {
    let queue = Queue::new();
    queue.import(SHOP);
    let (pay, refund) = (TaskId::new("PAY-1").unwrap(), TaskId::new("PAY-2").unwrap());
    queue.app().depend(&pay, &refund, false).unwrap();
    assert_eq!(
        queue.dependencies(),
        ["CART-2 CART-1", "PAY-1 CART-2", "PAY-1 PAY-2"]
    );
    // The source turns the edge between CART-2 and PAY-1 round.
    let turned = shop(
        "\"dependencies\": [\"CART-1\"]",
        "\"dependencies\": [\"PAY-1\"]",
    )
    .replace("\"dependencies\": [\"CART-2\"]", "\"dependencies\": []")
    .replace("[\"a b.ts\", \"c.ts\"]", "[\"c.ts\", \"d.ts\"]");
    queue.update(&turned);
    assert_eq!(queue.dependencies(), ["CART-2 PAY-1", "PAY-1 PAY-2"]);
    let tests = queue.contents().tests;
    let texts: Vec<&str> = tests.iter().map(|test| test.description.as_str()).collect();
    assert_eq!(texts, ["cart.test.ts", "c.ts", "d.ts"]);
}

#[test]
fn an_update_that_would_close_a_cycle_with_what_is_here_is_refused() {
    let queue = Queue::new();
    queue.import(SHOP);
    let (pay, refund) = (TaskId::new("PAY-1").unwrap(), TaskId::new("PAY-2").unwrap());
    queue.app().depend(&pay, &refund, false).unwrap();
    let text = shop(
        "\"status\": \"parked\"",
        "\"depends_on\": [\"PAY-1\"], \"status\": \"parked\"",
    );
    let (code, message) = queue.refusal(
        &text,
        &ImportOptions {
            update: true,
            ..options()
        },
    );
    assert_eq!(code, Code::InvalidData);
    assert!(message.contains("PAY-2 → PAY-1 → PAY-2"), "{message}");
}

#[test]
fn an_update_adds_new_records_and_moves_what_changed_its_group() {
    let queue = Queue::new();
    queue.import(SHOP);
    let text = shop(
        "\"epic\": null, \"description\": \"Refund\"",
        "\"epic\": \"E9\", \"description\": \"Refund\"",
    )
    .replace(
        "\"features\": [",
        "\"features\": [{\"id\": \"NEW\", \"description\": \"n\", \"epic\": \"E3\"},",
    );
    let report = queue.update(&text);
    assert_eq!(
        (
            report.features.created,
            report.tasks.created,
            report.tasks.updated
        ),
        (1, 1, 1)
    );
    let contents = queue.contents();
    let name = |id: &str| {
        let feature = queue.task(id).feature;
        contents
            .features
            .iter()
            .find(|one| one.id == feature)
            .unwrap()
            .name
            .as_str()
            .to_owned()
    };
    assert_eq!(
        (name("PAY-2"), name("NEW"), name("PAY-1")),
        ("E9".into(), "E3".into(), "E3".into())
    );
}

#[test]
fn an_id_from_elsewhere_is_a_conflict_or_gets_a_fresh_one() {
    let queue = Queue::new();
    queue.import(SHOP);
    let other = r#"{"project": "bank", "features": [{"id": "PAY-1", "description": "Other"},
                    {"id": "B-2", "description": "b", "dependencies": ["PAY-1"]}]}"#;
    let (code, message) = queue.refusal(other, &options());
    assert_eq!(code, Code::Conflict);
    assert!(
        message.contains("task:PAY-1 (here: queue-file:shop, in the file: queue-file:bank)"),
        "{message}"
    );

    let remap = ImportOptions {
        remap: true,
        ..options()
    };
    let report = queue.import_with(other, &remap).unwrap();
    let (from, to) = &report.remapped[0];
    assert_eq!(
        (from.as_str(), queue.task(to).description.as_str()),
        ("task:PAY-1", "Other")
    );
    assert!(queue.dependencies().contains(&format!("B-2 {to}")));
    assert_eq!(queue.rebuilt(&report), compact(other));
    // What was remapped is found again, with the option and without.
    let before = queue.contents();
    for options in [remap, options()] {
        let again = queue.import_with(other, &options).unwrap();
        assert_eq!((again.tasks.unchanged, again.remapped.len()), (2, 0));
        assert_eq!(queue.contents(), before);
    }
}

#[test]
fn several_files_of_a_project_stand_beside_each_other() {
    let queue = Queue::new();
    let first = queue.import(SHOP);
    let second_file = r#"{"project": "shop", "tasks": [{"id": "MORE-1", "description": "m"}]}"#;
    let second = queue.import(second_file);
    assert_ne!(first.epic_ids, second.epic_ids);
    assert_eq!(second.origin, "queue-file:shop#2");
    let before = queue.contents();
    assert_eq!(queue.import(SHOP).epic_ids, first.epic_ids);
    assert_eq!(queue.import(second_file).epic_ids, second.epic_ids);
    assert_eq!(queue.contents(), before);
    assert_eq!(queue.rebuilt(&first), compact(SHOP));
    assert_eq!(queue.rebuilt(&second), compact(second_file));
}

#[test]
fn a_dependency_may_lie_in_a_file_that_came_before() {
    let queue = Queue::new();
    let text = r#"{"project": "bank", "features": [{"id": "B-1", "description": "b", "dependencies": ["PAY-1", "X", "Y"]}]}"#;
    let (code, message) = queue.refusal(text, &options());
    assert_eq!(code, Code::InvalidData);
    assert!(
        message.ends_with(r#"B-1 on "PAY-1", B-1 on "X", B-1 on "Y""#),
        "{message}"
    );
    queue.import(SHOP);
    let text = text.replace(", \"X\", \"Y\"", "");
    let report = queue.import(&text);
    assert!(queue.dependencies().contains(&"B-1 PAY-1".to_owned()));
    assert_eq!(queue.rebuilt(&report), compact(&text));
}

#[test]
fn a_worker_may_import_but_not_update() {
    let queue = Queue::new();
    queue.import(SHOP);
    let holder = HolderRef {
        task: TaskId::new("PAY-1").unwrap(),
        token: "1-00000000000000ab".parse().unwrap(),
    };
    let caller = Caller::Worker {
        worker: Worker::new("w").unwrap(),
        holder,
    };
    let app = App::new(&queue.store, &queue.ids, caller);
    let draft = read("file.json", SHOP.as_bytes(), &ReadOptions::default()).unwrap();
    let update = ImportOptions {
        update: true,
        ..options()
    };
    assert_eq!(
        app.import(&draft, &update).unwrap_err().code(),
        Code::Denied
    );
    assert!(app.import(&draft, &options()).is_ok());
}

#[test]
fn a_snapshot_goes_into_an_empty_store_and_again_changes_nothing() {
    let (from, to) = (Queue::new(), Queue::new());
    from.import(SHOP);
    from.app().claim(&claim_of("CART-2")).unwrap();
    let mut snapshot = from.app().export().unwrap();
    snapshot.settings.store = StoreId::new("other").unwrap();
    snapshot.settings.name = "theirs".to_owned();
    snapshot.events.clear();
    snapshot.attempts.clear();
    let before = to.contents();
    let rehearsed = to.app().import_snapshot(snapshot.clone(), true).unwrap();
    assert_eq!(to.contents(), before);
    let report = to.app().import_snapshot(snapshot.clone(), false).unwrap();
    assert_eq!(
        ImportReport {
            dry_run: false,
            ..rehearsed
        },
        report
    );
    assert_eq!((report.tasks.created, report.tests.created), (5, 3));
    let contents = to.contents();
    assert_eq!(
        (
            contents.settings.store.as_str(),
            contents.settings.name.as_str()
        ),
        ("other", "theirs")
    );
    assert_eq!(contents.tasks, snapshot.tasks);
    assert_eq!(contents.events.len(), 1 + 4 + 5 + 3);
    let again = to.app().import_snapshot(snapshot.clone(), false).unwrap();
    assert_eq!((again.tasks.unchanged, again.tasks.created), (5, 0));
    assert_eq!(to.contents(), contents);
    // Also where it came from, although a task is claimed there.
    assert_eq!(
        from.app()
            .import_snapshot(snapshot.clone(), false)
            .unwrap()
            .tasks
            .unchanged,
        5
    );
}

#[test]
fn a_snapshot_of_something_else_is_a_conflict_in_a_store_that_is_not_empty() {
    let (from, to) = (Queue::new(), Queue::new());
    from.import(SHOP);
    to.import(&shop("Refund", "Refund it"));
    let before = to.contents();
    let snapshot = from.app().export().unwrap();
    let error = to
        .app()
        .import_snapshot(snapshot.clone(), false)
        .unwrap_err();
    assert_eq!(error.code(), Code::Conflict);
    assert!(error.to_string().ends_with("task:PAY-2"), "{error}");
    assert_eq!(to.contents(), before);
}
