//! Making, opening and refusing.

use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::sync::Barrier;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection as _, SqliteConnection};
use tasq_domain::ready::Scope;
use tasq_domain::{Description, Task};
use tasq_files::LockFile;
use tasq_ports::{
    Access, Inserted, Page, Sort, Store, StoreError, StoreExt, TaskBatch, TaskFilter, Verdict,
};

use super::{Fixture, clock, epic, feature, hold, lines, options, settings, task};
use crate::connect::{Journal, beside, configure, establish, lock_path, log_path};
use crate::error::Place;
use crate::migrate::make_unversioned;
use crate::wal::whole_frames;
use crate::{Migrate, Options, SqliteStore, Sync, migrate, migrations_pending};

/// Opens one more time.
fn open(path: &std::path::Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(path, options(&clock(1)))
}

fn refusal(path: &std::path::Path) -> StoreError {
    open(path).err().expect("it is refused")
}

#[test]
fn a_new_store_is_empty_private_and_has_its_settings() {
    let fixture = Fixture::new();
    let (found, epics) = fixture
        .store
        .read(|tx| Ok::<_, StoreError>((tx.settings()?, tx.epics()?)))
        .unwrap();
    assert_eq!(found, settings());
    assert_eq!(epics, []);
    let mode = std::fs::metadata(&fixture.path)
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(fixture.store.info().schema_version, 1);
}

#[test]
fn nothing_is_left_beside_a_new_store_but_its_log_and_its_lock() {
    let fixture = Fixture::new();
    drop(fixture.store);
    let mut names: Vec<String> = std::fs::read_dir(fixture.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["queue.db", "queue.db.lock", "queue.db.lock.turn"]);
}

#[test]
fn a_store_is_never_made_where_anything_is() {
    let fixture = Fixture::new();
    let again = SqliteStore::create(&fixture.path, &settings(), options(&fixture.clock));
    assert!(matches!(again.err(), Some(StoreError::Exists { .. })));
    let other = fixture.folder().join("other.db");
    std::fs::write(fixture.folder().join("other.db-wal"), "old").unwrap();
    let beside_a_log = SqliteStore::create(&other, &settings(), options(&fixture.clock));
    assert!(matches!(
        beside_a_log.err(),
        Some(StoreError::Damaged { .. })
    ));
    assert!(!other.exists());
}

#[test]
fn what_is_no_store_is_refused_and_left_alone() {
    let fixture = Fixture::new();
    let folder = fixture.folder();
    let missing = folder.join("missing.db");
    assert!(matches!(refusal(&missing), StoreError::Missing { .. }));
    assert!(!missing.exists());
    for (name, content) in [("empty.db", ""), ("junk.db", &*"no database ".repeat(100))] {
        let path = folder.join(name);
        std::fs::write(&path, content).unwrap();
        assert!(
            matches!(refusal(&path), StoreError::Damaged { .. }),
            "{name}"
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
    }
    let link = folder.join("link.db");
    std::os::unix::fs::symlink(&fixture.path, &link).unwrap();
    assert!(matches!(refusal(&link), StoreError::Policy { .. }));
    let twin = folder.join("twin.db");
    std::fs::hard_link(&fixture.path, &twin).unwrap();
    assert!(matches!(refusal(&twin), StoreError::Policy { .. }));
    std::fs::remove_file(&twin).unwrap();
    assert!(matches!(refusal(folder), StoreError::Damaged { .. }));
}

#[test]
fn the_database_of_another_program_is_named() {
    let fixture = Fixture::new();
    let mut plain = fixture.plain();
    plain
        .batch_execute("PRAGMA application_id = 305419896")
        .unwrap();
    let error = refusal(&fixture.path).to_string();
    assert!(error.contains("0x12345678"), "{error}");
}

#[test]
fn a_newer_schema_is_refused_at_open_and_at_the_next_unit() {
    let fixture = Fixture::new();
    fixture
        .plain()
        .batch_execute("PRAGMA user_version = 7")
        .unwrap();
    let at_open = refusal(&fixture.path);
    let later = fixture
        .store
        .write(|tx| tx.insert_epic(&epic("E1")))
        .unwrap_err();
    for error in [at_open, later] {
        let StoreError::TooNew { found, known, .. } = error else {
            panic!("{error}")
        };
        assert_eq!((found.as_str(), known.as_str()), ("7", "1"));
    }
}

#[test]
fn a_newer_version_in_either_table_of_versions_is_refused() {
    for insert in [
        "INSERT INTO schema_version (version, description) VALUES (7, 'later')",
        "INSERT INTO __diesel_schema_migrations (version) VALUES ('0007')",
    ] {
        let fixture = Fixture::new();
        fixture.plain().batch_execute(insert).unwrap();
        let StoreError::TooNew { found, .. } = refusal(&fixture.path) else {
            panic!("{insert}")
        };
        assert_eq!(found, "7", "{insert}");
    }
}

#[test]
fn an_older_schema_waits_for_migrate_where_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    make_unversioned(&path);
    let never = Options {
        migrate: Migrate::Never,
        ..options(&clock(1))
    };
    let refused = SqliteStore::open(&path, never).err();
    assert!(matches!(refused, Some(StoreError::TooOld { .. })));
    let wait = Duration::from_secs(5);
    let pending = migrations_pending(&path, wait).unwrap();
    assert_eq!(
        (pending.from, pending.to, pending.migrations.len()),
        (0, 1, 1)
    );
    let applied = migrate(&path, wait).unwrap();
    assert_eq!((applied.from, applied.to), (0, 1));
    assert_eq!(applied.migrations, pending.migrations);
    assert_eq!(migrate(&path, wait).unwrap().migrations, [""; 0]);
}

