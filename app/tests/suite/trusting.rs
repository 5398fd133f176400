//! The loop and commands that nobody has trusted: it stops before an attempt is spent.

use std::sync::Arc;

use tasq_adapter_memory::MemoryTrust;
use tasq_app::{AppError, Code, OwnerRef};
use tasq_domain::{CommandLine, Outcome, Status};

use crate::desk::{Desk, new_test};
use crate::house::{Wish, run_trusting};
use crate::play::{Play, Player};

fn line(text: &str) -> CommandLine {
    CommandLine::new(text).unwrap()
}

#[test]
fn an_untrusted_command_anywhere_ahead_stops_the_loop_before_it_begins() {
    let desk = Desk::with_tasks(&["A", "B"]);
    desk.test("T1", "B", "rm -rf /");
    let (player, trust) = (Player::new([]), MemoryTrust::default());
    let (refused, ends) = run_trusting(&desk, &player, &Wish::default(), &trust);
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::Denied);
    assert!(refused.hint().unwrap().contains("tasq trust"));
    assert!(ends.is_empty() && player.started().is_empty());
    assert_eq!(desk.contents().attempts, []);

    desk.ada()
        .with_trust(&trust)
        .trust(&[line("rm -rf /")])
        .unwrap();
    let (done, _) = run_trusting(&desk, &player, &Wish::default(), &trust);
    assert_eq!(done.unwrap().completed, 2);
}

#[test]
fn a_feature_s_own_command_is_looked_at_as_well() {
    let desk = Desk::with_tasks(&["A"]);
    let owner = OwnerRef::Feature("FEAT-1".to_owned());
    desk.ada().add_test(&owner, &new_test("T1", "all")).unwrap();
    let (player, trust) = (Player::new([]), MemoryTrust::default());
    let (refused, _) = run_trusting(&desk, &player, &Wish::default(), &trust);
    assert_eq!(refused.unwrap_err().code(), Code::Denied);
    assert_eq!(desk.contents().attempts, []);
}

#[test]
fn a_command_that_comes_between_two_attempts_spends_none() {
    let desk = Arc::new(Desk::with_tasks(&["A", "B"]));
    let there = Arc::clone(&desk);
    let import = move |_: &_| drop(there.test("T1", "B", "evil"));
    let player = Player::new([Play::Does(Box::new(import), 0)]);
    let trust = MemoryTrust::default();
    let (refused, ends) = run_trusting(&desk, &player, &Wish::default(), &trust);
    assert!(matches!(refused, Err(AppError::Untrusted(_))));
    assert_eq!((ends.len(), player.started().len()), (1, 1));
    assert_eq!(desk.get("A").status, Status::Completed);
    assert_eq!(desk.get("B").attempts, 0);
}

#[test]
fn a_command_that_comes_during_an_attempt_gives_the_task_back_uncharged() {
    let desk = Arc::new(Desk::with_tasks(&["A"]));
    let there = Arc::clone(&desk);
    let import = move |_: &_| drop(there.test("T1", "A", "evil"));
    let player = Player::new([Play::Does(Box::new(import), 0)]);
    let trust = MemoryTrust::default();
    let (refused, _) = run_trusting(&desk, &player, &Wish::default(), &trust);
    assert!(matches!(refused, Err(AppError::Untrusted(_))));
    assert_eq!(player.started().len(), 1, "only the worker ran");
    let task = desk.get("A");
    assert_eq!((task.status, task.retries_used), (Status::Pending, 0));
    let ended = desk.contents().attempts.remove(0).end.unwrap();
    assert_eq!(ended.outcome, Outcome::Released);
}
