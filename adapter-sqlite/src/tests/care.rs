//! What looking after the file finds, mends and copies.

use std::collections::BTreeMap;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use tasq_domain::{Contents, Event, EventKind};
use tasq_ports::{
    Check, EventFilter, FileReport, Finding, Maintenance, Overwrite, Severity, Store as _,
    StoreError, StoreExt,
};

use super::{Fixture, clock, epic, feature, lines, options, task};
use crate::{SqliteStore, put_in_place, read_contents};

/// A queue with something in every table but operations.
fn stocked() -> Fixture {
    let fixture = Fixture::new();
    fixture
        .store
        .write(|tx| {
            let _ = tx.insert_epic(&epic("E"))?;
            let _ = tx.insert_feature(&feature("F", Some("E")))?;
            for id in ["A", "B", "C"] {
                let _ = tx.insert_task(&task(id, "F"))?;
            }
            tx.insert_dependency(&tasq_domain::Dependency {
                task: tasq_domain::TaskId::new("B").unwrap(),
                on: tasq_domain::TaskId::new("A").unwrap(),
            })?;
            tx.append_event(&event("A"))?;
            Ok::<_, StoreError>(())
        })
        .unwrap();
    fixture
}

fn event(id: &str) -> tasq_domain::Event {
    tasq_domain::Event {
        seq: 0,
        at: super::at(1),
        actor: tasq_domain::Actor::new("ada").unwrap(),
        kind: EventKind::Created,
        entity: tasq_domain::TaskId::new(id).unwrap().into(),
        data: tasq_domain::JsonObject::default(),
    }
}

fn contents(store: &SqliteStore) -> Contents {
    store.read(|tx| tx.contents()).unwrap()
}

fn found(fixture: &Fixture, check: Check) -> Vec<Finding> {
    let FileReport { made, findings } = fixture.store.check_file().unwrap();
    assert!(made.contains(&check));
    findings
        .into_iter()
        .filter(|finding| finding.check == check)
        .collect()
}

/// The one thing that a check found.
#[track_caller]
fn one(fixture: &Fixture, check: Check) -> Finding {
    let mut findings = found(fixture, check);
    assert_eq!(findings.len(), 1, "{findings:?}");
    findings.remove(0)
}

fn worst(fixture: &Fixture) -> Option<Severity> {
    let findings = fixture.store.check_file().unwrap().findings;
    findings.iter().map(|finding| finding.severity).max()
}

#[test]
fn a_store_that_is_well_has_no_findings() {
    assert_eq!(stocked().store.check_file().unwrap().findings, []);
}

#[test]
fn every_part_of_the_schema_that_is_dropped_is_missed_and_made_anew() {
    let parts = {
        let fixture = Fixture::new();
        lines(
            &mut fixture.plain(),
            "SELECT type || ' ' || name AS line FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY line",
        )
    };
    let mut tried: BTreeMap<String, usize> = BTreeMap::new();
    for part in parts {
        let (kind, name) = part.split_once(' ').unwrap();
        *tried.entry(kind.to_owned()).or_default() += 1;
        let fixture = stocked();
        let before = contents(&fixture.store);
        let mut plain = fixture.plain();
        plain
            .batch_execute("PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = ON;")
            .unwrap();
        plain.batch_execute(&format!("DROP {kind} {name}")).unwrap();
        let missed = found(&fixture, Check::Schema);
        let finding = missed
            .iter()
            .find(|finding| finding.place == part)
            .unwrap_or_else(|| panic!("{part} is gone: {missed:?}"));
        assert_eq!(finding.severity, Severity::Problem, "{part}");
        assert!(finding.what.contains("missing"), "{finding:?}");
        assert_eq!(finding.fixable, kind != "table", "{part}");
        if kind == "table" {
            continue;
        }
        let done = fixture.store.mend_file().unwrap();
        assert!(done.iter().any(|done| done.contains(name)), "{done:?}");
        assert_eq!(fixture.store.check_file().unwrap().findings, [], "{part}");
        assert_eq!(contents(&fixture.store), before, "{part}");
    }
    println!("parts of the schema dropped one at a time: {tried:?}");
    assert!(
        tried["table"] >= 14
            && tried["index"] >= 16
            && tried["trigger"] >= 24
            && tried["view"] == 4
    );
}

#[test]
fn a_trigger_that_was_changed_is_made_as_it_was() {
    let fixture = stocked();
    fixture
        .plain()
        .batch_execute(
            "DROP TRIGGER set_task_completed_at;
             CREATE TRIGGER set_task_completed_at AFTER UPDATE ON tasks BEGIN SELECT 1; END;",
        )
        .unwrap();
    let finding = one(&fixture, Check::Schema);
    assert!(finding.what.contains("is not the one"), "{finding:?}");
    fixture.store.mend_file().unwrap();
    assert_eq!(worst(&fixture), None);
}

