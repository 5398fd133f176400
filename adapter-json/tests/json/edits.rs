//! Changes by people and other programs, which know no lock.

use tasq_domain::{EventKind, Outcome, Status};
use tasq_ports::{StoreError, StoreExt, Tx};

use super::{Place, bytes, claim, description, event, events, task, task_id};

#[test]
fn a_change_by_an_editor_while_a_unit_runs_is_kept() {
    let (place, store) = Place::planted();
    let mut runs = 0;
    store
        .write(|tx| {
            runs += 1;
            if runs == 1 {
                place.write_text(&place.text().replace("do it", "do it well"));
            }
            tx.append_event(&event(EventKind::Edited, "A"))?;
            tx.insert_task(&task(&format!("B{runs}"))).map(drop)
        })
        .unwrap();
    assert_eq!(runs, 2);
    let other = place.open().unwrap();
    assert_eq!(description(&other, "A"), "do it well");
    assert_eq!(other.read(|tx| tx.task(&task_id("B1"))).unwrap(), None);
    assert!(other.read(|tx| tx.task(&task_id("B2"))).unwrap().is_some());
    assert_eq!(events(&other), [EventKind::Created, EventKind::Edited]);
}

#[test]
fn an_editor_that_never_rests_makes_the_store_busy_and_loses_nothing() {
    let (place, store) = Place::planted();
    let mut runs = 0;
    let result = store.write(|tx| {
        runs += 1;
        place.write_text(&place.text().replace("do it", &format!("do it {runs}")));
        tx.insert_task(&task("B")).map(drop)
    });
    assert!(matches!(result, Err(StoreError::Busy { .. })));
    assert!(place.text().contains(&format!("do it {runs}")));
    assert!(!place.text().contains("\"B\""));
}

#[test]
fn an_edit_of_the_same_length_is_seen() {
    let (place, store) = Place::planted();
    assert_eq!(description(&store, "A"), "do it");
    place.write_text(&place.text().replace("do it", "do at"));
    assert_eq!(description(&store, "A"), "do at");
}

#[test]
fn an_edited_queue_keeps_its_history() {
    let (place, store) = Place::planted();
    store.write(claim).unwrap();
    place.write_text(&place.text().replace("do it", "do it well"));
    let other = place.open().unwrap();
    assert_eq!(events(&other), [EventKind::Created, EventKind::Claimed]);
    let attempts = other.read(|tx| tx.attempts_of(&task_id("A"))).unwrap();
    assert_eq!((attempts.len(), attempts[0].end.is_none()), (1, true));
}

#[test]
fn derived_statuses_in_the_file_are_not_believed() {
    let (place, store) = Place::planted();
    drop(store);
    let text = place.text();
    let edited = text.replacen(
        "\"status\": \"pending\",\n      \"created_at\"",
        "\"status\": \"completed\",\n      \"created_at\"",
        1,
    );
    assert_ne!(edited, text);
    place.write_text(&edited);
    let features = place.open().unwrap().read(|tx| tx.features()).unwrap();
    assert_eq!(features[0].status, Status::Pending);
}

#[test]
fn a_task_completed_by_hand_ends_its_attempt_and_rolls_up() {
    let (place, store) = Place::planted();
    store.write(claim).unwrap();
    let text = place.text();
    place.write_text(&text.replace(
        "\"status\": \"in_progress\",\n      \"retry_budget\"",
        "\"status\": \"completed\",\n      \"retry_budget\"",
    ));
    let contents = place.open().unwrap().read(|tx| tx.contents()).unwrap();
    assert_eq!(contents.tasks[0].status, Status::Completed);
    assert_eq!(contents.tasks[0].claim, None);
    assert_eq!(contents.features[0].status, Status::Completed);
    let end = contents.attempts[0].end.as_ref().unwrap();
    assert_eq!(end.outcome, Outcome::Lost);
}

#[test]
fn unknown_keys_survive_our_writes() {
    let (place, store) = Place::planted();
    let text = place.text();
    place.write_text(&text.replace(
        "\"description\": \"do it\",",
        "\"description\": \"do it\",\n      \"jira\": [1.0, 2e3],",
    ));
    for _ in 0..2 {
        store.write(claim).unwrap();
    }
    let text = place.text();
    assert!(text.contains("\"jira\": ["), "{text}");
    assert!(text.contains("2e3"), "{text}");
    store.write(|tx| tx.remove_task(&task_id("A"))).unwrap();
    store
        .write(|tx| tx.insert_task(&task("A")).map(drop))
        .unwrap();
    assert!(!place.text().contains("jira"));
}

#[test]
fn a_minimal_file_written_by_hand_is_a_queue() {
    let place = Place::new();
    place.write_text(
        r#"{"tasq_snapshot": 1, "features": {"F": {"name": "f"}}, "tasks": {"A": {"feature": "F", "description": "d"}}}"#,
    );
    let store = place.open().unwrap();
    let first = store.read(|tx| tx.contents()).unwrap();
    store.write(claim).unwrap();
    let second = place.open().unwrap().read(|tx| tx.contents()).unwrap();
    assert_eq!(first.settings, second.settings);
    assert_eq!(first.tasks[0].created_at, second.tasks[0].created_at);
    assert_eq!(second.attempts.len(), 1);
}

#[test]
fn a_restored_older_snapshot_has_its_own_history_and_the_newer_one_is_kept_aside() {
    let (place, store) = Place::planted();
    let old = place.text();
    for _ in 0..2 {
        store.write(claim).unwrap();
    }
    let newer = bytes(&place.log());
    place.write_text(&old);
    assert_eq!(events(&place.open().unwrap()), [EventKind::Created]);
    store.write(claim).unwrap();
    assert_eq!(events(&store), [EventKind::Created, EventKind::Claimed]);
    assert_eq!(bytes(&place.path().with_extension("log.1.jsonl")), newer);
    let again = place.open().unwrap().read(|tx| tx.contents()).unwrap();
    assert_eq!(again, store.read(|tx| tx.contents()).unwrap());
}

#[test]
fn what_an_edit_made_of_the_past_still_holds_after_the_next_unit() {
    let (place, store) = Place::planted();
    store.write(claim).unwrap();
    let claimed = place.text();
    place.write_text(&claimed.replace(
        "\"status\": \"in_progress\",\n      \"retry_budget\"",
        "\"status\": \"completed\",\n      \"retry_budget\"",
    ));
    let add = |id: &'static str| {
        let store = place.open().unwrap();
        let insert = |tx: &mut dyn Tx| tx.insert_task(&task(id)).map(drop);
        store.write(insert).unwrap();
        place.open().unwrap().read(|tx| tx.contents()).unwrap()
    };
    let contents = add("LATER");
    let end = contents.attempts[0].end.as_ref().unwrap();
    assert_eq!(end.outcome, Outcome::Lost);

    let (from, to) = {
        let text = place.text();
        let from = text.find("    \"A\": {").unwrap();
        (from, from + text[from..].find("    \"LATER\"").unwrap())
    };
    let mut text = place.text();
    text.replace_range(from..to, "");
    place.write_text(&text);
    let contents = add("LAST");
    assert_eq!(contents.attempts, []);
    assert_eq!(add("A").attempts, []);
}
