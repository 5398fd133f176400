//! Completing, failing, releasing.

use std::time::Duration;

use tasq_domain::life::{
    self, Completion, FailureKind, Gate, Refusal, Step, Writer, broken_invariant,
};
use tasq_domain::{
    EventKind, Outcome, Proof, RetryBudget, Status, Task, TestCase, Timestamp, Token,
};

use crate::fixture::{
    ada, asked_to_stop, at, blocked, claim, claimed, completed, fail, held_by_hand, held_by_w1,
    hold, judged, outcome, pending, person, record, test_case, why, with_budget, wrong_status,
};

fn complete(task: &Task, writer: &Writer, tests: &[TestCase]) -> Result<Step, Refusal> {
    let done = Completion::default();
    life::complete(task, writer, tests, Gate::TestsOptional, done, at(50))
}

fn insisting() -> Completion {
    Completion {
        override_reason: Some(why("I looked")),
        ..Completion::default()
    }
}

fn release(task: &Task, token: Token, not_before: Option<Timestamp>) -> Result<Step, Refusal> {
    life::release(
        &record(task),
        token,
        not_before,
        Some(why("back")),
        None,
        at(50),
    )
}

#[test]
fn a_holder_completes_what_its_attempt_proved() {
    let (task, token) = claimed();
    let tests = [judged(&test_case("T", true, false), true, Some(1), at(30))];
    let done = Completion {
        summary: Some(why("done")),
        exit_code: Some(0),
        ..Completion::default()
    };
    let writer = Writer::Holder(token);
    let step = life::complete(&task, &writer, &tests, Gate::TestsRequired, done, at(50)).unwrap();
    let (closed, end) = step.closed.unwrap();
    assert_eq!(
        (closed, end.at, end.outcome),
        (token, at(50), Outcome::Completed)
    );
    assert_eq!((end.exit_code, end.message), (Some(0), Some(why("done"))));
    assert_eq!(
        (step.event, step.task.status),
        (EventKind::Completed, Status::Completed)
    );
    assert_eq!(
        (step.task.proof, step.task.completed_at),
        (Some(Proof::Tests), Some(at(50)))
    );
    assert_eq!(step.task.claim, None);
}

#[test]
fn a_result_of_another_attempt_proves_nothing_to_a_holder() {
    let (task, token) = claim(
        &Task {
            attempts: 1,
            ..pending()
        },
        at(10),
    );
    let test = test_case("T", true, false);
    for (name, tests) in [
        ("never ran", test.clone()),
        ("earlier attempt", judged(&test, true, Some(1), at(5))),
        ("no attempt", judged(&test, true, None, at(30))),
        ("failed here", judged(&test, false, Some(2), at(30))),
    ] {
        let refusal = complete(&task, &Writer::Holder(token), std::slice::from_ref(&tests));
        assert_eq!(refusal, Err(Refusal::NotVerified(vec![tests.id])), "{name}");
    }
    let passed = [judged(&test, true, Some(2), at(30))];
    assert!(complete(&task, &Writer::Holder(token), &passed).is_ok());
}

#[test]
fn a_person_completes_what_passed_since_it_was_reopened() {
    let test = judged(&test_case("T", true, false), true, Some(1), at(5));
    let step = complete(&pending(), &person(false), std::slice::from_ref(&test)).unwrap();
    assert_eq!((step.task.proof, step.closed), (Some(Proof::Tests), None));
    let reset = life::reset_test(&test, at(6)).unwrap();
    let refusal = complete(&pending(), &person(false), std::slice::from_ref(&reset));
    assert_eq!(refusal, Err(Refusal::NotVerified(vec![reset.id])));
}

