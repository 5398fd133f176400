//! Events: what happened, in order.

use crate::id::AnyId;
use crate::text::{Actor, JsonObject};
use crate::time::Timestamp;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        /// What happened to an item.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventKind {
            $($(#[$doc])* $variant),+
        }

        impl EventKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word for the kind.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }

            /// The kind that a word names.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.as_str() == word)
            }
        }
    };
}

kinds! {
    /// It was added.
    Created = "created",
    /// It came by import.
    Imported = "imported",
    /// Its definition was changed.
    Edited = "edited",
    /// It went to another parent.
    Moved = "moved",
    /// It was removed, with all below it.
    Removed = "removed",
    /// Its status followed from its children.
    RolledUp = "rolled_up",
    /// A worker took it.
    Claimed = "claimed",
    /// Its holder left a checkpoint.
    Checkpointed = "checkpointed",
    /// It was completed.
    Completed = "completed",
    /// An attempt failed.
    Failed = "failed",
    /// An attempt took too long.
    TimedOut = "timed_out",
    /// A lease ran out.
    Lost = "lost",
    /// Its holder gave it back.
    Released = "released",
    /// Its holder stopped as asked.
    Cancelled = "cancelled",
    /// A person asked its holder to stop.
    CancelRequested = "cancel_requested",
    /// It was blocked.
    Blocked = "blocked",
    /// Its holder asked a person, and it is blocked until there is an answer.
    Asked = "asked",
    /// A person answered.
    Answered = "answered",
    /// It was unblocked.
    Unblocked = "unblocked",
    /// It was reopened.
    Reopened = "reopened",
    /// It was made ready again at once.
    Retried = "retried",
    /// It was put on hold.
    Held = "held",
    /// Its hold was lifted.
    Unheld = "unheld",
    /// It waits for one more task.
    DependencyAdded = "dependency_added",
    /// It waits for one task less.
    DependencyRemoved = "dependency_removed",
    /// A test case was run or judged.
    Tested = "tested",
    /// A test case's result no longer counts.
    TestReset = "test_reset",
    /// A holder spoke after its attempt was closed, or its process told what it cost.
    LateMessage = "late_message",
}

impl EventKind {
    /// Whether it may have ended an attempt; it did if it names one.
    #[must_use]
    pub const fn ends_an_attempt(self) -> bool {
        matches!(
            self,
            Self::Completed
                | Self::Failed
                | Self::TimedOut
                | Self::Lost
                | Self::Released
                | Self::Cancelled
                | Self::Blocked
                | Self::Reopened
        )
    }
}

/// One entry of the append-only log, written in the same transaction as the change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its number, strictly increasing within the store; 0 until a store has given one.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What.
    pub kind: EventKind,
    /// To which item.
    pub entity: AnyId,
    /// Details.
    pub data: JsonObject,
}
