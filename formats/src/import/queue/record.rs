//! One record of a queue file, read into a task.

use std::collections::HashSet;

use tasq_domain::life::import_budget;
use tasq_domain::{Description, JsonObject, Priority, Reason, Status, TaskId, Timestamp, Worker};

use super::super::draft::{FailureDraft, Key, Notes, StateDraft, TaskDraft, TestDraft};
use super::super::kept::Kept;
use super::super::{CommandTemplate, ReadOptions};
use super::fields::{self, shown, shown_text};
use super::words;
use crate::digest::canonical_digest;
use crate::json::{JsonError, Node, Object, ObjectNode, Value, to_text};

/// What a record knows of its last attempt.
const ATTEMPT_KEYS: [&str; 4] = ["verification_verdict", "passes", "error", "last_attempt"];
/// Who tried, if a record does not say.
const UNKNOWN_WORKER: &str = "import";

/// A record and its place in the file.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) list: &'static str,
    pub(super) at: usize,
    pub(super) object: ObjectNode<'a>,
}

impl<'a> Record<'a> {
    pub(super) fn value(&self) -> &'a Object {
        self.object.value()
    }

    fn node(&self) -> Node<'a> {
        self.object.node()
    }

    /// The place, as in `features[3]`.
    pub(super) fn place(&self) -> String {
        format!("$.{}[{}]", self.list, self.at)
    }

    /// What the record is called, and a warning if that is not what it says.
    pub(super) fn key(&self) -> (Key, Option<String>) {
        let record = self.value();
        let Some(id) = fields::id_text(record) else {
            let text = to_text(
                record
                    .get("description")
                    .or_else(|| record.get("title"))
                    .unwrap_or(&Value::Null),
            );
            return (
                Key::Made(text),
                Some(format!("{}: no id, so one was made", self.place())),
            );
        };
        match TaskId::new(id.as_str()) {
            Ok(_) => (Key::Given(id), None),
            Err(error) => {
                let warning = format!("{}: {error}; one was made instead", self.place());
                (Key::Made(id), Some(warning))
            }
        }
    }

    /// Refuses what has a type that its key cannot have.
    pub(super) fn check_types(&self) -> Result<(), JsonError> {
        for key in ["title", "description", "status"] {
            self.expect(key, "text", |value| value.as_str().is_some())?;
        }
        for key in ["created_at", "completed_at"] {
            self.expect(key, "a time as text", |value| value.as_str().is_some())?;
        }
        for key in fields::BUDGET_KEYS.into_iter().chain(fields::USED_KEYS) {
            self.expect(key, "a number", |value| value.as_number().is_some())?;
        }
        self.expect("priority", "a number or text", |value| {
            words::priority(value).is_ok()
        })?;
        let is_id = |value: &Value| value.as_str().is_some() || value.as_number().is_some();
        self.expect("id", "text", is_id)?;
        for key in fields::DEPENDENCY_KEYS.into_iter().chain(["tests"]) {
            let is_list = |value: &Value| {
                value
                    .as_array()
                    .is_some_and(|items| items.iter().all(is_id))
            };
            self.expect(key, "a list of texts", |value| {
                is_list(value) || value.as_str().is_some()
            })?;
        }
        Ok(())
    }

    fn expect(
        &self,
        key: &str,
        what: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<(), JsonError> {
        match self.object.opt(key) {
            Some(node) if !fits(node.value()) => {
                Err(node.shape(format!("expected {what}, found {}", node.value().kind())))
            }
            _ => Ok(()),
        }
    }

    /// What the item keeps of the record.
    pub(super) fn kept(&self, group: Option<&str>) -> Result<JsonObject, JsonError> {
        Kept::of(self.value(), &fields::MAPPED, self.list, self.at, group).stored(self.node())
    }

    pub(super) fn digest(&self) -> String {
        canonical_digest(self.node().value())
    }

    /// The task of the record, without what it waits for.
    pub(super) fn task(
        &self,
        key: Key,
        (feature, group): (usize, &str),
        options: &ReadOptions,
        notes: &mut Notes,
    ) -> Result<TaskDraft, JsonError> {
        let mut reading = Reading {
            record: *self,
            notes,
        };
        let description = reading.description(&key);
        let state = reading.state(options.keep_in_progress);
        let priority = reading.priority();
        let (retry_budget, clamped) = fields::budget(self.value());
        reading.warn_of(clamped);
        let (used, clamped) = fields::used(self.value());
        reading.warn_of(clamped);
        let (retries_used, changed) = import_budget(used, retry_budget, state.status());
        if changed {
            let given_back = u64::from(retries_used) + 1 == u64::from(retry_budget.number())
                && state == StateDraft::Pending;
            reading.notes.normalised(if given_back {
                "budget spent on a pending task: one try given back"
            } else {
                "attempts above the budget: cut to the budget"
            });
        }
        let tests = reading.tests(options.test_command.as_ref());
        let failure = reading.failure(&state);
        Ok(TaskDraft {
            key,
            feature,
            description,
            priority,
            created_at: reading.time("created_at"),
            updated_at: reading.last_change(),
            state,
            retry_budget,
            retries_used,
            depends_on: Vec::new(),
            tests,
            failure,
            metadata: self.kept(Some(group))?,
            digest: self.digest(),
        })
    }

    /// The texts of what the record waits for, each once, in order.
    pub(super) fn waits_for(&self) -> Vec<String> {
        let mut seen = HashSet::new();
        let listed = fields::DEPENDENCY_KEYS
            .iter()
            .flat_map(|key| fields::listed(self.value(), key));
        listed.filter(|id| seen.insert(id.clone())).collect()
    }

    /// The status for an item of the tree above tasks.
    pub(super) fn status(&self) -> Status {
        fields::status(self.value())
    }
}

