//! Texts and what they mean: strict JSON, the snapshot, the files of other tools.
//!
//! Everything here is pure: bytes in, values out, and the other way round. Files, clocks and
//! stores are the business of others.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may stop"))]

pub mod digest;
pub mod duration;
pub mod import;
pub mod json;
pub mod snapshot;
pub mod time;
