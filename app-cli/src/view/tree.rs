//! Trees and progress.

use tasq_app::{EpicProgress, Progress, Tree, TreeEpic, TreeFeature};
use tasq_domain::{StatusCounts, TestCase, TestStatus};
use tasq_formats::json::{Written, WrittenObject};

use super::items::{epic_json, feature_json, task_json, task_note, test_json};
use super::parts::{counts, counts_in_words, mark, test_tone, tone};
use crate::output::{Text, Tone, View};

/// How wide a bar of progress is, in characters.
const BAR: usize = 20;

/// A part of the queue as a tree.
pub(crate) struct TreeView(pub(crate) Tree);

impl View for TreeView {
    fn json(&self) -> Written {
        let Tree { epics, features } = &self.0;
        WrittenObject::new()
            .with_list("epics", epics.iter().map(tree_epic))
            .with_list("features", features.iter().map(tree_feature))
            .into()
    }

    fn text(&self, text: &mut Text) {
        let Tree { epics, features } = &self.0;
        for TreeEpic { epic, features } in epics {
            epic.text(text);
            for (at, feature) in features.iter().enumerate() {
                draw_feature(text, feature, Some(at + 1 == features.len()));
            }
        }
        for feature in features {
            draw_feature(text, feature, None);
        }
        if epics.is_empty() && features.is_empty() {
            text.line("nothing here yet: `tasq add TEXT` adds a task");
        }
    }
}

pub(crate) fn tree_epic(tree: &TreeEpic) -> WrittenObject {
    let TreeEpic { epic, features } = tree;
    epic_json(epic).with_list("features", features.iter().map(tree_feature))
}

pub(crate) fn tree_feature(tree: &TreeFeature) -> WrittenObject {
    let TreeFeature {
        feature,
        tests,
        tasks,
    } = tree;
    let tasks = tasks
        .iter()
        .map(|(task, tests)| task_json(task).with_list("tests", tests.iter().map(test_json)));
    feature_json(feature)
        .with_list("tests", tests.iter().map(test_json))
        .with_list("tasks", tasks)
}

/// A feature with its tasks; `last` says whether it is the last of its epic, if it has one.
fn draw_feature(text: &mut Text, tree: &TreeFeature, last: Option<bool>) {
    let TreeFeature {
        feature,
        tests,
        tasks,
    } = tree;
    let (branch, below) = match last {
        None => ("", ""),
        Some(false) => ("├─ ", "│  "),
        Some(true) => ("└─ ", "   "),
    };
    text.paint(Tone::Faint, branch);
    crate::output::View::text(feature, text);
    let leaves = tests.len() + tasks.len();
    for (at, test) in tests.iter().enumerate() {
        leaf(text, below, at + 1 == leaves);
        text.paint(Tone::Faint, "check ")
            .push(test.description.title());
        text.push("  ")
            .paint(test_tone(test.status), test.status.as_str())
            .end();
    }
    for (at, (task, tests)) in tasks.iter().enumerate() {
        leaf(text, below, tests_end(at, tasks.len()));
        let status = task.record.task.status;
        text.paint(tone(status), mark(status))
            .push(" ")
            .paint(Tone::Strong, task.record.task.id.as_str());
        text.push(&format!("  P{}  ", task.record.priority));
        let note = [tests_in_words(tests), task_note(task)];
        let note: Vec<&str> = note
            .iter()
            .map(String::as_str)
            .filter(|note| !note.is_empty())
            .collect();
        let note = if note.is_empty() {
            String::new()
        } else {
            format!("  ({})", note.join("; "))
        };
        text.fit(task.record.task.description.title(), note.chars().count());
        text.paint(Tone::Faint, &note);
        text.end();
    }
}

fn tests_end(at: usize, count: usize) -> bool {
    at + 1 == count
}

fn leaf(text: &mut Text, below: &str, last: bool) {
    text.paint(Tone::Faint, below)
        .paint(Tone::Faint, if last { "└─ " } else { "├─ " });
}

fn tests_in_words(tests: &[TestCase]) -> String {
    if tests.is_empty() {
        return String::new();
    }
    let passing = tests
        .iter()
        .filter(|test| test.status == TestStatus::Passing)
        .count();
    format!("{passing}/{} tests", tests.len())
}

/// How far a part of the queue is.
pub(crate) struct ProgressView(pub(crate) Progress);

impl View for ProgressView {
    fn json(&self) -> Written {
        let Progress {
            counts: all,
            epics,
            features,
        } = &self.0;
        let epics = epics.iter().map(|EpicProgress { epic, features }| {
            let features = features
                .iter()
                .map(|feature| feature_json(feature).with("percent", feature.counts.percent()));
            epic_json(epic)
                .with("percent", epic.counts.percent())
                .with_list("features", features)
        });
        let loose = features
            .iter()
            .map(|feature| feature_json(feature).with("percent", feature.counts.percent()));
        WrittenObject::new()
            .with("counts", counts(*all))
            .with("percent", all.percent())
            .with_list("epics", epics)
            .with_list("features", loose)
            .into()
    }

    fn text(&self, text: &mut Text) {
        let Progress {
            counts: all,
            epics,
            features,
        } = &self.0;
        line(text, "", *all, "all tasks");
        for EpicProgress { epic, features } in epics {
            line(
                text,
                "",
                epic.counts,
                &format!("{}  {}", epic.epic.id, epic.epic.name),
            );
            for feature in features {
                line(
                    text,
                    "  ",
                    feature.counts,
                    &format!("{}  {}", feature.feature.id, feature.feature.name),
                );
            }
        }
        for feature in features {
            line(
                text,
                "",
                feature.counts,
                &format!("{}  {}", feature.feature.id, feature.feature.name),
            );
        }
    }
}

fn line(text: &mut Text, indent: &str, counts: StatusCounts, what: &str) {
    text.push(indent);
    bar(text, counts);
    text.push(&format!(" {:>3} %  ", counts.percent()))
        .push(what);
    text.paint(Tone::Faint, &format!("  ({})", counts_in_words(counts)))
        .end();
}

/// A bar of progress.
pub(crate) fn bar(text: &mut Text, counts: StatusCounts) {
    let full = usize::from(counts.percent()) * BAR / 100;
    text.paint(Tone::Good, &"█".repeat(full))
        .paint(Tone::Faint, &"░".repeat(BAR - full));
}

/// An epic or a feature with all below it.
pub(crate) struct Branch(Tree);

impl Branch {
    /// The only item at the top of a tree.
    pub(crate) const fn of(tree: Tree) -> Self {
        Self(tree)
    }
}

impl View for Branch {
    fn json(&self) -> Written {
        let Tree { epics, features } = &self.0;
        let item = epics
            .first()
            .map(tree_epic)
            .or_else(|| features.first().map(tree_feature));
        Written::of(item)
    }

    fn text(&self, text: &mut Text) {
        let Tree { epics, features } = &self.0;
        let epics = epics.iter().map(|tree| tree.epic.epic.description.as_ref());
        let features = features
            .iter()
            .map(|tree| tree.feature.feature.description.as_ref());
        let about = epics.chain(features).next().flatten();
        TreeView(self.0.clone()).text(text);
        text.block("    ", about.map_or("", |about| about.as_str()));
    }
}
