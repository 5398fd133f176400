//! What a source changed since the last import, told from what an item kept of it.

use tasq_domain::life::import_budget;
use tasq_domain::{JsonObject, Status, TextError};

use super::kept::Kept;
use super::queue::fields::{BUDGET_KEYS, DEPENDENCY_KEYS, USED_KEYS, budget, listed, used};
use crate::json::{Object, Value, to_text};

/// Which fields of an item a source changed since its last import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one for each field that may have changed"
)]
pub struct Changes {
    /// The name of an epic.
    pub name: bool,
    /// The description.
    pub description: bool,
    /// The status.
    pub status: bool,
    /// The priority.
    pub priority: bool,
    /// The retry budget.
    pub budget: bool,
    /// The retries used.
    pub used: bool,
    /// What it waits for.
    pub depends_on: bool,
    /// What proves it.
    pub tests: bool,
    /// The group it belongs to.
    pub group: bool,
}

/// Compares what an item kept of the last import with what a new one brings; both are metadata.
///
/// An item that kept nothing counts as changed in everything.
#[must_use]
pub fn changes(stored: &JsonObject, incoming: &JsonObject) -> Changes {
    let (Some(base), Some(new)) = (Kept::read(stored), Kept::read(incoming)) else {
        return Changes {
            name: true,
            description: true,
            status: true,
            priority: true,
            budget: true,
            used: true,
            depends_on: true,
            tests: true,
            group: true,
        };
    };
    let differs = |keys: &[&str]| {
        keys.iter()
            .any(|key| base.record.get(key) != new.record.get(key))
    };
    Changes {
        name: differs(&["project", "title", "description"]),
        description: differs(&["title", "description"]),
        status: differs(&["status"]),
        priority: differs(&["priority"]),
        budget: differs(&BUDGET_KEYS),
        // With another budget, what was cut to the old one counts anew.
        used: differs(&USED_KEYS) || (differs(&BUDGET_KEYS) && is_cut(&base.record)),
        depends_on: differs(&DEPENDENCY_KEYS),
        tests: differs(&["tests"]),
        group: base.group != new.group,
    }
}

/// Whether the retries used of a record are more than its budget leaves room for.
fn is_cut(record: &Object) -> bool {
    let (budget, _) = budget(record);
    import_budget(used(record).0, budget, Status::Pending).1
}

/// The metadata of an item after its source changed, and the keys under which both sides changed something, where what
/// is here was kept.
///
/// `stored_digest` is that of the record as it was last imported. With it one knows whether the keys that have no field
/// were changed in the source, here, or in both: what only the source changed is taken, what was changed here stays.
///
/// # Errors
/// If both together are too large.
pub fn merged_metadata(
    stored: &JsonObject,
    stored_digest: &str,
    incoming: &JsonObject,
) -> Result<(JsonObject, Vec<String>), TextError> {
    let (Some(base), Some(new)) = (Kept::read(stored), Kept::read(incoming)) else {
        return Ok((incoming.clone(), Vec::new()));
    };
    let unchanged_there = base.digest_with(&new.rest) == stored_digest;
    let unchanged_here = base.digest_with(&base.rest) == stored_digest;
    let mut conflicts = Vec::new();
    let rest = if unchanged_there {
        base.rest.clone()
    } else if unchanged_here {
        let added_here = base
            .rest
            .iter()
            .filter(|(key, _)| !base.keys.iter().any(|known| known == key));
        let mut rest = new.rest.clone();
        for (key, value) in added_here {
            rest.insert(key, value.clone());
        }
        rest
    } else {
        both(&base.rest, &new.rest, &mut conflicts)
    };
    let merged = Kept { rest, ..new }.metadata();
    Ok((JsonObject::new(to_text(&Value::Object(merged)))?, conflicts))
}

/// What the source listed under its keys for dependencies when the item was last imported.
#[must_use]
pub fn original_dependencies(metadata: &JsonObject) -> Vec<String> {
    let record = Kept::read(metadata)
        .map(|kept| kept.record)
        .unwrap_or_default();
    DEPENDENCY_KEYS
        .iter()
        .flat_map(|key| listed(&record, key))
        .collect()
}

/// The tests that the source listed when the item was last imported.
#[must_use]
pub fn original_tests(metadata: &JsonObject) -> Vec<String> {
    let record = Kept::read(metadata).map(|kept| kept.record);
    listed(&record.unwrap_or_default(), "tests")
}

/// What is here, and what the source added; a key with two values is a conflict.
fn both(here: &Object, there: &Object, conflicts: &mut Vec<String>) -> Object {
    let mut merged = here.clone();
    for (key, value) in there.iter() {
        match here.get(key) {
            None => drop(merged.insert(key, value.clone())),
            Some(kept) if kept != value => conflicts.push(key.to_owned()),
            Some(_) => (),
        }
    }
    merged
}
