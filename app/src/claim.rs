//! Handing tasks to workers.

use std::time::Duration;

use serde_json::{Value, json};
use tasq_domain::life::{self, Grant, MAX_LEASE_SECS, Refusal};
use tasq_domain::ready::{Scope, not_ready};
use tasq_domain::{AnyId, Event, EventKind, Process, Status, TaskRecord, Worker};
use tasq_ports::{Page, Processes, Sort, StoreError, TaskFilter, Tx};

use crate::context::App;
use crate::data::data;
use crate::error::{AppError, Waiting};
use crate::find::{self, ScopeRef};
use crate::once::{Answer, events_between, number};
use crate::unit::Unit;
use crate::view::ClaimView;

/// How many unfinished tasks a refusal explains.
const EXPLAINED: u32 = 20;

/// How many ready tasks are read at a time.
const READ_AT_ONCE: u32 = 500;

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
    /// The process that will work on them: once it is gone they are lost, whatever is left of the lease. Recorded only
    /// where processes can be told apart.
    pub pid: Option<u32>,
}

/// On which terms tasks are handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) worker: Worker,
    pub(crate) lease: Duration,
    pub(crate) process: Option<Process>,
}

impl App<'_> {
    /// Hands ready tasks to a worker, in the order of work, in one step: nobody else can get them. First takes back
    /// every task whose lease has run out or whose process is gone; that stays done even if there is nothing to claim.
    ///
    /// # Errors
    /// [`AppError::NothingReady`] with what is waiting and why; for a named task [`AppError::Refused`];
    /// [`AppError::Usage`] if there is no process with the given id.
    pub fn claim(&self, wanted: &ClaimTasks) -> Result<Vec<ClaimView>, AppError> {
        self.claim_if(wanted, |_| Ok(()))
    }

    /// As [`App::claim`], if `allowed` says so at the beginning of the unit.
    pub(crate) fn claim_if(
        &self,
        wanted: &ClaimTasks,
        mut allowed: impl FnMut(&mut Unit<'_>) -> Result<(), AppError>,
    ) -> Result<Vec<ClaimView>, AppError> {
        if wanted.lease.is_zero() {
            return Err(AppError::usage(
                "a lease of no time would be lost at once",
                "give a duration such as 30m",
            ));
        }
        if wanted.pid.is_some() {
            // Outside the unit, where nobody waits for it. Otherwise it is looked for only if a claim has a process.
            let _found = self.processes.map(Processes::place);
        }
        let granted = self.once_kept("claim", wanted, |unit| {
            allowed(unit)?;
            let terms = Terms {
                worker: wanted.worker.clone(),
                lease: wanted.lease,
                process: self.process(wanted.pid)?,
            };
            self.take_back(unit)?;
            match &wanted.which {
                WhichTask::This(text) => {
                    let id = find::task(unit.tx, text)?;
                    let record = unit.task(&id)?;
                    if let (Status::InProgress, Some(claim)) =
                        (record.task.status, &record.task.claim)
                    {
                        let by = claim.worker.clone();
                        return Ok(Err(AppError::refused(&id, Refusal::Claimed { by })));
                    }
                    match self.grant(unit, &record, &terms) {
                        Ok(claim) => Ok(Ok(Granted::of(unit, wanted.lease, vec![claim]))),
                        Err(refused @ AppError::Refused { .. }) => Ok(Err(refused)),
                        Err(error) => Err(error),
                    }
                }
                WhichTask::Next(scope) => {
                    let scope = find::scope(unit.tx, scope)?;
                    let claims = self.grant_next(unit, &scope, &terms, wanted.count)?;
                    if claims.is_empty() {
                        return Ok(Err(AppError::NothingReady(Box::default())));
                    }
                    Ok(Ok(Granted::of(unit, wanted.lease, claims)))
                }
            }
        });
        match (granted, &wanted.which) {
            // Why is looked for once the writers' lock is let go: those who work are not to wait for those who do not.
            (Err(AppError::NothingReady(_)), WhichTask::Next(scope)) => {
                Err(AppError::NothingReady(Box::new(self.waiting(scope)?)))
            }
            (granted, _) => Ok(granted?.claims),
        }
    }

    /// The process with this id; `None` if none was named, or where processes cannot be told apart.
    fn process(&self, pid: Option<u32>) -> Result<Option<Process>, AppError> {
        let (Some(pid), Some(processes)) = (pid, self.processes) else {
            return Ok(None);
        };
        if processes.place().is_none() {
            return Ok(None);
        }
        let process = processes.identify(pid).ok_or_else(|| {
            AppError::usage(
                format!("there is no process {pid}"),
                "name the process that will work on it, such as $$ for a shell",
            )
        })?;
        Ok(Some(process))
    }

    fn grant_next(
        &self,
        unit: &mut Unit<'_>,
        scope: &Scope,
        terms: &Terms,
        count: u32,
    ) -> Result<Vec<ClaimView>, AppError> {
        let mut claims = Vec::new();
        let mut wanted = count.max(1);
        while wanted > 0 {
            let asked = wanted.min(READ_AT_ONCE);
            let records = unit.tx.ready(scope, asked)?;
            for record in &records {
                claims.push(self.grant(unit, record, terms)?);
            }
            if records.len() < asked as usize {
                break;
            }
            wanted -= asked;
        }
        Ok(claims)
    }

    /// Hands one task to a worker, within a unit.
    pub(crate) fn grant(
        &self,
        unit: &mut Unit<'_>,
        record: &TaskRecord,
        terms: &Terms,
    ) -> Result<ClaimView, AppError> {
        let Terms {
            worker,
            lease,
            process,
        } = terms.clone();
        let grant = Grant {
            worker,
            nonce: self.ids.random(),
            lease,
            process,
        };
        let (step, attempt) = life::claim(record, grant, unit.now())
            .map_err(|why| AppError::refused(&record.task.id, why))?;
        let data = data!({ "worker": terms.worker.as_str(), "attempt": attempt.token.attempt });
        unit.step(&record.task, &step, data)?;
        unit.tx.insert_attempt(&attempt)?;
        let lease = step
            .task
            .claim
            .as_ref()
            .map_or(unit.now(), |claim| claim.lease_expires_at);
        let record = TaskRecord {
            task: step.task,
            epic: record.epic.clone(),
            priority: record.priority,
            open_dependencies: record.open_dependencies,
            held_above: record.held_above,
        };
        ClaimView::of(unit.tx, record, attempt.token, lease)
    }
}

