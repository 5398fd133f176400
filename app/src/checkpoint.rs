//! Checkpoints: what a holder leaves for the next attempt.

use serde_json::{Value, json};
use tasq_domain::{Checkpoint, EventKind, JsonObject, Reason, TaskId, life};
use tasq_ports::{StoreError, Tx};

use crate::context::{App, HolderRef};
use crate::data::data;
use crate::error::AppError;
use crate::once::{Answer, number, text};

/// What a new checkpoint is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// What was done.
    pub summary: Reason,
    /// What is to be done next.
    pub next_steps: Vec<String>,
    /// Any data.
    pub data: Option<JsonObject>,
}

impl App<'_> {
    /// Adds a checkpoint to the open attempt.
    ///
    /// # Errors
    /// [`AppError::Refused`] with a stale claim; the summary is kept as the attempt's late message then.
    pub fn checkpoint(
        &self,
        holder: &HolderRef,
        new: &AddCheckpoint,
    ) -> Result<Checkpoint, AppError> {
        self.once_kept("checkpoint", &(holder, new), |unit| {
            let task = unit.task(&holder.task)?.task;
            let held = life::holder(&task, holder.token).map(|_| ());
            if let Err(refused) = unit.or_late(holder, Some(new.summary.clone()), held)? {
                return Ok(Err(refused));
            }
            let mut checkpoint = Checkpoint {
                seq: 0,
                task: holder.task.clone(),
                attempt: holder.token.attempt,
                at: unit.now().not_before(task.updated_at),
                summary: new.summary.clone(),
                next_steps: new.next_steps.clone(),
                data: new.data.clone(),
            };
            checkpoint.seq = unit.tx.insert_checkpoint(&checkpoint)?;
            let data = data!({ "attempt": checkpoint.attempt, "checkpoint": checkpoint.seq });
            unit.event_at(EventKind::Checkpointed, &holder.task, checkpoint.at, data)?;
            Ok(Ok(checkpoint))
        })
    }
}

impl Answer for Checkpoint {
    fn remember(&self) -> Value {
        json!({ "id": self.task.as_str(), "seq": self.seq })
    }

    fn recall(tx: &mut dyn Tx, kept: &Value) -> Result<Self, AppError> {
        let (id, seq) = (TaskId::new(text(kept, "id")?)?, number(kept, "seq")?);
        let found = tx
            .checkpoints_of(&id)?
            .into_iter()
            .find(|checkpoint| checkpoint.seq == seq);
        found.ok_or_else(|| {
            AppError::Store(StoreError::Damaged {
                place: format!("task {id}"),
                what: format!("its checkpoint {seq} is gone"),
            })
        })
    }
}
