//! The loop itself: who claims, who works, and when it ends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tasq_domain::Worker;
use tasq_domain::brakes::Tripped;
use tasq_ports::Runner;

use super::braking::{Braked, Braking};
use super::waits::Wait;
use super::{Limit, RunEnd, RunEvent, RunOptions, Stop, Tally};
use crate::claim::{ClaimTasks, WhichTask};
use crate::context::App;
use crate::error::AppError;
use crate::view::ClaimView;

/// How often a wait looks whether there is news, at the least.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How long a wait trusts that there is no news: a process that dies writes nothing.
const LOOK_ANYWAY: Duration = Duration::from_secs(5);

/// One run of the loop, shared by its threads.
pub(super) struct Crew<'r> {
    pub(super) app: &'r App<'r>,
    pub(super) runner: &'r dyn Runner,
    pub(super) options: &'r RunOptions<'r>,
    pub(super) braking: Braking,
    tally: Mutex<Tally>,
    /// Something failed that no attempt can be blamed for: everything ends.
    aborted: AtomicBool,
    began: Instant,
}

/// What a worker's thread tells the one that leads.
pub(super) enum Note {
    /// Something happened.
    Event(Box<RunEvent>),
    /// A worker has nothing to do any more, or failed in a way that ends the loop.
    Idle(usize, Option<AppError>),
}

/// What came of a try to claim.
enum Tried {
    /// A task, to be worked on.
    Task(Box<ClaimView>),
    /// Nothing is ready.
    Nothing(Box<crate::Waiting>),
    /// Something may be ready, but not before something that is under way somewhere has ended.
    Waits(Tripped),
    /// Nothing more may begin.
    Over(RunEnd),
}

impl<'r> Crew<'r> {
    pub(super) fn new(
        app: &'r App<'r>,
        runner: &'r dyn Runner,
        options: &'r RunOptions<'r>,
    ) -> Self {
        Self {
            app,
            runner,
            options,
            braking: Braking::new(options.brakes.clone(), options.forgiving),
            tally: Mutex::default(),
            aborted: AtomicBool::new(false),
            began: Instant::now(),
        }
    }

    /// Works until nothing is left to do or nothing may be done any more; every worker has ended when this returns.
    pub(super) fn work(&self, tell: &mut dyn FnMut(&RunEvent)) -> Result<RunEnd, AppError> {
        let (notes, heard) = channel();
        thread::scope(|scope| {
            let slots = (0..self.options.jobs.max(1) as usize)
                .map(|slot| {
                    let (hand, inbox) = channel();
                    let notes = notes.clone();
                    scope.spawn(move || self.stand(slot, &inbox, &notes));
                    hand
                })
                .collect();
            drop(notes);
            Lead {
                crew: self,
                slots,
                idle: (0..self.options.jobs.max(1) as usize).rev().collect(),
                heard,
                tell,
                failed: None,
                news: News::default(),
                draining: false,
            }
            .lead()
        })
    }

