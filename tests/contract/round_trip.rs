//! What goes in comes out: every field, absent, empty, strange and as long as it may be.

use std::time::Duration;

use tasq_domain::backoff::Backoff;
use tasq_domain::{
    Actor, Attempt, AttemptEnd, CancelRequest, Checkpoint, Claim, CommandLine, Description, Epic,
    EventKind, Feature, Hold, MAX_ANSWER_BYTES, MAX_DESCRIPTION_BYTES, MAX_ID_CHARS,
    MAX_JSON_BYTES, MAX_NAME_CHARS, MAX_OUTPUT_TAIL_BYTES, Name, Operation, OperationId, Outcome,
    Priority, Proof, RetryBudget, Settings, Source, Status, StoreId, Task, TestCase, TestResult,
    TestStatus, Timestamp, Token, Worker,
};
use tasq_ports::{EventFilter, StoreExt};

use super::Bench;
use super::make::{
    actor, at, attempt, checkpoint, epic, epic_id, event, feature, feature_id, hold, json,
    keep_attempts, live, of_feature, of_task, place, process, put, reason, task, task_id, test,
    test_id, with_attempts,
};

/// Quotes, wildcards, escapes, line ends, a terminal sequence, both directions of writing, four-byte characters.
pub(super) const STRANGE: &str = " \"a' \\ %_ \r\n\t \u{1b}[31m \u{7f} \u{202e}Zoë\u{feff} 日本 𝄞 e\u{301}); DROP TABLE tasks; -- ";
const STRANGE_JSON: &str =
    r#"{"z":1.50,"a":[1e3,-0.0,12345678901234567890123],"ü\n":"𝄞 \"q\"","":{},"a b":null}"#;
/// The first and the last microsecond that RFC 3339 can name.
pub(super) const FIRST: Timestamp = Timestamp::from_micros(-62_135_596_800_000_000);
pub(super) const LAST: Timestamp = Timestamp::from_micros(253_402_300_799_999_999);

fn strange_hold() -> Hold {
    Hold {
        by: actor(STRANGE),
        reason: reason(STRANGE),
        at: Timestamp::from_micros(-1),
    }
}

fn source(origin: &str, digest: &str) -> Option<Source> {
    Some(Source {
        origin: origin.to_owned(),
        digest: digest.to_owned(),
    })
}

fn longest_id() -> String {
    "𝄞".repeat(MAX_ID_CHARS)
}

pub(super) fn longest_name() -> String {
    "𝄞".repeat(MAX_NAME_CHARS)
}

pub(super) fn longest_text() -> String {
    "é".repeat(MAX_DESCRIPTION_BYTES / 2)
}

fn longest_json() -> String {
    format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_JSON_BYTES - 8))
}

fn longest_hold() -> Hold {
    Hold {
        by: Actor::new(longest_name()).unwrap(),
        reason: reason(&longest_text()),
        at: LAST,
    }
}

/// Epics of one id and creation, from bare to full and back.
fn epics() -> Vec<Epic> {
    let bare = epic("EPIC-1");
    vec![
        bare.clone(),
        Epic {
            name: Name::new(STRANGE).unwrap(),
            description: Some(Description::new(STRANGE).unwrap()),
            own_status: Status::Completed,
            hold: Some(strange_hold()),
            source: source("", ""),
            updated_at: at(1),
            metadata: json(STRANGE_JSON),
            ..bare.clone()
        },
        Epic {
            name: Name::new(longest_name()).unwrap(),
            description: Some(Description::new(longest_text()).unwrap()),
            own_status: Status::Blocked,
            hold: Some(longest_hold()),
            source: source(STRANGE, "0123abcd"),
            updated_at: LAST,
            metadata: json(&longest_json()),
            ..bare.clone()
        },
        Epic {
            description: Some(Description::new("d").unwrap()),
            own_status: Status::InProgress,
            ..bare.clone()
        },
        Epic {
            hold: Some(hold()),
            ..bare.clone()
        },
        bare,
    ]
}

