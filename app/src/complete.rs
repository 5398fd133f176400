//! Completing a task, and claiming the next in the same step.

use serde_json::{Value, json};
use tasq_domain::life::{self, Completion, Gate, Writer};
use tasq_domain::{AnyId, EventKind, JsonObject, Reason, TaskId, TestOwner, Token, Worker};
use tasq_ports::Tx;

use crate::checkpoint::AddCheckpoint;
use crate::claim::{Terms, waiting};
use crate::context::{App, HolderRef};
use crate::data::data;
use crate::error::AppError;
use crate::find::{self, ScopeRef};
use crate::once::{Answer, events_between, field, number};
use crate::unit::{Report, Unit};
use crate::view::{ClaimView, TaskView};

/// What is asked for by a completion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompleteTask {
    /// The task.
    pub task: TaskId,
    /// The holder's token; `None` for a person.
    pub token: Option<Token>,
    /// What was done.
    pub summary: Option<Reason>,
    /// A person insists, although somebody holds the task or its test cases are not passing, and says why.
    pub force: Option<Reason>,
    /// What is known about the worker's process.
    pub report: Report,
    /// Claim the next ready task of this part of the queue in the same step, for the same worker, lease and process.
    pub next: Option<ScopeRef>,
}

/// A task that was completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// The task.
    pub task: TaskView,
    /// The claim of the next one, if it was asked for and something is ready.
    pub next: Option<ClaimView>,
}

impl App<'_> {
    /// Completes a task if it is proven, or a person insists.
    ///
    /// # Errors
    /// [`AppError::Refused`]: a stale claim, claimed by another, completed already, test cases not passing.
    pub fn complete(&self, wanted: &CompleteTask) -> Result<Completed, AppError> {
        self.may_force(wanted.force.is_some())?;
        self.once_kept("complete", wanted, |unit| self.complete_in(unit, wanted))
    }

    /// What a worker says whose work is yet to be kept by the loop around it: the claim is looked at, and the summary kept
    /// for the completion that follows the worker's end. Nothing is completed.
    ///
    /// # Errors
    /// [`AppError::Refused`] with a stale claim; the summary is kept as the attempt's late message then.
    pub fn will_complete(
        &self,
        holder: &HolderRef,
        summary: Option<Reason>,
    ) -> Result<TaskView, AppError> {
        if let Some(summary) = summary {
            let said = AddCheckpoint {
                summary,
                next_steps: Vec::new(),
                data: Some(said_done()),
            };
            self.checkpoint(holder, &said)?;
        } else {
            self.heartbeat(holder, None)?;
        }
        self.item_task(&holder.task)
    }

    /// The summary that [`App::will_complete`] kept in an attempt.
    pub(crate) fn kept_summary(&self, holder: &HolderRef) -> Result<Option<Reason>, AppError> {
        tasq_ports::StoreExt::read(self.store, |tx| {
            let mut left = tx.checkpoints_of(&holder.task)?.into_iter().rev();
            let number = holder.token.attempt;
            let said = left.find(|it| it.attempt == number && it.data == Some(said_done()));
            Ok(said.map(|it| it.summary))
        })
    }

    /// Completes many tasks, all or none, in one step. None of them can ask for the next one: claim many at once instead.
    ///
    /// # Errors
    /// As [`App::complete`], for the first that is refused: nothing is completed then, and no late message is kept.
    /// [`AppError::Usage`] if one asks for the next.
    pub fn complete_all(&self, wanted: &[CompleteTask]) -> Result<Vec<TaskView>, AppError> {
        self.may_force(wanted.iter().any(|one| one.force.is_some()))?;
        if wanted.iter().any(|one| one.next.is_some()) {
            return Err(AppError::usage(
                "many tasks that are completed in one step have no next one",
                "claim as many as you want afterwards",
            ));
        }
        let all = self.once("tasks complete", &wanted, |unit| {
            let ids: Vec<TaskId> = wanted.iter().map(|one| one.task.clone()).collect();
            unit.tx.foresee(&ids)?;
            let tasks = wanted
                .iter()
                .map(|one| Ok(self.complete_in(unit, one)??.task))
                .collect::<Result<_, AppError>>()?;
            let told = unit.told.unwrap_or((1, 0));
            Ok(AllCompleted { tasks, told })
        })?;
        Ok(all.tasks)
    }

    /// Completes a task within a unit. The inner error is a refusal, which leaves nothing but a late message.
    fn complete_in(
        &self,
        unit: &mut Unit<'_>,
        wanted: &CompleteTask,
    ) -> Result<Result<Completed, AppError>, AppError> {
        let before = unit.task(&wanted.task)?.task;
        let gate = if unit.tx.settings()?.require_tests {
            Gate::TestsRequired
        } else {
            Gate::TestsOptional
        };
        let tests = unit.tx.tests_of(&TestOwner::Task(before.id.clone()))?;
        let writer = match wanted.token {
            Some(token) => Writer::Holder(token),
            None => Writer::Person {
                actor: self.caller.actor(),
                force: wanted.force.is_some(),
            },
        };
        let completion = Completion {
            summary: wanted.summary.clone(),
            override_reason: wanted.force.clone(),
            exit_code: wanted.report.exit_code,
        };
        let step = life::complete(&before, &writer, &tests, gate, completion, unit.now());
        let step = match wanted.token {
            Some(token) => {
                let holder = HolderRef {
                    task: before.id.clone(),
                    token,
                };
                unit.or_late(&holder, wanted.summary.clone(), step)?
            }
            None => step.map_err(|why| AppError::refused(&before.id, why)),
        };
        let step = match step {
            Ok(step) => step,
            Err(refused) => return Ok(Err(refused)),
        };
        let proof = step.task.proof.as_ref().map(tasq_domain::Proof::as_str);
        let reason = wanted.force.as_ref().map(Reason::as_str);
        unit.step_with(
            &before,
            &step,
            data!({ "proof": proof, "reason": reason }),
            &wanted.report,
        )?;
        let next = match &wanted.next {
            Some(scope) => self.claim_next_after(unit, &before, scope)?,
            None => None,
        };
        Ok(Ok(Completed {
            task: TaskView::load(unit.tx, &before.id)?,
            next,
        }))
    }

    fn claim_next_after(
        &self,
        unit: &mut Unit<'_>,
        before: &tasq_domain::Task,
        scope: &ScopeRef,
    ) -> Result<Option<ClaimView>, AppError> {
        self.take_back(unit)?;
        let scope = find::scope(unit.tx, scope)?;
        let Some(record) = unit.tx.next_ready(&scope)? else {
            return Ok(None);
        };
        let terms = match &before.claim {
            Some(claim) => Terms {
                worker: claim.worker.clone(),
                lease: claim.lease,
                process: claim.process,
            },
            None => Terms {
                worker: Worker::new(self.caller.actor().as_str())?,
                lease: std::time::Duration::from_secs(life::LEASE_BY_HAND_SECS),
                process: None,
            },
        };
        self.grant(unit, &record, &terms).map(Some)
    }

    /// What is unfinished in a part of the queue, and why it is not ready.
    ///
    /// # Errors
    /// [`AppError::NotFound`] for the part.
    pub fn waiting(&self, scope: &ScopeRef) -> Result<crate::Waiting, AppError> {
        tasq_ports::StoreExt::read(self.store, |tx| {
            let scope = find::scope(tx, scope)?;
            waiting(tx, scope)
        })
    }
}