/// The claims that one unit granted. A kept answer is small however many there are: it names the unit's events, which
/// name the tasks and the attempts.
struct Granted {
    claims: Vec<ClaimView>,
    told: (i64, i64),
    lease: Duration,
}

impl Granted {
    fn of(unit: &Unit<'_>, lease: Duration, claims: Vec<ClaimView>) -> Self {
        let told = unit.told.unwrap_or((1, 0));
        let lease = lease.min(Duration::from_secs(MAX_LEASE_SECS));
        Self {
            claims,
            told,
            lease,
        }
    }
}

impl Answer for Granted {
    fn remember(&self) -> Value {
        let (first, last) = self.told;
        json!({ "first": first, "last": last, "lease": micros(self.lease) })
    }

    fn recall(tx: &mut dyn Tx, kept: &Value) -> Result<Self, AppError> {
        let told = (number(kept, "first")?, number(kept, "last")?);
        let lease = u64::try_from(number(kept, "lease")?).unwrap_or_default();
        let lease = Duration::from_micros(lease);
        let mut claims = Vec::new();
        for event in events_between(tx, told)? {
            let AnyId::Task(id) = &event.entity else {
                continue;
            };
            let Some(record) = tx.task(id)?.filter(|_| event.kind == EventKind::Claimed) else {
                continue;
            };
            let number = attempt_number(&event)?;
            let Some(attempt) = tx.attempt(id, number)? else {
                continue;
            };
            let until = attempt.started_at.after(lease);
            claims.push(ClaimView::of(tx, record, attempt.token, until)?);
        }
        Ok(Self {
            claims,
            told,
            lease,
        })
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// The number of the attempt that an event tells of.
fn attempt_number(event: &Event) -> Result<u32, AppError> {
    let data: Value = serde_json::from_str(event.data.as_str()).unwrap_or_default();
    u32::try_from(number(&data, "attempt")?).map_err(|error| {
        AppError::Store(StoreError::Damaged {
            place: format!("event {}", event.seq),
            what: error.to_string(),
        })
    })
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
