//! A whole queue, out of one store and into another.

use std::ops::ControlFlow;
use std::thread;

use tasq_domain::{
    Contents, Epic, EventKind, Feature, Operation, OperationId, Settings, Status, StoreId, Task,
    TestCase, TestStatus,
};
use tasq_ports::{EventFilter, Inserted, StoreError, StoreExt, TaskBatch, Tx};

use super::Bench;
use super::consistent::tasks_of;
use super::make::{
    at, attempt, attempt_of, checkpoint, claimed, epic, epic_id, event, feature, feature_id, hold,
    in_status, json, of_feature, of_task, priority, put, question, task, task_id, test, waits_for,
};
use super::random::assert_same_contents;
use super::stores::one_of_every_kind;

/// A store with something of everything, whose numbers have gaps.
fn stocked(bench: &Bench) {
    bench.write(|tx| {
        tx.set_settings(&Settings {
            store: StoreId::new("STORE-OTHER").unwrap(),
            name: "the other".to_owned(),
            require_tests: true,
            ..super::settings()
        })?;
        put(tx, &epic("EPIC-GONE"))?;
        put(
            tx,
            &Epic {
                own_status: Status::Completed,
                ..epic("EPIC-2")
            },
        )?;
        put(tx, &epic("EPIC-1"))?;
        put(
            tx,
            &Feature {
                hold: Some(hold()),
                priority: priority(7),
                metadata: json(r#"{"b":1.0,"a":"é"}"#),
                ..feature("FEAT-2", Some("EPIC-1"))
            },
        )?;
        put(tx, &feature("FEAT-1", Some("EPIC-1")))?;
        put(tx, &feature("FEAT-GONE", Some("EPIC-1")))?;
        put(tx, &feature("FEAT-3", None))?;
        put(
            tx,
            &in_status(task("TASK-9", "FEAT-1"), Status::Completed, at(5)),
        )?;
        put(tx, &task("TASK-GONE", "FEAT-GONE"))?;
        let running = claimed(task("TASK-8", "FEAT-1"), "w1", at(6));
        put(tx, &running)?;
        tx.insert_attempt(&attempt_of(&running))?;
        put(
            tx,
            &in_status(task("TASK-7", "FEAT-3"), Status::Blocked, at(7)),
        )?;
        put(
            tx,
            &Task {
                not_before: Some(at(50)),
                own_priority: Some(priority(0)),
                retries_used: 2,
                attempts: 2,
                ..task("TASK-6", "FEAT-2")
            },
        )?;
        around_tasks(tx)?;
        tx.remove_epic(&epic_id("EPIC-GONE"))?;
        tx.remove_feature(&feature_id("FEAT-GONE"))
    });
}

/// What belongs to the tasks, and what happened to them.
fn around_tasks(tx: &mut dyn Tx) -> Result<(), StoreError> {
    tx.insert_attempt(&attempt("TASK-6", 1))?;
    tx.insert_attempt(&attempt("TASK-6", 2))?;
    tx.insert_checkpoint(&checkpoint("TASK-6", 2))?;
    tx.insert_question(&question("TASK-6", 2))?;
    tx.insert_question(&question("TASK-6", 1))?;
    tx.insert_question(&question("TASK-8", 1))?;
    tx.insert_dependency(&waits_for("TASK-6", "TASK-8"))?;
    tx.insert_dependency(&waits_for("TASK-6", "TASK-9"))?;
    put(
        tx,
        &TestCase {
            required: true,
            status: TestStatus::Failing,
            ..test("TEST-1", of_feature("FEAT-3"))
        },
    )?;
    put(tx, &test("TEST-2", of_task("TASK-6")))?;
    tx.append_event(&event(EventKind::Created, task_id("TASK-GONE")))?;
    tx.append_event(&event(EventKind::Created, task_id("TASK-6")))?;
    for id in ["op-2", "op-1"] {
        let operation = Operation {
            id: OperationId::new(id).unwrap(),
            use_case: "claim".to_owned(),
            digest: "00".to_owned(),
            answer: "yes".to_owned(),
        };
        tx.insert_operation(&operation, 10)?;
    }
    Ok(())
}

pub(crate) fn contents_load_into_every_kind_of_store(bench: &Bench) {
    stocked(bench);
    let contents = bench.contents();
    assert_same_contents(&contents, &bench.read(|tx| tx.contents()), "read twice");
    for other in one_of_every_kind() {
        let kind = other.store.info().kind;
        other.clock.set(at(900));
        other.write(|tx| {
            tx.load(&contents)?;
            super::consistent::check(tx);
            Ok(())
        });
        assert_same_contents(&contents, &other.contents(), kind);
        other.assert_consistent();
        // And back, into a fresh store of the kind under test.
        let back = one_of_every_kind()
            .into_iter()
            .find(|it| it.store.info().kind == bench.store.info().kind)
            .expect("the store under test is of a known kind");
        let moved = other.contents();
        back.write(|tx| tx.load(&moved));
        assert_same_contents(&contents, &back.contents(), kind);
    }
}

pub(crate) fn contents_of_an_empty_store_load(bench: &Bench) {
    let empty = Contents {
        settings: Settings {
            name: "empty".to_owned(),
            ..super::settings()
        },
        ..bench.contents()
    };
    assert_eq!(empty.epics, []);
    bench.write(|tx| tx.load(&empty));
    bench.write(|tx| tx.load(&empty));
    assert_eq!(bench.contents(), empty);
}

pub(crate) fn loading_derives_afresh(bench: &Bench) {
    stocked(bench);
    let right = bench.contents();
    let mut wrong = right.clone();
    for epic in &mut wrong.epics {
        epic.status = Status::Blocked;
    }
    for feature in &mut wrong.features {
        feature.status = Status::Completed;
    }
    for other in one_of_every_kind() {
        let kind = other.store.info().kind;
        other.write(|tx| tx.load(&wrong));
        other.assert_consistent();
        let found = other.contents();
        let statuses = |contents: &Contents| {
            let epics = contents.epics.iter().map(|it| it.status);
            let features = contents.features.iter().map(|it| it.status);
            epics.chain(features).collect::<Vec<_>>()
        };
        assert_eq!(statuses(&found), statuses(&right), "{kind}");
        assert_same_contents(&right, &found, kind);
    }
}

pub(crate) fn loading_into_a_store_that_is_not_empty_is_refused(bench: &Bench) {
    let empty = bench.contents();
    let expect = |what: &str| {
        let before = bench.contents();
        let outcome = bench.store.write(|tx| tx.load(&empty));
        assert!(
            matches!(outcome, Err(StoreError::Backend { .. })),
            "{what}: {outcome:?}"
        );
        assert_eq!(bench.contents(), before, "{what}");
    };
    bench.put(&epic("EPIC-1"));
    expect("an epic");
    bench.write(|tx| tx.remove_epic(&epic_id("EPIC-1")));
    bench.put(&feature("FEAT-1", None));
    expect("a feature");
    bench.write(|tx| tx.remove_feature(&feature_id("FEAT-1")));
    bench.write(|tx| tx.load(&empty));
    bench.write(|tx| tx.append_event(&event(EventKind::Created, task_id("TASK-1"))));
    expect("an event");
}

pub(crate) fn counting_goes_on_after_loading(bench: &Bench) {
    stocked(bench);
    let contents = bench.contents();
    for other in one_of_every_kind() {
        let last = (
            contents.events.last().unwrap().seq,
            contents.tasks.last().unwrap().seq,
        );
        other.write(|tx| tx.load(&contents));
        let event = event(EventKind::Created, task_id("TASK-1"));
        let (event, inserted) = other.write(|tx| {
            Ok((
                tx.append_event(&event)?,
                tx.insert_task(&task("TASK-1", "FEAT-1"))?,
            ))
        });
        assert_eq!(event, last.0 + 1);
        assert_eq!(inserted, Inserted::At(last.1 + 1));
        let filter = EventFilter {
            entity: None,
            after: last.0,
            limit: 10,
        };
        assert_eq!(other.read(|tx| tx.events(&filter)).len(), 1);
        other.assert_consistent();
    }
}

/// However many tasks there are, few are read ahead; and they can be made elsewhere, when the store has gone on.
pub(crate) fn batches_of_tasks_stay_as_they_were_read(bench: &Bench) {
    const COUNT: usize = 1_300;
    let id = |number: usize| format!("TASK-{number}");
    let changed = |number: usize| {
        let task = task(&id(number), "FEAT-1");
        match number % 4 {
            0 => in_status(task, Status::Completed, at(5)),
            1 => in_status(task, Status::Blocked, at(6)),
            2 => Task {
                hold: Some(hold()),
                ..task
            },
            _ => task,
        }
    };
    bench.write(|tx| {
        put(tx, &feature("FEAT-1", None))?;
        (0..COUNT).try_for_each(|number| put(tx, &changed(number)).map(drop))
    });
    let (tasks, batches) = bench.read(|tx| {
        let mut batches = Vec::new();
        tx.task_batches(&mut |batch: Box<dyn TaskBatch>| {
            batches.push(batch);
            ControlFlow::Continue(())
        })?;
        let mut given = 0;
        tx.task_batches(&mut |_: Box<dyn TaskBatch>| {
            given += 1;
            ControlFlow::Break(())
        })?;
        assert_eq!(given, 1, "none after breaking off");
        Ok((tx.contents()?.tasks, batches))
    });
    bench.write(|tx| {
        for number in 0..COUNT / 2 {
            tx.remove_task(&task_id(&id(number)))?;
        }
        for number in COUNT / 2..COUNT {
            let mut task = tx.task(&task_id(&id(number)))?.expect("it is there").task;
            task.own_priority = Some(priority(0));
            tx.update_task(&task)?;
        }
        Ok(())
    });
    let make = move || batches.into_iter().map(tasks_of).collect::<Vec<_>>();
    let made = thread::spawn(make).join().unwrap();
    for batch in &made {
        assert!(batch.len() <= 500, "{} tasks at once", batch.len());
    }
    let mut shown = made.concat();
    shown.sort_by_key(|task| task.seq);
    assert!(shown == tasks, "each as it was read");
}
