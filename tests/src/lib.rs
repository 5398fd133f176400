//! The suites that hold every part of tasq to its word.
