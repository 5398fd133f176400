//! Claims: made, renewed, lost, and spoken for too late.

use std::time::Duration;

use tasq_domain::life::{self, FailureKind, MAX_LEASE_SECS, Refusal, broken_invariant};
use tasq_domain::ready::NotReady;
use tasq_domain::{EventKind, Outcome, Status, Task, Token};

use crate::fixture::{
    asked_to_stop, at, claim, claimed, claimed_by_process, fail, grant, hold, outcome, pending,
    process, record, why, with_budget,
};

#[test]
fn a_claim_opens_the_next_attempt_with_a_token_and_a_lease() {
    let task = Task {
        attempts: 4,
        not_before: Some(at(10)),
        ..pending()
    };
    let (step, attempt) = life::claim(&record(&task), grant(7), at(10)).unwrap();
    let token = Token {
        attempt: 5,
        nonce: 7,
    };
    assert_eq!((step.event, step.closed), (EventKind::Claimed, None));
    assert_eq!(
        (attempt.token, attempt.started_at, attempt.end),
        (token, at(10), None)
    );
    assert_eq!(
        (step.task.status, step.task.attempts),
        (Status::InProgress, 5)
    );
    assert_eq!((step.task.updated_at, step.task.not_before), (at(10), None));
    let held = step.task.claim.unwrap();
    assert_eq!(
        (held.token, held.lease_expires_at, held.cancel),
        (token, at(100), None)
    );
}

#[test]
fn a_task_that_is_not_ready_is_refused_with_every_reason() {
    let mut task = record(&Task {
        hold: Some(hold()),
        not_before: Some(at(11)),
        ..pending()
    });
    task.open_dependencies = 1;
    task.held_above = true;
    let refusal = life::claim(&task, grant(7), at(10)).unwrap_err();
    let reasons = vec![
        NotReady::Dependencies,
        NotReady::NotBefore(at(11)),
        NotReady::OnHold,
        NotReady::HeldAbove,
    ];
    assert_eq!(refusal, Refusal::NotReady(reasons));
}

#[test]
fn a_claimed_task_is_not_claimed_again() {
    let (task, _) = claimed();
    let refusal = life::claim(&record(&task), grant(8), at(1_000)).unwrap_err();
    assert_eq!(refusal, Refusal::NotReady(vec![NotReady::Claimed]));
}

#[test]
fn a_lease_is_cut_to_a_week() {
    let mut long = grant(7);
    long.lease = Duration::from_secs(u64::MAX);
    let (step, attempt) = life::claim(&record(&pending()), long, at(10)).unwrap();
    let week = at(10).after(Duration::from_secs(MAX_LEASE_SECS));
    assert_eq!(step.task.claim.as_ref().unwrap().lease_expires_at, week);
    let renewed = life::heartbeat(&step.task, attempt.token, Some(Duration::MAX), at(20)).unwrap();
    let lease = renewed.task.claim.unwrap();
    assert_eq!(lease.lease, Duration::from_secs(MAX_LEASE_SECS));
    assert_eq!(lease.lease_expires_at, week.after(Duration::from_secs(10)));
}

/// Or a store would say something else than whoever has just claimed.
#[test]
fn a_lease_is_cut_to_whole_microseconds() {
    let mut fine = grant(7);
    fine.lease = Duration::from_nanos(5_000_999);
    let (step, attempt) = life::claim(&record(&pending()), fine, at(10)).unwrap();
    let held = step.task.claim.as_ref().unwrap().lease;
    assert_eq!(held, Duration::from_micros(5_000));
    let asked = Some(Duration::from_nanos(7_000_001));
    let renewed = life::heartbeat(&step.task, attempt.token, asked, at(20)).unwrap();
    let held = renewed.task.claim.unwrap().lease;
    assert_eq!(held, Duration::from_micros(7_000));
}

#[test]
fn a_claim_after_the_clock_went_back_begins_when_the_task_last_changed() {
    let task = Task {
        updated_at: at(500),
        ..pending()
    };
    let (step, attempt) = life::claim(&record(&task), grant(7), at(10)).unwrap();
    assert_eq!(
        (attempt.started_at, step.task.updated_at),
        (at(500), at(500))
    );
    assert_eq!(step.task.claim.unwrap().lease_expires_at, at(590));
}

#[test]
fn a_task_that_was_made_pending_by_hand_is_claimed_without_what_it_left_behind() {
    let (held, old) = claimed();
    let by_hand = Task {
        status: Status::Pending,
        blocked_reason: Some(why("stuck")),
        completed_at: Some(at(5)),
        proof: Some(tasq_domain::Proof::Unproven),
        ..held
    };
    let (step, attempt) = life::claim(&record(&by_hand), grant(8), at(20)).unwrap();
    assert_eq!(attempt.token.attempt, 2);
    let (token, end) = step.closed.unwrap();
    assert_eq!((token, end.outcome), (old, Outcome::Cancelled));
    assert_eq!(broken_invariant(&step.task), None);
    assert_eq!(step.task.claim.unwrap().token, attempt.token);
}

