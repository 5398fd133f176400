//! Claims for the loop, which the brakes may refuse.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tasq_domain::brakes::{
    ATTEMPTS_SPAN, Brakes, Cost, Gauge, Noted, Tripped, counts_as_failure, ends_a_row,
};
use tasq_domain::{AnyId, Event};
use tasq_ports::EventFilter;

use crate::claim::ClaimTasks;
use crate::context::App;
use crate::error::AppError;
use crate::unit::Unit;
use crate::view::ClaimView;

/// How many events are read at a time.
const PAGE: u32 = 1_000;

/// The brakes of one loop and what they have seen of the queue's log.
pub(super) struct Braking {
    brakes: Brakes,
    state: Mutex<State>,
}

struct State {
    gauge: Gauge,
    /// The newest event that the gauge has taken in; `None` before the first look.
    seen: Option<i64>,
    /// Whether failures that are older than the loop count.
    forgiving: bool,
}

impl Braking {
    pub(super) fn new(brakes: Brakes, forgiving: bool) -> Self {
        let state = State {
            gauge: Gauge::default(),
            seen: None,
            forgiving,
        };
        Self {
            brakes,
            state: Mutex::new(state),
        }
    }

    /// Whether there is anything that could refuse a claim.
    pub(super) const fn any(&self) -> bool {
        self.brakes.any()
    }

    /// Claims one task unless a brake holds. The log is read in the unit that claims, so that loops beside each other
    /// cannot both take the last attempt that is allowed.
    pub(super) fn claim(
        &self,
        app: &App<'_>,
        wanted: &ClaimTasks,
        running: u32,
    ) -> Result<Result<ClaimView, Tripped>, AppError> {
        app.must_be_trusted_next(&wanted.which)?;
        let mut tripped = None;
        let claimed = app.surely(|app| {
            app.claim_if(wanted, |unit| {
                tripped = self.look(unit, running)?;
                match tripped {
                    Some(brake) => Err(AppError::Limit {
                        message: brake.to_string(),
                    }),
                    None => Ok(()),
                }
            })
        });
        match (claimed, tripped) {
            (_, Some(brake)) => Ok(Err(brake)),
            (claimed, None) => Ok(Ok(claimed?.remove(0))),
        }
    }

    fn look(&self, unit: &mut Unit<'_>, running: u32) -> Result<Option<Tripped>, AppError> {
        if !self.any() {
            return Ok(None);
        }
        let now = unit.now();
        let mut state = self.state();
        let mut seen = match state.seen {
            Some(seen) => seen,
            None => self.begin(unit)?,
        };
        loop {
            let events = page(unit, seen)?;
            for event in &events {
                if let Some(noted) = noted(event) {
                    state.gauge.note(&noted);
                }
                seen = event.seq;
            }
            if events.len() < PAGE as usize {
                break;
            }
        }
        if state.seen.replace(seen).is_none() && state.forgiving {
            state.gauge.forgive();
        }
        Ok(state.gauge.tripped(&self.brakes, running, now))
    }

    /// The event after which the gauge begins: everything within the longest span that counts comes later, and enough
    /// to see as many failures in a row as are allowed.
    fn begin(&self, unit: &mut Unit<'_>) -> Result<i64, AppError> {
        let now = unit.now();
        let span = self.brakes.span.max(ATTEMPTS_SPAN);
        let most = self.brakes.failures_in_a_row.unwrap_or(0);
        let mut first = unit.tx.newest_event()?;
        let mut failures = 0;
        let mut completed = most == 0;
        while first > 0 {
            first = (first - i64::from(PAGE)).max(0);
            let events = page(unit, first)?;
            for event in &events {
                failures += u32::from(counts_as_failure(event.kind));
                completed |= ends_a_row(event.kind);
            }
            let older = events
                .first()
                .is_none_or(|event| event.at.after(span) <= now);
            if older && (completed || failures >= most) {
                break;
            }
        }
        Ok(first)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn page(unit: &mut Unit<'_>, after: i64) -> Result<Vec<Event>, AppError> {
    let filter = EventFilter {
        entity: None,
        after,
        limit: PAGE,
    };
    Ok(unit.tx.events(&filter)?)
}

fn noted(event: &Event) -> Option<Noted> {
    let AnyId::Task(task) = &event.entity else {
        return None;
    };
    let data: Value = serde_json::from_str(event.data.as_str()).unwrap_or_default();
    let number = |key: &str| data.get(key).and_then(Value::as_u64);
    Some(Noted {
        at: event.at,
        kind: event.kind,
        task: task.clone(),
        attempt: number("attempt").and_then(|number| u32::try_from(number).ok()),
        cost: number("cost_micros").map(Cost::from_micros),
    })
}
