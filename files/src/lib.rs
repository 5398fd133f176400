//! Safe files for stores: bounded locks, atomic replacement, path checks.
//!
//! What a store that lives in a folder needs from the file system, and nothing about queues:
//!
//! - [`LockFile`]: one writer at a time, waited for in the kernel, for a bounded time.
//! - [`Replacement`]: a new content for a file that is there whole or not at all.
//! - [`open_read`] and its siblings: regular files of one name only, never through a link.
//! - [`free_bytes`], [`size_limit`], [`fs_kind`]: what the disk and a file can hold and whether locks on it can be trusted.
//!
//! Every failure is a [`FileError`], whose variant says what the caller can do. This crate knows no
//! other crate of the workspace; stores translate the error into their port's.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may stop"))]

mod ahead;
mod error;
mod holder;
mod lock;
mod open;
mod replace;
mod space;

pub use error::{FileError, Holder};
pub use lock::{LockFile, LockGuard};
pub use open::{
    Facts, Identity, Opened, Others, check_private_dir, create_private_dir, has_content, identity,
    inspect, open_append, open_read, open_read_write, others, read_capped,
};
pub use replace::{
    Replacement, append_durably, leftovers, remove_stray_temps, rename_durably, replace,
    stray_temps, sync_folder, sync_parent, temp_path,
};
pub use space::{FsKind, free_bytes, fs_kind, size_limit};
