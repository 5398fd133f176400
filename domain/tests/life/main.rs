//! A task's life, held against tables of facts and against a small independent model; and the rules around it (rollup,
//! backoff, cycles, look-up, lanes) held against brute force.
#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod claim;
mod contents;
mod finish;
mod fixture;
mod machine;
mod person;
mod proof;
mod question;
mod ready;
mod rules;
