//! What persons decide about tasks.

use tasq_app::TaskView;

use crate::args::life::{Block, Depend, Hold, OneTask, Reap, Reopen, Retry, Unhold};
use crate::failure::Failure;
use crate::session::Session;
use crate::view::Tasks;

pub(super) fn block(session: &mut Session, args: Block) -> Result<u8, Failure> {
    let queue = session.open()?;
    let task = queue.task_or_own(args.task.as_deref())?;
    let token = queue.token_for(&task, args.token);
    let view = queue
        .change(args.change)
        .block(&task, token, &args.reason, args.force)?;
    answer(session, &view)
}

pub(super) fn unblock(session: &mut Session, args: OneTask) -> Result<u8, Failure> {
    let queue = session.open()?;
    let task = queue.app().find_task(&args.task)?;
    let view = queue.change(args.change).unblock(&task)?;
    answer(session, &view)
}

pub(super) fn reopen(session: &mut Session, args: Reopen) -> Result<u8, Failure> {
    let queue = session.open()?;
    let task = queue.app().find_task(&args.task)?;
    let view = queue.change(args.change).reopen(&task, args.force)?;
    answer(session, &view)
}

pub(super) fn retry(session: &mut Session, args: Retry) -> Result<u8, Failure> {
    let queue = session.open()?;
    let task = queue.app().find_task(&args.task)?;
    let view = queue.change(args.change).retry(&task, args.keep_retries)?;
    answer(session, &view)
}

pub(super) fn cancel(session: &mut Session, args: OneTask) -> Result<u8, Failure> {
    let queue = session.open()?;
    let task = queue.app().find_task(&args.task)?;
    let view = queue.change(args.change).cancel(&task)?;
    answer(session, &view)
}

pub(super) fn hold(session: &mut Session, args: Hold) -> Result<u8, Failure> {
    let queue = session.open()?;
    let id = queue.app().find_any(&args.id)?;
    let item = queue
        .change(args.change)
        .hold(&id, &args.reason, args.stop)?;
    session.out.answer(&item)?;
    Ok(0)
}

pub(super) fn unhold(session: &mut Session, args: Unhold) -> Result<u8, Failure> {
    let queue = session.open()?;
    let id = queue.app().find_any(&args.id)?;
    let item = queue.change(args.change).unhold(&id)?;
    session.out.answer(&item)?;
    Ok(0)
}

pub(super) fn reap(session: &mut Session, args: Reap) -> Result<u8, Failure> {
    let queue = session.open()?;
    let reaped = queue.change(args.change).reap()?;
    session.out.answer(&Tasks(reaped.tasks))?;
    Ok(0)
}

pub(super) fn depend(session: &mut Session, args: Depend) -> Result<u8, Failure> {
    let queue = session.open()?;
    let (task, on) = (
        queue.app().find_task(&args.task)?,
        queue.app().find_task(&args.on)?,
    );
    let view = queue.change(args.change).depend(&task, &on, args.force)?;
    answer(session, &view)
}

pub(super) fn undepend(session: &mut Session, args: Depend) -> Result<u8, Failure> {
    let queue = session.open()?;
    let (task, on) = (
        queue.app().find_task(&args.task)?,
        queue.app().find_task(&args.on)?,
    );
    let view = queue.change(args.change).undepend(&task, &on, args.force)?;
    answer(session, &view)
}

fn answer(session: &mut Session, view: &TaskView) -> Result<u8, Failure> {
    session.out.answer(view)?;
    Ok(0)
}
