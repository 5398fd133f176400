//! Epics and features: the parents in the tree.

use crate::id::{EpicId, FeatureId};
use crate::priority::Priority;
use crate::status::Status;
use crate::text::{Actor, Description, JsonObject, Name, Reason};
use crate::time::Timestamp;

/// A person's decision that nothing under an item is handed out. Rollup never clears it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Who put it on hold.
    pub by: Actor,
    /// Why.
    pub reason: Reason,
    /// Since when.
    pub at: Timestamp,
}

/// Where an imported item came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The origin, e.g. `queue-file:karematch`; items of one origin are compared on the next import.
    pub origin: String,
    /// The SHA-256 digest of the source record, in hex.
    pub digest: String,
}

/// The root of a tree of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epic {
    /// Creation order within the store, from 1; 0 until a store has given one.
    pub seq: i64,
    /// Its id.
    pub id: EpicId,
    /// Its name.
    pub name: Name,
    /// What it is about.
    pub description: Option<Description>,
    /// The status a person gave it, which stands while it has no features.
    pub own_status: Status,
    /// Its status: [`roll_up`](crate::rollup::roll_up) of its features, else [`own_status`](Self::own_status).
    pub status: Status,
    /// A person's hold.
    pub hold: Option<Hold>,
    /// Where it was imported from.
    pub source: Option<Source>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed; never before an earlier change.
    pub updated_at: Timestamp,
    /// Any keys.
    pub metadata: JsonObject,
}

/// A group of tasks within an epic, or on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// Creation order within the store, from 1; 0 until a store has given one.
    pub seq: i64,
    /// Its id.
    pub id: FeatureId,
    /// The epic it belongs to.
    pub epic: Option<EpicId>,
    /// Its name.
    pub name: Name,
    /// What it is about.
    pub description: Option<Description>,
    /// The priority of those of its tasks that have none of their own.
    pub priority: Priority,
    /// The status a person gave it, which stands while it has no tasks.
    pub own_status: Status,
    /// Its status: [`roll_up`](crate::rollup::roll_up) of its tasks, else [`own_status`](Self::own_status).
    pub status: Status,
    /// A person's hold.
    pub hold: Option<Hold>,
    /// Where it was imported from.
    pub source: Option<Source>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed; never before an earlier change.
    pub updated_at: Timestamp,
    /// Any keys.
    pub metadata: JsonObject,
}
