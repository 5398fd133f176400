//! Claims for the loop, which the brakes may refuse.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tasq_domain::brakes::{Brakes, Cost, Gauge, Noted, Tripped, counts_as_failure, ends_a_row};
use tasq_domain::{AnyId, Event, Timestamp};
use tasq_ports::{EventFilter, StoreExt, Tx};

use crate::claim::ClaimTasks;
use crate::context::App;
use crate::error::AppError;
use crate::view::ClaimView;

/// How many events are read at a time.
const PAGE: u32 = 1_000;

/// The brakes of one loop and what they have seen of the queue's log.
pub(super) struct Braking {
    brakes: Brakes,
    /// Whether failures that are older than the loop do not count.
    forgiving: bool,
    state: Mutex<State>,
}

struct State {
    gauge: Gauge,
    /// The newest event that the gauge has taken in; `None` before the first look.
    seen: Option<i64>,
}

/// What the brakes say to a claim.
pub(super) enum Braked {
    /// Here it is.
    Free(Box<ClaimView>),
    /// Not before an attempt that is under way has ended: this row of failures could become too long.
    Waits(Tripped),
    /// Nothing may begin any more.
    Tripped(Tripped),
}

impl Braking {
    pub(super) fn new(brakes: Brakes, forgiving: bool) -> Self {
        let state = State {
            gauge: Gauge::default(),
            seen: None,
        };
        Self {
            brakes,
            forgiving,
            state: Mutex::new(state),
        }
    }

    /// Whether there is anything that could refuse a claim.
    pub(super) const fn any(&self) -> bool {
        self.brakes.any()
    }

    /// Claims one task unless a brake holds. The log is read to its end in the unit that claims, so that loops beside
    /// each other cannot all take the last attempt that is allowed.
    pub(super) fn claim(&self, app: &App<'_>, wanted: &ClaimTasks) -> Result<Braked, AppError> {
        app.must_be_trusted_next(&wanted.which)?;
        if !self.any() {
            let mut claims = app.surely(|app| app.claim(wanted))?;
            return Ok(Braked::Free(Box::new(claims.remove(0))));
        }
        // What is long is read before, where nobody waits for it.
        app.store.read(|tx| self.catch_up(tx))?;
        let mut braked = None;
        let claimed = app.surely(|app| {
            app.claim_if(wanted, |unit| {
                self.catch_up(unit.tx)?;
                braked = self.judge(unit.now());
                match &braked {
                    None => Ok(()),
                    Some(_) => Err(AppError::Limit {
                        message: "a brake holds".to_owned(),
                    }),
                }
            })
        });
        match (claimed, braked) {
            (_, Some(braked)) => Ok(braked),
            (claimed, None) => Ok(Braked::Free(Box::new(claimed?.remove(0)))),
        }
    }

    fn judge(&self, now: Timestamp) -> Option<Braked> {
        let mut state = self.state();
        if let Some(tripped) = state.gauge.tripped(&self.brakes, now) {
            return Some(Braked::Tripped(tripped));
        }
        let failures = Tripped::Failures(state.gauge.failures());
        let waits = state.gauge.must_wait(&self.brakes);
        waits.then_some(Braked::Waits(failures))
    }

    /// Takes in what the log has got since the last look. What a unit that is undone had appended is never seen here:
    /// it begins with this.
    fn catch_up(&self, tx: &mut dyn Tx) -> Result<(), AppError> {
        let mut state = self.state();
        let first = state.seen.is_none();
        let mut seen = match state.seen {
            Some(seen) => seen,
            None => self.begin(tx)?,
        };
        loop {
            let events = page(tx, seen)?;
            for event in &events {
                if let Some(noted) = noted(event) {
                    state.gauge.note(&noted);
                }
                seen = event.seq;
            }
            state.seen = Some(seen);
            if events.len() < PAGE as usize {
                break;
            }
        }
        if first && self.forgiving {
            state.gauge.forgive();
        }
        Ok(())
    }

    /// The event after which the gauge begins: everything that counts comes later.
    fn begin(&self, tx: &mut dyn Tx) -> Result<i64, AppError> {
        let now = tx.now();
        let reach = self.brakes.reach();
        let most = self.brakes.failures_in_a_row.unwrap_or(0);
        let mut first = tx.newest_event()?;
        let (mut failures, mut ended) = (0, most == 0);
        while first > 0 {
            first = (first - i64::from(PAGE)).max(0);
            let events = page(tx, first)?;
            for event in &events {
                failures += u32::from(counts_as_failure(event.kind));
                ended |= ends_a_row(event.kind);
            }
            let begins = events.first();
            let older = begins.is_none_or(|event| event.at.after(reach) <= now);
            if older && (ended || failures >= most) {
                break;
            }
        }
        Ok(first)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn page(tx: &mut dyn Tx, after: i64) -> Result<Vec<Event>, AppError> {
    let filter = EventFilter {
        entity: None,
        after,
        limit: PAGE,
    };
    Ok(tx.events(&filter)?)
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
