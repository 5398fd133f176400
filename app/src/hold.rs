//! Holds: nothing under an item is handed out.

use serde_json::json;
use tasq_domain::ready::Scope;
use tasq_domain::{Actor, AnyId, Epic, EventKind, Feature, Hold, Reason, Status, Task, Timestamp};
use tasq_ports::StoreExt;

use crate::context::App;
use crate::data::data;
use crate::error::AppError;
use crate::show::Item;
use crate::unit::Unit;

impl App<'_> {
    /// Puts an epic, a feature or a task on hold; what runs finishes, unless `stop` asks it to stop. A second hold
    /// replaces the first.
    ///
    /// # Errors
    /// [`AppError::Usage`] for a test case, [`AppError::NotFound`].
    pub fn hold(&self, id: &AnyId, reason: &Reason, stop: bool) -> Result<Item, AppError> {
        self.once("hold", &(id, reason, stop), |unit| {
            set_hold(unit, id, Some((self.caller.actor(), reason)))?;
            if stop {
                self.stop_below(unit, id)?;
            }
            Item::load(unit.tx, id)
        })
    }

    /// Lifts a hold.
    ///
    /// # Errors
    /// [`AppError::Conflict`] if there is none, [`AppError::Usage`] for a test case, [`AppError::NotFound`].
    pub fn unhold(&self, id: &AnyId) -> Result<Item, AppError> {
        self.once("unhold", id, |unit| {
            set_hold(unit, id, None)?;
            Item::load(unit.tx, id)
        })
    }

    fn stop_below(&self, unit: &mut Unit<'_>, id: &AnyId) -> Result<(), AppError> {
        let scope = match id {
            AnyId::Epic(id) => Scope::Epic(id.clone()),
            AnyId::Feature(id) => Scope::Feature(id.clone()),
            AnyId::Task(id) => Scope::Task(id.clone()),
            AnyId::Test(_) => return Ok(()),
        };
        for record in unit.tasks_in(&scope, &[Status::InProgress])? {
            if record.task.claim.is_some() {
                self.request_cancel(unit, &record.task.id)?;
            }
        }
        Ok(())
    }

    /// The item with this id.
    ///
    /// # Errors
    /// [`AppError::NotFound`].
    pub fn item(&self, id: &AnyId) -> Result<Item, AppError> {
        self.store.read(|tx| Item::load(tx, id))
    }
}

fn set_hold(
    unit: &mut Unit<'_>,
    id: &AnyId,
    wanted: Option<(Actor, &Reason)>,
) -> Result<(), AppError> {
    let now = unit.now();
    let hold = |at: Timestamp| {
        wanted.as_ref().map(|(by, reason)| Hold {
            by: by.clone(),
            reason: (*reason).clone(),
            at,
        })
    };
    let (had_hold, updated_at) = match id {
        AnyId::Epic(id) => {
            let before = unit.epic(id)?;
            let updated_at = now.not_before(before.updated_at);
            let had_hold = before.hold.is_some();
            unit.tx.update_epic(&Epic {
                hold: hold(updated_at),
                updated_at,
                ..before
            })?;
            (had_hold, updated_at)
        }
        AnyId::Feature(id) => {
            let before = unit.feature(id)?;
            if let Some(epic) = &before.epic {
                unit.watch_epic(epic)?;
            }
            let updated_at = now.not_before(before.updated_at);
            let had_hold = before.hold.is_some();
            unit.tx.update_feature(&Feature {
                hold: hold(updated_at),
                updated_at,
                ..before
            })?;
            (had_hold, updated_at)
        }
        AnyId::Task(id) => {
            let before = unit.task(id)?.task;
            let updated_at = now.not_before(before.updated_at);
            let had_hold = before.hold.is_some();
            unit.tx.update_task(&Task {
                hold: hold(updated_at),
                updated_at,
                ..before
            })?;
            (had_hold, updated_at)
        }
        AnyId::Test(_) => {
            return Err(AppError::usage(
                "a test case cannot be put on hold",
                "hold its task or feature",
            ));
        }
    };
    if wanted.is_none() && !had_hold {
        let about = json!({ "id": id.as_str(), "kind": id.kind().as_str() });
        return Err(AppError::conflict(format!("{id} is not on hold"), None).telling(about));
    }
    let kind = if wanted.is_some() {
        EventKind::Held
    } else {
        EventKind::Unheld
    };
    let reason = wanted.as_ref().map(|(_, reason)| reason.as_str());
    unit.event_at(kind, id.clone(), updated_at, data!({ "reason": reason }))
}