    /// One worker's thread: carries out what it is handed, and goes on with what a completion claimed.
    fn stand(&self, slot: usize, inbox: &Receiver<ClaimView>, notes: &Sender<Note>) {
        /// Says that the worker is idle, even if it panics.
        struct Last<'s>(&'s AtomicBool, usize, &'s Sender<Note>);
        impl Drop for Last<'_> {
            fn drop(&mut self) {
                if thread::panicking() {
                    self.0.store(true, Ordering::SeqCst);
                    let _ = self.2.send(Note::Idle(self.1, None));
                }
            }
        }
        let _last = Last(&self.aborted, slot, notes);
        for claim in inbox {
            let mut next = Some(claim);
            let mut failed = None;
            while let Some(claim) = next.take() {
                match self.attempt(claim, notes) {
                    Ok(more) => next = more,
                    Err(error) => {
                        self.aborted.store(true, Ordering::SeqCst);
                        failed = Some(error);
                    }
                }
            }
            // Nobody hears it only when the loop has ended.
            let _ = notes.send(Note::Idle(slot, failed));
        }
    }

    /// Whether to stop, for whatever reason.
    pub(super) fn stop(&self) -> Stop {
        if self.aborted.load(Ordering::SeqCst) {
            return Stop::Now(0);
        }
        self.options.host.stop()
    }

    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn took(&self) -> Duration {
        self.began.elapsed()
    }

    /// Takes one of the attempts that are allowed, if one more may begin at all.
    pub(super) fn reserve(&self) -> Result<(), RunEnd> {
        if let Stop::Drain(signal) | Stop::Now(signal) = self.stop() {
            return Err(RunEnd::Interrupted(signal));
        }
        let RunOptions { max, max_time, .. } = self.options;
        if max_time.is_some_and(|most| self.took() >= most) {
            return Err(RunEnd::Limit(Limit::Time));
        }
        let mut tally = self.tally();
        if max.is_some_and(|most| tally.attempts >= most) {
            return Err(RunEnd::Limit(Limit::Attempts));
        }
        tally.attempts += 1;
        Ok(())
    }

    /// Gives an attempt back that did not begin.
    pub(super) fn unreserve(&self) {
        self.tally().attempts -= 1;
    }

    fn claim(&self, slot: usize) -> Result<Tried, AppError> {
        if let Err(end) = self.reserve() {
            return Ok(Tried::Over(end));
        }
        let options = self.options;
        let wanted = ClaimTasks {
            which: WhichTask::Next(options.scope.clone()),
            worker: worker(options, slot),
            lease: options.lease,
            count: 1,
            pid: options.pid,
        };
        let outcome = self.braking.claim(self.app, &wanted);
        if !matches!(outcome, Ok(Braked::Free(_))) {
            self.unreserve();
        }
        match outcome {
            Ok(Braked::Free(claim)) => Ok(Tried::Task(claim)),
            Ok(Braked::Waits(failures)) => Ok(Tried::Waits(failures)),
            Ok(Braked::Tripped(brake)) => Ok(Tried::Over(RunEnd::Limit(Limit::Brake(brake)))),
            Err(AppError::NothingReady(waiting)) => Ok(Tried::Nothing(waiting)),
            Err(error) => Err(error),
        }
    }
}

/// The name of the worker in a slot: one alone has the name that was given.
fn worker(options: &RunOptions<'_>, slot: usize) -> Worker {
    if options.jobs <= 1 {
        return options.worker.clone();
    }
    let name = format!("{}#{}", options.worker, slot + 1);
    Worker::new(name).unwrap_or_else(|_| options.worker.clone())
}

/// The thread that claims, hands out and tells.
struct Lead<'l, 'r> {
    crew: &'l Crew<'r>,
    slots: Vec<Sender<ClaimView>>,
    idle: Vec<usize>,
    heard: Receiver<Note>,
    tell: &'l mut dyn FnMut(&RunEvent),
    failed: Option<AppError>,
    news: News,
    /// Whether it was told that nothing more is begun.
    draining: bool,
}

impl Lead<'_, '_> {
    fn lead(mut self) -> Result<RunEnd, AppError> {
        let crew = self.crew;
        let mut waited = Duration::ZERO;
        let mut told = false;
        loop {
            self.hear();
            if self.running() > 0 && (self.idle.is_empty() || self.is_over()) {
                self.tell_of_draining();
                let _ = self.hear_one(Some(LOOK_AGAIN));
                continue;
            }
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            let Some(&slot) = self.idle.last() else {
                continue;
            };
            let stamp = crew.options.host.news();
            match self.try_claim(slot)? {
                Tried::Task(claim) => {
                    (waited, told) = (Duration::ZERO, false);
                    self.news = News::default();
                    self.hand(slot, *claim);
                }
                Tried::Over(_) if self.running() > 0 => drop(self.hear_one(None)),
                Tried::Over(end) => return self.end(end),
                Tried::Waits(failures) => {
                    self.news.look(stamp);
                    let alone = self.running() == 0;
                    if alone && waited >= crew.options.max_wait {
                        return Ok(RunEnd::Limit(Limit::Brake(failures)));
                    }
                    let rested = self.rest(None);
                    waited += if alone { rested } else { Duration::ZERO };
                }
                Tried::Nothing(_) if self.running() > 0 => {
                    self.news.look(stamp);
                    let _ = self.rest(None);
                }
                Tried::Nothing(waiting) => {
                    self.news.look(stamp);
                    let left = crew.options.max_wait.saturating_sub(waited);
                    let wait = crew.app.wait_for(crew.options, &waiting, left)?;
                    let (until, counts) = match wait {
                        Wait::End(_) if crew.options.watch => (None, false),
                        Wait::End(end) => return Ok(end),
                        Wait::Retry(span, until) => (Some((span, until)), false),
                        Wait::Others(span, until) => (Some((span, until)), !crew.options.watch),
                    };
                    if !told {
                        (self.tell)(&RunEvent::Waiting {
                            until: until.map(|(_, until)| until),
                        });
                        told = true;
                    }
                    let slept = self.rest(until.map(|(span, _)| span));
                    if counts {
                        waited += slept;
                    }
                }
            }
        }
    }

