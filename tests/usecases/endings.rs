//! The ends of an attempt: completed, failed, given back.

use std::time::Duration;

use tasq_app::{Code, CompleteTask, FailTask, ReleaseTask, Report, ScopeRef, WhichTask};
use tasq_domain::life::FailureKind;
use tasq_domain::{JsonObject, Outcome, Proof, Status};

use super::desk::{
    Desk, any_task, budgeted, claims, code, completing, failing, id_of, manual, name_of, named,
    of_task, reason, releasing, task_id, with_command,
};
use super::proofs::{Always, options};

pub(crate) fn a_completion_needs_its_tests(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    let test = desk.test("TEST-1", &of_task("A"), &with_command("C"));
    let claim = desk.claim();
    let refused = desk.unchanged(|| desk.finish(&claim)).unwrap_err();
    assert_eq!(refused.code(), Code::NotVerified);
    assert_eq!(refused.details()["tests"][0], "TEST-1");
    desk.ran(&test, false);
    assert_eq!(
        code(desk.unchanged(|| desk.finish(&claim))),
        Code::NotVerified
    );
    desk.ran(&test, true);
    // What passed in an earlier attempt proves nothing now.
    desk.fail(&claim, "red").unwrap();
    desk.pass_time(100);
    let claim = desk.claim();
    assert_eq!(
        code(desk.unchanged(|| desk.finish(&claim))),
        Code::NotVerified
    );
    desk.ran(&test, true);
    let done = desk.finish(&claim).unwrap().task.record.task;
    assert_eq!(
        (done.status, done.proof),
        (Status::Completed, Some(Proof::Tests))
    );
    assert!(done.completed_at.is_some() && done.claim.is_none());
}

pub(crate) fn a_manual_check_gates_only_if_required(desk: &Desk) {
    desk.feature("FEAT-1", None);
    for id in ["A", "B"] {
        desk.task(id, "FEAT-1");
        let mut check = manual("look at it");
        check.required = id == "B";
        desk.test(&format!("TEST-{id}"), &of_task(id), &check);
    }
    assert_eq!(desk.complete("A").proof, Some(Proof::Unproven));
    let wanted = completing(&task_id("B"), None);
    let refused = desk.unchanged(|| desk.ada().complete(&wanted));
    assert_eq!(code(refused), Code::NotVerified);
    let test = tasq_domain::TestId::new("TEST-B").unwrap();
    desk.ada()
        .judge_test(&test, true, Some("looks fine"))
        .unwrap();
    assert_eq!(desk.complete("B").proof, Some(Proof::Tests));
}

pub(crate) fn a_task_without_tests_completes_unproven(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    let claim = desk.claim();
    let done = desk.finish(&claim).unwrap();
    assert_eq!(done.next, None);
    assert_eq!(done.task.record.task.proof, Some(Proof::Unproven));
    let attempt = &desk.contents().attempts[0];
    assert_eq!(attempt.end.as_ref().unwrap().outcome, Outcome::Completed);
}

pub(crate) fn a_queue_may_require_tests(desk: &Desk) {
    desk.require_tests();
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    let claim = desk.claim();
    assert_eq!(
        code(desk.unchanged(|| desk.finish(&claim))),
        Code::NotVerified
    );
    let test = desk.test("TEST-1", &of_task("A"), &with_command("C"));
    desk.ran(&test, true);
    desk.finish(&claim).unwrap();
    desk.task("B", "FEAT-1");
    let forced = CompleteTask {
        force: Some(reason("trivial")),
        ..completing(&task_id("B"), None)
    };
    desk.ada().complete(&forced).unwrap();
}

pub(crate) fn a_person_completes_what_nobody_holds(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    let test = desk.test("TEST-1", &of_task("A"), &with_command("C"));
    desk.ran(&test, true);
    assert_eq!(desk.complete("A").proof, Some(Proof::Tests));
    desk.task("B", "FEAT-1");
    let claim = desk.claim();
    let wanted = completing(id_of(&claim), None);
    let refused = desk.unchanged(|| desk.ada().complete(&wanted));
    assert_eq!(code(refused), Code::Conflict);
    desk.task("C", "FEAT-1");
    desk.ada()
        .block(&task_id("C"), None, &reason("no"), false)
        .unwrap();
    assert_eq!(desk.complete("C").blocked_reason, None);
}

