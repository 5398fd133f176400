//! What is trusted, kept as long as the program runs.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use tasq_domain::{CommandLine, StoreId};
use tasq_ports::{Trust, TrustError};

/// The commands that are trusted, in memory.
#[derive(Debug, Default)]
pub struct MemoryTrust {
    commands: Mutex<HashSet<(StoreId, CommandLine)>>,
}

impl MemoryTrust {
    fn with<T>(&self, body: impl FnOnce(&mut HashSet<(StoreId, CommandLine)>) -> T) -> T {
        // No step leaves the set half changed, so a panic elsewhere does not matter.
        body(&mut self.commands.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Trust for MemoryTrust {
    fn untrusted(
        &self,
        store: &StoreId,
        commands: &[CommandLine],
    ) -> Result<Vec<CommandLine>, TrustError> {
        Ok(self.with(|trusted| {
            let mut missing: Vec<CommandLine> = Vec::new();
            for command in commands {
                let known = trusted.contains(&(store.clone(), command.clone()));
                if !known && !missing.contains(command) {
                    missing.push(command.clone());
                }
            }
            missing
        }))
    }

    fn trust(&self, store: &StoreId, commands: &[CommandLine]) -> Result<(), TrustError> {
        let added = commands
            .iter()
            .map(|command| (store.clone(), command.clone()));
        self.with(|trusted| trusted.extend(added));
        Ok(())
    }

    fn revoke(&self, store: &StoreId) -> Result<u64, TrustError> {
        Ok(self.with(|trusted| {
            let before = trusted.len();
            trusted.retain(|(of, _)| of != store);
            (before - trusted.len()) as u64
        }))
    }
}
