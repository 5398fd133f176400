//! The readable store: one JSON file and its log.
