//! Keys that this version does not know.

use super::{read, text_of};

#[test]
fn unknown_keys_stay_where_they_stood() {
    let text = r#"{
  "tasq_snapshot": 1, "colour": {"a": [1.0, 2e3]},
  "settings": {"name": "n", "theme": "dark"},
  "features": {"F": {"name": "f", "jira": "X-1",
    "hold": {"by": "ada", "reason": "r", "at": "2026-01-01T00:00:00Z", "ticket": 7}}},
  "tasks": {"A": {"feature": "F", "description": "d", "status": "in_progress", "zeta": null, "attempts": 1,
    "claim": {"worker": "w", "token": "1-00000000000000ab", "started_at": "2026-01-01T00:00:00Z",
      "lease_secs": 1.5, "lease_expires_at": "2026-01-01T00:00:00Z", "host": "h",
      "cancel": {"by": "b", "at": "2026-01-01T00:00:00Z", "why": "w"}}}}
}"#;
    let first = read(text).unwrap();
    let written = text_of(&first);
    let again = read(&written).unwrap();
    assert_eq!(first.extra, again.extra);
    assert_eq!(written, text_of(&again));
    for kept in [
        r#""colour": {"#,
        "2e3",
        r#""theme": "dark""#,
        r#""jira": "X-1""#,
        r#""ticket": 7"#,
        r#""zeta": null"#,
        r#""host": "h""#,
        r#""why":"w""#,
    ] {
        assert!(written.contains(kept), "{kept} in {written}");
    }
}

#[test]
fn unknown_keys_go_with_what_they_stood_in() {
    let text = r#"{"tasq_snapshot": 1, "features": {"F": {"name": "f",
      "hold": {"by": "ada", "reason": "r", "at": "2026-01-01T00:00:00Z", "ticket": 7}}}}"#;
    let mut snapshot = read(text).unwrap();
    snapshot.contents.features[0].hold = None;
    assert!(!text_of(&snapshot).contains("ticket"));
    snapshot.contents.features.clear();
    assert!(!text_of(&snapshot).contains("\"F\""));
}

#[test]
fn what_is_mended_away_takes_its_unknown_keys_along() {
    let text = r#"{"tasq_snapshot": 1, "features": {"F": {"name": "f"}},
      "tasks": {"A": {"feature": "F", "description": "d", "attempts": 1, "jira": "X-1",
        "claim": {"worker": "w", "token": "1-00000000000000ab", "started_at": "2026-01-01T00:00:00Z",
          "lease_secs": 1, "lease_expires_at": "2026-01-01T00:00:00Z", "host": "h"}}}}"#;
    for (text, stays) in [
        (text.to_owned(), true),
        (text.replace("\"jira\": \"X-1\",", ""), false),
    ] {
        let first = read(&text).unwrap();
        assert_eq!(first.contents.tasks[0].claim, None);
        let told = "A: not in progress, so nobody holds it".to_owned();
        assert!(first.mended.contains(&told), "{:?}", first.mended);
        let written = text_of(&first);
        assert_eq!(written.contains("jira"), stays);
        assert!(!written.contains("host"), "{written}");
        assert_eq!(read(&written).unwrap().extra, first.extra);
    }
}

#[test]
fn a_key_that_only_another_object_knows_is_kept() {
    let text = r#"{"tasq_snapshot": 1,
      "epics": {"E": {"name": "e", "claim": {"kept": 1}}},
      "features": {"F": {"name": "f", "last": {"kept": 2},
        "hold": {"by": "ada", "reason": "r", "at": "2026-01-01T00:00:00Z", "process": {"kept": 3}}}},
      "tasks": {"A": {"feature": "F", "description": "d", "last": {"kept": 4}, "cancel": {"kept": 5}}},
      "tests": {"T": {"task": "A", "description": "d", "hold": {"kept": 6}}}}"#;
    let first = read(text).unwrap();
    let written = text_of(&first);
    assert_eq!(read(&written).unwrap().extra, first.extra);
    assert_eq!(written.matches("\"kept\"").count(), 6, "{written}");
}
