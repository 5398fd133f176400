//! What the quick way reads, and what it leaves to the thorough one.

use super::super::read::{Trust, thoroughly};
use super::super::{Fallback, decode_own};
use super::*;

const TEXT: &str = r#"{"tasq_snapshot": 1, "store": "s", "settings": {"name": "n", "require_tests": false,
        "backoff_base_secs": 5, "backoff_cap_secs": 0.5}, "epics": {}, "features": {"F": {"seq": 1, "name": "f",
        "priority": 2, "status": "pending", "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z"}}, "tasks": {"A": {"seq": 1, "feature": "F", "description": "a",
        "status": "pending", "retry_budget": 15, "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z"}, "B": {"seq": 2, "feature": "F", "description": "b",
        "depends_on": ["A"], "status": "pending", "retry_budget": 15, "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z", "metadata": {"k": [1.0]}}}, "tests": {}}"#;

fn quick(text: &str) -> Option<Snapshot> {
    snapshot(text.as_bytes(), Limits::OWN)
}

#[test]
fn what_the_writer_never_writes_is_left_to_the_thorough_way() {
    let read = quick(TEXT).unwrap().contents;
    assert_eq!(read.settings.backoff.cap.as_millis(), 500);
    assert_eq!(read.tasks[1].metadata.as_str(), r#"{"k":[1.0]}"#);
    assert_eq!(read.dependencies.len(), 1);
    for (from, to) in [
        (r#""tasq_snapshot": 1"#, r#""tasq_snapshot": 2"#),
        (r#""epics": {}"#, r#""epics": {}, "other": 1"#),
        (
            r#""seq": 1, "feature""#,
            r#""seq": 1, "colour": 1, "feature""#,
        ),
        (r#""seq": 1, "feature""#, r#""seq": 1, "seq": 1, "feature""#),
        (r#""seq": 2"#, r#""seq": 1"#),
        (r#""seq": 2"#, r#""seq": 0"#),
        (r#""seq": 2"#, r#""seq": 9007199254740993"#),
        (r#""B""#, r#""A""#),
        (r#""B""#, r#""0""#),
        (r#""B""#, r#""a b""#),
        (r#"["A"]"#, r#"["C"]"#),
        (r#""feature": "F""#, r#""feature": "G""#),
        (r#""priority": 2"#, r#""priority": 100"#),
        (r#"{"k": [1.0]}"#, r#"{"k": 1, "k": 2}"#),
        (r#"{"k": [1.0]}"#, "[]"),
        (
            r#""status": "pending", "retry_budget""#,
            r#""status": "done", "retry_budget""#,
        ),
        ("2026-01-01", "2026-02-30"),
        (r#""tests": {}}"#, r#""tests": {}} x"#),
    ] {
        assert!(TEXT.contains(from), "{from}");
        assert_eq!(quick(&TEXT.replacen(from, to, 1)), None, "{from} → {to}");
    }
    assert_eq!(snapshot(TEXT.as_bytes(), Limits::OWN.with_bytes(10)), None);
    assert_eq!(snapshot(TEXT.as_bytes(), Limits::FOREIGN), None);
}

/// The metadata of an epic, over lines that lie as those of a whole snapshot.
#[test]
fn tasks_within_metadata_are_not_taken_for_the_tasks() {
    let task = |id: &str, seq: u32| {
        [
            &format!("\n    \"{id}\": {{"),
            &format!("\n      \"seq\": {seq},"),
            "\n      \"feature\": \"F\",",
            "\n      \"description\": \"d\",",
            "\n      \"status\": \"pending\",",
            "\n      \"retry_budget\": 15,",
            "\n      \"created_at\": \"2026-01-01T00:00:00Z\",",
            "\n      \"updated_at\": \"2026-01-01T00:00:00Z\"",
            "\n    }",
        ]
        .concat()
    };
    let tasks = |task: String| format!("\n  \"tasks\": {{{task}\n  }}");
    let metadata = format!("{{{}}}", tasks(task("INNER", 1)));
    let (head, own) = TEXT.split_once("\"tasks\": ").unwrap();
    let epics = format!(
        r#""epics": {{"E": {{"seq": 1, "name": "e", "status": "pending",
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "metadata": {metadata}}}}}"#
    );
    let head = head.replacen(r#""epics": {}"#, &epics, 1);
    let outer = tasks(task("OUTER", 1));
    for text in [
        format!("{head}{outer}, \"tests\": {{}}}}"),
        format!("{head}\"tasks\": {own}"),
    ] {
        let at = text.find("\n  \"tasks\": ").unwrap() + "\n  \"tasks\": ".len();
        assert!(tasks::as_laid_out(&text[at..]).is_some(), "{text}");
        let fallback = Fallback {
            settings: quick(TEXT).unwrap().contents.settings,
            at: Timestamp::from_micros(0),
        };
        let thorough = thoroughly(text.as_bytes(), Limits::OWN, &fallback, Trust::Encoder).unwrap();
        assert!(
            !thorough
                .contents
                .tasks
                .iter()
                .any(|it| it.id.as_str() == "INNER")
        );
        let own = decode_own(text.as_bytes(), Limits::OWN, &fallback).unwrap();
        assert_eq!(own, thorough);
    }
}
