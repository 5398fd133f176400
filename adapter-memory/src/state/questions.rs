//! Questions and their answers.

use std::sync::Arc;

use tasq_domain::{Question, TaskId};
use tasq_ports::StoreError;

use super::{State, owned};
use crate::table::broken;

impl State {
    pub(crate) fn questions_of(&self, task: &TaskId) -> Vec<Question> {
        self.tasks.seq_of(task).map_or_else(Vec::new, |task| {
            let range = self.questions.range((task, 0)..=(task, u32::MAX));
            owned(range.map(|(_, question)| question))
        })
    }

    pub(crate) fn unanswered(&self) -> Vec<Question> {
        let open = self.questions.values().filter(|it| it.answer.is_none());
        let mut open: Vec<Question> = owned(open);
        open.sort_by(|a, b| (a.at, &a.task, a.attempt).cmp(&(b.at, &b.task, b.attempt)));
        open
    }

    pub(crate) fn insert_question(&mut self, question: Question) -> Result<(), StoreError> {
        let key = (self.tasks.must(&question.task)?.seq, question.attempt);
        if self.questions.contains_key(&key) {
            return Err(broken(format!(
                "a question of attempt {} of {} is there already",
                question.attempt, question.task
            )));
        }
        Arc::make_mut(&mut self.questions).insert(key, Arc::new(question));
        Ok(())
    }

    pub(crate) fn update_question(&mut self, question: &Question) -> Result<(), StoreError> {
        let Question {
            task,
            attempt,
            answer,
            ..
        } = question;
        let key = (self.tasks.must(task)?.seq, *attempt);
        let Some(old) = Arc::make_mut(&mut self.questions).get_mut(&key) else {
            return Err(broken(format!(
                "attempt {attempt} of {task} has no question"
            )));
        };
        Arc::make_mut(old).answer.clone_from(answer);
        Ok(())
    }

    pub(super) fn drop_questions(&mut self, task: i64) {
        let range = self.questions.range((task, 0)..=(task, u32::MAX));
        let keys: Vec<(i64, u32)> = range.map(|(&key, _)| key).collect();
        if !keys.is_empty() {
            let questions = Arc::make_mut(&mut self.questions);
            keys.iter().for_each(|key| drop(questions.remove(key)));
        }
    }
}
