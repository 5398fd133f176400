//! The clock, the source of randomness, and the processes of the machine.

use tasq_domain::{Place, Process, Timestamp};

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

/// The processes of this machine, as far as this program can see them.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Processes: Send + Sync {
    /// Where this program stands; `None` where that cannot be told, and then it neither records nor judges any process.
    /// It never changes: who has to look for it does so once, at the first call.
    fn place(&self) -> Option<Place>;

    /// The process that has this id here; `None` if there is none, or it has ended and is only waited for.
    fn identify(&self, pid: u32) -> Option<Process>;

    /// Whether a process is gone for certain, as [`Process::is_gone`] says, and with it all that it had started under
    /// its supervision. `false` in every doubt: at another place, and where the system does not tell.
    fn is_gone(&self, process: &Process) -> bool;

    /// Ends what a process that is gone left running under its supervision, and waits a moment for that end. Does
    /// nothing while the process runs, and in every doubt.
    fn end_remains(&self, _process: &Process) {}
}
