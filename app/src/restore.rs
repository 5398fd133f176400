//! Making a queue from a backup.

use tasq_domain::{Contents, EventKind};

use crate::context::App;
use crate::data::data;
use crate::error::AppError;
use crate::export::{CopyReport, must_be_empty};

impl App<'_> {
    /// Puts everything that a backup holds into this store, which must be empty. It becomes that queue: with its id,
    /// its times, its order, its history and its operations. Open attempts are closed as lost, uncharged, because
    /// nobody knows what became of their holders; event numbers go on from the last one.
    ///
    /// Tokens of the time after the backup are refused here: none is ever issued twice, because each has fresh
    /// randomness in it.
    ///
    /// # Errors
    /// [`AppError::Denied`] for a worker, [`AppError::Conflict`] if the store is not empty.
    pub fn restore(&self, backup: &Contents) -> Result<CopyReport, AppError> {
        if self.caller().is_worker() {
            return Err(AppError::worker("restore a store"));
        }
        self.write(|unit| {
            must_be_empty(unit.tx)?;
            let mut contents = backup.clone();
            contents.close_open_attempts(unit.now());
            unit.tx.load(&contents)?;
            let mut closed = 0;
            for (was, is) in backup.tasks.iter().zip(&contents.tasks) {
                let Some(claim) = &was.claim else { continue };
                closed += 1;
                let data = data!({
                    "worker": claim.worker.as_str(),
                    "attempt": claim.token.attempt,
                    "status": is.status.as_str(),
                    "restored": true,
                });
                unit.event_at(EventKind::Lost, &is.id, is.updated_at, data)?;
            }
            for (was, is) in backup.features.iter().zip(&contents.features) {
                if was.status != is.status {
                    unit.rolled_up(&is.id, was.status, is.status, is.updated_at)?;
                }
            }
            for (was, is) in backup.epics.iter().zip(&contents.epics) {
                if was.status != is.status {
                    unit.rolled_up(&is.id, was.status, is.status, is.updated_at)?;
                }
            }
            Ok(CopyReport::of(&contents, closed))
        })
    }
}
