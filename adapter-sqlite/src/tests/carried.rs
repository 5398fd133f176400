//! What a write unit leaves to the next one of its connection, and when nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use tasq_domain::ready::Scope;
use tasq_domain::{Claim, Epic, Reason, Status, Task, TaskId, TaskRecord, Token, Worker};
use tasq_ports::{Maintenance, StoreError, StoreExt, Tx, Verdict};

use super::{Fixture, at, epic, feature, lines, options, task};
use crate::SqliteStore;

fn id(name: &str) -> TaskId {
    task(name, "F").id
}

/// An epic with a feature of three tasks.
fn stocked() -> Fixture {
    let fixture = Fixture::new();
    fixture
        .store
        .write(|tx| {
            let _ = tx.insert_epic(&epic("E"))?;
            let _ = tx.insert_feature(&feature("F", Some("E")))?;
            for name in ["T1", "T2", "T3"] {
                let _ = tx.insert_task(&task(name, "F"))?;
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
    fixture
}

/// A unit that reads all that a step reads, so that it is in hand.
fn look(fixture: &Fixture) -> (TaskRecord, Status, Epic, i64) {
    let seen = fixture.store.write(|tx| seen(tx));
    seen.unwrap()
}

fn seen(tx: &mut dyn Tx) -> Result<(TaskRecord, Status, Epic, i64), StoreError> {
    let record = tx.task(&id("T1"))?.unwrap();
    let feature = tx.standing(&record.task.feature)?.unwrap();
    let epic = tx.epic(&epic("E").id)?.unwrap();
    let base = tx.settings()?.backoff.base;
    Ok((
        record,
        feature.status,
        epic,
        i64::try_from(base.as_secs()).unwrap(),
    ))
}

fn start(tx: &mut dyn Tx, name: &str) -> Result<(), StoreError> {
    let before = tx.task(&id(name))?.unwrap().task;
    tx.update_task_life(&Task {
        status: Status::InProgress,
        updated_at: at(1_000),
        ..before
    })
}

#[test]
fn the_next_unit_does_not_read_again_what_this_one_read() {
    let fixture = stocked();
    let next = || {
        let claimed = fixture.store.write(|tx| {
            let record = tx.next_ready(&Scope::Queue)?.unwrap();
            let _ = tx.standing(&record.task.feature)?;
            start(tx, record.task.id.as_str()).map(|()| record.task.id)
        });
        claimed.unwrap()
    };
    assert_eq!(next(), id("T1"));
    assert_eq!(fixture.carried(), [1, 1, 0]);
    let told = fixture.statements(|| {
        assert_eq!(next(), id("T2"));
        let (record, feature, ..) = look(&fixture);
        assert_eq!(
            (record.task.status, feature),
            (Status::InProgress, Status::InProgress)
        );
    });
    let reads = |of: &str| -> usize {
        let read = |text: &&String| text.starts_with("SELECT") && text.contains(of);
        told.iter().filter(read).count()
    };
    assert_eq!(reads("features"), 0, "{told:#?}");
    // The one that is ready is looked for, and what has to be seen to before.
    assert_eq!(reads(" FROM tasks"), 2, "{told:#?}");
    assert_eq!(reads("epics"), 1, "{told:#?}");
    assert_eq!(reads("user_version"), 0, "{told:#?}");
}

#[test]
fn what_others_commit_is_met() {
    let fixture = stocked();
    let mut other = fixture.plain();
    let before = look(&fixture);
    for edit in [
        "UPDATE tasks SET description = 'other' WHERE id = 'T1'",
        "UPDATE tasks SET status = 'in_progress' WHERE id = 'T3'",
        "UPDATE epics SET metadata = '{\"a\":1}'",
        "UPDATE settings SET backoff_base = 7000000",
    ] {
        let before = look(&fixture);
        other.batch_execute(edit).unwrap();
        assert_ne!(look(&fixture), before, "{edit}");
    }
    // Whoever only reads meanwhile does not hide it.
    let halfway = look(&fixture);
    other
        .batch_execute("UPDATE tasks SET description = 'another' WHERE id = 'T1'")
        .unwrap();
    let read = fixture.store.read(|tx| tx.task(&id("T1"))).unwrap();
    assert_ne!(read, Some(halfway.0.clone()));
    let (record, status, _, base) = look(&fixture);
    assert_eq!(Some(record), read);
    assert_eq!((status, base), (Status::InProgress, 7));
    assert_eq!(before.1, Status::Pending);
}

#[test]
fn a_newer_schema_is_met() {
    let fixture = stocked();
    let _ = look(&fixture);
    fixture
        .plain()
        .batch_execute("PRAGMA user_version = 2")
        .unwrap();
    let refused = fixture.store.write(|tx| seen(tx)).unwrap_err();
    assert!(matches!(refused, StoreError::TooNew { .. }), "{refused}");
}

#[test]
fn what_is_undone_is_not_carried() {
    let fixture = stocked();
    let before = look(&fixture);
    assert_eq!(fixture.carried(), [1, 1, 1]);
    let failed: Result<(), StoreError> = fixture.store.write(|tx| {
        start(tx, "T1")?;
        Err(StoreError::Backend {
            what: "no".to_owned(),
        })
    });
    assert!(failed.is_err());
    assert_eq!(fixture.carried(), [0; 3]);
    assert_eq!(look(&fixture), before);
    tasq_ports::Store::run(&fixture.store, tasq_ports::Access::Write, &mut |tx| {
        start(tx, "T1")?;
        Ok(Verdict::Rollback)
    })
    .unwrap();
    assert_eq!(fixture.carried(), [0; 3]);
    assert_eq!(look(&fixture), before);
    let panics = AssertUnwindSafe(|| {
        let _ = fixture.store.write(|tx| -> Result<(), StoreError> {
            start(tx, "T1")?;
            panic!("it is meant to")
        });
    });
    assert!(catch_unwind(panics).is_err());
    assert_eq!(fixture.carried(), [0; 3]);
    assert_eq!(look(&fixture), before);
}

/// A command has one unit mostly, which has nothing to take over and nobody to leave anything to.
#[test]
fn the_first_unit_does_not_ask_who_wrote_before() {
    let fixture = Fixture::new();
    let asks = || {
        let told = fixture.statements(|| {
            let _ = fixture.store.write(|tx| tx.settings()).unwrap();
        });
        told.iter().any(|text| text.contains("data_version"))
    };
    assert!(!asks());
    assert_eq!(fixture.carried(), [0; 3]);
    assert!(asks());
    assert!(asks());
}

#[test]
fn only_so_much_is_carried() {
    let fixture = Fixture::new();
    // The first unit leaves nothing.
    let _ = fixture.store.write(|tx| tx.settings()).unwrap();
    let add = |from: usize, to: usize, text: usize| {
        let added = fixture.store.write(|tx| {
            for number in from..to {
                let name = format!("E{number}");
                let mut epic = epic(&name);
                if text > 0 {
                    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(text));
                    epic.metadata = tasq_domain::JsonObject::new(long).unwrap();
                }
                let _ = tx.insert_epic(&epic)?;
                let _ = tx.insert_feature(&feature(&format!("F{number}"), Some(&name)))?;
            }
            for number in from..to {
                let name = format!("T{number}");
                let mut task = task(&name, &format!("F{number}"));
                if text > 0 {
                    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(text));
                    task.metadata = tasq_domain::JsonObject::new(long).unwrap();
                }
                let _ = tx.insert_task(&task)?;
                let _ = tx.epic(&super::epic(&format!("E{number}")).id)?;
            }
            Ok::<_, StoreError>(())
        });
        added.unwrap();
    };
    add(0, 50, 0);
    assert_eq!(fixture.carried(), [50, 50, 50]);
    // Twenty of 400 kB are eight megabytes.
    add(50, 70, 400_000);
    let [tasks, features, epics] = fixture.carried();
    assert!((1..=10).contains(&tasks), "{tasks}");
    assert_eq!((features, epics), (20, 0));
    add(1_000, 3_500, 0);
    let [tasks, features, epics] = fixture.carried();
    assert!((1..=2_048).contains(&tasks), "{tasks}");
    assert_eq!((features, epics), (0, 0));
    assert_eq!(fixture.carried_wrongly(), [""; 0]);
}

/// The bound holds for what a step adds to a task that is in hand already, too.
#[test]
fn long_reasons_are_not_carried() {
    let fixture = stocked();
    let added = fixture.store.write(|tx| {
        for number in 0..200 {
            let _ = tx.insert_task(&task(&format!("N{number}"), "F"))?;
        }
        Ok::<_, StoreError>(())
    });
    added.unwrap();
    assert_eq!(fixture.carried(), [200, 1, 0]);
    for number in 0..200 {
        let blocked = fixture.store.write(|tx| {
            let before = tx.task(&id(&format!("N{number}")))?.unwrap().task;
            tx.update_task_life(&Task {
                status: Status::Blocked,
                blocked_reason: Some(Reason::new("x".repeat(60_000)).unwrap()),
                ..before
            })
        });
        blocked.unwrap();
        let text = fixture.store.inspect(|opened| opened.carried.hand().text());
        assert!(text <= 4 << 20, "{text} bytes after {number}");
    }
    assert_eq!(fixture.carried_wrongly(), [""; 0]);
}

#[test]
fn what_was_carried_makes_way_for_many_that_are_asked_for_at_once() {
    let fixture = stocked();
    let add = |from: u32, to: u32| {
        let added = fixture.store.write(|tx| {
            for number in from..to {
                let _ = tx.insert_task(&task(&format!("N{number}"), "F"))?;
            }
            Ok::<_, StoreError>(())
        });
        added.unwrap();
    };
    add(0, 20);
    // After which nothing is.
    fixture
        .plain()
        .batch_execute("UPDATE settings SET name = 'other'")
        .unwrap();
    add(1_000, 3_048);
    assert_eq!(fixture.carried()[0], 2_048);
    let reads = |numbers: Vec<u32>| {
        let ids = numbers.iter().map(|it| id(&format!("N{it}")));
        let wanted: Vec<TaskId> = ids.collect();
        let told = fixture.statements(|| {
            let found = fixture.store.write(|tx| {
                tx.foresee(&wanted)?;
                let mut found = 0;
                for id in &wanted {
                    found += usize::from(tx.task(id)?.is_some());
                }
                Ok::<_, StoreError>(found)
            });
            assert_eq!(found.unwrap(), wanted.len());
        });
        let reads = told.iter().filter(|text| text.contains(" FROM tasks"));
        reads.count()
    };
    assert_eq!(reads((0..20).collect()), 2, "sixteen, and four");
    assert_eq!(fixture.carried()[0], 20);
    // Those that are asked for and there stay.
    add(4_000, 6_028);
    assert_eq!(fixture.carried()[0], 2_048);
    assert_eq!(
        reads((0..20).chain(1_000..1_008).collect()),
        2,
        "four, and four"
    );
    assert_eq!(fixture.carried()[0], 28);
    assert_eq!(fixture.carried_wrongly(), [""; 0]);
}

#[test]
fn time_goes_on_between_units_that_write_nothing() {
    let fixture = stocked();
    let leased = fixture.store.write(|tx| {
        let before = tx.task(&id("T1"))?.unwrap().task;
        tx.update_task_life(&Task {
            status: Status::InProgress,
            attempts: 1,
            claim: Some(Claim {
                worker: Worker::new("ada").unwrap(),
                token: Token {
                    attempt: 1,
                    nonce: 7,
                },
                started_at: at(1_000),
                lease: Duration::from_micros(500),
                lease_expires_at: at(1_500),
                process: None,
                cancel: None,
            }),
            ..before
        })
    });
    leased.unwrap();
    let expired = || {
        let found = fixture.store.write(|tx| tx.expired(9));
        found.unwrap().len()
    };
    assert_eq!([expired(), expired()], [0, 0]);
    fixture.set_now(1_500);
    assert_eq!(expired(), 1);
}

/// Two stores of one process on one file, in turn; with a log and without.
#[test]
fn two_connections_meet_what_the_other_wrote() {
    for mode in ["WAL", "DELETE"] {
        let fixture = stocked();
        let other = SqliteStore::open(&fixture.path, options(&fixture.clock)).unwrap();
        if mode == "DELETE" {
            // As on a file system of another machine. Only who is alone can switch, and opening switches back.
            drop(other);
            fixture.store.inspect(|opened| {
                opened
                    .conn
                    .batch_execute("PRAGMA journal_mode = DELETE")
                    .unwrap();
                opened.log = None;
            });
        }
        let other = SqliteStore::open(&fixture.path, options(&fixture.clock)).unwrap();
        if mode == "DELETE" {
            other.inspect(|opened| opened.log = None);
            fixture
                .plain()
                .batch_execute("PRAGMA journal_mode = DELETE")
                .unwrap();
        }
        let said: Vec<String> = lines(
            &mut fixture.plain(),
            "SELECT upper(journal_mode) AS line FROM pragma_journal_mode",
        );
        assert_eq!(said, [mode]);
        for turn in 1..=6 {
            let (writer, reader) = if turn % 2 == 0 {
                (&fixture.store, &other)
            } else {
                (&other, &fixture.store)
            };
            for store in [writer, reader] {
                store.write(|tx| seen(tx)).unwrap();
            }
            // Or there is nothing that could be wrong.
            let sizes = reader.inspect(|opened| opened.carried.hand().sizes());
            assert_eq!(sizes[0], 1, "{mode}, turn {turn}");
            let written = writer.write(|tx| {
                let before = tx.task(&id("T1"))?.unwrap().task;
                tx.update_task_life(&Task {
                    status: Status::InProgress,
                    attempts: turn,
                    ..before
                })
            });
            written.unwrap();
            let (record, status, ..) = reader.write(|tx| seen(tx)).unwrap();
            assert_eq!(
                (record.task.attempts, status),
                (turn, Status::InProgress),
                "{mode}, turn {turn}"
            );
        }
    }
}

#[test]
fn mending_leaves_nothing_in_hand() {
    let fixture = stocked();
    let before = look(&fixture);
    fixture.store.mend_file().unwrap();
    assert_eq!(fixture.carried(), [0; 3]);
    assert_eq!(look(&fixture), before);
}
