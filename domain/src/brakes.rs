//! Brakes: what stops loops from spending without end. They look at the queue's log, which all loops write, so that
//! neither a restart nor a second loop gets around them.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use crate::event::EventKind;
use crate::id::TaskId;
use crate::time::Timestamp;

/// The span in which attempts are counted.
pub const ATTEMPTS_SPAN: Duration = Duration::from_secs(3_600);
/// The span in which work and cost are counted, unless another is asked for.
pub const SPENDING_SPAN: Duration = Duration::from_secs(24 * 3_600);

/// A sum of money in millionths of a dollar. Arithmetic saturates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Cost(u64);

impl Cost {
    /// So many millionths of a dollar.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// A decimal number of dollars, rounded to a millionth; `None` if it is negative, no number, or above a billion.
    ///
    /// ```
    /// use tasq_domain::brakes::Cost;
    /// assert_eq!(Cost::from_dollars(0.25), Some(Cost::from_micros(250_000)));
    /// assert_eq!(Cost::from_dollars(-1.0), None);
    /// ```
    #[must_use]
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        const MOST: f64 = 1e9;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is between 0 and 1e15, which a double and 64 bits both hold"
        )]
        (0.0..=MOST)
            .contains(&dollars)
            .then(|| Self((dollars * 1e6).round() as u64))
    }

    /// Millionths of a dollar.
    #[must_use]
    pub const fn micros(self) -> u64 {
        self.0
    }

    fn plus(self, more: Self) -> Self {
        Self(self.0.saturating_add(more.0))
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "${}.{:02}",
            self.0 / 1_000_000,
            self.0 % 1_000_000 / 10_000
        )
    }
}

/// How much is allowed; `None` is any amount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brakes {
    /// Attempts that end in failure, with none between them that completes its task.
    pub failures_in_a_row: Option<u32>,
    /// Attempts begun within [`ATTEMPTS_SPAN`].
    pub attempts_per_hour: Option<u32>,
    /// The time that attempts took within the span, those under way included.
    pub work: Option<Duration>,
    /// What attempts reported to have cost within the span.
    pub cost: Option<Cost>,
    /// The span for work and cost.
    pub span: Duration,
}

impl Default for Brakes {
    /// None.
    fn default() -> Self {
        Self {
            failures_in_a_row: None,
            attempts_per_hour: None,
            work: None,
            cost: None,
            span: SPENDING_SPAN,
        }
    }
}

impl Brakes {
    /// How far back what counts may lie, failures in a row apart.
    #[must_use]
    pub fn reach(&self) -> Duration {
        let attempts = self.attempts_per_hour.map(|_| ATTEMPTS_SPAN);
        let spending = (self.work.is_some() || self.cost.is_some()).then_some(self.span);
        attempts.max(spending).unwrap_or_default()
    }

    /// Whether there is any.
    #[must_use]
    pub const fn any(&self) -> bool {
        self.failures_in_a_row.is_some()
            || self.attempts_per_hour.is_some()
            || self.work.is_some()
            || self.cost.is_some()
    }
}

/// Whether an event of this kind adds to the failures in a row.
#[must_use]
pub const fn counts_as_failure(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Failed | EventKind::TimedOut | EventKind::Lost
    )
}

/// Whether an event of this kind ends a row of failures: something succeeded, or a person looked at what failed.
#[must_use]
pub const fn ends_a_row(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Completed | EventKind::Retried | EventKind::Unblocked
    )
}

/// A brake that stops, with what it saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tripped {
    /// So many attempts in a row failed.
    Failures(u32),
    /// So many attempts began within the hour.
    Attempts(u32),
    /// Attempts took so long.
    Work(Duration),
    /// Attempts cost so much.
    Cost(Cost),
}

impl Tripped {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failures(_) => "failures",
            Self::Attempts(_) => "attempts_per_hour",
            Self::Work(_) => "work",
            Self::Cost(_) => "cost",
        }
    }
}

impl fmt::Display for Tripped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failures(count) => write!(f, "{count} attempts in a row failed"),
            Self::Attempts(count) => write!(f, "{count} attempts began within the hour"),
            Self::Work(span) => write!(f, "attempts took {} s", span.as_secs()),
            Self::Cost(cost) => write!(f, "attempts cost {cost}"),
        }
    }
}

