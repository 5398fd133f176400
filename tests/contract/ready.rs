//! What is handed out, and in which order.

use tasq_domain::ready::Scope;
use tasq_domain::{
    Epic, Feature, Lane, Status, Task, TaskId, TaskRecord, TestCase, TestOwner, Timestamp,
};
use tasq_ports::{Inserted, StoreError, StoreExt as _, Tx};

use super::Bench;
use super::make::{
    at, by_process, claimed, epic, epic_id, feature, feature_id, hold, in_status, keep_attempts,
    live, place, priority, process, put, task, task_id, test, waits_for, with_attempts,
};

/// The first ready task, asked for in a read unit and in a write unit.
#[track_caller]
fn next(bench: &Bench, scope: &Scope) -> Option<String> {
    let read = bench.read(|tx| tx.next_ready(scope));
    let written = bench.write(|tx| tx.next_ready(scope));
    assert_eq!(read, written, "a read and a write unit differ");
    read.map(|it| it.task.id.as_str().to_owned())
}

/// Every ready task in the order in which it is handed out, by taking one after the other.
#[track_caller]
fn drained(bench: &Bench, scope: &Scope) -> Vec<String> {
    let mut order = Vec::new();
    while let Some(id) = next(bench, scope) {
        bench.write(|tx| {
            let task = tx.task(&task_id(&id))?.unwrap().task;
            let task = claimed(task, "w1", at(1));
            tx.update_task_life(&task)?;
            keep_attempts(tx, &task)
        });
        order.push(id);
    }
    order
}

/// As many ready tasks as there are, but never more than was asked for.
#[track_caller]
fn ready(bench: &Bench, scope: &Scope, limit: u32) -> Vec<String> {
    let read = bench.read(|tx| tx.ready(scope, limit));
    let written = bench.write(|tx| tx.ready(scope, limit));
    assert_eq!(read, written, "a read and a write unit differ");
    let ids = read.iter().map(|it| it.task.id.as_str().to_owned());
    ids.collect()
}

fn with_priority(id: &str, feature: &str, number: i64) -> Task {
    Task {
        own_priority: Some(priority(number)),
        ..task(id, feature)
    }
}

pub(crate) fn nothing_is_ready_in_an_empty_store(bench: &Bench) {
    assert_eq!(next(bench, &Scope::Queue), None);
    bench.put(&epic("EPIC-1"));
    bench.put(&feature("FEAT-1", Some("EPIC-1")));
    assert_eq!(next(bench, &Scope::Queue), None);
}

pub(crate) fn priority_goes_first_then_creation(bench: &Bench) {
    bench.put(&feature("FEAT-1", None));
    // The ids are against the order of creation, so that no store can sort by them.
    for (id, number) in [
        ("TASK-I", 2),
        ("TASK-H", 99),
        ("TASK-G", 10),
        ("TASK-F", 0),
        ("TASK-E", 2),
        ("TASK-D", 9),
        ("TASK-C", 0),
        ("TASK-B", 99),
        ("TASK-A", 1),
    ] {
        bench.put(&with_priority(id, "FEAT-1", number));
    }
    bench.put(&Task {
        seq: 1_000,
        ..with_priority("TASK-Z", "FEAT-1", 0)
    });
    bench.put(&Task {
        seq: 500,
        ..with_priority("TASK-Y", "FEAT-1", 0)
    });
    let order = [
        "TASK-F", "TASK-C", "TASK-Y", "TASK-Z", "TASK-A", "TASK-I", "TASK-E", "TASK-D", "TASK-G",
        "TASK-H", "TASK-B",
    ];
    assert_eq!(ready(bench, &Scope::Queue, 0), [""; 0]);
    assert_eq!(ready(bench, &Scope::Queue, 4), order[..4]);
    assert_eq!(ready(bench, &Scope::Queue, 100), order);
    assert_eq!(drained(bench, &Scope::Queue), order);
    assert_eq!(ready(bench, &Scope::Queue, 100), [""; 0]);
}

/// A task and what there is around it: what it waits for, what waits for it, its tests.
type Around = (Option<TaskRecord>, Vec<TaskId>, Vec<TaskId>, Vec<TestCase>);

