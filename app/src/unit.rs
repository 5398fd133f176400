//! A unit of work as use cases see it: facts, events, and the parents that roll up.

use std::collections::BTreeMap;

use tasq_domain::life::{self, Refusal, Step};
use tasq_domain::ready::Scope;
use tasq_domain::{
    Actor, AnyId, Attempt, AttemptEnd, Epic, EpicId, Event, EventKind, Feature, FeatureId,
    JsonObject, Reason, Status, Task, TaskId, TaskRecord, Timestamp,
};
use tasq_ports::{Page, Sort, StoreError, StoreExt, TaskFilter, TaskPage, Tx};

use crate::context::{App, HolderRef};
use crate::data::{Data, data};
use crate::error::AppError;
use crate::once::Kept;
use crate::run::cost_of;

/// One write unit. Every change goes with its event, and parents whose status changed get theirs at the end.
pub(crate) struct Unit<'t> {
    pub(crate) tx: &'t mut dyn Tx,
    actor: Actor,
    features: BTreeMap<FeatureId, Status>,
    epics: BTreeMap<EpicId, Status>,
    /// The numbers of the first and the last event that this unit appended.
    pub(crate) told: Option<(i64, i64)>,
}

impl App<'_> {
    /// Runs one write unit and appends the events of the parents that it rolled up.
    pub(crate) fn write<T>(
        &self,
        mut body: impl FnMut(&mut Unit<'_>) -> Result<T, AppError>,
    ) -> Result<T, AppError> {
        let actor = self.caller.actor();
        self.store.write(|tx| {
            let mut unit = Unit {
                tx,
                actor: actor.clone(),
                features: BTreeMap::new(),
                epics: BTreeMap::new(),
                told: None,
            };
            let value = body(&mut unit)?;
            unit.finish()?;
            Ok(value)
        })
    }
}

impl Unit<'_> {
    pub(crate) const fn actor(&self) -> &Actor {
        &self.actor
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.tx.now()
    }

    /// Appends an event of this instant, about something that has no later time of its own.
    pub(crate) fn event(
        &mut self,
        kind: EventKind,
        entity: impl Into<AnyId>,
        data: Data,
    ) -> Result<(), AppError> {
        self.event_at(kind, entity, self.now(), data)
    }

    /// Appends an event with the time of the change that it tells of, which is later than this instant where the clock
    /// ran back: within one item time does not.
    pub(crate) fn event_at(
        &mut self,
        kind: EventKind,
        entity: impl Into<AnyId>,
        at: Timestamp,
        data: Data,
    ) -> Result<(), AppError> {
        let event = Event {
            seq: 0,
            at,
            actor: self.actor.clone(),
            kind,
            entity: entity.into(),
            data: data.into_object()?,
        };
        let seq = self.tx.append_event(&event)?;
        self.told.get_or_insert((seq, seq)).1 = seq;
        Ok(())
    }

    /// Remembers the status of a feature and its epic, before something below is changed.
    pub(crate) fn watch_feature(&mut self, id: &FeatureId) -> Result<(), StoreError> {
        if self.features.contains_key(id) {
            return Ok(());
        }
        if let Some(standing) = self.tx.standing(id)? {
            self.features.insert(id.clone(), standing.status);
            if let Some(epic) = standing.epic {
                self.watch_epic(&epic)?;
            }
        }
        Ok(())
    }

    /// Remembers the status of an epic, before something below is changed.
    pub(crate) fn watch_epic(&mut self, id: &EpicId) -> Result<(), StoreError> {
        if !self.epics.contains_key(id)
            && let Some(epic) = self.tx.epic(id)?
        {
            self.epics.insert(epic.id, epic.status);
        }
        Ok(())
    }

    /// Forgets a parent that has an event of its own for this unit's change, or is gone.
    pub(crate) fn unwatch(&mut self, id: &AnyId) {
        match id {
            AnyId::Feature(id) => drop(self.features.remove(id)),
            AnyId::Epic(id) => drop(self.epics.remove(id)),
            AnyId::Task(_) | AnyId::Test(_) => (),
        }
    }

    /// Stores an accepted transition: the task, the attempt's end, the event.
    pub(crate) fn step(&mut self, before: &Task, step: &Step, data: Data) -> Result<(), AppError> {
        self.watch_feature(&before.feature)?;
        self.tx.update_task_life(&step.task)?;
        if let Some((token, end)) = &step.closed {
            // An imported claim has no attempt of its own to close.
            self.tx.end_attempt(&before.id, token.attempt, end)?;
        }
        let mut data = data.with("status", &step.task.status.as_str());
        // A claim tells of the attempt that begins with it, not of one that somebody left open.
        if let Some((token, _)) = &step.closed
            && step.event != EventKind::Claimed
        {
            data.add("attempt", &token.attempt);
        }
        self.event_at(step.event, &before.id, step.task.updated_at, data)?;
        if before.status == Status::Completed && step.task.status != Status::Completed {
            self.reset_feature_tests(&before.feature)?;
        }
        Ok(())
    }

    /// A task, which must exist.
    pub(crate) fn task(&mut self, id: &TaskId) -> Result<TaskRecord, AppError> {
        self.tx
            .task(id)?
            .ok_or_else(|| AppError::not_found(&id.into()))
    }

    /// A feature, which must exist.
    pub(crate) fn feature(&mut self, id: &FeatureId) -> Result<Feature, AppError> {
        self.tx
            .feature(id)?
            .ok_or_else(|| AppError::not_found(&id.into()))
    }

    /// An epic, which must exist.
    pub(crate) fn epic(&mut self, id: &EpicId) -> Result<Epic, AppError> {
        self.tx
            .epic(id)?
            .ok_or_else(|| AppError::not_found(&id.into()))
    }

    fn finish(&mut self) -> Result<(), AppError> {
        for (id, before) in std::mem::take(&mut self.features) {
            if let Some(after) = self.tx.standing(&id)?
                && after.status != before
            {
                self.rolled_up(id, before, after.status, after.updated_at)?;
            }
        }
        for (id, before) in std::mem::take(&mut self.epics) {
            if let Some(after) = self.tx.epic(&id)?
                && after.status != before
            {
                self.rolled_up(id, before, after.status, after.updated_at)?;
            }
        }
        Ok(())
    }

    pub(crate) fn rolled_up(
        &mut self,
        id: impl Into<AnyId>,
        before: Status,
        after: Status,
        at: Timestamp,
    ) -> Result<(), AppError> {
        let data = data!({ "from": before.as_str(), "status": after.as_str() });
        self.event_at(EventKind::RolledUp, id, at, data)
    }
}

