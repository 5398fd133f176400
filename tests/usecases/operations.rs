//! Operation ids: a request that is repeated gives its first answer and changes nothing.

use std::fmt::Debug;
use std::time::Duration;

use tasq_app::{
    AddCheckpoint, App, AppError, Code, CompleteTask, EditEpic, EditFeature, EditTask, EditTest,
    Reply, ScopeRef, WhichTask,
};
use tasq_domain::life::{Ask, FailureKind};
use tasq_domain::{EntityKind, EventKind, MAX_ANSWER_BYTES, OperationId, Status, Task, Token};

use super::desk::{
    Desk, any_feature, any_task, claims, code, completing, failing, holder, id_of, named, new_epic,
    new_feature, new_task, of_task, reason, releasing, task_id, with_command,
};
use super::proofs::{Always, options};

fn op(number: usize) -> Option<OperationId> {
    Some(OperationId::new(format!("op-{number}")).unwrap())
}

/// Carries a request out twice under one id, then asks for something else under it.
struct Twice<'d> {
    desk: &'d Desk,
    count: std::cell::Cell<usize>,
}

impl Twice<'_> {
    #[track_caller]
    fn check<T: Debug + PartialEq>(&self, ask: impl Fn(&App<'_>) -> Result<T, AppError>) -> T {
        let number = self.count.get() + 1;
        self.count.set(number);
        let app = || self.desk.ada().with_op(op(number));
        let first = ask(&app()).unwrap();
        let before = self.desk.contents().operations.len();
        self.desk.pass_time(1);
        let again = self.desk.unchanged(|| ask(&app())).unwrap();
        assert_eq!(again, first, "operation {number}");
        let other = new_epic(&format!("other {number}"));
        let conflict = self.desk.unchanged(|| app().add_epic(&other));
        assert_eq!(code(conflict), Code::Conflict, "operation {number}");
        assert_eq!(before, number, "it is kept");
        first
    }
}

pub(crate) fn every_request_is_carried_out_once(desk: &Desk) {
    let twice = Twice {
        desk,
        count: std::cell::Cell::default(),
    };
    let epic = twice.check(|app| app.add_epic(&new_epic("E"))).epic.id;
    let feature = twice
        .check(|app| app.add_feature(&new_feature("F")))
        .feature
        .id;
    twice.check(|app| app.add_task(&named("A", feature.as_str())));
    let batch = ["B", "C", "D"].map(|id| named(id, feature.as_str()));
    twice.check(|app| app.add_tasks(&batch));
    let test = twice
        .check(|app| app.add_test(&of_task("A"), &with_command("C")))
        .id;
    twice.check(|app| app.edit_epic(&epic, &EditEpic::default()));
    twice.check(|app| app.edit_feature(&feature, &EditFeature::default()));
    twice.check(|app| app.edit_task(&task_id("A"), &EditTask::default(), false));
    twice.check(|app| app.edit_test(&test, &EditTest::default()));
    twice.check(|app| app.move_task(&task_id("A"), feature.as_str(), false));
    twice.check(|app| app.depend(&task_id("A"), &task_id("B"), false));
    twice.check(|app| app.undepend(&task_id("A"), &task_id("B"), false));
    let id = any_feature(feature.as_str());
    twice.check(|app| app.hold(&id, &reason("audit"), false));
    twice.check(|app| app.unhold(&id));
    twice.check(|app| app.block(&task_id("B"), None, &reason("no"), false));
    twice.check(|app| app.unblock(&task_id("B")));
    twice.check(|app| app.cancel(&task_id("B")));
    twice.check(|app| app.retry(&task_id("B"), false));
    twice.check(|app| app.judge_test(&test, false, Some("no")));
    twice.check(|app| app.verify(&any_task("A"), &Always(0), &options()));
    twice.check(|app| app.complete(&completing(&task_id("A"), None)));
    twice.check(|app| app.reopen(&task_id("A"), false));
    holders_requests(&twice);
    twice.check(|app| app.remove(&any_task("D"), false));
    twice.check(|app| app.remove_named(EntityKind::Task, "c", false));
    twice.check(|app| app.reap());
}

/// Also where somebody made the task pending by hand and left the claim of an earlier attempt in it.
pub(crate) fn a_claim_tells_of_its_own_attempt(desk: &Desk) {
    desk.feature("F", None);
    let task = desk.task("A", "F");
    let left = desk.claim_this("A");
    desk.bench.write(|tx| {
        let before = tx.task(&task)?.expect("it was added").task;
        tx.update_task_life(&Task {
            status: Status::Pending,
            ..before
        })
    });
    let twice = Twice {
        desk,
        count: std::cell::Cell::default(),
    };
    let wanted = claims(WhichTask::Next(ScopeRef::Queue), 1);
    let claim = twice.check(|app| app.claim(&wanted)).remove(0);
    assert_eq!((left.token.attempt, claim.token.attempt), (1, 2));
    let events = desk.events();
    let told = events.iter().rfind(|it| it.kind == EventKind::Claimed);
    let data = told.expect("a claim is told").data.as_str();
    assert_eq!(data.matches("\"attempt\"").count(), 1, "{data}");
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["attempt"], 2);
}

