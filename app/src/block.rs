//! Blocking and unblocking.

use tasq_domain::life::{self, Writer};
use tasq_domain::{Reason, TaskId, Token};

use crate::context::{App, HolderRef};
use crate::data::data;
use crate::error::AppError;
use crate::unit::Report;
use crate::view::TaskView;

impl App<'_> {
    /// Blocks a task: its holder, by the token, or a person, who needs `force` if somebody holds it.
    ///
    /// # Errors
    /// [`AppError::Refused`]: a stale claim, claimed by another, completed.
    pub fn block(
        &self,
        task: &TaskId,
        token: Option<Token>,
        reason: &Reason,
        force: bool,
    ) -> Result<TaskView, AppError> {
        self.block_with(task, token, reason, force, &Report::default())
    }

    /// As [`App::block`], with what is known about the holder's process.
    pub(crate) fn block_with(
        &self,
        task: &TaskId,
        token: Option<Token>,
        reason: &Reason,
        force: bool,
        report: &Report,
    ) -> Result<TaskView, AppError> {
        self.may_force(force)?;
        self.once_kept("block", &(task, token, reason, force), |unit| {
            let before = unit.task(task)?.task;
            let (writer, holder) = match token {
                Some(token) => (
                    Writer::Holder(token),
                    Some(HolderRef {
                        task: task.clone(),
                        token,
                    }),
                ),
                None => (
                    Writer::Person {
                        actor: self.caller.actor(),
                        force,
                    },
                    None,
                ),
            };
            let step = life::block(&before, &writer, reason.clone(), unit.now());
            let step = match holder {
                Some(holder) => unit.or_late(&holder, Some(reason.clone()), step)?,
                None => step.map_err(|why| AppError::refused(task, why)),
            };
            let step = match step {
                Ok(step) => step,
                Err(refused) => return Ok(Err(refused)),
            };
            let data = data!({ "reason": reason.as_str() });
            unit.step_with(&before, &step, data, report)?;
            TaskView::load(unit.tx, task).map(Ok)
        })
    }

    /// Makes a blocked task pending, with a fresh budget.
    ///
    /// # Errors
    /// [`AppError::Refused`] unless it is blocked.
    pub fn unblock(&self, task: &TaskId) -> Result<TaskView, AppError> {
        self.once("unblock", task, |unit| {
            let before = unit.task(task)?.task;
            let step =
                life::unblock(&before, unit.now()).map_err(|why| AppError::refused(task, why))?;
            unit.step(&before, &step, data!({}))?;
            TaskView::load(unit.tx, task)
        })
    }
}
