//! What concurrent callers are answered about a task could have been answered one after the other.
//!
//! Eight threads, each with an opener of its own, call the use cases of a claim's life on a few tasks, also with tokens
//! that were taken away; each call is kept with its beginning and its end, and a search looks for an order that
//! explains all answers and what is in the store at the end. `TASQ_TEST_SEED=…` repeats what is asked for, though not
//! the order in which threads run.

mod checker;
mod forged;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;

use tasq_app::{
    App, AppError, Caller, Code, FailTask, HolderRef, ReleaseTask, Report, ScopeRef, WhichTask,
};
use tasq_domain::life::FailureKind;
use tasq_domain::{Actor, Status, TaskId, Token};

use self::checker::{Answer, Ask, Call, Stands, Task, Ticket, linearizable};
use crate::contract::full;
use crate::contract::harness::Harness;
use crate::contract::random::numbers::Numbers;
use crate::contract::stores::{JsonHarness, MemoryHarness, SqliteHarness};
use crate::usecases::desk::{Desk, claims, completing, id_of, reason, task_id};

const THREADS: u64 = 8;
const TASKS: usize = 3;
const CALLS_EACH: u32 = 40;

#[test]
fn histories_on_the_memory_store_are_linearizable() {
    histories::<MemoryHarness>("memory");
}

#[test]
fn histories_on_the_sqlite_store_are_linearizable() {
    histories::<SqliteHarness>("sqlite");
}

#[test]
fn histories_on_the_json_store_are_linearizable() {
    histories::<JsonHarness>("json");
}

fn histories<H: Harness + 'static>(store: &str) {
    let seed = crate::crash::seed();
    let rounds = if full() { 200 } else { 4 };
    let mut counts = Counts::default();
    for round in 0..rounds {
        let desk = Desk::fresh::<H>();
        for (task, threads) in history(&desk, seed.wrapping_add(round)) {
            counts.count(&threads);
            assert!(
                linearizable(&threads),
                "seed {seed}, round {round}: no order explains what {task} was answered: {threads:#?}"
            );
        }
        desk.close();
    }
    let Counts {
        granted,
        done,
        refused,
    } = counts;
    // A history in which nothing happens proves nothing.
    assert!(granted > 0 && done > 0 && refused > 0, "{counts:?}");
    eprint_line(&format!(
        "linear: {store}, seed {seed}: {rounds} rounds of {THREADS} threads, {granted} claims, {done} other calls done, {refused} refused, 0 without an order"
    ));
}

fn eprint_line(line: &str) {
    use std::io::Write as _;
    writeln!(std::io::stderr(), "{line}").expect("standard error is open");
}

#[derive(Debug, Default)]
struct Counts {
    granted: u32,
    done: u32,
    refused: u32,
}

impl Counts {
    fn count(&mut self, threads: &[Vec<Call>]) {
        for call in threads.iter().flatten() {
            match call.answer {
                Answer::Granted(_) => self.granted += 1,
                Answer::Done => self.done += 1,
                Answer::Refused => self.refused += 1,
                Answer::Seen(_) => {}
            }
        }
    }
}

/// What all threads share.
struct Shared {
    /// The one clock of all calls.
    instants: AtomicU64,
    tasks: Vec<TaskId>,
    /// Every token that was handed out, newest last.
    tokens: Mutex<Vec<(usize, Token)>>,
}

impl Shared {
    fn instant(&self) -> u64 {
        self.instants.fetch_add(1, Ordering::SeqCst)
    }
}

/// What eight threads were answered, by task and thread, and as a last thread what is in the store at the end.
fn history(desk: &Desk, seed: u64) -> Vec<(TaskId, Vec<Vec<Call>>)> {
    desk.feature("FEAT", None);
    let tasks: Vec<TaskId> = (0..TASKS)
        .map(|number| desk.task(&format!("TASK-{number}"), "FEAT"))
        .collect();
    let shared = Shared {
        instants: AtomicU64::new(0),
        tasks,
        tokens: Mutex::default(),
    };
    let barrier = Barrier::new(usize::try_from(THREADS).unwrap());
    let openers: Vec<_> = (0..THREADS).map(|_| desk.bench.harness.open()).collect();
    let calls: Vec<Vec<(usize, Call)>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .zip(&openers)
            .map(|(number, opener)| {
                let (barrier, shared) = (&barrier, &shared);
                scope.spawn(move || {
                    let actor = Actor::new(format!("thread {number}")).unwrap();
                    let app = App::new(opener.as_ref(), &desk.ids, Caller::Person { actor });
                    let mut numbers = Numbers::new(seed.wrapping_mul(THREADS) + number);
                    barrier.wait();
                    (0..CALLS_EACH)
                        .flat_map(|_| one_call(&app, shared, &mut numbers))
                        .collect()
                })
            })
            .collect();
        let calls = threads.into_iter().map(|thread| thread.join().unwrap());
        calls.collect()
    });
    let of_task = |(number, task): (usize, &TaskId)| {
        let mut threads: Vec<Vec<Call>> = calls
            .iter()
            .map(|calls| {
                let calls = calls.iter().filter(|(of, _)| *of == number);
                calls.map(|(_, call)| *call).collect()
            })
            .collect();
        threads.push(vec![look(desk, &shared, task)]);
        (task.clone(), threads)
    };
    shared.tasks.iter().enumerate().map(of_task).collect()
}

