//! Statuses.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A word that is not a status.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{word:?} is not a status: it is one of {known}")]
pub struct UnknownStatus {
    /// The word found.
    pub word: String,
    /// The words that exist.
    pub known: &'static str,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $known:literal { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$vdoc])* $variant),+
        }

        impl $name {
            /// Every status.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word for the status.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownStatus;
            fn from_str(word: &str) -> Result<Self, UnknownStatus> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|status| status.as_str() == word)
                    .ok_or_else(|| UnknownStatus { word: word.to_owned(), known: $known })
            }
        }
    };
}

words!(
    /// The status of an epic, a feature or a task.
    Status, "pending, in_progress, completed, blocked" {
        /// Not begun.
        Pending = "pending",
        /// Begun.
        InProgress = "in_progress",
        /// Done.
        Completed = "completed",
        /// Cannot go on without a person.
        Blocked = "blocked",
    }
);

words!(
    /// The status of a test case.
    TestStatus, "pending, passing, failing" {
        /// Not run since it was added or since its owner was reopened.
        Pending = "pending",
        /// Passed when it last ran.
        Passing = "passing",
        /// Failed when it last ran.
        Failing = "failing",
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_and_its_word_agree() {
        for &status in Status::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
        for &status in TestStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
    }

    #[test]
    fn an_unknown_word_lists_the_four() {
        let error = "done".parse::<Status>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"done\" is not a status: it is one of pending, in_progress, completed, blocked"
        );
    }
}
