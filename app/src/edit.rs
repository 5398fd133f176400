//! Editing what defines an item, and moving tasks.

use tasq_domain::ready::Scope;
use tasq_domain::{
    AnyId, CommandLine, Description, Epic, EpicId, EventKind, Feature, FeatureId, Name, Priority,
    Reason, RetryBudget, Status, Task, TaskId, TestCase, TestId, TestOwner, life,
};

use crate::context::App;
use crate::data::data;
use crate::error::AppError;
use crate::find;
use crate::metadata::EditMetadata;
use crate::unit::Unit;
use crate::view::{EpicView, FeatureView, TaskView};

/// What to change of an epic; `None` leaves it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EditEpic {
    /// Its name.
    pub name: Option<Name>,
    /// What it is about; `Some(None)` takes it away.
    pub description: Option<Option<Description>>,
    /// Its status; only of an epic without features.
    pub status: Option<Status>,
    /// Its metadata, key by key.
    pub metadata: EditMetadata,
}

/// What to change of a feature; `None` leaves it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EditFeature {
    /// Its name.
    pub name: Option<Name>,
    /// What it is about; `Some(None)` takes it away.
    pub description: Option<Option<Description>>,
    /// Its epic, as typed; `Some(None)` takes it out of its epic.
    pub epic: Option<Option<String>>,
    /// The priority of its tasks.
    pub priority: Option<Priority>,
    /// Its status; only of a feature without tasks.
    pub status: Option<Status>,
    /// Its metadata, key by key.
    pub metadata: EditMetadata,
}

/// What to change of a task; `None` leaves it. Its status goes through `complete`, `block` and `reopen`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EditTask {
    /// What is to be done.
    pub description: Option<Description>,
    /// Its own priority; `Some(None)` makes it its feature's.
    pub priority: Option<Option<Priority>>,
    /// How many failures it may have.
    pub retry_budget: Option<RetryBudget>,
    /// Its metadata, key by key.
    pub metadata: EditMetadata,
}

/// What to change of a test case; `None` leaves it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EditTest {
    /// What is checked.
    pub description: Option<Description>,
    /// Its command; `Some(None)` makes it a manual check. A new command makes it pending.
    pub command: Option<Option<CommandLine>>,
    /// Whether a manual check gates.
    pub required: Option<bool>,
    /// Its metadata, key by key.
    pub metadata: EditMetadata,
}

