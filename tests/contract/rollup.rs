//! A parent's status follows from its children, at once, both ways, up to the root.

use Status::{Blocked, Completed, InProgress, Pending};
use tasq_domain::rollup::roll_up;
use tasq_domain::{
    CommandLine, Epic, Feature, Present, Status, Task, TestCase, TestStatus, Timestamp,
};

use super::Bench;
use super::make::{
    at, epic, epic_id, feature, feature_id, hold, in_status, live, of_feature, of_task, put, task,
    task_id, test, test_id,
};

/// The statuses of the feature and the epic, which must also be consistent.
#[track_caller]
fn statuses(bench: &Bench, feature: &str, epic: &str) -> (Status, Status) {
    bench.assert_consistent();
    bench.read(|tx| {
        let feature = tx.feature(&feature_id(feature))?.unwrap();
        let epic = tx.epic(&epic_id(epic))?.unwrap();
        Ok((feature.status, epic.status))
    })
}

#[track_caller]
fn expect(bench: &Bench, feature: Status, epic: Status) {
    assert_eq!(statuses(bench, "FEAT-1", "EPIC-1"), (feature, epic));
}

fn set(bench: &Bench, id: &str, status: Status, now: Timestamp) {
    bench.write(|tx| {
        let task = tx.task(&task_id(id))?.unwrap().task;
        tx.update_task_life(&in_status(task, status, now))
    });
}

/// `EPIC-1 → FEAT-1 → TASK-1, TASK-2`.
fn family(bench: &Bench) {
    bench.write(|tx| {
        put(tx, &epic("EPIC-1"))?;
        put(tx, &feature("FEAT-1", Some("EPIC-1")))?;
        put(tx, &task("TASK-1", "FEAT-1"))?;
        put(tx, &task("TASK-2", "FEAT-1"))
    });
}

pub(crate) fn a_parent_follows_each_status_of_its_child(bench: &Bench) {
    bench.put(&epic("EPIC-1"));
    bench.put(&feature("FEAT-1", Some("EPIC-1")));
    bench.put(&task("TASK-1", "FEAT-1"));
    for &from in Status::ALL {
        for &to in Status::ALL {
            set(bench, "TASK-1", from, at(1));
            expect(bench, from, from);
            set(bench, "TASK-1", to, at(2));
            expect(bench, to, to);
        }
    }
    for &to in Status::ALL {
        bench.write(|tx| tx.update_task(&in_status(task("TASK-1", "FEAT-1"), to, at(3))));
        expect(bench, to, to);
    }
}

/// Every subset of the statuses, with and without a gate and a hold.
pub(crate) fn every_mix_of_children_gives_the_parents_status(bench: &Bench) {
    bench.put(&epic("EPIC-1"));
    for bits in 0_u8..64 {
        let children = Present {
            pending: bits & 1 != 0,
            in_progress: bits & 2 != 0,
            completed: bits & 4 != 0,
            blocked: bits & 8 != 0,
        };
        let (gate, held) = (bits & 16 != 0, bits & 32 != 0);
        let id = format!("FEAT-{bits}");
        let chosen = [
            (children.pending, Pending),
            (children.in_progress, InProgress),
            (children.completed, Completed),
            (children.blocked, Blocked),
        ];
        bench.write(|tx| {
            put(
                tx,
                &Feature {
                    hold: held.then(hold),
                    own_status: Completed,
                    ..feature(&id, Some("EPIC-1"))
                },
            )?;
            for (_, status) in chosen.iter().filter(|(chosen, _)| *chosen) {
                for twice in 0..2 {
                    let task = task(&format!("TASK-{bits}-{status}-{twice}"), &id);
                    put(tx, &in_status(task, *status, at(1)))?;
                }
            }
            if gate {
                put(
                    tx,
                    &TestCase {
                        required: true,
                        ..test(&format!("TEST-{bits}"), of_feature(&id))
                    },
                )?;
            }
            Ok(())
        });
        let expected = roll_up(children, gate, held).unwrap_or(Completed);
        let found = bench.read(|tx| tx.feature(&feature_id(&id))).unwrap();
        assert_eq!(found.status, expected, "{children:?} {gate} {held}");
    }
}