#[test]
fn a_file_loses_its_log_and_gets_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place {
        path: folder.path().join("queue.db"),
        wait: Duration::from_secs(5),
    };
    let made = SqliteStore::create(&place.path, &settings(), options(&clock(1))).unwrap();
    made.write(|tx| tx.insert_epic(&epic("E-1")).map(drop))
        .unwrap();
    drop(made);
    let mut conn = establish(&place, "mode=rw").unwrap();
    configure(&place, &mut conn, Sync::Full, Some(Journal::OldPages)).unwrap();
    assert_eq!(
        lines(
            &mut conn,
            "SELECT journal_mode AS line FROM pragma_journal_mode"
        ),
        ["delete"]
    );
    conn.batch_execute("UPDATE epics SET name = 'without a log'")
        .unwrap();
    assert!(!log_path(&place.path).exists());
    drop(conn);
    let store = open(&place.path).unwrap();
    let epics = store.read(|tx| tx.epics()).unwrap();
    assert_eq!(epics[0].name.as_str(), "without a log");
    assert!(log_path(&place.path).exists());
}

#[test]
fn many_who_open_an_old_store_at_once_all_succeed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    make_unversioned(&path);
    let barrier = Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                barrier.wait();
                open(&path).unwrap();
            });
        }
    });
}

#[test]
fn of_many_who_make_a_store_at_once_one_does_and_all_can_open_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let barrier = Barrier::new(8);
    let made: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    match SqliteStore::create(&path, &settings(), options(&clock(1))) {
                        Ok(_) => 1,
                        Err(StoreError::Exists { .. }) => {
                            open(&path).unwrap();
                            0
                        }
                        Err(error) => panic!("{error}"),
                    }
                })
            })
            .collect();
        threads.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert_eq!(made, 1);
}

#[test]
fn a_file_that_was_replaced_is_not_written_to() {
    let fixture = Fixture::new();
    let moved = fixture.folder().join("moved.db");
    std::fs::rename(&fixture.path, &moved).unwrap();
    let gone = fixture.store.write(|tx| tx.insert_epic(&epic("E1")));
    assert!(matches!(gone, Err(StoreError::Missing { .. })));
    std::fs::write(&fixture.path, "something else").unwrap();
    let replaced = fixture.store.write(|tx| tx.insert_epic(&epic("E1")));
    assert!(matches!(replaced, Err(StoreError::Damaged { .. })));
    assert_eq!(
        std::fs::read_to_string(&fixture.path).unwrap(),
        "something else"
    );
}

#[test]
fn a_log_that_was_removed_is_noticed() {
    let fixture = Fixture::new();
    std::fs::remove_file(fixture.folder().join("queue.db-wal")).unwrap();
    let lost = fixture.store.write(|tx| tx.insert_epic(&epic("E1")));
    assert!(matches!(lost, Err(StoreError::Damaged { .. })));
}

