//! The snapshot: a queue as one JSON text, which people can read and git can merge.
//!
//! It is the one format of exports, of imports of our own, and of the JSON store. It holds the tree, the test cases,
//! the dependencies, the questions to people and the current claims, and no history: attempts that ended, checkpoints, events and operations
//! have their own records (see [`history`]).
//!
//! ```json
//! {
//!   "tasq_snapshot": 1,
//!   "store": "5be2a1f09c3d4e77",
//!   "settings": {
//!     "name": "demo",
//!     "require_tests": false,
//!     "backoff_base_secs": 5,
//!     "backoff_cap_secs": 3600
//!   },
//!   "features": {
//!     "FEAT-1": {
//!       "seq": 1,
//!       "name": "Log in",
//!       …
//!     }
//!   },
//!   "tasks": { … }
//! }
//! ```
//!
//! - Items stand under their ids, sorted, one key per line, keys always in the same order; `seq` tells the order of
//!   creation. What is absent, empty, zero or false is left out, except in `settings`.
//! - A parent's `status` is what followed from its children when the text was written. `own_status`, the word of a
//!   person, stands beside it where it differs. Whoever loads the text derives the statuses afresh.
//! - Times are RFC 3339 in UTC; a time after the year 9999 is written as the end of that year.
//! - Metadata keeps its order of keys and its spelling of numbers. Where it was not spelled as we spell JSON, its very
//!   text stands beside it as `metadata_text`, which counts as long as it means the same.
//! - Keys that this version does not know are kept: see [`Extra`].
//!
//! Equal contents give equal bytes, and what was written reads back as the same contents.

mod fields;
pub mod history;
mod mend;
mod own;
mod pieces;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;

use tasq_domain::{
    AnyId, Contents, Dependency, Epic, Feature, Question, Settings, Task, TaskId, TestCase,
    Timestamp,
};

use crate::json::{JsonError, JsonErrorKind, Limits, Object};

pub use fields::FieldError;
pub use pieces::{SnapshotText, TaskTexts, TaskWriter};

/// The newest version of the format, and the one written.
pub const VERSION: u64 = 1;

/// The key that says that a text is a snapshot, and of which version.
pub const MARK: &str = "tasq_snapshot";

/// How many faults are told at once.
pub const MAX_FAULTS: usize = 20;

/// A snapshot that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The queue, without history. Parents' statuses are as they were written.
    pub contents: Contents,
    /// The keys that this version does not know.
    pub extra: Extra,
    /// What did not fit together, as happens where git merges two branches or a person edits one value of two, and how
    /// it was mended: a sentence each.
    pub mended: Vec<String>,
}

/// Keys that this version does not know, with their values, where they stood.
///
/// They are written back at the end of their object as long as the object is there, and go with it: those of a claim that
/// was mended away are not read at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extra {
    /// Of the whole.
    pub top: Object,
    /// Of the settings.
    pub settings: Object,
    /// Of items. A known key that holds an object, such as `hold`, stands for the unknown keys inside it.
    pub items: BTreeMap<AnyId, Object>,
    /// Of questions, by task and attempt.
    pub questions: BTreeMap<(TaskId, u32), Object>,
}

impl Extra {
    /// Leaves out what stood in an object of a task that is there no longer.
    fn forget(&mut self, task: &TaskId, key: &str) {
        let item = AnyId::from(task);
        let Some(unknown) = self.items.get_mut(&item) else {
            return;
        };
        unknown.remove(key);
        if unknown.is_empty() {
            self.items.remove(&item);
        }
    }
}

/// What of a queue is in a snapshot: everything but its history. Items come in any order;
/// in that of their ids it takes the least time.
#[derive(Debug, Clone)]
pub struct Tree<'a> {
    /// The settings.
    pub settings: &'a Settings,
    /// Epics.
    pub epics: Vec<&'a Epic>,
    /// Features.
    pub features: Vec<&'a Feature>,
    /// Tasks.
    pub tasks: Vec<&'a Task>,
    /// Test cases.
    pub tests: Vec<&'a TestCase>,
    /// Tasks, each with one that it waits for.
    pub dependencies: Vec<(&'a TaskId, &'a TaskId)>,
    /// Questions.
    pub questions: Vec<&'a Question>,
}

impl<'a> From<&'a Contents> for Tree<'a> {
    fn from(contents: &'a Contents) -> Self {
        // The history has its own records.
        let Contents {
            settings,
            epics,
            features,
            tasks,
            tests,
            dependencies,
            questions,
            attempts: _,
            checkpoints: _,
            events: _,
            operations: _,
        } = contents;
        Self {
            settings,
            epics: epics.iter().collect(),
            features: features.iter().collect(),
            tasks: tasks.iter().collect(),
            tests: tests.iter().collect(),
            dependencies: dependencies
                .iter()
                .map(|Dependency { task, on }| (task, on))
                .collect(),
            questions: questions.iter().collect(),
        }
    }
}

