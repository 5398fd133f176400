//! Questions of workers, and the answers of people.

use serde_json::{Value, json};
use tasq_domain::life::{self, Ask};
use tasq_domain::{Question, Reason, TaskId};
use tasq_ports::{StoreError, StoreExt, Tx};

use crate::context::{App, HolderRef};
use crate::data::data;
use crate::error::AppError;
use crate::once::{Answer, field, number, text};
use crate::view::TaskView;

/// A question, and the task as it is because of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The task.
    pub task: TaskView,
    /// The question, with its answer if it has one.
    pub question: Question,
}

/// What a person says to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Anything.
    Text(Reason),
    /// One of the choices, by its text or else by its number, from 1.
    Choice(String),
}

impl App<'_> {
    /// Asks a person on behalf of a holder that cannot go on: the task is blocked with the question, uncharged, and the
    /// attempt ends.
    ///
    /// # Errors
    /// [`AppError::Refused`]: a stale claim (the question is kept as the attempt's late message), too many choices.
    pub fn ask(&self, holder: &HolderRef, ask: &Ask) -> Result<Asked, AppError> {
        self.once_kept("ask", &(holder, ask), |unit| {
            let before = unit.task(&holder.task)?.task;
            let asked = life::ask(&before, holder.token, ask.clone(), unit.now());
            let (step, question) = match unit.or_late(holder, Some(ask.text.clone()), asked)? {
                Ok(asked) => asked,
                Err(refused) => return Ok(Err(refused)),
            };
            unit.step(&before, &step, data!({ "question": ask.text.as_str() }))?;
            unit.tx.insert_question(&question)?;
            let task = TaskView::load(unit.tx, &before.id)?;
            Ok(Ok(Asked { task, question }))
        })
    }

    /// Answers the question that a task waits with: the task is pending again, and the next attempt gets the answer.
    ///
    /// # Errors
    /// [`AppError::Refused`] if it does not wait for an answer, [`AppError::Usage`] for a choice that it does not offer,
    /// [`AppError::Denied`] to a worker for its own question.
    pub fn answer(&self, task: &TaskId, reply: &Reply) -> Result<Asked, AppError> {
        self.once("answer", &(task, reply), |unit| {
            if let crate::Caller::Worker { holder, .. } = &self.caller
                && holder.task == *task
            {
                return Err(AppError::worker("answer its own question"));
            }
            let before = unit.task(task)?.task;
            let waiting = unit
                .tx
                .questions_of(task)?
                .into_iter()
                .rev()
                .find(|question| life::waits_for_answer(&before, question))
                .ok_or_else(|| AppError::refused(task, life::Refusal::NoQuestion))?;
            let said = reply.to(&waiting)?;
            let by = self.caller.actor();
            let (step, question) = life::answer(&before, &waiting, &by, said.clone(), unit.now())
                .map_err(|why| AppError::refused(task, why))?;
            let data = data!({ "question": waiting.attempt, "answer": said.as_str() });
            unit.step(&before, &step, data)?;
            unit.tx.update_question(&question)?;
            let task = TaskView::load(unit.tx, task)?;
            Ok(Asked { task, question })
        })
    }

    /// The questions that wait for an answer, those asked first first.
    ///
    /// # Errors
    /// Only the store's.
    pub fn inbox(&self) -> Result<Vec<Asked>, AppError> {
        self.store.read(|tx| {
            let mut waiting = Vec::new();
            for question in tx.unanswered()? {
                let task = TaskView::load(tx, &question.task)?;
                if life::waits_for_answer(&task.record.task, &question) {
                    waiting.push(Asked { task, question });
                }
            }
            Ok(waiting)
        })
    }
}

impl Reply {
    /// What it says to a question.
    fn to(&self, question: &Question) -> Result<Reason, AppError> {
        let wanted = match self {
            Self::Text(text) => return Ok(text.clone()),
            Self::Choice(wanted) => wanted,
        };
        let choices = &question.choices;
        let by_text = choices.iter().find(|choice| choice.as_str() == wanted);
        let by_number = || {
            let number: usize = wanted.parse().ok()?;
            choices.get(number.checked_sub(1)?)
        };
        let Some(choice) = by_text.or_else(by_number) else {
            let offered: Vec<String> = (1..)
                .zip(choices)
                .map(|(number, choice)| format!("{number} {choice}"))
                .collect();
            let message = if offered.is_empty() {
                "the question offers no choices".to_owned()
            } else {
                format!("{wanted:?} is none of the choices: {}", offered.join(", "))
            };
            return Err(AppError::usage(
                message,
                "give one of them with --choice, or any answer as a text",
            ));
        };
        Ok(Reason::new(choice.as_str())?)
    }
}

impl Answer for Asked {
    fn remember(&self) -> Value {
        json!({ "task": self.task.remember(), "attempt": self.question.attempt })
    }

    fn recall(tx: &mut dyn Tx, kept: &Value) -> Result<Self, AppError> {
        let id = TaskId::new(text(field(kept, "task")?, "id")?)?;
        let attempt = number(kept, "attempt")?;
        let found = tx
            .questions_of(&id)?
            .into_iter()
            .find(|question| i64::from(question.attempt) == attempt);
        let question = found.ok_or_else(|| {
            AppError::Store(StoreError::Damaged {
                place: format!("task {id}"),
                what: format!("the question of its attempt {attempt} is gone"),
            })
        })?;
        Ok(Self {
            task: TaskView::load(tx, &id)?,
            question,
        })
    }
}
