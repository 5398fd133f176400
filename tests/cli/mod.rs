//! The command itself: what it prints, how it ends, and what it does to bad input.
//!
//! Each test runs the real binary in a folder of its own, with an empty environment. Build it first (`cargo build`);
//! `cargo test --workspace` does.

mod attempts;
mod bad_input;
mod care;
mod demo;
mod discovery;
mod examples;
mod exit_codes;
mod harness;
mod live;
mod loops;
mod output;
mod packed;
mod processes;
mod questions;
mod regress;
mod schema;
mod selftest;
mod shapes;
mod supervision;
mod trust;
mod work;
mod worktrees;