pub(crate) fn an_epic_comes_back_with_every_field(bench: &Bench) {
    let shown = |mut epic: Epic, seq| {
        epic.seq = seq;
        epic.status = epic
            .hold
            .as_ref()
            .map_or(epic.own_status, |_| Status::Blocked);
        epic
    };
    let expect = |seq: i64, expected: &Epic| {
        let expected = shown(expected.clone(), seq);
        for opener in [&bench.store, &bench.harness.open()] {
            let found = opener.read(|tx| tx.epic(&expected.id)).unwrap();
            assert_eq!(found.as_ref(), Some(&expected));
            let all = opener.read(|tx| tx.epics()).unwrap();
            assert_eq!(all.iter().find(|it| it.seq == seq), Some(&expected));
        }
        let contents = bench.contents();
        assert!(contents.epics.contains(&expected));
    };
    let seq = bench.put(&epics()[0]);
    for epic in epics() {
        bench.write(|tx| tx.update_epic(&epic));
        expect(seq, &epic);
    }
    let ids = ["EPIC-2", "é", "%", &longest_id()].map(epic_id);
    for (mut epic, id) in epics().into_iter().zip(ids) {
        epic.id = id;
        (epic.created_at, epic.updated_at) = (FIRST, LAST);
        let seq = bench.put(&epic);
        expect(seq, &epic);
    }
}

fn features() -> Vec<Feature> {
    let bare = feature("FEAT-1", None);
    vec![
        bare.clone(),
        Feature {
            epic: Some(epic_id("EPIC-1")),
            name: Name::new(STRANGE).unwrap(),
            description: Some(Description::new(STRANGE).unwrap()),
            priority: Priority::new(0).unwrap(),
            own_status: Status::Completed,
            hold: Some(strange_hold()),
            source: source("", ""),
            updated_at: at(1),
            metadata: json(STRANGE_JSON),
            ..bare.clone()
        },
        Feature {
            epic: Some(epic_id(&longest_id())),
            name: Name::new(longest_name()).unwrap(),
            description: Some(Description::new(longest_text()).unwrap()),
            priority: Priority::MAX,
            own_status: Status::Blocked,
            hold: Some(longest_hold()),
            source: source(STRANGE, "0123abcd"),
            updated_at: LAST,
            metadata: json(&longest_json()),
            ..bare.clone()
        },
        Feature {
            own_status: Status::InProgress,
            ..bare.clone()
        },
        bare,
    ]
}

pub(crate) fn a_feature_comes_back_with_every_field(bench: &Bench) {
    let expect = |seq: i64, expected: &Feature| {
        let mut expected = expected.clone();
        expected.seq = seq;
        let held = expected.hold.is_some();
        expected.status = if held {
            Status::Blocked
        } else {
            expected.own_status
        };
        for opener in [&bench.store, &bench.harness.open()] {
            let found = opener.read(|tx| tx.feature(&expected.id)).unwrap();
            assert_eq!(found.as_ref(), Some(&expected));
            let of = expected.epic.as_ref();
            let siblings = opener.read(|tx| tx.features_of(of)).unwrap();
            assert_eq!(siblings.iter().find(|it| it.seq == seq), Some(&expected));
        }
        assert!(bench.contents().features.contains(&expected));
    };
    bench.put(&epic("EPIC-1"));
    bench.put(&epic(&longest_id()));
    let seq = bench.put(&features()[0]);
    for feature in features() {
        bench.write(|tx| tx.update_feature(&feature));
        expect(seq, &feature);
    }
    let ids = ["FEAT-2", "é", "%", &longest_id()].map(feature_id);
    for (mut feature, id) in features().into_iter().zip(ids) {
        feature.id = id;
        (feature.created_at, feature.updated_at) = (FIRST, LAST);
        let seq = bench.put(&feature);
        expect(seq, &feature);
    }
}

/// Every state that a task's life leaves, on one definition.
fn lives(task: &Task) -> Vec<Task> {
    let claim = Claim {
        worker: Worker::new("w1").unwrap(),
        token: Token {
            attempt: 3,
            nonce: u64::MAX,
        },
        started_at: at(5),
        lease: Duration::from_micros(1),
        lease_expires_at: at(95),
        cancel: None,
        process: Some(process(place(0), 1, 0)),
    };
    let running = Task {
        status: Status::InProgress,
        attempts: 3,
        claim: Some(claim.clone()),
        updated_at: at(5),
        ..task.clone()
    };
    let mut lives = vec![
        task.clone(),
        running.clone(),
        Task {
            attempts: u32::MAX,
            claim: Some(Claim {
                worker: Worker::new(longest_name()).unwrap(),
                token: Token {
                    attempt: u32::MAX,
                    nonce: 0,
                },
                started_at: FIRST,
                lease: Duration::from_hours(24 * 365),
                lease_expires_at: LAST,
                cancel: Some(CancelRequest {
                    by: actor(STRANGE),
                    at: at(6),
                }),
                process: Some(process(place(u64::MAX), u32::MAX, i64::MAX.unsigned_abs())),
            }),
            ..running.clone()
        },
        // Held by hand.
        Task {
            claim: None,
            ..running
        },
        Task {
            status: Status::Blocked,
            blocked_reason: Some(reason(STRANGE)),
            retries_used: task.retry_budget.number(),
            lost_in_a_row: 3,
            ..task.clone()
        },
        Task {
            status: Status::Blocked,
            blocked_reason: None,
            lost_in_a_row: u32::MAX,
            ..task.clone()
        },
        Task {
            not_before: Some(LAST),
            ..task.clone()
        },
    ];
    lives.extend(completions(task));
    lives.push(task.clone());
    lives
}