#[test]
fn a_task_without_gating_tests_completes_unproven_unless_proof_is_required() {
    let manual = [test_case("M", false, false)];
    let step = complete(&pending(), &person(false), &manual).unwrap();
    assert_eq!(step.task.proof, Some(Proof::Unproven));
    let (task, token) = claimed();
    for (task, writer) in [(pending(), person(false)), (task, Writer::Holder(token))] {
        let done = Completion::default();
        let refusal = life::complete(&task, &writer, &manual, Gate::TestsRequired, done, at(50));
        assert_eq!(refusal, Err(Refusal::NoTests));
    }
}

#[test]
fn a_person_overrides_tests_that_do_not_pass_and_is_named() {
    let failing = [judged(&test_case("T", true, false), false, Some(1), at(5))];
    for tests in [&failing[..], &[]] {
        let gate = Gate::TestsRequired;
        let step = life::complete(&pending(), &person(false), tests, gate, insisting(), at(50));
        let proof = Proof::Override {
            by: ada(),
            reason: why("I looked"),
        };
        assert_eq!(step.unwrap().task.proof, Some(proof));
    }
}

#[test]
fn a_holder_may_not_override() {
    let (task, token) = claimed();
    let writer = Writer::Holder(token);
    let refusal = life::complete(
        &task,
        &writer,
        &[],
        Gate::TestsOptional,
        insisting(),
        at(50),
    );
    assert!(matches!(refusal, Err(Refusal::NotForWorkers { .. })));
}

#[test]
fn a_person_completes_a_claimed_task_only_by_insisting_and_the_attempt_is_cancelled() {
    let (task, token) = claimed();
    assert_eq!(complete(&task, &person(false), &[]), Err(held_by_w1()));
    let step = complete(&task, &person(true), &[]).unwrap();
    assert_eq!(outcome(&step), Some(Outcome::Cancelled));
    let late = complete(&step.task, &Writer::Holder(token), &[]);
    assert_eq!(late, Err(Refusal::StaleClaim));
}

#[test]
fn a_completed_task_is_not_completed_again() {
    let refusal = complete(&completed(), &person(true), &[]);
    assert_eq!(
        refusal,
        Err(wrong_status(Status::Completed, "completed again"))
    );
}

#[test]
fn completing_leaves_no_trace_of_being_blocked_or_waiting() {
    let waiting = Task {
        not_before: Some(at(500)),
        lost_in_a_row: 2,
        ..pending()
    };
    for task in [blocked(), waiting, held_by_hand()] {
        let done = complete(&task, &person(false), &[]).unwrap().task;
        assert_eq!((done.blocked_reason.clone(), done.not_before), (None, None));
        assert_eq!((done.lost_in_a_row, broken_invariant(&done)), (0, None));
    }
}

#[test]
fn work_that_ends_after_its_lease_counts_while_the_attempt_is_open() {
    let (task, token) = claimed();
    let done = Completion::default();
    let writer = Writer::Holder(token);
    let late = life::complete(&task, &writer, &[], Gate::TestsOptional, done, at(100_000));
    assert_eq!(late.unwrap().task.status, Status::Completed);
}

#[test]
fn every_write_with_a_stale_token_is_refused() {
    let (task, token) = claimed();
    let stale = Token { nonce: 8, ..token };
    let holder = Writer::Holder(stale);
    let refusals = [
        complete(&task, &holder, &[]),
        fail(&task, stale, FailureKind::Permanent, at(50)),
        release(&task, stale, None),
        life::block(&task, &holder, why("stuck"), at(50)),
    ];
    for refusal in refusals {
        assert_eq!(refusal, Err(Refusal::StaleClaim));
    }
}