/// One event of a task, as far as brakes care.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// The task.
    pub task: TaskId,
    /// The attempt, where it is about one.
    pub attempt: Option<u32>,
    /// What the attempt cost, if that was reported.
    pub cost: Option<Cost>,
}

/// What brakes have seen so far. Events go in once each, in their order.
#[derive(Debug, Clone, Default)]
pub struct Gauge {
    failures: u32,
    begun: VecDeque<Timestamp>,
    open: BTreeMap<TaskId, Timestamp>,
    spent: VecDeque<(Timestamp, Duration, Cost)>,
}

impl Gauge {
    /// Takes in one event.
    pub fn note(&mut self, noted: &Noted) {
        let Noted {
            at,
            kind,
            task,
            attempt,
            cost,
        } = noted;
        match kind {
            EventKind::Claimed => {
                self.begun.push_back(*at);
                self.open.insert(task.clone(), *at);
            }
            kind if counts_as_failure(*kind) => self.failures = self.failures.saturating_add(1),
            kind if ends_a_row(*kind) => self.failures = 0,
            _ => {}
        }
        if *kind != EventKind::Claimed && attempt.is_some() && kind.ends_an_attempt() {
            let took = self.open.remove(task).map(|began| at.since(began));
            let entry = (*at, took.unwrap_or_default(), cost.unwrap_or_default());
            self.spent.push_back(entry);
        } else if let (EventKind::LateMessage, Some(cost)) = (kind, cost) {
            // The worker ended its attempt itself, and its report came after that.
            self.spent.push_back((*at, Duration::ZERO, *cost));
        }
    }

    /// How many attempts failed in a row.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// Forgets the failures in a row that it has seen.
    pub const fn forgive(&mut self) {
        self.failures = 0;
    }

    /// Whether another attempt has to wait for one that is under way: if all of those fail, as many do in a row as are
    /// allowed. So never more of them do, however many loops there are.
    #[must_use]
    pub fn must_wait(&self, brakes: &Brakes) -> bool {
        let open = u32::try_from(self.open.len()).unwrap_or(u32::MAX);
        let most = brakes.failures_in_a_row;
        most.is_some_and(|most| self.failures.saturating_add(open) >= most)
    }

