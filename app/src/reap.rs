//! Taking back tasks whose lease has run out.

use serde_json::{Value, json};
use tasq_domain::{AnyId, EventKind, TaskId, life};
use tasq_ports::Tx;

use crate::context::App;
use crate::error::AppError;
use crate::once::{Answer, events_between, number};
use crate::unit::Unit;
use crate::view::TaskView;

/// How many lost leases are read at a time.
const BATCH: u32 = 500;

/// The tasks that were taken back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reaped {
    /// The tasks as they are now.
    pub tasks: Vec<TaskView>,
}

/// What was taken back, and the numbers of the events that tell of it, which is all that is kept of the answer.
struct Took {
    reaped: Reaped,
    told: (i64, i64),
}

impl App<'_> {
    /// Takes back every task whose lease has run out: its attempt is lost and charged. A claim does the same first.
    ///
    /// # Errors
    /// Only the store's.
    pub fn reap(&self) -> Result<Reaped, AppError> {
        let took = self.once("reap", &(), |unit| {
            let ids = reap(unit)?;
            let tasks = ids
                .iter()
                .map(|id| TaskView::load(unit.tx, id))
                .collect::<Result<_, _>>()?;
            let told = unit.told.unwrap_or((1, 0));
            let reaped = Reaped { tasks };
            Ok(Took { reaped, told })
        })?;
        Ok(took.reaped)
    }
}

/// Takes back what is lost and returns which tasks those were.
pub(crate) fn reap(unit: &mut Unit<'_>) -> Result<Vec<TaskId>, AppError> {
    let now = unit.now();
    let mut reaped = Vec::new();
    loop {
        let lost = unit.tx.expired(BATCH)?;
        for record in &lost {
            let task = &record.task;
            let step = life::expire(record, now).ok_or_else(|| {
                AppError::Store(tasq_ports::StoreError::Backend {
                    what: format!(
                        "the store says that the lease of {} ran out, but it did not",
                        task.id
                    ),
                })
            })?;
            let worker = task
                .claim
                .as_ref()
                .map(|claim| claim.worker.as_str().to_owned());
            unit.step(task, &step, json!({ "worker": worker }))?;
            reaped.push(task.id.clone());
        }
        if lost.len() < usize::try_from(BATCH).unwrap_or(usize::MAX) {
            return Ok(reaped);
        }
    }
}

impl Answer for Took {
    fn remember(&self) -> Value {
        let (first, last) = self.told;
        json!({ "first": first, "last": last })
    }

    fn recall(tx: &mut dyn Tx, kept: &Value) -> Result<Self, AppError> {
        let told = (number(kept, "first")?, number(kept, "last")?);
        let mut reaped = Reaped::default();
        for event in events_between(tx, told)? {
            let taken_back = matches!(event.kind, EventKind::Lost | EventKind::Cancelled);
            if let AnyId::Task(id) = &event.entity
                && taken_back
                && let Some(record) = tx.task(id)?
            {
                reaped.tasks.push(TaskView::of(tx, record)?);
            }
        }
        Ok(Self { reaped, told })
    }
}