impl App<'_> {
    /// Edits an epic.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Usage`] for the status of an epic that has features.
    pub fn edit_epic(&self, id: &EpicId, edit: &EditEpic) -> Result<EpicView, AppError> {
        self.once("epic edit", &(id, edit), |unit| {
            let EditEpic {
                name,
                description,
                status,
                metadata,
            } = edit.clone();
            let before = unit.epic(id)?;
            if status.is_some() && !unit.tx.features_of(Some(id))?.is_empty() {
                return Err(derived(&id.into(), "features"));
            }
            let after = Epic {
                name: name.unwrap_or(before.name),
                description: description.unwrap_or(before.description),
                own_status: status.unwrap_or(before.own_status),
                metadata: metadata.apply(&before.metadata)?,
                updated_at: unit.now().not_before(before.updated_at),
                ..before
            };
            unit.tx.update_epic(&after)?;
            let view = EpicView::load(unit.tx, id)?;
            let data =
                data!({ "name": view.epic.name.as_str(), "status": view.epic.status.as_str() });
            unit.event_at(EventKind::Edited, id, view.epic.updated_at, data)?;
            Ok(view)
        })
    }

    /// Edits a feature, or moves it to another epic.
    ///
    /// # Errors
    /// [`AppError::NotFound`], also for the epic; [`AppError::Usage`] for the status of a feature that has tasks.
    pub fn edit_feature(
        &self,
        id: &FeatureId,
        edit: &EditFeature,
    ) -> Result<FeatureView, AppError> {
        self.once("feature edit", &(id, edit), |unit| {
            let EditFeature {
                name,
                description,
                epic,
                priority,
                status,
                metadata,
            } = edit.clone();
            unit.watch_feature(id)?;
            let before = unit.feature(id)?;
            if status.is_some() && unit.tx.task_counts(&Scope::Feature(id.clone()))?.total() > 0 {
                return Err(derived(&id.into(), "tasks"));
            }
            let epic = match epic {
                None => before.epic.clone(),
                Some(text) => text.map(|text| find::epic(unit.tx, &text)).transpose()?,
            };
            if let Some(epic) = &epic {
                unit.watch_epic(epic)?;
            }
            let moved = epic != before.epic;
            let after = Feature {
                epic,
                name: name.unwrap_or(before.name),
                description: description.unwrap_or(before.description),
                priority: priority.unwrap_or(before.priority),
                own_status: status.unwrap_or(before.own_status),
                metadata: metadata.apply(&before.metadata)?,
                updated_at: unit.now().not_before(before.updated_at),
                ..before
            };
            unit.tx.update_feature(&after)?;
            unit.unwatch(&id.into());
            let view = FeatureView::load(unit.tx, id)?;
            let data = data!({
                "name": view.feature.name.as_str(),
                "status": view.feature.status.as_str(),
                "priority": view.feature.priority.number(),
                "epic": view.feature.epic.as_ref().map(EpicId::as_str),
            });
            let kind = if moved {
                EventKind::Moved
            } else {
                EventKind::Edited
            };
            unit.event_at(kind, id, view.feature.updated_at, data)?;
            Ok(view)
        })
    }

    /// Edits what defines a task. What somebody holds needs `force`.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Refused`] if it is claimed.
    pub fn edit_task(
        &self,
        id: &TaskId,
        edit: &EditTask,
        force: bool,
    ) -> Result<TaskView, AppError> {
        self.may_force(force)?;
        self.once("task edit", &(id, edit, force), |unit| {
            let EditTask {
                description,
                priority,
                retry_budget,
                metadata,
            } = edit.clone();
            let before = unit.task(id)?.task;
            before
                .unclaimed_or(force)
                .map_err(|why| AppError::refused(id, why))?;
            unit.watch_feature(&before.feature)?;
            let now = unit.now();
            let budgeted = retry_budget.map_or(before.clone(), |budget| {
                life::edit_budget(&before, budget, now)
            });
            let after = Task {
                description: description.unwrap_or(budgeted.description),
                own_priority: priority.unwrap_or(budgeted.own_priority),
                metadata: metadata.apply(&budgeted.metadata)?,
                updated_at: now.not_before(before.updated_at),
                ..budgeted
            };
            unit.tx.update_task(&after)?;
            let data = data!({
                "priority": after.own_priority.map(Priority::number),
                "retry_budget": after.retry_budget.number(),
                "status": after.status.as_str(),
            });
            unit.event_at(EventKind::Edited, id, after.updated_at, data)?;
            TaskView::load(unit.tx, id)
        })
    }

    /// Moves a task to another feature, or a lane of it, as typed. What somebody holds needs `force`.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Refused`] if it is claimed.
    pub fn move_task(&self, id: &TaskId, to: &str, force: bool) -> Result<TaskView, AppError> {
        self.may_force(force)?;
        self.once("move", &(id, to, force), |unit| {
            let before = unit.task(id)?.task;
            before
                .unclaimed_or(force)
                .map_err(|why| AppError::refused(id, why))?;
            let (feature, own_priority) = match find::feature_or_lane(unit.tx, to)? {
                Scope::Lane(lane) => (lane.feature, Some(lane.priority)),
                Scope::Feature(feature) => (feature, before.own_priority),
                Scope::Queue | Scope::Epic(_) | Scope::Task(_) => {
                    unreachable!("a feature or a lane was looked for")
                }
            };
            unit.watch_feature(&before.feature)?;
            unit.watch_feature(&feature)?;
            if before.status != Status::Completed && feature != before.feature {
                unit.reopen_feature(&feature)?;
            }
            let data = data!({ "from": before.feature.as_str(), "feature": feature.as_str() });
            let updated_at = unit.now().not_before(before.updated_at);
            unit.tx.update_task(&Task {
                feature,
                own_priority,
                updated_at,
                ..before
            })?;
            unit.event_at(EventKind::Moved, id, updated_at, data)?;
            TaskView::load(unit.tx, id)
        })
    }

    /// Edits a test case.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Denied`] to a worker for its own task or feature.
    pub fn edit_test(&self, id: &TestId, edit: &EditTest) -> Result<TestCase, AppError> {
        self.once("test edit", &(id, edit), |unit| {
            let EditTest {
                description,
                command,
                required,
                metadata,
            } = edit.clone();
            let before = unit.test(id)?;
            self.may_change_tests_of(unit, &before.owner)?;
            if let TestOwner::Feature(feature) = &before.owner {
                unit.watch_feature(feature)?;
            }
            let command = command.unwrap_or_else(|| before.command.clone());
            let now = unit.now();
            // What passed under another command proves nothing about this one.
            let kept = if command == before.command {
                None
            } else {
                life::reset_test(&before, now)
            };
            let base = kept.unwrap_or(before);
            let after = TestCase {
                description: description.unwrap_or(base.description),
                command,
                required: required.unwrap_or(base.required),
                metadata: metadata.apply(&base.metadata)?,
                updated_at: now.not_before(base.updated_at),
                ..base
            };
            unit.tx.update_test(&after)?;
            let data = data!({ "status": after.status.as_str(), "gates": after.gates() });
            unit.event_at(EventKind::Edited, id, after.updated_at, data)?;
            Ok(after)
        })
    }

    /// Gives a task a status by the way that leads there: `complete`, `block` or `reopen`, with their checks. A status
    /// it has already changes nothing.
    ///
    /// # Errors
    /// Those of that way; [`AppError::Usage`] for `in_progress`, which only a claim gives, and for `blocked` without a
    /// reason.
    pub fn set_task_status(
        &self,
        id: &TaskId,
        status: Status,
        reason: Option<&Reason>,
        force: bool,
    ) -> Result<TaskView, AppError> {
        let now = self.item_task(id)?;
        if now.record.task.status == status {
            return Ok(now);
        }
        match status {
            Status::Pending => self.reopen(id, force),
            Status::Blocked => {
                let Some(reason) = reason else {
                    return Err(AppError::usage(
                        "blocking a task needs a reason",
                        "add --reason TEXT",
                    ));
                };
                self.block(id, None, reason, force)
            }
            Status::Completed => {
                if force && reason.is_none() {
                    return Err(AppError::usage(
                        "forcing a completion needs a reason",
                        "add --reason TEXT",
                    ));
                }
                let wanted = crate::CompleteTask {
                    task: id.clone(),
                    token: None,
                    summary: None,
                    force: reason.filter(|_| force).cloned(),
                    report: crate::Report::default(),
                    next: None,
                };
                self.complete(&wanted).map(|completed| completed.task)
            }
            Status::InProgress => Err(AppError::usage(
                "only a claim puts a task in progress",
                "claim it with `tasq claim TASK`",
            )),
        }
    }

    /// A task as it is listed.
    ///
    /// # Errors
    /// [`AppError::NotFound`].
    pub fn item_task(&self, id: &TaskId) -> Result<TaskView, AppError> {
        tasq_ports::StoreExt::read(self.store, |tx| TaskView::load(tx, id))
    }
}

impl Unit<'_> {
    /// A test case, which must exist.
    pub(crate) fn test(&mut self, id: &TestId) -> Result<TestCase, AppError> {
        self.tx
            .test(id)?
            .ok_or_else(|| AppError::not_found(&id.into()))
    }
}

fn derived(id: &AnyId, children: &str) -> AppError {
    AppError::usage(
        format!("the status of {id} follows from its {children}"),
        "to stop work under it, put it on hold with `tasq hold`",
    )
}
