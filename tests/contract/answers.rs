//! Every answer a write gives, and what it refuses.

use tasq_domain::{
    Attempt, AttemptEnd, EntityKind, Epic, Feature, OperationId, Outcome, Status, StatusCounts,
    Task, TestCase, ready::Scope,
};
use tasq_ports::{
    EventFilter, Inserted, Page, Removed, Sort, Standing, StoreError, StoreExt, TaskFilter, Tx,
};

use super::Bench;
use super::make::{
    Item, at, attempt, checkpoint, epic, epic_id, feature, feature_id, in_status, json, live,
    of_feature, of_task, put, reason, task, task_id, test, test_id, waits_for, with_attempts,
};

/// The body fails with `Backend`, and nothing of it stays.
#[track_caller]
pub(crate) fn assert_refused<T: std::fmt::Debug>(
    bench: &Bench,
    what: &str,
    mut body: impl FnMut(&mut dyn Tx) -> Result<T, StoreError>,
) {
    let before = bench.contents();
    let outcome = bench.store.write(&mut body);
    assert!(
        matches!(outcome, Err(StoreError::Backend { .. })),
        "{what}: {outcome:?}"
    );
    assert_eq!(bench.contents(), before, "{what}");
}

/// An epic, its feature, two tasks and a test of each, one after the other.
fn family(bench: &Bench) {
    bench.write(|tx| {
        put(tx, &epic("EPIC-1"))?;
        put(tx, &feature("FEAT-1", Some("EPIC-1")))?;
        put(tx, &with_attempts(10, task("TASK-1", "FEAT-1")))?;
        put(tx, &with_attempts(10, task("TASK-2", "FEAT-1")))?;
        put(tx, &test("TEST-1", of_task("TASK-1")))?;
        put(tx, &test("TEST-2", of_feature("FEAT-1")))
    });
}

pub(crate) fn a_seq_counts_from_one_for_each_kind(bench: &Bench) {
    for number in 1..=3 {
        let epic = epic(&format!("EPIC-{number}"));
        assert_eq!(bench.put(&epic), number);
        let feature = feature(&format!("FEAT-{number}"), Some("EPIC-1"));
        assert_eq!(bench.put(&feature), number);
        let task = task(&format!("TASK-{number}"), "FEAT-1");
        assert_eq!(bench.put(&task), number);
        let test = test(&format!("TEST-{number}"), of_task("TASK-1"));
        assert_eq!(bench.put(&test), number);
    }
}

pub(crate) fn a_given_seq_is_kept_and_counting_goes_on_after_it(bench: &Bench) {
    fn seqs(bench: &Bench, given: &impl Item, next: &impl Item, earlier: &impl Item) {
        let insert = |item: &dyn Fn(&mut dyn Tx) -> Result<Inserted, StoreError>| bench.write(item);
        assert_eq!(insert(&|tx| given.insert(tx)), Inserted::At(50));
        assert_eq!(insert(&|tx| next.insert(tx)), Inserted::At(51));
        assert_eq!(insert(&|tx| earlier.insert(tx)), Inserted::At(7));
    }
    let with = |seq| Epic {
        seq,
        ..epic(&format!("EPIC-{seq}"))
    };
    seqs(bench, &with(50), &with(0), &with(7));
    let with = |seq| Feature {
        seq,
        ..feature(&format!("FEAT-{seq}"), None)
    };
    seqs(bench, &with(50), &with(0), &with(7));
    let with = |seq| Task {
        seq,
        ..task(&format!("TASK-{seq}"), "FEAT-0")
    };
    seqs(bench, &with(50), &with(0), &with(7));
    let with = |seq| TestCase {
        seq,
        ..test(&format!("TEST-{seq}"), of_task("TASK-0"))
    };
    seqs(bench, &with(50), &with(0), &with(7));
    let order: Vec<i64> = bench.contents().tasks.iter().map(|it| it.seq).collect();
    assert_eq!(order, [7, 50, 51]);
}

pub(crate) fn a_given_seq_that_is_in_use_is_refused(bench: &Bench) {
    family(bench);
    assert_refused(bench, "epic", |tx| {
        tx.insert_epic(&Epic {
            seq: 1,
            ..epic("EPIC-9")
        })
    });
    assert_refused(bench, "feature", |tx| {
        tx.insert_feature(&Feature {
            seq: 1,
            ..feature("FEAT-9", None)
        })
    });
    assert_refused(bench, "task", |tx| {
        tx.insert_task(&Task {
            seq: 1,
            ..task("TASK-9", "FEAT-1")
        })
    });
    assert_refused(bench, "test", |tx| {
        tx.insert_test(&TestCase {
            seq: 1,
            ..test("TEST-9", of_task("TASK-1"))
        })
    });
}

