//! Listing tasks, and looking at the next one.

use tasq_domain::life::{self, Step};
use tasq_domain::ready::{Scope, claim_order, is_ready};
use tasq_domain::{Status, TaskRecord};
use tasq_ports::{Cursor, Page, Processes, Sort, StoreExt, TaskFilter, Tx};

use crate::claim::waiting;
use crate::context::App;
use crate::error::AppError;
use crate::find::{self, ScopeRef};
use crate::reap::gone;
use crate::view::{EpicView, FeatureView, TaskView};

/// How many lost leases a look at the next task takes into account.
const LOST_LOOKED_AT: u32 = 1_000;

/// Which tasks to list: all conditions hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListTasks {
    /// The part of the queue, as typed.
    pub scope: ScopeRef,
    /// One of these statuses; empty means any.
    pub statuses: Vec<Status>,
    /// Only what is ready now.
    pub ready: bool,
    /// Words that all occur in the description.
    pub words: Vec<String>,
    /// The order.
    pub sort: Sort,
    /// Go on after this place.
    pub after: Option<Cursor>,
    /// At most so many, at least 1.
    pub limit: u32,
}

/// A page of tasks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskList {
    /// The tasks, in order.
    pub tasks: Vec<TaskView>,
    /// Where to go on, if there are more.
    pub next: Option<Cursor>,
}

impl App<'_> {
    /// A page of tasks.
    ///
    /// # Errors
    /// [`AppError::NotFound`] for the part of the queue.
    pub fn list(&self, wanted: &ListTasks) -> Result<TaskList, AppError> {
        self.store.read(|tx| {
            let ListTasks {
                scope,
                statuses,
                ready,
                words,
                sort,
                after,
                limit,
            } = wanted.clone();
            let filter = TaskFilter {
                scope: find::scope(tx, &scope)?,
                statuses,
                ready,
                words,
            };
            let found = tx.tasks(
                &filter,
                &Page {
                    sort,
                    after,
                    limit: limit.max(1),
                },
            )?;
            let tasks = found
                .tasks
                .into_iter()
                .map(|record| TaskView::of(tx, record));
            Ok(TaskList {
                tasks: tasks.collect::<Result<_, AppError>>()?,
                next: found.next,
            })
        })
    }

    /// The task that the next claim would get, be it one that is lost and that the claim would first take back. Claims nothing.
    ///
    /// # Errors
    /// [`AppError::NothingReady`] with what is waiting and why.
    pub fn next(&self, scope: &ScopeRef) -> Result<TaskView, AppError> {
        self.store.read(|tx| {
            let scope = find::scope(tx, scope)?;
            let ready = tx.next_ready(&scope)?;
            let lost = lost_and_ready(tx, &scope, self.processes)?;
            let first = ready.into_iter().chain(lost).min_by_key(claim_order);
            match first {
                Some(record) => TaskView::of(tx, record),
                None => Err(AppError::NothingReady(Box::new(waiting(tx, scope)?))),
            }
        })
    }

    /// Every epic, in the order of creation.
    ///
    /// # Errors
    /// Only the store's.
    pub fn epics(&self) -> Result<Vec<EpicView>, AppError> {
        self.store.read(|tx| {
            let counted = tx.counted_epics()?;
            Ok(counted.into_iter().map(EpicView::from).collect())
        })
    }

    /// Every feature, or those of an epic, in the order of creation.
    ///
    /// # Errors
    /// [`AppError::NotFound`] for the epic.
    pub fn features(&self, epic: Option<&str>) -> Result<Vec<FeatureView>, AppError> {
        self.store.read(|tx| {
            let epic = epic.map(|text| find::epic(tx, text)).transpose()?;
            let counted = tx.counted_features(epic.as_ref())?;
            Ok(counted.into_iter().map(FeatureView::from).collect())
        })
    }

    /// The test cases of a task or a feature, or with `None` a page of all.
    ///
    /// # Errors
    /// [`AppError::NotFound`] for the owner.
    pub fn tests(
        &self,
        owner: Option<&crate::OwnerRef>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<tasq_domain::TestCase>, AppError> {
        use tasq_domain::TestOwner;
        self.store.read(|tx| {
            Ok(match owner {
                None => tx.tests(after, limit)?,
                Some(crate::OwnerRef::Task(text)) => {
                    let task = find::task(tx, text)?;
                    tx.tests_of(&TestOwner::Task(task))?
                }
                Some(crate::OwnerRef::Feature(text)) => {
                    let feature = find::feature(tx, text)?;
                    tx.tests_of(&TestOwner::Feature(feature))?
                }
            })
        })
    }
}

/// The tasks of a scope that would be ready once what is lost was taken back, as they stand now.
fn lost_and_ready(
    tx: &mut dyn Tx,
    scope: &Scope,
    processes: Option<&dyn Processes>,
) -> Result<Vec<TaskRecord>, AppError> {
    let now = tx.now();
    let expired = tx.expired(LOST_LOOKED_AT)?.into_iter().map(|record| {
        let step = life::expire(&record, now);
        (record, step)
    });
    let mut lost: Vec<(TaskRecord, Option<Step>)> = expired.collect();
    for (record, process) in gone(tx, processes)? {
        let step = life::abandon(&record, &process, now);
        lost.push((record, step));
    }
    lost.retain(|(record, step)| {
        let taken_back = step.as_ref().map(|step| TaskRecord {
            task: step.task.clone(),
            ..record.clone()
        });
        scope.contains(record) && taken_back.is_some_and(|record| is_ready(&record, now))
    });
    Ok(lost.into_iter().map(|(record, _)| record).collect())
}
