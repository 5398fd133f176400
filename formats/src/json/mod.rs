//! Strict JSON that keeps what a person or another tool wrote.
//!
//! [`Document::parse`] reads a text or says, with line, column and JSON path, why not. What it
//! returns keeps the order of keys and the spelling of numbers (`1.0`, `1e3`, `-0`, twenty
//! digits), so that [`to_text`] gives back what was read. [`Node`] walks a document and turns a
//! wrong shape into an error that names the place. What is only to be read by others needs no such tree:
//! [`WrittenObject`] is text from the first key on.
//!
//! `serde_json` judges the syntax; the values are then taken from the accepted text by our own
//! scan. Its own value type is not used because it drops duplicate keys without a word and, with
//! exact numbers switched on, takes an object with one reserved key for a number.
//!
//! ```
//! use tasq_formats::json::{Document, to_text};
//!
//! let document = Document::parse(br#"{"id": "TASK-1", "priority": 1.0}"#)?;
//! let task = document.root().object()?;
//! assert_eq!(task.required("id")?.str()?, "TASK-1");
//! let error = task.required("priority")?.u32_in(0..=99).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "line 1, column 30, at $.priority: expected a whole number from 0 to 99, found 1.0",
//! );
//! assert_eq!(to_text(document.value()), r#"{"id":"TASK-1","priority":1.0}"#);
//! # Ok::<(), tasq_formats::json::JsonError>(())
//! ```

mod error;
mod node;
mod read;
mod scan;
#[cfg(test)]
mod tests;
mod value;
mod write;
mod written;

pub use error::{JsonError, JsonErrorKind};
pub use node::{Node, ObjectNode};
pub use read::{Document, Limits, RepeatedKey, lines};
pub use value::{Number, Object, Value};
pub use write::{Layout, quoted, to_pretty, to_text};
pub(crate) use write::{push_line, push_number, push_quoted, push_value};
pub use written::{ToJson, Written, WrittenObject};