pub(crate) fn a_taken_id_is_reported_and_nothing_is_inserted(bench: &Bench) {
    family(bench);
    let before = bench.contents();
    bench.write(|tx| {
        assert_eq!(tx.insert_epic(&epic("EPIC-1"))?, Inserted::Taken);
        assert_eq!(
            tx.insert_feature(&feature("FEAT-1", None))?,
            Inserted::Taken
        );
        assert_eq!(tx.insert_task(&task("TASK-1", "FEAT-1"))?, Inserted::Taken);
        assert_eq!(
            tx.insert_test(&test("TEST-1", of_feature("FEAT-1")))?,
            Inserted::Taken
        );
        Ok(())
    });
    assert_eq!(bench.contents(), before);
    // The unit goes on after a taken id.
    bench.write(|tx| {
        assert_eq!(tx.insert_task(&task("TASK-1", "FEAT-1"))?, Inserted::Taken);
        assert_eq!(tx.insert_task(&task("TASK-3", "FEAT-1"))?, Inserted::At(3));
        Ok(())
    });
    assert_eq!(bench.contents().tasks.len(), 3);
}

pub(crate) fn an_id_is_taken_only_within_its_kind_and_its_case(bench: &Bench) {
    bench.put(&epic("Same"));
    bench.put(&feature("Same", Some("Same")));
    bench.put(&task("Same", "Same"));
    bench.put(&test("Same", of_task("Same")));
    bench.put(&epic("SAME"));
    bench.put(&feature("same", Some("SAME")));
    bench.put(&task("same", "same"));
    bench.put(&test("sAME", of_task("same")));
    let contents = bench.contents();
    assert_eq!(contents.features[1].epic, Some(epic_id("SAME")));
    assert_eq!(contents.tasks[1].feature, feature_id("same"));
    assert_eq!(contents.tests[1].owner, of_task("same"));
}

pub(crate) fn an_item_without_its_parent_is_refused(bench: &Bench) {
    family(bench);
    assert_refused(bench, "feature", |tx| {
        tx.insert_feature(&feature("FEAT-9", Some("epic-1")))
    });
    assert_refused(bench, "task", |tx| {
        tx.insert_task(&task("TASK-9", "feat-1"))
    });
    assert_refused(bench, "test of a task", |tx| {
        tx.insert_test(&test("TEST-9", of_task("FEAT-1")))
    });
    assert_refused(bench, "test of a feature", |tx| {
        tx.insert_test(&test("TEST-9", of_feature("TASK-1")))
    });
    assert_refused(bench, "a feature moved nowhere", |tx| {
        tx.update_feature(&feature("FEAT-1", Some("EPIC-9")))
    });
    assert_refused(bench, "a task moved nowhere", |tx| {
        tx.update_task(&task("TASK-1", "FEAT-9"))
    });
    assert_refused(bench, "attempt", |tx| {
        tx.insert_attempt(&attempt("TASK-9", 1))
    });
    assert_refused(bench, "checkpoint", |tx| {
        tx.insert_checkpoint(&checkpoint("TASK-9", 1))
    });
}

