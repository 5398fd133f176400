//! What a queue is: the entities, a task's life, the rollup rule and the order of work.
//!
//! Everything here is pure: no input or output, no clock, no randomness, no serialization. Time and random numbers come
//! in as arguments, so every rule can be tried in a table and reused in any other tool.
//!
//! The tree is *Epic → Feature → Task → Test case*. [`life`] holds the transitions of a task, [`rollup`] the one
//! statement of how a parent's status follows from its children, [`ready`] what may be handed out and in which order.
//!
//! ```
//! use tasq_domain::{rollup::roll_up, Status, StatusCounts};
//!
//! let children = StatusCounts { completed: 1, pending: 1, ..StatusCounts::default() };
//! assert_eq!(roll_up(children.present(), false, false), Some(Status::InProgress));
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may stop"))]

mod attempt;
pub mod backoff;
pub mod brakes;
mod contents;
mod counts;
mod event;
pub mod graph;
mod id;
pub mod life;
pub mod lookup;
mod node;
mod operation;
mod priority;
mod process;
mod question;
pub mod ready;
pub mod rollup;
mod settings;
mod status;
mod task;
mod test_case;
mod text;
mod time;
pub mod worker;

pub use attempt::{Attempt, AttemptEnd, Checkpoint, Outcome, Token, TokenError};
pub use contents::{Closing, Contents, Tally};
pub use counts::{Present, StatusCounts};
pub use event::{Event, EventKind};
pub use id::{
    AnyId, EntityKind, EpicId, FeatureId, IdError, MAX_ID_CHARS, OperationId, StoreId, TaskId,
    TestId,
};
pub use node::{Epic, Feature, Hold, Source};
pub use operation::{MAX_ANSWER_BYTES, OPERATIONS_KEPT, Operation};
pub use priority::{Lane, Priority, PriorityError};
pub use process::{BootId, Place, PlaceError, Process};
pub use question::{Answer, MAX_CHOICES, Question};
pub use settings::Settings;
pub use status::{Status, TestStatus, UnknownStatus};
pub use task::{
    CancelRequest, Claim, Dependency, MAX_RETRY_BUDGET, Proof, RetryBudget, RetryBudgetError, Task,
    TaskRecord,
};
pub use test_case::{MAX_OUTPUT_TAIL_BYTES, TestCase, TestOwner, TestResult};
pub use text::{
    Actor, CommandLine, Description, JsonObject, MAX_DESCRIPTION_BYTES, MAX_JSON_BYTES,
    MAX_NAME_CHARS, Name, Reason, TextError, TextProblem, Worker, is_blank,
};
pub use time::Timestamp;
