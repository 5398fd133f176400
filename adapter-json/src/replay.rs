//! Putting the history of a log to the tree of a snapshot. Where they disagree, the snapshot is right.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tasq_domain::{
    Attempt, AttemptEnd, Checkpoint, Contents, Event, OPERATIONS_KEPT, Operation, OperationId,
    Outcome, Task, TaskId,
};

use crate::log::Record;

/// Adds what the records tell to a tree that has no history.
pub(crate) fn replay(tree: &mut Contents, records: Vec<Record>) {
    let mut attempts: BTreeMap<TaskId, BTreeMap<u32, Attempt>> = BTreeMap::new();
    let mut checkpoints: BTreeMap<i64, Checkpoint> = BTreeMap::new();
    let mut events: Vec<Event> = Vec::new();
    let mut operations: Vec<Operation> = Vec::new();
    let mut known: BTreeSet<OperationId> = BTreeSet::new();
    for record in records {
        match record {
            Record::Event(event) => {
                if events.last().is_none_or(|last| last.seq < event.seq) {
                    events.push(event);
                }
            }
            Record::Attempt(attempt) => {
                let of_task = attempts.entry(attempt.task.clone()).or_default();
                of_task.insert(attempt.token.attempt, attempt);
            }
            Record::Checkpoint(checkpoint) => {
                checkpoints.insert(checkpoint.seq, checkpoint);
            }
            Record::Operation(operation) => {
                if known.insert(operation.id.clone()) {
                    operations.push(operation);
                }
            }
            Record::Removed(task) => {
                attempts.remove(&task);
                checkpoints.retain(|_, checkpoint| checkpoint.task != task);
            }
        }
    }
    let made: HashMap<&TaskId, u32> = tree
        .tasks
        .iter()
        .map(|task| (&task.id, task.attempts))
        .collect();
    checkpoints.retain(|_, checkpoint| {
        made.get(&checkpoint.task)
            .is_some_and(|&made| checkpoint.attempt <= made)
    });
    tree.attempts = tree
        .tasks
        .iter()
        .flat_map(|task| settle(task, attempts.remove(&task.id).unwrap_or_default()))
        .collect();
    tree.checkpoints = checkpoints.into_values().collect();
    tree.events = events;
    let kept = usize::try_from(OPERATIONS_KEPT).unwrap_or(usize::MAX);
    operations.drain(..operations.len().saturating_sub(kept));
    tree.operations = operations;
}

/// Makes the attempts at a task agree with it: those it never made are left out, and open is the one of its claim and
/// no other.
fn settle(task: &Task, mut attempts: BTreeMap<u32, Attempt>) -> Vec<Attempt> {
    attempts.retain(|&number, _| number <= task.attempts);
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