pub(crate) fn what_is_missing_is_none_or_empty(bench: &Bench) {
    family(bench);
    let nothing = task_id("task-1");
    let body = |tx: &mut dyn Tx| {
        assert_eq!(tx.epic(&epic_id("epic-1"))?, None);
        assert_eq!(tx.feature(&feature_id("feat-1"))?, None);
        assert_eq!(tx.task(&nothing)?, None);
        assert_eq!(tx.test(&test_id("test-1"))?, None);
        assert_eq!(tx.features_of(Some(&epic_id("EPIC-9")))?, []);
        assert_eq!(tx.features_of(None)?, []);
        assert_eq!(tx.counted_features(Some(&epic_id("EPIC-9")))?, []);
        assert_eq!(tx.tests_of(&of_task("TASK-9"))?, []);
        assert_eq!(tx.tests_of(&of_feature("TASK-1"))?, []);
        assert_eq!(tx.tests(2, 10)?, []);
        assert_eq!(tx.dependencies_of(&nothing)?, []);
        assert_eq!(tx.dependents_of(&nothing)?, []);
        assert_eq!(tx.attempts_of(&nothing)?, []);
        assert_eq!(tx.attempt(&nothing, 1)?, None);
        assert_eq!(tx.attempt(&task_id("TASK-1"), 1)?, None);
        assert_eq!(tx.checkpoints_of(&nothing)?, []);
        assert_eq!(tx.questions_of(&nothing)?, []);
        assert_eq!(tx.unanswered()?, []);
        assert_eq!(tx.operation(&OperationId::new("op").unwrap())?, None);
        let filter = EventFilter {
            entity: None,
            after: 0,
            limit: 10,
        };
        assert_eq!(tx.events(&filter)?, []);
        let none = StatusCounts::default();
        assert_eq!(tx.task_counts(&Scope::Task(nothing.clone()))?, none);
        assert_eq!(tx.task_counts(&Scope::Epic(epic_id("EPIC-9")))?, none);
        assert_eq!(tx.expired(10)?, []);
        let filter = TaskFilter {
            scope: Scope::Feature(feature_id("FEAT-9")),
            ..TaskFilter::default()
        };
        let page = Page {
            sort: Sort::Seq,
            after: None,
            limit: 1,
        };
        assert_eq!(tx.tasks(&filter, &page)?.tasks, []);
        for kind in EntityKind::ALL {
            assert_eq!(tx.ids_with_prefix(kind, "nothing", 10)?, []);
        }
        Ok(())
    };
    bench.read(body);
    bench.write(body);
}

pub(crate) fn updating_what_is_missing_is_refused(bench: &Bench) {
    family(bench);
    assert_refused(bench, "epic", |tx| tx.update_epic(&epic("EPIC-9")));
    assert_refused(bench, "feature", |tx| {
        tx.update_feature(&feature("FEAT-9", None))
    });
    assert_refused(bench, "task", |tx| {
        tx.update_task(&task("TASK-9", "FEAT-1"))
    });
    assert_refused(bench, "a task's life", |tx| {
        tx.update_task_life(&task("TASK-9", "FEAT-1"))
    });
    assert_refused(bench, "test", |tx| {
        tx.update_test(&test("TEST-9", of_task("TASK-1")))
    });
    assert_refused(bench, "attempt", |tx| {
        tx.update_attempt(&attempt("TASK-1", 1))
    });
    // Nothing that was written before the refusal stays either.
    assert_refused(bench, "a unit", |tx| {
        put(tx, &epic("EPIC-2"))?;
        tx.update_epic(&epic("EPIC-9"))
    });
}

pub(crate) fn removing_what_is_missing_is_refused(bench: &Bench) {
    family(bench);
    assert_refused(bench, "epic", |tx| tx.remove_epic(&epic_id("EPIC-9")));
    assert_refused(bench, "feature", |tx| {
        tx.remove_feature(&feature_id("FEAT-9"))
    });
    assert_refused(bench, "task", |tx| tx.remove_task(&task_id("TASK-9")));
    assert_refused(bench, "test", |tx| tx.remove_test(&test_id("TEST-9")));
    assert_refused(bench, "twice", |tx| {
        tx.remove_test(&test_id("TEST-1"))?;
        tx.remove_test(&test_id("TEST-1"))
    });
}

pub(crate) fn an_update_keeps_seq_id_and_creation(bench: &Bench) {
    family(bench);
    bench.write(|tx| {
        tx.update_epic(&Epic {
            seq: 9,
            created_at: at(9),
            ..epic("EPIC-1")
        })?;
        tx.update_feature(&Feature {
            seq: 9,
            created_at: at(9),
            ..feature("FEAT-1", Some("EPIC-1"))
        })?;
        let other = Task {
            seq: 9,
            created_at: at(9),
            attempts: 1,
            ..task("TASK-1", "FEAT-1")
        };
        tx.update_task(&other)?;
        tx.update_test(&TestCase {
            seq: 9,
            created_at: at(9),
            owner: of_task("TASK-2"),
            ..test("TEST-1", of_task("TASK-1"))
        })?;
        tx.insert_attempt(&attempt("TASK-1", 1))?;
        let mut other = attempt("TASK-1", 1);
        other.token.nonce = 99;
        other.worker = tasq_domain::Worker::new("other").unwrap();
        other.started_at = at(99);
        tx.update_attempt(&other)
    });
    let contents = bench.contents();
    assert_eq!(
        (contents.epics[0].seq, contents.epics[0].created_at),
        (1, at(0))
    );
    let feature = &contents.features[0];
    assert_eq!((feature.seq, feature.created_at), (1, at(0)));
    assert_eq!(
        (contents.tasks[0].seq, contents.tasks[0].created_at),
        (1, at(0))
    );
    let test = &contents.tests[0];
    assert_eq!((test.seq, test.created_at), (1, at(0)));
    assert_eq!(test.owner, of_task("TASK-1"));
    assert_eq!(contents.attempts, [attempt("TASK-1", 1)]);
}