/// Reading one record, with notes about what is not as it was.
struct Reading<'a, 'n> {
    record: Record<'a>,
    notes: &'n mut Notes,
}

impl Reading<'_, '_> {
    fn warn(&mut self, what: &str) {
        let record = self.record.value();
        let name =
            fields::id_text(record).map_or_else(|| self.record.place(), |id| shown_text(&id));
        self.notes.warn(format!("{name}: {what}"));
    }

    fn warn_of(&mut self, what: Option<String>) {
        if let Some(what) = what {
            self.warn(&what);
        }
    }

    fn description(&mut self, key: &Key) -> Description {
        let record = self.record.value();
        let has = |key| fields::text(record, key).is_some();
        match (has("title"), has("description")) {
            (true, true) => self.notes.normalised("title and description → description"),
            (true, false) => self.notes.normalised("title → description"),
            (false, true) => (),
            (false, false) => self.notes.guessed("no description: the name or the id"),
        }
        match fields::description(record) {
            Some((description, was_cut)) => {
                if was_cut {
                    self.warn("its description was cut to fit");
                }
                description
            }
            None => {
                self.warn("it has no description");
                let text = format!("(no description) {}", self.record.place());
                Description::new(if matches!(key, Key::Given(_)) {
                    key.as_str().to_owned()
                } else {
                    text
                })
                .expect("neither is blank or long")
            }
        }
    }

    fn state(&mut self, keep_in_progress: bool) -> StateDraft {
        let record = self.record.value();
        let status = fields::status(record);
        match fields::text(record, "status").map(str::trim) {
            None => self.notes.guessed("no status: pending"),
            Some(word) if words::status(word).is_none() => {
                self.warn(&format!("unknown status {}: blocked", shown_text(word)));
            }
            Some(word) if word != status.as_str() => {
                self.notes.normalised(format!("status {word} → {status}"))
            }
            Some(_) => (),
        }
        match status {
            Status::Pending => StateDraft::Pending,
            Status::InProgress if keep_in_progress => StateDraft::InProgress,
            Status::InProgress => {
                self.notes.normalised(
                    "in progress elsewhere: pending here, because nobody here holds it",
                );
                StateDraft::Pending
            }
            Status::Completed => StateDraft::Completed {
                at: self.completed_at(),
            },
            Status::Blocked => StateDraft::Blocked {
                reason: fields::blocked_reason(record),
            },
        }
    }

    fn completed_at(&mut self) -> Option<Timestamp> {
        if let Some(at) = self.time("completed_at") {
            return Some(at);
        }
        let last = self.last_change();
        self.notes.guessed(match last {
            Some(_) => "no time of completion: the last one of the record",
            None => "no time of completion: that of the import",
        });
        last
    }

    fn priority(&mut self) -> Option<Priority> {
        let value = self.record.value().get("priority")?;
        let priority = words::priority(value).ok().flatten();
        match (priority, value) {
            (Some(priority), Value::Text(word)) => {
                self.notes
                    .normalised(format!("priority {} → {priority}", shown_text(word)));
            }
            (None, value) if !value.is_null() => {
                self.warn(&format!(
                    "unknown priority {}: that of its feature",
                    shown(value)
                ));
            }
            _ => (),
        }
        priority
    }

    fn time(&mut self, key: &str) -> Option<Timestamp> {
        let record = self.record.value();
        let given = fields::text(record, key)?;
        let Some((at, naive)) = fields::time(record, key) else {
            self.warn(&format!("{key} {} is not a time", shown_text(given)));
            return None;
        };
        if naive {
            self.notes
                .normalised(format!("{key} without a zone: read as UTC"));
        }
        Some(at)
    }

    fn last_change(&self) -> Option<Timestamp> {
        let record = self.record.value();
        let times = fields::CHANGE_KEYS
            .iter()
            .filter_map(|key| fields::time(record, key));
        times.map(|(at, _)| at).max()
    }

    fn tests(&mut self, template: Option<&CommandTemplate>) -> Vec<TestDraft> {
        let paths = fields::test_paths(self.record.value());
        let left_out = fields::listed(self.record.value(), "tests").len() - paths.len();
        if left_out > 0 {
            self.warn(&format!(
                "{left_out} of its tests are empty, too long or listed twice"
            ));
        }
        let mut tests = Vec::with_capacity(paths.len());
        for path in paths {
            let command = template.map(|template| template.command(&path)).transpose();
            if command.is_err() {
                self.warn(&format!(
                    "the test {} is too long for a command",
                    shown_text(&path)
                ));
            }
            tests.push(TestDraft {
                description: Description::new(path.as_str())
                    .expect("a path that says something was asked for"),
                key: path,
                command: command.ok().flatten(),
            });
        }
        tests
    }

    fn failure(&mut self, state: &StateDraft) -> Option<FailureDraft> {
        let record = self.record.value();
        if matches!(state, StateDraft::Completed { .. }) {
            return None;
        }
        let message = Reason::lossy(fields::text(record, "error")?)?;
        let worker = ["agent", "agent_type"]
            .iter()
            .find_map(|key| fields::text(record, key));
        let worker = worker.and_then(|name| Worker::new(name).ok());
        let known = ATTEMPT_KEYS
            .iter()
            .filter_map(|key| Some((*key, record.get(key)?.clone())));
        let result = JsonObject::new(to_text(&Value::Object(known.collect()))).ok();
        Some(FailureDraft {
            worker: worker
                .unwrap_or_else(|| Worker::new(UNKNOWN_WORKER).expect("a word is a name")),
            at: fields::time(record, "last_attempt").map(|(at, _)| at),
            message,
            result,
        })
    }
}
