//! A unit of work is all or nothing, alone, and at one instant.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tasq_domain::{EntityKind, EventKind, Operation, OperationId, Settings, Status, Task};
use tasq_ports::{Access, FromStore, StoreError, StoreExt, Tx, Verdict};

use super::Bench;
use super::make::{
    at, attempt, checkpoint, epic, epic_id, event, feature, feature_id, in_status, live, of_task,
    put, question, task, task_id, test, test_id, waits_for, with_attempts,
};

/// One write of every kind.
type Write = fn(&mut dyn Tx) -> Result<(), StoreError>;

fn operation() -> Operation {
    Operation {
        id: OperationId::new("op-1").unwrap(),
        use_case: "add".to_owned(),
        digest: "00".to_owned(),
        answer: "TASK-1".to_owned(),
    }
}

/// Every write there is; on the store that [`stocked`] makes, each one succeeds.
const WRITES: [(&str, Write); 25] = [
    ("set_settings", |tx| {
        tx.set_settings(&Settings {
            name: "changed".to_owned(),
            ..super::settings()
        })
    }),
    ("insert_epic", |tx| put(tx, &epic("EPIC-9")).map(drop)),
    ("update_epic", |tx| {
        tx.update_epic(&tasq_domain::Epic {
            updated_at: at(9),
            ..epic("EPIC-1")
        })
    }),
    ("remove_epic", |tx| {
        tx.remove_epic(&epic_id("EPIC-1")).map(drop)
    }),
    ("insert_feature", |tx| {
        put(tx, &feature("FEAT-9", None)).map(drop)
    }),
    ("update_feature", |tx| {
        tx.update_feature(&feature("FEAT-1", None))
    }),
    ("remove_feature", |tx| {
        tx.remove_feature(&feature_id("FEAT-1")).map(drop)
    }),
    ("insert_task", |tx| {
        put(tx, &task("TASK-9", "FEAT-1")).map(drop)
    }),
    ("update_task", |tx| {
        tx.update_task(&in_status(task_1(), Status::Blocked, at(9)))
    }),
    ("update_task_life", |tx| {
        live(tx, &in_status(task_1(), Status::Completed, at(9)))
    }),
    ("remove_task", |tx| {
        tx.remove_task(&task_id("TASK-1")).map(drop)
    }),
    ("insert_test", |tx| {
        put(tx, &test("TEST-9", of_task("TASK-1"))).map(drop)
    }),
    ("update_test", |tx| {
        tx.update_test(&tasq_domain::TestCase {
            required: true,
            ..test("TEST-1", of_task("TASK-1"))
        })
    }),
    ("remove_test", |tx| {
        tx.remove_test(&test_id("TEST-1")).map(drop)
    }),
    ("insert_dependency", |tx| {
        tx.insert_dependency(&waits_for("TASK-3", "TASK-1"))
            .map(drop)
    }),
    ("remove_dependency", |tx| {
        tx.remove_dependency(&waits_for("TASK-2", "TASK-1"))
            .map(drop)
    }),
    ("insert_attempt", |tx| {
        tx.insert_attempt(&attempt("TASK-1", 2))
    }),
    ("update_attempt", |tx| {
        tx.update_attempt(&tasq_domain::Attempt {
            log_path: Some("log".to_owned()),
            ..attempt("TASK-1", 1)
        })
    }),
    ("end_attempt", |tx| {
        let end = tasq_domain::AttemptEnd {
            at: at(9),
            outcome: tasq_domain::Outcome::Failed,
            exit_code: None,
            message: None,
        };
        tx.end_attempt(&task_id("TASK-1"), 1, &end).map(drop)
    }),
    ("insert_checkpoint", |tx| {
        tx.insert_checkpoint(&checkpoint("TASK-1", 1)).map(drop)
    }),
    ("insert_question", |tx| {
        tx.insert_question(&question("TASK-1", 2))
    }),
    ("update_question", |tx| {
        tx.update_question(&tasq_domain::Question {
            answer: Some(tasq_domain::Answer {
                at: at(9),
                by: super::make::actor("ada@host"),
                text: super::make::reason("blue"),
            }),
            ..question("TASK-1", 1)
        })
    }),
    ("append_event", |tx| {
        tx.append_event(&event(EventKind::Created, task_id("TASK-1")))
            .map(drop)
    }),
    ("insert_operation", |tx| {
        tx.insert_operation(&operation(), 10)
    }),
    ("load", |tx| {
        let contents = tx.contents()?;
        for epic in tx.epics()? {
            tx.remove_epic(&epic.id)?;
        }
        tx.load(&contents)
    }),
];

fn task_1() -> Task {
    with_attempts(2, task("TASK-1", "FEAT-1"))
}

