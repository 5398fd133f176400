//! What looking after the files finds, mends and copies.

use std::fs;
use std::time::Duration;

use tasq_adapter_json::{JsonStore, SideFiles, put_in_place, read_contents};
use tasq_domain::{EventKind, Status};
use tasq_ports::{Check, Finding, Maintenance, Overwrite, Severity, StoreError, StoreExt};

use super::{Place, event, options, task};

fn found(store: &JsonStore) -> Vec<Finding> {
    store.check_file().unwrap().findings
}

/// The one thing that was found.
#[track_caller]
fn one(store: &JsonStore) -> Finding {
    let mut findings = found(store);
    assert_eq!(findings.len(), 1, "{findings:?}");
    findings.remove(0)
}

fn edit(place: &Place, from: &str, to: &str) {
    let text = fs::read_to_string(place.path()).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(place.path(), text.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_store_that_is_well_has_no_findings() {
    assert_eq!(found(&Place::planted().1), []);
}

#[test]
fn a_file_that_cannot_be_read_is_found_and_stays() {
    let (place, store) = Place::planted();
    for broken in [
        "{",
        "<<<<<<< ours\n",
        "{\"tasq_snapshot\": 1, \"tasks\": 7}",
    ] {
        fs::write(place.path(), broken).unwrap();
        let finding = one(&store);
        assert_eq!(finding.check, Check::FileIntegrity);
        assert_eq!(finding.severity, Severity::Problem);
        assert_eq!(fs::read_to_string(place.path()).unwrap(), broken);
    }
}

#[test]
fn a_status_that_does_not_follow_is_found_and_written_right() {
    let (place, store) = Place::planted();
    store
        .write(|tx| {
            let mut done = tx.task(&task("A").id)?.unwrap().task;
            done.status = Status::Blocked;
            tx.update_task(&done)
        })
        .unwrap();
    // The feature's, which stands before the task's.
    edit(
        &place,
        "\"status\": \"blocked\"",
        "\"status\": \"completed\"",
    );
    let findings = found(&store);
    let derived = findings
        .iter()
        .find(|finding| finding.check == Check::Derived)
        .unwrap_or_else(|| panic!("{findings:?}"));
    assert_eq!(
        (derived.severity, derived.fixable),
        (Severity::Warning, true)
    );
    let outside = findings
        .iter()
        .find(|finding| finding.check == Check::EditedOutside);
    assert_eq!(outside.unwrap().severity, Severity::Warning);
    store.write(|tx| tx.rederive()).unwrap();
    assert_eq!(found(&store), []);
}

#[test]
fn keys_that_nobody_knows_are_told() {
    let (place, store) = Place::planted();
    edit(&place, "{", "{\n  \"mine\": 1,");
    let findings = found(&store);
    let unknown = findings
        .iter()
        .find(|finding| finding.check == Check::Versions);
    assert_eq!(unknown.unwrap().severity, Severity::Note);
}

#[test]
fn a_log_of_changes_that_are_not_in_the_file_is_told() {
    let (place, store) = Place::planted();
    let earlier = fs::read(place.path()).unwrap();
    for id in ["B", "C"] {
        let add = |tx: &mut dyn tasq_ports::Tx| {
            let _ = tx.insert_task(&task(id))?;
            tx.append_event(&event(EventKind::Created, id))
        };
        store.write(add).unwrap();
    }
    fs::write(place.path(), earlier).unwrap();
    let finding = one(&store);
    assert_eq!(finding.check, Check::OrphanFiles);
    assert_eq!(finding.severity, Severity::Warning);
}

#[test]
fn leftovers_are_found_and_removed_and_copies_are_kept() {
    let (place, store) = Place::planted();
    let stray = tasq_files::temp_path(&place.path()).unwrap();
    let kept = place.path().with_extension("log.1.jsonl");
    for path in [&stray, &kept] {
        fs::write(path, "x").unwrap();
    }
    let told: Vec<_> = found(&store)
        .iter()
        .map(|finding| (finding.check, finding.severity, finding.fixable))
        .collect();
    let orphans = Check::OrphanFiles;
    assert_eq!(
        told,
        [
            (orphans, Severity::Warning, true),
            (orphans, Severity::Note, false)
        ]
    );
    assert_eq!(store.mend_file().unwrap().len(), 1);
    assert!(!stray.exists() && kept.exists());
}

#[test]
fn a_file_that_others_may_write_is_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let (place, store) = Place::planted();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o666)).unwrap();
    let finding = one(&store);
    assert_eq!(finding.check, Check::Permissions);
    assert_eq!(finding.severity, Severity::Warning);
}

#[test]
fn a_backup_is_a_store_with_the_same_contents() {
    let (place, store) = Place::planted();
    let to = place.path().with_file_name("backup.json");
    let report = store.backup(&to, Overwrite::Refuse).unwrap();
    assert_eq!((report.features, report.tasks, report.events), (1, 1, 1));
    assert_eq!(report.files, [to.clone(), SideFiles::of(&to).log]);
    let before = store.read(|tx| tx.contents()).unwrap();
    let read = read_contents(&to, options()).unwrap();
    assert_eq!(read, (before.clone(), false));
    let copy = JsonStore::open(&to, options()).unwrap();
    assert_eq!(copy.read(|tx| tx.contents()).unwrap(), before);
    assert_eq!(copy.check_file().unwrap().findings, []);
    // Nothing else is left there.
    let left = fs::read_dir(place.path().parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.as_encoded_bytes().starts_with(b"."))
        .count();
    assert_eq!(left, 0);
}

#[test]
fn a_backup_takes_over_nothing_unasked() {
    let (place, store) = Place::planted();
    let to = place.path().with_file_name("backup.json");
    for taken in [to.clone(), SideFiles::of(&to).log] {
        fs::write(&taken, "precious").unwrap();
        let refused = store.backup(&to, Overwrite::Refuse);
        assert!(matches!(refused, Err(StoreError::Exists { .. })));
        assert_eq!(fs::read(&taken).unwrap(), b"precious");
        fs::remove_file(taken).unwrap();
    }
    store.backup(&to, Overwrite::Refuse).unwrap();
    store.backup(&to, Overwrite::Replace).unwrap();
    assert!(read_contents(&to, options()).is_ok());
    let itself = store.backup(&place.path(), Overwrite::Replace);
    assert!(matches!(itself, Err(StoreError::Exists { .. })));
}

#[test]
fn what_is_replaced_is_kept_whole() {
    let (place, store) = Place::planted();
    let built = place.path().with_file_name("built.json");
    store.backup(&built, Overwrite::Refuse).unwrap();
    store
        .write(|tx| tx.append_event(&event(EventKind::Edited, "A")))
        .unwrap();
    let before = store.read(|tx| tx.contents()).unwrap();
    let wait = Duration::from_secs(5);
    let refused = put_in_place(&built, &place.path(), None, wait);
    assert!(matches!(refused, Err(StoreError::Exists { .. })));
    let aside = place.path().with_file_name("queue.before-restore.json");
    put_in_place(&built, &place.path(), Some(&aside), wait).unwrap();
    assert_eq!(read_contents(&aside, options()).unwrap().0, before);
    assert_eq!(store.read(|tx| tx.contents()).unwrap().events.len(), 1);
}
