//! The `tasq` command.

fn main() {}