pub(crate) fn the_end_of_an_attempt_changes_nothing_else_of_it(bench: &Bench) {
    family(bench);
    let open = Attempt {
        late_message: Some(reason("late")),
        log_path: Some("logs/1".to_owned()),
        result: Some(json("{\"a\":1}")),
        ..attempt("TASK-1", 1)
    };
    let mut ended = open.clone();
    for (outcome, exit_code, message) in [
        (Outcome::Failed, Some(-9), Some("it broke")),
        (Outcome::Completed, None, None),
    ] {
        let end = AttemptEnd {
            at: at(7),
            outcome,
            exit_code,
            message: message.map(reason),
        };
        let there = bench.write(|tx| {
            if tx.attempt(&open.task, 1)?.is_none() {
                tx.insert_attempt(&open)?;
                tx.insert_attempt(&attempt("TASK-1", 2))?;
            }
            assert!(!tx.end_attempt(&open.task, 3, &end)?, "there is no third");
            tx.end_attempt(&open.task, 1, &end)
        });
        assert!(there);
        ended.end = Some(end);
        assert_eq!(
            bench.contents().attempts,
            [ended.clone(), attempt("TASK-1", 2)]
        );
    }
    let nobody = bench.write(|tx| {
        let end = ended.end.clone().expect("it has ended");
        tx.end_attempt(&task_id("TASK-9"), 1, &end)
    });
    assert!(!nobody, "there is no such task");
}

pub(crate) fn a_feature_stands_as_it_will_when_the_unit_ends(bench: &Bench) {
    family(bench);
    let of = |feature: Feature| Standing {
        status: feature.status,
        epic: feature.epic,
        updated_at: feature.updated_at,
    };
    let in_unit = bench.write(|tx| {
        let id = feature_id("FEAT-1");
        let before = tx.standing(&id)?;
        assert_eq!(before, tx.feature(&id)?.map(of));
        let step = in_status(task("TASK-1", "FEAT-1"), Status::Completed, at(9));
        live(tx, &step)?;
        let after = tx.standing(&id)?;
        assert_eq!(after, tx.feature(&id)?.map(of));
        assert_eq!(tx.standing(&feature_id("FEAT-9"))?, None);
        Ok((before, after))
    });
    let read = bench.read(|tx| tx.standing(&feature_id("FEAT-1")));
    assert_ne!(in_unit.0, in_unit.1, "the step changes its feature");
    assert_eq!(in_unit.1, read);
}

/// Also when it is the time that was stored before, or an earlier one.
pub(crate) fn an_update_keeps_the_time_it_was_given(bench: &Bench) {
    family(bench);
    for (unit, time) in [(1, at(5)), (2, at(5)), (3, at(3)), (4, at(3))] {
        bench.clock.set(at(100 * unit));
        let name = tasq_domain::Name::new(format!("in unit {unit}")).unwrap();
        let description = tasq_domain::Description::new(name.as_str()).unwrap();
        bench.write(|tx| {
            tx.update_test(&TestCase {
                description: description.clone(),
                updated_at: time,
                ..test("TEST-1", of_task("TASK-1"))
            })?;
            tx.update_task(&Task {
                description: description.clone(),
                updated_at: time,
                ..task("TASK-1", "FEAT-1")
            })?;
            tx.update_feature(&Feature {
                name: name.clone(),
                updated_at: time,
                ..feature("FEAT-1", Some("EPIC-1"))
            })?;
            tx.update_epic(&Epic {
                name: name.clone(),
                updated_at: time,
                ..epic("EPIC-1")
            })
        });
        let contents = bench.contents();
        assert_eq!(contents.tests[0].updated_at, time);
        assert_eq!(contents.tasks[0].updated_at, time);
        assert_eq!(contents.features[0].updated_at, time);
        assert_eq!(contents.epics[0].updated_at, time);
        let life = Task {
            description: description.clone(),
            retries_used: u32::try_from(unit).unwrap(),
            updated_at: time,
            ..task("TASK-1", "FEAT-1")
        };
        bench.write(|tx| live(tx, &life));
        assert_eq!(bench.contents().tasks[0].updated_at, time);
    }
}

