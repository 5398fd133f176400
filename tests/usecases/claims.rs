//! Claims: made, renewed, lost.

use std::collections::BTreeSet;
use std::time::Duration;

use tasq_app::{AddCheckpoint, AppError, ClaimTasks, Code, ScopeRef, WhichTask};
use tasq_domain::ready::NotReady;
use tasq_domain::{Outcome, Status};

use super::desk::{
    Desk, LEASE, any_feature, claims, code, completing, holder, id_of, name_of, named, reason,
    task_id, urgent,
};

pub(crate) fn priority_goes_before_age(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.feature("FEAT-2", None);
    desk.add(&named("OLD", "FEAT-1"));
    desk.add(&urgent("LATER", "FEAT-1", 5));
    desk.add(&named("NEW", "FEAT-2"));
    desk.add(&urgent("NOW", "FEAT-2", 0));
    let claims = [(); 4].map(|()| desk.claim());
    let ids = claims.each_ref().map(name_of);
    assert_eq!(ids, ["NOW", "OLD", "NEW", "LATER"]);
}

pub(crate) fn each_scope_is_drained_alone(desk: &Desk) {
    desk.epic("EPIC-1");
    desk.feature("FEAT-1", Some("EPIC-1"));
    desk.feature("FEAT-2", None);
    desk.add(&urgent("FIRST", "FEAT-2", 0));
    desk.task("A", "FEAT-1");
    desk.task("B", "FEAT-1");
    let scopes = [
        ScopeRef::Epic("EPIC-1".to_owned()),
        ScopeRef::Feature("FEAT-1".to_owned()),
        ScopeRef::Task("FIRST".to_owned()),
    ];
    let found = scopes.map(|scope| desk.try_claim(scope).unwrap());
    assert_eq!(found.each_ref().map(name_of), ["A", "B", "FIRST"]);
    let refused = desk.try_claim(ScopeRef::Epic("EPIC-1".to_owned()));
    assert_eq!(code(refused), Code::NothingReady);
    let unknown = desk.try_claim(ScopeRef::Epic("EPIC-9".to_owned()));
    assert_eq!(code(unknown), Code::NotFound);
}

pub(crate) fn a_named_task_is_claimed_or_refused(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    desk.task("B", "FEAT-1");
    let this = |text: &str| {
        desk.ada()
            .claim(&claims(WhichTask::This(text.to_owned()), 1))
    };
    assert_eq!(name_of(&this("B").unwrap()[0]), "B");
    let error = desk.unchanged(|| this("B")).unwrap_err();
    assert_eq!(error.code(), Code::Conflict);
    assert_eq!(error.details()["claimed_by"], "w1");
    assert_eq!(code(this("C")), Code::NotFound);
    desk.ada()
        .depend(&task_id("A"), &task_id("B"), false)
        .unwrap();
    let error = desk.unchanged(|| this("A")).unwrap_err();
    assert_eq!(error.code(), Code::NothingReady);
    assert_eq!(error.details()["reasons"][0], "dependencies");
}

/// More than are read from the store at once.
pub(crate) fn a_thousand_are_claimed_in_one_step(desk: &Desk) {
    desk.feature("FEAT-1", None);
    let batch: Vec<_> = (0..1_150)
        .map(|number| named(&format!("T-{number:04}"), "FEAT-1"))
        .collect();
    desk.ada().add_tasks(&batch).unwrap();
    let wanted = claims(WhichTask::Next(ScopeRef::Queue), 1_100);
    let claimed = desk.ada().claim(&wanted).unwrap();
    let expected: Vec<_> = (0..1_100).map(|number| format!("T-{number:04}")).collect();
    assert_eq!(claimed.iter().map(name_of).collect::<Vec<_>>(), expected);
    let rest = desk.ada().claim(&wanted).unwrap();
    assert_eq!(rest.len(), 50);
}

pub(crate) fn several_are_claimed_in_one_step(desk: &Desk) {
    desk.feature("FEAT-1", None);
    for id in ["A", "B", "C"] {
        desk.task(id, "FEAT-1");
    }
    let some = |count| {
        desk.ada()
            .claim(&claims(WhichTask::Next(ScopeRef::Queue), count))
    };
    let two = some(2).unwrap();
    assert_eq!(two.iter().map(name_of).collect::<Vec<_>>(), ["A", "B"]);
    let rest = some(10).unwrap();
    assert_eq!(rest.iter().map(name_of).collect::<Vec<_>>(), ["C"]);
    assert_eq!(code(some(10)), Code::NothingReady);
    for claim in two.iter().chain(&rest) {
        desk.finish(claim).unwrap();
    }
}