#[test]
fn a_plain_client_that_writes_makes_others_busy() {
    let fixture = Fixture::new();
    let impatient = Options {
        wait: Duration::from_millis(20),
        ..options(&fixture.clock)
    };
    let store = SqliteStore::open(&fixture.path, impatient).unwrap();
    let mut plain = fixture.plain();
    plain.batch_execute("BEGIN IMMEDIATE").unwrap();
    let busy = store.write(|tx| tx.insert_epic(&epic("E1")));
    assert!(matches!(busy, Err(StoreError::Busy { .. })));
    assert_eq!(store.read(|tx| tx.epics()).unwrap(), []);
    plain.batch_execute("COMMIT").unwrap();
    let _ = store.write(|tx| tx.insert_epic(&epic("E1"))).unwrap();
}

#[test]
fn a_unit_that_writes_keeps_plain_clients_out_from_its_beginning() {
    let fixture = Fixture::new();
    let mut plain = fixture.plain();
    plain.batch_execute("PRAGMA busy_timeout = 0").unwrap();
    fixture
        .store
        .write(|tx| {
            assert_eq!(tx.epics()?, []);
            // What was read must still be so when the unit writes.
            assert!(plain.batch_execute("BEGIN IMMEDIATE").is_err());
            tx.insert_epic(&epic("E1")).map(drop)
        })
        .unwrap();
    plain.batch_execute("BEGIN IMMEDIATE; COMMIT").unwrap();
}

#[test]
fn a_lock_held_by_another_makes_writers_busy_and_readers_not() {
    let fixture = Fixture::new();
    let impatient = Options {
        wait: Duration::ZERO,
        ..options(&fixture.clock)
    };
    let store = SqliteStore::open(&fixture.path, impatient).unwrap();
    let _guard = LockFile::new(lock_path(&fixture.path))
        .acquire(Duration::ZERO)
        .unwrap();
    let Err(StoreError::Busy { holder, .. }) = store.write(|tx| tx.insert_epic(&epic("E1"))) else {
        unreachable!("the lock is held")
    };
    assert_eq!(holder.unwrap().pid, std::process::id());
    assert_eq!(store.read(|tx| tx.epics()).unwrap(), []);
}

/// How many pages the log has that count.
fn logged(fixture: &Fixture) -> usize {
    whole_frames(&std::fs::read(log_path(&fixture.path)).unwrap())
}

fn log_bytes(fixture: &Fixture) -> u64 {
    std::fs::metadata(log_path(&fixture.path)).unwrap().len()
}

fn add(store: &SqliteStore, id: &str) {
    let inserted = store.write(|tx| tx.insert_epic(&epic(id)));
    assert!(matches!(inserted.unwrap(), Inserted::At(_)));
}

/// The same store as a command opens it that writes once and leaves.
fn in_passing(fixture: &Fixture) -> SqliteStore {
    let options = Options {
        fold_log_above: Some(0),
        ..options(&clock(1))
    };
    SqliteStore::open(&fixture.path, options).unwrap()
}

#[test]
fn the_first_commit_folds_a_long_log_and_no_reader_and_no_later_one_does() {
    let fixture = Fixture::new();
    add(&fixture.store, "E1");
    assert!(logged(&fixture) > 0);
    let store = in_passing(&fixture);
    assert_eq!(store.read(|tx| tx.epics()).unwrap().len(), 1);
    assert!(logged(&fixture) > 0);
    add(&store, "E2");
    assert_eq!(logged(&fixture), 0);
    add(&store, "E3");
    assert!(logged(&fixture) > 0);
    assert_eq!(fixture.store.read(|tx| tx.epics()).unwrap().len(), 3);
}

#[test]
fn a_log_that_others_read_is_left_to_them_at_once() {
    let fixture = Fixture::new();
    add(&fixture.store, "E1");
    let mut plain = fixture.plain();
    plain
        .batch_execute("BEGIN; SELECT count(*) FROM epics")
        .unwrap();
    // It would wait for the time that options give here: longer than a test may run.
    add(&in_passing(&fixture), "E2");
    assert!(logged(&fixture) > 0);
    let epics = "SELECT CAST(count(*) AS TEXT) AS line FROM epics";
    assert_eq!(lines(&mut plain, epics), ["1"]);
    plain.batch_execute("COMMIT").unwrap();
    assert_eq!(lines(&mut plain, epics), ["2"]);
}

