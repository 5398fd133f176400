//! Many openers at once, from a barrier, each in its own thread.

use std::sync::Barrier;
use std::thread;

use tasq_domain::ready::Scope;
use tasq_domain::{Attempt, EventKind, Status, TaskId};
use tasq_ports::{Store, StoreError, StoreExt};

use super::Bench;
use super::make::{
    at, attempt_of, claimed, epic, epic_id, event, feature, feature_id, in_status, put, task,
    task_id,
};

const OPENERS: usize = 16;

pub(crate) fn two_finishers_complete_their_parents(bench: &Bench) {
    let rounds = if super::full() { 200 } else { 20 };
    bench.put(&epic("EPIC-1"));
    bench.put(&feature("FEAT-1", Some("EPIC-1")));
    let openers = [bench.harness.open(), bench.harness.open()];
    for round in 0..rounds {
        let ids = ["A", "B"].map(|name| format!("TASK-{round}-{name}"));
        bench.write(|tx| {
            put(tx, &task(&ids[0], "FEAT-1"))?;
            put(tx, &task(&ids[1], "FEAT-1"))
        });
        let barrier = Barrier::new(openers.len());
        thread::scope(|scope| {
            for (opener, id) in openers.iter().zip(&ids) {
                scope.spawn(|| {
                    barrier.wait();
                    opener
                        .write(|tx| {
                            let task = tx.task(&task_id(id))?.unwrap().task;
                            tx.update_task_life(&in_status(task, Status::Completed, at(1)))
                        })
                        .unwrap();
                });
            }
        });
        let (feature, epic) = bench.read(|tx| {
            let feature = tx.feature(&feature_id("FEAT-1"))?.unwrap();
            Ok((feature, tx.epic(&epic_id("EPIC-1"))?.unwrap()))
        });
        assert_eq!(feature.status, Status::Completed, "round {round}");
        assert_eq!(epic.status, Status::Completed, "round {round}");
    }
}

/// Claims until nothing is ready; the claims in their order.
fn claim_all(store: &dyn Store, worker: &str) -> Vec<Attempt> {
    let mut claims = Vec::new();
    loop {
        let claim = store.write(|tx| {
            let Some(found) = tx.next_ready(&Scope::Queue)? else {
                return Ok::<_, StoreError>(None);
            };
            let task = claimed(found.task, worker, tx.now());
            let attempt = attempt_of(&task);
            tx.update_task_life(&task)?;
            tx.insert_attempt(&attempt)?;
            tx.append_event(&event(EventKind::Claimed, &task.id))?;
            Ok(Some(attempt))
        });
        match claim.unwrap() {
            Some(attempt) => claims.push(attempt),
            None => return claims,
        }
    }
}

pub(crate) fn sixteen_openers_claim_each_task_once(bench: &Bench) {
    const TASKS: usize = 200;
    bench.write(|tx| {
        put(tx, &epic("EPIC-1"))?;
        for number in 0..4 {
            put(tx, &feature(&format!("FEAT-{number}"), Some("EPIC-1")))?;
        }
        for number in 0..TASKS {
            let feature = format!("FEAT-{}", number % 4);
            put(tx, &task(&format!("TASK-{number}"), &feature))?;
        }
        Ok(())
    });
    let barrier = Barrier::new(OPENERS);
    let claims: Vec<Vec<Attempt>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..OPENERS)
            .map(|number| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let store = bench.harness.open();
                    barrier.wait();
                    claim_all(store.as_ref(), &format!("w{number}"))
                })
            })
            .collect();
        threads.into_iter().map(|it| it.join().unwrap()).collect()
    });
    let mut handed_out: Vec<&TaskId> = claims.iter().flatten().map(|it| &it.task).collect();
    assert_eq!(handed_out.len(), TASKS);
    handed_out.sort();
    handed_out.dedup();
    assert_eq!(handed_out.len(), TASKS, "a task was handed out twice");
    let contents = bench.contents();
    assert_eq!(contents.attempts.len(), TASKS);
    for attempt in claims.iter().flatten() {
        assert_eq!(attempt.token.attempt, 1);
        assert!(contents.attempts.contains(attempt));
        let task = contents.tasks.iter().find(|it| it.id == attempt.task);
        let claim = task.and_then(|it| it.claim.as_ref()).unwrap();
        assert_eq!(
            (&claim.worker, claim.token),
            (&attempt.worker, attempt.token)
        );
    }
    // The log has the claims in the order in which each task was first.
    let order: Vec<i64> = contents.events.iter().map(|it| it.seq).collect();
    assert_eq!(order, (1..=TASKS as i64).collect::<Vec<_>>());
    let told: Vec<&str> = contents
        .events
        .iter()
        .map(|it| it.entity.as_str())
        .collect();
    let created: Vec<&str> = contents.tasks.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(told, created);
}

/// Lost updates show: every opener counts up the same number, read and written in one unit.
pub(crate) fn sixteen_openers_count_every_event(bench: &Bench) {
    const EACH: u32 = 10;
    bench.put(&feature("FEAT-1", None));
    bench.put(&task("TASK-1", "FEAT-1"));
    let barrier = Barrier::new(OPENERS);
    thread::scope(|scope| {
        for _ in 0..OPENERS {
            scope.spawn(|| {
                let store = bench.harness.open();
                barrier.wait();
                for _ in 0..EACH {
                    count_up(store.as_ref());
                }
            });
        }
    });
    let contents = bench.contents();
    let expected = EACH as usize * OPENERS;
    assert_eq!(contents.tasks[0].attempts as usize, expected);
    assert_eq!(contents.events.len(), expected);
}

pub(crate) fn threads_that_share_an_opener_take_turns(bench: &Bench) {
    const THREADS: u32 = 8;
    const EACH: u32 = 10;
    bench.put(&feature("FEAT-1", None));
    bench.put(&task("TASK-1", "FEAT-1"));
    let barrier = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                barrier.wait();
                for _ in 0..EACH {
                    count_up(bench.store.as_ref());
                    let (task, events) = bench.read(|tx| {
                        let task = tx.task(&task_id("TASK-1"))?.unwrap().task;
                        Ok((task, tx.contents()?.events.len()))
                    });
                    assert_eq!(task.attempts as usize, events);
                }
            });
        }
    });
    assert_eq!(bench.contents().tasks[0].attempts, THREADS * EACH);
}

/// One attempt and one event more, read and written in one unit.
fn count_up(store: &dyn Store) {
    let counted = store.write(|tx| {
        let mut task = tx.task(&task_id("TASK-1"))?.unwrap().task;
        task.attempts += 1;
        tx.append_event(&event(EventKind::Edited, &task.id))?;
        tx.update_task_life(&task)
    });
    counted.unwrap();
}
