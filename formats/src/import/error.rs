//! Why a file cannot be imported.

use tasq_domain::TaskId;

use super::detect::Format;
use crate::json::JsonError;

/// Why a file cannot be imported. Nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The file is broken, or something in it has a type that it cannot have.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The format is known by name, or not at all, but not read.
    #[error("{}", .format.why_not())]
    Unsupported {
        /// The format.
        format: Format,
    },
    /// Two records of the file have the same id.
    #[error("the id {id} occurs twice: at {first} and at {second}")]
    Duplicate {
        /// The id, quoted.
        id: String,
        /// The JSON path of the first record.
        first: String,
        /// The JSON path of the second record.
        second: String,
    },
    /// Tasks wait for each other in a circle; the first is repeated at the end.
    #[error("the tasks wait for each other: {}", .0.iter().map(TaskId::as_str).collect::<Vec<_>>().join(" → "))]
    Cycle(Vec<TaskId>),
}
