//! The words of queue files: statuses and priorities.

use tasq_domain::{Priority, Status};

use crate::json::Value;

/// The status that a word means, in any case and with `-`, `_` or a space inside; `None` for an unknown word.
pub(in crate::import) fn status(word: &str) -> Option<Status> {
    let word = word.trim().to_ascii_lowercase().replace(['-', ' '], "_");
    Some(match word.as_str() {
        "pending" | "todo" | "to_do" | "open" | "ready" => Status::Pending,
        "in_progress" | "inprogress" | "doing" => Status::InProgress,
        "complete" | "completed" | "done" | "closed" => Status::Completed,
        "blocked" | "parked" | "deferred" | "failed" | "cancelled" | "canceled" => Status::Blocked,
        _ => return None,
    })
}

/// The priority that a number or text means, none for what has no meaning here; [`Err`] for a value that cannot be one.
pub(in crate::import) fn priority(value: &Value) -> Result<Option<Priority>, ()> {
    let number = |number: i64| Priority::new(number).ok();
    match value {
        Value::Null => Ok(None),
        Value::Number(spelled) => Ok(spelled.as_i64().and_then(number)),
        Value::Text(text) => Ok(match text.trim().to_ascii_lowercase().as_str() {
            "critical" | "high" => number(0),
            "medium" => number(2),
            "low" => number(3),
            word => rank(word).and_then(number),
        }),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(()),
    }
}

/// `p0` to `p9`, or a plain number.
fn rank(word: &str) -> Option<i64> {
    let digits = match word.strip_prefix('p') {
        Some(digit) if digit.len() == 1 => digit,
        Some(_) => return None,
        None => word,
    };
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Number;

    #[test]
    fn every_known_word_means_a_status() {
        let table = [
            ("pending todo open ready TODO", Status::Pending),
            (
                "in_progress in-progress doing In_Progress",
                Status::InProgress,
            ),
            ("complete completed done closed Complete", Status::Completed),
            ("blocked parked deferred failed cancelled", Status::Blocked),
        ];
        for (words, expected) in table {
            for word in words.split(' ') {
                assert_eq!(status(word), Some(expected), "{word}");
            }
        }
        assert_eq!(status("in progress"), Some(Status::InProgress));
        assert_eq!(status("review"), None);
        assert_eq!(status(""), None);
    }

    #[test]
    fn a_priority_is_a_number_a_rank_or_a_word() {
        let read = |value: Value| priority(&value).map(|priority| priority.map(Priority::number));
        for (value, expected) in [
            (Value::from(0_u8), Some(0)),
            (Value::from(12_u8), Some(12)),
            (Value::from(99_u8), Some(99)),
            (Value::from(100_u8), None),
            (Value::from(-1), None),
            (Value::Number(Number::parse("1.0").unwrap()), None),
            (Value::from("P0"), Some(0)),
            (Value::from("p9"), Some(9)),
            (Value::from("P10"), None),
            (Value::from("3"), Some(3)),
            (Value::from("high"), Some(0)),
            (Value::from("Medium"), Some(2)),
            (Value::from("low"), Some(3)),
            (Value::from("soon"), None),
            (Value::from("P0 - BLOCKS LAUNCH"), None),
            (Value::from(""), None),
            (Value::from("+1"), None),
            (Value::Null, None),
        ] {
            assert_eq!(read(value.clone()), Ok(expected), "{value:?}");
        }
        assert_eq!(read(Value::Bool(true)), Err(()));
        assert_eq!(read(Value::Array(vec![])), Err(()));
    }
}