/// Forty-odd ids, of forty tasks of which one waits for another.
fn forty(bench: &Bench) -> Vec<TaskId> {
    bench.put(&feature("FEAT-1", None));
    for number in 0..40 {
        bench.put(&task(&format!("TASK-{number}"), "FEAT-1"));
    }
    bench.write(|tx| tx.insert_dependency(&waits_for("TASK-1", "TASK-0")));
    (0..45).map(|it| task_id(&format!("TASK-{it}"))).collect()
}

fn around(tx: &mut dyn Tx, id: &TaskId) -> Result<Around, StoreError> {
    Ok((
        tx.task(id)?,
        tx.dependencies_of(id)?,
        tx.dependents_of(id)?,
        tx.tests_of(&TestOwner::Task(id.clone()))?,
    ))
}

fn around_each(tx: &mut dyn Tx, ids: &[TaskId]) -> Result<Vec<Around>, StoreError> {
    ids.iter().map(|id| around(tx, id)).collect()
}

pub(crate) fn what_was_foreseen_is_as_it_is(bench: &Bench) {
    let ids = forty(bench);
    let plain = bench.read(|tx| around_each(tx, &ids));
    let foreseen = bench.write(|tx| {
        tx.foresee(&ids)?;
        around_each(tx, &ids)
    });
    assert_eq!(foreseen, plain);
}

/// Each change is seen at once, and nothing else is: what was read before it may still be in hand.
pub(crate) fn what_was_foreseen_changes_with_what_the_unit_does(bench: &Bench) {
    let ids = forty(bench);
    let mut seen: Vec<(usize, Around)> = Vec::new();
    let (inside, done) = bench.write(|tx| {
        tx.foresee(&ids)?;
        let held = claimed(tx.task(&ids[6])?.unwrap().task, "w1", at(1));
        tx.update_task_life(&held)?;
        keep_attempts(tx, &held)?;
        seen.push((6, around(tx, &ids[6])?));
        tx.insert_dependency(&waits_for("TASK-7", "TASK-8"))?;
        seen.push((7, around(tx, &ids[7])?));
        seen.push((8, around(tx, &ids[8])?));
        let test = test("TEST-1", TestOwner::Task(ids[9].clone()));
        assert!(matches!(tx.insert_test(&test)?, Inserted::At(_)));
        seen.push((9, around(tx, &ids[9])?));
        let claim = claimed(tx.task(&ids[0])?.unwrap().task, "w1", at(1));
        tx.update_task_life(&claim)?;
        keep_attempts(tx, &claim)?;
        let done = in_status(claim, Status::Completed, at(2));
        tx.update_task_life(&done)?;
        keep_attempts(tx, &done)?;
        assert_eq!(around(tx, &ids[1])?.0.unwrap().open_dependencies, 0);
        tx.remove_task(&ids[5])?;
        assert!(around(tx, &ids[5])?.0.is_none());
        Ok((around_each(tx, &ids)?, done))
    });
    for (task, (record, dependencies, dependents, tests)) in &seen {
        let record = record.as_ref().unwrap();
        assert_eq!(record.task.claim.is_some(), *task == 6, "{task}");
        assert_eq!(record.open_dependencies, u32::from(*task == 7), "{task}");
        assert_eq!(dependencies.len(), usize::from(*task == 7), "{task}");
        assert_eq!(dependents.len(), usize::from(*task == 8), "{task}");
        assert_eq!(tests.len(), usize::from(*task == 9), "{task}");
    }
    assert_eq!(inside, bench.read(|tx| around_each(tx, &ids)));
    assert_eq!(inside[0].0.as_ref().map(|it| &it.task), Some(&done));
    for (task, before) in seen {
        assert_eq!(inside[task], before, "{task}");
    }
    bench.assert_consistent();
}

pub(crate) fn a_task_without_priority_has_its_features(bench: &Bench) {
    let of = |id: &str, number| Feature {
        priority: priority(number),
        ..feature(id, None)
    };
    bench.put(&of("FEAT-LATE", 5));
    bench.put(&of("FEAT-SOON", 1));
    bench.put(&task("LATE", "FEAT-LATE"));
    bench.put(&with_priority("LATE-2", "FEAT-LATE", 2));
    bench.put(&task("SOON", "FEAT-SOON"));
    bench.put(&with_priority("SOON-6", "FEAT-SOON", 6));
    assert_eq!(
        drained(bench, &Scope::Queue),
        ["SOON", "LATE-2", "LATE", "SOON-6"]
    );
}

