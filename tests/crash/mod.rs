//! The real command, killed, refused by the system, and cut off from power: what it acknowledged must be there.
//!
//! - `kills`: workers are killed at random instants.
//! - `points`: each mutating command is killed, or meets an error, at its n-th system call.
//! - `power`: what was written is replayed to the states in which a power cut may leave a disk.
//! - `space`: a small disk and a read-only one.
//! - `stopped`: the holder of the lock is stopped.
//!
//! Nothing is mocked: `place` is a folder with the command, `audit` looks at what is in a store through its adapter,
//! `strace` is what breaks system calls. A test says on standard error what must hold, with which seed it ran and how much it
//! tried ([`Figures`](crate::figures::Figures)); `TASQ_TEST_SEED` repeats a run, `TASQ_TEST_FULL=1` is the long one.

pub(crate) mod audit;
mod care;
mod kills;
pub(crate) mod place;
mod points;
mod power;
mod space;
mod stopped;
pub(crate) mod strace;

/// Makes a test of each case for each kind of store.
macro_rules! on_both_stores {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $case() {
                super::$case(crate::crash::place::Kind::Sqlite);
            })+
        }
        mod json {
            $(#[test]
            fn $case() {
                super::$case(crate::crash::place::Kind::Json);
            })+
        }
    };
}
pub(crate) use on_both_stores;

/// The seed of this run: that of the environment, or a fresh one.
pub(crate) fn seed() -> u64 {
    match std::env::var("TASQ_TEST_SEED") {
        Ok(seed) => seed.parse().expect("TASQ_TEST_SEED is a number"),
        Err(_) => fresh_number() >> 32,
    }
}

/// Another number each time, in every process.
pub(crate) fn fresh_number() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    // Every state of std's hash maps has fresh random keys.
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}

/// How much to do: in every run, and before a release (`TASQ_TEST_FULL=1`).
pub(crate) fn amount(quick: u32, full: u32) -> u32 {
    if crate::contract::full() { full } else { quick }
}
