//! Running commands: test cases, and the loop over the queue.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use tasq_app::{OwnerRef, RunEnd, RunEvent, RunOptions, ScopeRef, VerifyOptions};
use tasq_domain::life::LEASE_UNDER_RUN_SECS;
use tasq_domain::{TaskId, Token};
use tasq_formats::json::to_text;

use crate::args::work::{Run, Verify};
use crate::failure::Failure;
use crate::output::{Output, Text, View as _};
use crate::runner::{Interrupt, SystemRunner};
use crate::session::{Queue, Session};
use crate::view::{RunLine, Summary, Tests, worker_input};

/// How long a test case may take under `run`.
const TEST_TIMEOUT: Duration = Duration::from_secs(600);
/// How many test cases of a task a worker is told.
const TESTS_TOLD: u32 = 1_000;

pub(super) fn verify(session: &mut Session, args: Verify) -> Result<u8, Failure> {
    let queue = session.open()?;
    let id = match args.id {
        Some(text) => queue.app().find_any(&text)?,
        None => queue.task_or_own(None)?.into(),
    };
    let interrupt = listen()?;
    let runner = SystemRunner::new(interrupt.clone()).giving_up_when_interrupted();
    let options = VerifyOptions {
        folder: queue.place().project()?,
        timeout: args.timeout,
        env: Vec::new(),
    };
    let verified = queue.change(args.change).verify(&id, &runner, &options);
    if let Some(status) = interrupt.exit_status() {
        return Ok(status);
    }
    let verified = verified?;
    let passed = verified.passed;
    session.out.answer(&Tests(verified))?;
    Ok(u8::from(!passed))
}

pub(super) fn run(session: &mut Session, args: Run) -> Result<u8, Failure> {
    if args.jobs != 1 {
        return Err(Failure::usage("only one worker at a time is available yet")
            .with_hint("leave --jobs away"));
    }
    let queue = session.open()?;
    let worker = session.worker(args.worker)?;
    let interrupt = listen()?;
    let runner = SystemRunner::new(interrupt.clone());
    let scope = match args.task {
        Some(task) => ScopeRef::Task(task),
        None => args.within.scope(),
    };
    let logs = logs(&queue);
    let app = queue.app();
    let options = RunOptions {
        scope,
        command: args
            .command
            .into_iter()
            .map(argument)
            .collect::<Result<_, _>>()?,
        worker,
        lease: Duration::from_secs(LEASE_UNDER_RUN_SECS),
        pid: Some(std::process::id()),
        max: args.max,
        max_wait: args.max_wait,
        verify: VerifyOptions {
            folder: queue.place().project()?,
            timeout: TEST_TIMEOUT,
            env: Vec::new(),
        },
        stdin: &|claim| {
            // A worker without the list of its tests is still a worker.
            let owner = OwnerRef::Task(format!("task:{}", claim.task.record.task.id));
            let tests = app.tests(Some(&owner), 0, TESTS_TOLD).unwrap_or_default();
            (to_text(&worker_input(claim, &tests)) + "\n").into_bytes()
        },
        log: &|task, token| {
            logs.as_ref()
                .map(|folder| folder.join(log_name(task, token)))
        },
        store: queue.place().url(),
        stopped: &|| interrupt.signal().map(i32::from),
        pause: &|span| interrupt.sleep(span),
    };
    let mut told = Ok(());
    let mut waiting = false;
    let summary = queue.app().run(&runner, &options, &mut |event| {
        // The loop looks again and again while it waits; once is enough to be told.
        let again = matches!(event, RunEvent::Waiting { .. }) && waiting;
        waiting = matches!(event, RunEvent::Waiting { .. });
        if told.is_ok() && !again {
            told = tell(&mut session.out, event);
        }
        if told.is_err() {
            interrupt.ask_to_stop();
        }
    });
    told?;
    let summary = summary?;
    let status = exit_status(&summary.end);
    session.out.answer(&Summary(summary))?;
    Ok(status)
}

/// 0 when all is completed, 1 when some remain, 12 at a limit, and as a shell counts signals.
fn exit_status(end: &RunEnd) -> u8 {
    match end {
        RunEnd::AllCompleted => 0,
        RunEnd::Remaining => 1,
        RunEnd::Limit => 12,
        RunEnd::Interrupted(signal) => u8::try_from(128 + signal).unwrap_or(130),
    }
}

/// Progress: JSON Lines on standard output, or talk on standard error.
fn tell(out: &mut Output, event: &RunEvent) -> Result<(), Failure> {
    let line = RunLine(event);
    if out.is_json() {
        return out.item(&line);
    }
    let mut text = Text::new(out.err_style());
    line.text(&mut text);
    out.progress(&text.finish());
    Ok(())
}

/// Where the output of attempts is kept; nowhere for a store outside of a `.tasq/`.
fn logs(queue: &Queue) -> Option<PathBuf> {
    queue.place().folder().map(|folder| folder.join("logs"))
}

/// A file name for an attempt's log. An id may have any characters but white space, a slash for one.
fn log_name(task: &TaskId, token: Token) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') {
            c
        } else {
            '_'
        }
    };
    let name: String = task.as_str().chars().map(plain).take(80).collect();
    format!("{name}.{token}.log")
}

fn argument(argument: OsString) -> Result<String, Failure> {
    argument.into_string().map_err(|argument| {
        Failure::usage(format!(
            "the argument {:?} is not UTF-8",
            argument.to_string_lossy()
        ))
    })
}

fn listen() -> Result<Interrupt, Failure> {
    Interrupt::listen().map_err(|error| Failure::io("cannot listen to signals", &error))
}
