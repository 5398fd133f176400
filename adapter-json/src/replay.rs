//! Putting the history of a log to the tree of a snapshot.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use tasq_domain::{
    Attempt, AttemptEnd, Checkpoint, Contents, Operation, OperationId, Outcome, Task, TaskId,
};

use crate::log::{Past, Record, Settled};

/// Adds what the records tell to a tree that has no history.
pub(crate) fn replay(tree: &mut Contents, records: Vec<Record>) {
    let mut attempts: BTreeMap<(TaskId, u32), Attempt> = BTreeMap::new();
    let mut checkpoints: BTreeMap<i64, Checkpoint> = BTreeMap::new();
    let mut operations: VecDeque<Operation> = VecDeque::new();
    let mut known: HashSet<OperationId> = HashSet::new();
    for record in records {
        match record {
            Record::Event(event) => {
                if tree.events.last().is_none_or(|last| last.seq < event.seq) {
                    tree.events.push(event);
                }
            }
            Record::Attempt(attempt) => {
                attempts.insert((attempt.task.clone(), attempt.token.attempt), *attempt);
            }
            Record::Checkpoint(checkpoint) => {
                checkpoints.insert(checkpoint.seq, checkpoint);
            }
            Record::Operation(operation, keep) => {
                if known.insert(operation.id.clone()) {
                    operations.push_back(operation);
                }
                while operations.len() as u64 > keep {
                    let oldest = operations.pop_front();
                    oldest.map(|oldest| known.remove(&oldest.id));
                }
            }
            Record::Removed(task) | Record::Settled(task) => {
                attempts.retain(|(of, _), _| *of != task);
                checkpoints.retain(|_, checkpoint| checkpoint.task != task);
            }
        }
    }
    // By the order of tasks, then of numbers.
    tree.attempts = attempts.into_values().collect();
    tree.checkpoints = checkpoints.into_values().collect();
    tree.operations = operations.into();
}

/// Whether [`reconcile`] would leave a history as it is.
pub(crate) fn agrees(contents: &Contents) -> bool {
    let tasks: HashMap<&TaskId, &Task> =
        contents.tasks.iter().map(|task| (&task.id, task)).collect();
    let knows = |task: &TaskId, attempt: u32| {
        let task = tasks.get(task)?;
        (attempt <= task.attempts).then_some(*task)
    };
    let mut open = 0;
    let attempts = contents.attempts.iter().all(|attempt| {
        let held = |task: &Task| {
            let claim = task.claim.as_ref();
            claim.is_some_and(|claim| claim.token == attempt.token)
        };
        let is_open = attempt.end.is_none();
        open += usize::from(is_open);
        knows(&attempt.task, attempt.token.attempt).is_some_and(|task| held(task) == is_open)
    });
    let checkpoints = &contents.checkpoints;
    let claims = contents.tasks.iter().filter(|task| task.claim.is_some());
    attempts
        && open == claims.count()
        && checkpoints
            .iter()
            .all(|checkpoint| knows(&checkpoint.task, checkpoint.attempt).is_some())
}

/// Makes a history agree with a tree, one of which someone else changed. The tree is right: what it knows nothing of is left
/// out, and open are the attempts of its claims and no others.
///
/// Returns the tasks whose past is another now, so that the next unit can tell the log.
pub(crate) fn reconcile(contents: &mut Contents) -> Vec<Settled> {
    let mut pasts: BTreeMap<TaskId, Past> = BTreeMap::new();
    for attempt in std::mem::take(&mut contents.attempts) {
        let past = pasts.entry(attempt.task.clone()).or_default();
        past.attempts.push(attempt);
    }
    for checkpoint in std::mem::take(&mut contents.checkpoints) {
        let past = pasts.entry(checkpoint.task.clone()).or_default();
        past.checkpoints.push(checkpoint);
    }
    let mut settled = Vec::new();
    for task in &contents.tasks {
        let was = pasts.remove(&task.id).unwrap_or_default();
        let now = settle_past(task, was.clone());
        contents.attempts.extend(now.attempts.iter().cloned());
        contents.checkpoints.extend(now.checkpoints.iter().cloned());
        if now != was {
            let task = task.id.clone();
            settled.push(Settled { task, past: now });
        }
    }
    contents
        .checkpoints
        .sort_by_key(|checkpoint| checkpoint.seq);
    let gone = pasts.into_keys().map(|task| Settled {
        task,
        past: Past::default(),
    });
    settled.extend(gone);
    settled
}

/// Leaves out what a task knows nothing of, and makes its attempts agree with its claim.
fn settle_past(task: &Task, mut past: Past) -> Past {
    past.checkpoints
        .retain(|checkpoint| checkpoint.attempt <= task.attempts);
    let attempts = past
        .attempts
        .into_iter()
        .map(|attempt| (attempt.token.attempt, attempt))
        .filter(|(number, _)| *number <= task.attempts)
        .collect();
    Past {
        attempts: settle(task, attempts),
        checkpoints: past.checkpoints,
    }
}

/// Makes the attempts at a task agree with its claim.
fn settle(task: &Task, mut attempts: BTreeMap<u32, Attempt>) -> Vec<Attempt> {
    let open = task.claim.as_ref().map(|claim| claim.token);
    for attempt in attempts.values_mut() {
        if attempt.end.is_none() && open != Some(attempt.token) {
            attempt.end = Some(AttemptEnd {
                at: task.updated_at.not_before(attempt.started_at),
                outcome: Outcome::Lost,
                exit_code: None,
                message: None,
            });
        }
    }
    if let Some(claim) = &task.claim {
        let number = claim.token.attempt;
        let known = attempts
            .remove(&number)
            .filter(|attempt| attempt.token == claim.token);
        let attempt = known.map_or_else(
            || Attempt {
                task: task.id.clone(),
                token: claim.token,
                worker: claim.worker.clone(),
                started_at: claim.started_at,
                end: None,
                late_message: None,
                log_path: None,
                result: None,
            },
            |known| Attempt { end: None, ..known },
        );
        attempts.insert(number, attempt);
    }
    attempts.into_values().collect()
}