pub(crate) fn a_change_of_priority_changes_the_order(bench: &Bench) {
    bench.put(&feature("FEAT-1", None));
    bench.put(&feature("FEAT-2", None));
    bench.put(&task("TASK-1", "FEAT-1"));
    bench.put(&task("TASK-2", "FEAT-2"));
    bench.put(&with_priority("TASK-3", "FEAT-2", 3));
    assert_eq!(next(bench, &Scope::Queue).as_deref(), Some("TASK-1"));
    bench.write(|tx| {
        tx.update_feature(&Feature {
            priority: priority(1),
            ..feature("FEAT-2", None)
        })
    });
    assert_eq!(next(bench, &Scope::Queue).as_deref(), Some("TASK-2"));
    bench.write(|tx| tx.update_task(&with_priority("TASK-3", "FEAT-2", 0)));
    assert_eq!(next(bench, &Scope::Queue).as_deref(), Some("TASK-3"));
    bench.write(|tx| tx.update_task(&task("TASK-3", "FEAT-1")));
    bench.assert_consistent();
    assert_eq!(
        drained(bench, &Scope::Queue),
        ["TASK-2", "TASK-1", "TASK-3"]
    );
}

pub(crate) fn each_scope_hands_out_its_own(bench: &Bench) {
    let lane = |feature: &str, number| {
        Scope::Lane(Lane {
            feature: feature_id(feature),
            priority: priority(number),
        })
    };
    bench.write(|tx| {
        put(tx, &epic("EPIC-1"))?;
        put(tx, &epic("EPIC-2"))?;
        put(tx, &feature("FEAT-1", Some("EPIC-1")))?;
        put(tx, &feature("FEAT-2", Some("EPIC-2")))?;
        put(tx, &feature("FEAT-3", None))?;
        put(tx, &with_priority("A1", "FEAT-1", 3))?;
        put(tx, &task("A2", "FEAT-1"))?;
        put(tx, &with_priority("B1", "FEAT-2", 0))?;
        put(tx, &with_priority("C1", "FEAT-3", 0))?;
        put(tx, &with_priority("A3", "FEAT-1", 0))
    });
    let expect = |scope: Scope, id: Option<&str>| {
        assert_eq!(next(bench, &scope).as_deref(), id, "{scope:?}");
    };
    expect(Scope::Queue, Some("B1"));
    expect(Scope::Epic(epic_id("EPIC-1")), Some("A3"));
    expect(Scope::Epic(epic_id("EPIC-2")), Some("B1"));
    expect(Scope::Feature(feature_id("FEAT-1")), Some("A3"));
    expect(Scope::Feature(feature_id("FEAT-3")), Some("C1"));
    expect(lane("FEAT-1", 0), Some("A3"));
    expect(lane("FEAT-1", 2), Some("A2"));
    expect(lane("FEAT-1", 3), Some("A1"));
    expect(lane("FEAT-1", 1), None);
    expect(lane("FEAT-2", 2), None);
    expect(Scope::Task(task_id("A1")), Some("A1"));
    bench.assert_consistent();
}

pub(crate) fn a_scope_that_is_not_there_has_nothing(bench: &Bench) {
    bench.put(&feature("FEAT-1", None));
    bench.put(&task("TASK-1", "FEAT-1"));
    for scope in [
        Scope::Epic(epic_id("FEAT-1")),
        Scope::Feature(feature_id("feat-1")),
        Scope::Task(task_id("task-1")),
        Scope::Lane(Lane {
            feature: feature_id("TASK-1"),
            priority: priority(2),
        }),
    ] {
        assert_eq!(next(bench, &scope), None, "{scope:?}");
    }
}

fn waiting(id: &str, until: Timestamp) -> Task {
    Task {
        not_before: Some(until),
        ..task(id, "FEAT-1")
    }
}