pub(crate) fn an_insertion_reopens_completed_parents(bench: &Bench) {
    family(bench);
    set(bench, "TASK-1", Completed, at(1));
    expect(bench, InProgress, InProgress);
    set(bench, "TASK-2", Completed, at(2));
    expect(bench, Completed, Completed);
    bench.put(&task("TASK-3", "FEAT-1"));
    expect(bench, InProgress, InProgress);
    set(bench, "TASK-3", Completed, at(3));
    expect(bench, Completed, Completed);
    bench.put(&feature("FEAT-2", Some("EPIC-1")));
    expect(bench, Completed, InProgress);
    bench.put(&in_status(task("TASK-4", "FEAT-2"), Completed, at(4)));
    expect(bench, Completed, Completed);
}

pub(crate) fn a_removal_rolls_up(bench: &Bench) {
    family(bench);
    bench.put(&feature("FEAT-2", Some("EPIC-1")));
    set(bench, "TASK-1", Completed, at(1));
    expect(bench, InProgress, InProgress);
    bench.write(|tx| tx.remove_task(&task_id("TASK-2")));
    expect(bench, Completed, InProgress);
    bench.write(|tx| tx.remove_feature(&feature_id("FEAT-2")));
    expect(bench, Completed, Completed);
}

pub(crate) fn the_last_childs_removal_leaves_the_own_status(bench: &Bench) {
    bench.put(&Epic {
        own_status: InProgress,
        ..epic("EPIC-1")
    });
    bench.put(&Feature {
        own_status: Blocked,
        ..feature("FEAT-1", Some("EPIC-1"))
    });
    expect(bench, Blocked, Blocked);
    bench.put(&in_status(task("TASK-1", "FEAT-1"), Completed, at(1)));
    expect(bench, Completed, Completed);
    bench.write(|tx| tx.remove_task(&task_id("TASK-1")));
    expect(bench, Blocked, Blocked);
    bench.write(|tx| tx.remove_feature(&feature_id("FEAT-1")));
    bench.assert_consistent();
    let epic = bench.read(|tx| tx.epic(&epic_id("EPIC-1"))).unwrap();
    assert_eq!(epic.status, InProgress);
}

pub(crate) fn a_task_that_moves_rolls_up_both_features(bench: &Bench) {
    family(bench);
    bench.put(&epic("EPIC-2"));
    bench.put(&feature("FEAT-2", Some("EPIC-2")));
    set(bench, "TASK-1", Completed, at(1));
    bench.write(|tx| tx.update_task(&task("TASK-2", "FEAT-2")));
    expect(bench, Completed, Completed);
    assert_eq!(statuses(bench, "FEAT-2", "EPIC-2"), (Pending, Pending));
    // Moved and changed in one write.
    let back = in_status(task("TASK-2", "FEAT-1"), Blocked, at(2));
    bench.write(|tx| tx.update_task(&back));
    expect(bench, Blocked, Blocked);
    let done = in_status(task("TASK-1", "FEAT-2"), Completed, at(2));
    bench.write(|tx| tx.update_task(&done));
    assert_eq!(statuses(bench, "FEAT-2", "EPIC-2"), (Completed, Completed));
    expect(bench, Blocked, Blocked);
}

pub(crate) fn a_feature_that_moves_rolls_up_both_epics(bench: &Bench) {
    family(bench);
    bench.put(&epic("EPIC-2"));
    set(bench, "TASK-1", InProgress, at(1));
    expect(bench, InProgress, InProgress);
    bench.write(|tx| tx.update_feature(&feature("FEAT-1", Some("EPIC-2"))));
    assert_eq!(
        statuses(bench, "FEAT-1", "EPIC-2"),
        (InProgress, InProgress)
    );
    assert_eq!(statuses(bench, "FEAT-1", "EPIC-1"), (InProgress, Pending));
    bench.write(|tx| tx.update_feature(&feature("FEAT-1", None)));
    assert_eq!(statuses(bench, "FEAT-1", "EPIC-2"), (InProgress, Pending));
    set(bench, "TASK-1", Blocked, at(2));
    set(bench, "TASK-2", Blocked, at(2));
    assert_eq!(statuses(bench, "FEAT-1", "EPIC-2"), (Blocked, Pending));
    bench.write(|tx| tx.update_feature(&feature("FEAT-1", Some("EPIC-1"))));
    expect(bench, Blocked, Blocked);
}

