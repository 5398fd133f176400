//! Giving a task back.

use std::time::Duration;

use tasq_domain::life::{self, Writer};
use tasq_domain::worker::{self, Again};
use tasq_domain::{Reason, Timestamp};

use crate::context::{App, HolderRef};
use crate::data::data;
use crate::error::AppError;
use crate::unit::Report;
use crate::view::TaskView;

/// What a release comes with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseTask {
    /// Who gives it back.
    pub holder: HolderRef,
    /// The task is not handed out before this.
    pub not_before: Option<Timestamp>,
    /// Why.
    pub message: Option<Reason>,
    /// What is known about the worker's process.
    pub report: Report,
}

impl App<'_> {
    /// Gives a task back, uncharged.
    ///
    /// A worker under a loop that gives one task back again and again does not keep the loop busy: each time in a row the
    /// task waits longer, as after failures, and at last it is blocked.
    ///
    /// # Errors
    /// [`AppError::Refused`] with a stale claim; the message is kept as the attempt's late message then.
    pub fn release(&self, released: &ReleaseTask) -> Result<TaskView, AppError> {
        self.once_kept("release", released, |unit| {
            let ReleaseTask {
                holder,
                not_before,
                message,
                report,
            } = released;
            let record = unit.task(&holder.task)?;
            let (now, code) = (unit.now(), report.exit_code);
            let token = holder.token;
            // What comes from a worker's process, and not from a person's hand.
            let again = if self.caller.is_worker() || code.is_some() {
                let attempts = unit.tx.attempts_of(&record.task.id)?;
                worker::again_after_release(&attempts, &unit.tx.settings()?.backoff)
            } else {
                Again::At(Duration::ZERO)
            };
            let step = match again {
                Again::At(wait) => {
                    let not_before = (*not_before).max(Some(now.after(wait)));
                    life::release(&record, token, not_before, message.clone(), code, now)
                }
                Again::Never(why) => life::block(&record.task, &Writer::Holder(token), why, now),
            };
            let step = match unit.or_late(holder, message.clone(), step)? {
                Ok(step) => step,
                Err(refused) => return Ok(Err(refused)),
            };
            let data = data!({ "message": message.as_ref().map(Reason::as_str) });
            unit.step_with(&record.task, &step, data, report)?;
            TaskView::load(unit.tx, &record.task.id).map(Ok)
        })
    }
}