pub(crate) fn a_task_waits_until_its_time_has_come(bench: &Bench) {
    bench.put(&feature("FEAT-1", None));
    bench.put(&waiting("TASK-2", at(20)));
    bench.put(&waiting("TASK-1", at(10)));
    let one_before = Timestamp::from_micros(at(10).micros() - 1);
    for (now, ready) in [
        (at(0), None),
        (one_before, None),
        (at(10), Some("TASK-1")),
        (at(19), Some("TASK-1")),
        (at(20), Some("TASK-2")),
    ] {
        bench.clock.set(now);
        assert_eq!(next(bench, &Scope::Queue).as_deref(), ready, "at {now:?}");
        bench.assert_consistent();
    }
    bench.write(|tx| live(tx, &waiting("TASK-2", at(30))));
    assert_eq!(next(bench, &Scope::Queue).as_deref(), Some("TASK-1"));
    bench.write(|tx| live(tx, &task("TASK-2", "FEAT-1")));
    assert_eq!(next(bench, &Scope::Queue).as_deref(), Some("TASK-2"));
}

pub(crate) fn a_clock_that_runs_back_makes_a_task_wait_again(bench: &Bench) {
    bench.put(&feature("FEAT-1", None));
    bench.put(&waiting("TASK-1", at(10)));
    bench.clock.set(at(11));
    assert_eq!(next(bench, &Scope::Queue).as_deref(), Some("TASK-1"));
    bench.clock.set(at(9));
    assert_eq!(next(bench, &Scope::Queue), None);
    bench.assert_consistent();
    bench.clock.set(at(10));
    assert_eq!(next(bench, &Scope::Queue).as_deref(), Some("TASK-1"));
}

pub(crate) fn a_hold_on_task_feature_or_epic_keeps_it_back(bench: &Bench) {
    bench.put(&epic("EPIC-1"));
    bench.put(&feature("FEAT-1", Some("EPIC-1")));
    bench.put(&task("TASK-1", "FEAT-1"));
    let expect = |ready: bool, held_above: bool| {
        assert_eq!(next(bench, &Scope::Queue).is_some(), ready);
        let record = bench.read(|tx| tx.task(&task_id("TASK-1"))).unwrap();
        assert_eq!(record.held_above, held_above);
        bench.assert_consistent();
    };
    let set_task = |held: bool| {
        bench.write(|tx| {
            tx.update_task(&Task {
                hold: held.then(hold),
                ..task("TASK-1", "FEAT-1")
            })
        });
    };
    let set_feature = |held: bool| {
        bench.write(|tx| {
            tx.update_feature(&Feature {
                hold: held.then(hold),
                ..feature("FEAT-1", Some("EPIC-1"))
            })
        });
    };
    let set_epic = |held: bool| {
        bench.write(|tx| {
            tx.update_epic(&Epic {
                hold: held.then(hold),
                ..epic("EPIC-1")
            })
        });
    };
    expect(true, false);
    set_task(true);
    expect(false, false);
    set_feature(true);
    set_task(false);
    expect(false, true);
    set_epic(true);
    expect(false, true);
    set_feature(false);
    expect(false, true);
    set_epic(false);
    expect(true, false);
    // A task that comes under a hold, a feature that leaves one.
    set_epic(true);
    bench.put(&task("TASK-2", "FEAT-1"));
    expect(false, true);
    bench.write(|tx| tx.update_feature(&feature("FEAT-1", None)));
    expect(true, false);
    bench.write(|tx| tx.update_feature(&feature("FEAT-1", Some("EPIC-1"))));
    expect(false, true);
}

