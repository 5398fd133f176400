//! What holders of tasks do.

use tasq_app::{
    AddCheckpoint, AppError, ClaimTasks, CompleteTask, Completed, FailTask, HolderRef, ReleaseTask,
    Report, ScopeRef, WhichTask,
};
use tasq_domain::life::FailureKind;
use tasq_domain::{Reason, Timestamp};

use crate::args::work::{Checkpoint, Claim, Complete, Fail, Heartbeat, Release};
use crate::failure::Failure;
use crate::input;
use crate::runner::Redaction;
use crate::session::Session;
use crate::view::{Beat, Claims, Completion};

pub(super) fn claim(session: &mut Session, args: Claim) -> Result<u8, Failure> {
    let queue = session.open()?;
    let which = match args.task {
        Some(text) => WhichTask::This(text),
        None => WhichTask::Next(args.within.scope()),
    };
    let wanted = ClaimTasks {
        which,
        worker: session.worker(args.worker)?,
        lease: args.lease,
        count: args.count.unwrap_or(1),
        pid: args.pid,
    };
    let claims = queue.change(args.change).claim(&wanted)?;
    match (args.count, claims.first()) {
        (None, Some(claim)) => session.out.answer(claim)?,
        _ => session.out.answer(&Claims(claims))?,
    }
    Ok(0)
}

pub(super) fn heartbeat(session: &mut Session, args: Heartbeat) -> Result<u8, Failure> {
    let queue = session.open()?;
    let holder = queue.holder(&args.held)?;
    let beat = queue.change(args.change).heartbeat(&holder, args.lease)?;
    session.out.answer(&Beat(beat))?;
    Ok(0)
}

pub(super) fn checkpoint(session: &mut Session, args: Checkpoint) -> Result<u8, Failure> {
    let queue = session.open()?;
    let holder = queue.holder(&args.held)?;
    let new = AddCheckpoint {
        summary: reason(args.summary)?,
        next_steps: args.next.into_iter().map(worker_text).collect(),
        data: args
            .data
            .map(|data| input::object(data, "--data"))
            .transpose()?,
    };
    let checkpoint = queue.change(args.change).checkpoint(&holder, &new)?;
    session.out.answer(&checkpoint)?;
    Ok(0)
}

pub(super) fn complete(session: &mut Session, args: Complete) -> Result<u8, Failure> {
    let queue = session.open()?;
    let task = queue.task_or_own(args.held.task.as_deref())?;
    let summary = args.summary.map(reason).transpose()?;
    let token = queue.token_for(&task, args.held.token);
    if let (Some(token), false, Some(_)) = (token, args.force, queue.own_worktree(&task)) {
        // What is in the worktree has to be proven and committed before others may build on it.
        let holder = HolderRef { task, token };
        let task = queue.change(args.change).will_complete(&holder, summary)?;
        session
            .out
            .warn("it is proven, committed and completed once this worker ends with 0");
        session
            .out
            .answer(&Completion(Completed { task, next: None }))?;
        return Ok(0);
    }
    let wanted = CompleteTask {
        token,
        task,
        summary,
        force: args.reason.filter(|_| args.force),
        report: Report::default(),
        next: args.next.then_some(ScopeRef::Queue),
    };
    let completed = queue.change(args.change).complete(&wanted)?;
    session.out.answer(&Completion(completed))?;
    Ok(0)
}

pub(super) fn fail(session: &mut Session, args: Fail) -> Result<u8, Failure> {
    let queue = session.open()?;
    let failed = FailTask {
        holder: queue.holder(&args.held)?,
        kind: if args.permanent {
            FailureKind::Permanent
        } else {
            FailureKind::Failed
        },
        message: reason(args.message)?,
        report: Report::default(),
    };
    let view = queue.change(args.change).fail(&failed)?;
    session.out.answer(&view)?;
    Ok(0)
}

pub(super) fn release(session: &mut Session, args: Release) -> Result<u8, Failure> {
    let queue = session.open()?;
    let released = ReleaseTask {
        holder: queue.holder(&args.held)?,
        not_before: args.not_before.map(|text| instant(&text)).transpose()?,
        message: args.message,
        report: Report::default(),
    };
    let view = queue.change(args.change).release(&released)?;
    session.out.answer(&view)?;
    Ok(0)
}

fn reason(argument: String) -> Result<Reason, Failure> {
    let text = worker_text(input::text(argument)?);
    Ok(Reason::new(text).map_err(AppError::from)?)
}

/// What a worker says, without the secrets of its environment. A person's words are their own.
fn worker_text(text: String) -> String {
    if std::env::var_os("TASQ_TOKEN").is_none() {
        return text;
    }
    Redaction::of_variables(std::env::vars_os()).of_text(&text)
}

fn instant(text: &str) -> Result<Timestamp, Failure> {
    let parsed =
        tasq_formats::time::parse(text).map_err(|error| Failure::usage(error.to_string()))?;
    Ok(Timestamp::from_micros(parsed.micros))
}
