//! Whole queues and lists.

use std::path::PathBuf;

use tasq_app::{CopyReport, TaskView};
use tasq_formats::json::{Written, WrittenObject};
use tasq_ports::{Removed, StoreInfo};

use super::items::{task_json, task_table};
use crate::discover::{FoundBy, Place};
use crate::output::{Text, Tone, View};

/// A store that was made.
pub(crate) struct Made {
    pub(crate) place: Place,
    pub(crate) name: String,
}

impl View for Made {
    fn json(&self) -> Written {
        WrittenObject::new()
            .with("store", self.place.url())
            .with("name", self.name.as_str())
            .into()
    }

    fn text(&self, text: &mut Text) {
        text.push("made the queue ")
            .paint(Tone::Strong, &self.name)
            .push(" in ");
        text.line(&self.place.path().display().to_string());
    }
}

/// A store that was found.
pub(crate) struct Found {
    pub(crate) place: Place,
    pub(crate) found_by: FoundBy,
    pub(crate) info: StoreInfo,
}

impl View for Found {
    fn json(&self) -> Written {
        let StoreInfo {
            kind,
            place: _,
            schema_version,
        } = &self.info;
        WrittenObject::new()
            .with("store", self.place.url())
            .with("kind", *kind)
            .with("found_by", self.found_by.as_str())
            .with("schema_version", *schema_version)
            .into()
    }

    fn text(&self, text: &mut Text) {
        let StoreInfo {
            kind,
            place: _,
            schema_version,
        } = &self.info;
        text.field("store", &self.place.url());
        text.field("kind", kind);
        text.field("found by", self.found_by.as_str());
        text.field("format", &schema_version.to_string());
    }
}

/// What was removed.
pub(crate) struct Deleted(pub(crate) Removed);

impl View for Deleted {
    fn json(&self) -> Written {
        let Removed {
            epics,
            features,
            tasks,
            tests,
        } = self.0;
        let deleted = WrittenObject::new()
            .with("epics", epics)
            .with("features", features)
            .with("tasks", tasks)
            .with("tests", tests);
        WrittenObject::new().with("deleted", deleted).into()
    }

    fn text(&self, text: &mut Text) {
        let Removed {
            epics,
            features,
            tasks,
            tests,
        } = self.0;
        let parts = [
            (epics, "epics"),
            (features, "features"),
            (tasks, "tasks"),
            (tests, "test cases"),
        ];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        text.line(&format!("removed {}", parts.join(", ")));
    }
}

/// A page of tasks.
pub(crate) struct TaskPage {
    pub(crate) tasks: Vec<TaskView>,
    pub(crate) next_cursor: Option<String>,
}

impl View for TaskPage {
    fn json(&self) -> Written {
        WrittenObject::new()
            .with_list("tasks", self.tasks.iter().map(task_json))
            .with("next_cursor", self.next_cursor.as_deref())
            .into()
    }

    fn text(&self, text: &mut Text) {
        text.table(&task_table(&self.tasks));
        // In a pipe every line is a task.
        if let Some(cursor) = self
            .next_cursor
            .as_deref()
            .filter(|_| text.style().width.is_some())
        {
            text.paint(Tone::Faint, &format!("more with --after {cursor}"))
                .end();
        }
    }
}

/// Tasks without an end.
pub(crate) struct Tasks(pub(crate) Vec<TaskView>);

impl View for Tasks {
    fn json(&self) -> Written {
        WrittenObject::new()
            .with_list("tasks", self.0.iter().map(task_json))
            .into()
    }

    fn text(&self, text: &mut Text) {
        text.table(&task_table(&self.0));
    }
}

/// What was copied to where.
pub(crate) struct Copied {
    pub(crate) from: Place,
    pub(crate) to: Place,
    pub(crate) report: CopyReport,
}

impl View for Copied {
    fn json(&self) -> Written {
        let CopyReport {
            epics,
            features,
            tasks,
            tests,
            dependencies,
            questions,
            attempts,
            checkpoints,
            events,
            closed,
        } = &self.report;
        WrittenObject::new()
            .with("from", self.from.url())
            .with("to", self.to.url())
            .with("epics", *epics)
            .with("features", *features)
            .with("tasks", *tasks)
            .with("tests", *tests)
            .with("dependencies", *dependencies)
            .with("questions", *questions)
            .with("attempts", *attempts)
            .with("checkpoints", *checkpoints)
            .with("events", *events)
            .with("closed_attempts", *closed)
            .into()
    }

    fn text(&self, text: &mut Text) {
        let CopyReport {
            epics,
            features,
            tasks,
            tests,
            events,
            closed,
            ..
        } = &self.report;
        text.line(&format!(
            "copied {epics} epics, {features} features, {tasks} tasks, {tests} test cases and {events} events to {}",
            self.to.path().display()
        ));
        if *closed > 0 {
            text.line(&format!(
                "{closed} open attempts are closed as lost in the copy, uncharged"
            ));
        }
    }
}

/// A store that was brought up to date, or what it would take.
pub(crate) struct Migrated {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) applied: Vec<String>,
    pub(crate) dry_run: bool,
    pub(crate) backup: Option<PathBuf>,
}

impl View for Migrated {
    fn json(&self) -> Written {
        let Self {
            from,
            to,
            applied,
            dry_run,
            backup,
        } = self;
        WrittenObject::new()
            .with("from", *from)
            .with("to", *to)
            .with_list("applied", applied.iter().map(String::as_str))
            .with("dry_run", *dry_run)
            .with(
                "backup",
                backup.as_ref().map(|path| path.display().to_string()),
            )
            .into()
    }

    fn text(&self, text: &mut Text) {
        let Self {
            from,
            to,
            applied,
            dry_run,
            backup,
        } = self;
        if applied.is_empty() {
            text.line(&format!("the store has format {to}, which is the newest"));
            return;
        }
        let verb = if *dry_run {
            "would be migrated"
        } else {
            "was migrated"
        };
        text.line(&format!("the store {verb} from format {from} to {to}:"));
        for name in applied {
            text.push("  ").line(name);
        }
        if let Some(path) = backup {
            text.field("backup", &path.display().to_string());
        }
    }
}
