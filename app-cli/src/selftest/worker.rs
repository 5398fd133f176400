//! One worker of the selftest, in a process of its own: it may be killed at any instant.
//!
//! It lives as long as its standard input is open, so that it never outlives the test, however that ends.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tasq_app::{
    App, AppError, Caller, ClaimTasks, ClaimView, CompleteTask, FailTask, HolderRef, ReleaseTask,
    Report, ScopeRef, WhichTask,
};
use tasq_domain::life::{FailureKind, Refusal};
use tasq_domain::{Actor, Reason, Worker};

use super::acks::{Logbook, Told};
use super::numbers::Numbers;
use crate::args::care::SelftestWorker;
use crate::discover;
use crate::failure::Failure;
use crate::session::{IDS, PROCESSES, Session};
use crate::stores;

/// The lease of a worker that keeps its task; where processes cannot be told apart, as long is waited for the dead.
const LEASE: Duration = Duration::from_secs(10);
/// The lease of one of many writers, which nobody is to take its task from, however long the machine stands still.
const WRITER_LEASE: Duration = Duration::from_hours(24);
/// The lease of a worker that is meant to lose its task.
const SHORT_LEASE: Duration = Duration::from_millis(1);
/// How long a worker waits while others have all the tasks.
const IDLE: Duration = Duration::from_millis(5);
/// How often it does so before it gives up: several leases.
const PATIENCE: u32 = 10_000;

/// `selftest-worker`, the process behind each worker.
pub(crate) fn work(session: &Session, args: SelftestWorker) -> Result<u8, Failure> {
    let place = discover::locate(session.global.store.as_deref())?.place;
    let store = stores::open(&place, session.terms())?;
    let caller = Caller::Person {
        actor: Actor::new("selftest").expect("a word is a name"),
    };
    let app = App::new(store.as_ref(), &IDS, caller).with_processes(&PROCESSES);
    let result = match args.writes {
        true => write(&app, &args),
        false => {
            thread::spawn(|| {
                wait_for_end();
                std::process::exit(0);
            });
            claim_and_complete(&app, &args)
        }
    };
    // Never closed, as everywhere.
    std::mem::forget(store);
    result.map(|()| 0)
}

/// Returns when standard input is closed.
fn wait_for_end() {
    let mut buffer = [0; 64];
    while io::stdin().read(&mut buffer).is_ok_and(|count| count > 0) {}
}

/// Claims tasks and ends them one way or another until there is none.
fn claim_and_complete(app: &App<'_>, args: &SelftestWorker) -> Result<(), Failure> {
    let mut book = Logbook::create(&args.log).map_err(|error| noting(&error))?;
    let mut numbers = Numbers::new(args.seed);
    let mut idle = 0;
    while idle < PATIENCE {
        let loses = numbers.below(8) == 0;
        let (lease, pid) = match loses {
            true => (SHORT_LEASE, None),
            false => (LEASE, Some(std::process::id())),
        };
        let claim = match claim(app, &args.name, lease, pid) {
            Ok(claim) => claim,
            Err(AppError::NothingReady(waiting)) => {
                if waiting.counts.pending + waiting.counts.in_progress == 0 {
                    return Ok(());
                }
                idle += 1;
                thread::sleep(IDLE);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        idle = 0;
        let holder = holder(&claim);
        let mut note = |told| {
            book.note(told, &holder.task, holder.token)
                .map_err(|error| noting(&error))
        };
        note(Told::Claimed)?;
        if loses {
            thread::sleep(SHORT_LEASE * 2);
            app.reap()?;
        }
        note(end(app, &holder, &mut numbers)?)?;
    }
    Ok(())
}

fn claim(
    app: &App<'_>,
    worker: &Worker,
    lease: Duration,
    pid: Option<u32>,
) -> Result<ClaimView, AppError> {
    let claims = app.claim(&ClaimTasks {
        which: WhichTask::Next(ScopeRef::Queue),
        worker: worker.clone(),
        lease,
        count: 1,
        pid,
    })?;
    Ok(claims
        .into_iter()
        .next()
        .expect("a claim that succeeds gives a task"))
}

fn holder(claim: &ClaimView) -> HolderRef {
    HolderRef {
        task: claim.task.record.task.id.clone(),
        token: claim.token,
    }
}

/// Ends a claim, and says what became of that.
fn end(app: &App<'_>, holder: &HolderRef, numbers: &mut Numbers) -> Result<Told, Failure> {
    let message = Reason::new("as the selftest wants it").expect("a short text is a reason");
    let (told, ended) = match numbers.below(12) {
        0 => {
            let ended = app.release(&ReleaseTask {
                holder: holder.clone(),
                not_before: None,
                message: Some(message),
                report: Report::default(),
            });
            (Told::Released, ended.map(drop))
        }
        1 => {
            let ended = app.fail(&FailTask {
                holder: holder.clone(),
                kind: FailureKind::Failed,
                message,
                report: Report::default(),
            });
            (Told::Failed, ended.map(drop))
        }
        _ => {
            let ended = app.complete(&CompleteTask {
                task: holder.task.clone(),
                token: Some(holder.token),
                summary: Some(message),
                force: None,
                report: Report::default(),
                next: None,
            });
            (Told::Completed, ended.map(drop))
        }
    };
    match ended {
        Ok(()) => Ok(told),
        Err(AppError::Refused {
            why: Refusal::StaleClaim,
            ..
        }) => Ok(Told::Refused),
        Err(error) => Err(error.into()),
    }
}

/// Renews the lease of one task as fast as it can, from the first byte on standard input to its end. Its log has the
/// line `ready`, then for each write how long that took, in microseconds.
fn write(app: &App<'_>, args: &SelftestWorker) -> Result<(), Failure> {
    let claim = claim(app, &args.name, WRITER_LEASE, Some(std::process::id()))?;
    let holder = holder(&claim);
    let mut log = OpenOptions::new()
        .append(true)
        .create_new(true)
        .mode(0o600)
        .open(&args.log)
        .map_err(|error| noting(&error))?;
    let mut line = |text: String| {
        log.write_all(text.as_bytes())
            .map_err(|error| noting(&error))
    };
    line("ready\n".to_owned())?;
    if !io::stdin().read(&mut [0]).is_ok_and(|count| count > 0) {
        return Ok(());
    }
    let over = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&over);
    thread::spawn(move || {
        wait_for_end();
        seen.store(true, Ordering::SeqCst);
    });
    while !over.load(Ordering::SeqCst) {
        let begun = Instant::now();
        app.heartbeat(&holder, Some(WRITER_LEASE))?;
        line(format!("{}\n", begun.elapsed().as_micros()))?;
    }
    Ok(())
}

fn noting(error: &io::Error) -> Failure {
    Failure::io("cannot write the log of acknowledgements", error)
}
