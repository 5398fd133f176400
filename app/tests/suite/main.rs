//! The use cases where something fails: a store that fails at any call, and commands that end in every way.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod calls;
mod crews;
mod desk;
mod exporting;
mod faults;
mod faulty;
mod house;
mod loops;
mod play;
mod regressing;
mod trusting;
mod verifying;