pub(crate) fn a_derived_status_is_not_the_callers_to_write(bench: &Bench) {
    bench.put(&Epic {
        status: Status::Completed,
        ..epic("EPIC-1")
    });
    bench.put(&Feature {
        status: Status::Blocked,
        ..feature("FEAT-1", Some("EPIC-1"))
    });
    bench.assert_consistent();
    bench.write(|tx| {
        tx.update_epic(&Epic {
            status: Status::InProgress,
            ..epic("EPIC-1")
        })?;
        tx.update_feature(&Feature {
            status: Status::Completed,
            ..feature("FEAT-1", Some("EPIC-1"))
        })
    });
    let contents = bench.contents();
    assert_eq!(contents.epics[0].status, Status::Pending);
    assert_eq!(contents.features[0].status, Status::Pending);
}

pub(crate) fn a_dependency_is_inserted_and_removed_once(bench: &Bench) {
    family(bench);
    bench.put(&task("TASK-0", "FEAT-1"));
    let dependency = waits_for("TASK-1", "TASK-2");
    bench.write(|tx| {
        assert!(!tx.remove_dependency(&dependency)?);
        assert!(tx.insert_dependency(&dependency)?);
        assert!(!tx.insert_dependency(&dependency)?);
        assert!(tx.insert_dependency(&waits_for("TASK-1", "TASK-0"))?);
        assert!(tx.insert_dependency(&waits_for("TASK-2", "TASK-0"))?);
        // In the order of their ids, not of creation.
        let of = tx.dependencies_of(&task_id("TASK-1"))?;
        assert_eq!(of, ["TASK-0", "TASK-2"].map(task_id));
        let by = tx.dependents_of(&task_id("TASK-0"))?;
        assert_eq!(by, ["TASK-1", "TASK-2"].map(task_id));
        Ok(())
    });
    bench.write(|tx| {
        assert!(!tx.insert_dependency(&dependency)?);
        assert!(!tx.remove_dependency(&waits_for("TASK-2", "TASK-1"))?);
        assert!(tx.remove_dependency(&dependency)?);
        assert!(!tx.remove_dependency(&dependency)?);
        Ok(())
    });
    let left = [waits_for("TASK-1", "TASK-0"), waits_for("TASK-2", "TASK-0")];
    assert_eq!(bench.contents().dependencies, left);
}

pub(crate) fn a_dependency_needs_both_its_tasks(bench: &Bench) {
    family(bench);
    assert_refused(bench, "the task", |tx| {
        tx.insert_dependency(&waits_for("TASK-9", "TASK-1"))
    });
    assert_refused(bench, "the prerequisite", |tx| {
        tx.insert_dependency(&waits_for("TASK-1", "TASK-9"))
    });
}

pub(crate) fn an_attempt_has_its_number_alone(bench: &Bench) {
    family(bench);
    bench.write(|tx| {
        tx.insert_attempt(&attempt("TASK-1", 10))?;
        tx.insert_attempt(&attempt("TASK-1", 9))?;
        tx.insert_attempt(&attempt("TASK-2", 10))
    });
    assert_refused(bench, "the same number", |tx| {
        tx.insert_attempt(&attempt("TASK-1", 10))
    });
    assert_refused(bench, "the same number, of one that begins", |tx| {
        tx.insert_attempt(&Attempt {
            end: None,
            ..attempt("TASK-1", 9)
        })
    });
    let numbers: Vec<u32> = bench
        .read(|tx| tx.attempts_of(&task_id("TASK-1")))
        .iter()
        .map(|it| it.token.attempt)
        .collect();
    assert_eq!(numbers, [9, 10]);
}

pub(crate) fn tests_are_listed_by_pages(bench: &Bench) {
    family(bench);
    for number in 3..=7 {
        bench.put(&test(&format!("TEST-{number}"), of_task("TASK-2")));
    }
    let seqs = |after, limit| {
        let tests = bench.read(|tx| tx.tests(after, limit));
        tests.iter().map(|it| it.seq).collect::<Vec<_>>()
    };
    assert_eq!(seqs(0, 3), [1, 2, 3]);
    assert_eq!(seqs(3, 3), [4, 5, 6]);
    assert_eq!(seqs(6, 3), [7]);
    assert!(seqs(7, 3).is_empty());
    bench.write(|tx| {
        tx.remove_test(&test_id("TEST-3")).map(|it| {
            assert_eq!(
                it,
                Removed {
                    tests: 1,
                    ..Removed::default()
                }
            );
        })
    });
    assert_eq!(seqs(2, 2), [4, 5]);
    assert_eq!(seqs(3, 2), [4, 5]);
}
