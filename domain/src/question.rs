//! Questions that a worker asks a person, and their answers.

use crate::id::TaskId;
use crate::text::{Actor, Name, Reason, Worker};
use crate::time::Timestamp;

/// How many choices a question may offer.
pub const MAX_CHOICES: usize = 100;

/// What a worker asked when it could not go on. Asking ends the attempt, so there is one question to an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The task.
    pub task: TaskId,
    /// The number of the attempt that asked.
    pub attempt: u32,
    /// When.
    pub at: Timestamp,
    /// Who asked.
    pub by: Worker,
    /// What it wants to know.
    pub text: Reason,
    /// Answers to choose from, each once, at most [`MAX_CHOICES`]; a person may say something else all the same.
    pub choices: Vec<Name>,
    /// What a person said.
    pub answer: Option<Answer>,
}

/// What a person said to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// When; never before it was asked.
    pub at: Timestamp,
    /// Who.
    pub by: Actor,
    /// What.
    pub text: Reason,
}
