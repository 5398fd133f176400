//! The files of other tools, each read by a module of its own into one [`Draft`].
//!
//! A draft says what a file would bring, in words of ours: epics, features, tasks, test cases, what waits for what, and
//! notes about everything that was normalised or guessed. It has no times or ids of a store; whoever stores it gives
//! them. Nothing of the source is lost: what has no field of ours stays under the item's metadata as it was, and the
//! originals of what has one stay under its reserved key [`SOURCE_KEY`], so that [`rebuild`] gives the same data back
//! and a later import knows what the last one brought.
//!
//! ```
//! use tasq_formats::import::{read, ReadOptions};
//!
//! let file = br#"{"project": "shop", "features": [{"id": "BUG-1", "description": "Fix it", "status": "done"}]}"#;
//! let draft = read(file, &ReadOptions::default())?;
//! assert_eq!(draft.origin, "queue-file:shop");
//! assert_eq!(draft.notes.normalised["status done → completed"], 1);
//! # Ok::<(), tasq_formats::import::ImportError>(())
//! ```

mod command;
mod detect;
mod draft;
mod error;
mod kept;
mod merge;
mod queue;
mod rebuild;
#[cfg(test)]
mod tests;

pub use command::{CommandTemplate, TemplateError};
pub use detect::{Format, QueueShape, detect, sniff};
pub use draft::{
    Draft, EpicDraft, FailureDraft, FeatureDraft, Key, Notes, On, StateDraft, TaskDraft, TestDraft,
};
pub use error::ImportError;
pub use kept::SOURCE_KEY;
pub use merge::{Changes, changes, merged_metadata, original_dependencies, original_tests};
pub use queue::queue_file;
pub use rebuild::rebuild;

use crate::json::{Document, Limits};

/// What the reader of a file is told besides the file.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// How large and deep the file may be.
    pub limits: Limits,
    /// The name of the project if the file does not say it, such as the name of the file.
    pub name: Option<String>,
    /// The key of a record by which tasks are grouped into features, instead of the usual ones.
    pub group_by: Option<String>,
    /// What makes a command of a test's path; without it a path becomes a manual check.
    pub test_command: Option<CommandTemplate>,
    /// Whether what was in progress stays so, held by hand; otherwise it becomes pending.
    pub keep_in_progress: bool,
}

/// Reads a file of any supported format.
///
/// # Errors
/// [`ImportError::Unsupported`] for what is known by name but not read yet, [`ImportError::Json`] with line, column and
/// JSON path for what is broken, and the others for faults between records.
pub fn read(bytes: &[u8], options: &ReadOptions) -> Result<Draft, ImportError> {
    if bytes.len() <= options.limits.bytes
        && let Some(format) = sniff(bytes)
    {
        return Err(ImportError::Unsupported { format });
    }
    let document = Document::parse_foreign(bytes, options.limits)?;
    match detect(&document) {
        Format::QueueFile(shape) => queue_file(&document, shape, options),
        format => Err(ImportError::Unsupported { format }),
    }
}
