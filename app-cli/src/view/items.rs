//! Epics, features, tasks and test cases.

use tasq_app::{EpicView, FeatureView, TaskView};
use tasq_domain::{
    Epic, EpicId, Feature, FeatureId, Priority, Proof, Reason, Task, TaskId, TaskRecord, TestCase,
    TestOwner,
};
use tasq_formats::json::{Object, Value};

use super::parts::{
    claim, counts, counts_in_words, hold, mark, short_time, test_result, test_tone, time, tone,
    verbatim,
};
use crate::output::{Cell, Table, Text, Tone, View};

fn ids(ids: &[TaskId]) -> Value {
    ids.iter().map(TaskId::as_str).collect()
}

/// The shape of a task.
pub(crate) fn task_json(view: &TaskView) -> Object {
    let TaskView {
        record,
        depends_on,
        waits_for,
    } = view;
    let TaskRecord {
        task,
        epic,
        priority,
        open_dependencies: _,
        held_above: _,
    } = record;
    let Task {
        seq,
        id,
        feature,
        description,
        own_priority,
        retry_budget,
        hold: on_hold,
        source: _,
        metadata,
        created_at,
        updated_at,
        status,
        blocked_reason,
        retries_used,
        not_before,
        attempts,
        lost_in_a_row: _,
        claim: held,
        completed_at,
        proof,
    } = task;
    Object::new()
        .with("id", id.as_str())
        .with("feature_id", feature.as_str())
        .with("epic_id", epic.as_ref().map(EpicId::as_str))
        .with("description", description.as_str())
        .with("title", description.title())
        .with("status", status.as_str())
        .with(
            "blocked_reason",
            blocked_reason.as_ref().map(Reason::as_str),
        )
        .with("priority", priority.number())
        .with("own_priority", own_priority.map(Priority::number))
        .with("retry_budget", retry_budget.number())
        .with("retries_used", *retries_used)
        .with("not_before", not_before.map(time))
        .with("attempts", *attempts)
        .with("claim", held.as_ref().map(claim))
        .with("proof", proof.as_ref().map(Proof::as_str))
        .with("hold", on_hold.as_ref().map(hold))
        .with("depends_on", ids(depends_on))
        .with("waits_for", ids(waits_for))
        .with("created_at", time(*created_at))
        .with("updated_at", time(*updated_at))
        .with("completed_at", completed_at.map(time))
        .with("metadata", verbatim(metadata))
        .with("seq", *seq)
}

/// The shape of a feature.
pub(crate) fn feature_json(view: &FeatureView) -> Object {
    let FeatureView {
        feature,
        counts: below,
    } = view;
    let Feature {
        seq: _,
        id,
        epic,
        name,
        description,
        priority,
        own_status: _,
        status,
        hold: on_hold,
        source: _,
        created_at,
        updated_at,
        metadata,
    } = feature;
    Object::new()
        .with("id", id.as_str())
        .with("epic_id", epic.as_ref().map(EpicId::as_str))
        .with("name", name.as_str())
        .with(
            "description",
            description.as_ref().map(|text| text.as_str()),
        )
        .with("status", status.as_str())
        .with("priority", priority.number())
        .with("hold", on_hold.as_ref().map(hold))
        .with("counts", counts(*below))
        .with("created_at", time(*created_at))
        .with("updated_at", time(*updated_at))
        .with("metadata", verbatim(metadata))
}

/// The shape of an epic.
pub(crate) fn epic_json(view: &EpicView) -> Object {
    let EpicView {
        epic,
        counts: below,
    } = view;
    let Epic {
        seq: _,
        id,
        name,
        description,
        own_status: _,
        status,
        hold: on_hold,
        source: _,
        created_at,
        updated_at,
        metadata,
    } = epic;
    Object::new()
        .with("id", id.as_str())
        .with("name", name.as_str())
        .with(
            "description",
            description.as_ref().map(|text| text.as_str()),
        )
        .with("status", status.as_str())
        .with("hold", on_hold.as_ref().map(hold))
        .with("counts", counts(*below))
        .with("created_at", time(*created_at))
        .with("updated_at", time(*updated_at))
        .with("metadata", verbatim(metadata))
}

/// The shape of a test case.
pub(crate) fn test_json(test: &TestCase) -> Object {
    let TestCase {
        seq: _,
        id,
        owner,
        description,
        command,
        required,
        status,
        last,
        source: _,
        created_at,
        updated_at,
        metadata,
    } = test;
    let (task, feature) = match owner {
        TestOwner::Task(id) => (Some(id), None),
        TestOwner::Feature(id) => (None, Some(id)),
    };
    Object::new()
        .with("id", id.as_str())
        .with("task_id", task.map(TaskId::as_str))
        .with("feature_id", feature.map(FeatureId::as_str))
        .with("description", description.as_str())
        .with("command", command.as_ref().map(|command| command.as_str()))
        .with("required", *required)
        .with("status", status.as_str())
        .with("last", last.as_ref().map(test_result))
        .with("created_at", time(*created_at))
        .with("updated_at", time(*updated_at))
        .with("metadata", verbatim(metadata))
}