pub(crate) fn an_open_dependency_keeps_it_back(bench: &Bench) {
    bench.put(&feature("FEAT-1", None));
    for id in ["TASK-1", "TASK-2", "TASK-3"] {
        bench.put(&task(id, "FEAT-1"));
    }
    let open = || {
        let record = bench.read(|tx| tx.task(&task_id("TASK-1"))).unwrap();
        record.open_dependencies
    };
    let set = |id: &str, status| {
        bench.write(|tx| live(tx, &in_status(task(id, "FEAT-1"), status, at(1))));
        bench.assert_consistent();
    };
    bench.write(|tx| {
        tx.insert_dependency(&waits_for("TASK-1", "TASK-2"))?;
        tx.insert_dependency(&waits_for("TASK-1", "TASK-3"))
    });
    assert_eq!(open(), 2);
    assert_eq!(next(bench, &Scope::Queue).as_deref(), Some("TASK-2"));
    for status in [Status::InProgress, Status::Blocked] {
        set("TASK-2", status);
        assert_eq!(open(), 2);
        assert_eq!(next(bench, &Scope::Task(task_id("TASK-1"))), None);
    }
    set("TASK-2", Status::Completed);
    assert_eq!(open(), 1);
    assert_eq!(next(bench, &Scope::Queue).as_deref(), Some("TASK-3"));
    set("TASK-3", Status::Completed);
    assert_eq!(open(), 0);
    assert_eq!(next(bench, &Scope::Queue).as_deref(), Some("TASK-1"));
}

pub(crate) fn a_reopened_or_removed_prerequisite_counts_at_once(bench: &Bench) {
    bench.put(&feature("FEAT-1", None));
    for id in ["TASK-1", "TASK-2", "TASK-3", "TASK-4"] {
        bench.put(&task(id, "FEAT-1"));
    }
    let set = |id: &str, status| {
        bench.write(|tx| live(tx, &in_status(task(id, "FEAT-1"), status, at(1))));
    };
    let ready = || next(bench, &Scope::Task(task_id("TASK-1"))).is_some();
    set("TASK-2", Status::Completed);
    bench.write(|tx| tx.insert_dependency(&waits_for("TASK-1", "TASK-2")));
    assert!(ready());
    set("TASK-2", Status::Pending);
    assert!(!ready());
    bench.assert_consistent();
    bench.write(|tx| tx.remove_task(&task_id("TASK-2")));
    assert!(ready());
    bench.assert_consistent();
    bench.write(|tx| {
        tx.insert_dependency(&waits_for("TASK-1", "TASK-3"))?;
        tx.insert_dependency(&waits_for("TASK-1", "TASK-4"))
    });
    assert!(!ready());
    bench.write(|tx| tx.remove_dependency(&waits_for("TASK-1", "TASK-3")));
    assert!(!ready());
    bench.write(|tx| tx.remove_dependency(&waits_for("TASK-1", "TASK-4")));
    assert!(ready());
}

pub(crate) fn a_task_that_moves_takes_its_new_feature(bench: &Bench) {
    bench.put(&epic("EPIC-1"));
    bench.put(&feature("FEAT-1", None));
    bench.put(&Feature {
        priority: priority(0),
        hold: Some(hold()),
        ..feature("FEAT-2", Some("EPIC-1"))
    });
    bench.put(&task("TASK-1", "FEAT-1"));
    bench.write(|tx| tx.update_task(&task("TASK-1", "FEAT-2")));
    let record = bench.read(|tx| tx.task(&task_id("TASK-1"))).unwrap();
    assert_eq!(record.epic, Some(epic_id("EPIC-1")));
    assert_eq!(record.priority, priority(0));
    assert!(record.held_above);
    assert_eq!(next(bench, &Scope::Queue), None);
    bench.write(|tx| tx.update_task(&task("TASK-1", "FEAT-1")));
    let record = bench.read(|tx| tx.task(&task_id("TASK-1"))).unwrap();
    assert_eq!((record.epic, record.held_above), (None, false));
    assert_eq!(next(bench, &Scope::Queue).as_deref(), Some("TASK-1"));
}

