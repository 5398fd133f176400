//! The transitions of a task.
