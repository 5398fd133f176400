//! Which commands of test cases may run.

use std::io;

use tasq_domain::{CommandLine, StoreId};
use thiserror::Error;

/// What was trusted could not be read or kept.
#[derive(Debug, Error)]
pub enum TrustError {
    /// There is nowhere to keep it.
    #[error("there is nowhere to keep which commands are trusted: {missing}")]
    NoPlace {
        /// What would have named a place.
        missing: String,
    },
    /// The place cannot be used.
    #[error("cannot {doing} {place}: {source}")]
    Io {
        /// What was to be done there.
        doing: &'static str,
        /// Where.
        place: String,
        /// The cause.
        source: io::Error,
    },
}

/// The commands that this account lets run, for one place of a store. It is kept outside of every store, because what a
/// store holds may have been written by anybody: a colleague, an import, a program that edits files.
///
/// A command is known by its text alone, to the byte: another test case with the same command is trusted as well, and a
/// command that is changed is not.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Trust: Send + Sync {
    /// Those of the commands that may not run, in the order given, each once.
    ///
    /// # Errors
    /// If the answer cannot be had. Where nothing was ever trusted nothing may run, which is no error.
    fn untrusted(
        &self,
        store: &StoreId,
        commands: &[CommandLine],
    ) -> Result<Vec<CommandLine>, TrustError>;

    /// Lets commands run from now on.
    ///
    /// # Errors
    /// If it cannot be kept; some of them may be trusted then.
    fn trust(&self, store: &StoreId, commands: &[CommandLine]) -> Result<(), TrustError>;

    /// Lets none run any more, and returns how many were trusted.
    ///
    /// # Errors
    /// If it cannot be done; some of them may be trusted still.
    fn revoke(&self, store: &StoreId) -> Result<u64, TrustError>;
}