/// What waits for a task does not keep it back, nor what it waited for, nor its tests; and they are there for whoever asks
/// after it was handed out.
pub(crate) fn what_is_around_a_ready_task_is_found_with_it(bench: &Bench) {
    bench.put(&feature("FEAT-1", None));
    let done = in_status(task("TASK-0", "FEAT-1"), Status::Completed, at(1));
    bench.put(&done);
    for id in ["TASK-1", "TASK-2", "TASK-3"] {
        bench.put(&task(id, "FEAT-1"));
    }
    bench.write(|tx| {
        tx.insert_dependency(&waits_for("TASK-1", "TASK-0"))?;
        tx.insert_dependency(&waits_for("TASK-3", "TASK-1"))?;
        put(tx, &test("TEST-1", TestOwner::Task(task_id("TASK-2"))))
    });
    let alone = bench.read(|tx| {
        ["TASK-1", "TASK-2"]
            .into_iter()
            .map(|id| around(tx, &task_id(id)))
            .collect::<Result<Vec<_>, _>>()
    });
    let told = |tx: &mut dyn Tx| {
        let ready = tx.ready(&Scope::Queue, 10)?;
        let all: Result<Vec<Around>, StoreError> = ready
            .iter()
            .map(|record| around(tx, &record.task.id))
            .collect();
        all
    };
    assert_eq!(bench.read(told), alone);
    assert_eq!(bench.write(told), alone);
    let (_, dependencies, dependents, _) = &alone[0];
    assert_eq!(dependencies, &[task_id("TASK-0")]);
    assert_eq!(dependents, &[task_id("TASK-3")]);
    assert_eq!(alone[1].3.len(), 1);
    // In one unit: it is ready, it is completed, and what waited for it is ready.
    let then = bench.write(|tx| {
        let first = tx.next_ready(&Scope::Queue)?.map(|record| record.task);
        live(tx, &in_status(first.unwrap(), Status::Completed, at(2)))?;
        tx.ready(&Scope::Queue, 10)
    });
    let ids: Vec<&str> = then.iter().map(|it| it.task.id.as_str()).collect();
    assert_eq!(ids, ["TASK-2", "TASK-3"]);
}

pub(crate) fn a_task_is_there_or_not(bench: &Bench) {
    bench.put(&feature("FEAT-1", None));
    bench.put(&task("TASK-1", "FEAT-1"));
    let are_there = |tx: &mut dyn Tx| {
        ["TASK-1", "task-1", "TASK-2", "FEAT-1"]
            .into_iter()
            .map(|id| tx.has_task(&task_id(id)))
            .collect::<Result<Vec<_>, _>>()
    };
    let of_two = [true, false, true, false];
    assert_eq!(bench.read(are_there), [true, false, false, false]);
    assert_eq!(bench.write(are_there), [true, false, false, false]);
    let in_one_unit = bench.write(|tx| {
        let before = are_there(tx)?;
        put(tx, &task("TASK-2", "FEAT-1"))?;
        let both = are_there(tx)?;
        tx.remove_task(&task_id("TASK-1"))?;
        Ok([before, both, are_there(tx)?])
    });
    let removed = [false, false, true, false];
    assert_eq!(in_one_unit, [[true, false, false, false], of_two, removed]);
    assert_eq!(bench.read(are_there), removed);
}

pub(crate) fn only_pending_tasks_are_ready(bench: &Bench) {
    bench.put(&feature("FEAT-1", None));
    bench.put(&task("TASK-1", "FEAT-1"));
    for &status in Status::ALL {
        let task = in_status(task("TASK-1", "FEAT-1"), status, at(1));
        bench.write(|tx| live(tx, &task));
        let ready = next(bench, &Scope::Task(task_id("TASK-1"))).is_some();
        assert_eq!(ready, status == Status::Pending, "{status}");
        let id = format!("IN-{status}");
        bench.put(&Task {
            id: task_id(&id),
            ..task
        });
        let ready = next(bench, &Scope::Task(task_id(&id))).is_some();
        assert_eq!(ready, status == Status::Pending, "{status}");
    }
}

