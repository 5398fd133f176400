//! The loop, with commands that end in every way.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tasq_app::{
    AddTask, Code, FailTask, Finish, Limit, OwnerRef, Report, RunEnd, RunOptions, RunSummary,
    ScopeRef,
};
use tasq_domain::life::FailureKind;
use tasq_domain::ready::NotReady;
use tasq_domain::{FeatureId, OperationId, Outcome, Proof, RetryBudget, Status, Token};
use tasq_ports::CommandSpec;

use crate::desk::{Desk, completing, new_task, new_test, reason, task_id};
use crate::faulty::Fault;
use crate::house::{House, Wish, run};
use crate::play::{Play, Player, options};

#[track_caller]
fn summary(desk: &Desk, player: &Player, wish: &Wish) -> RunSummary {
    run(desk, player, wish).0.unwrap()
}

fn outcomes(desk: &Desk) -> Vec<Outcome> {
    let attempts = desk.contents().attempts.into_iter();
    attempts.map(|it| it.end.unwrap().outcome).collect()
}

fn until_stopped(meanwhile: impl Fn() + Send + 'static) -> Play {
    Play::Hangs(Box::new(meanwhile))
}

#[test]
fn a_command_that_succeeds_completes_its_task_by_its_tests() {
    let desk = Desk::with_tasks(&["A", "B"]);
    desk.test("TEST-A", "A", "make test");
    let player = Player::new([]);
    let done = summary(&desk, &player, &Wish::default());
    assert_eq!(
        (done.end, done.attempts, done.completed),
        (RunEnd::AllCompleted, 2, 2)
    );
    assert_eq!(
        (done.failed, done.released, done.unfinished.len()),
        (0, 0, 0)
    );
    assert_eq!(desk.get("A").proof, Some(Proof::Tests));
    assert_eq!(desk.get("B").proof, Some(Proof::Unproven));
    let started = player.started();
    let argv: Vec<&[String]> = started.iter().map(|spec| &*spec.argv).collect();
    let agent = ["agent".to_owned(), "--quiet".to_owned()];
    let test = ["sh", "-c", "make test"].map(str::to_owned);
    assert_eq!(argv, [&agent[..], &test[..], &agent[..]]);
    let CommandSpec {
        env,
        stdin,
        folder,
        log,
        ..
    } = &started[0];
    assert_eq!(
        stdin, b"do A; rm -rf /",
        "the text comes by standard input alone"
    );
    assert_eq!(folder, &options().folder);
    let attempt = desk.contents().attempts.remove(0);
    assert_eq!(attempt.log_path.as_deref(), log.as_ref().unwrap().to_str());
    let token = attempt.token.to_string();
    let expected = [
        ("TASQ_STORE", "sqlite:queue.db"),
        ("TASQ_TASK", "A"),
        ("TASQ_TOKEN", &token),
        ("TASQ_ATTEMPT", "1"),
        ("TASQ_WORKER", "w1"),
        ("TASQ_TASK_FILE", "/project/task.json"),
    ];
    assert_eq!(
        *env,
        expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
}

#[test]
fn failing_tests_fail_the_attempt_and_the_loop_waits_for_the_retry() {
    let desk = Desk::with_tasks(&["A"]);
    desk.test("TEST-A", "A", "make test");
    let player = Player::new([Play::Exit(0), Play::Exit(1), Play::Exit(0), Play::Exit(0)]);
    let (done, ends) = run(&desk, &player, &Wish::default());
    let done = done.unwrap();
    assert_eq!(
        (done.end, done.completed, done.failed),
        (RunEnd::AllCompleted, 1, 1)
    );
    let Finish::Failed(text) = &ends[0] else {
        panic!("{ends:?}");
    };
    assert!(
        text.contains("TEST-A") && text.contains("the last words"),
        "{text}"
    );
    assert_eq!(ends[1], Finish::Completed);
    assert_eq!(outcomes(&desk), [Outcome::Failed, Outcome::Completed]);
    assert_eq!(desk.get("A").retries_used, 1);
}

#[test]
fn each_exit_code_has_its_meaning() {
    for (play, status, used, outcome, message) in [
        (Play::Exit(75), Status::Completed, 0, Outcome::Released, ""),
        (
            Play::Exit(65),
            Status::Blocked,
            1,
            Outcome::Failed,
            "exit code 65",
        ),
        (
            Play::Exit(3),
            Status::Completed,
            1,
            Outcome::Failed,
            "exit code 3",
        ),
        (
            Play::Signal(9),
            Status::Completed,
            1,
            Outcome::Failed,
            "ended by signal 9",
        ),
    ] {
        let desk = Desk::with_tasks(&["A"]);
        let done = summary(&desk, &Player::new([play]), &Wish::default());
        let task = desk.get("A");
        assert_eq!(
            (task.status, task.retries_used),
            (status, used),
            "{message}"
        );
        let end = desk.contents().attempts.remove(0).end.unwrap();
        assert_eq!(end.outcome, outcome, "{message}");
        let said = end.message.map_or(String::new(), |said| said.to_string());
        assert!(said.starts_with(message), "{said}");
        assert!(
            said.is_empty() || said.ends_with("the last words"),
            "{said}"
        );
        let expected = match status {
            Status::Completed => RunEnd::AllCompleted,
            _ => RunEnd::Remaining,
        };
        assert_eq!(done.end, expected, "{message}");
        assert_eq!(
            done.unfinished.len(),
            usize::from(status == Status::Blocked)
        );
    }
}

#[test]
fn what_keeps_failing_is_left_with_its_reason() {
    let desk = Desk::with_tasks(&["OTHER"]);
    let budget = RetryBudget::new(3).unwrap();
    let new = AddTask {
        retry_budget: budget,
        ..new_task("A")
    };
    desk.ada().add_task(&new).unwrap();
    desk.ada()
        .depend(&task_id("OTHER"), &task_id("A"), false)
        .unwrap();
    let player = Player::new((0..3).map(|_| Play::Exit(1)));
    let done = summary(&desk, &player, &Wish::default());
    assert_eq!(
        (done.end, done.attempts, done.failed),
        (RunEnd::Remaining, 3, 3)
    );
    let left: Vec<(&str, &[NotReady])> = done
        .unfinished
        .iter()
        .map(|left| (left.task.record.task.id.as_str(), &*left.reasons))
        .collect();
    let expected = [
        ("OTHER", &[NotReady::Dependencies][..]),
        ("A", &[NotReady::Blocked][..]),
    ];
    assert_eq!(left, expected);
    assert_eq!((done.counts.pending, done.counts.blocked), (1, 1));
}

#[test]
fn a_cancelled_task_is_stopped_and_blocked() {
    let desk = Arc::new(Desk::with_tasks(&["A"]));
    let there = Arc::clone(&desk);
    let cancel = move || drop(there.person("bob").cancel(&task_id("A")).unwrap());
    let player = Player::new([until_stopped(cancel)]);
    let (done, ends) = run(&desk, &player, &Wish::default());
    assert_eq!(done.unwrap().end, RunEnd::Remaining);
    assert_eq!((ends, player.stopped()), (vec![Finish::Released], 1));
    let task = desk.get("A");
    assert_eq!((task.status, task.retries_used), (Status::Blocked, 0));
    assert_eq!(task.blocked_reason, Some(reason("cancelled by bob")));
}

#[test]
fn an_interrupt_gives_the_task_back_and_ends_the_loop() {
    let desk = Desk::with_tasks(&["A", "B"]);
    let wish = Wish::default();
    let signal = Arc::clone(&wish.signal);
    let player = Player::new([until_stopped(move || signal.store(15, Ordering::SeqCst))]);
    let done = summary(&desk, &player, &wish);
    assert_eq!((done.end, done.released), (RunEnd::Interrupted(15), 1));
    assert_eq!(player.stopped(), 1);
    let task = desk.get("A");
    assert_eq!((task.status, task.retries_used), (Status::Pending, 0));
}

#[test]
fn an_interrupt_while_tests_run_gives_the_task_back() {
    let desk = Desk::with_tasks(&["A"]);
    desk.test("TEST-A", "A", "make test");
    let wish = Wish::default();
    let signal = Arc::clone(&wish.signal);
    let interrupt = until_stopped(move || signal.store(2, Ordering::SeqCst));
    let player = Player::new([Play::Exit(0), interrupt]);
    let done = summary(&desk, &player, &wish);
    assert_eq!(
        (done.end, done.released, done.failed),
        (RunEnd::Interrupted(2), 1, 0)
    );
    let task = desk.get("A");
    assert_eq!((task.status, task.retries_used), (Status::Pending, 0));
}

#[test]
fn the_lease_is_renewed_while_the_command_and_its_tests_run() {
    let desk = Arc::new(Desk::with_tasks(&["A"]));
    desk.test("TEST-A", "A", "make test");
    let outlive_the_lease = || {
        let there = Arc::clone(&desk);
        let mut seen = Vec::new();
        Play::Until(Box::new(move || {
            let claim = there.get("A").claim.expect("it is still held");
            if seen.last() != Some(&claim.lease_expires_at) {
                seen.push(claim.lease_expires_at);
                there.clock.advance(Duration::from_millis(2));
            }
            (seen.len() > 5).then_some(0)
        }))
    };
    let player = Player::new([outlive_the_lease(), outlive_the_lease()]);
    let done = summary(&desk, &player, &Wish::default());
    assert_eq!((done.end, done.attempts), (RunEnd::AllCompleted, 1));
    assert!(player.longest_wait() <= Duration::from_millis(1));
}

#[test]
fn a_busy_store_at_a_heartbeat_does_not_stop_the_work() {
    let desk = Arc::new(Desk::with_tasks(&["A"]));
    let there = Arc::clone(&desk);
    let mut looks = 0;
    let play = Play::Until(Box::new(move || {
        looks += 1;
        if looks == 1 {
            there.store.fail_at(1, Fault::Busy);
        }
        there.store.fired().then_some(0).or_else(|| {
            there.store.fail_at(1, Fault::Busy);
            None
        })
    }));
    let done = summary(&desk, &Player::new([play]), &Wish::default());
    assert_eq!((done.end, done.attempts), (RunEnd::AllCompleted, 1));
}

#[test]
fn a_full_store_at_a_heartbeat_stops_the_command_and_the_loop() {
    let desk = Arc::new(Desk::with_tasks(&["A"]));
    let there = Arc::clone(&desk);
    let player = Player::new([until_stopped(move || there.store.fail_at(1, Fault::Full))]);
    let (done, _) = run(&desk, &player, &Wish::default());
    assert_eq!(done.unwrap_err().code(), Code::Storage);
    assert_eq!(player.stopped(), 1);
}

#[test]
fn a_claim_that_was_taken_away_is_noticed() {
    let desk = Arc::new(Desk::with_tasks(&["A"]));
    let there = Arc::clone(&desk);
    let take = move || drop(there.ada().reopen(&task_id("A"), true).unwrap());
    let player = Player::new([until_stopped(take), Play::Exit(0)]);
    let (done, ends) = run(&desk, &player, &Wish::default());
    assert_eq!(done.unwrap().end, RunEnd::AllCompleted);
    assert_eq!(ends, [Finish::Elsewhere, Finish::Completed]);
    assert_eq!(player.stopped(), 1);
}

#[test]
fn a_task_removed_under_the_loop_does_not_end_it() {
    let desk = Arc::new(Desk::with_tasks(&["A", "B", "C"]));
    let remove = |id: &'static str| {
        let there = Arc::clone(&desk);
        move || {
            let _ = there.ada().remove(&task_id(id).into(), true).unwrap();
        }
    };
    let late = remove("B");
    let player = Player::new([
        until_stopped(remove("A")),
        Play::Does(Box::new(move |_| late()), 1),
    ]);
    let (done, ends) = run(&desk, &player, &Wish::default());
    assert_eq!(done.unwrap().end, RunEnd::AllCompleted);
    assert_eq!(
        ends,
        [Finish::Elsewhere, Finish::Elsewhere, Finish::Completed]
    );
}

