//! The stores under test.

use tasq_adapter_memory::MemoryStore;
use tasq_domain::Settings;
use tasq_ports::Store;

use super::Bench;
use super::harness::{Harness, Spoil, Spoiled, TestClock};

/// An empty store of every kind.
pub(crate) fn one_of_every_kind() -> Vec<Bench> {
    vec![Bench::fresh::<MemoryHarness>()]
}

/// The reference store: another opener is a clone.
pub(crate) struct MemoryHarness(MemoryStore);

/// Why a memory store has no bad formats: it is never anywhere but in its process.
const NEVER_STORED: &str = "memory";

impl Harness for MemoryHarness {
    fn fresh(settings: &Settings, clock: &TestClock) -> Self {
        Self(MemoryStore::new(settings, clock.shared()))
    }

    fn open(&self) -> Box<dyn Store> {
        Box::new(self.0.clone())
    }

    fn create_again(&self) -> Spoiled {
        Spoiled::NoSuchNotion(NEVER_STORED)
    }

    fn reads_while_writing(&self) -> bool {
        true
    }

    fn spoil(&self, _: Spoil) -> Spoiled {
        Spoiled::NoSuchNotion(NEVER_STORED)
    }
}
