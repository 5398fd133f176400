//! What a file would bring: the one form between every format and the store.

use std::collections::BTreeMap;

use tasq_domain::{
    CommandLine, Description, EntityKind, JsonObject, Name, Priority, Reason, RetryBudget, Status,
    Timestamp, Worker,
};

use super::detect::Format;
use crate::digest::sha256_hex;

/// The most warnings that are kept; further ones are only counted.
const MAX_WARNINGS: usize = 200;

/// What a file would bring. Items refer to each other by their place in these lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Where the items come from, such as `queue-file:shop`.
    pub origin: String,
    /// What the file is.
    pub format: Format,
    /// How many records the file has.
    pub records: u64,
    /// The epics.
    pub epics: Vec<EpicDraft>,
    /// The features.
    pub features: Vec<FeatureDraft>,
    /// The tasks, in the order of the file.
    pub tasks: Vec<TaskDraft>,
    /// What was normalised, guessed or is worth a warning.
    pub notes: Notes,
}

/// What an item is called.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// By its source; a valid id, which is kept.
    Given(String),
    /// By us: its id is derived from the origin and this text.
    Made(String),
}

/// An epic to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpicDraft {
    /// What it is called.
    pub key: Key,
    /// Its name.
    pub name: Name,
    /// What it is about.
    pub description: Option<Description>,
    /// Any keys, and what the source said.
    pub metadata: JsonObject,
    /// The digest of the source's record.
    pub digest: String,
}

/// A feature to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureDraft {
    /// What it is called.
    pub key: Key,
    /// Its epic.
    pub epic: usize,
    /// Its name.
    pub name: Name,
    /// What it is about.
    pub description: Option<Description>,
    /// Its own priority, if the source gives one.
    pub priority: Option<Priority>,
    /// The status that the source gives it; it stands while it has no tasks.
    pub own_status: Status,
    /// Whether the source has a record of it; otherwise it is only a group of tasks.
    pub is_record: bool,
    /// Any keys, and what the source said.
    pub metadata: JsonObject,
    /// The digest of the source's record.
    pub digest: String,
}

/// A task to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskDraft {
    /// What it is called.
    pub key: Key,
    /// Its feature.
    pub feature: usize,
    /// What is to be done.
    pub description: Description,
    /// Its own priority.
    pub priority: Option<Priority>,
    /// How far it is.
    pub state: StateDraft,
    /// How many failures it may have.
    pub retry_budget: RetryBudget,
    /// How many it has had; within the budget, and below it if the task is pending.
    pub retries_used: u32,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// The latest time that the source names for it.
    pub updated_at: Option<Timestamp>,
    /// What it waits for.
    pub depends_on: Vec<On>,
    /// What proves it.
    pub tests: Vec<TestDraft>,
    /// How its last attempt failed, if it is not completed.
    pub failure: Option<FailureDraft>,
    /// Any keys, and what the source said.
    pub metadata: JsonObject,
    /// The digest of the source's record.
    pub digest: String,
}

/// How far a task is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateDraft {
    /// Not begun.
    Pending,
    /// Begun; nobody here holds it.
    InProgress,
    /// Done.
    Completed {
        /// When, if the source says so.
        at: Option<Timestamp>,
    },
    /// Cannot go on.
    Blocked {
        /// Why.
        reason: Reason,
    },
}

impl StateDraft {
    /// The status of that state.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::Pending => Status::Pending,
            Self::InProgress => Status::InProgress,
            Self::Completed { .. } => Status::Completed,
            Self::Blocked { .. } => Status::Blocked,
        }
    }
}

/// What a task waits for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum On {
    /// A task of the same draft.
    Task(usize),
    /// An id that the file does not have; the store may.
    Elsewhere(String),
}

/// A test case to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestDraft {
    /// Its text in the source, unique within the task; its id is derived from it.
    pub key: String,
    /// What is checked.
    pub description: Description,
    /// The command; without one it is a manual check.
    pub command: Option<CommandLine>,
}

/// How an attempt elsewhere failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureDraft {
    /// Who tried.
    pub worker: Worker,
    /// When, if the source says so.
    pub at: Option<Timestamp>,
    /// What went wrong.
    pub message: Reason,
    /// What else the source knows of the attempt.
    pub result: Option<JsonObject>,
}

/// What is to be told about an import.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notes {
    /// Values that were replaced by ours without any doubt, and how often: `status complete → completed`.
    pub normalised: BTreeMap<String, u64>,
    /// What was guessed, and how often.
    pub guesses: BTreeMap<String, u64>,
    /// What may not be as the source meant it, the first 200.
    pub warnings: Vec<String>,
    /// How many more warnings there were.
    pub more_warnings: u64,
}

impl Notes {
    /// Counts a value that was replaced without doubt.
    pub fn normalised(&mut self, what: impl Into<String>) {
        *self.normalised.entry(what.into()).or_default() += 1;
    }

    /// Counts a guess.
    pub fn guessed(&mut self, what: impl Into<String>) {
        *self.guesses.entry(what.into()).or_default() += 1;
    }

    /// Warns.
    pub fn warn(&mut self, what: impl Into<String>) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(what.into());
        } else {
            self.more_warnings += 1;
        }
    }
}

impl Key {
    /// The text of the key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Given(text) | Self::Made(text) => text,
        }
    }

    /// The id of an item of `kind` from `origin` with this key.
    #[must_use]
    pub fn id(&self, kind: EntityKind, origin: &str) -> String {
        match self {
            Self::Given(text) => text.clone(),
            Self::Made(text) => Self::made_id(kind, origin, text),
        }
    }

    /// An id of ours that is the same for the same origin and text: the prefix of its kind and 8 hex digits of their
    /// digest.
    #[must_use]
    pub fn made_id(kind: EntityKind, origin: &str, text: &str) -> String {
        let prefix = match kind {
            EntityKind::Epic => "EPIC-",
            EntityKind::Feature => "FEAT-",
            EntityKind::Task => "TASK-",
            EntityKind::Test => "TEST-",
        };
        let digest = sha256_hex(format!("{}\0{origin}\0{text}", kind.as_str()).as_bytes());
        format!("{prefix}{}", digest[..8].to_ascii_uppercase())
    }
}