#[test]
fn a_failure_is_charged_and_waits_for_its_backoff() {
    let (task, token) = claimed();
    for (kind, expected, event) in [
        (FailureKind::Failed, Outcome::Failed, EventKind::Failed),
        (
            FailureKind::TimedOut,
            Outcome::TimedOut,
            EventKind::TimedOut,
        ),
    ] {
        let step = fail(&task, token, kind, at(50)).unwrap();
        let (closed, end) = step.closed.clone().unwrap();
        assert_eq!(
            (closed, end.at, end.outcome, step.event),
            (token, at(50), expected, event)
        );
        assert_eq!((end.exit_code, end.message), (Some(1), Some(why("red"))));
        assert_eq!(
            (step.task.status, step.task.retries_used),
            (Status::Pending, 1)
        );
        let wait = step.task.not_before.unwrap().since(at(50));
        assert!((Duration::from_secs(4)..=Duration::from_secs(6)).contains(&wait));
        assert_eq!(step.task.claim, None);
    }
}

#[test]
fn three_in_a_row_that_cost_the_worker_its_life_block_the_task() {
    let (task, token) = claimed();
    let one = fail(&task, token, FailureKind::Crashed, at(50)).unwrap();
    let (_, end) = one.closed.clone().unwrap();
    assert_eq!(
        (end.outcome, one.event),
        (Outcome::Failed, EventKind::Failed)
    );
    assert_eq!(
        (one.task.status, one.task.lost_in_a_row),
        (Status::Pending, 1)
    );
    assert!(one.task.not_before.is_some(), "it waits like any failure");
    let again = |before: &Task, kind, secs| {
        let (task, token) = claim(before, at(secs));
        fail(&task, token, kind, at(secs + 1)).unwrap().task
    };
    let two = again(&one.task, FailureKind::Crashed, 5_000);
    assert_eq!((two.status, two.lost_in_a_row), (Status::Pending, 2));
    let other = again(&two, FailureKind::Failed, 10_000);
    assert_eq!((other.status, other.lost_in_a_row), (Status::Pending, 0));
    let three = again(&two, FailureKind::Crashed, 10_000);
    assert_eq!((three.status, three.retries_used), (Status::Blocked, 3));
    let why = three.blocked_reason.unwrap();
    assert!(why.as_str().starts_with("poison: 3 attempts"), "{why}");
}

#[test]
fn the_wait_follows_the_failures_since_the_reset_and_not_the_attempts() {
    let task = Task {
        attempts: 40,
        ..with_budget(15, 2)
    };
    let (task, token) = claim(&task, at(10));
    let wait = fail(&task, token, FailureKind::Failed, at(50))
        .unwrap()
        .task
        .not_before;
    let wait = wait.unwrap().since(at(50));
    assert!((Duration::from_secs(64)..=Duration::from_secs(96)).contains(&wait));
}

#[test]
fn a_failure_that_reaches_the_budget_blocks_with_the_reason() {
    for (budget, used, status, charged) in [
        (0, 0, Status::Blocked, 0),
        (1, 0, Status::Blocked, 1),
        (3, 1, Status::Pending, 2),
        (3, 2, Status::Blocked, 3),
        (1_000, 999, Status::Blocked, 1_000),
    ] {
        for kind in [FailureKind::Failed, FailureKind::TimedOut] {
            let (task, token) = claim(&with_budget(budget, used), at(10));
            let after = fail(&task, token, kind, at(50)).unwrap().task;
            assert_eq!(
                (after.status, after.retries_used),
                (status, charged),
                "{budget} {used}"
            );
            let expected = format!("retry budget spent ({budget}): red");
            let found = after.blocked_reason.as_ref().map(|reason| reason.as_str());
            assert_eq!(
                found,
                (status == Status::Blocked).then_some(expected.as_str())
            );
            assert_eq!(broken_invariant(&after), None);
        }
    }
}

#[test]
fn a_permanent_failure_blocks_at_once_and_is_charged() {
    let (task, token) = claimed();
    let step = fail(&task, token, FailureKind::Permanent, at(50)).unwrap();
    assert_eq!(
        (step.task.status, step.task.retries_used),
        (Status::Blocked, 1)
    );
    assert_eq!(
        (outcome(&step), step.task.not_before),
        (Some(Outcome::Failed), None)
    );
    assert_eq!(
        step.task.blocked_reason,
        Some(why("failed permanently: red"))
    );
}