pub(crate) fn leases_expire_in_their_order(bench: &Bench) {
    bench.put(&feature("FEAT-1", None));
    // Each lease lasts 90 s; two end together.
    for (id, from) in [
        ("TASK-1", 30),
        ("TASK-2", 10),
        ("TASK-3", 20),
        ("TASK-4", 10),
    ] {
        let task = claimed(task(id, "FEAT-1"), "w1", at(from));
        bench.write(|tx| {
            put(tx, &task)?;
            keep_attempts(tx, &task)
        });
    }
    bench.put(&in_status(
        task("BY-HAND", "FEAT-1"),
        Status::InProgress,
        at(0),
    ));
    let expired = |limit| {
        let read = bench.read(|tx| tx.expired(limit));
        assert_eq!(bench.write(|tx| tx.expired(limit)), read);
        read.iter()
            .map(|it| it.task.id.as_str().to_owned())
            .collect::<Vec<_>>()
    };
    let none: [&str; 0] = [];
    bench
        .clock
        .set(Timestamp::from_micros(at(100).micros() - 1));
    assert_eq!(expired(10), none);
    bench.clock.set(at(100));
    assert_eq!(expired(10), ["TASK-2", "TASK-4"]);
    bench.clock.set(at(1_000));
    assert_eq!(expired(10), ["TASK-2", "TASK-4", "TASK-3", "TASK-1"]);
    assert_eq!(expired(3), ["TASK-2", "TASK-4", "TASK-3"]);
    assert_eq!(expired(1), ["TASK-2"]);
    bench.assert_consistent();
    // A heartbeat moves the end, and the end of the claim takes it away.
    bench.write(|tx| {
        let mut task_2 = tx.task(&task_id("TASK-2"))?.unwrap().task;
        let claim = task_2.claim.as_mut().unwrap();
        claim.lease_expires_at = at(2_000);
        tx.update_task_life(&task_2)?;
        let task_4 = with_attempts(1, task("TASK-4", "FEAT-1"));
        live(tx, &task_4)?;
        keep_attempts(tx, &task_4)
    });
    assert_eq!(expired(10), ["TASK-3", "TASK-1"]);
}

/// Within one unit of work, whatever was asked before.
pub(crate) fn what_a_claim_looks_at_first_follows_each_write(bench: &Bench) {
    bench.put(&feature("FEAT-1", None));
    for id in ["WAITS", "LEASED", "RUN", "READY"] {
        bench.put(&task(id, "FEAT-1"));
    }
    bench.clock.set(at(500));
    let ids = |found: Vec<TaskRecord>| -> Vec<String> {
        let ids = found.iter().map(|it| it.task.id.to_string());
        ids.collect()
    };
    bench.write(|tx| {
        let seen = |tx: &mut dyn Tx| -> Result<(bool, Vec<String>, Vec<String>), StoreError> {
            Ok((
                tx.any_process()?,
                ids(tx.expired(9)?),
                ids(tx.ready(&Scope::Queue, 9)?),
            ))
        };
        let told = |ids: &[&str]| -> Vec<String> { ids.iter().map(|&id| id.to_owned()).collect() };
        let all = told(&["WAITS", "LEASED", "RUN", "READY"]);
        assert_eq!(seen(tx)?, (false, vec![], all));
        // A lease that has run out already, and a process.
        live(tx, &claimed(task("LEASED", "FEAT-1"), "w1", at(10)))?;
        let leased = told(&["LEASED"]);
        assert_eq!(
            seen(tx)?,
            (false, leased.clone(), told(&["WAITS", "RUN", "READY"]))
        );
        let run = claimed(task("RUN", "FEAT-1"), "w1", at(499));
        live(tx, &by_process(run, process(place(1), 30, 5)))?;
        assert_eq!(seen(tx)?, (true, leased.clone(), told(&["WAITS", "READY"])));
        // A wait that is not over, and one that is.
        let waits = |until| Task {
            not_before: Some(at(until)),
            ..task("WAITS", "FEAT-1")
        };
        live(tx, &waits(501))?;
        assert_eq!(seen(tx)?, (true, leased.clone(), told(&["READY"])));
        live(tx, &waits(500))?;
        assert_eq!(seen(tx)?, (true, leased, told(&["WAITS", "READY"])));
        // They end.
        live(tx, &with_attempts(1, task("LEASED", "FEAT-1")))?;
        live(tx, &with_attempts(1, task("RUN", "FEAT-1")))?;
        let all = told(&["WAITS", "LEASED", "RUN", "READY"]);
        assert_eq!(seen(tx)?, (false, vec![], all));
        tx.remove_task(&task_id("WAITS"))?;
        assert_eq!(
            seen(tx)?,
            (false, vec![], told(&["LEASED", "RUN", "READY"]))
        );
        Ok(())
    });
}

