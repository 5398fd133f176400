//! What use cases answer with: items together with what follows for them from others.

use std::time::Duration;

use serde_json::{Value, json};
use tasq_domain::ready::Scope;
use tasq_domain::{
    Attempt, Checkpoint, Epic, EpicId, Feature, FeatureId, Outcome, Question, Reason, Status,
    StatusCounts, TaskId, TaskRecord, TestCase, TestId, Timestamp, Token,
};
use tasq_ports::{Cursor, Page, Sort, TaskFilter, Tx};

use crate::error::AppError;
use crate::once::{Answer, number, text};

/// A task, what follows for it, and what it waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskView {
    /// The task and what follows for it from its parents.
    pub record: TaskRecord,
    /// The tasks it depends on, in the order of their ids.
    pub depends_on: Vec<TaskId>,
    /// Those of them that are not completed.
    pub waits_for: Vec<TaskId>,
}

/// A feature and how many of its tasks have which status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureView {
    /// The feature.
    pub feature: Feature,
    /// Its tasks.
    pub counts: StatusCounts,
}

/// An epic and how many of the tasks below it have which status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpicView {
    /// The epic.
    pub epic: Epic,
    /// The tasks of its features.
    pub counts: StatusCounts,
}

/// How an earlier attempt failed, for whoever tries next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastFailure {
    /// The attempt's number.
    pub attempt: u32,
    /// Failed, timed out or lost; or blocked, by what a person has seen to since.
    pub outcome: Outcome,
    /// What was said.
    pub message: Option<Reason>,
    /// The worker's exit code.
    pub exit_code: Option<i32>,
    /// When it ended.
    pub at: Timestamp,
}

/// A claim that was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimView {
    /// The task.
    pub task: TaskView,
    /// What the holder shows with every write.
    pub token: Token,
    /// When the lease ends unless a heartbeat extends it.
    pub lease_expires_at: Timestamp,
    /// How the last attempt that came to nothing did so.
    pub last_failure: Option<LastFailure>,
    /// The newest checkpoint.
    pub checkpoint: Option<Checkpoint>,
    /// What earlier attempts asked, by attempt; those without an answer never got one.
    pub questions: Vec<Question>,
}

impl TaskView {
    /// Completes a record with its dependencies.
    pub(crate) fn of(tx: &mut dyn Tx, record: TaskRecord) -> Result<Self, AppError> {
        let depends_on = tx.dependencies_of(&record.task.id)?;
        let mut waits_for = Vec::new();
        if record.open_dependencies > 0 {
            for id in &depends_on {
                if tx
                    .task(id)?
                    .is_some_and(|on| on.task.status != Status::Completed)
                {
                    waits_for.push(id.clone());
                }
            }
        }
        Ok(Self {
            record,
            depends_on,
            waits_for,
        })
    }

    /// The task as it is now.
    pub(crate) fn load(tx: &mut dyn Tx, id: &TaskId) -> Result<Self, AppError> {
        let record = tx
            .task(id)?
            .ok_or_else(|| AppError::not_found(&id.into()))?;
        Self::of(tx, record)
    }
}

impl FeatureView {
    /// The feature as it is now.
    pub(crate) fn load(tx: &mut dyn Tx, id: &FeatureId) -> Result<Self, AppError> {
        let feature = tx
            .feature(id)?
            .ok_or_else(|| AppError::not_found(&id.into()))?;
        let counts = tx.task_counts(&Scope::Feature(feature.id.clone()))?;
        Ok(Self { feature, counts })
    }
}

impl EpicView {
    /// The epic as it is now.
    pub(crate) fn load(tx: &mut dyn Tx, id: &EpicId) -> Result<Self, AppError> {
        let epic = tx
            .epic(id)?
            .ok_or_else(|| AppError::not_found(&id.into()))?;
        let counts = tx.task_counts(&Scope::Epic(epic.id.clone()))?;
        Ok(Self { epic, counts })
    }
}

impl From<(Feature, StatusCounts)> for FeatureView {
    fn from((feature, counts): (Feature, StatusCounts)) -> Self {
        Self { feature, counts }
    }
}

impl From<(Epic, StatusCounts)> for EpicView {
    fn from((epic, counts): (Epic, StatusCounts)) -> Self {
        Self { epic, counts }
    }
}

impl ClaimView {
    /// The same claim under another lease.
    pub(crate) fn renewed(&mut self, lease: Duration, expires_at: Timestamp) {
        self.lease_expires_at = expires_at;
        if let Some(claim) = &mut self.task.record.task.claim {
            (claim.lease, claim.lease_expires_at) = (lease, expires_at);
        }
    }

