//! What a use case can fail with, and the stable code and exit status of each.

use serde_json::{Value, json};
use tasq_domain::life::Refusal;
use tasq_domain::ready::NotReady;
use tasq_domain::{
    AnyId, CommandLine, IdError, PriorityError, RetryBudgetError, StatusCounts, TaskId, TestId,
    TextError, Timestamp, TokenError, UnknownStatus,
};
use tasq_formats::json::JsonError;
use tasq_ports::{FromStore, RunError, StoreError, TrustError, WorkplaceError};
use thiserror::Error;

/// The stable name of a kind of error. Its word and its exit status are fixed, because other programs depend on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// doctor, verify or selftest found problems.
    CheckFailed,
    /// Bad arguments, or a value that is out of range or empty.
    Usage,
    /// An unknown id or store.
    NotFound,
    /// An id that fits several items.
    Ambiguous,
    /// The state of things does not allow it.
    Conflict,
    /// Nothing to claim.
    NothingReady,
    /// The wait for a lock ended; nothing was written.
    Busy,
    /// Full, read-only, input or output, permission; nothing was acknowledged.
    Storage,
    /// Not a store, or a damaged one.
    Damaged,
    /// Written by a newer version.
    TooNew,
    /// May have been written; repeat with the same operation id.
    OutcomeUnknown,
    /// Denied by policy.
    Denied,
    /// A size, depth or count is over its limit.
    Limit,
    /// Broken input, or a dependency cycle.
    InvalidData,
    /// A completion was refused because test cases are not passing.
    NotVerified,
    /// A bug.
    Bug,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 16] = [
        Self::CheckFailed,
        Self::Usage,
        Self::NotFound,
        Self::Ambiguous,
        Self::Conflict,
        Self::NothingReady,
        Self::Busy,
        Self::Storage,
        Self::Damaged,
        Self::TooNew,
        Self::OutcomeUnknown,
        Self::Denied,
        Self::Limit,
        Self::InvalidData,
        Self::NotVerified,
        Self::Bug,
    ];

    /// The word, as in an error's `code`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CheckFailed => "check_failed",
            Self::Usage => "usage",
            Self::NotFound => "not_found",
            Self::Ambiguous => "ambiguous",
            Self::Conflict => "conflict",
            Self::NothingReady => "nothing_ready",
            Self::Busy => "busy",
            Self::Storage => "storage",
            Self::Damaged => "damaged",
            Self::TooNew => "too_new",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Denied => "denied",
            Self::Limit => "limit",
            Self::InvalidData => "invalid_data",
            Self::NotVerified => "not_verified",
            Self::Bug => "bug",
        }
    }

    /// The exit status of a command that ends with it.
    #[must_use]
    pub const fn exit_status(self) -> u8 {
        match self {
            Self::CheckFailed => 1,
            Self::Usage => 2,
            Self::NotFound | Self::Ambiguous => 3,
            Self::Conflict => 4,
            Self::NothingReady => 5,
            Self::Busy => 6,
            Self::Storage => 7,
            Self::Damaged => 8,
            Self::TooNew => 9,
            Self::OutcomeUnknown => 10,
            Self::Denied => 11,
            Self::Limit => 12,
            Self::InvalidData => 13,
            Self::NotVerified => 14,
            Self::Bug => 70,
        }
    }
}

/// What is not ready in a part of the queue, and why.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Waiting {
    /// How many tasks have which status.
    pub counts: StatusCounts,
    /// The first unfinished tasks in the order of work, each with its reasons and its holder.
    pub first: Vec<(TaskId, Vec<NotReady>, Option<String>)>,
    /// The earliest time that one of them waits for.
    pub next_at: Option<Timestamp>,
}