pub(crate) fn a_hold_blocks_the_parents(bench: &Bench) {
    family(bench);
    bench.put(&feature("FEAT-2", Some("EPIC-1")));
    let hold_feature = |id: &str, held: bool| {
        bench.write(|tx| {
            tx.update_feature(&Feature {
                hold: held.then(hold),
                ..feature(id, Some("EPIC-1"))
            })
        });
    };
    let hold_epic = |held: bool| {
        bench.write(|tx| {
            tx.update_epic(&Epic {
                hold: held.then(hold),
                ..epic("EPIC-1")
            })
        });
    };
    hold_feature("FEAT-1", true);
    expect(bench, Blocked, Pending);
    hold_feature("FEAT-2", true);
    expect(bench, Blocked, Blocked);
    // Rollup never clears a hold.
    set(bench, "TASK-1", Completed, at(1));
    set(bench, "TASK-2", Completed, at(1));
    expect(bench, Blocked, Blocked);
    hold_feature("FEAT-1", false);
    expect(bench, Completed, Blocked);
    hold_feature("FEAT-2", false);
    expect(bench, Completed, InProgress);
    hold_epic(true);
    expect(bench, Completed, Blocked);
    bench.write(|tx| tx.remove_feature(&feature_id("FEAT-2")));
    expect(bench, Completed, Blocked);
    hold_epic(false);
    expect(bench, Completed, Completed);
    // A held task is still only pending.
    bench.put(&Task {
        hold: Some(hold()),
        ..task("TASK-3", "FEAT-1")
    });
    expect(bench, InProgress, InProgress);
}

pub(crate) fn a_gate_keeps_a_feature_open(bench: &Bench) {
    family(bench);
    let gate = |status| TestCase {
        command: Some(CommandLine::new("true").unwrap()),
        status,
        ..test("TEST-1", of_feature("FEAT-1"))
    };
    bench.put(&gate(TestStatus::Pending));
    // A task's own test gates nothing above it.
    bench.put(&TestCase {
        required: true,
        ..test("TEST-2", of_task("TASK-1"))
    });
    expect(bench, Pending, Pending);
    set(bench, "TASK-1", Completed, at(1));
    set(bench, "TASK-2", Completed, at(1));
    expect(bench, InProgress, InProgress);
    for (status, expected) in [
        (TestStatus::Passing, Completed),
        (TestStatus::Failing, InProgress),
        (TestStatus::Passing, Completed),
        (TestStatus::Pending, InProgress),
    ] {
        bench.write(|tx| tx.update_test(&gate(status)));
        expect(bench, expected, expected);
    }
    // A second gate, and the removal of both.
    bench.put(&TestCase {
        required: true,
        ..test("TEST-3", of_feature("FEAT-1"))
    });
    bench.write(|tx| tx.update_test(&gate(TestStatus::Passing)));
    expect(bench, InProgress, InProgress);
    bench.write(|tx| tx.remove_test(&test_id("TEST-3")));
    expect(bench, Completed, Completed);
    bench.write(|tx| tx.update_test(&gate(TestStatus::Failing)));
    expect(bench, InProgress, InProgress);
    bench.write(|tx| tx.remove_test(&test_id("TEST-1")));
    expect(bench, Completed, Completed);
}

pub(crate) fn a_gate_opens_and_closes_with_its_definition(bench: &Bench) {
    family(bench);
    set(bench, "TASK-1", Completed, at(1));
    set(bench, "TASK-2", Completed, at(1));
    let manual = test("TEST-1", of_feature("FEAT-1"));
    bench.put(&manual);
    expect(bench, Completed, Completed);
    bench.write(|tx| {
        tx.update_test(&TestCase {
            required: true,
            ..manual.clone()
        })
    });
    expect(bench, InProgress, InProgress);
    bench.write(|tx| tx.update_test(&manual));
    expect(bench, Completed, Completed);
    bench.write(|tx| {
        tx.update_test(&TestCase {
            command: Some(CommandLine::new("true").unwrap()),
            ..manual.clone()
        })
    });
    expect(bench, InProgress, InProgress);
}

