//! Running commands: test cases, and the loop over the queue.

use std::ffi::OsString;
use std::time::Duration;

use tasq_app::{RunEnd, RunEvent, RunOptions, ScopeRef, VerifyOptions};
use tasq_domain::AnyId;
use tasq_domain::brakes::Brakes;
use tasq_domain::life::LEASE_UNDER_RUN_SECS;
use tasq_ports::Workplace;

use crate::args::run::{Run, RunPlace};
use crate::args::work::Verify;
use crate::failure::Failure;
use crate::host::LoopHost;
use crate::live::Live;
use crate::output::{Output, Text, View as _};
use crate::runner::{Interrupt, SystemRunner};
use crate::session::{Queue, Session};
use crate::view::{Regressions, RunLine, Summary, Tests};
use crate::workplace::{ProjectFolder, TaskFiles, WorktreeOptions, Worktrees};

/// How long a test case may take under `run`.
const TEST_TIMEOUT: Duration = Duration::from_secs(600);

pub(super) fn verify(session: &mut Session, args: Verify) -> Result<u8, Failure> {
    let queue = session.open()?;
    let id = match args.id {
        Some(text) => queue.app().find_any(&text)?,
        None => queue.task_or_own(None)?.into(),
    };
    let interrupt = listen()?;
    let runner = SystemRunner::new(interrupt.clone())
        .granting(&args.passed)
        .giving_up_when_interrupted();
    let own = match &id {
        AnyId::Task(task) => queue.own_worktree(task),
        _ => None,
    };
    let options = VerifyOptions {
        folder: own.map_or_else(|| queue.place().project(), Ok)?,
        timeout: args.timeout,
        env: Vec::new(),
    };
    let task = match (&id, args.regress) {
        (_, false) => None,
        (AnyId::Task(task), true) => Some(task),
        (_, true) => {
            return Err(Failure::usage(format!(
                "{id} is no task, and only the change for a task is looked for"
            ))
            .with_hint("name the task with --regress"));
        }
    };
    let verified = queue.change(args.change).verify(&id, &runner, &options);
    if let Some(status) = interrupt.exit_status() {
        return Ok(status);
    }
    let verified = verified?;
    let Some(task) = task else {
        let passed = verified.passed;
        session.out.answer(&Tests(verified))?;
        return Ok(u8::from(!passed));
    };
    let regressed = queue.app().regress(task, &runner, &options);
    if let Some(status) = interrupt.exit_status() {
        return Ok(status);
    }
    let regressed = regressed?;
    let passed = verified.passed && regressed.passed();
    session.out.answer(&Regressions(verified, regressed))?;
    Ok(u8::from(!passed))
}

pub(super) fn run(session: &mut Session, args: Run) -> Result<u8, Failure> {
    let queue = session.open()?;
    let interrupt = listen()?;
    let runner = SystemRunner::new(interrupt.clone()).granting(&args.passed);
    let host = LoopHost::new(queue.place(), interrupt.clone());
    let workplace = workplace(&queue, args.place.clone())?;
    let options = options(session, &queue, args, workplace.as_ref(), &host)?;
    let mut live = Live::on_terminal(&session.out, runner.outputs());
    let app = queue.app();
    let mut told = Ok(());
    let summary = app.run(&runner, &options, &mut |event| {
        if let Some(live) = &mut live {
            // Without the counts the picture is only less up to date.
            live.tell(event, || app.counts(&options.scope).ok());
        } else if told.is_ok() {
            told = tell(&mut session.out, event);
        }
        if told.is_err() {
            interrupt.ask_to_stop();
        }
    });
    if let Some(live) = live {
        live.end();
    }
    told?;
    let summary = summary?;
    let status = exit_status(&summary.end);
    session.out.answer(&Summary(summary))?;
    Ok(status)
}

fn options<'o>(
    session: &Session,
    queue: &Queue,
    args: Run,
    workplace: &'o dyn Workplace,
    host: &'o LoopHost,
) -> Result<RunOptions<'o>, Failure> {
    let Run {
        jobs,
        within,
        task,
        limits,
        place: _,
        promise,
        regress,
        worker,
        passed: _,
        command,
    } = args;
    let brakes = Brakes {
        failures_in_a_row: limits.max_failures,
        attempts_per_hour: limits.max_per_hour,
        work: limits.max_work,
        cost: limits.max_cost,
        span: limits.within,
    };
    Ok(RunOptions {
        scope: match task {
            Some(task) => ScopeRef::Task(task),
            None => within.scope(),
        },
        command: command
            .into_iter()
            .map(argument)
            .collect::<Result<_, _>>()?,
        jobs,
        worker: session.worker(worker)?,
        lease: Duration::from_secs(LEASE_UNDER_RUN_SECS),
        timeout: limits.timeout,
        idle_timeout: limits.idle_timeout,
        pid: Some(std::process::id()),
        max: limits.max,
        max_time: limits.max_time,
        brakes,
        forgiving: limits.forgive_failures,
        max_wait: limits.max_wait,
        watch: limits.watch,
        promise,
        regress,
        verify: VerifyOptions {
            folder: queue.place().project()?,
            timeout: TEST_TIMEOUT,
            env: Vec::new(),
        },
        workplace,
        store: queue.place().url(),
        host,
    })
}

/// Where attempts work.
fn workplace(queue: &Queue, place: RunPlace) -> Result<Box<dyn Workplace>, Failure> {
    let (folder, own) = (queue.place().project()?, queue.place().folder());
    let RunPlace {
        worktree,
        merge,
        into,
        keep_worktree,
        commit_message,
    } = place;
    if !worktree {
        let files = TaskFiles::in_folder(own)?;
        return Ok(Box::new(ProjectFolder { folder, files }));
    }
    let options = WorktreeOptions {
        merge,
        into,
        keep: keep_worktree,
        message: commit_message,
    };
    Ok(Box::new(Worktrees::of(&folder, own, options)?))
}

/// 0 when all is completed, 1 when some remain, 12 at a limit, and as a shell counts signals.
fn exit_status(end: &RunEnd) -> u8 {
    match end {
        RunEnd::AllCompleted => 0,
        RunEnd::Remaining => 1,
        RunEnd::Limit(_) => 12,
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
