//! A loop around a desk: the program that it runs in, the place that it works in, and what a test asks of it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tasq_adapter_memory::MemoryTrust;
use tasq_app::{
    App, AppError, Assignment, Finish, Host, RunEvent, RunOptions, RunSummary, ScopeRef, Stop,
};
use tasq_domain::brakes::Brakes;
use tasq_domain::{TaskId, Token, Worker};
use tasq_ports::{Bench, Job, Kept, Leaving, Workplace, WorkplaceError};

use crate::desk::Desk;
use crate::play::{Player, options};

/// What a test asks of the loop.
pub(crate) struct Wish {
    pub(crate) scope: ScopeRef,
    pub(crate) jobs: u32,
    pub(crate) lease: Duration,
    pub(crate) max: Option<u32>,
    pub(crate) max_wait: Duration,
    pub(crate) brakes: Brakes,
    pub(crate) forgiving: bool,
    pub(crate) promise: Option<&'static str>,
    pub(crate) regress: bool,
    pub(crate) watch: bool,
    /// Asks the loop to stop now.
    pub(crate) signal: Arc<AtomicU32>,
    /// Asks the loop to begin nothing more.
    pub(crate) drain: Arc<AtomicU32>,
    /// What becomes of proven work; in place when there is nothing left.
    pub(crate) keeps: Mutex<Vec<Result<Kept, &'static str>>>,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            scope: ScopeRef::Queue,
            jobs: 1,
            // A heartbeat each millisecond; the queue's own clock stands.
            lease: Duration::from_millis(3),
            max: Some(20),
            max_wait: Duration::ZERO,
            brakes: Brakes::default(),
            forgiving: false,
            promise: None,
            regress: false,
            watch: false,
            signal: Arc::default(),
            drain: Arc::default(),
            keeps: Mutex::default(),
        }
    }
}

/// The program around the loop and the place it works in.
pub(crate) struct House<'h> {
    desk: &'h Desk,
    wish: &'h Wish,
    paused: AtomicU32,
    /// How many places with everything are open.
    pub(crate) wholes: AtomicU32,
    /// How each place was left.
    pub(crate) left: Mutex<Vec<Leaving>>,
}

impl<'h> House<'h> {
    pub(crate) fn of(desk: &'h Desk, wish: &'h Wish) -> Self {
        Self {
            desk,
            wish,
            paused: AtomicU32::new(0),
            wholes: AtomicU32::new(0),
            left: Mutex::default(),
        }
    }

    pub(crate) fn options(&self) -> RunOptions<'_> {
        let wish = self.wish;
        RunOptions {
            scope: wish.scope.clone(),
            command: vec!["agent".to_owned(), "--quiet".to_owned()],
            jobs: wish.jobs,
            worker: Worker::new("w1").unwrap(),
            pid: None,
            lease: wish.lease,
            timeout: None,
            idle_timeout: Some(Duration::from_secs(77)),
            max: wish.max,
            max_time: None,
            brakes: wish.brakes.clone(),
            forgiving: wish.forgiving,
            max_wait: wish.max_wait,
            watch: wish.watch,
            promise: wish.promise.map(str::to_owned),
            regress: wish.regress,
            verify: options(),
            workplace: self,
            store: "sqlite:queue.db".to_owned(),
            host: self,
        }
    }
}

impl Host for House<'_> {
    fn input(&self, assignment: &Assignment) -> Vec<u8> {
        let task = &assignment.claim.task.record.task;
        task.description.as_str().into()
    }

    fn log(&self, task: &TaskId, token: Token) -> Option<PathBuf> {
        Some(format!("logs/{task}.{token}").into())
    }

    fn stop(&self) -> Stop {
        let signal = |of: &AtomicU32| i32::try_from(of.load(Ordering::SeqCst)).unwrap();
        match (signal(&self.wish.signal), signal(&self.wish.drain)) {
            (0, 0) => Stop::GoOn,
            (0, drain) => Stop::Drain(drain),
            (now, _) => Stop::Now(now),
        }
    }

    /// Moves the clock.
    fn pause(&self, span: Duration) {
        let paused = self.paused.fetch_add(1, Ordering::SeqCst);
        assert!(paused < 100_000, "the loop waits for ever");
        self.desk.clock.advance(span);
    }

    fn news(&self) -> Option<u64> {
        None
    }
}

impl Workplace for House<'_> {
    fn open(&self, _: &Job, _: &[u8]) -> Result<Bench, WorkplaceError> {
        Ok(Bench {
            folder: options().folder,
            env: vec![("TASQ_TASK_FILE".to_owned(), "/project/task.json".to_owned())],
        })
    }

    fn keep(&self, _: &Job, _: &Bench) -> Result<Kept, WorkplaceError> {
        let kept = self.wish.keeps.lock().unwrap().pop();
        kept.unwrap_or(Ok(Kept::InPlace))
            .map_err(|what| WorkplaceError {
                what: what.to_owned(),
            })
    }

    fn leave(&self, _: &Job, _: &Bench, how: Leaving) -> Result<(), WorkplaceError> {
        self.left.lock().unwrap().push(how);
        Ok(())
    }

    fn open_whole(&self) -> Result<Bench, WorkplaceError> {
        self.wholes.fetch_add(1, Ordering::SeqCst);
        Ok(Bench {
            folder: "/whole".into(),
            env: Vec::new(),
        })
    }

    fn leave_whole(&self, bench: &Bench) -> Result<(), WorkplaceError> {
        assert_eq!(bench.folder, PathBuf::from("/whole"));
        self.wholes.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
}

/// Runs the loop; pauses move the clock. Also returns what came of each attempt.
pub(crate) fn run(
    desk: &Desk,
    player: &Player,
    wish: &Wish,
) -> (Result<RunSummary, AppError>, Vec<Finish>) {
    run_as(desk, &desk.ada(), player, wish)
}

/// As [`run`], where only trusted commands run.
pub(crate) fn run_trusting(
    desk: &Desk,
    player: &Player,
    wish: &Wish,
    trust: &MemoryTrust,
) -> (Result<RunSummary, AppError>, Vec<Finish>) {
    run_as(desk, &desk.ada().with_trust(trust), player, wish)
}

fn run_as(
    desk: &Desk,
    app: &App<'_>,
    player: &Player,
    wish: &Wish,
) -> (Result<RunSummary, AppError>, Vec<Finish>) {
    let (summary, events) = told_as(desk, app, player, wish);
    let finish = |event| match event {
        RunEvent::Finished { how, .. } => Some(how),
        _ => None,
    };
    (summary, events.into_iter().filter_map(finish).collect())
}

/// Runs the loop and returns all that it told.
pub(crate) fn told(
    desk: &Desk,
    player: &Player,
    wish: &Wish,
) -> (Result<RunSummary, AppError>, Vec<RunEvent>) {
    told_as(desk, &desk.ada(), player, wish)
}

fn told_as(
    desk: &Desk,
    app: &App<'_>,
    player: &Player,
    wish: &Wish,
) -> (Result<RunSummary, AppError>, Vec<RunEvent>) {
    let house = House::of(desk, wish);
    let mut events = Vec::new();
    let summary = app.run(player, &house.options(), &mut |event| {
        events.push(event.clone());
    });
    assert_eq!(house.wholes.load(Ordering::SeqCst), 0, "each place is left");
    (summary, events)
}