pub(crate) fn a_person_overrides_with_a_reason(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    desk.test("TEST-1", &of_task("A"), &with_command("C"));
    let claim = desk.claim();
    let forced = CompleteTask {
        force: Some(reason("I looked")),
        ..completing(id_of(&claim), None)
    };
    let task = desk
        .person("bob")
        .complete(&forced)
        .unwrap()
        .task
        .record
        .task;
    let Some(Proof::Override { by, reason }) = task.proof else {
        panic!("{:?}", task.proof);
    };
    assert_eq!((by.as_str(), reason.as_str()), ("bob", "I looked"));
    let attempt = &desk.contents().attempts[0];
    assert_eq!(attempt.end.as_ref().unwrap().outcome, Outcome::Cancelled);
    assert_eq!(code(desk.finish(&claim)), Code::Conflict);
}

pub(crate) fn a_worker_may_not_force(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    desk.task("B", "FEAT-1");
    let (claim, other) = (desk.claim(), desk.claim());
    let worker = desk.worker(&claim);
    let (a, b) = (id_of(&claim), id_of(&other));
    let forced = |token| CompleteTask {
        force: Some(reason("trust me")),
        ..completing(a, token)
    };
    let edit = tasq_app::EditTask::default();
    desk.unchanged(|| {
        assert_eq!(code(worker.complete(&forced(None))), Code::Denied);
        assert_eq!(
            code(worker.complete(&forced(Some(claim.token)))),
            Code::Denied
        );
        assert_eq!(code(worker.reopen(b, true)), Code::Denied);
        assert_eq!(
            code(worker.block(b, None, &reason("no"), true)),
            Code::Denied
        );
        assert_eq!(code(worker.remove(&any_task("B"), true)), Code::Denied);
        assert_eq!(code(worker.depend(b, a, true)), Code::Denied);
        assert_eq!(code(worker.undepend(b, a, true)), Code::Denied);
        assert_eq!(code(worker.move_task(b, "FEAT-1", true)), Code::Denied);
        assert_eq!(code(worker.edit_task(b, &edit, true)), Code::Denied);
    });
}

pub(crate) fn completing_twice_is_a_conflict(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    let claim = desk.claim();
    desk.finish(&claim).unwrap();
    assert_eq!(code(desk.unchanged(|| desk.finish(&claim))), Code::Conflict);
    let wanted = completing(id_of(&claim), None);
    assert_eq!(
        code(desk.unchanged(|| desk.ada().complete(&wanted))),
        Code::Conflict
    );
}

pub(crate) fn completing_and_claiming_the_next_is_one_step(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.feature("FEAT-2", None);
    desk.task("A", "FEAT-1");
    desk.task("ELSEWHERE", "FEAT-2");
    desk.task("B", "FEAT-1");
    let claim = desk.claim();
    let wanted = |claim: &tasq_app::ClaimView, scope: &str| CompleteTask {
        next: Some(ScopeRef::Feature(scope.to_owned())),
        ..completing(id_of(claim), Some(claim.token))
    };
    let worker = desk.worker(&claim);
    let refused = desk.unchanged(|| worker.complete(&wanted(&claim, "FEAT-9")));
    assert_eq!(code(refused), Code::NotFound);
    let done = worker.complete(&wanted(&claim, "FEAT-1")).unwrap();
    let next = done.next.unwrap();
    assert_eq!(name_of(&next), "B");
    let held = desk.get("B").claim.unwrap();
    assert_eq!(
        (held.worker.as_str(), held.lease),
        ("w1", super::desk::LEASE)
    );
    let done = desk
        .worker(&next)
        .complete(&wanted(&next, "FEAT-1"))
        .unwrap();
    assert_eq!(done.next, None);
    assert_eq!(desk.feature_status("FEAT-1"), Status::Completed);
}

pub(crate) fn many_are_completed_in_one_step_or_none(desk: &Desk) {
    desk.feature("FEAT-1", None);
    for id in ["A", "B", "C"] {
        desk.task(id, "FEAT-1");
    }
    let wanted = claims(WhichTask::Next(ScopeRef::Queue), 2);
    let held = desk.ada().claim(&wanted).unwrap();
    let mut all: Vec<CompleteTask> = held
        .iter()
        .map(|claim| completing(id_of(claim), Some(claim.token)))
        .collect();
    let stale = CompleteTask {
        task: task_id("C"),
        ..all[0].clone()
    };
    let with_stale: Vec<_> = all.iter().cloned().chain([stale]).collect();
    let refused = desk.unchanged(|| desk.ada().complete_all(&with_stale));
    assert_eq!(code(refused), Code::Conflict);
    all[1].next = Some(ScopeRef::Queue);
    let refused = desk.unchanged(|| desk.ada().complete_all(&all));
    assert_eq!(code(refused), Code::Usage);
    all[1].next = None;
    let done = desk.ada().complete_all(&all).unwrap();
    let ids: Vec<_> = done.iter().map(|view| &view.record.task.id).collect();
    assert_eq!(ids, [&task_id("A"), &task_id("B")]);
    assert!(desk.status("A") == Status::Completed && desk.status("B") == Status::Completed);
    assert_eq!(desk.status("C"), Status::Pending);
    assert!(desk.ada().complete_all(&[]).unwrap().is_empty());
}

