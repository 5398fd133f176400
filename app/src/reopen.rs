//! Reopening and retrying.

use tasq_domain::{TaskId, life};

use crate::context::App;
use crate::data::data;
use crate::error::AppError;
use crate::unit::Unit;
use crate::view::TaskView;

impl App<'_> {
    /// Makes a task that is completed, blocked or in progress pending again; its test cases go back to pending. What
    /// somebody holds needs `force`.
    ///
    /// # Errors
    /// [`AppError::Refused`]: claimed by another, pending already.
    pub fn reopen(&self, task: &TaskId, force: bool) -> Result<TaskView, AppError> {
        self.may_force(force)?;
        self.once("reopen", &(task, force), |unit| {
            reopen(unit, task, force, None)?;
            TaskView::load(unit.tx, task)
        })
    }

    /// Makes a blocked or waiting task ready at once.
    ///
    /// # Errors
    /// [`AppError::Refused`]: completed, in progress, or no retry left to keep.
    pub fn retry(&self, task: &TaskId, keep_retries: bool) -> Result<TaskView, AppError> {
        self.once("retry", &(task, keep_retries), |unit| {
            let before = unit.task(task)?.task;
            let step = life::retry(&before, keep_retries, unit.now())
                .map_err(|why| AppError::refused(task, why))?;
            unit.step(
                &before,
                &step,
                data!({ "retries_used": step.task.retries_used }),
            )?;
            TaskView::load(unit.tx, task)
        })
    }
}

/// Reopens a task and resets its test cases; `because` names the test case that found a regression.
pub(crate) fn reopen(
    unit: &mut Unit<'_>,
    id: &TaskId,
    force: bool,
    because: Option<&str>,
) -> Result<(), AppError> {
    let before = unit.task(id)?.task;
    let step =
        life::reopen(&before, force, unit.now()).map_err(|why| AppError::refused(id, why))?;
    unit.step(&before, &step, data!({ "regression": because }))?;
    unit.reset_task_tests(id)
}
