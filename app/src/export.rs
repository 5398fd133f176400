//! Moving a whole queue.

use std::ops::ControlFlow;

use serde_json::json;
use tasq_domain::{Closing, Contents, EntityKind, Tally, Task};
use tasq_formats::snapshot::{FieldError, SnapshotText, TaskWriter};
use tasq_ports::{EventFilter, Store, StoreError, StoreExt, Tx};

use crate::context::App;
use crate::error::AppError;

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyReport {
    /// Epics.
    pub epics: usize,
    /// Features.
    pub features: usize,
    /// Tasks.
    pub tasks: usize,
    /// Test cases.
    pub tests: usize,
    /// Dependencies.
    pub dependencies: usize,
    /// Questions.
    pub questions: usize,
    /// Attempts.
    pub attempts: usize,
    /// Checkpoints.
    pub checkpoints: usize,
    /// Events.
    pub events: usize,
    /// Attempts that were open and are closed as lost in the copy.
    pub closed: usize,
}

impl CopyReport {
    /// Counts what was put into a store, of which `closed` attempts had been open.
    pub(crate) fn of(contents: &Contents, closed: usize) -> Self {
        let Contents {
            settings: _,
            epics,
            features,
            tasks,
            tests,
            dependencies,
            questions,
            attempts,
            checkpoints,
            events,
            operations: _,
        } = contents;
        Self {
            epics: epics.len(),
            features: features.len(),
            tasks: tasks.len(),
            tests: tests.len(),
            dependencies: dependencies.len(),
            questions: questions.len(),
            attempts: attempts.len(),
            checkpoints: checkpoints.len(),
            events: events.len(),
            closed,
        }
    }
}

impl App<'_> {
    /// What of the store a snapshot tells, as it moves: as [`App::export`], without history. Each task becomes text as it
    /// is read, so that a large queue is never held as a whole beside that.
    ///
    /// # Errors
    /// Only the store's; [`StoreError::Damaged`] if the metadata of an item is no JSON.
    pub fn export_text(&self) -> Result<SnapshotText, AppError> {
        let written = self
            .store
            .read(|tx| Ok::<_, AppError>(snapshot_text(tx)?))?;
        written.map_err(|error| {
            let damage = StoreError::Damaged {
                place: self.store.info().place,
                what: error.to_string(),
            };
            damage.into()
        })
    }

    /// Everything in the store as it moves: open attempts are closed as lost, uncharged, because their holders do not
    /// know where it goes. The store itself is not changed.
    ///
    /// # Errors
    /// Only the store's.
    pub fn export(&self) -> Result<Contents, AppError> {
        self.store.read(|tx| {
            let now = tx.now();
            let mut contents = tx.contents()?;
            contents.close_open_attempts(now);
            Ok(contents)
        })
    }

    /// Copies everything into another store, which must be empty: ids, times, order, tokens, attempts and events stay as
    /// they are, and so does the store's id: it is the same queue in another place.
    ///
    /// # Errors
    /// [`AppError::Conflict`] if the other store is not empty.
    pub fn copy_to(&self, target: &dyn Store) -> Result<CopyReport, AppError> {
        let (mut contents, now) = self
            .store
            .read(|tx| Ok::<_, AppError>((tx.contents()?, tx.now())))?;
        let closed = contents
            .tasks
            .iter()
            .filter(|task| task.claim.is_some())
            .count();
        contents.close_open_attempts(now);
        target.write(|tx| {
            must_be_empty(tx)?;
            Ok::<_, AppError>(tx.load(&contents)?)
        })?;
        Ok(CopyReport::of(&contents, closed))
    }
}

/// The text of a queue as it moves. The inner error is that of an item that cannot be written.
fn snapshot_text(tx: &mut dyn Tx) -> Result<Result<SnapshotText, FieldError>, StoreError> {
    let now = tx.now();
    let mut around = tx.tree_without_tasks()?;
    let closing = Closing::new(&around.epics, &around.features, now);
    let mut tally = Tally::default();
    let mut texts = TaskWriter::new(&around.dependencies, &around.questions);
    let mut failed = None;
    tx.each_task(&mut |mut task: Task| {
        closing.close(&mut task);
        tally.add(&task);
        match texts.add(&task) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(error) = failed {
        return Ok(Err(error));
    }
    let texts = texts.done();
    around.roll_up_tallied(&tally, now);
    Ok(SnapshotText::new(&around, texts))
}

/// Refuses a store that has any item.
pub(crate) fn must_be_empty(tx: &mut dyn Tx) -> Result<(), AppError> {
    for kind in EntityKind::ALL {
        let count = tx.count(kind)?;
        if count > 0 {
            return Err(AppError::conflict(
                format!("the store is not empty: it has {count} items of the kind {kind}"),
                "copy or import into a fresh store",
            )
            .telling(json!({ "kind": kind.as_str(), "count": count })));
        }
    }
    let any = EventFilter {
        limit: 1,
        ..EventFilter::default()
    };
    if !tx.events(&any)?.is_empty() {
        return Err(AppError::conflict(
            "the store is not empty: it has a history of items that were removed",
            "copy or import into a fresh store",
        ));
    }
    Ok(())
}
