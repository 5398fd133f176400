//! What one can do with a queue: one use case per file, over the ports.
//!
//! Every face (the command line, and servers to come) calls the same functions. A use case is a method of [`App`]: it
//! opens one unit of work, reads facts, asks `tasq-domain` for the rule, writes facts and events. No adapter is named
//! here, and no adapter decides anything.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may stop"))]

mod add_epic;
mod add_feature;
mod add_task;
mod add_test;
mod ask;
mod block;
mod cancel;
mod checkpoint;
mod claim;
mod complete;
mod context;
mod data;
mod depend;
mod doctor;
mod edit;
mod error;
mod export;
mod fail;
mod find;
mod heartbeat;
mod hold;
pub mod import;
mod judge_test;
mod list;
mod log;
mod metadata;
mod new_queue;
mod once;
mod progress;
mod reap;
mod regress;
mod release;
mod remove;
mod reopen;
mod restore;
mod run;
mod show;
mod standing;
mod trust;
mod unit;
mod verify;
mod view;
mod why;

pub use add_epic::AddEpic;
pub use add_feature::AddFeature;
pub use add_task::{AddTask, AddTests, INBOX};
pub use add_test::{AddTest, OwnerRef};
pub use ask::{Asked, Reply};
pub use checkpoint::AddCheckpoint;
pub use claim::{ClaimTasks, WhichTask};
pub use complete::{CompleteTask, Completed};
pub use context::{App, Caller, HolderRef};
pub use doctor::{Checkup, Mended};
pub use edit::{EditEpic, EditFeature, EditTask, EditTest};
pub use error::{AppError, Code, Waiting};
pub use export::CopyReport;
pub use fail::FailTask;
pub use find::ScopeRef;
pub use heartbeat::Heartbeat;
pub use list::{ListTasks, TaskList};
pub use metadata::EditMetadata;
pub use new_queue::NewQueue;
pub use progress::{EpicProgress, FeatureProgress, Progress};
pub use reap::Reaped;
pub use regress::Regressed;
pub use release::ReleaseTask;
pub use run::{
    Assignment, DependencyResult, Finish, Host, Limit, RunEnd, RunEvent, RunOptions, RunSummary,
    Stop, Tally, Unfinished,
};
pub use show::{Item, TaskDetail, Tree, TreeEpic, TreeFeature};
pub use trust::TestCommand;
pub use unit::Report;
pub use verify::{Verified, VerifyOptions};
pub use view::{ClaimView, EpicView, FeatureView, LastFailure, TaskView};
pub use why::{ReasonView, Why};
