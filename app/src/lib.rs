//! What one can do with a queue: one use case per file.
