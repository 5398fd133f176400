//! What happened: attempts, checkpoints, events and operations.

use std::sync::Arc;

use tasq_domain::{Attempt, Checkpoint, Event, OPERATIONS_KEPT, Operation, OperationId, TaskId};
use tasq_ports::{EventFilter, StoreError};

use super::{State, owned};
use crate::table::broken;
use crate::tx::History;

impl State {
    pub(crate) fn attempts_of(&self, task: &TaskId) -> Vec<Attempt> {
        self.tasks.seq_of(task).map_or_else(Vec::new, |task| {
            owned(
                self.attempts
                    .range((task, 0)..=(task, u32::MAX))
                    .map(|(_, attempt)| attempt),
            )
        })
    }

    pub(crate) fn attempt(&self, task: &TaskId, number: u32) -> Option<&Arc<Attempt>> {
        let task = self.tasks.seq_of(task)?;
        self.attempts.get(&(task, number))
    }

    pub(crate) fn insert_attempt(&mut self, attempt: Attempt) -> Result<(), StoreError> {
        let key = (self.tasks.must(&attempt.task)?.seq, attempt.token.attempt);
        if self.attempts.contains_key(&key) {
            return Err(broken(format!(
                "attempt {} of {} is there already",
                attempt.token.attempt, attempt.task
            )));
        }
        Arc::make_mut(&mut self.attempts).insert(key, Arc::new(attempt));
        Ok(())
    }

    /// Replaces an attempt and returns what it now is.
    pub(crate) fn update_attempt(&mut self, attempt: &Attempt) -> Result<Arc<Attempt>, StoreError> {
        let number = attempt.token.attempt;
        let key = (self.tasks.must(&attempt.task)?.seq, number);
        let old = self
            .attempts
            .get(&key)
            .ok_or_else(|| broken(format!("attempt {number} of {} is missing", attempt.task)))?;
        let updated = Arc::new(Attempt {
            task: old.task.clone(),
            token: old.token,
            worker: old.worker.clone(),
            started_at: old.started_at,
            ..attempt.clone()
        });
        Arc::make_mut(&mut self.attempts).insert(key, Arc::clone(&updated));
        Ok(updated)
    }

    pub(crate) fn checkpoints_of(&self, task: &TaskId) -> Vec<Checkpoint> {
        self.tasks.seq_of(task).map_or_else(Vec::new, |task| {
            owned(
                self.checkpoints_of
                    .of(task)
                    .filter_map(|seq| self.checkpoints.get(&seq)),
            )
        })
    }

    /// Inserts a checkpoint and returns what it now is.
    pub(crate) fn insert_checkpoint(
        &mut self,
        mut checkpoint: Checkpoint,
    ) -> Result<Arc<Checkpoint>, StoreError> {
        let task = self.tasks.must(&checkpoint.task)?.seq;
        if checkpoint.seq == 0 {
            checkpoint.seq = self
                .checkpoints
                .last_key_value()
                .map_or(1, |(last, _)| last + 1);
        }
        let seq = checkpoint.seq;
        if self.checkpoints.contains_key(&seq) {
            return Err(broken(format!("checkpoint {seq} is there already")));
        }
        let checkpoint = Arc::new(checkpoint);
        Arc::make_mut(&mut self.checkpoints).insert(seq, Arc::clone(&checkpoint));
        self.checkpoints_of.insert(task, seq);
        Ok(checkpoint)
    }

    /// Appends an event and returns what it now is.
    pub(crate) fn append_event(&mut self, mut event: Event) -> Result<Arc<Event>, StoreError> {
        let last = self.events.last().map_or(0, |last| last.seq);
        if event.seq == 0 {
            event.seq = last + 1;
        }
        if event.seq <= last {
            return Err(broken(format!(
                "event {} cannot follow event {last}",
                event.seq
            )));
        }
        let event = Arc::new(event);
        Arc::make_mut(&mut self.events).push(Arc::clone(&event));
        Ok(event)
    }

    pub(crate) fn newest_event(&self) -> i64 {
        self.events.last().map_or(0, |event| event.seq)
    }

    pub(crate) fn events(&self, filter: &EventFilter) -> Vec<Event> {
        let EventFilter {
            entity,
            after,
            limit,
        } = filter;
        let first = self.events.partition_point(|event| event.seq <= *after);
        let fits = |event: &&Arc<Event>| entity.as_ref().is_none_or(|id| event.entity == *id);
        owned(
            self.events[first..]
                .iter()
                .filter(fits)
                .take(*limit as usize),
        )
    }

    pub(crate) fn operation(&self, id: &OperationId) -> Option<&Arc<Operation>> {
        self.operations.get(self.operation_ids.get(id)?)
    }

    pub(crate) fn insert_operation(
        &mut self,
        operation: Operation,
        keep: u64,
    ) -> Result<Arc<Operation>, StoreError> {
        if self.operation_ids.contains_key(&operation.id) {
            return Err(broken(format!(
                "operation {} is there already",
                operation.id
            )));
        }
        let operation = Arc::new(operation);
        let number = self
            .operations
            .last_key_value()
            .map_or(1, |(last, _)| last + 1);
        let ids = Arc::make_mut(&mut self.operation_ids);
        let operations = Arc::make_mut(&mut self.operations);
        ids.insert(operation.id.clone(), number);
        operations.insert(number, Arc::clone(&operation));
        while operations.len() as u64 > keep {
            if let Some((_, oldest)) = operations.pop_first() {
                ids.remove(&oldest.id);
            }
        }
        Ok(operation)
    }

    /// The whole history, as if it had just happened.
    pub(crate) fn history(&self) -> Vec<History> {
        let attempts = self.attempts.values().cloned().map(History::Attempt);
        let checkpoints = self.checkpoints.values().cloned();
        let events = self.events.iter().cloned().map(History::Event);
        let keep = OPERATIONS_KEPT.max(self.operations.len() as u64);
        let operations = self
            .operations
            .values()
            .map(|operation| History::Operation {
                operation: Arc::clone(operation),
                keep,
            });
        attempts
            .chain(checkpoints.map(History::Checkpoint))
            .chain(events)
            .chain(operations)
            .collect()
    }

    /// Removes the questions, attempts and checkpoints of a task.
    pub(super) fn drop_history(&mut self, task: i64) {
        self.drop_questions(task);
        let keys: Vec<(i64, u32)> = self
            .attempts
            .range((task, 0)..=(task, u32::MAX))
            .map(|(&key, _)| key)
            .collect();
        if !keys.is_empty() {
            let attempts = Arc::make_mut(&mut self.attempts);
            keys.iter().for_each(|key| drop(attempts.remove(key)));
        }
        let seqs: Vec<i64> = self.checkpoints_of.of(task).collect();
        for seq in seqs {
            self.checkpoints_of.remove(task, seq);
            Arc::make_mut(&mut self.checkpoints).remove(&seq);
        }
    }
}
