//! The clock and the source of randomness.

use tasq_domain::Timestamp;

/// The system clock, or a fixed one in tests.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Clock: Send + Sync {
    /// The present instant in UTC. It may jump in either direction; callers keep time from running backwards within an
    /// item.
    fn now(&self) -> Timestamp;
}

/// Fresh randomness for ids and tokens.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Ids: Send + Sync {
    /// 64 bits that nobody can foresee, different at each call.
    fn random(&self) -> u64;
}