#[test]
fn parts_that_someone_added_are_told_and_stay() {
    let fixture = stocked();
    fixture
        .plain()
        .batch_execute(
            "CREATE VIEW mine AS SELECT 1;
             CREATE TRIGGER mine_too AFTER UPDATE ON tasks BEGIN SELECT 1; END;",
        )
        .unwrap();
    let findings = found(&fixture, Check::Schema);
    let told: Vec<_> = findings
        .iter()
        .map(|finding| (finding.place.as_str(), finding.severity, finding.fixable))
        .collect();
    assert_eq!(
        told,
        [
            ("trigger mine_too", Severity::Warning, false),
            ("view mine", Severity::Note, false)
        ]
    );
    fixture.store.mend_file().unwrap();
    assert_eq!(found(&fixture, Check::Schema).len(), 2);
}

#[test]
fn derived_columns_that_are_wrong_are_found_and_derived_afresh() {
    for (table, damage) in [
        ("tasks", "UPDATE tasks SET open_deps = 3 WHERE id = 'C'"),
        ("tasks", "UPDATE tasks SET held_above = 1"),
        (
            "tasks",
            "UPDATE tasks SET feature_priority = 7 WHERE id = 'A'",
        ),
        ("features", "UPDATE features SET tasks_blocked = 1"),
        ("features", "UPDATE features SET open_gates = 1"),
        ("tasks", "UPDATE tasks SET shelf = 0 WHERE id = 'A'"),
        ("tasks", "UPDATE tasks SET shelf = 2 WHERE id = 'A'"),
        ("epics", "UPDATE epics SET features_completed = 1"),
        ("acting", "UPDATE acting SET acting_at = 9"),
        ("acting", "DELETE FROM acting"),
        (
            "acting",
            "PRAGMA ignore_check_constraints = ON; UPDATE acting SET one = 2",
        ),
    ] {
        let fixture = stocked();
        let before = contents(&fixture.store);
        fixture.plain().batch_execute(damage).unwrap();
        let finding = found(&fixture, Check::Derived).remove(0);
        assert_eq!(finding.severity, Severity::Problem);
        assert_eq!((finding.place.as_str(), finding.fixable), (table, true));
        fixture.store.write(|tx| tx.rederive()).unwrap();
        assert_eq!(worst(&fixture), None, "{damage}");
        let after = contents(&fixture.store);
        assert_eq!(after.tasks, before.tasks, "{damage}");
        let statuses = |of: &Contents| (of.features[0].status, of.epics[0].status);
        assert_eq!(statuses(&after), statuses(&before), "{damage}");
    }
}

/// The events of task A, of which there are more than are entered at a time.
fn events_of_a(fixture: &Fixture) -> Vec<Event> {
    let of_a = EventFilter {
        entity: Some(task("A", "F").id.into()),
        after: 0,
        limit: u32::MAX,
    };
    fixture
        .store
        .read::<_, StoreError>(|tx| tx.events(&of_a))
        .unwrap()
}

fn with_many_events() -> Fixture {
    let fixture = stocked();
    let more = Event {
        seq: 0,
        ..events_of_a(&fixture).remove(0)
    };
    let added = fixture
        .store
        .write::<_, StoreError>(|tx| (0..600).try_for_each(|_| tx.append_event(&more).map(drop)));
    added.unwrap();
    assert_eq!(worst(&fixture), None);
    assert!(events_of_a(&fixture).len() > 600);
    fixture
}

#[test]
fn events_that_are_not_found_by_their_item_are_entered_again() {
    let fixture = with_many_events();
    let before = events_of_a(&fixture);
    for (damage, told) in [
        (
            "DELETE FROM entity_events",
            "in 512 of entity_events: event ",
        ),
        (
            "DELETE FROM entity_events WHERE event_seq = 512",
            "in 1 of entity_events: event 512",
        ),
        (
            "UPDATE entity_events SET entity_seq = 77 WHERE event_seq = 100",
            "in 1 of entity_events: event 100",
        ),
        (
            "UPDATE entity_events SET entity_kind = 'epic' WHERE event_seq = 7",
            "in 1 of entity_events: event 7",
        ),
        (
            "INSERT INTO entity_events VALUES (1, 'task', 100000)",
            "in 1 of entity_events: event 100000",
        ),
    ] {
        fixture.plain().batch_execute(damage).unwrap();
        let finding = one(&fixture, Check::Derived);
        assert_eq!(
            (finding.place.as_str(), finding.fixable),
            ("entity_events", true)
        );
        assert!(finding.what.contains(told), "{}", finding.what);
        fixture.store.write(|tx| tx.rederive()).unwrap();
        assert_eq!(worst(&fixture), None, "{damage}");
        assert_eq!(events_of_a(&fixture), before, "{damage}");
    }
}

