//! The readable store: one JSON file that people can read and edit and git can merge, and its log.
//!
//! `queue.json` is a [snapshot](tasq_formats::snapshot): the tree, test cases, dependencies and current claims. Beside
//! it lie `queue.log.jsonl`, the history that is of no use to git (attempts, checkpoints, events, operations), and
//! `queue.lock`, behind which writers queue up, with its turnstile `queue.lock.turn`.
//!
//! **One commit point.** A unit that writes appends what happened to the log, as a *group* that names the digest of
//! the snapshot it starts from and of the one it leads to, and then puts the new snapshot in place with one rename.
//! Whoever reads takes the log only as far as it leads to the snapshot that is there: a group whose rename never came
//! did not happen. So neither file needs to be trusted to be newer than the other.
//!
//! **Other people's changes.** The snapshot may be changed at any time by an editor or by git, which know no lock. The
//! content is compared with what was read right before the rename; when it differs, the unit runs again on what is
//! there now. Derived values in the file are never believed. A file that cannot be read is refused with line, column
//! and path, and stays as it is.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may stop"))]

mod error;
mod log;
mod replay;
mod store;

pub use store::{JsonStore, Options, SideFiles, put_in_place, read_contents};
