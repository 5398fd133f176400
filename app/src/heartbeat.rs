//! Heartbeats.

use std::time::Duration;

use serde_json::{Value, json};
use tasq_domain::Timestamp;
use tasq_domain::life;
use tasq_ports::Tx;

use crate::context::{App, HolderRef};
use crate::error::AppError;
use crate::once::{Answer, field, number};

/// A lease that was extended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// When it ends now.
    pub lease_expires_at: Timestamp,
    /// Whether the holder is asked to stop.
    pub cancel_requested: bool,
}

impl App<'_> {
    /// Extends the lease of a claim, by `lease` or the length it was made with. It is no event: it changes nothing that
    /// anybody would look up later.
    ///
    /// # Errors
    /// [`AppError::Refused`] with a stale claim.
    pub fn heartbeat(
        &self,
        holder: &HolderRef,
        lease: Option<Duration>,
    ) -> Result<Heartbeat, AppError> {
        self.once_kept("heartbeat", &(holder, lease), |unit| {
            let task = unit.task(&holder.task)?.task;
            let renewed = life::heartbeat(&task, holder.token, lease, unit.now());
            let renewed = match unit.or_late(holder, None, renewed)? {
                Ok(renewed) => renewed,
                Err(refused) => return Ok(Err(refused)),
            };
            unit.tx.update_task_life(&renewed.task)?;
            let lease_expires_at = renewed
                .task
                .claim
                .as_ref()
                .map_or(unit.now(), |claim| claim.lease_expires_at);
            Ok(Ok(Heartbeat {
                lease_expires_at,
                cancel_requested: renewed.cancel_requested,
            }))
        })
    }
}

impl Answer for Heartbeat {
    fn remember(&self) -> Value {
        json!({ "lease": self.lease_expires_at.micros(), "cancel": self.cancel_requested })
    }

    fn recall(_tx: &mut dyn Tx, kept: &Value) -> Result<Self, AppError> {
        let lease_expires_at = Timestamp::from_micros(number(kept, "lease")?);
        Ok(Self {
            lease_expires_at,
            cancel_requested: field(kept, "cancel")?.as_bool().unwrap_or_default(),
        })
    }
}
