//! What was promised, held against what workers were told and what is in the store. Pure: a forged log is found out, too.

use std::collections::HashMap;

use tasq_domain::{Attempt, Contents, Outcome, Status, Task, TaskId};
use tasq_ports::{Finding, Severity};

use super::acks::{Ack, Told};

/// What a store promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Promise {
    /// What was acknowledged is there, whoever was killed afterwards.
    NothingLost,
    /// An attempt belongs to one worker, a token is issued once, a task is completed once.
    NothingDoubled,
    /// A write that was refused changed nothing.
    StaleRefused,
    /// The attempts at a task follow each other, and are as many as it says.
    AttemptsAgree,
    /// What `doctor` checks: the rules of a task's life, and parents that follow from what is below them.
    Sound,
    /// While workers live, every task ends completed or blocked.
    EverythingEnds,
    /// Nobody met an error.
    NoErrors,
    /// Nobody waits for ever while others write.
    Fair,
}

impl Promise {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::NothingLost => "nothing_lost",
            Self::NothingDoubled => "nothing_doubled",
            Self::StaleRefused => "stale_refused",
            Self::AttemptsAgree => "attempts_agree",
            Self::Sound => "sound",
            Self::EverythingEnds => "everything_ends",
            Self::NoErrors => "no_errors",
            Self::Fair => "fair",
        }
    }
}

/// A promise that was broken, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) promise: Promise,
    pub(super) what: String,
}

impl Promise {
    pub(super) fn broken(self, what: impl Into<String>) -> Violation {
        Violation {
            promise: self,
            what: what.into(),
        }
    }
}

/// Everything that is not as promised: `added` are the tasks that were added, `acks` what workers were told, `findings`
/// what `doctor` found.
pub(super) fn judge(
    added: &[TaskId],
    acks: &[Ack],
    contents: &Contents,
    findings: &[Finding],
) -> Vec<Violation> {
    let mut attempts: HashMap<&TaskId, Vec<&Attempt>> = HashMap::new();
    for attempt in &contents.attempts {
        attempts.entry(&attempt.task).or_default().push(attempt);
    }
    let tasks: HashMap<&TaskId, &Task> = contents.tasks.iter().map(|it| (&it.id, it)).collect();
    let mut broken = Vec::new();
    for id in added {
        match tasks.get(id) {
            None => broken.push(Promise::NothingLost.broken(format!("{id} was added and is gone"))),
            Some(task) => {
                let of_task = attempts.get(id).map_or(&[][..], Vec::as_slice);
                broken.extend(task_and_attempts(task, of_task));
            }
        }
    }
    broken.extend(issued_twice(acks));
    for ack in acks {
        let of_task = attempts.get(&ack.task).map_or(&[][..], Vec::as_slice);
        let attempt = of_task.iter().find(|attempt| attempt.token == ack.token);
        broken.extend(against_store(
            ack,
            attempt.copied(),
            tasks.get(&ack.task).copied(),
        ));
    }
    broken.extend(sound(findings));
    broken
}

/// What `doctor` found, where it is a problem.
pub(super) fn sound(findings: &[Finding]) -> impl Iterator<Item = Violation> {
    let problems = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Problem);
    problems.map(|finding| {
        let Finding {
            check, place, what, ..
        } = finding;
        Promise::Sound.broken(format!("{}: {place}: {what}", check.as_str()))
    })
}