/// What is known about the process of a worker whose attempt ends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// The file with its output.
    pub log_path: Option<String>,
    /// What it reported.
    pub result: Option<JsonObject>,
}

impl Report {
    /// Adds the reported cost to an event's data: the brakes of loops read the log of events.
    fn tell_cost(&self, data: &mut Data) {
        if let Some(cost) = self.result.as_ref().and_then(cost_of) {
            data.add("cost_micros", &cost.micros());
        }
    }
}

impl App<'_> {
    /// Keeps what is known about a worker's process with the attempt that the worker has ended itself. Nothing if there
    /// is nothing to keep, if it was kept already, or if the attempt is not over.
    pub(crate) fn report_late(&self, holder: &HolderRef, report: &Report) -> Result<(), AppError> {
        let number = holder.token.attempt;
        self.write(|unit| {
            let Some(attempt) = unit.tx.attempt(&holder.task, number)? else {
                return Ok(());
            };
            let known = attempt.log_path.is_some() || attempt.result.is_some();
            let (Some(end), false) = (&attempt.end, known || attempt.token != holder.token) else {
                return Ok(());
            };
            if report.log_path.is_none() && report.result.is_none() {
                return Ok(());
            }
            let at = unit.now().not_before(end.at);
            let end = AttemptEnd {
                exit_code: end.exit_code.or(report.exit_code),
                ..end.clone()
            };
            let mut data = data!({ "attempt": number });
            report.tell_cost(&mut data);
            unit.tx.update_attempt(&Attempt {
                end: Some(end),
                log_path: report.log_path.clone(),
                result: report.result.clone(),
                ..attempt
            })?;
            unit.event_at(EventKind::LateMessage, &holder.task, at, data)
        })
    }
}

impl Unit<'_> {
    /// As [`Unit::step`], and keeps what is known about the worker's process with the attempt that ended.
    pub(crate) fn step_with(
        &mut self,
        before: &Task,
        step: &Step,
        data: Data,
        report: &Report,
    ) -> Result<(), AppError> {
        let Report {
            exit_code: _,
            log_path,
            result,
        } = report;
        let mut data = data;
        report.tell_cost(&mut data);
        self.step(before, step, data)?;
        if let Some((token, _)) = &step.closed
            && (log_path.is_some() || result.is_some())
            && let Some(attempt) = self.tx.attempt(&before.id, token.attempt)?
        {
            let attempt = Attempt {
                log_path: log_path.clone(),
                result: result.clone(),
                ..attempt
            };
            self.tx.update_attempt(&attempt)?;
        }
        Ok(())
    }

    /// A holder's transition, or the refusal after its late message was kept on its own attempt.
    pub(crate) fn or_late<T>(
        &mut self,
        holder: &HolderRef,
        message: Option<Reason>,
        outcome: Result<T, Refusal>,
    ) -> Result<Kept<T>, AppError> {
        let why = match outcome {
            Ok(value) => return Ok(Ok(value)),
            Err(why) => why,
        };
        if why == Refusal::StaleClaim
            && let Some(attempt) = self.tx.attempt(&holder.task, holder.token.attempt)?
            && let Some(attempt) = life::late(&attempt, holder.token, message)
        {
            self.tx.update_attempt(&attempt)?;
            let data = data!({ "attempt": holder.token.attempt });
            let end = attempt.end.as_ref().map_or(self.now(), |end| end.at);
            let at = self.now().not_before(end);
            self.event_at(EventKind::LateMessage, &holder.task, at, data)?;
        }
        Ok(Err(AppError::refused(&holder.task, why)))
    }

    /// Every task of a scope that has one of the statuses, in the order of creation.
    pub(crate) fn tasks_in(
        &mut self,
        scope: &Scope,
        statuses: &[Status],
    ) -> Result<Vec<TaskRecord>, AppError> {
        all_tasks(self.tx, scope, statuses)
    }
}

/// Every task of a scope that has one of the statuses (any, if none is given), in the order of creation.
pub(crate) fn all_tasks(
    tx: &mut dyn Tx,
    scope: &Scope,
    statuses: &[Status],
) -> Result<Vec<TaskRecord>, AppError> {
    let filter = TaskFilter {
        scope: scope.clone(),
        statuses: statuses.to_vec(),
        ..TaskFilter::default()
    };
    let mut page = Page {
        sort: Sort::Seq,
        after: None,
        limit: 1_000,
    };
    let mut all = Vec::new();
    loop {
        let TaskPage { tasks, next } = tx.tasks(&filter, &page)?;
        all.extend(tasks);
        match next {
            Some(_) => page.after = next,
            None => return Ok(all),
        }
    }
}