/// One for each proof, and one by a hand that left none.
fn completions(task: &Task) -> impl Iterator<Item = Task> {
    let by_word = Proof::Override {
        by: actor(STRANGE),
        reason: reason(&longest_text()),
    };
    let proofs = [
        Some(Proof::Tests),
        Some(Proof::Unproven),
        Some(Proof::Imported),
        Some(by_word),
        None,
    ];
    proofs.into_iter().map(|proof| Task {
        status: Status::Completed,
        completed_at: Some(at(9)),
        attempts: 3,
        proof,
        ..task.clone()
    })
}

fn tasks() -> Vec<Task> {
    let bare = task("TASK-1", "FEAT-1");
    vec![
        bare.clone(),
        Task {
            feature: feature_id(&longest_id()),
            description: Description::new(STRANGE).unwrap(),
            own_priority: Some(Priority::new(0).unwrap()),
            retry_budget: RetryBudget::new(0).unwrap(),
            hold: Some(strange_hold()),
            source: source("", ""),
            metadata: json(STRANGE_JSON),
            updated_at: at(1),
            ..bare.clone()
        },
        Task {
            description: Description::new(longest_text()).unwrap(),
            own_priority: Some(Priority::MAX),
            retry_budget: RetryBudget::new(1_000).unwrap(),
            hold: Some(longest_hold()),
            source: source(STRANGE, "0123abcd"),
            metadata: json(&longest_json()),
            updated_at: LAST,
            not_before: Some(FIRST),
            ..bare.clone()
        },
        bare,
    ]
}

#[track_caller]
fn expect_task(bench: &Bench, seq: i64, expected: &Task) {
    let mut expected = expected.clone();
    expected.seq = seq;
    for opener in [&bench.store, &bench.harness.open()] {
        let found = opener.read(|tx| tx.task(&expected.id)).unwrap();
        assert_eq!(found.map(|it| it.task).as_ref(), Some(&expected));
    }
    assert!(bench.contents().tasks.contains(&expected));
}

pub(crate) fn a_task_comes_back_with_every_field(bench: &Bench) {
    bench.put(&feature("FEAT-1", None));
    bench.put(&feature(&longest_id(), None));
    let seq = bench.put(&tasks()[0]);
    for task in tasks() {
        bench.write(|tx| tx.update_task(&task));
        expect_task(bench, seq, &task);
    }
    let ids = ["LINT-__INIT__-12", "é", &longest_id()].map(task_id);
    for (mut task, id) in tasks().into_iter().zip(ids) {
        task.id = id;
        (task.created_at, task.updated_at) = (FIRST, LAST);
        let seq = bench.put(&task);
        expect_task(bench, seq, &task);
    }
}

pub(crate) fn a_task_comes_back_after_every_step_of_its_life(bench: &Bench) {
    bench.put(&feature("FEAT-1", None));
    let mut full = tasks()[1].clone();
    full.feature = feature_id("FEAT-1");
    for (number, definition) in [task("TASK-1", "FEAT-1"), full].into_iter().enumerate() {
        for (step, life) in lives(&definition).into_iter().enumerate() {
            let id = task_id(&format!("TASK-{number}-{step}"));
            let life = Task { id, ..life };
            there_and_back(bench, &life, &definition);
        }
    }
}

