//! Epics, features, tasks and test cases.

use tasq_app::{EpicView, FeatureView, TaskView};
use tasq_domain::{
    Attempt, Epic, EpicId, Feature, FeatureId, Priority, Proof, Reason, Task, TaskId, TaskRecord,
    TestCase, TestOwner,
};
use tasq_formats::json::{Written, WrittenObject};

use super::parts::{
    attempt, claim, counts, counts_in_words, hold, mark, short_time, test_result, test_tone, time,
    tone, verbatim,
};
use crate::output::{Cell, Table, Text, Tone, View};

/// The shape of a task.
pub(crate) fn task_json(view: &TaskView) -> WrittenObject {
    task_with_attempts(view, None)
}

/// The shape of a task, whose `attempts` are a list if they are `listed`, else their number.
pub(crate) fn task_with_attempts(view: &TaskView, listed: Option<&[Attempt]>) -> WrittenObject {
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
    let object = WrittenObject::new()
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
        .with("not_before", not_before.map(time));
    let object = match listed {
        Some(listed) => object.with_list("attempts", listed.iter().map(attempt)),
        None => object.with("attempts", *attempts),
    };
    object
        .with("claim", held.as_ref().map(claim))
        .with("proof", proof.as_ref().map(Proof::as_str))
        .with("hold", on_hold.as_ref().map(hold))
        .with_list("depends_on", depends_on.iter().map(TaskId::as_str))
        .with_list("waits_for", waits_for.iter().map(TaskId::as_str))
        .with("created_at", time(*created_at))
        .with("updated_at", time(*updated_at))
        .with("completed_at", completed_at.map(time))
        .with("metadata", verbatim(metadata))
        .with("seq", *seq)
}

/// The shape of a feature.
pub(crate) fn feature_json(view: &FeatureView) -> WrittenObject {
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
    WrittenObject::new()
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
pub(crate) fn epic_json(view: &EpicView) -> WrittenObject {
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
    WrittenObject::new()
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
pub(crate) fn test_json(test: &TestCase) -> WrittenObject {
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
    WrittenObject::new()
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
    fn json(&self) -> Written {
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
    fn json(&self) -> Written {
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
    fn json(&self) -> Written {
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
    fn json(&self) -> Written {
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
    fn json(&self) -> Written {
        WrittenObject::new()
            .with_list(self.name, self.items.iter().map(View::json))
            .into()
    }

    fn text(&self, text: &mut Text) {
        for item in &self.items {
            item.text(text);
        }
    }
}