/// What stands in for values that a snapshot written by hand may leave out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallback {
    /// The store's id and the settings.
    pub settings: Settings,
    /// When items were made and changed.
    pub at: Timestamp,
}

/// Why a text is not taken as a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// It is not JSON, holds conflict markers or a key twice, or is too large.
    #[error(transparent)]
    Text(JsonError),
    /// It is JSON, but no snapshot of ours.
    #[error("not a snapshot: there is no key \"{MARK}\"")]
    NotASnapshot,
    /// It is of a newer version. Nothing else was read.
    #[error("snapshot version {found}, this program knows versions up to {known}")]
    TooNew {
        /// The version found.
        found: u64,
        /// The newest one known.
        known: u64,
    },
    /// Values have the wrong type or are out of bounds, references name nothing, or tasks wait for each other.
    #[error("{}", list(.0))]
    Invalid(Vec<JsonError>),
}

impl SnapshotError {
    /// Whether it is about size or depth, which a person may want to allow.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        matches!(self, Self::Text(error) if error.kind == JsonErrorKind::Limit)
    }
}

/// The text of a queue. `extra` is written for items that are there.
///
/// # Errors
/// [`FieldError`] if the metadata of an item is no JSON object, or is nested more than 64 deep.
pub fn encode(contents: &Contents, extra: &Extra) -> Result<String, FieldError> {
    encode_tree(&Tree::from(contents), extra)
}

/// [`encode`] for items that lie elsewhere than in [`Contents`].
///
/// # Errors
/// As [`encode`].
pub fn encode_tree(tree: &Tree<'_>, extra: &Extra) -> Result<String, FieldError> {
    write::snapshot(tree, extra)
}

/// Reads a snapshot of at most 256 MiB.
///
/// # Errors
/// As [`SnapshotError`] says; nothing is guessed. What git's merging, or a hand that edits one value of two, breaks without
/// a conflict is mended as `docs/RELIABILITY.md` lists: see [`Snapshot::mended`].
pub fn decode(bytes: &[u8], fallback: &Fallback) -> Result<Snapshot, SnapshotError> {
    decode_within(bytes, Limits::OWN, fallback)
}

/// [`decode`] with other limits.
///
/// # Errors
/// As [`decode`].
pub fn decode_within(
    bytes: &[u8],
    limits: Limits,
    fallback: &Fallback,
) -> Result<Snapshot, SnapshotError> {
    read::snapshot(bytes, limits, fallback, read::Trust::Nobody)
}

/// A text of which the quick way to read it made what it could, before it is known who wrote it.
#[derive(Debug)]
pub struct Begun<'b> {
    bytes: &'b [u8],
    limits: Limits,
    quickly: Option<Snapshot>,
}

/// Begins to read a snapshot. Most of the work of [`decode_within`] and [`decode_own`] is this.
#[must_use]
pub fn begin(bytes: &[u8], limits: Limits) -> Begun<'_> {
    Begun {
        bytes,
        limits,
        quickly: own::snapshot(bytes, limits),
    }
}

impl Begun<'_> {
    /// [`decode_within`].
    ///
    /// # Errors
    /// As [`decode`].
    pub fn decode_within(self, fallback: &Fallback) -> Result<Snapshot, SnapshotError> {
        self.decode(fallback, read::Trust::Nobody)
    }

    /// [`decode_own`].
    ///
    /// # Errors
    /// As [`decode`].
    pub fn decode_own(self, fallback: &Fallback) -> Result<Snapshot, SnapshotError> {
        self.decode(fallback, read::Trust::Encoder)
    }

    fn decode(self, fallback: &Fallback, trust: read::Trust) -> Result<Snapshot, SnapshotError> {
        read::after(self.quickly, self.bytes, self.limits, fallback, trust)
    }
}

/// [`decode_within`] for bytes that are known to be what [`encode`] made: nothing is mended, and tasks that wait for
/// each other are not looked for, so that the contents are those encoded, whatever they are.
///
/// # Errors
/// As [`decode`].
pub fn decode_own(
    bytes: &[u8],
    limits: Limits,
    fallback: &Fallback,
) -> Result<Snapshot, SnapshotError> {
    read::snapshot(bytes, limits, fallback, read::Trust::Encoder)
}

fn list(faults: &[JsonError]) -> String {
    let mut text: Vec<String> = faults.iter().map(ToString::to_string).collect();
    if faults.len() >= MAX_FAULTS {
        text.push("and perhaps more".to_owned());
    }
    text.join("; ")
}
