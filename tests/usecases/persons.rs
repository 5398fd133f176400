//! What persons do: block, reopen, retry, cancel, hold.

use tasq_app::{Code, EditTask, ScopeRef};
use tasq_domain::{AnyId, Outcome, Status, Task};

use super::desk::{
    Desk, any_epic, any_feature, any_task, budgeted, code, completing, failing, holder, id_of,
    name_of, reason, releasing, task_id,
};

pub(crate) fn a_block_needs_a_reason_to_go_and_a_person_to_lift_it(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    let a = task_id("A");
    let unblocked = desk.unchanged(|| desk.ada().unblock(&a));
    assert_eq!(code(unblocked), Code::Conflict);
    let view = desk
        .ada()
        .block(&a, None, &reason("waits for law"), false)
        .unwrap();
    assert_eq!(
        view.record.task.blocked_reason,
        Some(reason("waits for law"))
    );
    assert_eq!(desk.feature_status("FEAT-1"), Status::Blocked);
    assert_eq!(code(desk.try_claim(ScopeRef::Queue)), Code::NothingReady);
    desk.ada().unblock(&a).unwrap();
    assert_eq!(desk.feature_status("FEAT-1"), Status::Pending);
    desk.complete("A");
    let blocked = desk.unchanged(|| desk.ada().block(&a, None, &reason("no"), false));
    assert_eq!(code(blocked), Code::Conflict);
}

pub(crate) fn a_holder_blocks_its_own_task(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    let claim = desk.claim();
    let block = |text: &str| {
        desk.worker(&claim)
            .block(id_of(&claim), Some(claim.token), &reason(text), false)
    };
    let task = block("needs a key").unwrap().record.task;
    assert_eq!((task.status, task.retries_used), (Status::Blocked, 0));
    let attempt = desk.contents().attempts.remove(0);
    assert_eq!(attempt.end.unwrap().outcome, Outcome::Blocked);
    assert_eq!(code(block("late")), Code::Conflict);
    let late = desk.contents().attempts.remove(0).late_message;
    assert_eq!(late, Some(reason("late")));
    desk.ada().unblock(id_of(&claim)).unwrap();
    let failure = desk.claim().last_failure.unwrap();
    assert_eq!(
        (failure.attempt, failure.outcome, failure.message),
        (1, Outcome::Blocked, Some(reason("needs a key"))),
        "the next one reads why"
    );
}

pub(crate) fn what_is_claimed_needs_force(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    desk.task("B", "FEAT-1");
    let (a, b) = (task_id("A"), task_id("B"));
    desk.claim_this("A");
    let ada = desk.ada();
    let edit = EditTask::default();
    desk.unchanged(|| {
        assert_eq!(
            code(ada.block(&a, None, &reason("no"), false)),
            Code::Conflict
        );
        assert_eq!(code(ada.reopen(&a, false)), Code::Conflict);
        assert_eq!(code(ada.edit_task(&a, &edit, false)), Code::Conflict);
        assert_eq!(code(ada.move_task(&a, "FEAT-1", false)), Code::Conflict);
        assert_eq!(code(ada.depend(&a, &b, false)), Code::Conflict);
        assert_eq!(code(ada.complete(&completing(&a, None))), Code::Conflict);
        assert_eq!(code(ada.retry(&a, false)), Code::Conflict);
        assert_eq!(code(ada.remove(&any_task("A"), false)), Code::Conflict);
    });
    ada.edit_task(&a, &edit, true).unwrap();
    ada.move_task(&a, "FEAT-1", true).unwrap();
    ada.depend(&a, &b, true).unwrap();
    ada.undepend(&a, &b, true).unwrap();
    assert!(desk.get("A").claim.is_some(), "none of that ends the claim");
    let task = ada.reopen(&a, true).unwrap().record.task;
    assert_eq!((task.status, task.claim), (Status::Pending, None));
    desk.claim_this("A");
    ada.block(&a, None, &reason("no"), true).unwrap();
    desk.ada().unblock(&a).unwrap();
    desk.claim_this("A");
    ada.remove(&any_task("A"), true).unwrap();
}

pub(crate) fn a_retry_ends_the_wait(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    desk.fail(&desk.claim(), "red").unwrap();
    assert_eq!(code(desk.try_claim(ScopeRef::Queue)), Code::NothingReady);
    let task = desk.ada().retry(&task_id("A"), false).unwrap().record.task;
    assert_eq!((task.retries_used, task.not_before), (0, None));
    let claim = desk.claim();
    desk.finish(&claim).unwrap();
    let done = desk.unchanged(|| desk.ada().retry(&task_id("A"), false));
    assert_eq!(code(done), Code::Conflict);
}

