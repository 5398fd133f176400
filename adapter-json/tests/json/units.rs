//! Units of work and what they leave on the disk.

use std::sync::Barrier;

use tasq_domain::{
    AttemptEnd, Checkpoint, EntityKind, EventKind, OperationId, Outcome, Reason, Status,
};
use tasq_ports::{Inserted, Store, StoreError, StoreExt};

use super::{Place, at, bytes, claim, event, events, feature, operation, task, task_id};

#[test]
fn everything_is_there_for_the_next_opener() {
    let (place, store) = Place::planted();
    let expected = store
        .write(|tx| {
            let token = claim(tx)?;
            let mut attempt = tx.attempt(&task_id("A"), token.attempt)?.unwrap();
            attempt.log_path = Some("/tmp/log".into());
            tx.update_attempt(&attempt)?;
            tx.insert_operation(&operation("op"), 10)?;
            tx.insert_checkpoint(&Checkpoint {
                seq: 0,
                task: task_id("A"),
                attempt: 1,
                at: at(6),
                summary: Reason::new("half").unwrap(),
                next_steps: vec!["rest".into()],
                data: None,
            })?;
            tx.contents()
        })
        .unwrap();
    assert_eq!(store.read(|tx| tx.contents()).unwrap(), expected);
    let other = place.open().unwrap();
    assert_eq!(other.read(|tx| tx.contents()).unwrap(), expected);
    assert_eq!(other.info().kind, "json");
    assert_eq!(
        place.names(),
        [
            "queue.json",
            "queue.lock",
            "queue.lock.turn",
            "queue.log.jsonl"
        ]
    );
}

#[test]
fn what_one_opener_writes_the_other_sees() {
    let (place, store) = Place::planted();
    let other = place.open().unwrap();
    store.write(claim).unwrap();
    assert_eq!(events(&other), [EventKind::Created, EventKind::Claimed]);
    other
        .write(|tx| {
            let mut attempt = tx.attempt(&task_id("A"), 1)?.unwrap();
            attempt.end = Some(AttemptEnd {
                at: at(9),
                outcome: Outcome::Released,
                exit_code: None,
                message: None,
            });
            tx.update_attempt(&attempt)?;
            let mut task = tx.task(&task_id("A"))?.unwrap().task;
            task.claim = None;
            task.status = Status::Pending;
            tx.update_task_life(&task)
        })
        .unwrap();
    let attempts = store.read(|tx| tx.attempts_of(&task_id("A"))).unwrap();
    assert_eq!(attempts[0].end.as_ref().unwrap().outcome, Outcome::Released);
}

#[test]
fn what_changes_only_the_log_is_seen_and_kept_by_others() {
    let (place, store) = Place::planted();
    let other = place.open().unwrap();
    let before = place.text();
    for (at, store) in [&store, &other, &other, &store].into_iter().enumerate() {
        store
            .write(|tx| tx.insert_operation(&operation(&format!("op-{at}")), 10))
            .unwrap();
    }
    assert_eq!(place.text(), before);
    for store in [store, other, place.open().unwrap()] {
        let contents = store.read(|tx| tx.contents()).unwrap();
        assert_eq!(contents.operations.len(), 4);
    }
}

#[test]
fn a_unit_that_changes_nothing_or_fails_writes_nothing() {
    let (place, store) = Place::planted();
    let before = (bytes(&place.path()), bytes(&place.log()));
    store.write(|tx| tx.task(&task_id("A"))).unwrap();
    let failed = store.write(|tx| -> Result<(), StoreError> {
        claim(tx)?;
        tx.remove_task(&task_id("nobody")).map(drop)
    });
    assert!(matches!(failed, Err(StoreError::Backend { .. })));
    assert_eq!((bytes(&place.path()), bytes(&place.log())), before);
    assert_eq!(events(&store), [EventKind::Created]);
}

#[test]
fn a_queue_is_made_once() {
    let place = Place::new();
    assert!(matches!(place.open(), Err(StoreError::Missing { .. })));
    place.create().unwrap();
    assert!(matches!(place.create(), Err(StoreError::Exists { .. })));
}

#[test]
fn a_task_made_again_under_its_old_id_has_no_attempts() {
    let (place, store) = Place::planted();
    store.write(claim).unwrap();
    store.write(|tx| tx.remove_task(&task_id("A"))).unwrap();
    let inserted = store.write(|tx| tx.insert_task(&task("A"))).unwrap();
    assert_eq!(inserted, Inserted::At(1));
    let attempts = place
        .open()
        .unwrap()
        .read(|tx| tx.attempts_of(&task_id("A")));
    assert_eq!(attempts.unwrap(), []);
}

#[test]
fn writers_in_eight_threads_lose_nothing() {
    const THREADS: usize = 8;
    const ROUNDS: usize = 10;
    let (place, _) = Place::planted();
    let barrier = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (place, barrier) = (&place, &barrier);
            scope.spawn(move || {
                let store = place.open().unwrap();
                barrier.wait();
                for round in 0..ROUNDS {
                    store
                        .write(|tx| {
                            let mut task = tx.task(&task_id("A"))?.unwrap().task;
                            task.retries_used += 1;
                            task.retry_budget = tasq_domain::RetryBudget::new(1_000).unwrap();
                            tx.update_task(&task)?;
                            tx.insert_operation(&operation(&format!("{thread}-{round}")), 1_000)?;
                            tx.append_event(&event(EventKind::Edited, "A"))
                        })
                        .unwrap();
                    // A reader sees the count and the events of the same commit.
                    let (used, told) = store
                        .read(|tx| -> Result<_, StoreError> {
                            let used = tx.task(&task_id("A"))?.unwrap().task.retries_used;
                            Ok((used, tx.contents()?.events.len()))
                        })
                        .unwrap();
                    assert_eq!(used as usize + 1, told);
                }
            });
        }
    });
    let store = place.open().unwrap();
    let contents = store.read(|tx| tx.contents()).unwrap();
    assert_eq!(contents.tasks[0].retries_used as usize, THREADS * ROUNDS);
    assert_eq!(contents.operations.len(), THREADS * ROUNDS);
    let seqs: Vec<i64> = contents.events.iter().map(|event| event.seq).collect();
    assert!(seqs.is_sorted_by(|a, b| a < b), "{seqs:?}");
    let known = store.read(|tx| tx.operation(&OperationId::new("3-7").unwrap()));
    assert!(known.unwrap().is_some());
}

#[test]
fn ten_thousand_tasks_fit() {
    let place = Place::new();
    let store = place.create().unwrap();
    store
        .write(|tx| -> Result<(), StoreError> {
            let _ = tx.insert_feature(&feature("F"))?;
            for number in 0..10_000 {
                let _ = tx.insert_task(&task(&format!("T{number}")))?;
            }
            Ok(())
        })
        .unwrap();
    let count = place.open().unwrap().read(|tx| tx.count(EntityKind::Task));
    assert_eq!(count.unwrap(), 10_000);
}
