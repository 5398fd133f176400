//! Failing an attempt.

use tasq_domain::Reason;
use tasq_domain::life::{self, Failure, FailureKind};

use crate::context::{App, HolderRef};
use crate::data::data;
use crate::error::AppError;
use crate::unit::Report;
use crate::view::TaskView;

/// What a failure comes with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailTask {
    /// Who fails.
    pub holder: HolderRef,
    /// Failed, timed out, or for good.
    pub kind: FailureKind,
    /// What went wrong.
    pub message: Reason,
    /// What is known about the worker's process.
    pub report: Report,
}

impl App<'_> {
    /// Ends the attempt as failed: the task waits for its next try, or is blocked.
    ///
    /// # Errors
    /// [`AppError::Refused`] with a stale claim; the message is kept as the attempt's late message then.
    pub fn fail(&self, failed: &FailTask) -> Result<TaskView, AppError> {
        self.once_kept("fail", failed, |unit| {
            let FailTask {
                holder,
                kind,
                message,
                report,
            } = failed;
            let record = unit.task(&holder.task)?;
            let backoff = unit.tx.settings()?.backoff;
            let failure = Failure {
                kind: *kind,
                message: message.clone(),
                exit_code: report.exit_code,
            };
            let step = life::fail(&record, holder.token, failure, &backoff, unit.now());
            let step = match unit.or_late(holder, Some(message.clone()), step)? {
                Ok(step) => step,
                Err(refused) => return Ok(Err(refused)),
            };
            unit.step_with(
                &record.task,
                &step,
                data!({ "message": message.as_str() }),
                report,
            )?;
            TaskView::load(unit.tx, &record.task.id).map(Ok)
        })
    }
}
