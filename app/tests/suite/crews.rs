//! The loop with several workers, with brakes, and with workers that report about their work.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use tasq_app::{AddTask, Assignment, Finish, Limit, RunEnd, RunEvent};
use tasq_domain::brakes::{Brakes, Cost, Tripped};
use tasq_domain::{JsonObject, Outcome, RetryBudget, Status};
use tasq_ports::{CommandSpec, Kept, Leaving};

use crate::desk::{Desk, new_task, reason, task_id};
use crate::house::{House, Wish, run, told};
use crate::play::{Play, Player};

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("T{number}")).collect()
}

fn desk(count: usize) -> Desk {
    let names = names(count);
    Desk::with_tasks(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

fn wish() -> Wish {
    Wish {
        max: None,
        ..Wish::default()
    }
}

/// A command that says something and ends.
fn says(output: &str, code: i32) -> Play {
    Play::Says(output.to_owned(), code)
}

#[test]
fn several_workers_work_at_the_same_time_and_each_task_is_done_once() {
    let desk = desk(20);
    let meet = Arc::new(Barrier::new(4));
    let together = (0..4).map(|_| {
        let meet = Arc::clone(&meet);
        Play::Does(
            Box::new(move |_| {
                meet.wait();
            }),
            0,
        )
    });
    let wish = Wish { jobs: 4, ..wish() };
    let player = Player::new(together);
    let (done, _) = run(&desk, &player, &wish);
    let done = done.unwrap();
    assert_eq!((done.end, done.attempts), (RunEnd::AllCompleted, 20));
    let contents = desk.contents();
    assert_eq!(contents.attempts.len(), 20);
    let workers: std::collections::BTreeSet<_> = contents
        .attempts
        .iter()
        .map(|it| it.worker.as_str())
        .collect();
    assert!(workers.len() > 1 && workers.iter().all(|name| name.starts_with("w1#")));
}

#[test]
fn a_completion_claims_the_next_task_in_the_same_unit() {
    let desk = desk(2);
    run(&desk, &Player::new([]), &wish()).0.unwrap();
    let attempts = desk.contents().attempts;
    let operations = desk.contents().operations;
    assert_eq!(attempts.len(), 2);
    let cases: Vec<&str> = operations.iter().map(|it| it.use_case.as_str()).collect();
    assert_eq!(cases, ["claim", "complete", "complete"]);
}

#[test]
fn no_more_attempts_than_allowed_begin_however_many_workers_there_are() {
    let desk = desk(20);
    let wish = Wish {
        jobs: 8,
        max: Some(5),
        ..wish()
    };
    let done = run(&desk, &Player::new([]), &wish).0.unwrap();
    assert_eq!(
        (done.end, done.attempts),
        (RunEnd::Limit(Limit::Attempts), 5)
    );
    assert_eq!(desk.contents().attempts.len(), 5);
}

#[test]
fn nothing_begins_after_the_time_that_is_allowed() {
    let desk = desk(2);
    let wish = wish();
    let house = House::of(&desk, &wish);
    let options = tasq_app::RunOptions {
        max_time: Some(Duration::ZERO),
        ..house.options()
    };
    let done = desk.ada().run(&Player::new([]), &options, &mut |_| ());
    let done = done.unwrap();
    assert_eq!((done.end, done.attempts), (RunEnd::Limit(Limit::Time), 0));
}

#[test]
fn asked_to_drain_it_lets_end_what_runs_and_begins_nothing_more() {
    let desk = desk(3);
    let wish = wish();
    let drain = Arc::clone(&wish.drain);
    let player = Player::new([Play::Does(
        Box::new(move |_| drain.store(2, Ordering::SeqCst)),
        0,
    )]);
    let (done, events) = told(&desk, &player, &wish);
    let done = done.unwrap();
    assert_eq!((done.end, done.completed), (RunEnd::Interrupted(2), 1));
    assert_eq!(desk.contents().attempts.len(), 1);
    assert!(matches!(
        events.last(),
        Some(RunEvent::Ended {
            end: Some(RunEnd::Interrupted(2)),
            ..
        })
    ));
}

#[test]
fn an_error_of_one_worker_stops_the_others_and_is_told_at_the_end() {
    let desk = Arc::new(desk(2));
    let meet = Arc::new(Barrier::new(2));
    let hangs = |also_fails: bool| {
        let (there, meet) = (Arc::clone(&desk), Arc::clone(&meet));
        Play::Hangs(Box::new(move || {
            meet.wait();
            if also_fails {
                there.store.fail_at(1, crate::faulty::Fault::Full);
            }
        }))
    };
    let player = Player::new([hangs(false), hangs(true)]);
    let (done, events) = told(&desk, &player, &Wish { jobs: 2, ..wish() });
    assert!(done.is_err());
    assert_eq!(player.stopped(), 2);
    assert!(matches!(
        events.last(),
        Some(RunEvent::Ended { end: None, .. })
    ));
}

#[test]
fn what_a_completion_claimed_is_given_back_when_the_loop_ends_with_an_error() {
    // Each call to the store fails once; among them those after a completion that claimed the next task already.
    for n in 1.. {
        let desk = desk(2);
        let player = Player::new([]);
        desk.store.fail_at(n, crate::faulty::Fault::Full);
        let (done, _) = run(&desk, &player, &wish());
        if !desk.store.fired() {
            assert!(n > 20, "the loop makes {n} calls");
            return;
        }
        let held: Vec<_> = desk
            .contents()
            .tasks
            .into_iter()
            .filter(|task| task.claim.is_some())
            .collect();
        assert!(done.is_err(), "call {n}");
        // What failed itself is held until its process is gone; nothing else is.
        assert!(held.len() <= 1, "call {n}: {held:?}");
        if let [task] = &held[..] {
            let began = player
                .started()
                .iter()
                .any(|spec| spec.label == task.id.as_str());
            assert!(began, "call {n}: {} was never begun, but is held", task.id);
        }
    }
}

#[test]
fn a_row_of_failures_stops_this_loop_and_the_next_one() {
    let desk = desk(30);
    let wish = Wish {
        jobs: 4,
        brakes: Brakes {
            failures_in_a_row: Some(3),
            ..Brakes::default()
        },
        ..wish()
    };
    let failing = || Player::new((0..100).map(|_| Play::Exit(1)));
    let tripped = RunEnd::Limit(Limit::Brake(Tripped::Failures(3)));
    let player = failing();
    let done = run(&desk, &player, &wish).0.unwrap();
    assert_eq!((&done.end, done.attempts), (&tripped, 3));
    assert_eq!(player.started().len(), 3);
    let again = run(&desk, &failing(), &wish).0.unwrap();
    assert_eq!((&again.end, again.attempts), (&tripped, 0), "a restart");
    let forgiving = Wish {
        forgiving: true,
        ..wish
    };
    let forgiven = run(&desk, &failing(), &forgiving).0.unwrap();
    assert_eq!((&forgiven.end, forgiven.attempts), (&tripped, 3));
    let done = run(&desk, &Player::new([]), &forgiving).0.unwrap();
    assert_eq!(done.end, RunEnd::AllCompleted);
}

#[test]
fn attempts_within_the_hour_and_their_cost_are_counted_across_loops() {
    let desk = desk(30);
    let hourly = Wish {
        brakes: Brakes {
            attempts_per_hour: Some(2),
            ..Brakes::default()
        },
        ..wish()
    };
    let all_cost = || Player::new((0..30).map(|_| says("{\"cost_usd\":0.5}", 0)));
    for (attempts, pause) in [(2, 0), (0, 3_600), (2, 0)] {
        let done = run(&desk, &all_cost(), &hourly).0.unwrap();
        assert_eq!(done.attempts, attempts);
        assert_eq!(done.end.brake(), Some(Tripped::Attempts(2)));
        desk.clock.advance(Duration::from_secs(pause));
    }
    let dear = Wish {
        brakes: Brakes {
            cost: Cost::from_dollars(3.0),
            ..Brakes::default()
        },
        ..wish()
    };
    for attempts in [2, 0] {
        let done = run(&desk, &all_cost(), &dear).0.unwrap();
        assert_eq!(done.attempts, attempts);
        assert_eq!(done.end.brake(), Cost::from_dollars(3.0).map(Tripped::Cost));
    }
}

#[test]
fn a_task_that_is_given_back_again_and_again_waits_longer_and_is_blocked_at_last() {
    let desk = desk(2);
    let back = (0..100).map(|_| Play::Does(Box::new(|_| ()), 75));
    let player = Player::new(back);
    let done = run(&desk, &player, &wish()).0.unwrap();
    assert_eq!((done.end, done.released), (RunEnd::Remaining, 20));
    for id in ["T0", "T1"] {
        let task = desk.get(id);
        assert_eq!((task.status, task.retries_used), (Status::Blocked, 0));
        let why = task.blocked_reason.unwrap();
        assert!(why.as_str().contains("10 times in a row"), "{why}");
    }
}

#[test]
fn a_task_that_kills_its_worker_three_times_is_blocked_and_starves_nobody() {
    let desk = desk(10);
    let kills = |spec: &tasq_ports::CommandSpec| spec.label == "T7";
    let player = Player::judging(move |spec| {
        if kills(spec) {
            Play::Signal(6)
        } else {
            Play::Exit(0)
        }
    });
    let wish = Wish { jobs: 2, ..wish() };
    let done = run(&desk, &player, &wish).0.unwrap();
    assert_eq!((done.completed, done.failed), (9, 3));
    let task = desk.get("T7");
    assert_eq!(task.status, Status::Blocked);
    assert!(task.blocked_reason.unwrap().as_str().starts_with("poison"));
}

#[test]
fn a_report_is_believed_unless_it_claims_too_much() {
    let outcome = |play: Play, promise: Option<&'static str>| {
        let desk = desk(1);
        let wish = Wish {
            max: Some(1),
            promise,
            ..wish()
        };
        let (_, ends) = run(&desk, &Player::new([play]), &wish);
        let attempt = desk.contents().attempts.remove(0);
        let end = attempt.end.unwrap();
        (
            ends[0].clone(),
            end.outcome,
            end.message,
            desk.get("T0").status,
        )
    };
    let said = "{\"verdict\":\"PASS\",\"summary\":\"did it\"}";
    let (how, _, message, _) = outcome(says(said, 0), None);
    assert_eq!((how, message), (Finish::Completed, Some(reason("did it"))));
    let (_, kind, message, _) = outcome(says(said, 1), None);
    assert_eq!(kind, Outcome::Failed);
    assert_eq!(message, Some(reason("exit code 1\ndid it")));
    let blocked = "{\"verdict\":\"BLOCKED\",\"summary\":\"no key\"}";
    let (how, kind, _, status) = outcome(says(blocked, 0), None);
    assert_eq!(how, Finish::Blocked("no key".to_owned()));
    assert_eq!((kind, status), (Outcome::Blocked, Status::Blocked));
    let (_, kind, ..) = outcome(says("{\"verdict\":\"RETRY_NEEDED\"}", 0), None);
    assert_eq!(kind, Outcome::Released);
    let (_, kind, ..) = outcome(says("{\"verdict\":\"FAIL\"}", 0), None);
    assert_eq!(kind, Outcome::Failed);
    let (_, kind, message, _) = outcome(says("{\"verdict\":\"YES\"}", 0), None);
    assert_eq!(kind, Outcome::Failed);
    assert!(message.unwrap().as_str().contains("PASS, FAIL"));
    let (how, ..) = outcome(says("all ALL-DONE here", 0), Some("ALL-DONE"));
    assert_eq!(how, Finish::Completed);
    let (_, kind, message, _) = outcome(says("all done", 0), Some("ALL-DONE"));
    assert_eq!(kind, Outcome::Failed);
    let why = "its output does not contain \"ALL-DONE\", which it promised";
    assert_eq!(message, Some(reason(why)), "why comes first");
}

#[test]
fn what_is_to_be_done_next_and_what_came_before_reach_the_next_worker() {
    struct Told<'h>(House<'h>, Mutex<Vec<Assignment>>);
    impl tasq_app::Host for Told<'_> {
        fn input(&self, assignment: &Assignment) -> Vec<u8> {
            self.1.lock().unwrap().push(assignment.clone());
            Vec::new()
        }
        fn log(
            &self,
            _: &tasq_domain::TaskId,
            _: tasq_domain::Token,
        ) -> Option<std::path::PathBuf> {
            None
        }
        fn stop(&self) -> tasq_app::Stop {
            self.0.stop()
        }
        fn pause(&self, span: Duration) {
            self.0.pause(span);
        }
        fn news(&self) -> Option<u64> {
            None
        }
    }
    let desk = desk(2);
    desk.ada()
        .depend(&task_id("T1"), &task_id("T0"), false)
        .unwrap();
    desk.test("TEST-1", "T1", "make test");
    let first = "{\"verdict\":\"FAIL\",\"summary\":\"half of it\",\"next_steps\":[\"the rest\"]}";
    let second = "{\"verdict\":\"PASS\",\"summary\":\"all of it\",\"files\":[\"a\"]}";
    let player = Player::new([says(first, 1), says(second, 0)]);
    let wish = wish();
    let host = Told(House::of(&desk, &wish), Mutex::default());
    let options = tasq_app::RunOptions {
        host: &host,
        ..host.0.options()
    };
    desk.ada().run(&player, &options, &mut |_| ()).unwrap();
    let told = host.1.lock().unwrap();
    assert_eq!(told.len(), 3);
    let again = &told[1];
    let failure = again.claim.last_failure.as_ref().unwrap();
    assert_eq!(failure.message, Some(reason("exit code 1\nhalf of it")));
    let note = again.claim.checkpoint.as_ref().unwrap();
    assert_eq!(note.next_steps, ["the rest"]);
    let after = &told[2];
    assert_eq!(after.tests.len(), 1);
    let result = &after.dependencies[0];
    assert_eq!(
        (result.task.as_str(), result.status),
        ("T0", Status::Completed)
    );
    assert_eq!(result.summary, Some(reason("all of it")));
    assert!(
        result
            .result
            .as_ref()
            .unwrap()
            .as_str()
            .contains("\"files\":[\"a\"]")
    );
}

