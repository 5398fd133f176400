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
        // The system call itself, and no library for randomness: that looks the call up by name with `dlsym`, which a
        // program that is linked without shared libraries does not have, and falls back to files, which can fail where
        // the call cannot. So few bytes come whole; while the machine starts, a signal may end the wait for them.
        while let Err(error) = getrandom(&mut bytes, GetRandomFlags::empty()) {
            assert_eq!(
                error,
                Errno::INTR,
                "ids need randomness, and the system call getrandom is refused: the sandbox must allow it"
            );
        }
        u64::from_ne_bytes(bytes)
    }
}