/// What tells the last word of a worker from its other checkpoints.
fn said_done() -> JsonObject {
    JsonObject::new(r#"{"done":true}"#).expect("it is an object")
}

impl Answer for Completed {
    fn remember(&self) -> Value {
        json!({ "task": self.task.remember(), "next": self.next.remember() })
    }

    fn recall(tx: &mut dyn Tx, kept: &Value) -> Result<Self, AppError> {
        let task = TaskView::recall(tx, field(kept, "task")?)?;
        Ok(Self {
            task,
            next: Option::recall(tx, field(kept, "next")?)?,
        })
    }
}

/// What one unit completed. A kept answer is small however many tasks there are: it names the unit's events, which name
/// the tasks.
struct AllCompleted {
    tasks: Vec<TaskView>,
    told: (i64, i64),
}

impl Answer for AllCompleted {
    fn remember(&self) -> Value {
        let (first, last) = self.told;
        json!({ "first": first, "last": last })
    }

    fn recall(tx: &mut dyn Tx, kept: &Value) -> Result<Self, AppError> {
        let told = (number(kept, "first")?, number(kept, "last")?);
        let mut tasks = Vec::new();
        for event in events_between(tx, told)? {
            if let (EventKind::Completed, AnyId::Task(id)) = (event.kind, &event.entity)
                && let Some(record) = tx.task(id)?
            {
                tasks.push(TaskView::of(tx, record)?);
            }
        }
        Ok(Self { tasks, told })
    }
}
