//! Holds: nothing under an item is handed out.

use serde_json::json;
use tasq_domain::ready::Scope;
use tasq_domain::{AnyId, Epic, EventKind, Feature, Hold, Reason, Status, Task};
use tasq_ports::StoreExt;

use crate::context::App;
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
            let hold = Hold {
                by: self.caller.actor(),
                reason: reason.clone(),
                at: unit.now(),
            };
            set_hold(unit, id, Some(hold))?;
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

fn set_hold(unit: &mut Unit<'_>, id: &AnyId, hold: Option<Hold>) -> Result<(), AppError> {
    let (now, lifted) = (unit.now(), hold.is_none());
    let reason = hold.as_ref().map(|hold| hold.reason.as_str().to_owned());
    let had_hold = match id {
        AnyId::Epic(id) => {
            let before = unit.epic(id)?;
            let updated_at = now.not_before(before.updated_at);
            let had_hold = before.hold.is_some();
            unit.tx.update_epic(&Epic {
                hold,
                updated_at,
                ..before
            })?;
            had_hold
        }
        AnyId::Feature(id) => {
            let before = unit.feature(id)?;
            if let Some(epic) = &before.epic {
                unit.watch_epic(epic)?;
            }
            let updated_at = now.not_before(before.updated_at);
            let had_hold = before.hold.is_some();
            unit.tx.update_feature(&Feature {
                hold,
                updated_at,
                ..before
            })?;
            had_hold
        }
        AnyId::Task(id) => {
            let before = unit.task(id)?.task;
            let updated_at = now.not_before(before.updated_at);
            let had_hold = before.hold.is_some();
            unit.tx.update_task(&Task {
                hold,
                updated_at,
                ..before
            })?;
            had_hold
        }
        AnyId::Test(_) => {
            return Err(AppError::usage(
                "a test case cannot be put on hold",
                "hold its task or feature",
            ));
        }
    };
    if lifted && !had_hold {
        return Err(AppError::conflict(format!("{id} is not on hold"), None));
    }
    let kind = if lifted {
        EventKind::Unheld
    } else {
        EventKind::Held
    };
    unit.event(kind, id.clone(), &json!({ "reason": reason }))
}