/// The life by a step and by an update, each from a bare task and back to it, and by insertion.
fn there_and_back(bench: &Bench, life: &Task, definition: &Task) {
    let bare = Task {
        id: life.id.clone(),
        attempts: life.attempts,
        ..definition.clone()
    };
    let seq = bench.put(&bare);
    for task in [life, &bare] {
        bench.write(|tx| {
            live(tx, task)?;
            keep_attempts(tx, task)
        });
        expect_task(bench, seq, task);
    }
    bench.write(|tx| tx.remove_task(&life.id));
    let seq = bench.put(&bare);
    for task in [life, &bare] {
        bench.write(|tx| {
            tx.update_task(task)?;
            keep_attempts(tx, task)
        });
        expect_task(bench, seq, task);
    }
    bench.write(|tx| tx.remove_task(&life.id));
    let seq = bench.write(|tx| {
        let seq = put(tx, life)?;
        keep_attempts(tx, life)?;
        Ok(seq)
    });
    expect_task(bench, seq, life);
}

fn tests() -> Vec<TestCase> {
    let bare = test("TEST-1", of_task("TASK-1"));
    let result = TestResult {
        at: at(1),
        attempt: None,
        exit_code: None,
        duration_ms: None,
        output_tail: None,
        by: actor("ada"),
    };
    vec![
        bare.clone(),
        TestCase {
            description: Description::new(STRANGE).unwrap(),
            command: Some(CommandLine::new(STRANGE).unwrap()),
            required: true,
            status: TestStatus::Passing,
            last: Some(TestResult {
                attempt: Some(1),
                exit_code: Some(0),
                duration_ms: Some(0),
                output_tail: Some(String::new()),
                ..result.clone()
            }),
            source: source("", ""),
            updated_at: at(1),
            metadata: json(STRANGE_JSON),
            ..bare.clone()
        },
        TestCase {
            description: Description::new(longest_text()).unwrap(),
            command: Some(CommandLine::new(longest_text()).unwrap()),
            status: TestStatus::Failing,
            last: Some(TestResult {
                at: LAST,
                attempt: Some(u32::MAX),
                exit_code: Some(i32::MIN),
                duration_ms: Some(i64::MAX as u64),
                output_tail: Some("é".repeat(MAX_OUTPUT_TAIL_BYTES / 2)),
                by: Actor::new(longest_name()).unwrap(),
            }),
            source: source(STRANGE, "0123abcd"),
            updated_at: LAST,
            metadata: json(&longest_json()),
            ..bare.clone()
        },
        TestCase {
            last: Some(result.clone()),
            ..bare.clone()
        },
        TestCase {
            required: true,
            last: Some(TestResult {
                output_tail: Some(STRANGE.to_owned()),
                ..result
            }),
            ..bare.clone()
        },
        bare,
    ]
}

pub(crate) fn a_test_comes_back_with_every_field(bench: &Bench) {
    let expect = |seq: i64, expected: &TestCase| {
        let mut expected = expected.clone();
        expected.seq = seq;
        for opener in [&bench.store, &bench.harness.open()] {
            let found = opener.read(|tx| tx.test(&expected.id)).unwrap();
            assert_eq!(found.as_ref(), Some(&expected));
            let of_owner = opener.read(|tx| tx.tests_of(&expected.owner)).unwrap();
            assert_eq!(of_owner.iter().find(|it| it.seq == seq), Some(&expected));
        }
        assert!(bench.contents().tests.contains(&expected));
    };
    bench.put(&feature("FEAT-1", None));
    bench.put(&task("TASK-1", "FEAT-1"));
    let seq = bench.put(&tests()[0]);
    for test in tests() {
        bench.write(|tx| tx.update_test(&test));
        expect(seq, &test);
    }
    let ids = ["TEST-2", "é", "%", "_", &longest_id()].map(test_id);
    for (mut test, id) in tests().into_iter().zip(ids) {
        test.id = id;
        test.owner = of_feature("FEAT-1");
        test.created_at = FIRST;
        let seq = bench.put(&test);
        expect(seq, &test);
    }
}

/// Attempts of one number. They are closed, because an open one belongs to a claim.
fn attempts() -> Vec<Attempt> {
    let bare = attempt("TASK-1", 1);
    let ended = |outcome, exit_code, message: Option<&str>| {
        Some(AttemptEnd {
            at: LAST,
            outcome,
            exit_code,
            message: message.map(reason),
        })
    };
    let mut attempts = vec![
        bare.clone(),
        Attempt {
            end: ended(Outcome::Failed, Some(i32::MIN), Some(STRANGE)),
            late_message: Some(reason(STRANGE)),
            log_path: Some(String::new()),
            result: Some(json(STRANGE_JSON)),
            ..bare.clone()
        },
        Attempt {
            end: ended(Outcome::Lost, Some(i32::MAX), Some(&longest_text())),
            late_message: Some(reason(&longest_text())),
            log_path: Some(STRANGE.to_owned()),
            result: Some(json(&longest_json())),
            ..bare.clone()
        },
        Attempt {
            result: Some(json("{}")),
            ..bare.clone()
        },
    ];
    attempts.extend(Outcome::ALL.map(|outcome| Attempt {
        end: ended(outcome, None, None),
        ..bare.clone()
    }));
    attempts.push(bare);
    attempts
}