/// A use case was refused or failed. Unless it says otherwise, nothing was changed.
#[derive(Debug, Error)]
pub enum AppError {
    /// An argument is out of range, empty, or makes no sense with another.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// There is no such item.
    #[error("there is no {kind} {id:?}")]
    NotFound {
        /// The kind or kinds looked for.
        kind: String,
        /// What was asked for.
        id: String,
    },
    /// Several items fit.
    #[error("{given:?} could be any of {}", names(.candidates))]
    Ambiguous {
        /// What was asked for.
        given: String,
        /// The first of what fits.
        candidates: Vec<AnyId>,
    },
    /// The state of an item does not allow it.
    #[error("{item}: {why}")]
    Refused {
        /// The item.
        item: AnyId,
        /// Why.
        why: Refusal,
    },
    /// The state of things does not allow it.
    #[error("{message}")]
    Conflict {
        /// Why.
        message: String,
        /// What to do.
        hint: Option<String>,
        /// What it is about, for programs: an object.
        details: Value,
    },
    /// Nothing to claim.
    #[error("nothing is ready")]
    NothingReady(Box<Waiting>),
    /// Letting a task wait for another would close a cycle.
    #[error("this would be a cycle of dependencies: {}", arrows(.0))]
    Cycle(Vec<TaskId>),
    /// Policy denies it.
    #[error("{message}")]
    Denied {
        /// What.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// Commands of test cases came from elsewhere, and nobody here has looked at them yet. None of them was run.
    #[error("{}", untrusted(.0))]
    Untrusted(Vec<(TestId, CommandLine)>),
    /// Input is broken.
    #[error("{place}: {message}")]
    InvalidData {
        /// The file, or `standard input`.
        place: String,
        /// What is wrong, with line, column and JSON path where there are any.
        message: String,
    },
    /// Something is over its limit.
    #[error("{message}")]
    Limit {
        /// Which limit, with the number found and the number allowed.
        message: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A command could not be run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A place to work could not be made or left.
    #[error(transparent)]
    Workplace(#[from] WorkplaceError),
    /// What is trusted could not be read or kept.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// How many tasks of a path a message names.
const MAX_NAMED_OF_PATH: usize = 20;

/// How many commands a message names.
const MAX_NAMED_COMMANDS: usize = 3;

fn untrusted(commands: &[(TestId, CommandLine)]) -> String {
    let named: Vec<String> = commands
        .iter()
        .take(MAX_NAMED_COMMANDS)
        .map(|(id, command)| format!("{id} ({})", command.as_str().trim()))
        .collect();
    let more = match commands.len().saturating_sub(MAX_NAMED_COMMANDS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "test commands that you have not trusted are not run: {}{more}",
        named.join(", ")
    )
}

fn names(ids: &[AnyId]) -> String {
    ids.iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// A path in a line that can be read: of a long one its two ends. The details have all of it.
fn arrows(path: &[TaskId]) -> String {
    let names: Vec<&str> = path.iter().map(TaskId::as_str).collect();
    if names.len() <= MAX_NAMED_OF_PATH {
        return names.join(" → ");
    }
    let end = MAX_NAMED_OF_PATH / 2;
    let (first, rest) = names.split_at(end);
    let (left_out, last) = rest.split_at(rest.len() - end);
    format!(
        "{} → … {} more … → {}",
        first.join(" → "),
        left_out.len(),
        last.join(" → ")
    )
}

impl FromStore for AppError {
    fn into_store(self) -> Result<StoreError, Self> {
        match self {
            Self::Store(error) => Ok(error),
            other => Err(other),
        }
    }
}

macro_rules! usage_from {
    ($($error:ty),+) => {
        $(impl From<$error> for AppError {
            fn from(error: $error) -> Self {
                Self::Usage { message: error.to_string(), hint: None }
            }
        })+
    };
}

usage_from!(
    IdError,
    PriorityError,
    RetryBudgetError,
    TextError,
    TokenError,
    UnknownStatus
);

impl AppError {
    /// A usage error.
    pub fn usage(message: impl Into<String>, hint: impl Into<Option<&'static str>>) -> Self {
        Self::Usage {
            message: message.into(),
            hint: hint.into().map(str::to_owned),
        }
    }

    /// A conflict.
    pub fn conflict(message: impl Into<String>, hint: impl Into<Option<&'static str>>) -> Self {
        Self::Conflict {
            message: message.into(),
            hint: hint.into().map(str::to_owned),
            details: json!({}),
        }
    }

    /// The same conflict, with what it is about for programs. Other errors have their details of themselves.
    pub(crate) fn telling(mut self, facts: Value) -> Self {
        if let Self::Conflict { details, .. } = &mut self {
            *details = facts;
        }
        self
    }

    /// An id that another item has.
    pub(crate) fn taken(id: impl Into<AnyId>) -> Self {
        let id = id.into();
        Self::conflict(
            format!("there is a {} {} already", id.kind(), id.as_str()),
            "choose another id, or none",
        )
        .telling(json!({ "id": id.as_str(), "kind": id.kind().as_str() }))
    }

    /// Something that a worker may not do.
    pub(crate) fn worker(what: &str) -> Self {
        Self::Denied {
            message: format!("a worker may not {what}"),
            hint: Some("a person has to do it, outside the worker".to_owned()),
        }
    }

    /// A refusal of what was asked of `item`.
    pub fn refused(item: impl Into<AnyId>, why: Refusal) -> Self {
        Self::Refused {
            item: item.into(),
            why,
        }
    }

    /// An unknown item.
    pub fn not_found(id: &AnyId) -> Self {
        Self::NotFound {
            kind: id.kind().to_string(),
            id: id.as_str().to_owned(),
        }
    }

    /// Broken JSON in `place`.
    pub fn json(place: &str, error: &JsonError) -> Self {
        if error.kind == tasq_formats::json::JsonErrorKind::Limit {
            return Self::Limit {
                message: format!("{place}: {error}"),
            };
        }
        Self::InvalidData {
            place: place.to_owned(),
            message: error.to_string(),
        }
    }

    /// Its stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Usage { .. } => Code::Usage,
            Self::NotFound { .. } => Code::NotFound,
            Self::Ambiguous { .. } => Code::Ambiguous,
            Self::Conflict { .. } => Code::Conflict,
            Self::Refused { why, .. } => refusal_code(why),
            Self::NothingReady(_) => Code::NothingReady,
            Self::Cycle(_) | Self::InvalidData { .. } => Code::InvalidData,
            Self::Denied { .. } | Self::Untrusted(_) => Code::Denied,
            Self::Limit { .. } => Code::Limit,
            Self::Run(_) | Self::Workplace(_) | Self::Trust(_) => Code::Storage,
            Self::Store(error) => store_code(error),
        }
    }

    /// What to do next, if there is something to say.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Usage { hint, .. } | Self::Conflict { hint, .. } | Self::Denied { hint, .. } => {
                hint.clone()
            }
            Self::Ambiguous { .. } => {
                Some("give more of the id, or its kind as in task:ID".to_owned())
            }
            Self::NotFound { kind, .. } => {
                Some(format!("list what there is with `tasq {}`", listing(kind)))
            }
            Self::Refused { why, item } => refusal_hint(why, item),
            Self::NothingReady(_) => Some("`tasq why TASK` says what a task waits for".to_owned()),
            Self::Store(error) => store_hint(error),
            Self::Untrusted(_) => {
                Some("`tasq trust` shows them and, if you agree, lets them run".to_owned())
            }
            Self::Trust(TrustError::NoPlace { .. }) => {
                Some("set HOME or XDG_STATE_HOME to a folder of yours".to_owned())
            }
            Self::Cycle(_)
            | Self::InvalidData { .. }
            | Self::Limit { .. }
            | Self::Run(_)
            | Self::Workplace(_)
            | Self::Trust(TrustError::Io { .. }) => None,
        }
    }