#[test]
fn a_release_charges_nothing_and_waits_only_for_a_time_to_come() {
    let (task, token) = claimed();
    for (asked, kept) in [
        (None, None),
        (Some(at(50)), None),
        (Some(at(51)), Some(at(51))),
    ] {
        let step = release(&task, token, asked).unwrap();
        assert_eq!(
            (step.task.status, step.task.not_before),
            (Status::Pending, kept)
        );
        assert_eq!(
            (outcome(&step), step.event),
            (Some(Outcome::Released), EventKind::Released)
        );
        assert_eq!((step.task.retries_used, step.task.claim), (0, None));
    }
}

#[test]
fn a_release_after_the_budget_was_cut_blocks() {
    let (task, token) = claim(&with_budget(15, 3), at(10));
    let task = life::edit_budget(&task, RetryBudget::new(2).unwrap(), at(20));
    assert_eq!(task.status, Status::InProgress, "what runs, finishes");
    let after = release(&task, token, Some(at(500))).unwrap().task;
    assert_eq!(after.blocked_reason, Some(why("retry budget spent (2)")));
    assert_eq!((after.status, after.not_before), (Status::Blocked, None));
    assert_eq!(broken_invariant(&after), None);
}

#[test]
fn a_holder_that_was_asked_to_stop_is_cancelled_uncharged() {
    let (task, token) = asked_to_stop();
    let steps = [
        fail(&task, token, FailureKind::Permanent, at(50)).unwrap(),
        release(&task, token, Some(at(500))).unwrap(),
    ];
    for step in steps {
        assert_eq!(
            (outcome(&step), step.event),
            (Some(Outcome::Cancelled), EventKind::Cancelled)
        );
        assert_eq!(
            (step.task.status, step.task.retries_used),
            (Status::Blocked, 0)
        );
        assert_eq!(step.task.blocked_reason, Some(why("cancelled by ada")));
    }
}

#[test]
fn a_holder_that_was_asked_to_stop_may_still_complete() {
    let (task, token) = asked_to_stop();
    let step = complete(&task, &Writer::Holder(token), &[]).unwrap();
    assert_eq!(
        (outcome(&step), step.task.status),
        (Some(Outcome::Completed), Status::Completed)
    );
}

#[test]
fn a_cancelled_task_on_hold_is_kept_by_its_hold_alone() {
    let (task, token) = asked_to_stop();
    let task = Task {
        hold: Some(hold()),
        ..task
    };
    let step = release(&task, token, None).unwrap();
    assert_eq!(
        (step.task.status, step.task.blocked_reason),
        (Status::Pending, None)
    );
}

#[test]
fn an_end_is_never_dated_before_its_beginning() {
    let (task, token) = claimed();
    let early = at(-500);
    let failed = fail(&task, token, FailureKind::Failed, early).unwrap();
    assert_eq!(failed.closed.unwrap().1.at, at(10));
    assert!(failed.task.not_before.unwrap() > at(10));
    let done = Completion::default();
    let writer = Writer::Holder(token);
    let step = life::complete(&task, &writer, &[], Gate::TestsOptional, done, early).unwrap();
    assert_eq!(
        (step.task.completed_at, step.task.updated_at),
        (Some(at(10)), at(10))
    );
}

#[test]
fn a_holder_stopped_by_a_hold_above_leaves_the_task_pending() {
    let (task, token) = claimed();
    let asked = life::cancel(&task, &tasq_domain::Actor::new("ada").unwrap(), at(40))
        .unwrap()
        .task;
    for held_above in [true, false] {
        let record = tasq_domain::TaskRecord {
            held_above,
            ..record(&asked)
        };
        let after = life::release(&record, token, None, None, None, at(50))
            .unwrap()
            .task;
        let expected = if held_above {
            Status::Pending
        } else {
            Status::Blocked
        };
        assert_eq!(after.status, expected);
    }
}
