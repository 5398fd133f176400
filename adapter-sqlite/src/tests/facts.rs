//! Facts that this store keeps in its own way: times of parents, waiting tasks, and whole queues.

use diesel::connection::SimpleConnection as _;
use tasq_domain::ready::Scope;
use tasq_domain::{EpicId, FeatureId, Status, Task, TaskId, TaskRecord};
use tasq_ports::{Page, Sort, StoreError, StoreExt, TaskFilter, Tx};

use super::{Fixture, at, epic, feature, lines, task};
use crate::tx::{Related, RowIds, ready};

fn small(tx: &mut dyn Tx) -> Result<(), StoreError> {
    let _ = tx.insert_epic(&epic("E1"))?;
    let _ = tx.insert_feature(&feature("F1", Some("E1")))?;
    for id in ["T1", "T2"] {
        let _ = tx.insert_task(&task(id, "F1"))?;
    }
    Ok(())
}

fn times(tx: &mut dyn Tx) -> Result<(i64, i64), StoreError> {
    let feature = tx.feature(&FeatureId::new("F1").unwrap())?.unwrap();
    let epic = tx.epic(&EpicId::new("E1").unwrap())?.unwrap();
    Ok((feature.updated_at.micros(), epic.updated_at.micros()))
}

#[test]
fn a_parent_takes_the_time_of_the_write_that_changed_its_status() {
    let fixture = Fixture::new();
    let seen = fixture.store.write(|tx| {
        small(tx)?;
        let mut seen = vec![times(tx)?];
        for (id, status, micros) in [
            ("T1", Status::Completed, 40),
            ("T2", Status::InProgress, 50),
            ("T2", Status::Completed, 60),
            ("T2", Status::Pending, 55),
        ] {
            let mut task = tx.task(&TaskId::new(id).unwrap())?.unwrap().task;
            task.status = status;
            task.updated_at = at(micros);
            tx.update_task_life(&task)?;
            seen.push(times(tx)?);
        }
        tx.remove_task(&TaskId::new("T2").unwrap())?;
        seen.push(times(tx)?);
        Ok::<_, StoreError>(seen)
    });
    assert_eq!(
        seen.unwrap(),
        [
            (1, 1),
            (40, 40),
            (40, 40),
            (60, 60),
            (60, 60),
            (1_000, 1_000)
        ]
    );
}

#[test]
fn a_task_that_waited_is_seen_by_readers_and_writers_alike() {
    let fixture = Fixture::new();
    fixture
        .store
        .write(|tx| {
            small(tx)?;
            let mut first = task("T1", "F1");
            first.not_before = Some(at(2_000));
            tx.update_task_life(&first)
        })
        .unwrap();
    let first = |tx: &mut dyn Tx| {
        let next = tx.next_ready(&Scope::Queue)?.unwrap().task;
        // To be promoted is no change of the task.
        let stored = tx.task(&next.id)?.unwrap().task;
        assert_eq!(stored.updated_at, at(1));
        let next = next.id;
        let filter = TaskFilter {
            ready: true,
            ..TaskFilter::default()
        };
        let page = Page {
            sort: Sort::Claim,
            after: None,
            limit: 1,
        };
        let listed = tx.tasks(&filter, &page)?;
        assert_eq!(listed.tasks[0].task.id, next);
        Ok::<_, StoreError>((next.to_string(), listed.next.is_some()))
    };
    let both = |now| {
        fixture.set_now(now);
        let reader = fixture.store.read(first).unwrap();
        let writer = fixture.store.write(first).unwrap();
        assert_eq!(reader, writer, "at {now}");
        reader
    };
    assert_eq!(both(1_999), ("T2".to_owned(), false));
    assert_eq!(both(2_000), ("T1".to_owned(), true));
    // The clock goes back after the task was promoted.
    assert_eq!(both(1_500), ("T2".to_owned(), false));
}

#[test]
fn a_whole_queue_goes_into_another_store_as_it_is() {
    let (from, to) = (Fixture::new(), Fixture::new());
    from.store
        .write(|tx| {
            small(tx)?;
            let mut done = task("T1", "F1");
            done.status = Status::Completed;
            done.updated_at = at(70);
            tx.update_task_life(&done)
        })
        .unwrap();
    let contents = from.store.read(|tx| tx.contents()).unwrap();
    to.store.write(|tx| tx.load(&contents)).unwrap();
    assert_eq!(to.store.read(|tx| tx.contents()).unwrap(), contents);
    super::random::check_derived(&to);
    // The triggers are back.
    to.store
        .write(|tx| {
            let mut done = task("T2", "F1");
            done.status = Status::Completed;
            tx.update_task_life(&done)
        })
        .unwrap();
    super::random::check_derived(&to);
    let again = to.store.write(|tx| tx.load(&contents));
    assert!(matches!(again, Err(StoreError::Backend { .. })));
}