    /// Facts about the error for programs.
    #[must_use]
    pub fn details(&self) -> Value {
        match self {
            Self::NotFound { kind, id } => json!({ "kind": kind, "id": id, "candidates": [] }),
            Self::Ambiguous { given, candidates } => json!({
                "id": given,
                "candidates": candidates.iter().map(AnyId::as_str).collect::<Vec<_>>(),
                "kinds": candidates.iter().map(|id| id.kind().as_str()).collect::<Vec<_>>(),
            }),
            Self::Refused { item, why } => refusal_details(item, why),
            Self::Conflict { details, .. } => details.clone(),
            Self::Cycle(path) => {
                json!({ "path": path.iter().map(TaskId::as_str).collect::<Vec<_>>() })
            }
            Self::NothingReady(waiting) => waiting_details(waiting),
            Self::InvalidData { place, .. } => json!({ "file": place }),
            Self::Untrusted(commands) => json!({
                "tests": commands.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(),
                "commands": commands.iter().map(|(_, line)| line.as_str()).collect::<Vec<_>>(),
            }),
            _ => json!({}),
        }
    }
}

fn listing(kind: &str) -> &'static str {
    match kind {
        "epic" => "epic list",
        "feature" => "feature list",
        "task" => "list",
        "test" => "test list",
        _ => "tree",
    }
}

fn refusal_code(why: &Refusal) -> Code {
    match why {
        Refusal::NotReady(reasons) if reasons.contains(&NotReady::Claimed) => Code::Conflict,
        Refusal::NotReady(_) => Code::NothingReady,
        Refusal::NotVerified(_) | Refusal::NoTests => Code::NotVerified,
        Refusal::NotForWorkers { .. } => Code::Denied,
        Refusal::StaleClaim
        | Refusal::Claimed { .. }
        | Refusal::WrongStatus { .. }
        | Refusal::NoQuestion
        | Refusal::NoRetryLeft => Code::Conflict,
        Refusal::TooManyChoices { .. } => Code::Limit,
    }
}

fn refusal_hint(why: &Refusal, item: &AnyId) -> Option<String> {
    let id = item.as_str();
    Some(match why {
        Refusal::NotReady(_) => format!("`tasq why {id}` says what it waits for"),
        Refusal::StaleClaim => {
            "the task was taken back or finished: claim it anew before you go on".to_owned()
        }
        Refusal::Claimed { .. } => {
            format!(
                "wait for its holder, ask it to stop with `tasq cancel {id}`, or insist with --force where that is taken"
            )
        }
        Refusal::NotVerified(_) => {
            format!("run them with `tasq verify {id}`; a person may insist with --force --reason")
        }
        Refusal::NoTests => format!("add one with `tasq test add TEXT --task {id} --command CMD`"),
        Refusal::NoQuestion => format!(
            "`tasq inbox` lists what waits for an answer; `tasq show {id}` tells how this task stands"
        ),
        Refusal::TooManyChoices { .. } => "ask with fewer choices, or with none".to_owned(),
        Refusal::NoRetryLeft => "leave --keep-retries away to give it a fresh budget".to_owned(),
        Refusal::NotForWorkers { .. } => "a person has to do it, outside the worker".to_owned(),
        Refusal::WrongStatus { .. } => {
            format!("`tasq show {id}` tells how it stands; `tasq reopen {id}` makes it pending")
        }
    })
}

