//! Validated texts. Each is kept exactly as it came; only its bounds are checked. Copies share it.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// The longest name, in characters.
pub const MAX_NAME_CHARS: usize = 1_000;
/// The longest description, reason, message or command, in bytes.
pub const MAX_DESCRIPTION_BYTES: usize = 64 * 1024;
/// The longest JSON text of an item (metadata, a checkpoint's data, an attempt's result), in bytes.
pub const MAX_JSON_BYTES: usize = 1024 * 1024;

/// A text is out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the {what} {problem}")]
pub struct TextError {
    /// What the text is for, e.g. `description`.
    pub what: &'static str,
    /// What is wrong with it.
    pub problem: TextProblem,
}

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TextProblem {
    /// Nothing but white space and control characters below U+0020.
    #[error("is empty")]
    Empty,
    /// Longer than its limit.
    #[error("is too long: {found} {unit}, at most {limit} are allowed")]
    TooLong {
        /// The limit.
        limit: usize,
        /// The length found.
        found: usize,
        /// What is counted: `characters` or `bytes`.
        unit: &'static str,
    },
    /// U+0000, which not every store can hold.
    #[error("contains a NUL character")]
    Nul,
}

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $unit:literal, $limit:expr, $measure:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and keeps `text`, unchanged.
            ///
            /// # Errors
            /// If it is blank, too long, or contains U+0000.
            pub fn new(text: impl Into<Arc<str>>) -> Result<Self, TextError> {
                let text = text.into();
                let measure: fn(&str) -> usize = $measure;
                check($what, $unit, $limit, measure(&text), &text)?;
                Ok(Self(text))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = TextError;
            fn from_str(text: &str) -> Result<Self, TextError> {
                Self::new(text)
            }
        }
    };
}

fn check(
    what: &'static str,
    unit: &'static str,
    limit: usize,
    found: usize,
    text: &str,
) -> Result<(), TextError> {
    let problem = if is_blank(text) {
        TextProblem::Empty
    } else if found > limit {
        TextProblem::TooLong { limit, found, unit }
    } else if text.contains('\0') {
        TextProblem::Nul
    } else {
        return Ok(());
    };
    Err(TextError { what, problem })
}

/// Whether a text says nothing: there is only white space in it, and control characters below U+0020, which show nothing
/// either.
#[must_use]
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c <= ' ' || c.is_whitespace())
}

text_type!(
    /// The name of an epic or a feature: 1 to 1,000 characters.
    Name, "name", "characters", MAX_NAME_CHARS, |text| text.chars().count()
);
text_type!(
    /// What is to be done: up to 64 KiB; the first line is the title.
    Description, "description", "bytes", MAX_DESCRIPTION_BYTES, str::len
);
text_type!(
    /// Why something was done, or what went wrong: up to 64 KiB.
    Reason, "reason", "bytes", MAX_DESCRIPTION_BYTES, str::len
);
text_type!(
    /// Who does something, e.g. `ada@host`: 1 to 1,000 characters.
    Actor, "actor", "characters", MAX_NAME_CHARS, |text| text.chars().count()
);
text_type!(
    /// Who holds a claim: 1 to 1,000 characters.
    Worker, "worker", "characters", MAX_NAME_CHARS, |text| text.chars().count()
);
text_type!(
    /// A test case's command, one `sh -c` line of up to 64 KiB. Never built from task text.
    CommandLine, "command", "bytes", MAX_DESCRIPTION_BYTES, str::len
);

impl Description {
    /// The first line that is not blank, without white space at its ends.
    #[must_use]
    pub fn title(&self) -> &str {
        self.0
            .lines()
            .map(str::trim)
            .find(|line| !is_blank(line))
            .unwrap_or("")
    }

    /// Whether every one of `words` occurs in the text; ASCII letters match in either case.
    #[must_use]
    pub fn has_words(&self, words: &[String]) -> bool {
        let text = self.0.to_ascii_lowercase();
        words
            .iter()
            .all(|word| text.contains(&word.to_ascii_lowercase()))
    }
}

