//! Flags that several commands share.

use clap::Args;
use tasq_app::ScopeRef;
use tasq_domain::OperationId;

/// What every command takes that changes something.
#[derive(Debug, Args)]
pub(crate) struct Change {
    /// An id for this request: repeating it under the same id gives the first answer and changes nothing
    #[arg(long, value_name = "ID")]
    pub(crate) op: Option<OperationId>,
}

/// A part of the queue.
#[derive(Debug, Args, Default)]
pub(crate) struct Within {
    /// Only this epic
    #[arg(long, value_name = "EPIC", conflicts_with = "feature")]
    pub(crate) epic: Option<String>,
    /// Only this feature, or one lane of it such as FEAT-1A2B3C4D-P0
    #[arg(long, value_name = "FEATURE|LANE")]
    pub(crate) feature: Option<String>,
}

impl Within {
    pub(crate) fn scope(self) -> ScopeRef {
        match (self.epic, self.feature) {
            (_, Some(feature)) => ScopeRef::Feature(feature),
            (Some(epic), None) => ScopeRef::Epic(epic),
            (None, None) => ScopeRef::Queue,
        }
    }
}

/// The task and the token of a holder; a worker's environment has both.
#[derive(Debug, Args)]
pub(crate) struct Held {
    /// The task [env: TASQ_TASK]
    #[arg(value_name = "TASK")]
    pub(crate) task: Option<String>,
    /// The token that the claim printed [env: TASQ_TOKEN]
    #[arg(long, value_name = "TOKEN", value_parser = token)]
    pub(crate) token: Option<tasq_domain::Token>,
}

/// Reads what a holder shows as its token.
pub(crate) fn token(text: &str) -> Result<tasq_domain::Token, std::convert::Infallible> {
    Ok(tasq_domain::Token::shown(text))
}

/// Reads a `KEY=VALUE` pair.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not KEY=VALUE")),
    }
}

/// What the commands that are started get and may use.
#[derive(Debug, Args)]
#[command(next_help_heading = "Commands")]
pub(crate) struct Passed {
    /// Pass on this variable of ours as well, or 'NAME*' for all that begin so; may be repeated
    #[arg(long = "env", value_name = "NAME")]
    pub(crate) env: Vec<String>,
    /// Kill what has more processes than this
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_processes: Option<u32>,
    /// How many MiB of memory each process may map
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    pub(crate) max_memory: Option<u64>,
}