pub(crate) fn a_retry_may_keep_the_count(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.add(&budgeted("A", "FEAT-1", 2));
    desk.fail(&desk.claim(), "red").unwrap();
    let task = desk.ada().retry(&task_id("A"), true).unwrap().record.task;
    assert_eq!((task.retries_used, task.not_before), (1, None));
    desk.fail(&desk.claim(), "red").unwrap();
    let spent = desk.unchanged(|| desk.ada().retry(&task_id("A"), true));
    assert_eq!(code(spent), Code::Conflict);
    desk.ada().retry(&task_id("A"), false).unwrap();
    assert_eq!(desk.status("A"), Status::Pending);
}

pub(crate) fn a_reopened_task_begins_anew(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    let pending = desk.unchanged(|| desk.ada().reopen(&task_id("A"), false));
    assert_eq!(code(pending), Code::Conflict);
    desk.fail(&desk.claim(), "red").unwrap();
    desk.pass_time(100);
    desk.finish(&desk.claim()).unwrap();
    let Task {
        status,
        retries_used,
        attempts,
        completed_at,
        proof,
        ..
    } = desk.reopen("A");
    assert_eq!((status, retries_used, attempts), (Status::Pending, 0, 2));
    assert_eq!((completed_at, proof), (None, None));
    assert_eq!(desk.claim().token.attempt, 3);
}

pub(crate) fn a_cancel_is_seen_at_the_next_heartbeat(desk: &Desk) {
    desk.feature("FEAT-1", None);
    for id in ["RELEASES", "FAILS", "LOST", "FINISHES"] {
        desk.task(id, "FEAT-1");
        let claim = desk.claim_this(id);
        desk.person("bob").cancel(id_of(&claim)).unwrap();
        assert_eq!(desk.status(id), Status::InProgress);
        let beat = desk
            .worker(&claim)
            .heartbeat(&holder(&claim), None)
            .unwrap();
        assert!(beat.cancel_requested);
        match id {
            "RELEASES" => drop(desk.worker(&claim).release(&releasing(&claim)).unwrap()),
            "FAILS" => drop(desk.fail(&claim, "stopped").unwrap()),
            "LOST" => {
                desk.pass_time(1_000);
                desk.ada().reap().unwrap();
            }
            _ => drop(desk.finish(&claim).unwrap()),
        }
        let task = desk.get(id);
        if id == "FINISHES" {
            assert_eq!(task.status, Status::Completed, "finished work counts");
            continue;
        }
        assert_eq!(task.status, Status::Blocked, "{id}");
        assert_eq!(
            task.blocked_reason,
            Some(reason("cancelled by bob")),
            "{id}"
        );
        assert_eq!(task.retries_used, u32::from(id == "LOST"), "{id}");
    }
}

pub(crate) fn a_cancel_of_what_nobody_holds_blocks_it(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    desk.ada().cancel(&task_id("A")).unwrap();
    assert_eq!(desk.status("A"), Status::Blocked);
    desk.ada().unblock(&task_id("A")).unwrap();
    desk.complete("A");
    let done = desk.unchanged(|| desk.ada().cancel(&task_id("A")));
    assert_eq!(code(done), Code::Conflict);
}

/// The three levels at which one task may be held.
fn levels(desk: &Desk) -> [AnyId; 3] {
    desk.epic("EPIC-1");
    desk.feature("FEAT-1", Some("EPIC-1"));
    desk.task("A", "FEAT-1");
    [any_epic("EPIC-1"), any_feature("FEAT-1"), any_task("A")]
}

pub(crate) fn a_hold_keeps_back_what_is_under_it(desk: &Desk) {
    for id in levels(desk) {
        desk.ada().hold(&id, &reason("audit"), false).unwrap();
        assert_eq!(
            code(desk.try_claim(ScopeRef::Queue)),
            Code::NothingReady,
            "{id}"
        );
        let blocked = match &id {
            AnyId::Epic(_) => desk.epic_status("EPIC-1"),
            AnyId::Feature(_) => desk.feature_status("FEAT-1"),
            _ => Status::Blocked,
        };
        assert_eq!(blocked, Status::Blocked, "{id}");
        assert_eq!(desk.status("A"), Status::Pending, "{id}");
        desk.ada().unhold(&id).unwrap();
        let again = desk.unchanged(|| desk.ada().unhold(&id));
        assert_eq!(code(again), Code::Conflict, "{id}");
        let claim = desk.claim();
        desk.worker(&claim).release(&releasing(&claim)).unwrap();
        desk.pass_time(3_600);
    }
    let test: AnyId = tasq_domain::TestId::new("TEST-1").unwrap().into();
    let of_test = desk.ada().hold(&test, &reason("no"), false);
    assert_eq!(code(of_test), Code::Usage);
}