/// What is asked of a fold that leaves the log as long as it is: nobody takes what is left in it for a commit.
#[test]
fn a_short_log_that_is_folded_keeps_its_length_and_nothing_that_counts() {
    let epics = "SELECT CAST(count(*) AS TEXT) AS line FROM epics";
    let fixture = Fixture::new();
    for number in 0..40 {
        add(&fixture.store, &format!("E{number}"));
    }
    let (path, before) = (fixture.path.clone(), log_bytes(&fixture));
    add(&in_passing(&fixture), "FOLDS");
    assert_eq!(logged(&fixture), 0);
    assert!(log_bytes(&fixture) >= before);
    // The first to open it after all others have left finds the log by itself. (Closing the database lets go of the locks
    // of this process; nobody else is there.)
    let ours = fixture.folder().join("ours.db");
    for way in ["vfs=tasq", "vfs=unix"] {
        for suffix in ["", "-wal"] {
            std::fs::copy(beside(&path, suffix), beside(&ours, suffix)).unwrap();
        }
        let _ = std::fs::remove_file(beside(&ours, "-shm"));
        let uri = format!("file:{}?mode=rw&{way}", ours.display());
        let mut conn = SqliteConnection::establish(&uri).unwrap();
        assert_eq!(lines(&mut conn, epics), ["41"], "{way}");
        conn.batch_execute("INSERT INTO epics (id, name) VALUES ('NEW', 'new')")
            .unwrap();
        let log = std::fs::read(log_path(&ours)).unwrap();
        let frames = whole_frames(&log);
        assert!((1..20).contains(&frames), "{way}: {frames}");
        assert_eq!(lines(&mut conn, epics), ["42"], "{way}");
    }
    // And who had it open goes on.
    add(&fixture.store, "NEXT");
    assert!((1..20).contains(&logged(&fixture)));
    assert_eq!(fixture.store.read(|tx| tx.epics()).unwrap().len(), 42);
}

#[test]
fn a_log_that_one_change_made_long_gives_its_room_back() {
    let fixture = Fixture::new();
    let mut plain = fixture.plain();
    plain
        .batch_execute(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 900)
             INSERT INTO epics (id, name, description) SELECT 'E' || n, 'one', hex(zeroblob(700)) FROM n",
        )
        .unwrap();
    assert!(log_bytes(&fixture) > 1024 * 1024);
    add(&in_passing(&fixture), "FOLDS");
    assert_eq!(log_bytes(&fixture), 0);
    assert_eq!(fixture.store.read(|tx| tx.epics()).unwrap().len(), 901);
}

#[test]
fn a_unit_that_only_reads_cannot_write() {
    let fixture = Fixture::new();
    let refused = fixture.store.read(|tx| tx.insert_epic(&epic("E1")));
    assert!(matches!(refused, Err(StoreError::Backend { .. })));
}

#[test]
fn a_unit_that_panics_is_undone_and_the_store_goes_on() {
    let fixture = Fixture::new();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        fixture.store.run(Access::Write, &mut |tx| {
            let _ = tx.insert_epic(&epic("E1"))?;
            panic!("on purpose");
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(fixture.store.read(|tx| tx.epics()).unwrap(), []);
    fixture
        .store
        .run(Access::Write, &mut |tx| {
            let _ = tx.insert_epic(&epic("E2"))?;
            Ok(Verdict::Rollback)
        })
        .unwrap();
    assert_eq!(fixture.store.read(|tx| tx.epics()).unwrap(), []);
}

#[test]
fn a_value_that_no_queue_can_hold_is_named() {
    let fixture = Fixture::new();
    let _ = fixture
        .store
        .write(|tx| {
            let _ = tx.insert_feature(&feature("F1", None))?;
            tx.insert_task(&task("T1", "F1"))
        })
        .unwrap();
    let mut plain = fixture.plain();
    plain
        .batch_execute("PRAGMA ignore_check_constraints = ON; UPDATE tasks SET priority = 500")
        .unwrap();
    let id = task("T1", "F1").id;
    let error = fixture.store.read(|tx| tx.task(&id)).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, StoreError::Damaged { .. }));
    assert!(text.contains("tasks T1, column priority"), "{text}");
}

/// Reads all tasks, and makes them when the unit has ended.
fn made_elsewhere(store: &SqliteStore) -> Result<(), StoreError> {
    let batches = store.read(|tx| {
        let mut batches = Vec::new();
        tx.task_batches(&mut |batch: Box<dyn TaskBatch>| {
            batches.push(batch);
            ControlFlow::Continue(())
        })?;
        Ok::<_, StoreError>(batches)
    })?;
    let mut made = batches.into_iter();
    made.try_for_each(|batch| batch.show(&mut |_: Task| ControlFlow::Continue(())))
}

