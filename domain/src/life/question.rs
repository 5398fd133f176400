//! Asking a person, and going on with the answer.

use super::{Refusal, Step, Writer, block, close, fresh, reason};
use crate::attempt::{Outcome, Token};
use crate::event::EventKind;
use crate::question::{Answer, MAX_CHOICES, Question};
use crate::status::Status;
use crate::task::Task;
use crate::text::{Actor, Name, Reason};
use crate::time::Timestamp;

/// What a worker wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The question.
    pub text: Reason,
    /// Answers to choose from; one that is there twice counts once.
    pub choices: Vec<Name>,
}

/// Blocks a task with its holder's question, uncharged. The attempt ends, so that nobody waits for the answer.
///
/// # Errors
/// [`Refusal::StaleClaim`], or [`Refusal::TooManyChoices`].
pub fn ask(
    task: &Task,
    token: Token,
    ask: Ask,
    now: Timestamp,
) -> Result<(Step, Question), Refusal> {
    let by = super::holder(task, token)?.worker.clone();
    let Ask { text, choices } = ask;
    let mut offered: Vec<Name> = Vec::new();
    for choice in choices {
        if !offered.contains(&choice) {
            offered.push(choice);
        }
    }
    if offered.len() > MAX_CHOICES {
        return Err(Refusal::TooManyChoices {
            found: offered.len(),
        });
    }
    let step = block(task, &Writer::Holder(token), blocked_by(&text), now)?;
    let question = Question {
        task: task.id.clone(),
        attempt: token.attempt,
        at: step.task.updated_at,
        by,
        text,
        choices: offered,
        answer: None,
    };
    let event = EventKind::Asked;
    Ok((Step { event, ..step }, question))
}

/// Whether a task still waits for the answer to a question: nobody gave one, and the task is blocked because of it. A
/// person who unblocks, reopens or blocks the task otherwise has decided to go on without.
#[must_use]
pub fn waits_for_answer(task: &Task, question: &Question) -> bool {
    question.answer.is_none()
        && question.task == task.id
        && task.status == Status::Blocked
        && task.blocked_reason.as_ref() == Some(&blocked_by(&question.text))
}

/// Makes a task that waits for an answer pending, ready at once, and gives the question as it is with its answer. What
/// was charged stays charged, unless nothing is left of the budget: whoever answers wants another attempt.
///
/// # Errors
/// [`Refusal::NoQuestion`] unless the task [waits for it](waits_for_answer).
pub fn answer(
    task: &Task,
    question: &Question,
    by: &Actor,
    text: Reason,
    now: Timestamp,
) -> Result<(Step, Question), Refusal> {
    if !waits_for_answer(task, question) {
        return Err(Refusal::NoQuestion);
    }
    let charged = if task.budget_spent() {
        0
    } else {
        task.retries_used
    };
    let mut task = task.touched(now);
    // Only a plain SQL client leaves a claim on what is blocked.
    let closed = close(&mut task, Outcome::Cancelled, None, None);
    fresh(&mut task);
    task.retries_used = charged;
    let answer = Answer {
        at: task.updated_at.not_before(question.at),
        by: by.clone(),
        text,
    };
    let question = Question {
        answer: Some(answer),
        ..question.clone()
    };
    let step = Step {
        task,
        closed,
        event: EventKind::Answered,
    };
    Ok((step, question))
}

/// The reason for which a task with this question is blocked.
fn blocked_by(question: &Reason) -> Reason {
    reason(&format!("asks: {question}"))
}
