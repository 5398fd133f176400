//! Removing items, with all below them.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tasq_domain::ready::Scope;
use tasq_domain::{AnyId, EntityKind, EventKind, Status, TaskId, TestOwner, Timestamp};
use tasq_ports::{Removed, Tx};

use crate::context::App;
use crate::data::data;
use crate::error::AppError;
use crate::find;
use crate::once::{Answer, number};
use crate::unit::Unit;

impl App<'_> {
    /// Removes an item and all below it. Its events stay.
    ///
    /// # Errors
    /// [`AppError::NotFound`]; without `force`, [`AppError::Conflict`] while something below is claimed or a task
    /// outside waits for one below; [`AppError::Denied`] to a worker for its own test cases.
    pub fn remove(&self, id: &AnyId, force: bool) -> Result<Removed, AppError> {
        self.may_force(force)?;
        self.once("remove", &(id, force), |unit| self.removal(unit, id, force))
    }

    /// Removes the item of a kind that `text` names. A repeat under the same operation id finds it no more, and gives
    /// the first answer all the same.
    ///
    /// # Errors
    /// As [`App::remove`]; [`AppError::Ambiguous`].
    pub fn remove_named(
        &self,
        kind: EntityKind,
        text: &str,
        force: bool,
    ) -> Result<Removed, AppError> {
        self.may_force(force)?;
        self.once("remove", &(kind, text, force), |unit| {
            let id = find::of(unit.tx, kind, text)?;
            self.removal(unit, &id, force)
        })
    }

    fn removal(&self, unit: &mut Unit<'_>, id: &AnyId, force: bool) -> Result<Removed, AppError> {
        let (waiting, changed_at) = self.may_remove(unit, id, force)?;
        let removed = match id {
            AnyId::Epic(id) => unit.tx.remove_epic(id)?,
            AnyId::Feature(id) => unit.tx.remove_feature(id)?,
            AnyId::Task(id) => unit.tx.remove_task(id)?,
            AnyId::Test(id) => unit.tx.remove_test(id)?,
        };
        unit.unwatch(id);
        let Removed {
            epics,
            features,
            tasks,
            tests,
        } = removed;
        let data = data!({ "epics": epics, "features": features, "tasks": tasks, "tests": tests });
        let at = unit.now().not_before(changed_at);
        unit.event_at(EventKind::Removed, id.clone(), at, data)?;
        for (waiter, on) in waiting {
            unit.event(
                EventKind::DependencyRemoved,
                &waiter,
                data!({ "on": on.as_str() }),
            )?;
        }
        Ok(removed)
    }

    /// Checks a removal and returns which tasks outside wait for which below, and when the item was last changed.
    fn may_remove(
        &self,
        unit: &mut Unit<'_>,
        id: &AnyId,
        force: bool,
    ) -> Result<(Vec<(TaskId, TaskId)>, Timestamp), AppError> {
        let (scope, changed_at) = match id {
            AnyId::Epic(id) => {
                let epic = unit.epic(id)?;
                (Scope::Epic(id.clone()), epic.updated_at)
            }
            AnyId::Feature(id) => {
                let feature = unit.feature(id)?;
                if let Some(epic) = &feature.epic {
                    unit.watch_epic(epic)?;
                }
                (Scope::Feature(id.clone()), feature.updated_at)
            }
            AnyId::Task(id) => {
                let task = unit.task(id)?.task;
                unit.watch_feature(&task.feature)?;
                (Scope::Task(id.clone()), task.updated_at)
            }
            AnyId::Test(id) => {
                let test = unit.test(id)?;
                self.may_change_tests_of(unit, &test.owner)?;
                if let TestOwner::Feature(feature) = &test.owner {
                    unit.watch_feature(feature)?;
                }
                return Ok((Vec::new(), test.updated_at));
            }
        };
        if !force && let Some((claimed, holder)) = first_claimed(unit, &scope)? {
            return Err(AppError::conflict(
                format!("{id} cannot be removed: task {claimed} is claimed"),
                "wait for its holder, ask it to stop with `tasq cancel`, or insist with --force",
            )
            .telling(json!({
                "id": id.as_str(), "kind": id.kind().as_str(), "task": claimed.as_str(), "claimed_by": holder,
            })));
        }
        let below: BTreeSet<TaskId> = unit
            .tasks_in(&scope, &[])?
            .into_iter()
            .map(|record| record.task.id)
            .collect();
        let mut waiting = Vec::new();
        for task in &below {
            let outside = unit
                .tx
                .dependents_of(task)?
                .into_iter()
                .filter(|waiter| !below.contains(waiter));
            waiting.extend(outside.map(|waiter| (waiter, task.clone())));
        }
        match waiting.first() {
            Some((waiter, on)) if !force => Err(AppError::conflict(
                format!("{id} cannot be removed: task {waiter} waits for {on}"),
                "take the dependency away with `tasq undepend`, or insist with --force",
            )
            .telling(json!({
                "id": id.as_str(), "kind": id.kind().as_str(), "task": on.as_str(), "waiting": waiter.as_str(),
            }))),
            _ => Ok((waiting, changed_at)),
        }
    }
}

/// The first task that is claimed, and its holder.
fn first_claimed(unit: &mut Unit<'_>, scope: &Scope) -> Result<Option<(TaskId, String)>, AppError> {
    let running = unit.tasks_in(scope, &[Status::InProgress])?;
    Ok(running.into_iter().find_map(|record| {
        let claim = record.task.claim?;
        Some((record.task.id, claim.worker.as_str().to_owned()))
    }))
}

impl Answer for Removed {
    fn remember(&self) -> Value {
        let Self {
            epics,
            features,
            tasks,
            tests,
        } = self;
        json!({ "epics": epics, "features": features, "tasks": tasks, "tests": tests })
    }

    fn recall(_tx: &mut dyn Tx, kept: &Value) -> Result<Self, AppError> {
        let count = |key| Ok::<_, AppError>(u64::try_from(number(kept, key)?).unwrap_or_default());
        Ok(Self {
            epics: count("epics")?,
            features: count("features")?,
            tasks: count("tasks")?,
            tests: count("tests")?,
        })
    }
}
