//! Handing tasks to workers.

use std::time::Duration;

use serde_json::json;
use tasq_domain::life::{self, Grant};
use tasq_domain::ready::{Scope, not_ready};
use tasq_domain::{Status, TaskRecord, Worker};
use tasq_ports::{Page, Sort, TaskFilter, Tx};

use crate::context::App;
use crate::error::{AppError, Waiting};
use crate::find::{self, ScopeRef};
use crate::reap;
use crate::unit::Unit;
use crate::view::ClaimView;

/// How many unfinished tasks a refusal explains.
const EXPLAINED: u32 = 20;

/// Which task to hand out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhichTask {
    /// The first that is ready in a part of the queue.
    Next(ScopeRef),
    /// This one, as typed.
    This(String),
}

/// What is asked for by a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimTasks {
    /// Which tasks.
    pub which: WhichTask,
    /// Who is to hold them.
    pub worker: Worker,
    /// How long the lease is.
    pub lease: Duration,
    /// How many at most, at least 1; one for [`WhichTask::This`].
    pub count: u32,
}

impl App<'_> {
    /// Hands ready tasks to a worker, in the order of work, in one step: nobody else can get them. First takes back
    /// every task whose lease has run out; that stays done even if there is nothing to claim.
    ///
    /// # Errors
    /// [`AppError::NothingReady`] with what is waiting and why; for a named task [`AppError::Refused`].
    pub fn claim(&self, wanted: &ClaimTasks) -> Result<Vec<ClaimView>, AppError> {
        self.once_kept("claim", wanted, |unit| {
            reap::reap(unit)?;
            match &wanted.which {
                WhichTask::This(text) => {
                    let id = find::task(unit.tx, text)?;
                    let record = unit.task(&id)?;
                    Ok(
                        match self.grant(unit, &record, &wanted.worker, wanted.lease) {
                            Ok(claim) => Ok(vec![claim]),
                            Err(refused @ AppError::Refused { .. }) => Err(refused),
                            Err(error) => return Err(error),
                        },
                    )
                }
                WhichTask::Next(scope) => {
                    let scope = find::scope(unit.tx, scope)?;
                    let claims = self.grant_next(unit, &scope, wanted)?;
                    if claims.is_empty() {
                        return Ok(Err(AppError::NothingReady(Box::new(waiting(
                            unit.tx, scope,
                        )?))));
                    }
                    Ok(Ok(claims))
                }
            }
        })
    }

    fn grant_next(
        &self,
        unit: &mut Unit<'_>,
        scope: &Scope,
        wanted: &ClaimTasks,
    ) -> Result<Vec<ClaimView>, AppError> {
        let mut claims = Vec::new();
        while claims.len() < usize::try_from(wanted.count.max(1)).unwrap_or(usize::MAX) {
            let Some(record) = unit.tx.next_ready(scope)? else {
                break;
            };
            claims.push(self.grant(unit, &record, &wanted.worker, wanted.lease)?);
        }
        Ok(claims)
    }

    /// Hands one task to a worker, within a unit.
    pub(crate) fn grant(
        &self,
        unit: &mut Unit<'_>,
        record: &TaskRecord,
        worker: &Worker,
        lease: Duration,
    ) -> Result<ClaimView, AppError> {
        let grant = Grant {
            worker: worker.clone(),
            nonce: self.ids.random(),
            lease,
        };
        let (step, attempt) = life::claim(record, grant, unit.now())
            .map_err(|why| AppError::refused(&record.task.id, why))?;
        let data = json!({ "worker": worker.as_str(), "attempt": attempt.token.attempt });
        unit.step(&record.task, &step, data)?;
        unit.tx.insert_attempt(&attempt)?;
        let lease = step
            .task
            .claim
            .as_ref()
            .map_or(unit.now(), |claim| claim.lease_expires_at);
        let record = TaskRecord {
            task: step.task,
            ..record.clone()
        };
        ClaimView::of(unit.tx, record, attempt.token, lease)
    }
}

/// What is unfinished in a part of the queue, and why it is not ready.
pub(crate) fn waiting(tx: &mut dyn Tx, scope: Scope) -> Result<Waiting, AppError> {
    let now = tx.now();
    let counts = tx.task_counts(&scope)?;
    let statuses = vec![Status::Pending, Status::InProgress, Status::Blocked];
    let filter = TaskFilter {
        scope,
        statuses,
        ..TaskFilter::default()
    };
    let page = Page {
        sort: Sort::Claim,
        after: None,
        limit: EXPLAINED,
    };
    let tasks = tx.tasks(&filter, &page)?.tasks;
    let next_at = tasks
        .iter()
        .filter_map(|record| record.task.not_before)
        .filter(|&at| at > now)
        .min();
    let first = tasks
        .into_iter()
        .map(|record| {
            let reasons = not_ready(&record, now);
            let holder = record
                .task
                .claim
                .map(|claim| claim.worker.as_str().to_owned());
            (record.task.id, reasons, holder)
        })
        .collect();
    Ok(Waiting {
        counts,
        first,
        next_at,
    })
}