pub(crate) fn own_status_stands_while_there_are_no_children(bench: &Bench) {
    bench.put(&epic("EPIC-1"));
    bench.put(&feature("FEAT-1", Some("EPIC-1")));
    // A gate of a feature without tasks changes nothing.
    bench.put(&TestCase {
        required: true,
        ..test("TEST-1", of_feature("FEAT-1"))
    });
    for &status in Status::ALL {
        bench.write(|tx| {
            tx.update_feature(&Feature {
                own_status: status,
                ..feature("FEAT-1", Some("EPIC-1"))
            })
        });
        expect(bench, status, status);
    }
    bench.put(&task("TASK-1", "FEAT-1"));
    for &status in Status::ALL {
        bench.write(|tx| {
            tx.update_feature(&Feature {
                own_status: status,
                ..feature("FEAT-1", Some("EPIC-1"))
            })?;
            tx.update_epic(&Epic {
                own_status: status,
                ..epic("EPIC-1")
            })
        });
        expect(bench, Pending, Pending);
    }
}

/// When the feature and the epic were last changed.
fn times(bench: &Bench) -> (Timestamp, Timestamp) {
    bench.read(|tx| {
        let feature = tx.feature(&feature_id("FEAT-1"))?.unwrap();
        let epic = tx.epic(&epic_id("EPIC-1"))?.unwrap();
        Ok((feature.updated_at, epic.updated_at))
    })
}

pub(crate) fn a_parent_takes_the_writers_time(bench: &Bench) {
    family(bench);
    assert_eq!(times(bench), (at(0), at(0)));
    // The item's time counts, not the clock's.
    bench.clock.set(at(500));
    set(bench, "TASK-1", InProgress, at(10));
    assert_eq!(times(bench), (at(10), at(10)));
    set(bench, "TASK-1", Completed, at(20));
    set(bench, "TASK-2", Completed, at(30));
    assert_eq!(times(bench), (at(30), at(30)));
    bench.put(&Task {
        updated_at: at(40),
        ..task("TASK-3", "FEAT-1")
    });
    assert_eq!(times(bench), (at(40), at(40)));
    bench.write(|tx| tx.update_task(&in_status(task("TASK-3", "FEAT-1"), Completed, at(50))));
    assert_eq!(times(bench), (at(50), at(50)));
    let gate = |status, now| TestCase {
        required: true,
        status,
        updated_at: now,
        ..test("TEST-1", of_feature("FEAT-1"))
    };
    bench.put(&gate(TestStatus::Pending, at(60)));
    assert_eq!(times(bench), (at(60), at(60)));
    bench.write(|tx| tx.update_test(&gate(TestStatus::Passing, at(70))));
    assert_eq!(times(bench), (at(70), at(70)));
    // A feature is a written item, too.
    bench.write(|tx| {
        tx.update_feature(&Feature {
            hold: Some(hold()),
            updated_at: at(80),
            ..feature("FEAT-1", Some("EPIC-1"))
        })
    });
    assert_eq!(times(bench), (at(80), at(80)));
}

pub(crate) fn a_parent_changed_later_keeps_its_time(bench: &Bench) {
    bench.put(&Epic {
        updated_at: at(20),
        ..epic("EPIC-1")
    });
    bench.put(&feature("FEAT-1", Some("EPIC-1")));
    bench.put(&task("TASK-1", "FEAT-1"));
    set(bench, "TASK-1", InProgress, at(10));
    expect(bench, InProgress, InProgress);
    assert_eq!(times(bench), (at(10), at(20)));
    set(bench, "TASK-1", Completed, at(5));
    expect(bench, Completed, Completed);
    assert_eq!(times(bench), (at(10), at(20)));
    set(bench, "TASK-1", Blocked, at(30));
    assert_eq!(times(bench), (at(30), at(30)));
    // What a feature's status means to its epic is no older than the feature's last change.
    bench.write(|tx| {
        let feature = tx.feature(&feature_id("FEAT-1"))?.unwrap();
        tx.update_feature(&Feature {
            updated_at: at(60),
            ..feature
        })
    });
    set(bench, "TASK-1", Pending, at(40));
    expect(bench, Pending, Pending);
    assert_eq!(times(bench), (at(60), at(60)));
    bench.write(|tx| {
        let feature = tx.feature(&feature_id("FEAT-1"))?.unwrap();
        tx.update_feature(&Feature {
            own_status: Completed,
            updated_at: at(80),
            ..feature
        })
    });
    assert_eq!(times(bench), (at(80), at(60)));
    bench.clock.set(at(70));
    bench.write(|tx| tx.remove_task(&task_id("TASK-1")));
    expect(bench, Completed, Completed);
    assert_eq!(times(bench), (at(80), at(80)));
}

