//! What persons do: block, unblock, reopen, retry, cancel, and edit a budget.

use tasq_domain::life::{self, Refusal, Writer, broken_invariant, import_budget};
use tasq_domain::{
    Actor, EventKind, Outcome, Proof, RetryBudget, Status, Task, TestStatus, Timestamp,
};

use crate::fixture::{
    ada, asked_to_stop, at, blocked, claimed, completed, held_by_hand, held_by_w1, judged, outcome,
    pending, person, test_case, why, with_budget, wrong_status,
};

fn budget(number: i64) -> RetryBudget {
    RetryBudget::new(number).unwrap()
}

/// Blocked, with everything set that a reset clears.
fn spent() -> Task {
    Task {
        lost_in_a_row: 2,
        attempts: 3,
        retries_used: 2,
        retry_budget: budget(2),
        ..blocked()
    }
}

fn assert_fresh(task: &Task) {
    assert_eq!(
        (task.status, task.retries_used, task.lost_in_a_row),
        (Status::Pending, 0, 0)
    );
    assert_eq!(
        (&task.blocked_reason, task.not_before, &task.claim),
        (&None, None, &None)
    );
    assert_eq!((task.completed_at, &task.proof), (None, &None));
    assert_eq!(broken_invariant(task), None);
}

#[test]
fn a_person_blocks_what_nobody_holds() {
    for task in [pending(), blocked(), held_by_hand()] {
        let step = life::block(&task, &person(false), why("wait"), at(50)).unwrap();
        assert_eq!(
            (step.task.status, step.event),
            (Status::Blocked, EventKind::Blocked)
        );
        assert_eq!(
            (step.task.blocked_reason, step.closed),
            (Some(why("wait")), None)
        );
    }
}

#[test]
fn a_person_blocks_a_claimed_task_only_by_insisting() {
    let (task, _) = claimed();
    let refusal = life::block(&task, &person(false), why("wait"), at(50));
    assert_eq!(refusal, Err(held_by_w1()));
    let step = life::block(&task, &person(true), why("wait"), at(50)).unwrap();
    assert_eq!(
        (outcome(&step), step.task.claim),
        (Some(Outcome::Cancelled), None)
    );
}

#[test]
fn a_holder_blocks_its_task_uncharged() {
    let (task, token) = claimed();
    let step = life::block(&task, &Writer::Holder(token), why("no access"), at(50)).unwrap();
    let (_, end) = step.closed.unwrap();
    assert_eq!(
        (end.outcome, end.message),
        (Outcome::Blocked, Some(why("no access")))
    );
    assert_eq!(
        (step.task.status, step.task.retries_used),
        (Status::Blocked, 0)
    );
}

#[test]
fn a_completed_task_is_left_only_by_reopening() {
    let task = completed();
    let refused = |verb| Err(wrong_status(Status::Completed, verb));
    assert_eq!(
        life::block(&task, &person(true), why("x"), at(50)),
        refused("blocked")
    );
    assert_eq!(life::unblock(&task, at(50)), refused("unblocked"));
    assert_eq!(life::retry(&task, false, at(50)), refused("retried"));
    assert_eq!(life::cancel(&task, &ada(), at(50)), refused("cancelled"));
    let step = life::reopen(&task, false, at(50)).unwrap();
    assert_eq!(step.event, EventKind::Reopened);
    assert_fresh(&step.task);
}

#[test]
fn unblocking_gives_a_fresh_budget_and_keeps_the_attempts() {
    let step = life::unblock(&spent(), at(50)).unwrap();
    assert_fresh(&step.task);
    assert_eq!((step.task.attempts, step.task.updated_at), (3, at(50)));
    let claimed = claimed().0;
    for task in [pending(), claimed, held_by_hand()] {
        let refusal = life::unblock(&task, at(50));
        assert_eq!(refusal, Err(wrong_status(task.status, "unblocked")));
    }
}

#[test]
fn unblocking_cancels_a_claim_that_was_left_by_hand() {
    let (task, token) = claimed();
    let by_hand = Task {
        status: Status::Blocked,
        ..task
    };
    let step = life::unblock(&by_hand, at(50)).unwrap();
    let (closed, end) = step.closed.unwrap();
    assert_eq!((closed, end.outcome), (token, Outcome::Cancelled));
    assert_fresh(&step.task);
}

