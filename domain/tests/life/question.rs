//! Asking a person, and the answer.

use tasq_domain::life::{self, Ask, Refusal, broken_invariant, waits_for_answer};
use tasq_domain::{EventKind, MAX_CHOICES, Name, Outcome, Question, Status, Task, Token};

use crate::fixture::{
    ada, at, blocked, claim, claimed, outcome, pending, person, why, with_budget,
};

fn asking(text: &str, choices: usize) -> Ask {
    Ask {
        text: why(text),
        choices: (0..choices)
            .map(|number| Name::new(number.to_string()).unwrap())
            .collect(),
    }
}

fn asked(task: &Task, token: Token) -> (Task, Question) {
    let (step, question) = life::ask(task, token, asking("which?", 2), at(50)).unwrap();
    (step.task, question)
}

#[test]
fn asking_blocks_the_task_and_ends_the_attempt_uncharged() {
    let (task, token) = claimed();
    let (step, question) = life::ask(&task, token, asking("which?", 2), at(50)).unwrap();
    assert_eq!(
        (step.event, outcome(&step)),
        (EventKind::Asked, Some(Outcome::Blocked))
    );
    assert_eq!(
        (step.task.status, step.task.retries_used),
        (Status::Blocked, 0)
    );
    assert_eq!((question.attempt, question.at), (token.attempt, at(50)));
    assert_eq!((question.by.as_str(), &question.answer), ("w1", &None));
    assert!(waits_for_answer(&step.task, &question));
    assert_eq!(broken_invariant(&step.task), None);
}

#[test]
fn only_the_holder_asks_and_not_with_too_many_choices() {
    let (task, token) = claimed();
    let other = Token { nonce: 99, ..token };
    let ask = |task: &Task, token, choices| life::ask(task, token, asking("?", choices), at(50));
    assert_eq!(ask(&task, other, 0), Err(Refusal::StaleClaim));
    assert_eq!(ask(&pending(), token, 0), Err(Refusal::StaleClaim));
    let found = MAX_CHOICES + 1;
    assert_eq!(
        ask(&task, token, found),
        Err(Refusal::TooManyChoices { found })
    );
    assert!(ask(&task, token, MAX_CHOICES).is_ok());
}

#[test]
fn an_answer_makes_the_task_ready_and_keeps_what_was_charged() {
    let (task, token) = claim(&with_budget(3, 1), at(10));
    let (task, question) = asked(&task, token);
    let (step, answered) = life::answer(&task, &question, &ada(), why("this"), at(60)).unwrap();
    assert_eq!((step.event, step.closed), (EventKind::Answered, None));
    assert_eq!(
        (step.task.status, step.task.retries_used),
        (Status::Pending, 1)
    );
    assert_eq!(
        (step.task.blocked_reason, step.task.not_before),
        (None, None)
    );
    let answer = answered.answer.clone().unwrap();
    assert_eq!(
        (answer.by, answer.text, answer.at),
        (ada(), why("this"), at(60))
    );
    let again = life::answer(&task, &answered, &ada(), why("that"), at(70));
    assert_eq!(again, Err(Refusal::NoQuestion));
}

#[test]
fn an_answer_gives_a_spent_budget_back() {
    let (task, token) = claimed();
    let (task, question) = asked(&task, token);
    let spent = Task {
        retries_used: 2,
        retry_budget: tasq_domain::RetryBudget::new(2).unwrap(),
        ..task
    };
    let (step, _) = life::answer(&spent, &question, &ada(), why("this"), at(60)).unwrap();
    assert_eq!(
        (step.task.status, step.task.retries_used),
        (Status::Pending, 0)
    );
}

#[test]
fn a_task_that_is_blocked_for_something_else_waits_for_no_answer() {
    let (task, token) = claimed();
    let (task, question) = asked(&task, token);
    let otherwise = life::block(&task, &person(false), why("no"), at(60))
        .unwrap()
        .task;
    let unblocked = life::unblock(&task, at(60)).unwrap().task;
    for task in [otherwise, unblocked, blocked(), pending()] {
        assert!(!waits_for_answer(&task, &question), "{task:?}");
        let refused = life::answer(&task, &question, &ada(), why("this"), at(70));
        assert_eq!(refused, Err(Refusal::NoQuestion));
    }
}

#[test]
fn time_never_runs_back_between_a_question_and_its_answer() {
    let (task, token) = claimed();
    let (task, question) = asked(&task, token);
    let (step, answered) = life::answer(&task, &question, &ada(), why("this"), at(1)).unwrap();
    assert_eq!(
        (step.task.updated_at, answered.answer.unwrap().at),
        (at(50), at(50))
    );
}