/// What is removed has no time left to give: the unit's instant counts.
pub(crate) fn a_removal_gives_the_parents_its_own_instant(bench: &Bench) {
    family(bench);
    set(bench, "TASK-1", Completed, at(10));
    assert_eq!(times(bench), (at(10), at(10)));
    bench.clock.set(at(20));
    bench.write(|tx| tx.remove_task(&task_id("TASK-2")));
    expect(bench, Completed, Completed);
    assert_eq!(times(bench), (at(20), at(20)));
    bench.put(&TestCase {
        required: true,
        updated_at: at(25),
        ..test("TEST-1", of_feature("FEAT-1"))
    });
    assert_eq!(times(bench), (at(25), at(25)));
    bench.clock.set(at(30));
    bench.write(|tx| tx.remove_test(&test_id("TEST-1")));
    expect(bench, Completed, Completed);
    assert_eq!(times(bench), (at(30), at(30)));
    bench.put(&Feature {
        updated_at: at(35),
        ..feature("FEAT-2", Some("EPIC-1"))
    });
    assert_eq!(times(bench), (at(30), at(35)));
    bench.clock.set(at(40));
    bench.write(|tx| tx.remove_feature(&feature_id("FEAT-2")));
    expect(bench, Completed, Completed);
    assert_eq!(times(bench), (at(30), at(40)));
}

pub(crate) fn a_parent_whose_status_stays_keeps_its_time(bench: &Bench) {
    family(bench);
    set(bench, "TASK-1", InProgress, at(10));
    set(bench, "TASK-2", InProgress, at(20));
    set(bench, "TASK-1", Blocked, at(30));
    bench.put(&Task {
        updated_at: at(40),
        ..task("TASK-3", "FEAT-1")
    });
    bench.put(&TestCase {
        required: true,
        updated_at: at(50),
        ..test("TEST-1", of_feature("FEAT-1"))
    });
    bench.put(&Feature {
        updated_at: at(60),
        ..feature("FEAT-2", Some("EPIC-1"))
    });
    expect(bench, InProgress, InProgress);
    assert_eq!(times(bench), (at(10), at(10)));
}

pub(crate) fn every_change_in_one_unit_is_derived_at_once(bench: &Bench) {
    bench.write(|tx| {
        let status = |tx: &mut dyn tasq_ports::Tx| {
            super::consistent::check(tx);
            Ok::<_, tasq_ports::StoreError>(tx.epic(&epic_id("EPIC-1"))?.unwrap().status)
        };
        put(tx, &epic("EPIC-1"))?;
        put(tx, &feature("FEAT-1", Some("EPIC-1")))?;
        put(tx, &task("TASK-1", "FEAT-1"))?;
        assert_eq!(status(tx)?, Pending);
        let done = in_status(task("TASK-1", "FEAT-1"), Completed, at(1));
        live(tx, &done)?;
        assert_eq!(status(tx)?, Completed);
        put(tx, &feature("FEAT-2", Some("EPIC-1")))?;
        assert_eq!(status(tx)?, InProgress);
        tx.update_feature(&feature("FEAT-2", None))?;
        assert_eq!(status(tx)?, Completed);
        tx.remove_feature(&feature_id("FEAT-1"))?;
        assert_eq!(status(tx)?, Pending);
        Ok(())
    });
}
