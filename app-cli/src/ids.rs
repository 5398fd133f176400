//! Fresh randomness from the operating system.

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use tasq_ports::Ids;

/// The random source of this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemIds;

impl Ids for SystemIds {
    fn random(&self) -> u64 {
        let mut bytes = [0; 8];
        // The kernel is asked itself: where it is looked for by name, as libraries do, a program that is linked without
        // shared ones finds files instead. So few bytes come whole or, while the machine starts, not yet.
        while let Err(error) = getrandom(&mut bytes, GetRandomFlags::empty()) {
            assert_eq!(error, Errno::INTR, "the kernel has a random source");
        }
        u64::from_ne_bytes(bytes)
    }
}