#[test]
fn what_a_plain_client_does_to_events_is_entered() {
    let fixture = with_many_events();
    let before = events_of_a(&fixture).len();
    // Some more than are entered at a time; and one less.
    for (edit, told, then) in [
        (
            "INSERT INTO events (at, actor, kind, entity_kind, entity_id, entity_seq, data)
             SELECT at, actor, kind, entity_kind, entity_id, entity_seq, data FROM events WHERE seq BETWEEN 301 AND 500",
            "in 256 of entity_events: event ",
            before + 200,
        ),
        (
            "DELETE FROM events WHERE seq = 400",
            "in 1 of entity_events: event 400",
            before + 199,
        ),
    ] {
        fixture.plain().batch_execute(edit).unwrap();
        let finding = one(&fixture, Check::Derived);
        assert!(finding.what.contains(told), "{}", finding.what);
        fixture.store.write(|tx| tx.rederive()).unwrap();
        assert_eq!(worst(&fixture), None, "{edit}");
        assert_eq!(events_of_a(&fixture).len(), then, "{edit}");
    }
}

#[test]
fn a_row_that_names_nothing_is_found() {
    let fixture = stocked();
    fixture
        .plain()
        .batch_execute(
            "PRAGMA foreign_keys = OFF;
             INSERT INTO checkpoints (task_id, attempt, at, summary) VALUES ('GONE', 1, 1, 'x')",
        )
        .unwrap();
    let finding = one(&fixture, Check::ForeignKeys);
    assert!(finding.what.contains("checkpoints"), "{finding:?}");
    assert!(!finding.fixable);
}

#[test]
fn versions_that_disagree_are_found() {
    for damage in [
        "UPDATE schema_version SET version = version + 1",
        "DELETE FROM schema_version",
        "DELETE FROM __diesel_schema_migrations",
        "PRAGMA application_id = 7",
    ] {
        let fixture = stocked();
        fixture.plain().batch_execute(damage).unwrap();
        let finding = found(&fixture, Check::Versions).remove(0);
        assert_eq!(finding.severity, Severity::Problem, "{damage}");
    }
}

#[test]
fn a_log_that_is_too_large_is_written_into_the_database() {
    let fixture = stocked();
    // Longer by a hole, which costs no space: what SQLite does not know as its own it ignores.
    let log = crate::connect::log_path(&fixture.path);
    let file = std::fs::OpenOptions::new().write(true).open(&log).unwrap();
    file.set_len(crate::check::LARGE_LOG_BYTES + 1).unwrap();
    let finding = one(&fixture, Check::WalSize);
    assert_eq!(
        (finding.severity, finding.fixable),
        (Severity::Warning, true)
    );
    let before = contents(&fixture.store);
    fixture.store.mend_file().unwrap();
    assert_eq!(std::fs::metadata(&log).unwrap().len(), 0);
    assert_eq!(found(&fixture, Check::WalSize), []);
    assert_eq!(contents(&fixture.store), before);
}

#[test]
fn leftovers_are_found_and_removed_and_copies_are_kept() {
    let fixture = stocked();
    let stray = tasq_files::temp_path(&fixture.path).unwrap();
    let backup = fixture.folder().join("queue.db.v1.backup");
    let journal = fixture.folder().join("queue.db-journal");
    for path in [&stray, &backup, &journal] {
        std::fs::write(path, "x").unwrap();
    }
    let findings = found(&fixture, Check::OrphanFiles);
    let told: Vec<_> = findings
        .iter()
        .map(|finding| (finding.severity, finding.fixable))
        .collect();
    let note = (Severity::Note, false);
    assert_eq!(told, [(Severity::Warning, true), note, note]);
    fixture.store.mend_file().unwrap();
    assert!(!stray.exists() && backup.exists() && journal.exists());
}

#[test]
fn what_other_accounts_may_do_is_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let fixture = stocked();
    for (mode, severity) in [(0o644, Severity::Note), (0o620, Severity::Warning)] {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&fixture.path, mode).unwrap();
        assert_eq!(one(&fixture, Check::Permissions).severity, severity);
    }
}

#[test]
fn an_index_that_lacks_a_row_is_made_anew() {
    let fixture = stocked();
    // Rows that the index is told not to have: what a torn write leaves, too.
    fixture
        .plain()
        .batch_execute(
            "PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = replace(sql, '(task_id)', '(task_id) WHERE attempt > 5') WHERE name = 'idx_checkpoints_task_id';
             PRAGMA writable_schema = RESET;
             INSERT INTO checkpoints (task_id, attempt, at, summary) VALUES ('A', 1, 1, 'x');
             PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = replace(sql, ' WHERE attempt > 5', '') WHERE name = 'idx_checkpoints_task_id';
             PRAGMA writable_schema = RESET;",
        )
        .unwrap();
    let before = contents(&fixture.store);
    let findings = found(&fixture, Check::FileIntegrity);
    assert!(!findings.is_empty());
    assert!(
        findings.iter().all(|finding| finding.fixable),
        "{findings:?}"
    );
    let done = fixture.store.mend_file().unwrap();
    assert!(done.iter().any(|done| done.contains("index")), "{done:?}");
    assert_eq!(worst(&fixture), None);
    assert_eq!(contents(&fixture.store), before);
}