#[test]
fn a_task_sets_its_own_limits_and_nonsense_blocks_it() {
    let desk = desk(0);
    let add = |id: &str, metadata: &str| {
        let new = AddTask {
            metadata: JsonObject::new(metadata).unwrap(),
            ..new_task(id)
        };
        desk.ada().add_task(&new).unwrap();
    };
    add("A", r#"{"timeout":"2m","lease":"1h","command":"rm -rf /"}"#);
    add("B", r#"{"timeout":"whenever"}"#);
    let player = Player::new([]);
    let done = run(&desk, &player, &wish()).0.unwrap();
    assert_eq!(
        (done.end, done.completed, done.failed),
        (RunEnd::Remaining, 1, 1)
    );
    let started = player.started();
    assert_eq!(started.len(), 1, "nothing runs for a task with nonsense");
    assert_eq!(started[0].argv[0], "agent");
    assert_eq!(started[0].limits.time, Some(Duration::from_secs(120)));
    assert_eq!(started[0].limits.silence, Some(Duration::from_secs(77)));
    let task = desk.get("B");
    let why = task.blocked_reason.unwrap();
    assert!(why.as_str().contains("timeout: \"whenever\""), "{why}");
    assert_eq!(task.retries_used, 0);
}

#[test]
fn a_lease_of_its_own_is_not_that_of_the_next_task() {
    let desk = Arc::new(desk(0));
    let own = AddTask {
        metadata: JsonObject::new(r#"{"lease":"1h"}"#).unwrap(),
        ..new_task("A")
    };
    for new in [own, new_task("B")] {
        desk.ada().add_task(&new).unwrap();
    }
    let leases = Arc::new(Mutex::new(Vec::new()));
    let look = |id: &'static str| {
        let (there, leases) = (Arc::clone(&desk), Arc::clone(&leases));
        let look = move |_: &CommandSpec| {
            let claim = there.get(id).claim.unwrap();
            leases.lock().unwrap().push(claim.lease);
        };
        Play::Does(Box::new(look), 0)
    };
    let player = Player::new([look("A"), look("B")]);
    let done = run(&desk, &player, &wish()).0.unwrap();
    assert_eq!(done.completed, 2);
    let leases = leases.lock().unwrap();
    assert_eq!(leases[0], Duration::from_secs(3_600));
    assert_eq!(leases[1], Duration::from_millis(3));
}

#[test]
fn a_time_out_is_charged_and_told() {
    let desk = desk(0);
    let budget = RetryBudget::new(1).unwrap();
    let new = AddTask {
        retry_budget: budget,
        ..new_task("A")
    };
    desk.ada().add_task(&new).unwrap();
    let done = run(&desk, &Player::new([Play::TimesOut]), &wish())
        .0
        .unwrap();
    assert_eq!((done.end, done.failed), (RunEnd::Remaining, 1));
    let end = desk.contents().attempts.remove(0).end.unwrap();
    assert_eq!(end.outcome, Outcome::TimedOut);
    assert!(end.message.unwrap().as_str().starts_with("timed out"));
}

#[test]
fn work_that_cannot_be_kept_is_not_completed() {
    let attempt = |keeps: Vec<Result<Kept, &'static str>>| {
        let desk = desk(1);
        desk.test("TEST-1", "T0", "make test");
        let mut keeps = keeps;
        keeps.reverse();
        let wish = Wish {
            max: Some(1),
            keeps: Mutex::new(keeps),
            ..wish()
        };
        let house = House::of(&desk, &wish);
        let player = Player::new([]);
        let mut ends = Vec::new();
        desk.ada()
            .run(&player, &house.options(), &mut |event| {
                if let RunEvent::Finished { how, .. } = event {
                    ends.push(how.clone());
                }
            })
            .unwrap();
        let left = house.left.lock().unwrap().clone();
        let result = desk.contents().attempts.remove(0).result;
        let result = result.map(|it| it.as_str().to_owned());
        (ends.remove(0), left, player.started().len(), result)
    };
    let commit = || Ok(Kept::Commit("c0ffee".to_owned()));
    let (how, left, ran, result) = attempt(vec![commit()]);
    assert_eq!(
        (how, left, ran),
        (Finish::Completed, vec![Leaving::Done], 2)
    );
    assert_eq!(result.as_deref(), Some(r#"{"commit":"c0ffee"}"#));
    let (how, _, ran, _) = attempt(vec![Ok(Kept::Moved), commit()]);
    assert_eq!((how, ran), (Finish::Completed, 3), "it is proven once more");
    let (how, left, ..) = attempt(vec![Ok(Kept::Conflict("both changed x".to_owned()))]);
    assert_eq!(how, Finish::Blocked("both changed x".to_owned()));
    assert_eq!(left, [Leaving::Undone]);
    let (how, ..) = attempt(vec![Err("no space")]);
    assert!(matches!(how, Finish::Failed(why) if why.contains("no space")));
    let (how, ..) = attempt((0..50).map(|_| Ok(Kept::Moved)).collect());
    assert_eq!(how, Finish::Released);
}

#[test]
fn a_watching_loop_goes_on_when_there_is_something_new() {
    let desk = Arc::new(desk(1));
    let added = Arc::new(AtomicU32::new(0));
    let wish = Wish {
        watch: true,
        ..wish()
    };
    let drain = Arc::clone(&wish.drain);
    let (there, count) = (Arc::clone(&desk), Arc::clone(&added));
    // Once it waits, somebody adds a task; after that one it is asked to stop.
    let mut waits = 0;
    let house = House::of(&desk, &wish);
    let summary = desk
        .ada()
        .run(&Player::new([]), &house.options(), &mut |event| {
            if matches!(event, RunEvent::Waiting { until: None }) {
                waits += 1;
                if waits == 1 {
                    there.ada().add_task(&new_task("LATE")).unwrap();
                    count.fetch_add(1, Ordering::SeqCst);
                } else {
                    drain.store(15, Ordering::SeqCst);
                }
            }
        })
        .unwrap();
    assert_eq!(
        (summary.end, summary.completed),
        (RunEnd::Interrupted(15), 2)
    );
    assert_eq!(added.load(Ordering::SeqCst), 1);
}
