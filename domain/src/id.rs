//! Identifiers: one type per kind, so that they cannot be mixed up. Copies share their text.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// The longest id, in characters.
pub const MAX_ID_CHARS: usize = 128;

/// A text cannot be an id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdError {
    /// It has no characters.
    #[error("the id is empty")]
    Empty,
    /// It has more than [`MAX_ID_CHARS`] characters.
    #[error("the id has {found} characters, at most {MAX_ID_CHARS} are allowed")]
    TooLong {
        /// The number of characters found.
        found: usize,
    },
    /// It contains white space or a control character.
    #[error("the id {id:?} contains white space or a control character")]
    BadCharacter {
        /// The text.
        id: String,
    },
}

fn check(text: &str) -> Result<(), IdError> {
    // Most ids are short and of visible ASCII, and whole queues of them are read at once.
    let visible = |byte: u8| matches!(byte, b'!'..=b'~');
    if (1..=MAX_ID_CHARS).contains(&text.len()) && text.bytes().all(visible) {
        return Ok(());
    }
    let found = text.chars().count();
    if found == 0 {
        Err(IdError::Empty)
    } else if found > MAX_ID_CHARS {
        Err(IdError::TooLong { found })
    } else if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Err(IdError::BadCharacter {
            id: text.to_owned(),
        })
    } else {
        Ok(())
    }
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and keeps an id as it is: 1 to 128 characters, no white space, no control characters.
            ///
            /// # Errors
            /// If the text breaks one of these bounds.
            pub fn new(text: impl Into<Arc<str>>) -> Result<Self, IdError> {
                let text = text.into();
                check(&text)?;
                Ok(Self(text))
            }

            /// The id as text.
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
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }
    };
}

macro_rules! entity_id {
    ($(#[$doc:meta])* $name:ident, $kind:ident, $prefix:literal) => {
        id_type!($(#[$doc])* $name);

        impl $name {
            #[doc = concat!("The id `", $prefix, "` with 8 upper-case hex digits, from fresh randomness.")]
            #[must_use]
            pub fn from_random(random: u32) -> Self {
                Self(format!(concat!($prefix, "{:08X}"), random).into())
            }
        }

        impl From<$name> for AnyId {
            fn from(id: $name) -> Self {
                Self::$kind(id)
            }
        }

        impl From<&$name> for AnyId {
            fn from(id: &$name) -> Self {
                Self::$kind(id.clone())
            }
        }
    };
}

entity_id!(
    /// The id of an epic.
    EpicId, Epic, "EPIC-"
);
entity_id!(
    /// The id of a feature.
    FeatureId, Feature, "FEAT-"
);
entity_id!(
    /// The id of a task.
    TaskId, Task, "TASK-"
);
entity_id!(
    /// The id of a test case.
    TestId, Test, "TEST-"
);
id_type!(
    /// The id of an operation, chosen by the caller, that makes repeating a command safe.
    OperationId
);
id_type!(
    /// The id of a queue: made once with it, kept by exports, copies and backups.
    StoreId
);

/// The four kinds of item in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityKind {
    /// An epic.
    Epic,
    /// A feature.
    Feature,
    /// A task.
    Task,
    /// A test case.
    Test,
}

impl EntityKind {
    /// Every kind, from the root of the tree to its leaves.
    pub const ALL: [Self; 4] = [Self::Epic, Self::Feature, Self::Task, Self::Test];

    /// The word for the kind: `epic`, `feature`, `task` or `test`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Epic => "epic",
            Self::Feature => "feature",
            Self::Task => "task",
            Self::Test => "test",
        }
    }

    /// The kind that a word names.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The id of this kind with the given text.
    ///
    /// # Errors
    /// If the text cannot be an id.
    pub fn id(self, text: &str) -> Result<AnyId, IdError> {
        Ok(match self {
            Self::Epic => AnyId::Epic(EpicId::new(text)?),
            Self::Feature => AnyId::Feature(FeatureId::new(text)?),
            Self::Task => AnyId::Task(TaskId::new(text)?),
            Self::Test => AnyId::Test(TestId::new(text)?),
        })
    }
}

impl fmt::Display for EntityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The id of an item of any kind. Shown as `kind:id`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AnyId {
    /// An epic.
    Epic(EpicId),
    /// A feature.
    Feature(FeatureId),
    /// A task.
    Task(TaskId),
    /// A test case.
    Test(TestId),
}

impl AnyId {
    /// The item's kind.
    #[must_use]
    pub const fn kind(&self) -> EntityKind {
        match self {
            Self::Epic(_) => EntityKind::Epic,
            Self::Feature(_) => EntityKind::Feature,
            Self::Task(_) => EntityKind::Task,
            Self::Test(_) => EntityKind::Test,
        }
    }

    /// The id as text, without its kind.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Epic(id) => id.as_str(),
            Self::Feature(id) => id.as_str(),
            Self::Task(id) => id.as_str(),
            Self::Test(id) => id.as_str(),
        }
    }
}

impl fmt::Display for AnyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind(), self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_id_has_its_prefix_and_eight_digits() {
        assert_eq!(TaskId::from_random(0xAB).as_str(), "TASK-000000AB");
        assert_eq!(EpicId::from_random(u32::MAX).as_str(), "EPIC-FFFFFFFF");
    }

    #[test]
    fn foreign_ids_are_kept_as_they_are() {
        for id in [
            "LINT-__INIT__-12",
            "20260119-1624-TASK-AUTONO-007",
            "é",
            "a/b:c",
        ] {
            assert_eq!(TaskId::new(id).unwrap().as_str(), id);
        }
    }

    #[test]
    fn an_id_without_bounds_is_refused() {
        assert_eq!(TaskId::new(""), Err(IdError::Empty));
        assert!(TaskId::new("é".repeat(128)).is_ok());
        assert_eq!(
            TaskId::new("é".repeat(129)),
            Err(IdError::TooLong { found: 129 })
        );
        for id in ["a b", "a\tb", "a\u{1b}b", "a\u{a0}b", "a\u{85}b"] {
            assert!(
                matches!(TaskId::new(id), Err(IdError::BadCharacter { .. })),
                "{id:?}"
            );
        }
    }

    #[test]
    fn a_kind_and_its_word_agree() {
        for kind in EntityKind::ALL {
            assert_eq!(EntityKind::from_word(kind.as_str()), Some(kind));
            assert_eq!(kind.id("x").unwrap().kind(), kind);
        }
    }
}