#[test]
fn a_page_of_noise_is_found() {
    let fixture = stocked();
    let path = fixture.path.clone();
    drop(fixture.store);
    overwrite(&path, 4096 * 3, &[0x5A; 4096]);
    let store = SqliteStore::open(&path, options(&clock(1_000))).unwrap();
    let report = store.check_file().unwrap();
    let found = report.findings.iter().any(|finding| {
        finding.check == Check::FileIntegrity && finding.severity == Severity::Problem
    });
    assert!(found, "{report:?}");
    let refused = store.backup(&fixture.folder.path().join("b.db"), Overwrite::Refuse);
    assert!(refused.is_err(), "{refused:?}");
    assert!(!fixture.folder.path().join("b.db").exists());
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn a_backup_is_a_store_with_the_same_contents() {
    let fixture = stocked();
    let to = fixture.folder().join("backup.db");
    let report = fixture.store.backup(&to, Overwrite::Refuse).unwrap();
    assert_eq!((report.epics, report.features, report.tasks), (1, 1, 3));
    assert_eq!((report.tests, report.events), (0, 1));
    assert_eq!(report.bytes, std::fs::metadata(&to).unwrap().len());
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(&to).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = contents(&fixture.store);
    assert_eq!(read_contents(&to, Duration::from_secs(5)).unwrap(), before);
    let copy = SqliteStore::open(&to, options(&clock(1_000))).unwrap();
    assert_eq!(contents(&copy), before);
    assert_eq!(copy.check_file().unwrap().findings, []);
}

#[test]
fn a_backup_takes_over_nothing_unasked() {
    let fixture = stocked();
    let to = fixture.folder().join("backup.db");
    std::fs::write(&to, "precious").unwrap();
    let refused = fixture.store.backup(&to, Overwrite::Refuse);
    assert!(matches!(refused, Err(StoreError::Exists { .. })));
    assert_eq!(std::fs::read(&to).unwrap(), b"precious");
    fixture.store.backup(&to, Overwrite::Replace).unwrap();
    assert!(read_contents(&to, Duration::from_secs(5)).is_ok());
    let itself = fixture.store.backup(&fixture.path, Overwrite::Replace);
    assert!(matches!(itself, Err(StoreError::Exists { .. })));
    // A log beside the target would be replayed into the copy.
    std::fs::write(crate::connect::log_path(&to), "log").unwrap();
    let in_use = fixture.store.backup(&to, Overwrite::Replace);
    assert!(matches!(in_use, Err(StoreError::Policy { .. })));
    let name = to.file_name().unwrap();
    assert!(
        tasq_files::stray_temps(fixture.folder(), name)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn reading_a_backup_leaves_it_as_it_is() {
    let fixture = stocked();
    let to = fixture.folder().join("backup.db");
    fixture.store.backup(&to, Overwrite::Refuse).unwrap();
    let before = std::fs::read(&to).unwrap();
    read_contents(&to, Duration::from_secs(5)).unwrap();
    assert_eq!(std::fs::read(&to).unwrap(), before);
    assert!(!crate::connect::log_path(&to).exists());
}

#[test]
fn what_is_replaced_is_kept_whole_and_its_users_are_told() {
    let fixture = stocked();
    let built = fixture.folder().join("built.db");
    fixture.store.backup(&built, Overwrite::Refuse).unwrap();
    fixture
        .store
        .write(|tx| tx.append_event(&event("B")))
        .unwrap();
    let before = contents(&fixture.store);
    let wait = Duration::from_secs(5);
    let refused = put_in_place(&built, &fixture.path, None, wait);
    assert!(matches!(refused, Err(StoreError::Exists { .. })));
    let aside = fixture.folder().join("queue.before-restore.db");
    put_in_place(&built, &fixture.path, Some(&aside), wait).unwrap();
    assert_eq!(read_contents(&aside, wait).unwrap(), before);
    assert_eq!(read_contents(&fixture.path, wait).unwrap().events.len(), 1);
    let late = fixture.store.write(|tx| tx.append_event(&event("C")));
    assert!(matches!(late, Err(StoreError::Damaged { .. })), "{late:?}");
    assert_eq!(read_contents(&aside, wait).unwrap(), before);
    let _ = fixture.store.info();
}
