//! Moving a whole queue.

use serde_json::json;
use tasq_domain::{Contents, EntityKind};
use tasq_ports::{EventFilter, Store, StoreExt, Tx};

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
    /// What of the store a snapshot tells, as it moves: as [`App::export`], without history.
    ///
    /// # Errors
    /// Only the store's.
    pub fn export_tree(&self) -> Result<Contents, AppError> {
        self.store.read(|tx| {
            let mut tree = tx.tree()?;
            tree.close_open_attempts(tx.now());
            Ok(tree)
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
