//! A worker asks, a person answers, the next attempt has the answer.

use std::fs;

use super::harness::{Kind, Ran, Sandbox, keys, text};

fn on_each(test: impl Fn(&Sandbox)) {
    for kind in Kind::ALL {
        test(&Sandbox::with(kind));
    }
}

/// Task A under the loop's first attempt, whose worker asks and ends.
const ASKS: &str = "printf '%s' \"$(cat)\" > input-$TASQ_ATTEMPT.json
if [ $TASQ_ATTEMPT = 1 ]; then \"$1\" ask 'which port?' --choice 80 --choice 8080; fi";

fn run(sandbox: &Sandbox) -> Ran {
    let tasq = super::harness::binary();
    sandbox.tasq(&["run", "--", "sh", "-c", ASKS, "sh", tasq.to_str().unwrap()])
}

#[test]
fn a_worker_asks_and_the_next_attempt_has_the_answer() {
    on_each(|sandbox| {
        sandbox.data(&["task", "add", "open a port", "--id", "A"]);
        let first = run(sandbox);
        assert_eq!(first.code, Some(1), "{first:?}");
        let task = sandbox.data(&["show", "A"]);
        assert_eq!(task["status"], "blocked");
        assert_eq!(task["blocked_reason"], "asks: which port?");
        assert_eq!(task["attempts"][0]["outcome"], "blocked");
        assert_eq!(task["retries_used"], 0);

        let inbox = sandbox.data(&["inbox"]);
        let question = &inbox["questions"][0]["question"];
        let expected = [
            "task_id", "attempt", "at", "by", "text", "choices", "answer",
        ];
        assert_eq!(keys(question), expected);
        assert_eq!(question["choices"], serde_json::json!(["80", "8080"]));
        assert_eq!(inbox["questions"][0]["task"]["id"], "A");
        let error = sandbox.error(2, &["answer", "A", "--choice", "3"]);
        assert!(text(&error["message"]).contains("1 80, 2 8080"), "{error}");
        let answered = sandbox.data(&["answer", "A", "--choice", "2"]);
        assert_eq!(answered["task"]["status"], "pending");
        assert_eq!(answered["question"]["answer"]["text"], "8080");
        assert_eq!(sandbox.data(&["inbox"])["questions"], serde_json::json!([]));
        assert_eq!(
            sandbox.error(4, &["answer", "A", "443"])["code"],
            "conflict"
        );

        let second = run(sandbox);
        assert_eq!(second.code, Some(0), "{second:?}");
        let input = fs::read_to_string(sandbox.project.join("input-2.json")).unwrap();
        let input: serde_json::Value = serde_json::from_str(&input).unwrap();
        assert_eq!(input["answer"], "8080");
        assert_eq!(input["questions"][0]["text"], "which port?");
        let told = sandbox.data(&["show", "A"]);
        assert!(text(&told["questions"][0]["answer"]["by"]).starts_with("ada@"));
    });
}

#[test]
fn the_inbox_is_read_by_people() {
    let sandbox = Sandbox::with(Kind::Sqlite);
    let empty = sandbox.tasq(&["inbox"]);
    assert_eq!(empty.stdout, "nobody waits for an answer\n");
    sandbox.data(&["task", "add", "open a port", "--id", "A"]);
    let token = text(&sandbox.data(&["claim", "A", "--worker", "w1"])["token"]);
    let words = [
        "ask",
        "which\u{1b}[31m?",
        "--choice",
        "80",
        "--task",
        "A",
        "--token",
        &token,
    ];
    assert_eq!(sandbox.tasq(&words).code, Some(0));
    let inbox = sandbox.tasq(&["inbox"]).stdout;
    for part in [
        "A",
        "open a port",
        "attempt 1 by w1",
        "which\\u{1b}[31m?",
        "1 80",
        "no answer",
    ] {
        assert!(inbox.contains(part), "{part}: {inbox}");
    }
    let log = sandbox.tasq(&["log", "A"]).stdout;
    assert!(log.contains("asked"), "{log}");
}

#[test]
fn asking_needs_a_claim_and_answering_a_person() {
    let sandbox = Sandbox::with(Kind::Sqlite);
    sandbox.data(&["task", "add", "open a port", "--id", "A"]);
    assert_eq!(sandbox.error(2, &["ask", "which?"])["code"], "usage");
    let error = sandbox.error(4, &["ask", "which?", "--task", "A", "--token", "guess"]);
    assert_eq!(error["code"], "conflict");
    let token = text(&sandbox.data(&["claim", "A"])["token"]);
    let worker = |words: &[&str]| {
        let mut command = sandbox.command(&[&["--json"], words].concat());
        command.env("TASQ_TASK", "A").env("TASQ_TOKEN", &token);
        Ran::of(&mut command)
    };
    assert_eq!(worker(&["ask", " "]).code, Some(2));
    assert_eq!(worker(&["ask", "which?"]).data()["question"]["attempt"], 1);
    assert_eq!(worker(&["answer", "A", "any"]).code, Some(11));
    assert_eq!(
        worker(&["ask", "and?"]).code,
        Some(4),
        "the attempt is over"
    );
    assert_eq!(sandbox.error(2, &["answer", "A"])["code"], "usage");
}

#[test]
fn an_export_keeps_questions_to_the_byte() {
    on_each(|sandbox| {
        sandbox.data(&["task", "add", "open a port", "--id", "A"]);
        run(sandbox);
        let exported = sandbox.export();
        assert!(exported.contains("which port?"), "{exported}");
        sandbox.write("out.json", &exported);
        for store in ["other.db", "other.json"] {
            let imported = sandbox.tasq(&["import", "out.json", "--to", store]);
            assert_eq!(imported.code, Some(0), "{imported:?}");
            let again = sandbox.tasq(&["--store", store, "export"]);
            assert_eq!(again.stdout, exported, "{store}");
            let inbox = sandbox.data(&["--store", store, "inbox"]);
            assert_eq!(inbox["questions"][0]["task"]["id"], "A");
        }
    });
}
