use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tasq_domain::ready::Scope;
use tasq_domain::{
    Actor, AnyId, CommandLine, Dependency, Description, EntityKind, Epic, EpicId, Feature,
    FeatureId, Hold, JsonObject, Name, Priority, Reason, RetryBudget, Settings, Status, StoreId,
    Task, TaskId, TestCase, TestId, TestOwner, TestStatus, Timestamp, backoff::Backoff,
};
use tasq_ports::{Clock, Inserted, Page, Sort, StoreError, StoreExt, TaskFilter, Tx};

use crate::MemoryStore;

struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

fn store() -> MemoryStore {
    let settings = Settings {
        store: StoreId::new("S").unwrap(),
        name: "q".into(),
        require_tests: false,
        backoff: Backoff::default(),
    };
    MemoryStore::new(&settings, Arc::new(TestClock(AtomicI64::new(1_000))))
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn epic(id: &str) -> Epic {
    Epic {
        seq: 0,
        id: EpicId::new(id).unwrap(),
        name: Name::new("an epic").unwrap(),
        description: None,
        own_status: Status::Pending,
        status: Status::Pending,
        hold: None,
        source: None,
        created_at: at(1),
        updated_at: at(1),
        metadata: JsonObject::default(),
    }
}

fn feature(id: &str, epic: Option<&str>) -> Feature {
    Feature {
        seq: 0,
        id: FeatureId::new(id).unwrap(),
        epic: epic.map(|epic| EpicId::new(epic).unwrap()),
        name: Name::new("a feature").unwrap(),
        description: None,
        priority: Priority::default(),
        own_status: Status::Pending,
        status: Status::Pending,
        hold: None,
        source: None,
        created_at: at(1),
        updated_at: at(1),
        metadata: JsonObject::default(),
    }
}

fn task(id: &str, feature: &str) -> Task {
    Task {
        seq: 0,
        id: TaskId::new(id).unwrap(),
        feature: FeatureId::new(feature).unwrap(),
        description: Description::new("do it").unwrap(),
        own_priority: None,
        retry_budget: RetryBudget::default(),
        hold: None,
        source: None,
        metadata: JsonObject::default(),
        created_at: at(1),
        updated_at: at(1),
        status: Status::Pending,
        blocked_reason: None,
        retries_used: 0,
        not_before: None,
        attempts: 0,
        lost_in_a_row: 0,
        claim: None,
        completed_at: None,
        proof: None,
    }
}

fn task_id(id: &str) -> TaskId {
    TaskId::new(id).unwrap()
}

/// An epic E, its feature F, and tasks A and B in it.
fn planted() -> MemoryStore {
    let store = store();
    store
        .write(|tx| -> Result<(), StoreError> {
            assert_eq!(tx.insert_epic(&epic("E"))?, Inserted::At(1));
            assert_eq!(
                tx.insert_feature(&feature("F", Some("E")))?,
                Inserted::At(1)
            );
            assert_eq!(tx.insert_task(&task("A", "F"))?, Inserted::At(1));
            assert_eq!(tx.insert_task(&task("B", "F"))?, Inserted::At(2));
            Ok(())
        })
        .unwrap();
    store
}

fn set_status(tx: &mut dyn Tx, id: &str, status: Status, micros: i64) -> Result<(), StoreError> {
    let mut task = tx.task(&task_id(id))?.unwrap().task;
    task.status = status;
    task.updated_at = at(micros);
    tx.update_task_life(&task)
}

fn statuses(tx: &mut dyn Tx) -> Result<(Status, Status, i64), StoreError> {
    let epic = tx.epic(&EpicId::new("E").unwrap())?.unwrap();
    let feature = tx.feature(&FeatureId::new("F").unwrap())?.unwrap();
    Ok((epic.status, feature.status, epic.updated_at.micros()))
}

#[test]
fn what_a_failed_unit_wrote_is_gone() {
    let store = planted();
    let error = store.write(|tx| -> Result<(), StoreError> {
        set_status(tx, "A", Status::Completed, 5)?;
        tx.remove_task(&task_id("nobody"))?;
        Ok(())
    });
    assert!(matches!(error, Err(StoreError::Backend { .. })));
    let (epic, feature, time) = store.read(statuses).unwrap();
    assert_eq!((epic, feature, time), (Status::Pending, Status::Pending, 1));
}

#[test]
fn a_write_in_a_reading_unit_is_refused() {
    let error = planted().read(|tx| tx.insert_epic(&epic("X"))).unwrap_err();
    assert!(matches!(error, StoreError::Backend { .. }));
}

#[test]
fn a_reader_sees_the_last_commit_while_a_writer_writes() {
    let store = planted();
    let other = store.clone();
    store
        .write(|tx| -> Result<(), StoreError> {
            set_status(tx, "A", Status::InProgress, 5)?;
            assert_eq!(other.read(statuses)?.0, Status::Pending);
            assert_eq!(statuses(tx)?.0, Status::InProgress);
            Ok(())
        })
        .unwrap();
    assert_eq!(other.read(statuses).unwrap().0, Status::InProgress);
}

#[test]
fn parents_follow_their_children_in_both_directions_with_the_time_of_the_write() {
    let store = planted();
    let steps = [
        ("A", Status::Completed, 10, Status::InProgress, 10),
        ("B", Status::Completed, 11, Status::Completed, 11),
        ("A", Status::Pending, 12, Status::InProgress, 12),
        ("B", Status::Blocked, 13, Status::Pending, 13),
        // An earlier time does not turn the parent's back.
        ("A", Status::Blocked, 7, Status::Blocked, 13),
    ];
    for (id, status, micros, expected, time) in steps {
        let found = store
            .write(|tx| {
                set_status(tx, id, status, micros)?;
                statuses(tx)
            })
            .unwrap();
        assert_eq!(found, (expected, expected, time), "{id} {status}");
    }
}

#[test]
fn a_gating_test_of_the_feature_keeps_it_open() {
    let store = planted();
    let test = TestCase {
        seq: 0,
        id: TestId::new("T").unwrap(),
        owner: TestOwner::Feature(FeatureId::new("F").unwrap()),
        description: Description::new("all is well").unwrap(),
        command: Some(CommandLine::new("true").unwrap()),
        required: false,
        status: TestStatus::Pending,
        last: None,
        source: None,
        created_at: at(1),
        updated_at: at(1),
        metadata: JsonObject::default(),
    };
    store
        .write(|tx| -> Result<(), StoreError> {
            let _ = tx.insert_test(&test)?;
            set_status(tx, "A", Status::Completed, 10)?;
            set_status(tx, "B", Status::Completed, 10)?;
            assert_eq!(statuses(tx)?.1, Status::InProgress);
            let passing = TestCase {
                status: TestStatus::Passing,
                updated_at: at(20),
                ..test.clone()
            };
            tx.update_test(&passing)?;
            assert_eq!(statuses(tx)?, (Status::Completed, Status::Completed, 20));
            tx.update_test(&test)?;
            assert_eq!(statuses(tx)?.1, Status::InProgress);
            tx.remove_test(&test.id)?;
            assert_eq!(statuses(tx)?.1, Status::Completed);
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_move_rolls_up_both_parents() {
    let store = planted();
    store
        .write(|tx| -> Result<(), StoreError> {
            let _ = tx.insert_feature(&feature("G", None))?;
            set_status(tx, "A", Status::Completed, 10)?;
            let mut moved = tx.task(&task_id("B"))?.unwrap().task;
            moved.feature = FeatureId::new("G").unwrap();
            moved.status = Status::Blocked;
            moved.updated_at = at(30);
            tx.update_task(&moved)?;
            assert_eq!(statuses(tx)?, (Status::Completed, Status::Completed, 30));
            let to = tx.feature(&moved.feature)?.unwrap();
            assert_eq!((to.status, to.updated_at), (Status::Blocked, at(30)));
            assert_eq!(
                tx.task_counts(&Scope::Feature(moved.feature.clone()))?
                    .blocked,
                1
            );
            Ok(())
        })
        .unwrap();
}

#[test]
fn the_next_is_the_most_urgent_then_the_oldest_that_is_ready() {
    let store = planted();
    let next = |tx: &mut dyn Tx| -> Result<Option<String>, StoreError> {
        let next = tx.next_ready(&Scope::Queue)?;
        Ok(next.map(|record| record.task.id.to_string()))
    };
    store
        .write(|tx| -> Result<(), StoreError> {
            let mut urgent = task("U", "F");
            urgent.own_priority = Some(Priority::new(0).unwrap());
            let _ = tx.insert_task(&urgent)?;
            assert_eq!(next(tx)?.as_deref(), Some("U"));
            let waits = Dependency {
                task: task_id("U"),
                on: task_id("B"),
            };
            assert!(tx.insert_dependency(&waits)?);
            assert!(!tx.insert_dependency(&waits)?);
            assert_eq!(next(tx)?.as_deref(), Some("A"));
            set_status(tx, "A", Status::InProgress, 5)?;
            assert_eq!(next(tx)?.as_deref(), Some("B"));
            set_status(tx, "B", Status::Completed, 5)?;
            assert_eq!(next(tx)?.as_deref(), Some("U"));
            let mut held = tx.epic(&EpicId::new("E").unwrap())?.unwrap();
            held.hold = Some(Hold {
                by: Actor::new("ada").unwrap(),
                reason: Reason::new("wait").unwrap(),
                at: at(9),
            });
            tx.update_epic(&held)?;
            assert_eq!(statuses(tx)?.0, Status::Blocked);
            assert_eq!(next(tx)?, None);
            Ok(())
        })
        .unwrap();
}

#[test]
fn removing_an_epic_removes_all_below_it() {
    let store = planted();
    store
        .write(|tx| -> Result<(), StoreError> {
            let _ = tx.insert_feature(&feature("G", None))?;
            let _ = tx.insert_task(&task("C", "G"))?;
            tx.insert_dependency(&Dependency {
                task: task_id("C"),
                on: task_id("A"),
            })?;
            let removed = tx.remove_epic(&EpicId::new("E").unwrap())?;
            assert_eq!((removed.epics, removed.features, removed.tasks), (1, 1, 2));
            assert_eq!(tx.count(EntityKind::Task)?, 1);
            assert_eq!(tx.task(&task_id("C"))?.unwrap().open_dependencies, 0);
            assert_eq!(tx.insert_task(&task("C", "G"))?, Inserted::Taken);
            Ok(())
        })
        .unwrap();
}

#[test]
fn pages_go_on_where_the_last_one_ended_in_every_order() {
    let store = planted();
    for sort in [Sort::Claim, Sort::Seq, Sort::Updated] {
        let mut after = None;
        let mut ids = Vec::new();
        loop {
            let page = Page {
                sort,
                after,
                limit: 1,
            };
            let found = store
                .read(|tx| tx.tasks(&TaskFilter::default(), &page))
                .unwrap();
            ids.extend(found.tasks.iter().map(|record| record.task.id.to_string()));
            after = found.next;
            if after.is_none() {
                break;
            }
        }
        let newest_first = sort == Sort::Updated;
        let expected = if newest_first { ["B", "A"] } else { ["A", "B"] };
        assert_eq!(ids, expected, "{sort:?}");
    }
}

#[test]
fn the_exact_id_is_among_those_with_its_prefix_whatever_the_limit() {
    let store = planted();
    let found = store
        .write(|tx| {
            for id in ["task-1", "TASK-1", "TASK-12"] {
                let _ = tx.insert_task(&task(id, "F"))?;
            }
            tx.ids_with_prefix(EntityKind::Task, "task-1", 1)
        })
        .unwrap();
    assert_eq!(found, [AnyId::Task(task_id("task-1"))]);
}

#[test]
fn contents_make_the_same_queue_again_with_statuses_derived_afresh() {
    let store = planted();
    let mut contents = store
        .write(|tx| {
            set_status(tx, "A", Status::Completed, 10)?;
            tx.contents()
        })
        .unwrap();
    let expected = contents.clone();
    contents.epics[0].status = Status::Blocked;
    contents.features[0].status = Status::Pending;
    let other = self::store();
    let found = other
        .write(|tx| {
            tx.load(&contents)?;
            tx.contents()
        })
        .unwrap();
    assert_eq!(found, expected);
    let again = other.write(|tx| tx.load(&contents));
    assert!(matches!(again, Err(StoreError::Backend { .. })));
}
