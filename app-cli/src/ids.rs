//! Fresh randomness from the operating system.

use tasq_ports::Ids;

/// The random source of this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemIds;

impl Ids for SystemIds {
    fn random(&self) -> u64 {
        getrandom::u64().expect("a running system has a random source")
    }
}