#[test]
fn a_worker_may_end_its_own_attempt() {
    let desk = Arc::new(Desk::with_tasks(&["A", "B"]));
    let there = Arc::clone(&desk);
    let completes = move |spec: &CommandSpec| {
        let token: Token = spec.env[2].1.parse().unwrap();
        there.ada().complete(&completing("A", Some(token))).unwrap();
    };
    let there = Arc::clone(&desk);
    let fails = move |spec: &CommandSpec| {
        let failed = FailTask {
            holder: tasq_app::HolderRef {
                task: task_id("B"),
                token: spec.env[2].1.parse().unwrap(),
            },
            kind: FailureKind::Permanent,
            message: reason("no such file"),
            report: Report::default(),
        };
        there.ada().fail(&failed).unwrap();
    };
    let player = Player::new([
        Play::Does(Box::new(completes), 0),
        Play::Does(Box::new(fails), 1),
    ]);
    let (done, ends) = run(&desk, &player, &Wish::default());
    let done = done.unwrap();
    let failed = Finish::Failed("no such file".to_owned());
    assert_eq!(ends, [Finish::Completed, failed]);
    assert_eq!(
        (done.end, done.completed, done.failed),
        (RunEnd::Remaining, 1, 1)
    );
    assert_eq!(outcomes(&desk), [Outcome::Completed, Outcome::Failed]);
}