    /// Completes a granted claim with what earlier attempts left.
    pub(crate) fn of(
        tx: &mut dyn Tx,
        record: TaskRecord,
        token: Token,
        lease: Timestamp,
    ) -> Result<Self, AppError> {
        let earlier = if token.attempt > 1 {
            tx.attempts_of(&record.task.id)?
        } else {
            Vec::new()
        };
        let checkpoint = if token.attempt > 1 {
            let mut left = tx.checkpoints_of(&record.task.id)?.into_iter().rev();
            left.find(|checkpoint| checkpoint.attempt < token.attempt)
        } else {
            None
        };
        let mut questions = if token.attempt > 1 {
            tx.questions_of(&record.task.id)?
        } else {
            Vec::new()
        };
        questions.retain(|question| question.attempt < token.attempt);
        // A claim that is told again does not tell of what its own attempt came to. One that asked is told of by its
        // question.
        let asked = |number| questions.iter().any(|question| question.attempt == number);
        let last_failure = earlier
            .iter()
            .rev()
            .filter(|it| it.token.attempt < token.attempt && !asked(it.token.attempt))
            .find_map(LastFailure::of);
        let task = TaskView::of(tx, record)?;
        Ok(Self {
            task,
            token,
            lease_expires_at: lease,
            last_failure,
            checkpoint,
            questions,
        })
    }
}

impl LastFailure {
    fn of(attempt: &Attempt) -> Option<Self> {
        let end = attempt.end.as_ref()?;
        matches!(
            end.outcome,
            Outcome::Failed | Outcome::TimedOut | Outcome::Lost | Outcome::Blocked
        )
        .then(|| Self {
            attempt: attempt.token.attempt,
            outcome: end.outcome,
            message: end.message.clone(),
            exit_code: end.exit_code,
            at: end.at,
        })
    }
}

impl Answer for TaskView {
    fn remember(&self) -> Value {
        json!({ "id": self.record.task.id.as_str() })
    }

    fn recall(tx: &mut dyn Tx, kept: &Value) -> Result<Self, AppError> {
        Self::load(tx, &TaskId::new(text(kept, "id")?)?)
    }
}

impl Answer for FeatureView {
    fn remember(&self) -> Value {
        json!({ "id": self.feature.id.as_str() })
    }

    fn recall(tx: &mut dyn Tx, kept: &Value) -> Result<Self, AppError> {
        Self::load(tx, &FeatureId::new(text(kept, "id")?)?)
    }
}

impl Answer for EpicView {
    fn remember(&self) -> Value {
        json!({ "id": self.epic.id.as_str() })
    }

    fn recall(tx: &mut dyn Tx, kept: &Value) -> Result<Self, AppError> {
        Self::load(tx, &EpicId::new(text(kept, "id")?)?)
    }
}

impl Answer for TestCase {
    fn remember(&self) -> Value {
        json!({ "id": self.id.as_str() })
    }

    fn recall(tx: &mut dyn Tx, kept: &Value) -> Result<Self, AppError> {
        let id = TestId::new(text(kept, "id")?)?;
        tx.test(&id)?.ok_or_else(|| AppError::not_found(&id.into()))
    }
}

impl Answer for Vec<TaskView> {
    /// Tasks that one unit added have consecutive numbers, so any number of them fits.
    fn remember(&self) -> Value {
        json!({ "first": self.first().map_or(0, |view| view.record.task.seq), "count": self.len() })
    }

    fn recall(tx: &mut dyn Tx, kept: &Value) -> Result<Self, AppError> {
        let (first, count) = (number(kept, "first")?, number(kept, "count")?);
        let limit = u32::try_from(count).unwrap_or(u32::MAX);
        if limit == 0 {
            return Ok(Vec::new());
        }
        let page = Page {
            sort: Sort::Seq,
            after: Some(Cursor {
                key: 0,
                seq: first - 1,
            }),
            limit,
        };
        let found = tx.tasks(&TaskFilter::default(), &page)?.tasks;
        let ours = found
            .into_iter()
            .filter(|record| record.task.seq < first.saturating_add(count));
        ours.map(|record| TaskView::of(tx, record)).collect()
    }
}

impl Answer for ClaimView {
    fn remember(&self) -> Value {
        json!({
            "id": self.task.record.task.id.as_str(),
            "token": self.token.to_string(),
            "lease": self.lease_expires_at.micros(),
        })
    }

    fn recall(tx: &mut dyn Tx, kept: &Value) -> Result<Self, AppError> {
        let id = TaskId::new(text(kept, "id")?)?;
        let record = tx
            .task(&id)?
            .ok_or_else(|| AppError::not_found(&id.into()))?;
        let lease = Timestamp::from_micros(number(kept, "lease")?);
        Self::of(tx, record, text(kept, "token")?.parse()?, lease)
    }
}

impl<T: Answer> Answer for Option<T> {
    fn remember(&self) -> Value {
        self.as_ref().map_or(Value::Null, Answer::remember)
    }

    fn recall(tx: &mut dyn Tx, kept: &Value) -> Result<Self, AppError> {
        if kept.is_null() {
            Ok(None)
        } else {
            T::recall(tx, kept).map(Some)
        }
    }
}