impl From<Worker> for Actor {
    fn from(worker: Worker) -> Self {
        Self(worker.0)
    }
}

impl Reason {
    /// As [`Reason::new`], but cuts a text that is too long and drops U+0000, for messages of programs, which may say anything.
    /// `None` if nothing is left.
    #[must_use]
    pub fn lossy(text: &str) -> Option<Self> {
        let mut kept: String = text.chars().filter(|&c| c != '\0').collect();
        if kept.len() > MAX_DESCRIPTION_BYTES {
            let cut = (0..=MAX_DESCRIPTION_BYTES)
                .rev()
                .find(|&at| kept.is_char_boundary(at))
                .unwrap_or(0);
            kept.truncate(cut);
        }
        Self::new(kept).ok()
    }
}

/// A JSON object, kept as the text it came in (key order and the spelling of numbers included), up to 1 MiB.
///
/// The edge that read it has checked that it is an object; this crate never looks inside.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct JsonObject(Arc<str>);

impl JsonObject {
    /// Keeps `text`, which must be a valid JSON object in compact or any other form.
    ///
    /// # Errors
    /// If it is longer than 1 MiB or is not delimited by braces. The content is the caller's to check.
    pub fn new(text: impl Into<Arc<str>>) -> Result<Self, TextError> {
        let text = text.into();
        check("JSON object", "bytes", MAX_JSON_BYTES, text.len(), &text)?;
        if !(text.starts_with('{') && text.ends_with('}')) {
            return Err(TextError {
                what: "JSON object",
                problem: TextProblem::Empty,
            });
        }
        Ok(Self(text))
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the empty object.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0[1..self.0.len() - 1].trim().is_empty()
    }
}

impl Default for JsonObject {
    fn default() -> Self {
        Self("{}".into())
    }
}

impl fmt::Debug for JsonObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_text_is_empty() {
        for blank in ["", " \n\t", "\r", "\u{1}\u{1f} \u{a0}"] {
            let error = Description::new(blank).unwrap_err();
            assert_eq!(error.to_string(), "the description is empty", "{blank:?}");
        }
        assert!(Description::new("\u{1f}!").is_ok());
    }

    #[test]
    fn the_longest_text_fits_and_one_more_does_not() {
        assert!(Name::new("é".repeat(MAX_NAME_CHARS)).is_ok());
        assert!(Name::new("é".repeat(MAX_NAME_CHARS + 1)).is_err());
        assert!(Description::new("x".repeat(MAX_DESCRIPTION_BYTES)).is_ok());
        assert!(Description::new("x".repeat(MAX_DESCRIPTION_BYTES + 1)).is_err());
    }

    #[test]
    fn a_nul_character_is_refused() {
        assert_eq!(Name::new("a\0b").unwrap_err().problem, TextProblem::Nul);
    }

    #[test]
    fn the_title_is_the_first_line_that_says_something() {
        assert_eq!(
            Description::new("\n  Fix it \nmore").unwrap().title(),
            "Fix it"
        );
    }

    #[test]
    fn a_program_message_is_cut_at_a_character() {
        let message = "é".repeat(MAX_DESCRIPTION_BYTES);
        let kept = Reason::lossy(&message).unwrap();
        assert!(kept.as_str().len() <= MAX_DESCRIPTION_BYTES);
        assert!(message.starts_with(kept.as_str()));
        assert_eq!(Reason::lossy("\0 \0"), None);
    }

    #[test]
    fn words_match_in_any_ascii_case() {
        let text = Description::new("Fix the Login page").unwrap();
        assert!(text.has_words(&["login".into(), "FIX".into()]));
        assert!(!text.has_words(&["login".into(), "logout".into()]));
    }

    #[test]
    fn a_json_object_has_braces() {
        assert!(JsonObject::new("[]").is_err());
        assert!(JsonObject::new("{ }").unwrap().is_empty());
        assert!(!JsonObject::new("{\"a\":1}").unwrap().is_empty());
    }
}
