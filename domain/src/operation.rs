//! Operations: what makes repeating a command safe.

use crate::id::OperationId;

/// The longest kept answer, in bytes.
pub const MAX_ANSWER_BYTES: usize = 4 * 1024;
/// How many operations a store keeps: the newest.
pub const OPERATIONS_KEPT: u64 = 100_000;

/// A use case that was carried out under an operation id, and its first answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// The id that the caller chose.
    pub id: OperationId,
    /// The use case.
    pub use_case: String,
    /// The SHA-256 digest of the arguments, in hex; other arguments under the same id are a conflict.
    pub digest: String,
    /// The answer, at most [`MAX_ANSWER_BYTES`].
    pub answer: String,
}
