//! Dependencies: what a task waits for.

use serde_json::json;
use tasq_domain::{Dependency, EventKind, Status, TaskId};

use crate::add_task::insert_dependency;
use crate::context::App;
use crate::data::data;
use crate::error::AppError;
use crate::unit::Unit;
use crate::view::TaskView;

impl App<'_> {
    /// Lets a task wait for another. Waiting for it already is no error.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Cycle`] with the path, [`AppError::Conflict`] for a completed task, or for a
    /// claimed one without `force`.
    pub fn depend(&self, task: &TaskId, on: &TaskId, force: bool) -> Result<TaskView, AppError> {
        self.may_force(force)?;
        self.once("depend", &(task, on, force), |unit| {
            may_change(unit, task, force)?;
            unit.task(on)?;
            if insert_dependency(unit, task, on)? {
                unit.event(
                    EventKind::DependencyAdded,
                    task,
                    data!({ "on": on.as_str() }),
                )?;
            }
            TaskView::load(unit.tx, task)
        })
    }

    /// Lets a task no longer wait for another.
    ///
    /// # Errors
    /// [`AppError::NotFound`], also if there is no such dependency; [`AppError::Conflict`] as [`App::depend`].
    pub fn undepend(&self, task: &TaskId, on: &TaskId, force: bool) -> Result<TaskView, AppError> {
        self.may_force(force)?;
        self.once("undepend", &(task, on, force), |unit| {
            may_change(unit, task, force)?;
            if !unit.tx.remove_dependency(&Dependency {
                task: task.clone(),
                on: on.clone(),
            })? {
                return Err(AppError::NotFound {
                    kind: "dependency".to_owned(),
                    id: format!("{task} on {on}"),
                });
            }
            unit.event(
                EventKind::DependencyRemoved,
                task,
                data!({ "on": on.as_str() }),
            )?;
            TaskView::load(unit.tx, task)
        })
    }
}

fn may_change(unit: &mut Unit<'_>, id: &TaskId, force: bool) -> Result<(), AppError> {
    let task = unit.task(id)?.task;
    if task.status == Status::Completed {
        return Err(AppError::conflict(
            format!("task:{id} is completed, so what it depends on is settled"),
            "reopen it first with `tasq reopen`",
        )
        .telling(json!({ "id": id.as_str(), "kind": "task", "status": task.status.as_str() })));
    }
    task.unclaimed_or(force)
        .map_err(|why| AppError::refused(id, why))
}
