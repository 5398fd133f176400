//! Taking back tasks whose lease has run out, or whose process is gone.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tasq_domain::life::{self, Loss, Step};
use tasq_domain::{AnyId, EventKind, Process, TaskId, TaskRecord};
use tasq_ports::{Processes, Tx};

use crate::context::App;
use crate::data::data;
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
    /// Takes back every task whose lease has run out, or whose process is gone as far as this machine can tell: its
    /// attempt is lost and charged. A claim does the same first.
    ///
    /// # Errors
    /// Only the store's.
    pub fn reap(&self) -> Result<Reaped, AppError> {
        let took = self.once("reap", &(), |unit| {
            let ids = self.take_back(unit)?;
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

    /// Takes back what is lost and returns which tasks those were.
    pub(crate) fn take_back(&self, unit: &mut Unit<'_>) -> Result<Vec<TaskId>, AppError> {
        let mut reaped = abandoned(unit, self.processes)?;
        reaped.append(&mut expired(unit)?);
        Ok(reaped)
    }
}

/// The tasks whose process is gone for certain, and those processes.
pub(crate) fn gone(
    tx: &mut dyn Tx,
    processes: Option<&dyn Processes>,
) -> Result<Vec<(TaskRecord, Process)>, AppError> {
    judged(tx, processes, |processes, process| {
        processes.is_gone(process)
    })
}

/// The tasks whose processes of this place are judged to be gone; each process is judged once, because a loop holds many
/// tasks.
fn judged(
    tx: &mut dyn Tx,
    processes: Option<&dyn Processes>,
    is_gone: impl Fn(&dyn Processes, &Process) -> bool,
) -> Result<Vec<(TaskRecord, Process)>, AppError> {
    let Some(processes) = processes else {
        return Ok(Vec::new());
    };
    if !tx.any_process()? {
        return Ok(Vec::new());
    }
    let Some(place) = processes.place() else {
        return Ok(Vec::new());
    };
    let mut judged = BTreeMap::new();
    let mut gone = Vec::new();
    for (id, process) in tx.processes_at(&place)? {
        let is_gone = *judged
            .entry(process)
            .or_insert_with(|| is_gone(processes, &process));
        if is_gone && let Some(record) = tx.task(&id)? {
            gone.push((record, process));
        }
    }
    Ok(gone)
}

fn abandoned(
    unit: &mut Unit<'_>,
    processes: Option<&dyn Processes>,
) -> Result<Vec<TaskId>, AppError> {
    let now = unit.now();
    let mut reaped = Vec::new();
    // No task is handed out while a command of the one who held it still works on it.
    let gone = judged(unit.tx, processes, |processes, process| {
        processes.end_remains(process);
        processes.is_gone(process)
    })?;
    for (record, process) in gone {
        let step = life::abandon(&record, &process, now)
            .ok_or_else(|| contradiction(&record, "that another process holds"))?;
        lose(unit, &record, &step, Loss::ProcessGone)?;
        reaped.push(record.task.id);
    }
    Ok(reaped)
}

fn expired(unit: &mut Unit<'_>) -> Result<Vec<TaskId>, AppError> {
    let now = unit.now();
    let mut reaped = Vec::new();
    loop {
        let lost = unit.tx.expired(BATCH)?;
        for record in &lost {
            let step = life::expire(record, now)
                .ok_or_else(|| contradiction(record, "whose lease still runs"))?;
            lose(unit, record, &step, Loss::LeaseRanOut)?;
            reaped.push(record.task.id.clone());
        }
        if lost.len() < usize::try_from(BATCH).unwrap_or(usize::MAX) {
            return Ok(reaped);
        }
    }
}

fn lose(unit: &mut Unit<'_>, record: &TaskRecord, step: &Step, why: Loss) -> Result<(), AppError> {
    let claim = record.task.claim.as_ref();
    let worker = claim.map(|claim| claim.worker.as_str());
    let data = data!({ "worker": worker, "reason": why.as_str() });
    unit.step(&record.task, step, data)
}

fn contradiction(record: &TaskRecord, what: &str) -> AppError {
    AppError::Store(tasq_ports::StoreError::Backend {
        what: format!("the store listed {} as lost, {what}", record.task.id),
    })
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