#[test]
fn only_the_token_of_the_open_attempt_is_the_holders() {
    let (task, token) = claimed();
    assert_eq!(life::holder(&task, token).unwrap().token, token);
    for wrong in [
        Token { nonce: 8, ..token },
        Token {
            attempt: 2,
            ..token
        },
    ] {
        assert_eq!(life::holder(&task, wrong), Err(Refusal::StaleClaim));
    }
    assert_eq!(life::holder(&pending(), token), Err(Refusal::StaleClaim));
}

#[test]
fn a_status_given_by_hand_takes_the_claim_away() {
    for status in [Status::Pending, Status::Completed, Status::Blocked] {
        let (task, token) = claimed();
        let task = Task { status, ..task };
        assert_eq!(
            life::holder(&task, token),
            Err(Refusal::StaleClaim),
            "{status}"
        );
        let step = life::expire(&record(&task), at(100)).unwrap();
        assert_eq!(
            (step.task.status, outcome(&step)),
            (status, Some(Outcome::Cancelled))
        );
        assert_eq!((step.task.retries_used, step.task.claim), (0, None));
    }
}

#[test]
fn a_heartbeat_extends_the_lease_and_changes_nothing_else() {
    let (task, token) = claimed();
    let renewed = life::heartbeat(&task, token, None, at(50)).unwrap();
    assert!(!renewed.cancel_requested);
    let mut expected = task;
    expected.claim.as_mut().unwrap().lease_expires_at = at(140);
    assert_eq!(renewed.task, expected);
}

#[test]
fn a_heartbeat_never_shortens_what_is_left() {
    let (task, token) = claimed();
    for (lease, now) in [(Some(Duration::from_secs(1)), at(20)), (None, at(-1_000))] {
        let renewed = life::heartbeat(&task, token, lease, now).unwrap();
        assert_eq!(renewed.task.claim.unwrap().lease_expires_at, at(100));
    }
}

#[test]
fn a_heartbeat_after_the_lease_ran_out_is_accepted_while_the_attempt_is_open() {
    let (task, token) = claimed();
    let renewed = life::heartbeat(&task, token, None, at(5_000)).unwrap();
    assert_eq!(renewed.task.claim.unwrap().lease_expires_at, at(5_090));
}

#[test]
fn a_stale_heartbeat_is_refused() {
    let (task, token) = claimed();
    let stale = Token { nonce: 8, ..token };
    assert_eq!(
        life::heartbeat(&task, stale, None, at(20)),
        Err(Refusal::StaleClaim)
    );
}

#[test]
fn a_heartbeat_tells_that_the_holder_is_asked_to_stop() {
    let (task, token) = asked_to_stop();
    assert!(
        life::heartbeat(&task, token, None, at(30))
            .unwrap()
            .cancel_requested
    );
}

#[test]
fn a_lease_runs_out_at_its_end_and_not_before() {
    let (task, token) = claimed();
    assert_eq!(life::expire(&record(&task), at(99)), None);
    assert_eq!(life::expire(&record(&pending()), at(1_000)), None);
    let step = life::expire(&record(&task), at(100)).unwrap();
    let (closed, end) = step.closed.clone().unwrap();
    assert_eq!(
        (closed, end.at, end.outcome),
        (token, at(100), Outcome::Lost)
    );
    assert_eq!(
        (step.event, step.task.status),
        (EventKind::Lost, Status::Pending)
    );
    assert_eq!((step.task.retries_used, step.task.lost_in_a_row), (1, 1));
    assert!(tasq_domain::ready::is_ready(&record(&step.task), at(100)));
}

#[test]
fn a_lost_lease_that_spends_the_budget_blocks() {
    for (budget, used, status, charged) in [
        (0, 0, Status::Blocked, 0),
        (1, 0, Status::Blocked, 1),
        (2, 0, Status::Pending, 1),
        (2, 1, Status::Blocked, 2),
    ] {
        let (task, _) = claim(&with_budget(budget, used), at(10));
        let after = life::expire(&record(&task), at(100)).unwrap().task;
        assert_eq!(
            (after.status, after.retries_used),
            (status, charged),
            "{budget} {used}"
        );
        assert_eq!(after.blocked_reason.is_some(), status == Status::Blocked);
    }
}

