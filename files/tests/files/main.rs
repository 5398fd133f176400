//! The crate against real files, threads and processes.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod lock;
mod open;
mod replace;