/// What waits to be made of them is bounded however long they are.
#[test]
fn few_long_tasks_are_given_at_once() {
    let fixture = Fixture::new();
    fixture
        .store
        .write(|tx| {
            let _ = tx.insert_feature(&feature("F1", None))?;
            for number in 0..20 {
                let _ = tx.insert_task(&Task {
                    description: Description::new("x".repeat(64 * 1024)).unwrap(),
                    ..task(&format!("T{number}"), "F1")
                })?;
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
    let mut given = Vec::new();
    let outcome = fixture.store.read(|tx| {
        tx.task_batches(&mut |batch: Box<dyn TaskBatch>| {
            let mut tasks = 0;
            let shown = batch.show(&mut |_: Task| {
                tasks += 1;
                ControlFlow::Continue(())
            });
            assert!(shown.is_ok());
            given.push(tasks);
            ControlFlow::Continue(())
        })
    });
    assert!(outcome.is_ok());
    assert_eq!(given, [4; 5]);
}

/// In each of these ways of asking for a task, its row and the column are named.
#[test]
fn a_value_of_another_kind_than_its_column_is_named() {
    for (column, value, what) in [
        ("description", "CAST(x'61ff' AS TEXT)", "no UTF-8"),
        ("source_digest", "CAST(x'ff' AS TEXT)", "no UTF-8"),
        ("description", "NULL", "is missing"),
        ("description", "x'6162'", "of another type"),
        ("metadata", "NULL", "is missing"),
        ("attempts", "1.5", "of another type"),
        ("attempts", "'one'", "a text"),
        ("completed_at", "'soon'", "a text"),
    ] {
        let fixture = Fixture::new();
        let _ = fixture
            .store
            .write(|tx| {
                let _ = tx.insert_feature(&feature("F1", None))?;
                // Nothing is wrong with what is read after the other.
                let _ = tx.insert_task(&Task {
                    hold: Some(hold(5)),
                    ..task("T2", "F1")
                })?;
                tx.insert_task(&task("T1", "F1"))
            })
            .unwrap();
        let mut plain = fixture.plain();
        // What the schema would refuse, from a file that was made without it.
        plain
            .batch_execute(&format!(
                "PRAGMA ignore_check_constraints = ON; PRAGMA writable_schema = ON;
                 UPDATE sqlite_schema SET sql = replace(replace(sql, ' STRICT', ''), ' NOT NULL', '') WHERE name = 'tasks';
                 PRAGMA writable_schema = RESET;
                 UPDATE tasks SET source_origin = 'a', source_digest = 'b' WHERE id = 'T1' AND '{column}' = 'source_digest';
                 UPDATE tasks SET {column} = {value} WHERE id = 'T1';"
            ))
            .unwrap();
        drop(plain);
        let store = open(&fixture.path).unwrap();
        let id = task("T1", "F1").id;
        let filter = TaskFilter::default();
        let page = Page {
            sort: Sort::Claim,
            after: None,
            limit: 10,
        };
        let errors = [
            store.read(|tx| tx.task(&id).map(drop)),
            store.read(|tx| tx.next_ready(&Scope::Queue).map(drop)),
            store.read(|tx| tx.tasks(&filter, &page).map(drop)),
            store.read(|tx| tx.contents().map(drop)),
            made_elsewhere(&store),
        ];
        for (way, error) in errors.into_iter().enumerate() {
            let error = error.unwrap_err();
            let text = error.to_string();
            assert!(matches!(error, StoreError::Damaged { .. }), "{way}: {text}");
            let place = format!("tasks T1, column {column}");
            assert!(
                text.contains(&place) && text.contains(what),
                "{way}: {text}"
            );
        }
    }
}

#[test]
fn versions_in_the_header_the_table_and_the_migrations_agree() {
    let fixture = Fixture::new();
    let mut plain = fixture.plain();
    let sql = "SELECT CAST(version AS TEXT) AS line FROM schema_version ORDER BY version";
    let said = lines(&mut plain, sql);
    let ran = lines(
        &mut plain,
        "SELECT CAST(CAST(version AS INTEGER) AS TEXT) AS line FROM __diesel_schema_migrations ORDER BY version",
    );
    assert_eq!(said, ran);
    assert_eq!(
        said.last().unwrap(),
        &fixture.store.info().schema_version.to_string()
    );
}