/// What a task and its attempts do not agree on.
fn task_and_attempts(task: &Task, attempts: &[&Attempt]) -> Vec<Violation> {
    let id = &task.id;
    let mut broken = Vec::new();
    if !matches!(task.status, Status::Completed | Status::Blocked) {
        let what = format!("{id} is {} in the end", task.status);
        broken.push(Promise::EverythingEnds.broken(what));
    }
    let numbers: Vec<u32> = attempts.iter().map(|it| it.token.attempt).collect();
    if !numbers.iter().copied().eq(1..=task.attempts) {
        let count = task.attempts;
        let what =
            format!("{id} counts {count} attempts, but has those with the numbers {numbers:?}");
        broken.push(Promise::AttemptsAgree.broken(what));
    }
    for pair in attempts.windows(2) {
        let ended = pair[0].end.as_ref().map(|end| end.at);
        if ended.is_none_or(|at| at > pair[1].started_at) {
            let (first, second) = (pair[0].token.attempt, pair[1].token.attempt);
            let what = format!("attempt {second} of {id} began before attempt {first} had ended");
            broken.push(Promise::NothingDoubled.broken(what));
        }
    }
    let completed = attempts
        .iter()
        .filter(|attempt| outcome(attempt) == Some(Outcome::Completed))
        .count();
    if completed != usize::from(task.status == Status::Completed) {
        let what = format!(
            "{id} is {} after {completed} attempts that completed it",
            task.status
        );
        let promise = match completed {
            0 | 1 => Promise::AttemptsAgree,
            _ => Promise::NothingDoubled,
        };
        broken.push(promise.broken(what));
    }
    broken
}

/// Attempts, tokens and completions that two workers were told of.
fn issued_twice(acks: &[Ack]) -> Vec<Violation> {
    let mut broken = Vec::new();
    let mut attempts: HashMap<(&TaskId, u32), &Ack> = HashMap::new();
    let mut nonces: HashMap<u64, &Ack> = HashMap::new();
    let mut completed: HashMap<&TaskId, &Ack> = HashMap::new();
    let mut twice = |what: String, first: &Ack, second: &Ack| {
        let (first, second) = (&first.worker, &second.worker);
        let what = format!("{what} by {first} and by {second}");
        broken.push(Promise::NothingDoubled.broken(what));
    };
    for ack in acks {
        let (task, number) = (&ack.task, ack.token.attempt);
        match ack.told {
            Told::Claimed => {
                if let Some(first) = attempts.insert((task, number), ack) {
                    twice(
                        format!("attempt {number} of {task} was claimed"),
                        first,
                        ack,
                    );
                }
                if let Some(first) = nonces.insert(ack.token.nonce, ack) {
                    twice(format!("the token {} was got", ack.token), first, ack);
                }
            }
            Told::Completed => {
                if let Some(first) = completed.insert(task, ack) {
                    twice(format!("{task} was completed"), first, ack);
                }
            }
            Told::Failed | Told::Released | Told::Refused => {}
        }
    }
    broken
}

/// One acknowledgement against the attempt and the task that it is about.
fn against_store(ack: &Ack, attempt: Option<&Attempt>, task: Option<&Task>) -> Option<Violation> {
    let Ack {
        worker,
        told,
        task: id,
        token,
    } = ack;
    let told = told.as_str();
    let Some(attempt) = attempt else {
        let what =
            format!("{worker} was told {told:?} of {id}, but the store has no attempt {token}");
        return Some(Promise::NothingLost.broken(what));
    };
    if attempt.worker.as_str() != worker {
        let what = format!(
            "{id} was handed to {worker} as {token}, but is {}'s",
            attempt.worker
        );
        return Some(Promise::NothingDoubled.broken(what));
    }
    let found = outcome(attempt);
    let expected = match ack.told {
        Told::Claimed => return None,
        Told::Completed => Outcome::Completed,
        Told::Failed => Outcome::Failed,
        Told::Released => Outcome::Released,
        Told::Refused => Outcome::Lost,
    };
    let ended = found.map_or("open", Outcome::as_str);
    if found != Some(expected) {
        let what =
            format!("{worker} was told {told:?} of {id}, but its attempt {token} is {ended}");
        return Some(match ack.told {
            Told::Refused => Promise::StaleRefused.broken(what),
            _ => Promise::NothingLost.broken(what),
        });
    }
    let status = task.map(|task| task.status)?;
    if ack.told == Told::Completed && status != Status::Completed {
        let what = format!("{worker} completed {id}, but it is {status}");
        return Some(Promise::NothingLost.broken(what));
    }
    None
}

fn outcome(attempt: &Attempt) -> Option<Outcome> {
    attempt.end.as_ref().map(|end| end.outcome)
}

#[cfg(test)]
mod tests;