/// A store in which every one of [`WRITES`] changes something.
fn stocked(bench: &Bench) {
    bench.write(|tx| {
        put(tx, &epic("EPIC-1"))?;
        put(tx, &feature("FEAT-1", Some("EPIC-1")))?;
        put(tx, &task_1())?;
        put(tx, &task("TASK-2", "FEAT-1"))?;
        put(tx, &task("TASK-3", "FEAT-1"))?;
        put(tx, &test("TEST-1", of_task("TASK-1")))?;
        tx.insert_dependency(&waits_for("TASK-2", "TASK-1"))?;
        tx.insert_question(&question("TASK-1", 1))?;
        tx.insert_attempt(&attempt("TASK-1", 1))
    });
}

pub(crate) fn an_error_in_the_body_undoes_everything(bench: &Bench) {
    stocked(bench);
    let before = bench.contents();
    for (name, write) in WRITES {
        let outcome = bench.store.write(|tx| {
            write(tx)?;
            Err::<(), _>(StoreError::Missing {
                place: name.to_owned(),
            })
        });
        assert!(
            matches!(outcome, Err(StoreError::Missing { ref place }) if place == name),
            "{name}: {outcome:?}"
        );
        assert_eq!(bench.contents(), before, "{name}");
        assert_eq!(bench.read(|tx| tx.contents()), before, "{name}");
        bench.assert_consistent();
    }
}

pub(crate) fn a_rollback_undoes_everything(bench: &Bench) {
    stocked(bench);
    let before = bench.contents();
    for (name, write) in WRITES {
        let outcome = bench.store.run(Access::Write, &mut |tx| {
            write(tx)?;
            Ok(Verdict::Rollback)
        });
        assert!(outcome.is_ok(), "{name}: {outcome:?}");
        assert_eq!(bench.contents(), before, "{name}");
    }
    // And the next unit counts on as if nothing had been.
    assert_eq!(bench.put(&task("TASK-4", "FEAT-1")), 4);
}

#[derive(Debug, PartialEq, Eq)]
enum CaseError {
    Refused,
    Store(String),
}

impl From<StoreError> for CaseError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}

impl FromStore for CaseError {
    fn into_store(self) -> Result<StoreError, Self> {
        match self {
            Self::Refused => Err(self),
            Self::Store(what) => Ok(StoreError::Backend { what }),
        }
    }
}

pub(crate) fn a_foreign_error_passes_through_and_undoes_everything(bench: &Bench) {
    stocked(bench);
    let before = bench.contents();
    let outcome = bench.store.write(|tx| {
        put(tx, &epic("EPIC-2"))?;
        Err::<(), _>(CaseError::Refused)
    });
    assert_eq!(outcome, Err(CaseError::Refused));
    assert_eq!(bench.contents(), before);
}

/// And the store goes on, for this opener and for others.
pub(crate) fn a_panic_in_the_body_undoes_everything(bench: &Bench) {
    stocked(bench);
    let before = bench.contents();
    for (name, write) in WRITES {
        let unit = AssertUnwindSafe(|| {
            bench.store.run(Access::Write, &mut |tx| {
                write(tx)?;
                // Without the hook, which would print it.
                resume_unwind(Box::new(name))
            })
        });
        let payload = catch_unwind(unit).expect_err("the panic goes through");
        assert_eq!(payload.downcast_ref::<&str>(), Some(&name));
        assert_eq!(bench.contents(), before, "{name}");
        assert_eq!(bench.read(|tx| tx.contents()), before, "{name}");
    }
    bench.put(&epic("EPIC-2"));
}

pub(crate) fn every_write_in_a_read_unit_is_refused(bench: &Bench) {
    stocked(bench);
    let before = bench.contents();
    for (name, write) in WRITES {
        let outcome = bench.store.read(|tx| write(tx));
        assert!(
            matches!(outcome, Err(StoreError::Backend { .. })),
            "{name}: {outcome:?}"
        );
        assert_eq!(bench.contents(), before, "{name}");
        // Each is a write that a write unit takes.
        let outcome = bench.store.run(Access::Write, &mut |tx| {
            write(tx)?;
            // Loading brings back what it took away before.
            let changed = tx.contents()? != before;
            assert_eq!(changed, name != "load", "{name}");
            Ok(Verdict::Rollback)
        });
        assert!(outcome.is_ok(), "{name}: {outcome:?}");
    }
}

