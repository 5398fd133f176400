//! What the view knows of the loop.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tasq_app::{Finish, RunEvent};
use tasq_domain::{Status, StatusCounts, Timestamp};
use tasq_formats::duration;

use crate::output::{Cell, Table, Text, Tone};

/// How far back the rate looks.
const RATE_SPAN: Duration = Duration::from_secs(600);
/// How many results the table at the end shows at the most.
const SHOWN_RESULTS: usize = 20;

/// The loop as it is seen.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) began: Instant,
    pub(super) counts: StatusCounts,
    /// The tasks under way, the oldest first.
    pub(super) rows: Vec<Row>,
    pub(super) completed: u32,
    pub(super) failed: u32,
    pub(super) state: State,
    /// When tasks were completed lately.
    lately: VecDeque<Instant>,
    /// What was done, in the order of the ends.
    results: Vec<Done>,
}

/// A task under way.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) attempt: u32,
    pub(super) since: Instant,
    pub(super) verifying: bool,
}

/// What the loop as a whole does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Working,
    /// Nothing is ready until then.
    Waiting(Option<Timestamp>),
    /// It was asked to stop and lets end what runs.
    Draining,
}

#[derive(Debug)]
struct Done {
    id: String,
    title: String,
    attempts: u32,
    word: &'static str,
    tone: Tone,
    took: Duration,
}

impl Model {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began: now,
            counts: StatusCounts::default(),
            rows: Vec::new(),
            completed: 0,
            failed: 0,
            state: State::Working,
            lately: VecDeque::new(),
            results: Vec::new(),
        }
    }

    pub(super) fn tell(&mut self, event: &RunEvent, now: Instant) {
        match event {
            RunEvent::Started(claim) => {
                let task = &claim.task.record.task;
                if self.state != State::Draining {
                    self.state = State::Working;
                }
                self.moved(Status::Pending, Status::InProgress);
                self.rows.push(Row {
                    id: task.id.as_str().to_owned(),
                    title: task.description.title().to_owned(),
                    attempt: claim.token.attempt,
                    since: now,
                    verifying: false,
                });
            }
            RunEvent::Verifying(task) => {
                if let Some(row) = self.rows.iter_mut().find(|row| row.id == task.as_str()) {
                    row.verifying = true;
                }
            }
            RunEvent::Finished {
                task, how, took, ..
            } => {
                let task = &task.record.task;
                self.rows.retain(|row| row.id != task.id.as_str());
                self.moved(Status::InProgress, task.status);
                let (word, tone) = words(how);
                match how {
                    Finish::Completed => {
                        self.completed += 1;
                        self.lately.push_back(now);
                    }
                    Finish::Failed(_) | Finish::Blocked(_) => self.failed += 1,
                    Finish::Released | Finish::Elsewhere => {}
                }
                self.done(
                    task.id.as_str(),
                    task.description.title(),
                    word,
                    tone,
                    *took,
                );
            }
            RunEvent::Waiting { until } => {
                if self.state != State::Draining {
                    self.state = State::Waiting(*until);
                }
            }
            RunEvent::Draining { .. } => self.state = State::Draining,
            RunEvent::Regressed { reopened, .. } => {
                for _ in reopened {
                    self.moved(Status::Completed, Status::Pending);
                }
            }
            RunEvent::Ended { .. } => self.rows.clear(),
        }
    }

    /// Between two looks at the queue the numbers follow what is told.
    fn moved(&mut self, from: Status, to: Status) {
        // Others may have been faster, and the next look sets it right.
        if let Some(fewer) = self.number(from).checked_sub(1) {
            *self.number(from) = fewer;
            *self.number(to) += 1;
        }
    }

    const fn number(&mut self, status: Status) -> &mut u64 {
        match status {
            Status::Pending => &mut self.counts.pending,
            Status::InProgress => &mut self.counts.in_progress,
            Status::Completed => &mut self.counts.completed,
            Status::Blocked => &mut self.counts.blocked,
        }
    }

    pub(super) const fn count(&mut self, counts: StatusCounts) {
        self.counts = counts;
    }

    /// Whether there is anything to be seen yet.
    pub(super) fn is_empty(&self) -> bool {
        self.counts.total() == 0 && self.rows.is_empty()
    }

    /// How many tasks a minute were completed lately; `None` before that can be told.
    pub(super) fn per_minute(&self, now: Instant) -> Option<f64> {
        let span = (now - self.began).min(RATE_SPAN);
        let counted = self.lately.iter().filter(|&&at| now - at <= span).count();
        let counted = u32::try_from(counted).unwrap_or(u32::MAX);
        (counted >= 2 && !span.is_zero()).then(|| f64::from(counted) * 60.0 / span.as_secs_f64())
    }

    /// How long the rest takes at this rate.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        let open = self.counts.pending + self.counts.in_progress;
        let open = f64::from(u32::try_from(open).unwrap_or(u32::MAX));
        let minutes = open / self.per_minute(now)?;
        Duration::try_from_secs_f64((minutes * 60.0).round()).ok()
    }

    fn done(&mut self, id: &str, title: &str, word: &'static str, tone: Tone, took: Duration) {
        if let Some(done) = self.results.iter_mut().find(|done| done.id == id) {
            done.attempts += 1;
            done.took += took;
            (done.word, done.tone) = (word, tone);
            return;
        }
        self.results.push(Done {
            id: id.to_owned(),
            title: title.to_owned(),
            attempts: 1,
            word,
            tone,
            took,
        });
    }

    /// The table of what was done: what did not succeed first, then what took longest.
    pub(super) fn results(&self, text: &mut Text) {
        let mut rows: Vec<&Done> = self.results.iter().collect();
        rows.sort_by_key(|done| (done.tone == Tone::Good, std::cmp::Reverse(done.took)));
        let mut table = Table::new(&["result", "attempts", "time", "task", "title"]);
        for done in rows.iter().take(SHOWN_RESULTS) {
            table.row(vec![
                Cell::new(done.word, done.tone),
                done.attempts.to_string().into(),
                shown(done.took).into(),
                Cell::new(done.id.as_str(), Tone::Strong),
                done.title.as_str().into(),
            ]);
        }
        if rows.len() > 1 {
            text.end();
            text.table(&table);
            if let Some(more) = rows.len().checked_sub(SHOWN_RESULTS).filter(|&it| it > 0) {
                text.paint(Tone::Faint, &format!("… and {more} more")).end();
            }
            text.end();
        }
    }
}

fn words(how: &Finish) -> (&'static str, Tone) {
    match how {
        Finish::Completed => ("completed", Tone::Good),
        Finish::Failed(_) => ("failed", Tone::Bad),
        Finish::Blocked(_) => ("blocked", Tone::Bad),
        Finish::Released => ("released", Tone::Busy),
        Finish::Elsewhere => ("elsewhere", Tone::Busy),
    }
}

/// A time for people who watch: whole seconds from the tenth on.
pub(super) fn shown(span: Duration) -> String {
    if span < Duration::from_secs(10) {
        return format!("{:.1}s", span.as_secs_f64());
    }
    duration::shown(Duration::from_secs(span.as_secs()))
}
