//! The suites, one module each, in one binary.
//!
//! `cargo test -p tasq-tests architecture` runs one of them.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod architecture;
mod cli;
mod contract;
mod cost;
mod crash;
mod figures;
mod fuzz;
mod import;
mod linear;
mod mutants;
mod race;
mod readme;
mod usecases;
