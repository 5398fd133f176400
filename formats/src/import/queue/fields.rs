//! The fields of a record: what each key means to us. Pure, so that reading and writing back use the same rules.

use std::collections::HashSet;

use tasq_domain::{
    Description, MAX_DESCRIPTION_BYTES, Reason, RetryBudget, Status, Timestamp, is_blank,
};

use super::words;
use crate::json::{Object, Value, quoted};
use crate::time;

/// The keys of a record that become fields of ours.
pub(in crate::import) const MAPPED: [&str; 14] = [
    "id",
    "title",
    "description",
    "status",
    "priority",
    "retry_budget",
    "max_iterations",
    "retries_used",
    "attempts",
    "created_at",
    "completed_at",
    "dependencies",
    "depends_on",
    "tests",
];
/// The keys that name what a task waits for.
pub(in crate::import) const DEPENDENCY_KEYS: [&str; 2] = ["dependencies", "depends_on"];
/// The keys of the budget, the first that says something counts.
pub(in crate::import) const BUDGET_KEYS: [&str; 2] = ["retry_budget", "max_iterations"];
/// The keys of the retries used, the first that says something counts.
pub(in crate::import) const USED_KEYS: [&str; 2] = ["retries_used", "attempts"];
/// The keys whose latest time is that of the last change.
pub(super) const CHANGE_KEYS: [&str; 7] = [
    "created_at",
    "updated_at",
    "last_updated",
    "started_at",
    "last_attempt",
    "blocked_at",
    "completed_at",
];

/// The text of `key`, if it says something.
pub(in crate::import) fn text<'r>(record: &'r Object, key: &str) -> Option<&'r str> {
    record
        .get(key)
        .and_then(Value::as_str)
        .filter(|text| !is_blank(text))
}

/// What is to be done, and whether it had to be cut.
///
/// Title and description are joined by a blank line; a name or, at last, the id stands in for both.
pub(in crate::import) fn description(record: &Object) -> Option<(Description, bool)> {
    let joined = match (text(record, "title"), text(record, "description")) {
        (Some(title), Some(description)) => format!("{title}\n\n{description}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => {
            let name = text(record, "name").map(str::to_owned);
            let instead = name.or_else(|| id_text(record))?;
            return Some((fitting(&instead)?, false));
        }
    };
    let fitting = fitting(&joined)?;
    let changed = fitting.as_str() != joined;
    Some((fitting, changed))
}

/// `text` without NUL and not too long.
fn fitting(text: &str) -> Option<Description> {
    let mut text = text.replace('\0', "\u{fffd}");
    text.truncate(text.floor_char_boundary(MAX_DESCRIPTION_BYTES));
    Description::new(text).ok()
}

/// The status of a record: a missing one is pending, an unknown one blocked.
pub(in crate::import) fn status(record: &Object) -> Status {
    text(record, "status").map_or(Status::Pending, |word| {
        words::status(word).unwrap_or(Status::Blocked)
    })
}

/// Why a blocked record is so: the word of its status, and what else it says about it.
pub(super) fn blocked_reason(record: &Object) -> Reason {
    let word = text(record, "status").unwrap_or("blocked").trim();
    let detail = text(record, "blocked_reason").or_else(|| text(record, "error"));
    let reason = detail.map_or_else(|| word.to_owned(), |detail| format!("{word}: {detail}"));
    Reason::lossy(&reason).unwrap_or_else(|| Reason::new("blocked").expect("a word is a reason"))
}

/// The first of `keys` that is not null.
pub(in crate::import) fn first<'r, 'k>(
    record: &'r Object,
    keys: &[&'k str],
) -> Option<(&'k str, &'r Value)> {
    let given = |key: &&'k str| Some((*key, record.get(key).filter(|value| !value.is_null())?));
    keys.iter().find_map(given)
}

/// The budget of a record, and a warning if it is not what the record says.
pub(in crate::import) fn budget(record: &Object) -> (RetryBudget, Option<String>) {
    let Some((key, value)) = first(record, &BUDGET_KEYS) else {
        return (RetryBudget::default(), None);
    };
    let (number, clamped) = whole(value, i64::from(tasq_domain::MAX_RETRY_BUDGET));
    let budget = number
        .and_then(|number| RetryBudget::new(number).ok())
        .unwrap_or_default();
    let warning = clamped.then(|| format!("{key} {} became {}", shown(value), budget.number()));
    (budget, warning)
}

/// The retries used that a record tells of, and a warning if it is not what the record says.
pub(in crate::import) fn used(record: &Object) -> (u64, Option<String>) {
    let Some((key, value)) = first(record, &USED_KEYS) else {
        return (0, None);
    };
    let (number, clamped) = whole(value, i64::MAX);
    let used = number
        .and_then(|number| u64::try_from(number).ok())
        .unwrap_or(0);
    let warning = clamped.then(|| format!("{key} {} became {used}", shown(value)));
    (used, warning)
}

/// A whole number brought into 0–`most`, none if it is not whole; and whether it had to be changed.
fn whole(value: &Value, most: i64) -> (Option<i64>, bool) {
    let Some(spelled) = value.as_number() else {
        return (None, true);
    };
    let is_whole = spelled
        .as_str()
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'-');
    match spelled.as_i64() {
        Some(number) => (Some(number.clamp(0, most)), !(0..=most).contains(&number)),
        None if is_whole && !spelled.as_str().starts_with('-') => (Some(most), true),
        None => (is_whole.then_some(0), true),
    }
}

/// A time of a record, and whether its zone had to be guessed; none if it is absent or cannot be read.
pub(in crate::import) fn time(record: &Object, key: &str) -> Option<(Timestamp, bool)> {
    let parsed = time::parse(text(record, key)?).ok()?;
    Some((Timestamp::from_micros(parsed.micros), parsed.naive))
}

/// The ids or paths that a key lists: texts, and numbers as they are spelled.
pub(in crate::import) fn listed(record: &Object, key: &str) -> Vec<String> {
    let item = |value: &Value| match value {
        Value::Text(text) => Some(text.clone()),
        Value::Number(number) => Some(number.as_str().to_owned()),
        _ => None,
    };
    match record.get(key) {
        Some(Value::Array(items)) => items.iter().filter_map(item).collect(),
        Some(value) => item(value).into_iter().collect(),
        None => Vec::new(),
    }
}

/// The paths of tests that become test cases: each once, and none that says nothing.
pub(in crate::import) fn test_paths(record: &Object) -> Vec<String> {
    let mut seen = HashSet::new();
    let paths = listed(record, "tests").into_iter();
    paths
        .filter(|path| Description::new(path.as_str()).is_ok() && seen.insert(path.clone()))
        .collect()
}

/// The id as the record spells it; numbers count.
pub(in crate::import) fn id_text(record: &Object) -> Option<String> {
    listed(record, "id").pop().filter(|id| !id.is_empty())
}

/// `value` for a message: quoted, and cut where it is long.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => shown_text(text),
        Value::Number(number) if number.as_str().len() <= 32 => number.as_str().to_owned(),
        other => other.kind().to_owned(),
    }
}

/// `text` for a message: quoted, and cut where it is long.
pub(super) fn shown_text(text: &str) -> String {
    match text.char_indices().nth(64) {
        Some((end, _)) => quoted(&format!("{}…", &text[..end])),
        None => quoted(text),
    }
}