pub(crate) fn a_failure_waits_for_its_backoff(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    let mut waited = Vec::new();
    for used in 1..=3 {
        let claim = desk.claim();
        let task = desk.fail(&claim, "red").unwrap().record.task;
        assert_eq!((task.status, task.retries_used), (Status::Pending, used));
        let wait = task.not_before.unwrap().since(task.updated_at);
        waited.push(wait.as_secs_f64());
        assert_eq!(code(desk.try_claim(ScopeRef::Queue)), Code::NothingReady);
        desk.bench.clock.advance(wait);
    }
    for (wait, plain) in waited.iter().zip([5.0, 20.0, 80.0]) {
        assert!((plain * 0.8..=plain * 1.2).contains(wait), "{waited:?}");
    }
    desk.claim();
}

pub(crate) fn a_spent_budget_blocks(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.add(&budgeted("A", "FEAT-1", 2));
    desk.fail(&desk.claim(), "red").unwrap();
    desk.pass_time(100);
    let task = desk.fail(&desk.claim(), "still red").unwrap().record.task;
    assert_eq!((task.status, task.retries_used), (Status::Blocked, 2));
    assert!(task.blocked_reason.unwrap().as_str().contains("still red"));
    assert_eq!(desk.feature_status("FEAT-1"), Status::Blocked);
    let task = desk.ada().unblock(&task_id("A")).unwrap().record.task;
    assert_eq!(
        (task.status, task.retries_used, task.attempts),
        (Status::Pending, 0, 2)
    );
}

pub(crate) fn a_budget_of_nothing_allows_one_try(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.add(&budgeted("A", "FEAT-1", 0));
    let task = desk.fail(&desk.claim(), "red").unwrap().record.task;
    assert_eq!((task.status, task.retries_used), (Status::Blocked, 0));
}

pub(crate) fn a_permanent_failure_blocks_at_once(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    let claim = desk.claim();
    let failed = failing(&claim, FailureKind::Permanent, "bad data");
    let task = desk.worker(&claim).fail(&failed).unwrap().record.task;
    assert_eq!((task.status, task.retries_used), (Status::Blocked, 1));
    assert!(task.blocked_reason.unwrap().as_str().contains("bad data"));
}

pub(crate) fn a_release_charges_nothing(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    let claim = desk.claim();
    let task = desk.worker(&claim).release(&releasing(&claim)).unwrap();
    let task = task.record.task;
    assert_eq!((task.status, task.retries_used), (Status::Pending, 0));
    let again = desk.claim();
    assert_eq!((again.token.attempt, again.last_failure), (2, None));
    let late = desk.worker(&claim).release(&releasing(&claim));
    assert_eq!(code(late), Code::Conflict);
}

pub(crate) fn a_release_until_a_time_waits_for_it(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    let claim = desk.claim();
    let now = tasq_ports::Clock::now(&desk.bench.clock);
    let released = ReleaseTask {
        not_before: Some(now.after(Duration::from_secs(3_600))),
        ..releasing(&claim)
    };
    desk.worker(&claim).release(&released).unwrap();
    desk.pass_time(3_599);
    assert_eq!(code(desk.try_claim(ScopeRef::Queue)), Code::NothingReady);
    desk.pass_time(1);
    assert_eq!(name_of(&desk.claim()), "A");
}

pub(crate) fn a_result_stays_with_the_attempt(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.add(&named("A", "FEAT-1"));
    let test = desk.test("TEST-1", &of_task("A"), &with_command("C"));
    let claim = desk.claim();
    let report = Report {
        exit_code: Some(3),
        log_path: Some("logs/a".to_owned()),
        result: Some(JsonObject::new(r#"{"lines":12}"#).unwrap()),
    };
    let failed = FailTask {
        report: report.clone(),
        ..failing(&claim, FailureKind::TimedOut, "too long")
    };
    desk.worker(&claim).fail(&failed).unwrap();
    let attempt = desk.contents().attempts.remove(0);
    let end = attempt.end.unwrap();
    assert_eq!((end.outcome, end.exit_code), (Outcome::TimedOut, Some(3)));
    assert_eq!(end.message, Some(reason("too long")));
    assert_eq!(
        (attempt.log_path, attempt.result),
        (report.log_path, report.result)
    );
    let verified = desk
        .ada()
        .verify(&any_task("A"), &Always(0), &options())
        .unwrap();
    assert!(verified.passed && verified.tests[0].id == test);
    let last = verified.tests[0].last.as_ref().unwrap();
    assert_eq!((last.attempt, last.exit_code), (None, Some(0)));
}