fn refusal_details(item: &AnyId, why: &Refusal) -> Value {
    match why {
        Refusal::NotVerified(tests) => json!({
            "id": item.as_str(),
            "tests": tests.iter().map(TestId::as_str).collect::<Vec<_>>(),
        }),
        Refusal::NotReady(reasons) => json!({
            "id": item.as_str(),
            "reasons": reasons.iter().map(NotReady::as_str).collect::<Vec<_>>(),
            "until": until(reasons),
        }),
        Refusal::Claimed { by } => json!({ "id": item.as_str(), "claimed_by": by.as_str() }),
        _ => json!({ "id": item.as_str() }),
    }
}

/// The time that a task waits for.
fn until(reasons: &[NotReady]) -> Option<String> {
    reasons.iter().find_map(|reason| match reason {
        NotReady::NotBefore(at) => Some(tasq_formats::time::to_rfc3339_clamped(at.micros())),
        _ => None,
    })
}

fn waiting_details(waiting: &Waiting) -> Value {
    let StatusCounts {
        pending,
        in_progress,
        completed,
        blocked,
    } = waiting.counts;
    let first = waiting.first.iter().map(|(id, reasons, holder)| {
        let words: Vec<&str> = reasons.iter().map(NotReady::as_str).collect();
        json!({ "id": id.as_str(), "reasons": words, "until": until(reasons), "claimed_by": holder })
    });
    json!({
        "counts": {
            "pending": pending, "in_progress": in_progress, "completed": completed, "blocked": blocked,
            "total": waiting.counts.total(),
        },
        "waiting": first.collect::<Vec<_>>(),
        "next_at": waiting.next_at.map(|at| tasq_formats::time::to_rfc3339_clamped(at.micros())),
    })
}

fn store_code(error: &StoreError) -> Code {
    match error {
        StoreError::Busy { .. } => Code::Busy,
        StoreError::Missing { .. } => Code::NotFound,
        StoreError::Exists { .. } => Code::Conflict,
        StoreError::Damaged { .. } => Code::Damaged,
        StoreError::Invalid { .. } => Code::InvalidData,
        StoreError::TooNew { .. } | StoreError::TooOld { .. } => Code::TooNew,
        StoreError::Full { .. }
        | StoreError::ReadOnly { .. }
        | StoreError::Denied { .. }
        | StoreError::Io { .. }
        | StoreError::Backend { .. } => Code::Storage,
        StoreError::Policy { .. } => Code::Denied,
        StoreError::Limit { .. } => Code::Limit,
        StoreError::OutcomeUnknown { .. } => Code::OutcomeUnknown,
    }
}

fn store_hint(error: &StoreError) -> Option<String> {
    let hint = match error {
        StoreError::Busy { .. } => "try again, or wait longer with --wait",
        StoreError::Missing { .. } => "make one with `tasq init`",
        StoreError::TooNew { .. } => "use a newer tasq; nothing was touched",
        StoreError::TooOld { .. } => "bring it up to date with `tasq migrate`",
        StoreError::Full { .. } => "free some space and repeat the command; nothing was written",
        StoreError::OutcomeUnknown { .. } => {
            "repeat the command with the same --op to learn the outcome"
        }
        StoreError::Invalid { .. } => "mend that place by hand; the file was not changed",
        StoreError::Damaged { .. } => {
            "nothing was changed; go back to a copy of it, or copy what can be read into a new store"
        }
        StoreError::ReadOnly { .. } | StoreError::Denied { .. } => {
            "see to it that you may write there, then repeat the command; nothing was written"
        }
        StoreError::Exists { .. }
        | StoreError::Policy { .. }
        | StoreError::Limit { .. }
        | StoreError::Io { .. }
        | StoreError::Backend { .. } => return None,
    };
    Some(hint.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_cycle_names_its_two_ends() {
        let path = |length: usize| {
            let ids = (0..length).map(|n| TaskId::new(format!("T{n}")).unwrap());
            AppError::Cycle(ids.collect()).to_string()
        };
        assert!(path(3).ends_with(": T0 → T1 → T2"));
        assert!(path(20).contains("T9 → T10"));
        let long = path(5_000);
        assert!(long.contains("T9 → … 4980 more … → T4990"), "{long}");
        assert!(long.ends_with("T4999"), "{long}");
    }
}
