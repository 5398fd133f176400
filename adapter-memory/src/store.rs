//! The store.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tasq_domain::Settings;
use tasq_ports::{Access, Clock, Store, StoreError, StoreInfo, Tx, Verdict};

use crate::state::State;
use crate::tx::MemoryTx;

/// A queue that ends with the program. A clone is another opener of the same queue.
#[derive(Clone)]
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
}

struct Shared {
    /// Held by a writer from its first read to its commit.
    writer: Mutex<()>,
    /// What was committed last.
    committed: Mutex<State>,
}

impl MemoryStore {
    /// An empty queue.
    #[must_use]
    pub fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Self {
        let shared = Shared {
            writer: Mutex::new(()),
            committed: Mutex::new(State::new(settings.clone())),
        };
        Self {
            clock,
            shared: Arc::new(shared),
        }
    }

    fn committed(&self) -> MutexGuard<'_, State> {
        lock(&self.shared.committed)
    }
}

impl Store for MemoryStore {
    fn run(
        &self,
        access: Access,
        body: &mut dyn FnMut(&mut dyn Tx) -> Result<Verdict, StoreError>,
    ) -> Result<(), StoreError> {
        let _writer = (access == Access::Write).then(|| lock(&self.shared.writer));
        let mut state = self.committed().clone();
        let mut tx = MemoryTx::new(&mut state, self.clock.now(), access);
        let verdict = body(&mut tx)?;
        if verdict == Verdict::Commit && tx.finish().any {
            *self.committed() = state;
        }
        Ok(())
    }

    fn info(&self) -> StoreInfo {
        StoreInfo {
            kind: "memory",
            place: "memory".to_owned(),
            schema_version: 1,
        }
    }
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

/// A body that panicked has left nothing behind: it worked on a clone.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