pub(crate) fn a_hold_lets_what_runs_finish(desk: &Desk) {
    for id in levels(desk) {
        let claim = desk.claim();
        desk.ada().hold(&id, &reason("audit"), false).unwrap();
        let beat = desk
            .worker(&claim)
            .heartbeat(&holder(&claim), None)
            .unwrap();
        assert!(!beat.cancel_requested, "{id}");
        desk.finish(&claim).unwrap();
        desk.ada().unhold(&id).unwrap();
        desk.reopen("A");
    }
}

pub(crate) fn a_hold_that_stops_gives_everything_back(desk: &Desk) {
    for id in levels(desk) {
        let claim = desk.claim();
        desk.ada().hold(&id, &reason("audit"), true).unwrap();
        let beat = desk
            .worker(&claim)
            .heartbeat(&holder(&claim), None)
            .unwrap();
        assert!(beat.cancel_requested, "{id}");
        let released = desk.worker(&claim).release(&releasing(&claim)).unwrap();
        assert_eq!(released.record.task.status, Status::Pending, "{id}");
        assert_eq!(code(desk.try_claim(ScopeRef::Queue)), Code::NothingReady);
        desk.ada().unhold(&id).unwrap();
        assert_eq!(desk.get("A").retries_used, 0);
        let claim = desk.claim();
        desk.worker(&claim).release(&releasing(&claim)).unwrap();
        desk.pass_time(3_600);
    }
}

pub(crate) fn a_second_hold_replaces_the_first(desk: &Desk) {
    let [_, feature, _] = levels(desk);
    desk.ada().hold(&feature, &reason("audit"), false).unwrap();
    desk.person("bob")
        .hold(&feature, &reason("budget"), false)
        .unwrap();
    let hold = desk.contents().features.remove(0).hold.unwrap();
    assert_eq!((hold.by.as_str(), hold.reason), ("bob", reason("budget")));
}

pub(crate) fn a_status_word_goes_the_way_that_leads_there(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    let set = |status, why: Option<&str>, force| {
        let why = why.map(reason);
        let view = desk
            .ada()
            .set_task_status(&task_id("A"), status, why.as_ref(), force);
        view.map(|view| view.record.task.status)
    };
    assert_eq!(
        code(desk.unchanged(|| set(Status::InProgress, None, false))),
        Code::Usage
    );
    assert_eq!(
        code(desk.unchanged(|| set(Status::Blocked, None, false))),
        Code::Usage
    );
    assert_eq!(
        code(desk.unchanged(|| set(Status::Completed, None, true))),
        Code::Usage
    );
    assert_eq!(
        desk.unchanged(|| set(Status::Pending, None, false))
            .unwrap(),
        Status::Pending
    );
    assert_eq!(
        set(Status::Blocked, Some("no"), false).unwrap(),
        Status::Blocked
    );
    assert_eq!(
        set(Status::Completed, None, false).unwrap(),
        Status::Completed
    );
    assert_eq!(set(Status::Pending, None, false).unwrap(), Status::Pending);
    assert_eq!(name_of(&desk.claim()), "A");
    assert_eq!(
        code(desk.unchanged(|| set(Status::Completed, None, false))),
        Code::Conflict
    );
    let forced = set(Status::Completed, Some("I looked"), true);
    assert_eq!(forced.unwrap(), Status::Completed);
}

pub(crate) fn a_task_held_by_hand_is_ended_by_reopen(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    // As a plain SQL client would do it.
    desk.bench.write(|tx| {
        let task = tx.task(&task_id("A"))?.unwrap().task;
        tx.update_task_life(&Task {
            status: Status::InProgress,
            ..task
        })
    });
    desk.pass_time(1_000_000);
    assert!(desk.ada().reap().unwrap().tasks.is_empty());
    assert_eq!(code(desk.try_claim(ScopeRef::Queue)), Code::NothingReady);
    let why = desk.ada().why(&task_id("A")).unwrap();
    assert_eq!(why.reasons[0].reason.as_str(), "held_by_hand");
    desk.reopen("A");
    let claim = desk.claim();
    let failed = failing(&claim, tasq_domain::life::FailureKind::Failed, "red");
    desk.worker(&claim).fail(&failed).unwrap();
}
