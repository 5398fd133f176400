//! Asking a holder to stop.

use tasq_domain::{TaskId, life};

use crate::context::App;
use crate::data::data;
use crate::error::AppError;
use crate::unit::Unit;
use crate::view::TaskView;

impl App<'_> {
    /// Asks the holder to stop at its next heartbeat; a task that nobody holds is blocked at once.
    ///
    /// # Errors
    /// [`AppError::Refused`] for a completed task.
    pub fn cancel(&self, task: &TaskId) -> Result<TaskView, AppError> {
        self.once("cancel", task, |unit| {
            self.request_cancel(unit, task)?;
            TaskView::load(unit.tx, task)
        })
    }

    pub(crate) fn request_cancel(
        &self,
        unit: &mut Unit<'_>,
        task: &TaskId,
    ) -> Result<(), AppError> {
        let before = unit.task(task)?.task;
        let step = life::cancel(&before, &self.caller.actor(), unit.now())
            .map_err(|why| AppError::refused(task, why))?;
        unit.step(&before, &step, data!({}))
    }
}