#[test]
fn a_claim_whose_process_is_gone_is_lost_whatever_is_left_of_its_lease() {
    let (task, token) = claimed_by_process(&pending(), 5);
    assert_eq!(task.claim.as_ref().unwrap().process, Some(process(5)));
    assert_eq!(life::expire(&record(&task), at(11)), None);
    let step = life::abandon(&record(&task), &process(5), at(11)).unwrap();
    let (closed, end) = step.closed.unwrap();
    assert_eq!(
        (closed, end.outcome, end.at),
        (token, Outcome::Lost, at(11))
    );
    assert_eq!(end.message, Some(why("its process is gone")));
    assert_eq!(step.event, EventKind::Lost);
    let after = step.task;
    assert_eq!(
        (after.status, after.retries_used, after.lost_in_a_row),
        (Status::Pending, 1, 1)
    );
    assert_eq!(after.claim, None);
}

#[test]
fn only_the_process_on_the_claim_takes_the_claim_with_it() {
    let (task, _) = claimed_by_process(&pending(), 5);
    assert_eq!(life::abandon(&record(&task), &process(6), at(11)), None);
    let (by_hand, _) = claimed();
    assert_eq!(life::abandon(&record(&by_hand), &process(5), at(11)), None);
    assert_eq!(
        life::abandon(&record(&pending()), &process(5), at(11)),
        None
    );
}

#[test]
fn the_lease_of_a_claim_with_a_process_runs_out_as_well() {
    let (task, _) = claimed_by_process(&pending(), 5);
    let (_, end) = life::expire(&record(&task), at(100))
        .unwrap()
        .closed
        .unwrap();
    assert_eq!((end.outcome, end.message), (Outcome::Lost, None));
}

#[test]
fn a_heartbeat_keeps_the_process_of_the_claim() {
    let (task, token) = claimed_by_process(&pending(), 5);
    let renewed = life::heartbeat(&task, token, None, at(20)).unwrap();
    assert_eq!(renewed.task.claim.unwrap().process, Some(process(5)));
}

#[test]
fn a_worker_that_died_three_times_blocks_its_task() {
    let mut task = pending();
    for expected in [Status::Pending, Status::Pending, Status::Blocked] {
        let (held, _) = claimed_by_process(&task, 5);
        task = life::abandon(&record(&held), &process(5), at(11))
            .unwrap()
            .task;
        assert_eq!(task.status, expected);
    }
    assert!(task.blocked_reason.unwrap().as_str().starts_with("poison"));
}

#[test]
fn three_lost_in_a_row_block_and_any_other_end_starts_the_row_again() {
    let mut task = pending();
    for expected in [Status::Pending, Status::Pending, Status::Blocked] {
        let (held, _) = claim(&task, task.updated_at);
        task = life::expire(
            &record(&held),
            held.updated_at.after(Duration::from_secs(90)),
        )
        .unwrap()
        .task;
        assert_eq!(task.status, expected);
    }
    assert!(task.blocked_reason.unwrap().as_str().starts_with("poison"));

    let twice = Task {
        lost_in_a_row: 2,
        ..pending()
    };
    let (held, token) = claim(&twice, at(10));
    let failed = fail(&held, token, FailureKind::Failed, at(20)).unwrap();
    assert_eq!(failed.task.lost_in_a_row, 0);
    let released = life::release(&record(&held), token, None, None, None, at(20)).unwrap();
    assert_eq!(released.task.lost_in_a_row, 0);
}

#[test]
fn a_lost_lease_does_not_forget_that_the_holder_was_to_stop() {
    let (task, _) = asked_to_stop();
    let step = life::expire(&record(&task), at(100)).unwrap();
    assert_eq!(
        (outcome(&step), step.task.retries_used),
        (Some(Outcome::Lost), 1)
    );
    assert_eq!(step.task.status, Status::Blocked);
    assert_eq!(step.task.blocked_reason, Some(why("cancelled by ada")));

    let on_hold = Task {
        hold: Some(hold()),
        ..task
    };
    assert_eq!(
        life::expire(&record(&on_hold), at(100))
            .unwrap()
            .task
            .status,
        Status::Pending
    );
}

#[test]
fn a_late_message_stays_on_its_own_closed_attempt() {
    let (step, open) = life::claim(&record(&pending()), grant(7), at(10)).unwrap();
    let (_, end) = life::expire(&record(&step.task), at(100))
        .unwrap()
        .closed
        .unwrap();
    let mut closed = open.clone();
    closed.end = Some(end);
    let message = || Some(why("I had it"));
    assert_eq!(life::late(&open, open.token, message()), None, "still open");
    assert_eq!(life::late(&closed, open.token, None), None, "nothing said");
    let other = Token {
        nonce: 8,
        ..open.token
    };
    assert_eq!(
        life::late(&closed, other, message()),
        None,
        "another's token"
    );
    let spoken = life::late(&closed, open.token, message()).unwrap();
    assert_eq!(spoken.late_message, message());
    closed.late_message = message();
    assert_eq!(spoken, closed);
}
