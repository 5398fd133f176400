//! What commands answer with: the JSON shapes that other programs depend on, and the same facts as text.
//!
//! Each shape is made by taking a domain type apart to the last field, so that a new field that nobody thought of here
//! does not compile. What is absent is `null`, never left out.

mod attempts;
mod care;
mod import;
mod items;
mod parts;
mod question;
mod queue;
mod regress;
mod tree;
mod trust;
mod work;

pub(crate) use attempts::{Attempts, Piece, WholeOutput};
pub(crate) use care::{BackedUp, Diagnosis, Restored};
pub(crate) use import::{Imported, OneFile};
pub(crate) use items::Several;
pub(crate) use parts::{counts_in_words, mark, millis, short_time, tone};
pub(crate) use question::{AskedView, Inbox};
pub(crate) use queue::{Copied, Deleted, Found, Made, Migrated, TaskPage, Tasks};
pub(crate) use regress::Regressions;
pub(crate) use tree::{Branch, ProgressView, TreeView, bar};
pub(crate) use trust::{TrustChange, TrustView, Waiting};
pub(crate) use work::{
    Beat, Claims, Completion, Detail, Log, Reasons, RunLine, Summary, Tests, worker_input,
};