/// What a task is waiting for or how it ended, in a few words.
pub(crate) fn task_note(view: &TaskView) -> String {
    let task = &view.record.task;
    if let Some(reason) = &task.blocked_reason {
        return format!(
            "blocked: {}",
            reason.as_str().lines().next().unwrap_or_default()
        );
    }
    if let Some(claim) = &task.claim {
        return format!("claimed by {}", claim.worker);
    }
    if let Some(hold) = &task.hold {
        return format!("on hold: {}", hold.reason);
    }
    if let Some(first) = view.waits_for.first() {
        return match view.waits_for.len() {
            1 => format!("waits for {first}"),
            count => format!("waits for {first} and {} more", count - 1),
        };
    }
    match (&task.proof, task.not_before) {
        (Some(Proof::Unproven), _) => "unproven".to_owned(),
        (Some(Proof::Override { by, .. }), _) => format!("on the word of {by}"),
        (Some(Proof::Tests | Proof::Imported), _) | (None, None) => String::new(),
        (None, Some(at)) => format!("not before {}", short_time(at)),
    }
}

/// The columns of a list of tasks.
pub(crate) fn task_table(tasks: &[TaskView]) -> Table {
    let mut table = Table::new(&["id", "status", "prio", "feature", "note", "title"]);
    for view in tasks {
        let task = &view.record.task;
        table.row(vec![
            task.id.as_str().into(),
            Cell::new(task.status.as_str(), tone(task.status)),
            view.record.priority.to_string().into(),
            task.feature.as_str().into(),
            Cell::new(task_note(view), Tone::Faint),
            task.description.title().into(),
        ]);
    }
    table
}

impl View for TaskView {
    fn json(&self) -> Value {
        task_json(self).into()
    }

    fn text(&self, text: &mut Text) {
        let task = &self.record.task;
        text.paint(tone(task.status), mark(task.status))
            .push(" ")
            .paint(Tone::Strong, task.id.as_str());
        text.push(&format!("  {}  P{}  ", task.status, self.record.priority))
            .push(task.description.title());
        let note = task_note(self);
        if !note.is_empty() {
            text.paint(Tone::Faint, &format!("  ({note})"));
        }
        text.end();
    }
}

impl View for FeatureView {
    fn json(&self) -> Value {
        feature_json(self).into()
    }

    fn text(&self, text: &mut Text) {
        let Feature {
            id,
            name,
            status,
            priority,
            ..
        } = &self.feature;
        text.paint(tone(*status), mark(*status))
            .push(" ")
            .paint(Tone::Strong, id.as_str());
        text.push(&format!("  {status}  P{priority}  "))
            .push(name.as_str());
        text.paint(
            Tone::Faint,
            &format!("  ({})", counts_in_words(self.counts)),
        )
        .end();
    }
}

impl View for EpicView {
    fn json(&self) -> Value {
        epic_json(self).into()
    }

    fn text(&self, text: &mut Text) {
        let Epic {
            id, name, status, ..
        } = &self.epic;
        text.paint(tone(*status), mark(*status))
            .push(" ")
            .paint(Tone::Strong, id.as_str());
        text.push(&format!("  {status}  ")).push(name.as_str());
        text.paint(
            Tone::Faint,
            &format!("  ({})", counts_in_words(self.counts)),
        )
        .end();
    }
}

impl View for TestCase {
    fn json(&self) -> Value {
        test_json(self).into()
    }

    fn text(&self, text: &mut Text) {
        text.paint(Tone::Strong, self.id.as_str());
        text.push("  ")
            .paint(test_tone(self.status), self.status.as_str());
        text.push("  ").push(self.description.title());
        let how = match &self.command {
            Some(command) => format!("  ({command})"),
            None if self.required => "  (manual, required)".to_owned(),
            None => "  (manual)".to_owned(),
        };
        text.paint(Tone::Faint, &how).end();
    }
}

/// Several items of one sort, under the name that JSON gives them.
pub(crate) struct Several<T> {
    pub(crate) name: &'static str,
    pub(crate) items: Vec<T>,
}

impl<T: View> View for Several<T> {
    fn json(&self) -> Value {
        let items: Value = self.items.iter().map(View::json).collect();
        Object::new().with(self.name, items).into()
    }

    fn text(&self, text: &mut Text) {
        for item in &self.items {
            item.text(text);
        }
    }
}