#[test]
fn reopening_takes_what_is_not_pending_and_a_claim_only_by_insisting() {
    for task in [spent(), held_by_hand()] {
        assert_fresh(&life::reopen(&task, false, at(50)).unwrap().task);
    }
    let refusal = life::reopen(&pending(), true, at(50));
    assert_eq!(refusal, Err(wrong_status(Status::Pending, "reopened")));
    let (task, _) = claimed();
    assert_eq!(life::reopen(&task, false, at(50)), Err(held_by_w1()));
    let step = life::reopen(&task, true, at(50)).unwrap();
    assert_eq!(outcome(&step), Some(Outcome::Cancelled));
    assert_fresh(&step.task);
}

#[test]
fn a_retry_makes_a_waiting_or_blocked_task_ready_with_a_fresh_budget() {
    let waiting = Task {
        not_before: Some(at(500)),
        ..with_budget(15, 3)
    };
    for task in [waiting, spent()] {
        let step = life::retry(&task, false, at(50)).unwrap();
        assert_eq!(step.event, EventKind::Retried);
        assert_fresh(&step.task);
    }
}

#[test]
fn a_retry_may_keep_the_count_while_something_is_left() {
    let task = with_budget(3, 2);
    assert_eq!(
        life::retry(&task, true, at(50)).unwrap().task.retries_used,
        2
    );
    assert_eq!(
        life::retry(&spent(), true, at(50)),
        Err(Refusal::NoRetryLeft)
    );
}

#[test]
fn what_runs_is_not_retried() {
    assert_eq!(life::retry(&claimed().0, false, at(50)), Err(held_by_w1()));
    let refusal = life::retry(&held_by_hand(), false, at(50));
    assert_eq!(refusal, Err(wrong_status(Status::InProgress, "retried")));
}

#[test]
fn cancelling_asks_a_holder_and_takes_nothing_away() {
    let (task, token) = claimed();
    let step = life::cancel(&task, &ada(), at(20)).unwrap();
    assert_eq!(
        (step.event, step.closed),
        (EventKind::CancelRequested, None)
    );
    assert_eq!(step.task.status, Status::InProgress);
    let held = step.task.claim.unwrap();
    assert_eq!(held.token, token);
    assert_eq!(
        held.cancel.map(|cancel| (cancel.by, cancel.at)),
        Some((ada(), at(20)))
    );
}

#[test]
fn the_first_who_asks_a_holder_to_stop_is_remembered() {
    let (task, _) = asked_to_stop();
    let bob = Actor::new("bob").unwrap();
    let again = life::cancel(&task, &bob, at(30)).unwrap().task;
    assert_eq!(again.claim.unwrap().cancel.unwrap().by, ada());
}

#[test]
fn cancelling_what_nobody_holds_blocks_it_at_once() {
    for task in [pending(), blocked(), held_by_hand()] {
        let step = life::cancel(&task, &ada(), at(50)).unwrap();
        assert_eq!((step.event, step.closed), (EventKind::Blocked, None));
        assert_eq!(step.task.blocked_reason, Some(why("cancelled by ada")));
    }
}

#[test]
fn cancelling_clears_a_claim_that_was_left_by_hand() {
    let by_hand = Task {
        status: Status::Pending,
        ..claimed().0
    };
    let step = life::cancel(&by_hand, &ada(), at(50)).unwrap();
    assert_eq!(
        (outcome(&step), step.task.status),
        (Some(Outcome::Cancelled), Status::Blocked)
    );
    assert_eq!(broken_invariant(&step.task), None);
}

#[test]
fn a_smaller_budget_cuts_the_count_and_blocks_what_has_nothing_left() {
    for (used, new, kept, status) in [
        (3, 4, 3, Status::Pending),
        (3, 3, 3, Status::Blocked),
        (3, 1, 1, Status::Blocked),
        (3, 0, 0, Status::Blocked),
        (0, 0, 0, Status::Pending),
        (0, 1, 0, Status::Pending),
    ] {
        let after = life::edit_budget(&with_budget(15, used), budget(new), at(50));
        assert_eq!(
            (after.retries_used, after.status),
            (kept, status),
            "{used} of {new}"
        );
        assert_eq!(
            (after.retry_budget, after.updated_at),
            (budget(new), at(50))
        );
        assert_eq!(broken_invariant(&after), None);
    }
}