pub(crate) fn an_attempt_comes_back_with_every_field(bench: &Bench) {
    let expect = |expected: &Attempt| {
        let (task, number) = (&expected.task, expected.token.attempt);
        for opener in [&bench.store, &bench.harness.open()] {
            let found = opener.read(|tx| tx.attempt(task, number)).unwrap();
            assert_eq!(found.as_ref(), Some(expected));
            assert!(
                opener
                    .read(|tx| tx.attempts_of(task))
                    .unwrap()
                    .contains(expected)
            );
        }
        assert!(bench.contents().attempts.contains(expected));
    };
    bench.put(&feature("FEAT-1", None));
    bench.put(&with_attempts(u32::MAX, task("TASK-1", "FEAT-1")));
    bench.write(|tx| tx.insert_attempt(&attempts()[0]));
    for attempt in attempts() {
        bench.write(|tx| tx.update_attempt(&attempt));
        expect(&attempt);
    }
    for (number, mut attempt) in (2..).zip(attempts()) {
        attempt.token = Token {
            attempt: number,
            nonce: u64::MAX - u64::from(number),
        };
        attempt.worker = Worker::new(STRANGE).unwrap();
        attempt.started_at = FIRST;
        bench.write(|tx| tx.insert_attempt(&attempt));
        expect(&attempt);
    }
    let last = Attempt {
        token: Token {
            attempt: u32::MAX,
            nonce: u64::MAX,
        },
        worker: Worker::new(longest_name()).unwrap(),
        ..attempt("TASK-1", 1)
    };
    bench.write(|tx| tx.insert_attempt(&last));
    expect(&last);
}

pub(crate) fn a_checkpoint_comes_back_with_every_field(bench: &Bench) {
    bench.put(&feature("FEAT-1", None));
    bench.put(&with_attempts(u32::MAX, task("TASK-1", "FEAT-1")));
    let numbers = [1, u32::MAX];
    for number in numbers {
        bench.write(|tx| tx.insert_attempt(&attempt("TASK-1", number)));
    }
    let steps = |steps: &[&str]| steps.iter().map(|&step| step.to_owned()).collect();
    let bare = checkpoint("TASK-1", 1);
    let all = [
        bare.clone(),
        Checkpoint {
            attempt: u32::MAX,
            at: LAST,
            summary: reason(STRANGE),
            next_steps: steps(&["", STRANGE, "a\nb", "[\"x\"]"]),
            data: Some(json(STRANGE_JSON)),
            ..bare.clone()
        },
        Checkpoint {
            at: FIRST,
            summary: reason(&longest_text()),
            next_steps: steps(&[""]),
            data: Some(json(&longest_json())),
            ..bare.clone()
        },
        Checkpoint {
            data: Some(json("{}")),
            ..bare
        },
    ];
    let mut expected: Vec<Checkpoint> = Vec::new();
    for checkpoint in all {
        let seq = bench.write(|tx| tx.insert_checkpoint(&checkpoint));
        assert!(seq > expected.last().map_or(0, |it| it.seq));
        expected.push(Checkpoint { seq, ..checkpoint });
        for opener in [&bench.store, &bench.harness.open()] {
            let found = opener
                .read(|tx| tx.checkpoints_of(&task_id("TASK-1")))
                .unwrap();
            assert_eq!(found, expected);
        }
    }
    let given = Checkpoint {
        seq: 100,
        ..checkpoint("TASK-1", 1)
    };
    assert_eq!(bench.write(|tx| tx.insert_checkpoint(&given)), 100);
    let next = bench.write(|tx| tx.insert_checkpoint(&checkpoint("TASK-1", 1)));
    assert_eq!(next, 101);
    expected.push(given);
    expected.push(Checkpoint {
        seq: 101,
        ..checkpoint("TASK-1", 1)
    });
    assert_eq!(bench.contents().checkpoints, expected);
}

