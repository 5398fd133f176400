//! Removing an item takes all below it, and says how much.

use tasq_domain::{EventKind, Operation, OperationId};
use tasq_ports::Removed;

use super::Bench;
use super::make::{
    attempt, checkpoint, epic, epic_id, event, feature, feature_id, of_feature, of_task, put, task,
    task_id, test, test_id, waits_for, with_attempts,
};

/// Two epics with a feature each (and a second one in the first), tasks that wait for one another across them, and
/// something of every kind below every task.
fn stocked(bench: &Bench) {
    bench.write(|tx| {
        put(tx, &epic("EPIC-1"))?;
        put(tx, &epic("EPIC-2"))?;
        put(tx, &feature("FEAT-1", Some("EPIC-1")))?;
        put(tx, &feature("FEAT-2", Some("EPIC-1")))?;
        put(tx, &feature("FEAT-3", Some("EPIC-2")))?;
        for (id, feature) in [
            ("TASK-1", "FEAT-1"),
            ("TASK-2", "FEAT-1"),
            ("TASK-3", "FEAT-2"),
            ("TASK-4", "FEAT-3"),
        ] {
            put(tx, &with_attempts(2, task(id, feature)))?;
            put(tx, &test(&format!("TEST-{id}"), of_task(id)))?;
            tx.insert_attempt(&attempt(id, 1))?;
            tx.insert_attempt(&attempt(id, 2))?;
            tx.insert_checkpoint(&checkpoint(id, 1))?;
            tx.append_event(&event(EventKind::Created, task_id(id)))?;
        }
        put(tx, &test("TEST-FEAT-1", of_feature("FEAT-1")))?;
        put(tx, &test("TEST-FEAT-3", of_feature("FEAT-3")))?;
        for (task, on) in [
            ("TASK-1", "TASK-2"),
            ("TASK-1", "TASK-4"),
            ("TASK-4", "TASK-3"),
            ("TASK-4", "TASK-2"),
            ("TASK-3", "TASK-2"),
        ] {
            tx.insert_dependency(&waits_for(task, on))?;
        }
        Ok(())
    });
}

/// What is left of tasks, tests, dependencies, attempts and checkpoints.
#[track_caller]
fn left(bench: &Bench, tasks: &[&str], tests: &[&str], dependencies: &[(&str, &str)]) {
    bench.assert_consistent();
    let contents = bench.contents();
    let ids: Vec<&str> = contents.tasks.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, tasks);
    let ids: Vec<&str> = contents.tests.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, tests);
    let edges = dependencies.iter().map(|(task, on)| waits_for(task, on));
    assert!(
        contents.dependencies.iter().cloned().eq(edges),
        "{:?}",
        contents.dependencies
    );
    assert_eq!(contents.attempts.len(), tasks.len() * 2);
    assert_eq!(contents.checkpoints.len(), tasks.len());
    assert_eq!(contents.events.len(), 4);
}

pub(crate) fn an_epic_takes_all_below_it(bench: &Bench) {
    stocked(bench);
    let removed = bench.write(|tx| tx.remove_epic(&epic_id("EPIC-1")));
    let expected = Removed {
        epics: 1,
        features: 2,
        tasks: 3,
        tests: 4,
    };
    assert_eq!(removed, expected);
    left(bench, &["TASK-4"], &["TEST-TASK-4", "TEST-FEAT-3"], &[]);
    bench.put(&epic("EPIC-1"));
    let removed = bench.write(|tx| tx.remove_epic(&epic_id("EPIC-1")));
    let expected = Removed {
        epics: 1,
        ..Removed::default()
    };
    assert_eq!(removed, expected);
}

pub(crate) fn a_feature_takes_all_below_it(bench: &Bench) {
    stocked(bench);
    let removed = bench.write(|tx| tx.remove_feature(&feature_id("FEAT-1")));
    let expected = Removed {
        epics: 0,
        features: 1,
        tasks: 2,
        tests: 3,
    };
    assert_eq!(removed, expected);
    left(
        bench,
        &["TASK-3", "TASK-4"],
        &["TEST-TASK-3", "TEST-TASK-4", "TEST-FEAT-3"],
        &[("TASK-4", "TASK-3")],
    );
}

pub(crate) fn a_task_takes_all_below_it(bench: &Bench) {
    stocked(bench);
    let removed = bench.write(|tx| tx.remove_task(&task_id("TASK-1")));
    let expected = Removed {
        tasks: 1,
        tests: 1,
        ..Removed::default()
    };
    assert_eq!(removed, expected);
    left(
        bench,
        &["TASK-2", "TASK-3", "TASK-4"],
        &[
            "TEST-TASK-2",
            "TEST-TASK-3",
            "TEST-TASK-4",
            "TEST-FEAT-1",
            "TEST-FEAT-3",
        ],
        &[
            ("TASK-3", "TASK-2"),
            ("TASK-4", "TASK-2"),
            ("TASK-4", "TASK-3"),
        ],
    );
    // The id is free again, and nothing of the old task clings to it.
    bench.put(&task("TASK-1", "FEAT-2"));
    let (tests, attempts, dependents) = bench.read(|tx| {
        let id = task_id("TASK-1");
        Ok((
            tx.tests_of(&of_task("TASK-1"))?,
            tx.attempts_of(&id)?,
            tx.dependents_of(&id)?,
        ))
    });
    assert!(tests.is_empty() && attempts.is_empty() && dependents.is_empty());
}

pub(crate) fn a_test_goes_alone(bench: &Bench) {
    stocked(bench);
    let removed = bench.write(|tx| tx.remove_test(&test_id("TEST-FEAT-1")));
    let expected = Removed {
        tests: 1,
        ..Removed::default()
    };
    assert_eq!(removed, expected);
    let contents = bench.contents();
    assert_eq!((contents.tests.len(), contents.features.len()), (5, 3));
}

pub(crate) fn events_and_operations_outlive_what_they_tell_of(bench: &Bench) {
    stocked(bench);
    let operation = Operation {
        id: OperationId::new("op-1").unwrap(),
        use_case: "claim".to_owned(),
        digest: "00".to_owned(),
        answer: "TASK-1".to_owned(),
    };
    bench.write(|tx| tx.insert_operation(&operation, 10));
    let before = bench.contents();
    bench.write(|tx| {
        tx.remove_epic(&epic_id("EPIC-1"))?;
        tx.remove_epic(&epic_id("EPIC-2"))
    });
    let after = bench.contents();
    assert_eq!(after.events, before.events);
    assert_eq!(after.operations, [operation]);
    assert!(after.features.is_empty() && after.attempts.is_empty());
}