#[test]
fn a_new_budget_moves_nothing_that_is_not_pending() {
    let held = Task {
        retries_used: 3,
        ..claimed().0
    };
    for task in [held, completed(), blocked()] {
        let after = life::edit_budget(&task, budget(1), at(50));
        assert_eq!((after.status, after.claim), (task.status, task.claim));
        assert_eq!(after.blocked_reason, task.blocked_reason);
    }
}

#[test]
fn an_import_keeps_its_count_within_the_budget_and_gets_one_try_back() {
    for (used, of, status, expected) in [
        (0, 15, Status::Pending, (0, false)),
        (14, 15, Status::Pending, (14, false)),
        (15, 15, Status::Pending, (14, true)),
        (99, 15, Status::Pending, (14, true)),
        (u64::MAX, 1_000, Status::Blocked, (1_000, true)),
        (15, 15, Status::Blocked, (15, false)),
        (15, 15, Status::Completed, (15, false)),
        (1, 1, Status::Pending, (0, true)),
        (1, 0, Status::Pending, (0, true)),
        (0, 0, Status::Pending, (0, false)),
    ] {
        assert_eq!(
            import_budget(used, budget(of), status),
            expected,
            "{used}/{of} {status}"
        );
    }
}

#[test]
fn each_broken_rule_is_named() {
    let spoil = |mut task: Task, spoil: fn(&mut Task)| {
        spoil(&mut task);
        broken_invariant(&task).unwrap().0
    };
    let held = || claimed().0;
    for (found, rule) in [
        (spoil(held(), |t| t.status = Status::Blocked), "has a claim"),
        (spoil(held(), |t| t.attempts = 9), "is the newest"),
        (
            spoil(held(), |t| {
                t.claim.as_mut().unwrap().lease_expires_at = at(9)
            }),
            "a lease",
        ),
        (spoil(with_budget(2, 3), |_| ()), "within the budget"),
        (spoil(with_budget(2, 2), |_| ()), "no retry left is blocked"),
        (
            spoil(pending(), |t| t.lost_in_a_row = 3),
            "in a row is blocked",
        ),
        (
            spoil(pending(), |t| t.blocked_reason = Some(why("x"))),
            "has a reason",
        ),
        (
            spoil(completed(), |t| t.completed_at = None),
            "completion time",
        ),
        (
            spoil(pending(), |t| t.completed_at = Some(at(1))),
            "completion time",
        ),
        (
            spoil(pending(), |t| t.proof = Some(Proof::Unproven)),
            "has a proof",
        ),
        (
            spoil(blocked(), |t| t.not_before = Some(at(1))),
            "waits for a time",
        ),
        (spoil(pending(), |t| t.updated_at = at(-1)), "backwards"),
    ] {
        assert!(found.contains(rule), "{rule}: {found}");
    }
    for sound in [
        pending(),
        blocked(),
        completed(),
        held_by_hand(),
        held(),
        asked_to_stop().0,
    ] {
        assert_eq!(broken_invariant(&sound), None);
    }
}

#[test]
fn no_transition_turns_a_tasks_time_back() {
    let later = |task: Task| Task {
        updated_at: at(1_000),
        ..task
    };
    let now: Timestamp = at(-5);
    let tasks = [
        life::block(&later(pending()), &person(false), why("x"), now)
            .unwrap()
            .task,
        life::unblock(&later(blocked()), now).unwrap().task,
        life::reopen(&later(blocked()), false, now).unwrap().task,
        life::retry(&later(pending()), false, now).unwrap().task,
        life::cancel(&later(pending()), &ada(), now).unwrap().task,
        life::edit_budget(&later(pending()), budget(1), now),
    ];
    for task in tasks {
        assert_eq!(task.updated_at, at(1_000));
    }
    let test = judged(&test_case("T", true, false), true, None, at(1_000));
    let again = judged(&test, false, None, now);
    assert_eq!(
        (again.updated_at, again.last.unwrap().at),
        (at(1_000), at(1_000))
    );
    let reset = life::reset_test(&test, now).unwrap();
    assert_eq!(
        (reset.updated_at, reset.status),
        (at(1_000), TestStatus::Pending)
    );
}