fn look(desk: &Desk, shared: &Shared, task: &TaskId) -> Call {
    let begun = shared.instant();
    let found = desk.get(task.as_str());
    let stands = match (found.status, &found.claim) {
        (Status::Completed, None) => Stands::Completed,
        (Status::Pending, None) if found.not_before.is_some() => Stands::Waiting,
        (Status::Pending, None) => Stands::Ready,
        (Status::InProgress, Some(claim)) => Stands::Held(ticket(claim.token)),
        _ => panic!("no call can have led to this: {found:?}"),
    };
    let seen = Task {
        attempts: found.attempts,
        stands,
    };
    Call {
        begun,
        ended: shared.instant(),
        ask: Ask::Look,
        answer: Answer::Seen(seen),
    }
}

fn ticket(token: Token) -> Ticket {
    (token.attempt, token.nonce)
}

/// Makes a call and tells for which tasks it says something: a claim of any task that finds nothing ready says it of
/// all.
fn one_call(app: &App<'_>, shared: &Shared, numbers: &mut Numbers) -> Vec<(usize, Call)> {
    let of_any = numbers.below(u32::try_from(TASKS).unwrap()) as usize;
    let token = recent(shared, numbers);
    let begun = shared.instant();
    let (of, ask, answer) = match (numbers.below(10), token) {
        (0, _) | (1, None) => {
            let (of, answer) = claim(app, shared, WhichTask::Next(ScopeRef::Queue));
            (of, Ask::Claim, answer)
        }
        (2 | 3, _) | (_, None) => {
            let task = shared.tasks[of_any].to_string();
            let (_, answer) = claim(app, shared, WhichTask::This(task));
            (Some(of_any), Ask::Claim, answer)
        }
        (4, _) => {
            let done = app.retry(&shared.tasks[of_any], false);
            (Some(of_any), Ask::Retry, done_or_refused(done))
        }
        (5, _) => {
            let done = app.reopen(&shared.tasks[of_any], true);
            (Some(of_any), Ask::TakeOver, done_or_refused(done))
        }
        (which, Some((of, token))) => {
            let (ask, answer) = holders_call(app, &shared.tasks[of], token, which);
            (Some(of), ask, answer)
        }
    };
    let call = Call {
        begun,
        ended: shared.instant(),
        ask,
        answer,
    };
    match of {
        Some(of) => vec![(of, call)],
        None => (0..TASKS).map(|of| (of, call)).collect(),
    }
}

/// One of the tokens that were handed out last, which others may be using.
fn recent(shared: &Shared, numbers: &mut Numbers) -> Option<(usize, Token)> {
    let tokens = shared.tokens.lock().unwrap();
    let newest = &tokens[tokens.len().saturating_sub(5)..];
    numbers.pick(newest).copied()
}

fn claim(app: &App<'_>, shared: &Shared, which: WhichTask) -> (Option<usize>, Answer) {
    match app.claim(&claims(which, 1)) {
        Ok(mut granted) => {
            let claim = granted.remove(0);
            let of = shared.tasks.iter().position(|task| task == id_of(&claim));
            let of = of.expect("there are no other tasks");
            shared.tokens.lock().unwrap().push((of, claim.token));
            (Some(of), Answer::Granted(ticket(claim.token)))
        }
        Err(error) => (None, refused(&error)),
    }
}

fn holders_call(app: &App<'_>, task: &TaskId, token: Token, which: u32) -> (Ask, Answer) {
    let holder = HolderRef {
        task: task_id(task.as_str()),
        token,
    };
    let ticket = ticket(token);
    match which {
        6 => {
            let done = app.complete(&completing(task, Some(token)));
            (Ask::Complete(ticket), done_or_refused(done))
        }
        7 => {
            let failed = FailTask {
                holder,
                kind: FailureKind::Failed,
                message: reason("red"),
                report: Report::default(),
            };
            (Ask::Fail(ticket), done_or_refused(app.fail(&failed)))
        }
        8 => {
            let released = ReleaseTask {
                holder,
                not_before: None,
                message: None,
                report: Report::default(),
            };
            (
                Ask::Release(ticket),
                done_or_refused(app.release(&released)),
            )
        }
        _ => {
            let done = app.heartbeat(&holder, None);
            (Ask::Heartbeat(ticket), done_or_refused(done))
        }
    }
}

fn done_or_refused<T>(outcome: Result<T, AppError>) -> Answer {
    match outcome {
        Ok(_) => Answer::Done,
        Err(error) => refused(&error),
    }
}

/// A refusal for what the task is. Anything else is a fault of the store.
fn refused(error: &AppError) -> Answer {
    match error.code() {
        Code::Conflict | Code::NothingReady => Answer::Refused,
        code => panic!("{code:?}: {error}"),
    }
}