/// Whatever row ids are remembered: nothing is found but what is asked for, and what has another one is found by its id.
#[test]
fn the_row_id_of_a_task_is_only_a_hint() {
    let fixture = Fixture::new();
    let all: Vec<Task> = (0..8)
        .map(|number| task(&format!("T{number}"), "F1"))
        .collect();
    fixture
        .store
        .write(|tx| {
            let _ = tx.insert_feature(&feature("F1", None))?;
            for task in &all {
                let _ = tx.insert_task(task)?;
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
    let mut conn = fixture.plain();
    let noted = |by: usize| {
        let mut row_ids = RowIds::default();
        for (at, task) in all.iter().enumerate() {
            row_ids.note(&Task {
                seq: i64::try_from(at + by).unwrap(),
                ..task.clone()
            });
        }
        row_ids
    };
    let ids = |found: Vec<(TaskRecord, Related)>| -> Vec<TaskId> {
        let ids = found.into_iter().map(|(record, _)| record.task.id);
        ids.collect()
    };
    let asked: Vec<&TaskId> = all.iter().take(4).map(|task| &task.id).collect();
    // Each has that of the next, and the last one that nothing has.
    let wrong = noted(2);
    for task in &all {
        let (found, _) = ready::task(&mut conn, &wrong, &task.id).unwrap().unwrap();
        assert_eq!(found.task.id, task.id);
    }
    assert_eq!(ids(ready::several(&mut conn, &wrong, &asked).unwrap()), []);
    // Another has been noted with the same one, which is right for that.
    let mut shared = noted(1);
    shared.note(&Task {
        seq: 5,
        ..all[3].clone()
    });
    let found = ready::several(&mut conn, &shared, &asked).unwrap();
    assert_eq!(ids(found), ["T0", "T1", "T2"].map(|id| task(id, "F1").id));
    // Nor does it matter what is wrong with a row that nobody asked for.
    conn.batch_execute("UPDATE tasks SET metadata = '{oops}' WHERE id = 'T4'")
        .unwrap();
    let found = ready::several(&mut conn, &shared, &asked).unwrap();
    assert_eq!(ids(found), ["T0", "T1", "T2"].map(|id| task(id, "F1").id));
    let found = ready::several(&mut conn, &noted(1), &asked).unwrap();
    assert_eq!(
        ids(found),
        ["T0", "T1", "T2", "T3"].map(|id| task(id, "F1").id)
    );
}

#[test]
fn what_is_handed_out_is_remembered_from_unit_to_unit() {
    let fixture = Fixture::new();
    let id = task("T1", "F1").id;
    let row_id = || {
        fixture
            .store
            .inspect(|opened| opened.carried.row_ids().of(&id))
    };
    fixture
        .store
        .write(|tx| {
            let _ = tx.insert_feature(&feature("F1", None))?;
            tx.insert_task(&task("T1", "F1")).map(drop)
        })
        .unwrap();
    assert_eq!(row_id(), None);
    fixture
        .store
        .read(|tx| tx.next_ready(&Scope::Queue))
        .unwrap();
    assert_eq!(row_id(), None, "who only reads does not come back");
    fixture
        .store
        .write(|tx| {
            let _ = tx.next_ready(&Scope::Queue)?;
            // Which forgets what is in hand.
            tx.insert_epic(&epic("E1")).map(drop)
        })
        .unwrap();
    assert_eq!(row_id(), Some(1));
    let failed: Result<(), StoreError> = fixture.store.write(|_| {
        Err(StoreError::Backend {
            what: "no".to_owned(),
        })
    });
    assert!(failed.is_err());
    fixture.store.read(|tx| tx.task(&id)).unwrap();
    assert_eq!(row_id(), Some(1));
}

#[test]
fn few_row_ids_are_remembered() {
    let mut row_ids = RowIds::default();
    let note = |row_ids: &mut RowIds, number: i64| {
        row_ids.note(&Task {
            seq: number,
            ..task(&format!("T{number}"), "F1")
        });
    };
    (0..10_000).for_each(|number| note(&mut row_ids, number));
    let known = |number: &i64| row_ids.of(&task(&format!("T{number}"), "F1").id) == Some(*number);
    let count = (0..10_000).filter(known).count();
    assert!((1..=2_048).contains(&count), "{count}");
    assert!(known(&9_999), "the last one is");
}

/// Each page that a step writes is one more in the log, and one more to read for the next process.
#[test]
fn a_claim_writes_one_page_of_each_index_of_stages() {
    const PAGE: u64 = 2_048;
    const FRAME: u64 = PAGE + 24;
    const CLAIMS: u64 = 64;
    let fixture = Fixture::new();
    let claim = || {
        let claimed = fixture.store.write(|tx| {
            let mut task = tx.next_ready(&Scope::Queue)?.unwrap().task;
            task.status = Status::InProgress;
            tx.update_task_life(&task)
        });
        claimed.unwrap();
    };
    let page: Vec<String> = lines(
        &mut fixture.plain(),
        "SELECT CAST(page_size AS TEXT) AS line FROM pragma_page_size",
    );
    assert_eq!(page, [PAGE.to_string()]);
    fixture
        .store
        .write(|tx| {
            let _ = tx.insert_epic(&epic("E1"))?;
            let _ = tx.insert_feature(&feature("F1", Some("E1")))?;
            for number in 0..3_000 {
                let _ = tx.insert_task(&task(&format!("T{number:04}"), "F1"))?;
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
    // So many that those that were claimed are pages away from those that were not, unless they lie side by side.
    (0..400).for_each(|_| claim());
    let log = fixture.folder().join("queue.db-wal");
    let length = || std::fs::metadata(&log).unwrap().len();
    let before = length();
    (0..CLAIMS).for_each(|_| claim());
    let frames = (length() - before) / FRAME;
    // The task, its feature, three indexes of stages, two ends of that of changes; now and then the next page of one.
    assert!(
        (7 * CLAIMS..8 * CLAIMS).contains(&frames),
        "{frames} pages for {CLAIMS} claims"
    );
}
