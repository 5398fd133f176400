//! Moving a whole queue.

use std::ops::ControlFlow;
use std::sync::mpsc::{self, TrySendError};
use std::thread;

use serde_json::json;
use tasq_domain::{Closing, Contents, EntityKind, Tally, Task};
use tasq_formats::snapshot::{FieldError, SnapshotText, TaskTexts, TaskWriter};
use tasq_ports::{EventFilter, FromStore, Store, StoreError, StoreExt, TaskBatch, Tx};

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
    /// is read, so that of the tasks of a large queue only their text is ever there as a whole.
    ///
    /// # Errors
    /// Only the store's; [`StoreError::Damaged`] if the metadata of an item is no JSON.
    pub fn export_text(&self) -> Result<SnapshotText, AppError> {
        let written = self.store.read(snapshot_text);
        written.map_err(|error| match error {
            Unwritten::Store(error) => error.into(),
            Unwritten::Item(error) => {
                let damage = StoreError::Damaged {
                    place: self.store.info().place,
                    what: error.to_string(),
                };
                damage.into()
            }
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

/// From how many tasks on another thread is worth its start.
const MANY: u64 = 2_000;
/// How many batches of tasks may wait for the other thread. While so many do, whoever reads helps to write.
const WAITING: usize = 8;

/// Why a queue cannot be written.
enum Unwritten {
    Store(StoreError),
    /// An item has no text.
    Item(FieldError),
}

impl From<StoreError> for Unwritten {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<FieldError> for Unwritten {
    fn from(error: FieldError) -> Self {
        Self::Item(error)
    }
}

impl FromStore for Unwritten {
    fn into_store(self) -> Result<StoreError, Self> {
        match self {
            Self::Store(error) => Ok(error),
            item @ Self::Item(_) => Err(item),
        }
    }
}

/// What makes text of tasks, on one thread.
struct Scribe<'a> {
    closing: &'a Closing,
    tally: Tally,
    texts: TaskWriter<'a>,
}

impl Scribe<'_> {
    /// One for another thread.
    fn another(&self) -> Self {
        Self {
            closing: self.closing,
            tally: Tally::default(),
            texts: self.texts.another(),
        }
    }

    fn write(&mut self, batch: Box<dyn TaskBatch>) -> Result<(), Unwritten> {
        let Self {
            closing,
            tally,
            texts,
        } = self;
        let mut written = Ok(());
        batch.show(&mut |mut task: Task| {
            closing.close(&mut task);
            tally.add(&task);
            written = texts.add(&task);
            match written {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        })?;
        Ok(written?)
    }

    fn done(self) -> (Tally, TaskTexts) {
        (self.tally, self.texts.done())
    }
}

/// The text of a queue as it moves.
fn snapshot_text(tx: &mut dyn Tx) -> Result<SnapshotText, Unwritten> {
    let now = tx.now();
    let mut around = tx.tree_without_tasks()?;
    let closing = Closing::new(&around.epics, &around.features, now);
    let scribe = Scribe {
        closing: &closing,
        tally: Tally::default(),
        texts: TaskWriter::new(&around.dependencies, &around.questions),
    };
    let many = tx.count(EntityKind::Task)? >= MANY;
    let mut tally = Tally::default();
    let mut texts = Vec::new();
    for (counted, written) in write_tasks(tx, scribe, many)? {
        tally.join(counted);
        texts.push(written);
    }
    around.roll_up_tallied(&tally, now);
    Ok(SnapshotText::new(&around, texts)?)
}

/// Has all tasks written, if they are many by another thread as well, while the next ones are read; without one to be had,
/// by this one alone.
fn write_tasks(
    tx: &mut dyn Tx,
    mut own: Scribe<'_>,
    many: bool,
) -> Result<Vec<(Tally, TaskTexts)>, Unwritten> {
    thread::scope(|scope| {
        let (hand_over, batches) = mpsc::sync_channel::<Box<dyn TaskBatch>>(WAITING);
        let mut other = own.another();
        let write = move || {
            for batch in batches {
                other.write(batch)?;
            }
            Ok::<_, Unwritten>(other.done())
        };
        let helper = if many {
            let thread = thread::Builder::new().name("rows to text".to_owned());
            thread.spawn_scoped(scope, write).ok()
        } else {
            // Nobody takes a batch then.
            drop(write);
            None
        };
        let mut written = Ok(());
        let read = tx.task_batches(&mut |batch| {
            let batch = match hand_over.try_send(batch) {
                Ok(()) => return ControlFlow::Continue(()),
                // It has failed, and says why below.
                Err(TrySendError::Disconnected(_)) if helper.is_some() => {
                    return ControlFlow::Break(());
                }
                Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) => batch,
            };
            written = own.write(batch);
            match written {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        });
        drop(hand_over);
        let mut done = vec![own.done()];
        let theirs = helper.map(|helper| {
            let ended = helper.join();
            ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        // What the store says goes before what is wrong with an item.
        read?;
        written?;
        done.extend(theirs.transpose()?);
        Ok(done)
    })
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