#[test]
fn a_command_that_cannot_start_charges_nothing_and_ends_the_loop() {
    let desk = Desk::with_tasks(&["A"]);
    let (done, _) = run(&desk, &Player::new([Play::CannotStart]), &Wish::default());
    let error = done.unwrap_err();
    assert!(error.to_string().contains("agent"), "{error}");
    let task = desk.get("A");
    assert_eq!((task.status, task.retries_used), (Status::Pending, 0));
    assert_eq!(outcomes(&desk), [Outcome::Released]);
}

#[test]
fn a_limit_is_the_reason_only_if_there_was_more_to_do() {
    let at_most = |max, play: Play| {
        let desk = Desk::with_tasks(&["A"]);
        let wish = Wish {
            max: Some(max),
            ..Wish::default()
        };
        summary(&desk, &Player::new([play]), &wish).end
    };
    assert_eq!(at_most(0, Play::Exit(0)), RunEnd::Limit(Limit::Attempts));
    assert_eq!(at_most(1, Play::Exit(0)), RunEnd::AllCompleted);
    assert_eq!(at_most(1, Play::Exit(1)), RunEnd::Limit(Limit::Attempts));
    assert_eq!(at_most(1, Play::Exit(65)), RunEnd::Remaining);
}

#[test]
fn leases_of_others_are_waited_for_as_long_as_asked() {
    let wish = |secs| Wish {
        max_wait: Duration::from_secs(secs),
        lease: Duration::from_secs(90),
        ..Wish::default()
    };
    let desk = Desk::with_tasks(&["A"]);
    desk.claim("A");
    let done = summary(&desk, &Player::new([]), &wish(0));
    assert_eq!(done.unfinished[0].reasons, [NotReady::Claimed]);
    let done = summary(&desk, &Player::new([]), &wish(30));
    assert_eq!((done.end, done.attempts), (RunEnd::Remaining, 0));
    assert!(desk.get("A").claim.is_some());
    let done = summary(&desk, &Player::new([]), &wish(600));
    assert_eq!(done.end, RunEnd::AllCompleted);
    assert_eq!(outcomes(&desk), [Outcome::Lost, Outcome::Completed]);
}

