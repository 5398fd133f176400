//! Questions and their answers.

use tasq_domain::{Actor, Answer, MAX_CHOICES, Name, Question, Worker};

use super::Bench;
use super::make::{at, feature, feature_id, question, reason, task, task_id, with_attempts};
use super::round_trip::{FIRST, LAST, STRANGE, longest_name, longest_text};

fn stocked(bench: &Bench) {
    bench.put(&feature("FEAT-1", None));
    for id in ["TASK-2", "TASK-1"] {
        bench.put(&with_attempts(u32::MAX, task(id, "FEAT-1")));
    }
}

fn answered(question: Question, text: &str) -> Question {
    Question {
        answer: Some(Answer {
            at: LAST,
            by: Actor::new(STRANGE).unwrap(),
            text: reason(text),
        }),
        ..question
    }
}

pub(crate) fn a_question_comes_back_with_every_field(bench: &Bench) {
    stocked(bench);
    let choice = |text: &str| Name::new(text).unwrap();
    let bare = question("TASK-1", 1);
    let all = [
        bare.clone(),
        Question {
            attempt: 2,
            at: FIRST,
            by: Worker::new(STRANGE).unwrap(),
            text: reason(STRANGE),
            choices: vec![choice(STRANGE), choice("[\"x\"]"), choice("a\nb")],
            ..bare.clone()
        },
        answered(
            Question {
                attempt: u32::MAX,
                at: LAST,
                by: Worker::new(longest_name()).unwrap(),
                text: reason(&longest_text()),
                choices: vec![choice(&longest_name()); MAX_CHOICES],
                ..bare
            },
            &longest_text(),
        ),
    ];
    let mut expected: Vec<Question> = Vec::new();
    for question in all {
        bench.write(|tx| tx.insert_question(&question));
        expected.push(question);
        for opener in [&bench.store, &bench.harness.open()] {
            let found = tasq_ports::StoreExt::read(opener.as_ref(), |tx| {
                tx.questions_of(&task_id("TASK-1"))
            });
            assert_eq!(found.unwrap(), expected);
        }
    }
    assert_eq!(bench.contents().questions, expected);
    assert_eq!(bench.read(|tx| tx.questions_of(&task_id("TASK-2"))), []);
}

pub(crate) fn the_unanswered_come_by_when_they_were_asked(bench: &Bench) {
    stocked(bench);
    let asked = |task: &str, attempt: u32, secs: i64| Question {
        at: at(secs),
        ..question(task, attempt)
    };
    let all = [
        asked("TASK-1", 1, 7),
        asked("TASK-2", 1, 3),
        asked("TASK-1", 2, 3),
        asked("TASK-1", 10, 3),
        answered(asked("TASK-2", 2, 1), "yes"),
    ];
    for question in &all {
        bench.write(|tx| tx.insert_question(question));
    }
    let open = bench.read(|tx| tx.unanswered());
    let places: Vec<(&str, u32)> = open
        .iter()
        .map(|it| (it.task.as_str(), it.attempt))
        .collect();
    let expected = [("TASK-1", 2), ("TASK-1", 10), ("TASK-2", 1), ("TASK-1", 1)];
    assert_eq!(places, expected);
}

pub(crate) fn an_update_replaces_the_answer_alone(bench: &Bench) {
    stocked(bench);
    let asked = question("TASK-1", 1);
    bench.write(|tx| tx.insert_question(&asked));
    let other = Question {
        at: at(500),
        by: Worker::new("another").unwrap(),
        text: reason("something else"),
        choices: Vec::new(),
        ..asked.clone()
    };
    let other = answered(other, "blue");
    bench.write(|tx| tx.update_question(&other));
    let expected = answered(asked, "blue");
    assert_eq!(bench.contents().questions, [expected]);
    assert_eq!(bench.read(|tx| tx.unanswered()), []);
}

pub(crate) fn a_question_has_its_attempt_alone(bench: &Bench) {
    stocked(bench);
    bench.write(|tx| tx.insert_question(&question("TASK-1", 1)));
    let refused =
        |body: &mut dyn FnMut(&mut dyn tasq_ports::Tx) -> Result<(), tasq_ports::StoreError>| {
            let before = bench.contents();
            let outcome = tasq_ports::StoreExt::write(bench.store.as_ref(), |tx| body(tx));
            assert!(
                matches!(outcome, Err(tasq_ports::StoreError::Backend { .. })),
                "{outcome:?}"
            );
            assert_eq!(bench.contents(), before);
        };
    refused(&mut |tx| tx.insert_question(&question("TASK-1", 1)));
    refused(&mut |tx| tx.insert_question(&question("TASK-9", 1)));
    refused(&mut |tx| tx.update_question(&question("TASK-1", 2)));
    refused(&mut |tx| tx.update_question(&question("TASK-9", 1)));
}

pub(crate) fn a_question_goes_with_its_task(bench: &Bench) {
    stocked(bench);
    for id in ["TASK-1", "TASK-2"] {
        bench.write(|tx| tx.insert_question(&question(id, 1)));
    }
    bench.write(|tx| tx.remove_task(&task_id("TASK-1")).map(drop));
    assert_eq!(bench.contents().questions, [question("TASK-2", 1)]);
    assert_eq!(bench.read(|tx| tx.unanswered()).len(), 1);
    bench.write(|tx| tx.remove_feature(&feature_id("FEAT-1")).map(drop));
    assert_eq!(bench.contents().questions, []);
}
