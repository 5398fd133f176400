//! Faults: writers that stop anywhere, broken files, disks that refuse.

use std::os::unix::fs::symlink;

use tasq_domain::{EventKind, OperationId, Token};
use tasq_files::LockFile;
use tasq_ports::{Check, Maintenance, Severity, StoreError, StoreExt};

use super::{Place, bytes, claim, event, events, operation, options, task_id};
use tasq_adapter_json::{JsonStore, Options, SideFiles};

/// A queue whose last unit wrote its log and stopped before its commit, and the length of the log before that unit.
fn stopped_before_the_commit() -> (Place, JsonStore, usize) {
    let (place, store) = Place::planted();
    let before = bytes(&place.path());
    let committed = bytes(&place.log()).len();
    store
        .write(|tx| -> Result<(), StoreError> {
            claim(tx)?;
            tx.insert_operation(&operation("op"), 10)
        })
        .unwrap();
    std::fs::write(place.path(), before).unwrap();
    (place, store, committed)
}

#[test]
fn a_unit_that_stopped_before_its_commit_never_happened() {
    let (place, store, _) = stopped_before_the_commit();
    let long = bytes(&place.log()).len();
    for store in [place.open().unwrap(), store] {
        assert_eq!(events(&store), [EventKind::Created]);
        let id = OperationId::new("op").unwrap();
        assert_eq!(store.read(|tx| tx.operation(&id)).unwrap(), None);
    }
    let store = place.open().unwrap();
    store
        .write(|tx| tx.append_event(&event(EventKind::Edited, "A")))
        .unwrap();
    assert!(bytes(&place.log()).len() < long);
    for store in [place.open().unwrap(), store] {
        assert_eq!(events(&store), [EventKind::Created, EventKind::Edited]);
    }
    assert!(!place.names().iter().any(|name| name.contains("log.1")));
}

#[test]
fn a_log_torn_at_any_byte_of_an_uncommitted_unit_is_mended_by_the_next_writer() {
    let (place, _, committed) = stopped_before_the_commit();
    let (snapshot, log) = (bytes(&place.path()), bytes(&place.log()));
    for cut in (committed..log.len()).step_by(29) {
        std::fs::write(place.path(), &snapshot).unwrap();
        std::fs::write(place.log(), &log[..cut]).unwrap();
        let store = place.open().unwrap();
        assert_eq!(events(&store), [EventKind::Created], "{cut}");
        store.write(claim).unwrap();
        assert_eq!(
            events(&place.open().unwrap()),
            [EventKind::Created, EventKind::Claimed]
        );
    }
    assert!(!place.names().iter().any(|name| name.contains("log.1")));
}

#[test]
fn a_log_that_is_gone_takes_only_the_past_with_it() {
    let (place, store) = Place::planted();
    let token = store.write(claim).unwrap();
    std::fs::remove_file(place.log()).unwrap();
    let other = place.open().unwrap();
    let attempts = other.read(|tx| tx.attempts_of(&task_id("A"))).unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!((attempts[0].token, &attempts[0].end), (token, &None));
    // One that had read the log notices as well.
    for store in [other, store] {
        store
            .write(|tx| tx.append_event(&event(EventKind::Edited, "A")))
            .unwrap();
    }
    assert_eq!(
        events(&place.open().unwrap()),
        [EventKind::Edited, EventKind::Edited]
    );
}

/// A queue whose task is claimed, whose log says something else than was written, and the token of the claim.
fn with_a_changed_log(from: &str, to: &str) -> (Place, Token) {
    let (place, store) = Place::planted();
    let token = store.write(claim).unwrap();
    let log = String::from_utf8(bytes(&place.log())).unwrap();
    assert_eq!(log.matches(from).count(), 1, "{from} in {log}");
    std::fs::write(place.log(), log.replace(from, to)).unwrap();
    (place, token)
}

