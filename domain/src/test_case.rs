//! Test cases: what proves a task or a feature.

use crate::id::{FeatureId, TaskId, TestId};
use crate::node::Source;
use crate::status::TestStatus;
use crate::text::{Actor, CommandLine, Description, JsonObject};
use crate::time::Timestamp;

/// The longest kept end of a test case's output, in bytes.
pub const MAX_OUTPUT_TAIL_BYTES: usize = 64 * 1024;

/// What a test case belongs to: exactly one item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TestOwner {
    /// A task.
    Task(TaskId),
    /// A feature.
    Feature(FeatureId),
}

/// What happened when a test case last ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// When.
    pub at: Timestamp,
    /// The number of the task's attempt in which it ran, if one was open.
    pub attempt: Option<u32>,
    /// The command's exit code; `None` for a manual check or a command that a signal ended.
    pub exit_code: Option<i32>,
    /// How long it took, in milliseconds; `None` for a manual check.
    pub duration_ms: Option<u64>,
    /// The end of the output or the note, up to 64 KiB.
    pub output_tail: Option<String>,
    /// By whom.
    pub by: Actor,
}

/// A check of a task or a feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestCase {
    /// Creation order within the store, from 1; 0 until a store has given one.
    pub seq: i64,
    /// Its id.
    pub id: TestId,
    /// What it belongs to.
    pub owner: TestOwner,
    /// What is checked.
    pub description: Description,
    /// A `sh -c` line; `None` makes it a manual check.
    pub command: Option<CommandLine>,
    /// Whether a manual check gates all the same.
    pub required: bool,
    /// Its status.
    pub status: TestStatus,
    /// What happened when it last ran.
    pub last: Option<TestResult>,
    /// Where it was imported from.
    pub source: Option<Source>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed; never before an earlier change.
    pub updated_at: Timestamp,
    /// Any keys.
    pub metadata: JsonObject,
}

impl TestCase {
    /// Whether completing its owner waits for it: it has a command, or is marked as required.
    #[must_use]
    pub const fn gates(&self) -> bool {
        self.command.is_some() || self.required
    }

    /// Whether it passed in the given attempt; without an attempt (a person's word), since its owner was last
    /// reopened, which is what its status says.
    #[must_use]
    pub fn passes_in(&self, attempt: Option<u32>) -> bool {
        let in_attempt = match attempt {
            None => true,
            Some(_) => self
                .last
                .as_ref()
                .is_some_and(|last| last.attempt == attempt),
        };
        self.status == TestStatus::Passing && in_attempt
    }
}