#[test]
fn a_release_until_tomorrow_is_not_waited_for_as_a_retry() {
    let desk = Desk::with_tasks(&["A"]);
    // A failure lies behind it, so that only the last attempt tells a retry from a release.
    let wish = Wish {
        max: Some(1),
        ..Wish::default()
    };
    summary(&desk, &Player::new([Play::Exit(1)]), &wish);
    desk.clock.advance(Duration::from_secs(100));
    let claim = desk.claim("A");
    let tomorrow = tasq_ports::Clock::now(&desk.clock).after(Duration::from_secs(86_400));
    let released = tasq_app::ReleaseTask {
        holder: crate::desk::holder(&claim),
        not_before: Some(tomorrow),
        message: None,
        report: Report::default(),
    };
    desk.ada().release(&released).unwrap();
    let done = summary(&desk, &Player::new([]), &Wish::default());
    assert_eq!((done.end, done.attempts), (RunEnd::Remaining, 0));
    assert_eq!(done.unfinished[0].reasons, [NotReady::NotBefore(tomorrow)]);
}

#[test]
fn what_is_held_is_left() {
    let desk = Desk::with_tasks(&["A"]);
    let feature = FeatureId::new("FEAT-1").unwrap();
    desk.ada()
        .hold(&(&feature).into(), &reason("audit"), false)
        .unwrap();
    let done = summary(&desk, &Player::new([]), &Wish::default());
    assert_eq!(done.end, RunEnd::Remaining);
    assert_eq!(done.unfinished[0].reasons, [NotReady::HeldAbove]);
}