pub(crate) fn an_event_comes_back_with_every_field(bench: &Bench) {
    let bare = event(EventKind::Created, task_id("TASK-1"));
    let mut expected = Vec::new();
    for event in [
        bare.clone(),
        tasq_domain::Event {
            at: FIRST,
            actor: actor(STRANGE),
            entity: epic_id(&longest_id()).into(),
            data: json(STRANGE_JSON),
            ..bare.clone()
        },
        tasq_domain::Event {
            at: LAST,
            actor: Actor::new(longest_name()).unwrap(),
            entity: test_id("é").into(),
            data: json(&longest_json()),
            ..bare
        },
    ] {
        let seq = bench.write(|tx| tx.append_event(&event));
        expected.push(tasq_domain::Event { seq, ..event });
    }
    let filter = EventFilter {
        entity: None,
        after: 0,
        limit: 10,
    };
    for opener in [&bench.store, &bench.harness.open()] {
        assert_eq!(opener.read(|tx| tx.events(&filter)).unwrap(), expected);
    }
    assert_eq!(bench.contents().events, expected);
}

pub(crate) fn an_operation_comes_back_with_every_field(bench: &Bench) {
    let all = [
        Operation {
            id: OperationId::new("op-1").unwrap(),
            use_case: "claim".to_owned(),
            digest: "00ff".to_owned(),
            answer: String::new(),
        },
        Operation {
            id: OperationId::new(longest_id()).unwrap(),
            use_case: STRANGE.to_owned(),
            digest: STRANGE.to_owned(),
            answer: "é".repeat(MAX_ANSWER_BYTES / 2),
        },
    ];
    for operation in &all {
        bench.write(|tx| tx.insert_operation(operation, 10));
    }
    for opener in [&bench.store, &bench.harness.open()] {
        for operation in &all {
            let found = opener.read(|tx| tx.operation(&operation.id)).unwrap();
            assert_eq!(found.as_ref(), Some(operation));
        }
        let other_case = OperationId::new("OP-1").unwrap();
        assert_eq!(opener.read(|tx| tx.operation(&other_case)).unwrap(), None);
    }
    assert_eq!(bench.contents().operations, all);
}

pub(crate) fn settings_come_back_with_every_field(bench: &Bench) {
    let first = super::settings();
    assert_eq!(bench.read(|tx| tx.settings()), first);
    let all = [
        Settings {
            store: StoreId::new(longest_id()).unwrap(),
            name: longest_name(),
            require_tests: true,
            backoff: Backoff {
                base: Duration::ZERO,
                cap: Duration::ZERO,
            },
        },
        Settings {
            store: StoreId::new("é").unwrap(),
            name: String::new(),
            require_tests: false,
            backoff: Backoff {
                base: Duration::from_micros(1),
                cap: Duration::from_hours(24 * 365 * 100),
            },
        },
        Settings {
            name: STRANGE.to_owned(),
            ..first.clone()
        },
    ];
    for settings in all {
        bench.write(|tx| {
            tx.set_settings(&settings)?;
            assert_eq!(tx.settings()?, settings);
            Ok(())
        });
        for opener in [&bench.store, &bench.harness.open()] {
            assert_eq!(opener.read(|tx| tx.settings()).unwrap(), settings);
        }
        assert_eq!(bench.contents().settings, settings);
    }
}

/// Order of keys, spelling of numbers and escapes. White space between them may go.
pub(crate) fn metadata_keeps_its_order_and_spelling(bench: &Bench) {
    let texts = [
        ("{ }", "{}"),
        (
            "{ \"b\" : 1,\n\t\"a\":\t[2.0, \" x \"] }",
            "{\"b\":1,\"a\":[2.0,\" x \"]}",
        ),
        (
            r#"{"b":1E5,"a":-0,"d":1.000,"c":12345678901234567890123}"#,
            r#"{"b":1E5,"a":-0,"d":1.000,"c":12345678901234567890123}"#,
        ),
    ];
    bench.put(&feature("FEAT-1", None));
    bench.put(&task("TASK-1", "FEAT-1"));
    for (number, (text, compact)) in texts.into_iter().enumerate() {
        let epic = Epic {
            metadata: json(text),
            ..epic(&format!("EPIC-{number}"))
        };
        let task = Task {
            metadata: json(text),
            ..task("TASK-1", "FEAT-1")
        };
        bench.write(|tx| {
            put(tx, &epic)?;
            tx.update_task(&task)
        });
        let contents = bench.contents();
        for found in [
            &contents.epics[number].metadata,
            &contents.tasks[0].metadata,
        ] {
            assert!(
                [text, compact].contains(&found.as_str()),
                "{text}: {found:?}"
            );
        }
    }
}