#[test]
fn whatever_a_log_tells_of_attempts_the_file_is_right() {
    let token = "\"token\":\"1-0000000000000007\"";
    for (from, to) in [
        ("{\"task\":\"A\"", "{\"task\":\"a\"".to_owned()),
        (token, token.replace("1-", "2-")),
        (token, token.replace('7', "8")),
        (
            token,
            format!("{token},\"ended_at\":\"2026-01-01T00:00:00Z\",\"outcome\":\"failed\""),
        ),
        ("\"attempt\":{", "\"atempt\":{".to_owned()),
    ] {
        let (place, token) = with_a_changed_log(from, &to);
        let tasks = |store: &JsonStore| store.read(|tx| tx.contents()).unwrap().tasks;
        let store = place.open().unwrap_or_else(|error| panic!("{to}: {error}"));
        let before = tasks(&store);
        let told = store.check_file().unwrap().findings;
        assert!(
            told.iter().any(|it| it.check == Check::EditedOutside),
            "{to}: {told:?}"
        );
        store
            .write(|tx| tx.append_event(&event(EventKind::Edited, "A")))
            .unwrap();
        let again = place.open().unwrap();
        for store in [store, again] {
            assert_eq!(tasks(&store), before, "{to}");
            let attempts = store.read(|tx| tx.attempts_of(&task_id("A"))).unwrap();
            assert_eq!(attempts.len(), 1, "{to}");
            assert_eq!(
                (attempts[0].token, &attempts[0].end),
                (token, &None),
                "{to}"
            );
            let told = store.check_file().unwrap().findings;
            assert!(
                told.iter().all(|it| it.severity == Severity::Note),
                "{told:?}"
            );
        }
    }
}

#[test]
fn a_number_at_its_end_is_passed_over_and_leaves_room_for_more() {
    let numbers = [
        ("\"seq\":2", "\"seq\":9223372036854775807"),
        (
            "{\"generation\":3,\"store\"",
            "{\"generation\":18446744073709551615,\"store\"",
        ),
    ];
    for (from, to) in numbers {
        let (place, _) = with_a_changed_log(from, to);
        let store = place.open().unwrap();
        assert_eq!(events(&store), [EventKind::Created], "{to}");
        for _ in 0..2 {
            store
                .write(|tx| tx.append_event(&event(EventKind::Edited, "A")))
                .unwrap();
        }
        let expected = [EventKind::Created, EventKind::Edited, EventKind::Edited];
        for store in [store, place.open().unwrap()] {
            assert_eq!(events(&store), expected, "{to}");
        }
    }
}

#[test]
fn records_that_say_nothing_are_told_and_stay() {
    let (place, _) = with_a_changed_log("\"kind\":\"claimed\"", "\"kind\":\"praised\"");
    let store = place.open().unwrap();
    let finding = store.check_file().unwrap().findings.remove(0);
    assert_eq!(
        (finding.check, finding.severity),
        (Check::Versions, Severity::Note)
    );
    store
        .write(|tx| tx.append_event(&event(EventKind::Edited, "A")))
        .unwrap();
    let log = String::from_utf8(bytes(&place.log())).unwrap();
    assert!(log.contains("praised"), "{log}");
}

#[test]
fn a_log_of_another_queue_is_kept_aside() {
    let (place, store) = Place::planted();
    drop(store);
    let foreign = String::from_utf8(bytes(&place.log()))
        .unwrap()
        .replace("\"S\"", "\"X\"");
    std::fs::write(place.log(), &foreign).unwrap();
    place.write_text(&place.text().replace("do it", "do that"));
    let store = place.open().unwrap();
    assert_eq!(events(&store), []);
    store.write(claim).unwrap();
    assert_eq!(events(&place.open().unwrap()), [EventKind::Claimed]);
    let aside = bytes(&place.path().with_extension("log.1.jsonl"));
    assert_eq!(aside, foreign.as_bytes());
}

