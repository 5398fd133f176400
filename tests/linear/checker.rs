//! Whether a history of concurrent calls about one task could have happened one after the other.
//!
//! A search in the manner of Wing and Gong: of the calls that come next in each thread, one that no other has ended
//! before may be first; it must answer what a task that is written to by one at a time would have answered. States
//! that were seen are not searched again, so a history of some hundred calls takes no time.

use std::collections::HashSet;

/// What a claim hands out: the number of the attempt, and what makes the token its own.
pub(super) type Ticket = (u32, u64);

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    Claim,
    Heartbeat(Ticket),
    Complete(Ticket),
    Fail(Ticket),
    Release(Ticket),
    /// A person ends the wait after a failure.
    Retry,
    /// A person takes the task from its holder, or reopens it.
    TakeOver,
    /// A look at what it is.
    Look,
}

/// What was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Granted(Ticket),
    Done,
    Refused,
    Seen(Task),
}

/// A call that was answered. Its instants are those of one clock for all threads, none of them twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) begun: u64,
    pub(super) ended: u64,
    pub(super) ask: Ask,
    pub(super) answer: Answer,
}

/// A task as one would find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Task {
    pub(super) attempts: u32,
    pub(super) stands: Stands,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Stands {
    #[default]
    Ready,
    Waiting,
    Held(Ticket),
    Completed,
}

impl Task {
    /// The task after a call, or `None` if the call cannot have been answered like this.
    fn after(self, ask: Ask, answer: Answer) -> Option<Self> {
        let to = |stands| Some(Self { stands, ..self });
        match (ask, answer) {
            (Ask::Look, Answer::Seen(seen)) => (seen == self).then_some(self),
            (Ask::Claim, Answer::Granted(ticket)) => {
                let attempts = self.attempts + 1;
                let stands = Stands::Held(ticket);
                (self.stands == Stands::Ready && ticket.0 == attempts)
                    .then_some(Self { attempts, stands })
            }
            (_, Answer::Done) => match (ask, self.stands) {
                (Ask::Heartbeat(ticket), Stands::Held(held)) if held == ticket => Some(self),
                (Ask::Complete(ticket), Stands::Held(held)) if held == ticket => {
                    to(Stands::Completed)
                }
                (Ask::Fail(ticket), Stands::Held(held)) if held == ticket => to(Stands::Waiting),
                (Ask::Release(ticket), Stands::Held(held)) if held == ticket => to(Stands::Ready),
                (Ask::Retry, Stands::Ready | Stands::Waiting)
                | (Ask::TakeOver, Stands::Held(_) | Stands::Completed) => to(Stands::Ready),
                _ => None,
            },
            (_, Answer::Refused) => match (ask, self.stands) {
                (Ask::Claim, Stands::Ready)
                | (Ask::Retry | Ask::Look, Stands::Ready | Stands::Waiting)
                | (Ask::TakeOver, Stands::Held(_) | Stands::Completed) => None,
                (
                    Ask::Heartbeat(ticket)
                    | Ask::Complete(ticket)
                    | Ask::Fail(ticket)
                    | Ask::Release(ticket),
                    Stands::Held(held),
                ) if held == ticket => None,
                _ => Some(self),
            },
            _ => None,
        }
    }
}

/// Whether the calls of these threads, each in its order, could have happened one after the other to a new task.
pub(super) fn linearizable(threads: &[Vec<Call>]) -> bool {
    let start = (vec![0; threads.len()], Task::default());
    let mut seen = HashSet::from([start.clone()]);
    let mut open = vec![start];
    while let Some((done, task)) = open.pop() {
        let next = |thread: usize| threads[thread].get(done[thread]);
        let Some(first_end) = (0..threads.len())
            .filter_map(next)
            .map(|call| call.ended)
            .min()
        else {
            return true;
        };
        for thread in 0..threads.len() {
            // What begins after another has ended comes after it.
            let Some(call) = next(thread).filter(|call| call.begun <= first_end) else {
                continue;
            };
            if let Some(task) = task.after(call.ask, call.answer) {
                let mut done = done.clone();
                done[thread] += 1;
                if seen.insert((done.clone(), task)) {
                    open.push((done, task));
                }
            }
        }
    }
    false
}