pub(crate) fn nothing_ready_says_what_waits_and_why(desk: &Desk) {
    let empty = desk.try_claim(ScopeRef::Queue).unwrap_err();
    assert_eq!(empty.details()["counts"]["total"], 0);
    for feature in ["FEAT-1", "FEAT-2"] {
        desk.feature(feature, None);
    }
    for id in ["BLOCKED", "WAITS", "CLAIMED", "FAILED"] {
        desk.task(id, "FEAT-1");
    }
    desk.task("HELD", "FEAT-2");
    desk.ada()
        .block(&task_id("BLOCKED"), None, &reason("no"), false)
        .unwrap();
    desk.ada()
        .depend(&task_id("WAITS"), &task_id("BLOCKED"), false)
        .unwrap();
    desk.ada()
        .hold(&any_feature("FEAT-2"), &reason("audit"), false)
        .unwrap();
    desk.claim_this("CLAIMED");
    let failed = desk.claim_this("FAILED");
    desk.fail(&failed, "red").unwrap();
    let error = desk
        .unchanged(|| desk.try_claim(ScopeRef::Queue))
        .unwrap_err();
    let AppError::NothingReady(waiting) = &error else {
        panic!("{error}");
    };
    assert_eq!(waiting.counts.total(), 5);
    let until = desk.get("FAILED").not_before.unwrap();
    assert_eq!(waiting.next_at, Some(until));
    let told: Vec<(&str, &[NotReady], Option<&str>)> = waiting
        .first
        .iter()
        .map(|(id, reasons, by)| (id.as_str(), reasons.as_slice(), by.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            ("BLOCKED", &[NotReady::Blocked][..], None),
            ("WAITS", &[NotReady::Dependencies][..], None),
            ("CLAIMED", &[NotReady::Claimed][..], Some("w1")),
            ("FAILED", &[NotReady::NotBefore(until)][..], None),
            ("HELD", &[NotReady::HeldAbove][..], None),
        ]
    );
    let details = error.details();
    assert_eq!(details["waiting"][2]["claimed_by"], "w1");
    assert!(details["waiting"][3]["until"].is_string());
}

pub(crate) fn a_lost_lease_is_taken_back_by_any_claim(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.feature("FEAT-2", None);
    desk.task("A", "FEAT-1");
    let first = desk.claim();
    desk.pass_time(LEASE.as_secs() - 1);
    assert!(desk.ada().reap().unwrap().tasks.is_empty());
    desk.pass_time(1);
    // Nothing is ready in that scope, and yet the lease is taken back.
    let other = desk.try_claim(ScopeRef::Feature("FEAT-2".to_owned()));
    assert_eq!(code(other), Code::NothingReady);
    let task = desk.get("A");
    assert_eq!((task.status, task.retries_used), (Status::Pending, 1));
    assert_eq!((task.not_before, task.lost_in_a_row), (None, 1));
    let second = desk.claim();
    assert_eq!((name_of(&second), second.token.attempt), ("A", 2));
    let last = second.last_failure.as_ref().unwrap();
    assert_eq!((last.attempt, last.outcome), (1, Outcome::Lost));
    assert_eq!(code(desk.finish(&first)), Code::Conflict);
    desk.finish(&second).unwrap();
}

pub(crate) fn three_lost_in_a_row_are_poison(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    desk.task("B", "FEAT-1");
    for round in 1..=3 {
        desk.claim_this("A");
        desk.pass_time(LEASE.as_secs());
        let reaped = desk.ada().reap().unwrap().tasks;
        assert_eq!(reaped.len(), 1, "round {round}");
    }
    let task = desk.get("A");
    assert_eq!((task.status, task.retries_used), (Status::Blocked, 3));
    assert!(task.blocked_reason.unwrap().as_str().contains("poison"));
    assert_eq!(name_of(&desk.claim()), "B");
    // A failure in between is no loss.
    desk.ada().unblock(&task_id("A")).unwrap();
    for lost in [true, true, false, true, true] {
        let claim = desk.claim_this("A");
        if lost {
            desk.pass_time(LEASE.as_secs());
        } else {
            desk.fail(&claim, "red").unwrap();
            desk.pass_time(4_000);
        }
        desk.ada().reap().unwrap();
    }
    assert_eq!(desk.status("A"), Status::Pending);
}

pub(crate) fn a_stale_token_changes_nothing_but_the_late_message(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    let first = desk.claim();
    desk.pass_time(LEASE.as_secs());
    let second = desk.claim();
    let worker = desk.worker(&first);
    let silent = desk.unchanged(|| worker.heartbeat(&holder(&first), None));
    assert_eq!(code(silent), Code::Conflict);
    let silent = desk.unchanged(|| desk.finish(&first));
    assert_eq!(code(silent), Code::Conflict);
    let before = desk.contents();
    assert_eq!(code(desk.fail(&first, "late red")), Code::Conflict);
    let after = desk.contents();
    assert_eq!(after.tasks, before.tasks);
    let late = after.attempts[0].late_message.as_ref().unwrap();
    assert_eq!(late.as_str(), "late red");
    assert_eq!(after.attempts[1], before.attempts[1]);
    assert_eq!(after.events.len(), before.events.len() + 1);
    let wrong = tasq_domain::Token {
        nonce: first.token.nonce ^ 1,
        ..first.token
    };
    let forged = completing(id_of(&first), Some(wrong));
    let forged = desk.unchanged(|| worker.complete(&forged));
    assert_eq!(code(forged), Code::Conflict);
    desk.finish(&second).unwrap();
}

