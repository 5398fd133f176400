//! Moving a whole queue.

use std::ops::ControlFlow;
use std::sync::mpsc;
use std::thread;

use serde_json::json;
use tasq_domain::{Closing, Contents, EntityKind, Reason, Tally, Task};
use tasq_formats::snapshot::{FieldError, SnapshotText, TaskTexts, TaskWriter};
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
    /// is read, so that of the tasks of a large queue only their text is ever there as a whole.
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

/// From how many tasks on another thread is worth its start.
const MANY: u64 = 2_000;
/// How many tasks are handed over at once, or how many bytes of their texts, if these come first; and how many of such
/// batches may wait.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 1 << 20;
const WAITING: usize = 8;

/// What becomes of each task on its way to its text.
struct Moving {
    closing: Closing,
    tally: Tally,
}

impl Moving {
    fn pass(&mut self, task: &mut Task) {
        self.closing.close(task);
        self.tally.add(task);
    }
}

/// Tasks on their way to the other thread, or back.
#[derive(Default)]
struct Batch {
    tasks: Vec<Task>,
    /// Of what can be long in a task.
    bytes: usize,
}

impl Batch {
    fn push(&mut self, task: Task) {
        let reason = task.blocked_reason.as_ref().map_or("", Reason::as_str);
        let texts = [task.description.as_str(), task.metadata.as_str(), reason];
        self.bytes += texts.map(str::len).iter().sum::<usize>();
        self.tasks.push(task);
    }

    fn is_full(&self) -> bool {
        self.tasks.len() >= BATCH || self.bytes >= BATCH_BYTES
    }

    /// Frees the tasks, and keeps their room.
    fn clear(&mut self) {
        self.tasks.clear();
        self.bytes = 0;
    }
}

/// The text of a queue as it moves. The inner error is that of an item that cannot be written.
fn snapshot_text(tx: &mut dyn Tx) -> Result<Result<SnapshotText, FieldError>, StoreError> {
    let now = tx.now();
    let mut around = tx.tree_without_tasks()?;
    let mut moving = Moving {
        closing: Closing::new(&around.epics, &around.features, now),
        tally: Tally::default(),
    };
    let writer = || TaskWriter::new(&around.dependencies, &around.questions);
    let beside = if tx.count(EntityKind::Task)? < MANY {
        None
    } else {
        write_beside(tx, writer(), &mut moving)?
    };
    let texts = match beside {
        Some(texts) => texts,
        None => write_here(tx, writer(), &mut moving)?,
    };
    Ok(texts.and_then(|texts| {
        around.roll_up_tallied(&moving.tally, now);
        SnapshotText::new(&around, texts)
    }))
}

fn write_here(
    tx: &mut dyn Tx,
    mut texts: TaskWriter<'_>,
    moving: &mut Moving,
) -> Result<Result<TaskTexts, FieldError>, StoreError> {
    let mut written = Ok(());
    tx.each_task(&mut |mut task: Task| {
        moving.pass(&mut task);
        written = texts.add(&task);
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    })?;
    Ok(written.map(|()| texts.done()))
}

/// [`write_here`], but tasks become text on another thread while the next ones are read. `None` if there is no other
/// thread to be had; nothing was read then.
fn write_beside(
    tx: &mut dyn Tx,
    mut texts: TaskWriter<'_>,
    moving: &mut Moving,
) -> Result<Option<Result<TaskTexts, FieldError>>, StoreError> {
    thread::scope(|scope| {
        let (hand_over, batches) = mpsc::sync_channel::<Batch>(WAITING);
        let (give_back, written) = mpsc::channel::<Batch>();
        let write = move || {
            for mut batch in batches {
                for task in &mut batch.tasks {
                    moving.pass(task);
                    texts.add(task)?;
                }
                // Their memory is freed by who allocated it, so that the two do not wait for each other at the allocator.
                let _ = give_back.send(batch);
            }
            Ok(texts.done())
        };
        let thread = thread::Builder::new().name("tasks to text".to_owned());
        let Ok(writer) = thread.spawn_scoped(scope, write) else {
            return Ok(None);
        };
        let mut batch = Batch::default();
        let shown = tx.each_task(&mut |task: Task| {
            batch.push(task);
            if !batch.is_full() {
                return ControlFlow::Continue(());
            }
            let mut next = written.try_recv().unwrap_or_default();
            next.clear();
            let full = std::mem::replace(&mut batch, next);
            match hand_over.send(full) {
                Ok(()) => ControlFlow::Continue(()),
                // It has met a task that cannot be written, and says so below.
                Err(_) => ControlFlow::Break(()),
            }
        });
        let _ = hand_over.send(batch);
        drop(hand_over);
        let texts = writer
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        shown?;
        Ok(Some(texts))
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