fn holders_requests(twice: &Twice<'_>) {
    let wanted = claims(WhichTask::This("B".to_owned()), 1);
    let claim = twice.check(|app| app.claim(&wanted)).remove(0);
    twice.check(|app| app.heartbeat(&holder(&claim), Some(Duration::from_secs(500))));
    let checkpoint = AddCheckpoint {
        summary: reason("half"),
        next_steps: Vec::new(),
        data: None,
    };
    twice.check(|app| app.checkpoint(&holder(&claim), &checkpoint));
    let ask = Ask {
        text: reason("which?"),
        choices: Vec::new(),
    };
    twice.check(|app| app.ask(&holder(&claim), &ask));
    let reply = Reply::Text(reason("that one"));
    twice.check(|app| app.answer(&task_id("B"), &reply));
    let claim = twice.check(|app| app.claim(&wanted)).remove(0);
    twice.check(|app| app.fail(&failing(&claim, FailureKind::Failed, "red")));
    let next = twice.check(|app| app.claim(&claims(WhichTask::This("C".to_owned()), 1)));
    twice.check(|app| app.release(&releasing(&next[0])));
    let next = twice.check(|app| app.claim(&claims(WhichTask::This("C".to_owned()), 1)));
    let wanted = CompleteTask {
        next: Some(ScopeRef::Queue),
        ..completing(id_of(&next[0]), Some(next[0].token))
    };
    let done = twice.check(|app| app.complete(&wanted));
    assert!(done.next.is_some());
    let held = done.next.unwrap();
    let blocked = reason("no key");
    twice.check(|app| app.block(id_of(&held), Some(held.token), &blocked, false));
    let held = twice.check(|app| app.claim(&claims(WhichTask::This("D".to_owned()), 1)));
    let all = [completing(id_of(&held[0]), Some(held[0].token))];
    assert_eq!(twice.check(|app| app.complete_all(&all)).len(), 1);
}

pub(crate) fn another_request_under_the_same_id_is_a_conflict(desk: &Desk) {
    desk.feature("FEAT-1", None);
    let app = || desk.ada().with_op(op(1));
    app().add_task(&new_task("one", "FEAT-1")).unwrap();
    let other = desk.unchanged(|| app().add_task(&new_task("two", "FEAT-1")));
    let error = other.unwrap_err();
    assert_eq!(error.code(), Code::Conflict);
    assert!(error.to_string().contains("op-1"), "{error}");
    app().add_task(&new_task("one", "FEAT-1")).unwrap();
    assert_eq!(desk.contents().tasks.len(), 1);
}

pub(crate) fn a_refusal_is_not_kept(desk: &Desk) {
    desk.feature("FEAT-1", None);
    let claim = || {
        let wanted = claims(WhichTask::Next(ScopeRef::Queue), 1);
        desk.ada().with_op(op(1)).claim(&wanted)
    };
    assert_eq!(code(desk.unchanged(claim)), Code::NothingReady);
    desk.task("A", "FEAT-1");
    claim().unwrap();
}

pub(crate) fn kept_answers_are_small(desk: &Desk) {
    desk.feature("FEAT-1", None);
    // The longest ids there are, of characters that need the most bytes.
    let batch: Vec<_> = (0..300)
        .map(|n| named(&format!("{n:03}{}", "\u{10FFFF}".repeat(125)), "FEAT-1"))
        .collect();
    desk.ada().with_op(op(1)).add_tasks(&batch).unwrap();
    let many = |count| {
        let wanted = claims(WhichTask::Next(ScopeRef::Queue), count);
        desk.ada().with_op(op(2)).claim(&wanted).unwrap()
    };
    let first = many(200);
    assert_eq!(first.len(), 200);
    assert_eq!(many(200), first);
    desk.pass_time(1_000);
    let reaped = desk.ada().with_op(op(3)).reap().unwrap();
    assert_eq!(reaped.tasks.len(), 200);
    let quoted = format!("Q{}", "\"".repeat(127));
    let quoted = desk
        .ada()
        .with_op(op(4))
        .add_task(&named(&quoted, "FEAT-1"));
    let quoted = quoted.unwrap().record.task.id;
    let next = desk.ada().with_op(op(5)).complete(&CompleteTask {
        next: Some(ScopeRef::Queue),
        ..completing(&quoted, None)
    });
    assert!(next.unwrap().next.is_some());
    let operations = desk.contents().operations;
    assert_eq!(operations.len(), 5);
    for operation in operations {
        assert!(operation.answer.len() <= MAX_ANSWER_BYTES, "{operation:?}");
    }
    desk.ada().remove(&any_feature("FEAT-1"), true).unwrap();
}

pub(crate) fn a_repeated_claim_gives_the_same_tokens(desk: &Desk) {
    desk.feature("FEAT-1", None);
    for id in ["A", "B", "C"] {
        desk.task(id, "FEAT-1");
    }
    desk.fail(&desk.claim_this("A"), "first try").unwrap();
    desk.pass_time(100);
    let claim = || {
        let wanted = claims(WhichTask::Next(ScopeRef::Queue), 2);
        desk.ada().with_op(op(1)).claim(&wanted).unwrap()
    };
    let first = claim();
    let tokens = |claims: &[tasq_app::ClaimView]| -> Vec<Token> {
        claims.iter().map(|claim| claim.token).collect()
    };
    assert_eq!(claim(), first);
    // What became of the attempts since is no part of the answer.
    desk.fail(&first[0], "second try").unwrap();
    desk.finish(&first[1]).unwrap();
    let again = desk.unchanged(claim);
    assert_eq!(tokens(&again), tokens(&first));
    assert_eq!(again[0].last_failure, first[0].last_failure);
    assert_eq!(again[0].lease_expires_at, first[0].lease_expires_at);
}

pub(crate) fn a_repeated_reap_tells_what_it_took_back(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    desk.claim();
    desk.pass_time(1_000);
    let reap = || desk.ada().with_op(op(1)).reap().unwrap();
    let first = reap();
    assert_eq!(first.tasks.len(), 1);
    assert_eq!(desk.unchanged(reap), first);
    let nothing = || desk.ada().with_op(op(2)).reap().unwrap();
    assert!(nothing().tasks.is_empty() && nothing().tasks.is_empty());
}
