//! Attempts at a task, the tokens that fence them, and the checkpoints they leave.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::id::TaskId;
use crate::text::{JsonObject, Reason, Worker};
use crate::time::Timestamp;

/// What a holder shows with every write: `<attempt number>-<64-bit nonce>`. Opaque to everyone else, never issued
/// twice, even after a restore, because the nonce is fresh randomness.
///
/// ```
/// use tasq_domain::Token;
/// let token = Token { attempt: 3, nonce: 0xAB };
/// assert_eq!(token.to_string(), "3-00000000000000ab");
/// assert_eq!("3-00000000000000ab".parse(), Ok(token));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// Fresh randomness.
    pub nonce: u64,
}

impl Token {
    /// What a holder shows, whatever it is: a text that is no token counts as one that was never issued (attempts are
    /// numbered from 1), so it is refused as stale. To everybody but the store a token is opaque.
    ///
    /// ```
    /// use tasq_domain::Token;
    /// assert_eq!(Token::shown("1-00000000000000ab"), Token { attempt: 1, nonce: 0xAB });
    /// assert_eq!(Token::shown("guess").attempt, 0);
    /// ```
    #[must_use]
    pub fn shown(text: &str) -> Self {
        let never_issued = Self {
            attempt: 0,
            nonce: 0,
        };
        text.parse().unwrap_or(never_issued)
    }
}

/// A text is not a token.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{found:?} is not a token: use the one that the claim printed")]
pub struct TokenError {
    /// The text found.
    pub found: String,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:016x}", self.attempt, self.nonce)
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let read = || {
            let (attempt, nonce) = text.split_once('-')?;
            let token = Self {
                attempt: attempt.parse().ok()?,
                nonce: u64::from_str_radix(nonce, 16).ok()?,
            };
            (token.to_string() == text).then_some(token)
        };
        read().ok_or_else(|| TokenError {
            found: text.to_owned(),
        })
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The task was completed.
    Completed,
    /// The worker failed; charged.
    Failed,
    /// The worker took too long and was stopped; charged.
    TimedOut,
    /// The lease ran out, or the worker's process is gone; charged, unless a copy or a restore closed it.
    Lost,
    /// The worker gave the task back.
    Released,
    /// The task was blocked.
    Blocked,
    /// A person stopped it.
    Cancelled,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 7] = [
        Self::Completed,
        Self::Failed,
        Self::TimedOut,
        Self::Lost,
        Self::Released,
        Self::Blocked,
        Self::Cancelled,
    ];

    /// The word for the outcome.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Lost => "lost",
            Self::Released => "released",
            Self::Blocked => "blocked",
            Self::Cancelled => "cancelled",
        }
    }

    /// The outcome that a word names.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == word)
    }
}

/// One try at a task by one worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The task.
    pub task: TaskId,
    /// Its token: the number, from 1, and the nonce.
    pub token: Token,
    /// Who tries.
    pub worker: Worker,
    /// When it began.
    pub started_at: Timestamp,
    /// How it ended; `None` while it is open.
    pub end: Option<AttemptEnd>,
    /// What its holder still said after it was closed.
    pub late_message: Option<Reason>,
    /// The file with its output.
    pub log_path: Option<String>,
    /// What the worker reported.
    pub result: Option<JsonObject>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptEnd {
    /// When; never before the attempt began.
    pub at: Timestamp,
    /// How.
    pub outcome: Outcome,
    /// The worker's exit code, where a process ended.
    pub exit_code: Option<i32>,
    /// What the holder, or whoever ended it, said.
    pub message: Option<Reason>,
}

/// What a holder leaves for the next attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Creation order within the store, from 1; 0 until a store has given one.
    pub seq: i64,
    /// The task.
    pub task: TaskId,
    /// The attempt's number.
    pub attempt: u32,
    /// When.
    pub at: Timestamp,
    /// What was done.
    pub summary: Reason,
    /// What is to be done next.
    pub next_steps: Vec<String>,
    /// Any data.
    pub data: Option<JsonObject>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_text_is_a_token() {
        for bad in [
            "",
            "1",
            "1-",
            "-1",
            "01-00000000000000ab",
            "1-AB",
            "1-00000000000000AB",
            "1-+0000000000000ab",
        ] {
            assert!(bad.parse::<Token>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_outcome_and_its_word_agree() {
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::from_word(outcome.as_str()), Some(outcome));
        }
    }
}
