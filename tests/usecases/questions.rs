//! Questions that workers ask, and what becomes of the answers.

use tasq_app::{Asked, Code, Reply};
use tasq_domain::life::Ask;
use tasq_domain::{Name, Outcome, Question, Status};

use super::desk::{Desk, code, holder, reason, task_id};
use crate::contract::random::assert_same_contents;
use crate::contract::stores::one_of_every_kind;

fn asking(text: &str, choices: &[&str]) -> Ask {
    Ask {
        text: reason(text),
        choices: choices.iter().map(|it| Name::new(*it).unwrap()).collect(),
    }
}

fn reply(text: &str) -> Reply {
    Reply::Text(reason(text))
}

/// Task A, claimed, and its holder's question.
fn asked(desk: &Desk) -> Asked {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    let claim = desk.claim();
    let ask = asking("which port?", &["80", "8080"]);
    desk.worker(&claim).ask(&holder(&claim), &ask).unwrap()
}

fn answers(questions: &[Question]) -> Vec<Option<&str>> {
    questions
        .iter()
        .map(|question| question.answer.as_ref().map(|it| it.text.as_str()))
        .collect()
}

pub(crate) fn a_question_blocks_its_task_and_ends_the_attempt(desk: &Desk) {
    let told = desk.told(|| drop(asked(desk)));
    assert_eq!(
        told.last_chunk(),
        Some(&["asked A".to_owned(), "rolled_up FEAT-1".to_owned()])
    );
    let task = desk.get("A");
    assert_eq!((task.status, task.retries_used), (Status::Blocked, 0));
    assert_eq!(task.blocked_reason, Some(reason("asks: which port?")));
    let ended = desk.contents().attempts.remove(0).end.unwrap();
    assert_eq!(ended.outcome, Outcome::Blocked);
    let inbox = desk.ada().inbox().unwrap();
    let [Asked { task, question }] = &inbox[..] else {
        panic!("{inbox:?}");
    };
    assert_eq!(task.record.task.id, task_id("A"));
    assert_eq!((question.attempt, question.by.as_str()), (1, "w1"));
    assert_eq!(question.text, reason("which port?"));
    let choices: Vec<&str> = question.choices.iter().map(Name::as_str).collect();
    assert_eq!(choices, ["80", "8080"]);
}

pub(crate) fn an_answer_goes_to_the_next_attempt(desk: &Desk) {
    asked(desk);
    let before = desk.get("A");
    let answered = desk.ada().answer(&task_id("A"), &reply("9090")).unwrap();
    assert_eq!(answered.question.answer.unwrap().by.as_str(), "ada");
    let task = desk.get("A");
    assert_eq!((task.status, task.not_before), (Status::Pending, None));
    assert_eq!(task.retries_used, before.retries_used);
    assert_eq!(desk.ada().inbox().unwrap(), []);

    let second = desk.claim();
    assert_eq!(answers(&second.questions), [Some("9090")]);
    assert_eq!(second.last_failure, None, "asking is no failure");
    let ask = asking("and which host?", &[]);
    desk.worker(&second).ask(&holder(&second), &ask).unwrap();
    desk.ada().answer(&task_id("A"), &reply("here")).unwrap();
    let third = desk.claim();
    assert_eq!(answers(&third.questions), [Some("9090"), Some("here")]);
    desk.finish(&third).unwrap();
    let detail = desk.ada().task_detail(&task_id("A")).unwrap();
    assert_eq!(detail.questions, third.questions);
}

pub(crate) fn a_choice_is_named_by_text_or_number(desk: &Desk) {
    asked(desk);
    let choose = |choice: &str| {
        let reply = Reply::Choice(choice.to_owned());
        desk.ada().answer(&task_id("A"), &reply)
    };
    for none in ["0", "3", "443", ""] {
        assert_eq!(code(desk.unchanged(|| choose(none))), Code::Usage, "{none}");
    }
    // The text goes before the number.
    let answered = choose("80").unwrap().question;
    assert_eq!(answers(&[answered]), [Some("80")]);
    let claim = desk.claim();
    let twice = asking("again?", &["80", "8080", "80"]);
    let asked = desk.worker(&claim).ask(&holder(&claim), &twice).unwrap();
    assert_eq!(asked.question.choices.len(), 2, "each choice once");
    assert_eq!(answers(&[choose("2").unwrap().question]), [Some("8080")]);
}

pub(crate) fn a_stale_holder_asks_nothing(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    let claim = desk.claim();
    desk.ada().reopen(&task_id("A"), true).unwrap();
    let late = desk
        .worker(&claim)
        .ask(&holder(&claim), &asking("still?", &[]));
    assert_eq!(code(late), Code::Conflict);
    let contents = desk.contents();
    assert_eq!(contents.questions, []);
    assert_eq!(contents.attempts[0].late_message, Some(reason("still?")));
    let next = desk.claim();
    let many: Vec<String> = (0..=tasq_domain::MAX_CHOICES)
        .map(|n| n.to_string())
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let refused = desk.unchanged(|| desk.worker(&next).ask(&holder(&next), &asking("?", &many)));
    assert_eq!(code(refused), Code::Limit);
}

pub(crate) fn who_goes_on_without_the_answer_closes_the_question(desk: &Desk) {
    asked(desk);
    desk.ada().unblock(&task_id("A")).unwrap();
    assert_eq!(desk.ada().inbox().unwrap(), []);
    let late = desk.unchanged(|| desk.ada().answer(&task_id("A"), &reply("80")));
    assert_eq!(code(late), Code::Conflict);
    let second = desk.claim();
    assert_eq!(answers(&second.questions), [None]);
    // Blocked for another reason, it is not waiting for that answer either.
    let (id, why) = (task_id("A"), reason("no"));
    desk.ada().block(&id, None, &why, true).unwrap();
    assert_eq!(desk.ada().inbox().unwrap(), []);
}

pub(crate) fn an_answer_needs_a_question_and_a_person(desk: &Desk) {
    desk.feature("FEAT-1", None);
    desk.task("A", "FEAT-1");
    assert_eq!(
        code(desk.ada().answer(&task_id("A"), &reply("x"))),
        Code::Conflict
    );
    let claim = desk.claim();
    let ask = asking("may I?", &["yes"]);
    desk.worker(&claim).ask(&holder(&claim), &ask).unwrap();
    let own = desk.unchanged(|| desk.worker(&claim).answer(&task_id("A"), &reply("yes")));
    assert_eq!(code(own), Code::Denied);
    assert_eq!(
        code(desk.ada().answer(&task_id("GONE"), &reply("x"))),
        Code::NotFound
    );
}

pub(crate) fn questions_move_with_the_queue(desk: &Desk) {
    asked(desk);
    let exported = desk.ada().export().unwrap();
    let text = tasq_formats::snapshot::encode(&exported, &Default::default()).unwrap();
    for target in one_of_every_kind() {
        let target = Desk::at(target);
        let report = desk.ada().copy_to(target.store()).unwrap();
        assert_eq!(report.questions, 1);
        assert_same_contents(&exported, &target.contents(), "copied");
        let again = target.ada().export().unwrap();
        let again = tasq_formats::snapshot::encode(&again, &Default::default()).unwrap();
        assert_eq!(again, text, "an export is equal to the byte");
        assert_eq!(target.ada().inbox().unwrap().len(), 1);
        target.ada().answer(&task_id("A"), &reply("80")).unwrap();
        target.close();
    }
}
