//! How a command fails, and how that is told: one line, a hint, a code.

use std::error::Error;
use std::fmt::Write as _;
use std::io;

use tasq_app::{AppError, Code};
use tasq_files::FileError;
use tasq_formats::json::{Document, Written, WrittenObject};
use tasq_ports::StoreError;

/// Why a command ends early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something to be told.
    Told(Box<Problem>),
    /// Whoever read our output has gone, as `head` does: nothing to tell, and nobody to tell it to.
    ClosedPipe,
}

/// What went wrong, where, and what to do next.
#[derive(Debug)]
pub(crate) struct Problem {
    /// Its stable code.
    pub(crate) code: Code,
    /// One line.
    pub(crate) message: String,
    /// What to do next.
    pub(crate) hint: Option<String>,
    /// Facts for programs.
    pub(crate) details: Written,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        let details = WrittenObject::new().into();
        Self::Told(Box::new(Problem {
            code,
            message,
            hint: None,
            details,
        }))
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Code::Usage, message)
    }

    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        match self {
            Self::Told(problem) => Self::Told(Box::new(Problem {
                hint: Some(hint.into()),
                ..*problem
            })),
            Self::ClosedPipe => Self::ClosedPipe,
        }
    }

    pub(crate) fn with_details(self, details: WrittenObject) -> Self {
        match self {
            Self::Told(problem) => Self::Told(Box::new(Problem {
                details: details.into(),
                ..*problem
            })),
            Self::ClosedPipe => Self::ClosedPipe,
        }
    }

    /// Reading or writing something that is no store failed.
    pub(crate) fn io(doing: &str, error: &io::Error) -> Self {
        Self::new(Code::Storage, format!("{doing}: {error}"))
    }

    /// Writing to standard output failed.
    pub(crate) fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::ClosedPipe;
        }
        Self::io("cannot write the output", error)
            .with_hint("what was asked for was done; only telling it failed")
    }

    /// The exit status that goes with it.
    pub(crate) fn exit_status(&self) -> u8 {
        match self {
            Self::Told(problem) => problem.code.exit_status(),
            // What a shell reports of a program that SIGPIPE ended.
            Self::ClosedPipe => 141,
        }
    }
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        // The use case speaks another dialect of JSON; both are text in between.
        let details = Document::parse(error.details().to_string().as_bytes()).map_or_else(
            |_| WrittenObject::new().into(),
            |document| Written::of(document.value()),
        );
        Self::Told(Box::new(Problem {
            code: error.code(),
            message: chain(&error),
            hint: error.hint(),
            details,
        }))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        AppError::from(error).into()
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        let code = match &error {
            FileError::Missing { .. } => Code::NotFound,
            FileError::Busy { .. } => Code::Busy,
            FileError::Link { .. }
            | FileError::HardLink { .. }
            | FileError::NotRegular { .. }
            | FileError::NotFolder { .. }
            | FileError::ForeignOwner { .. } => Code::Denied,
            FileError::ReadOnly { .. }
            | FileError::Denied { .. }
            | FileError::Full { .. }
            | FileError::Io { .. } => Code::Storage,
            FileError::Limit { .. } => Code::Limit,
            FileError::OutcomeUnknown { .. } => Code::OutcomeUnknown,
        };
        Self::new(code, chain(&error))
    }
}

impl From<clap::Error> for Failure {
    /// The same words in our form: clap's first paragraph is the message, its tips and its usage line are the hint.
    fn from(error: clap::Error) -> Self {
        let unknown_command = error.kind() == clap::error::ErrorKind::InvalidSubcommand;
        let text = error.render().to_string();
        let mut paragraphs = text.split("\n\n").map(str::trim);
        let message = paragraphs.next().unwrap_or_default();
        let message = one_line(message.trim_start_matches("error:"));
        let hints = paragraphs.filter_map(|paragraph| match paragraph.strip_prefix("Usage:") {
            Some(usage) if !unknown_command => Some(format!("usage: {}", one_line(usage))),
            _ => paragraph.strip_prefix("tip:").map(one_line),
        });
        let mut hint = hints.collect::<Vec<_>>().join("; ");
        if hint.is_empty() {
            let more = if unknown_command {
                "`tasq help` lists the commands"
            } else {
                "--help tells what it takes"
            };
            hint.push_str(more);
        }
        Self::usage(message).with_hint(hint)
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The error and those behind it, once each: some messages speak for their source already.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            write!(text, ": {more}").expect("writing to a string cannot fail");
        }
        source = error.source();
    }
    text
}
