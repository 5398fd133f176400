//! Fresh randomness from the operating system.

use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use tasq_ports::Ids;

/// The random source of this machine. A machine that is copied while a command runs gives both copies the same, as far as it
/// was fetched.
pub(crate) struct SystemIds {
    /// What was fetched and not given away yet: a system call for each takes 3 % of what a claim among a hundred takes.
    fetched: Mutex<Fetched>,
}

/// How many bytes are fetched at once: so few come whole, whatever signal arrives (`getrandom(2)`).
const BYTES: usize = 256;

struct Fetched {
    bytes: [u8; BYTES],
    /// How many of them are left, at the beginning.
    left: usize,
}

impl SystemIds {
    pub(crate) const fn new() -> Self {
        Self {
            fetched: Mutex::new(Fetched {
                bytes: [0; BYTES],
                left: 0,
            }),
        }
    }
}

impl Ids for SystemIds {
    fn random(&self) -> u64 {
        // Bytes count as left only after all were fetched, so a panic leaves nothing half done.
        let mut fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        let Fetched { bytes, left } = &mut *fetched;
        let (rest, last) = match bytes[..*left].split_last_chunk() {
            Some((rest, last)) => (rest.len(), *last),
            None => {
                fetch(bytes);
                let (rest, last) = bytes.split_last_chunk().expect("they are more than eight");
                (rest.len(), *last)
            }
        };
        *left = rest;
        u64::from_ne_bytes(last)
    }
}

fn fetch(bytes: &mut [u8; BYTES]) {
    // The system call itself, and no library for randomness: that looks the call up by name with `dlsym`, which a
    // program that is linked without shared libraries does not have, and falls back to files, which can fail where
    // the call cannot. While the machine starts, a signal may end the wait for them.
    loop {
        match getrandom(&mut *bytes, GetRandomFlags::empty()) {
            Ok(BYTES) => return,
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => panic!(
                "ids need randomness, and the system call getrandom is refused ({error}): the sandbox must allow it"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Over several times what is fetched at once, on threads that share it.
    #[test]
    fn none_is_given_twice() {
        let ids = SystemIds::new();
        let many = || (0..1_000).map(|_| ids.random()).collect::<Vec<_>>();
        let mut all = many();
        std::thread::scope(|scope| {
            let others = [scope.spawn(many), scope.spawn(many)];
            for other in others {
                all.extend(other.join().unwrap());
            }
        });
        let different: HashSet<u64> = all.iter().copied().collect();
        assert_eq!(different.len(), 3_000);
        // No byte stays as it was before any was fetched. That so few of its values come has no chance to speak of.
        for place in 0..8 {
            let at_place: HashSet<u8> = all.iter().map(|id| id.to_ne_bytes()[place]).collect();
            assert!(at_place.len() > 200, "byte {place}");
        }
    }
}
