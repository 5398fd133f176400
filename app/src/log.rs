//! The log of events.

use tasq_domain::Event;
use tasq_ports::{EventFilter, StoreExt};

use crate::context::App;
use crate::error::AppError;

impl App<'_> {
    /// Some events, oldest first.
    ///
    /// # Errors
    /// Only the store's.
    pub fn events(&self, filter: &EventFilter) -> Result<Vec<Event>, AppError> {
        self.store.read(|tx| Ok(tx.events(filter)?))
    }
}
