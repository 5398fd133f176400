//! Questions of workers, and the answers of people.

use tasq_app::Asked;
use tasq_domain::{Answer, Question};
use tasq_formats::json::{Written, WrittenObject};

use super::items::task_json;
use super::parts::{short_time, time};
use crate::output::{Text, Tone, View};

/// A question, and the task as it is because of it.
pub(crate) struct AskedView(pub(crate) Asked);

impl View for AskedView {
    fn json(&self) -> Written {
        asked_json(&self.0)
    }

    fn text(&self, text: &mut Text) {
        let Asked { task, question } = &self.0;
        task.text(text);
        question_lines(text, question);
    }
}

/// What waits for an answer.
pub(crate) struct Inbox(pub(crate) Vec<Asked>);

impl View for Inbox {
    fn json(&self) -> Written {
        WrittenObject::new()
            .with_list("questions", self.0.iter().map(asked_json))
            .into()
    }

    fn text(&self, text: &mut Text) {
        if self.0.is_empty() {
            text.line("nobody waits for an answer");
        }
        for Asked { task, question } in &self.0 {
            task.text(text);
            question_lines(text, question);
        }
    }
}

fn asked_json(asked: &Asked) -> Written {
    let Asked { task, question } = asked;
    WrittenObject::new()
        .with("task", task_json(task))
        .with("question", question_json(question))
        .into()
}

pub(super) fn question_json(question: &Question) -> Written {
    let Question {
        task,
        attempt,
        at,
        by,
        text,
        choices,
        answer,
    } = question;
    let choices = choices.iter().map(|choice| choice.as_str());
    WrittenObject::new()
        .with("task_id", task.as_str())
        .with("attempt", *attempt)
        .with("at", time(*at))
        .with("by", by.as_str())
        .with("text", text.as_str())
        .with_list("choices", choices)
        .with("answer", answer.as_ref().map(answer_json))
        .into()
}

fn answer_json(answer: &Answer) -> Written {
    let Answer { at, by, text } = answer;
    WrittenObject::new()
        .with("at", time(*at))
        .with("by", by.as_str())
        .with("text", text.as_str())
        .into()
}

/// The answer to the newest question, which is what a worker that asked once is waiting for.
pub(super) fn newest_answer(questions: &[Question]) -> Option<&str> {
    let answer = questions.last()?.answer.as_ref()?;
    Some(answer.text.as_str())
}

pub(super) fn question_lines(text: &mut Text, question: &Question) {
    text.field(
        "asked",
        &format!(
            "attempt {} by {}, {}",
            question.attempt,
            question.by,
            short_time(question.at)
        ),
    );
    text.block("    ", question.text.as_str());
    for (number, choice) in (1..).zip(&question.choices) {
        text.push(&format!("    {number} ")).line(choice.as_str());
    }
    match &question.answer {
        Some(answer) => {
            text.field(
                "answer",
                &format!("by {}, {}", answer.by, short_time(answer.at)),
            );
            text.block("    ", answer.text.as_str());
        }
        None => text.paint(Tone::Faint, "    no answer").end(),
    }
}
