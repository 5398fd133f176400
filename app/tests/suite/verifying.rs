//! Running test cases, while other things happen.

use std::sync::Arc;
use std::time::Duration;

use tasq_app::{Code, EditTest, VerifyOptions};
use tasq_domain::{AnyId, CommandLine, EpicId, TestStatus};

use crate::desk::{Desk, completing, task_id};
use crate::play::{Play, Player, options};

fn a() -> AnyId {
    task_id("A").into()
}

#[test]
fn every_command_runs_and_its_result_is_kept() {
    let desk = Desk::with_tasks(&["A"]);
    desk.test("T1", "A", "one");
    desk.test("T2", "A", "two");
    let player = Player::new([Play::Exit(1), Play::Exit(0)]);
    let verified = desk.ada().verify(&a(), &player, &options()).unwrap();
    assert!(!verified.passed);
    let results: Vec<(TestStatus, Option<i32>)> = verified
        .tests
        .iter()
        .map(|test| (test.status, test.last.as_ref().unwrap().exit_code))
        .collect();
    let expected = [
        (TestStatus::Failing, Some(1)),
        (TestStatus::Passing, Some(0)),
    ];
    assert_eq!(results, expected);
    let last = verified.tests[1].last.as_ref().unwrap();
    assert_eq!((last.duration_ms, last.by.as_str()), (Some(7), "ada"));
    assert_eq!(last.output_tail.as_deref(), Some("the last words\n"));
    let commands: Vec<String> = player
        .started()
        .into_iter()
        .map(|mut it| it.argv.remove(2))
        .collect();
    assert_eq!(commands, ["one", "two"]);
}

#[test]
fn what_takes_too_long_is_stopped_and_fails() {
    let desk = Desk::with_tasks(&["A"]);
    desk.test("T1", "A", "sleep");
    let player = Player::new([Play::Hangs(Box::new(|| ()))]);
    let at_once = VerifyOptions {
        timeout: Duration::ZERO,
        ..options()
    };
    let verified = desk.ada().verify(&a(), &player, &at_once).unwrap();
    assert_eq!(
        (verified.tests[0].status, player.stopped()),
        (TestStatus::Failing, 1)
    );
    let last = verified.tests[0].last.as_ref().unwrap();
    assert_eq!(last.exit_code, None);
    assert!(
        last.output_tail
            .as_ref()
            .unwrap()
            .contains("stopped after 0 s")
    );
}

#[test]
fn a_result_of_an_attempt_that_is_over_is_refused() {
    let desk = Arc::new(Desk::with_tasks(&["A"]));
    desk.test("T1", "A", "one");
    let claim = desk.claim("A");
    let there = Arc::clone(&desk);
    let next_attempt = move |_: &_| {
        there.ada().reopen(&task_id("A"), true).unwrap();
        let claim = there.claim("A");
        let player = Player::new([]);
        there.ada().verify(&a(), &player, &options()).unwrap();
        let wanted = completing("A", Some(claim.token));
        there.ada().complete(&wanted).unwrap();
    };
    assert_eq!(claim.token.attempt, 1);
    let player = Player::new([Play::Does(Box::new(next_attempt), 1)]);
    let late = desk.ada().verify(&a(), &player, &options());
    assert_eq!(late.unwrap_err().code(), Code::Conflict);
    let test = &desk.contents().tests[0];
    assert_eq!(
        (test.status, test.last.as_ref().unwrap().attempt),
        (TestStatus::Passing, Some(2))
    );
}

#[test]
fn a_claim_meanwhile_refuses_the_result() {
    let desk = Arc::new(Desk::with_tasks(&["A"]));
    desk.test("T1", "A", "one");
    let there = Arc::clone(&desk);
    let player = Player::new([Play::Does(Box::new(move |_| drop(there.claim("A"))), 0)]);
    let refused = desk.ada().verify(&a(), &player, &options());
    assert_eq!(refused.unwrap_err().code(), Code::Conflict);
    assert_eq!(desk.contents().tests[0].status, TestStatus::Pending);
}

#[test]
fn a_result_of_another_command_is_not_kept() {
    let desk = Arc::new(Desk::with_tasks(&["A"]));
    let test = desk.test("T1", "A", "one");
    let there = Arc::clone(&desk);
    let edit = move |_: &_| {
        let command = Some(Some(CommandLine::new("other").unwrap()));
        let edit = EditTest {
            command,
            ..EditTest::default()
        };
        there.ada().edit_test(&test, &edit).unwrap();
    };
    let player = Player::new([Play::Does(Box::new(edit), 0)]);
    let verified = desk.ada().verify(&a(), &player, &options()).unwrap();
    assert!(!verified.passed);
    assert_eq!(verified.tests[0].last, None);
}

#[test]
fn only_tasks_and_features_are_verified() {
    let desk = Desk::with_tasks(&["A"]);
    let verify = |id: AnyId| desk.ada().verify(&id, &Player::new([]), &options());
    let epic = EpicId::new("EPIC-1").unwrap();
    assert_eq!(verify(epic.into()).unwrap_err().code(), Code::Usage);
    assert_eq!(
        verify(task_id("GONE").into()).unwrap_err().code(),
        Code::NotFound
    );
    assert!(verify(a()).unwrap().passed, "nothing gates");
    desk.test("T1", "A", "one");
    let player = Player::new([Play::CannotStart]);
    let unrun = desk.ada().verify(&a(), &player, &options());
    assert_eq!(unrun.unwrap_err().code(), Code::Storage);
}