#[test]
fn a_broken_file_is_refused_with_its_place_and_stays_as_it_is() {
    let (place, store) = Place::planted();
    let good = place.text();
    let cut = &good[..good.len() / 2];
    let conflict = good.replacen("  \"features\"", "<<<<<<< HEAD\n  \"features\"", 1);
    let wrong_type = good.replace("\"do it\"", "7");
    let dangling = good.replace("\"feature\": \"F\"", "\"feature\": \"G\"");
    for (text, damaged, told) in [
        (cut, true, "line "),
        (&conflict, true, "line "),
        ("", true, "line 1, column 1"),
        ("{}", true, "not a snapshot"),
        (&wrong_type, false, "$.tasks.A.description"),
        (&dangling, false, "there is no feature \"G\""),
    ] {
        place.write_text(text);
        for result in [
            place.open().map(drop),
            store.read(|tx| tx.features()).map(drop),
            store.write(claim).map(drop),
        ] {
            let error = result.unwrap_err();
            let expected = match &error {
                StoreError::Damaged { .. } => damaged,
                StoreError::Invalid { .. } => !damaged,
                _ => false,
            };
            assert!(expected, "{error:?}");
            assert!(error.to_string().contains(told), "{error}");
        }
        assert_eq!(place.text(), *text);
    }
    place.write_text(&good.replace("\"tasq_snapshot\": 1", "\"tasq_snapshot\": 9"));
    assert!(matches!(place.open(), Err(StoreError::TooNew { found, .. }) if found == "9"));
}

#[test]
fn a_link_is_not_followed() {
    let (place, store) = Place::planted();
    drop(store);
    let link = place.path().with_file_name("link.json");
    symlink(place.path(), &link).unwrap();
    let error = JsonStore::open(&link, options()).unwrap_err();
    assert!(matches!(error, StoreError::Policy { .. }), "{error}");
}

#[test]
fn a_lock_held_by_another_makes_writers_busy_and_readers_not() {
    let (place, _) = Place::planted();
    let impatient = Options {
        wait: std::time::Duration::ZERO,
        ..options()
    };
    let store = JsonStore::open(&place.path(), impatient).unwrap();
    let _guard = LockFile::new(SideFiles::of(&place.path()).lock)
        .acquire(std::time::Duration::ZERO)
        .unwrap();
    let Err(StoreError::Busy { holder, .. }) = store.write(claim) else {
        unreachable!("the lock is held")
    };
    assert_eq!(holder.unwrap().pid, std::process::id());
    assert_eq!(events(&store), [EventKind::Created]);
}

#[test]
fn a_snapshot_beyond_the_limit_is_neither_written_nor_read() {
    let (place, _) = Place::planted();
    let small = Options {
        max_bytes: place.text().len() + 10,
        ..options()
    };
    let store = JsonStore::open(&place.path(), small.clone()).unwrap();
    let before = place.text();
    assert!(matches!(store.write(claim), Err(StoreError::Limit { .. })));
    assert_eq!(place.text(), before);
    let smaller = Options {
        max_bytes: 10,
        ..small
    };
    let error = JsonStore::open(&place.path(), smaller).unwrap_err();
    assert!(matches!(error, StoreError::Limit { .. }), "{error}");
}

#[test]
fn leftovers_of_killed_writers_are_removed_by_the_next() {
    let (place, store) = Place::planted();
    drop(store);
    let stray = place
        .path()
        .with_file_name(".queue.json.1.0123456789abcdef.tmp");
    std::fs::write(&stray, "half").unwrap();
    let store = place.open().unwrap();
    assert!(stray.exists());
    store.write(claim).unwrap();
    assert!(!stray.exists());
}

#[test]
fn a_log_that_cannot_be_written_stops_the_unit() {
    let (place, store) = Place::planted();
    std::fs::remove_file(place.log()).unwrap();
    std::fs::create_dir(place.log()).unwrap();
    let before = place.text();
    let error = store.write(claim).unwrap_err();
    assert!(matches!(error, StoreError::Policy { .. }), "{error}");
    assert_eq!(place.text(), before);
    assert!(!place.names().iter().any(|name| name.ends_with(".tmp")));
    std::fs::remove_dir(place.log()).unwrap();
    store.write(claim).unwrap();
}
