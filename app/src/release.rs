//! Giving a task back.

use serde_json::json;
use tasq_domain::{Reason, Timestamp, life};

use crate::context::{App, HolderRef};
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
            let step = life::release(
                &record,
                holder.token,
                *not_before,
                message.clone(),
                report.exit_code,
                unit.now(),
            );
            let step = match unit.or_late(holder, message.clone(), step)? {
                Ok(step) => step,
                Err(refused) => return Ok(Err(refused)),
            };
            let data = json!({ "message": message.as_ref().map(Reason::as_str) });
            unit.step_with(&record.task, &step, data, report)?;
            TaskView::load(unit.tx, &record.task.id).map(Ok)
        })
    }
}