#[test]
fn a_features_own_tests_run_after_its_last_task() {
    let desk = Desk::with_tasks(&["A", "B"]);
    let owner = OwnerRef::Feature("FEAT-1".to_owned());
    desk.ada()
        .add_test(&owner, &new_test("TEST-F", "make all"))
        .unwrap();
    let player = Player::new([]);
    assert_eq!(
        summary(&desk, &player, &Wish::default()).end,
        RunEnd::AllCompleted
    );
    let started = player.started();
    let ran: Vec<&str> = started.iter().map(|spec| &*spec.argv[0]).collect();
    assert_eq!(ran, ["agent", "agent", "sh"]);
    assert_eq!(started[2].folder.to_str(), Some("/whole"));
    assert_eq!(desk.contents().features[0].status, Status::Completed);
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_claimed() {
    let desk = Desk::with_tasks(&["A"]);
    let before = desk.contents();
    let wish = Wish {
        scope: ScopeRef::Epic("EPIC-9".to_owned()),
        ..Wish::default()
    };
    let (unknown, _) = run(&desk, &Player::new([]), &wish);
    assert_eq!(unknown.unwrap_err().code(), Code::NotFound);
    let wish = Wish::default();
    let house = House::of(&desk, &wish);
    let options = RunOptions {
        command: Vec::new(),
        ..house.options()
    };
    let no_command = desk.ada().run(&Player::new([]), &options, &mut |_| ());
    assert_eq!(no_command.unwrap_err().code(), Code::Usage);
    let op = Some(OperationId::new("op").unwrap());
    let with_op = desk
        .ada()
        .with_op(op)
        .run(&Player::new([]), &options, &mut |_| ());
    assert_eq!(with_op.unwrap_err().code(), Code::Usage);
    assert_eq!(desk.contents(), before);
    let nothing = Desk::with_tasks(&[]);
    assert_eq!(
        summary(&nothing, &Player::new([]), &Wish::default()).end,
        RunEnd::AllCompleted
    );
}

#[test]
fn a_step_whose_answer_was_lost_is_repeated_and_done_once() {
    // Claim and complete; claim and fail, twice; claim and give back: each of their writes loses its answer once.
    let pieces = || {
        [
            Play::Exit(0),
            Play::Exit(1),
            Play::Exit(75),
            Play::Exit(0),
            Play::Exit(0),
        ]
    };
    for n in 1.. {
        let desk = Desk::with_tasks(&["A", "B", "C"]);
        desk.store.lose_answer_of(n);
        let outcome = run(&desk, &Player::new(pieces()), &Wish::default());
        if !desk.store.fired() {
            assert!(n > 10, "the loop has no write {n}");
            return;
        }
        let summary = outcome
            .0
            .unwrap_or_else(|error| panic!("write {n}: {error}"));
        assert_eq!(
            (summary.end, summary.attempts),
            (RunEnd::AllCompleted, 5),
            "write {n}"
        );
        let contents = desk.contents();
        assert_eq!(contents.attempts.len(), 5, "write {n}");
        let used: u32 = contents.tasks.iter().map(|task| task.retries_used).sum();
        assert_eq!(used, 1, "write {n}");
    }
}