pub(crate) fn a_unit_has_one_instant(bench: &Bench) {
    for access in [Access::Read, Access::Write] {
        let start = at(match access {
            Access::Read => 10,
            Access::Write => 20,
        });
        bench.clock.set(start);
        bench
            .store
            .run(access, &mut |tx| {
                assert_eq!(tx.now(), start);
                bench.clock.advance(Duration::from_secs(1));
                tx.epics()?;
                assert_eq!(tx.now(), start, "{access:?}");
                Ok(Verdict::Commit)
            })
            .unwrap();
        assert_eq!(
            bench.read(|tx| Ok(tx.now())),
            start.after(Duration::from_secs(1))
        );
    }
}

pub(crate) fn a_unit_reads_what_it_wrote(bench: &Bench) {
    bench.write(|tx| {
        put(tx, &epic("EPIC-1"))?;
        put(tx, &feature("FEAT-1", Some("EPIC-1")))?;
        put(tx, &task("TASK-1", "FEAT-1"))?;
        super::consistent::check(tx);
        live(
            tx,
            &in_status(task("TASK-1", "FEAT-1"), Status::Completed, at(1)),
        )?;
        super::consistent::check(tx);
        put(tx, &task("TASK-2", "FEAT-1"))?;
        tx.insert_dependency(&waits_for("TASK-2", "TASK-1"))?;
        put(tx, &test("TEST-1", of_task("TASK-2")))?;
        super::consistent::check(tx);
        tx.remove_task(&task_id("TASK-1"))?;
        super::consistent::check(tx);
        tx.remove_feature(&feature_id("FEAT-1"))?;
        super::consistent::check(tx);
        assert_eq!(tx.count(EntityKind::Task)?, 0);
        assert_eq!(tx.count(EntityKind::Test)?, 0);
        Ok(())
    });
}

/// A reader watches while a writer is between its first write and the end of its body. Where readers do not wait for
/// writers, the writer goes on only when the reader has looked.
pub(crate) fn nothing_is_visible_before_the_commit(bench: &Bench) {
    let ended = AtomicBool::new(false);
    let other = bench.harness.open();
    let (written, go) = mpsc::channel::<()>();
    let (looked, seen) = mpsc::channel::<()>();
    let (ended, other) = (&ended, &other);
    thread::scope(|scope| {
        let reader = scope.spawn(move || {
            go.recv().unwrap();
            loop {
                let found = other.read(|tx| tx.epic(&epic_id("EPIC-1"))).unwrap();
                let count = other.read(|tx| tx.count(EntityKind::Epic)).unwrap();
                if found.is_some() || count > 0 {
                    // The flag was read after the item was seen, so it was up before it could be seen.
                    assert!(ended.load(Ordering::SeqCst), "seen before the commit");
                    return;
                }
                // The writer may have gone.
                let _ = looked.send(());
            }
        });
        bench.write(|tx| {
            put(tx, &epic("EPIC-1"))?;
            written.send(()).unwrap();
            if bench.harness.reads_while_writing() {
                for _ in 0..3 {
                    seen.recv().unwrap();
                }
            }
            for number in 2..20 {
                put(tx, &epic(&format!("EPIC-{number}")))?;
            }
            ended.store(true, Ordering::SeqCst);
            Ok(())
        });
        reader.join().unwrap();
    });
}

pub(crate) fn a_read_unit_sees_one_state(bench: &Bench) {
    let done = AtomicBool::new(false);
    let other = bench.harness.open();
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                let (first, second) = other
                    .read(|tx| {
                        let first = tx.count(EntityKind::Epic)?;
                        thread::yield_now();
                        Ok::<_, StoreError>((first, tx.epics()?.len()))
                    })
                    .unwrap();
                assert_eq!(first, second as u64);
                assert!(first % 2 == 0, "half of a unit was seen: {first}");
            }
        });
        for number in 0..50 {
            bench.write(|tx| {
                put(tx, &epic(&format!("EPIC-{number}-a")))?;
                put(tx, &epic(&format!("EPIC-{number}-b")))
            });
        }
        done.store(true, Ordering::SeqCst);
        reader.join().unwrap();
    });
}

pub(crate) fn an_opener_sees_what_another_committed(bench: &Bench) {
    let other = bench.harness.open();
    stocked(bench);
    for (name, write) in WRITES.iter().filter(|(name, _)| *name != "load") {
        // What an earlier write removed is gone for the next.
        let outcome = bench.store.write(|tx| write(tx));
        let mine = bench.read(|tx| tx.contents());
        let theirs = other.read(|tx| tx.contents()).unwrap();
        super::random::assert_same_contents(&mine, &theirs, name);
        drop(outcome);
    }
    assert_eq!(
        other.write(|tx| put(tx, &epic("EPIC-10"))).unwrap(),
        bench.read(|tx| { Ok(tx.epic(&epic_id("EPIC-10"))?.unwrap().seq) })
    );
}
