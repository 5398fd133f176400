//! What the core of tasq needs from outside: stores, clock, ids, runner.