    /// The brake that lets no attempt begin now, if any does.
    #[must_use]
    pub fn tripped(&mut self, brakes: &Brakes, now: Timestamp) -> Option<Tripped> {
        let Brakes {
            failures_in_a_row,
            attempts_per_hour,
            work,
            cost,
            span,
        } = brakes;
        let within = |at: &Timestamp, span: Duration| at.after(span) > now;
        while self
            .begun
            .front()
            .is_some_and(|at| !within(at, ATTEMPTS_SPAN))
        {
            self.begun.pop_front();
        }
        while self
            .spent
            .front()
            .is_some_and(|(at, ..)| !within(at, *span))
        {
            self.spent.pop_front();
        }
        if failures_in_a_row.is_some_and(|most| self.failures >= most) {
            return Some(Tripped::Failures(self.failures));
        }
        let begun = u32::try_from(self.begun.len()).unwrap_or(u32::MAX);
        if attempts_per_hour.is_some_and(|most| begun >= most) {
            return Some(Tripped::Attempts(begun));
        }
        let open = self.open.values().map(|began| now.since(*began));
        let ended = self.spent.iter().map(|(_, took, _)| *took);
        let took = open
            .chain(ended)
            .fold(Duration::ZERO, Duration::saturating_add);
        if work.is_some_and(|most| took >= most) {
            return Some(Tripped::Work(took));
        }
        let spent = self.spent.iter().map(|(.., cost)| *cost);
        let spent = spent.fold(Cost::default(), Cost::plus);
        if cost.is_some_and(|most| spent >= most) {
            return Some(Tripped::Cost(spent));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = ATTEMPTS_SPAN;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_micros(secs * 1_000_000)
    }

    fn noted(kind: EventKind, secs: i64) -> Noted {
        Noted {
            at: at(secs),
            kind,
            task: TaskId::new("A").unwrap(),
            attempt: Some(1),
            cost: None,
        }
    }

    fn gauge(events: &[Noted]) -> Gauge {
        let mut gauge = Gauge::default();
        for event in events {
            gauge.note(event);
        }
        gauge
    }

    #[test]
    fn failures_in_a_row_trip_until_one_completes_or_a_person_looks() {
        let brakes = Brakes {
            failures_in_a_row: Some(3),
            ..Brakes::default()
        };
        let failing = [EventKind::Failed, EventKind::TimedOut, EventKind::Lost];
        let mut events: Vec<Noted> = failing.iter().map(|&kind| noted(kind, 0)).collect();
        assert_eq!(
            gauge(&events).tripped(&brakes, at(0)),
            Some(Tripped::Failures(3))
        );
        assert_eq!(gauge(&events[1..]).tripped(&brakes, at(0)), None);
        let mut under_way = gauge(&events[1..]);
        assert!(!under_way.must_wait(&brakes));
        under_way.note(&noted(EventKind::Claimed, 1));
        assert!(under_way.must_wait(&brakes), "it may be the third");
        under_way.note(&noted(EventKind::Released, 2));
        assert!(!under_way.must_wait(&brakes));
        for kind in [EventKind::Released, EventKind::Created] {
            events.push(noted(kind, 1));
            assert!(gauge(&events).tripped(&brakes, at(1)).is_some());
        }
        for kind in [
            EventKind::Completed,
            EventKind::Retried,
            EventKind::Unblocked,
        ] {
            let mut events = events.clone();
            events.push(noted(kind, 2));
            assert_eq!(gauge(&events).tripped(&brakes, at(2)), None);
        }
        let mut forgiven = gauge(&events);
        forgiven.forgive();
        assert_eq!(forgiven.tripped(&brakes, at(3)), None);
    }

    #[test]
    fn attempts_of_the_last_hour_count() {
        let brakes = Brakes {
            attempts_per_hour: Some(2),
            ..Brakes::default()
        };
        let mut gauge = gauge(&[noted(EventKind::Claimed, 0), noted(EventKind::Claimed, 10)]);
        assert_eq!(gauge.tripped(&brakes, at(20)), Some(Tripped::Attempts(2)));
        let later = at(0).after(HOUR);
        assert_eq!(gauge.tripped(&brakes, later), None);
    }

    #[test]
    fn work_counts_what_ended_and_what_is_under_way() {
        let brakes = Brakes {
            work: Some(Duration::from_secs(15)),
            ..Brakes::default()
        };
        let events = [
            noted(EventKind::Claimed, 0),
            noted(EventKind::Completed, 10),
            noted(EventKind::Claimed, 20),
        ];
        assert_eq!(gauge(&events).tripped(&brakes, at(24)), None);
        let taken = Duration::from_secs(15);
        assert_eq!(
            gauge(&events).tripped(&brakes, at(25)),
            Some(Tripped::Work(taken))
        );
    }

    #[test]
    fn cost_that_is_reported_after_the_end_counts_too() {
        let brakes = Brakes {
            cost: Cost::from_dollars(1.0),
            ..Brakes::default()
        };
        let mut gauge = Gauge::default();
        let late = |cost| Noted {
            at: Timestamp::from_micros(1),
            kind: EventKind::LateMessage,
            task: TaskId::new("T").unwrap(),
            attempt: Some(1),
            cost,
        };
        gauge.note(&late(None));
        assert_eq!(gauge.tripped(&brakes, Timestamp::from_micros(2)), None);
        gauge.note(&late(Cost::from_dollars(1.0)));
        assert!(gauge.tripped(&brakes, Timestamp::from_micros(2)).is_some());
    }

    #[test]
    fn cost_is_summed_within_its_span() {
        let brakes = Brakes {
            cost: Cost::from_dollars(1.0),
            span: Duration::from_secs(60),
            ..Brakes::default()
        };
        let costly = |secs| Noted {
            cost: Cost::from_dollars(0.5),
            ..noted(EventKind::Failed, secs)
        };
        let mut gauge = gauge(&[costly(0), costly(30)]);
        let all = Cost::from_micros(1_000_000);
        assert_eq!(gauge.tripped(&brakes, at(59)), Some(Tripped::Cost(all)));
        assert_eq!(gauge.tripped(&brakes, at(60)), None);
    }

    #[test]
    fn a_cost_is_a_sane_number_of_dollars() {
        for bad in [-0.1, f64::NAN, f64::INFINITY, 1e12] {
            assert_eq!(Cost::from_dollars(bad), None, "{bad}");
        }
        assert_eq!(Cost::from_dollars(12.345).unwrap().to_string(), "$12.34");
    }
}