pub(crate) fn processes_are_told_by_their_place(bench: &Bench) {
    bench.put(&feature("FEAT-1", None));
    for (id, here, pid) in [
        ("TASK-1", place(1), 30),
        ("TASK-2", place(2), 10),
        ("TASK-3", place(1), 20),
        ("TASK-4", place(1), 30),
    ] {
        let task = claimed(task(id, "FEAT-1"), "w1", at(0));
        let task = by_process(task, process(here, pid, 5));
        bench.write(|tx| {
            put(tx, &task)?;
            keep_attempts(tx, &task)
        });
    }
    let by_hand = claimed(task("BY-HAND", "FEAT-1"), "w1", at(0));
    bench.write(|tx| {
        put(tx, &by_hand)?;
        keep_attempts(tx, &by_hand)
    });
    let told = |here| {
        let read = bench.read(|tx| tx.processes_at(&here));
        assert_eq!(bench.write(|tx| tx.processes_at(&here)), read);
        assert!(bench.read(|tx| tx.any_process()));
        read
    };
    let of = |id: &str, here, pid| (task_id(id), process(here, pid, 5));
    let first = [
        of("TASK-1", place(1), 30),
        of("TASK-3", place(1), 20),
        of("TASK-4", place(1), 30),
    ];
    assert_eq!(told(place(1)), first);
    assert_eq!(told(place(2)), [of("TASK-2", place(2), 10)]);
    assert_eq!(told(place(3)), []);
    bench.assert_consistent();
    // A lease that ran out changes nothing here; the end of the claim does, and so does another process.
    bench.clock.set(at(1_000));
    bench.write(|tx| {
        let task_1 = with_attempts(1, task("TASK-1", "FEAT-1"));
        live(tx, &task_1)?;
        keep_attempts(tx, &task_1)?;
        let task_3 = tx.task(&task_id("TASK-3"))?.unwrap().task;
        tx.update_task_life(&by_process(task_3, process(place(2), 9, 5)))
    });
    assert_eq!(told(place(1)), [of("TASK-4", place(1), 30)]);
    let second = [of("TASK-2", place(2), 10), of("TASK-3", place(2), 9)];
    assert_eq!(told(place(2)), second);
}

/// Whatever a store remembers of what it handed out: another process may have removed a task since, or put another in its
/// place, with its id or where it was.
pub(crate) fn what_was_handed_out_may_have_gone_and_come_back(bench: &Bench) {
    let ids: Vec<String> = (0..40).map(|number| format!("TASK-{number}")).collect();
    bench.put(&feature("FEAT-1", None));
    for id in &ids {
        bench.put(&task(id, "FEAT-1"));
    }
    let handed_out = bench.write(|tx| tx.ready(&Scope::Queue, 100));
    assert_eq!(handed_out.len(), ids.len());
    let other = bench.harness.open();
    let outcome = other.write(|tx| {
        for id in ids.iter().skip(10) {
            tx.remove_task(&task_id(id))?;
        }
        // The first to be added may get a number that is free again.
        put(tx, &task("TASK-NEW", "FEAT-1"))?;
        for id in ids.iter().skip(20).rev() {
            put(tx, &in_status(task(id, "FEAT-1"), Status::Blocked, at(3)))?;
        }
        Ok::<_, StoreError>(())
    });
    assert!(outcome.is_ok());
    drop(other);
    let mut asked: Vec<TaskId> = ids.iter().map(|id| task_id(id)).collect();
    asked.push(task_id("TASK-NEW"));
    let expected = bench.contents().tasks;
    assert_eq!(expected.len(), 31);
    for foreseen in [false, true] {
        let found = bench.write(|tx| {
            if foreseen {
                tx.foresee(&asked)?;
            }
            asked
                .iter()
                .map(|id| tx.task(id))
                .collect::<Result<Vec<_>, _>>()
        });
        let mut found: Vec<Task> = found.into_iter().flatten().map(|it| it.task).collect();
        found.sort_by_key(|task| task.seq);
        assert_eq!(found, expected, "foreseen: {foreseen}");
        // And again what is handed out is looked for where it lies.
        bench.write(|tx| tx.ready(&Scope::Queue, 100).map(drop));
    }
}