pub(crate) fn time_alone_refuses_nothing(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    let claim = desk.claim();
    desk.pass_time(100_000);
    desk.worker(&claim)
        .heartbeat(&holder(&claim), None)
        .unwrap();
    desk.pass_time(100_000);
    desk.finish(&claim).unwrap();
    assert_eq!(desk.status("A"), Status::Completed);
}

pub(crate) fn no_two_claims_share_a_token(desk: &Desk) {
    desk.feature("FEAT-1", None);
    for n in 0..20 {
        desk.task(&format!("T{n}"), "FEAT-1");
    }
    let mut tokens = BTreeSet::new();
    for _ in 0..3 {
        let wanted = claims(WhichTask::Next(ScopeRef::Queue), 20);
        for claim in desk.ada().claim(&wanted).unwrap() {
            assert!(tokens.insert(claim.token.to_string()), "{}", claim.token);
            desk.worker(&claim)
                .release(&super::desk::releasing(&claim))
                .unwrap();
        }
        // A worker that gives a task back again has to wait for it.
        desk.pass_time(3_600);
    }
    assert_eq!(tokens.len(), 60);
}

pub(crate) fn a_claim_tells_what_the_last_attempt_left(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    let first = desk.claim();
    assert_eq!(
        (first.last_failure.as_ref(), first.checkpoint.as_ref()),
        (None, None)
    );
    for summary in ["a third", "half"] {
        let new = AddCheckpoint {
            summary: reason(summary),
            next_steps: vec!["go on".to_owned()],
            data: None,
        };
        desk.worker(&first)
            .checkpoint(&holder(&first), &new)
            .unwrap();
    }
    desk.fail(&first, "tests are red").unwrap();
    desk.pass_time(10);
    let second = desk.claim();
    let failure = second.last_failure.unwrap();
    assert_eq!(failure.message.unwrap().as_str(), "tests are red");
    assert_eq!((failure.attempt, failure.outcome), (1, Outcome::Failed));
    assert_eq!(second.checkpoint.unwrap().summary.as_str(), "half");
}

pub(crate) fn a_heartbeat_extends_and_never_shortens(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    let claim = desk.claim();
    desk.pass_time(30);
    let beat = |lease: Option<u64>| {
        let lease = lease.map(Duration::from_secs);
        let told = desk.told(|| {
            desk.worker(&claim)
                .heartbeat(&holder(&claim), lease)
                .unwrap();
        });
        assert_eq!(told, [""; 0], "a heartbeat is no event");
        desk.get("A").claim.unwrap().lease_expires_at
    };
    let extended = claim.lease_expires_at.after(Duration::from_secs(30));
    assert_eq!(beat(None), extended);
    assert_eq!(beat(Some(1)), extended);
    let now = tasq_ports::Clock::now(&desk.bench.clock);
    assert_eq!(beat(Some(900)), now.after(Duration::from_secs(900)));
    let week = Duration::from_secs(7 * 24 * 3_600);
    assert_eq!(beat(Some(u64::MAX)), now.after(week));
}

pub(crate) fn a_lease_of_no_time_is_refused(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    let wanted = ClaimTasks {
        lease: Duration::ZERO,
        ..claims(WhichTask::Next(ScopeRef::Queue), 1)
    };
    assert_eq!(
        code(desk.unchanged(|| desk.ada().claim(&wanted))),
        Code::Usage
    );
}

pub(crate) fn a_checkpoint_needs_the_open_attempt(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    let claim = desk.claim();
    let new = AddCheckpoint {
        summary: reason("half"),
        next_steps: Vec::new(),
        data: None,
    };
    let made = desk
        .worker(&claim)
        .checkpoint(&holder(&claim), &new)
        .unwrap();
    assert_eq!((made.attempt, made.summary.as_str()), (1, "half"));
    desk.finish(&claim).unwrap();
    let late = desk.worker(&claim).checkpoint(&holder(&claim), &new);
    assert_eq!(code(late), Code::Conflict);
    let contents = desk.contents();
    assert_eq!(contents.checkpoints.len(), 1);
    assert_eq!(contents.attempts[0].late_message, Some(reason("half")));
}

pub(crate) fn a_person_looks_at_the_next_task_that_a_claim_would_get(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.add(&urgent("FIRST", "FEAT-1", 0));
    desk.task("SECOND", "FEAT-1");
    let next = || {
        let view = desk.unchanged(|| desk.ada().next(&ScopeRef::Queue));
        view.map(|view| view.record.task.id.to_string())
    };
    assert_eq!(next().unwrap(), "FIRST");
    let claim = desk.claim();
    assert_eq!(next().unwrap(), "SECOND");
    desk.pass_time(LEASE.as_secs());
    assert_eq!(next().unwrap(), "FIRST");
    assert_eq!(name_of(&desk.claim()), name_of(&claim));
    desk.claim();
    assert_eq!(code(next()), Code::NothingReady);
}