    fn running(&self) -> usize {
        self.slots.len() - self.idle.len()
    }

    /// Whether nothing more is handed out, and only what runs is waited for.
    fn is_over(&self) -> bool {
        self.failed.is_some() || !matches!(self.crew.stop(), Stop::GoOn)
    }

    fn tell_of_draining(&mut self) {
        if !self.draining && matches!(self.crew.stop(), Stop::Drain(_)) {
            self.draining = true;
            let running = u32::try_from(self.running()).unwrap_or(u32::MAX);
            (self.tell)(&RunEvent::Draining { running });
        }
    }

    fn try_claim(&mut self, slot: usize) -> Result<Tried, AppError> {
        match self.crew.claim(slot) {
            // What runs is stopped and given back first.
            Err(error) if self.running() > 0 => {
                self.crew.aborted.store(true, Ordering::SeqCst);
                self.failed.get_or_insert(error);
                Ok(Tried::Over(RunEnd::Remaining))
            }
            tried => tried,
        }
    }

    fn hand(&mut self, slot: usize, claim: ClaimView) {
        if self.slots[slot].send(claim).is_ok() {
            self.idle.pop();
        }
    }

    /// Takes in what was said meanwhile.
    fn hear(&mut self) {
        while let Ok(note) = self.heard.try_recv() {
            self.take(note);
        }
    }

    /// Waits until something is said, at most `limit`; whether something was.
    fn hear_one(&mut self, limit: Option<Duration>) -> bool {
        let note = match limit {
            Some(limit) => self.heard.recv_timeout(limit),
            None => self.heard.recv().map_err(RecvTimeoutError::from),
        };
        match note {
            Ok(note) => {
                self.take(note);
                true
            }
            Err(_) => false,
        }
    }

    fn take(&mut self, note: Note) {
        match note {
            Note::Event(event) => (self.tell)(&event),
            Note::Idle(slot, failed) => {
                self.idle.push(slot);
                if let Some(error) = failed {
                    self.failed.get_or_insert(error);
                }
            }
        }
    }

    /// Rests until there may be something to do: a worker is done, the time has come, the store has news, or we are
    /// asked to stop. Returns how long it was to rest.
    fn rest(&mut self, until: Option<Duration>) -> Duration {
        let host = self.crew.options.host;
        let mut left = until.unwrap_or(LOOK_ANYWAY).min(LOOK_ANYWAY);
        if let Some(most) = self.crew.options.max_time {
            left = left.min(most.saturating_sub(self.crew.took()));
        }
        let mut rested = Duration::ZERO;
        while !left.is_zero() {
            let span = left.min(LOOK_AGAIN);
            if self.running() > 0 {
                if self.hear_one(Some(span)) {
                    break;
                }
            } else {
                host.pause(span);
            }
            rested += span;
            left -= span;
            if !matches!(self.crew.stop(), Stop::GoOn) || self.news.there_are(host.news()) {
                break;
            }
        }
        rested
    }

    /// At a limit: the limit is the reason only if more could have been done.
    fn end(&mut self, end: RunEnd) -> Result<RunEnd, AppError> {
        match end {
            RunEnd::Limit(_) => {
                let counts = self.crew.app.waiting(&self.crew.options.scope)?.counts;
                Ok(
                    match (counts.pending + counts.in_progress, counts.blocked) {
                        (0, 0) => RunEnd::AllCompleted,
                        (0, _) => RunEnd::Remaining,
                        _ => end,
                    },
                )
            }
            end => Ok(end),
        }
    }
}

/// Whether the store was written to since the last look. A stamp is trusted from the second look at which it is the
/// same: what was written in the very instant of the first may not show.
#[derive(Default)]
struct News {
    stamp: Option<u64>,
    trusted: bool,
}

impl News {
    /// Remembers the stamp that was there before a look at the store.
    fn look(&mut self, stamp: Option<u64>) {
        self.trusted = stamp.is_some() && stamp == self.stamp;
        self.stamp = stamp;
    }

    fn there_are(&self, stamp: Option<u64>) -> bool {
        !self.trusted || stamp != self.stamp
    }
}

impl RunEnd {
    /// The brake that brought it about, if it was one.
    #[must_use]
    pub const fn brake(&self) -> Option<Tripped> {
        match self {
            Self::Limit(Limit::Brake(tripped)) => Some(*tripped),
            _ => None,
        }
    }
}
