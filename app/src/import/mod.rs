//! Importing: what another tool's file, or a snapshot of our own, brings into the store.
//!
//! A file becomes a [`Draft`] first (see [`read`]), and everything about it that can be wrong is found before the first
//! write. Then one unit of work stores all of it. Every item keeps the digest of its source record: the same digest again
//! changes nothing, whatever became of the item here; another one is a conflict, or, if asked for, merged field by field.

mod create;
mod ids;
mod merge;
mod snapshot;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Value, json};
use tasq_domain::{EpicId, FeatureId, TaskId, Timestamp};
use tasq_formats::import::{Draft, ImportError, Notes, ReadOptions};
use tasq_ports::Tx;

use crate::context::App;
use crate::error::AppError;
use crate::once::{Answer, number, text};
use crate::unit::Unit;

/// How many conflicts or dangling ids a message names.
const MAX_NAMED: usize = 10;

/// How a draft is imported.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImportOptions {
    /// The file, for messages.
    pub place: String,
    /// Report what would happen, and write nothing.
    pub dry_run: bool,
    /// Merge what the source changed since its last import, instead of refusing it.
    pub update: bool,
    /// Give an item whose id is taken by something else a fresh id, instead of refusing it.
    pub remap: bool,
}

/// What happened to the items of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Items that are new here.
    pub created: u64,
    /// Items that were merged with what the source changed.
    pub updated: u64,
    /// Items whose source is as it was.
    pub unchanged: u64,
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImportReport {
    /// Where the items come from, such as `queue-file:shop`.
    pub origin: String,
    /// What the file is.
    pub format: String,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Records in the file.
    pub records: u64,
    /// The epics that the file stands for.
    pub epic_ids: Vec<EpicId>,
    /// Epics.
    pub epics: Tally,
    /// Features.
    pub features: Tally,
    /// Tasks.
    pub tasks: Tally,
    /// Test cases.
    pub tests: Tally,
    /// Dependencies that are new.
    pub dependencies: u64,
    /// Values that were replaced by ours without doubt, and how often.
    pub normalised: BTreeMap<String, u64>,
    /// What was guessed, and how often.
    pub guesses: BTreeMap<String, u64>,
    /// What may not be as the source meant it.
    pub warnings: Vec<String>,
    /// How many more warnings there were.
    pub more_warnings: u64,
    /// Ids of the source that were taken, each with its kind, and the id given instead.
    pub remapped: Vec<(String, String)>,
}

/// Reads a file of another tool. `place` is its name, for messages.
///
/// # Errors
/// [`AppError::InvalidData`] with line, column and JSON path for what is broken, and by name for what is not supported;
/// [`AppError::Conflict`] for an id that occurs twice; [`AppError::Cycle`]; [`AppError::Limit`].
pub fn read(place: &str, bytes: &[u8], options: &ReadOptions) -> Result<Draft, AppError> {
    tasq_formats::import::read(bytes, options).map_err(|error| match error {
        ImportError::Json(error) => AppError::json(place, &error),
        ImportError::Cycle(path) => AppError::Cycle(path),
        ImportError::Duplicate { .. } => AppError::conflict(
            format!("{place}: {error}"),
            "give one of them another id in the file; nothing was imported",
        )
        .telling(json!({ "file": place })),
        ImportError::Unsupported { .. } => AppError::InvalidData {
            place: place.to_owned(),
            message: error.to_string(),
        },
    })
}

impl App<'_> {
    /// Stores a draft in one unit of work, or nothing of it.
    ///
    /// # Errors
    /// [`AppError::Conflict`] for items that the source changed (unless `update`) and for ids that are taken by
    /// something else (unless `remap`); [`AppError::InvalidData`] for dependencies on what is neither in the file nor
    /// here; [`AppError::Cycle`]; [`AppError::Denied`] for a worker that wants to update.
    pub fn import(&self, draft: &Draft, options: &ImportOptions) -> Result<ImportReport, AppError> {
        if options.update && self.caller.is_worker() {
            return Err(AppError::Denied {
                message: "a worker may not update what was imported".to_owned(),
                hint: Some("a person has to do it, outside the worker".to_owned()),
            });
        }
        let mut rehearsed = None;
        let result = self.once("import", &(draft, options), |unit| {
            let report = Import::new(self, unit, draft, options)?.run()?;
            if options.dry_run {
                rehearsed = Some(report);
                // Any error undoes the unit; this one goes no further.
                return Err(AppError::usage("a dry run", None));
            }
            Ok(report)
        });
        rehearsed.map_or(result, Ok)
    }
}

/// One import under way.
struct Import<'i, 't> {
    app: &'i App<'i>,
    unit: &'i mut Unit<'t>,
    draft: &'i Draft,
    options: &'i ImportOptions,
    report: ImportReport,
    /// The draft's origin, with a number if another file of the same name came first.
    origin: String,
    epics: Vec<ids::Target<tasq_domain::Epic, EpicId>>,
    features: Vec<ids::Target<tasq_domain::Feature, FeatureId>>,
    tasks: Vec<ids::Target<tasq_domain::Task, TaskId>>,
    /// The tasks that are new.
    new_tasks: HashSet<TaskId>,
    /// The draft's tasks by the names that the source gave them.
    by_name: HashMap<&'i str, usize>,
    /// The features whose own dependencies the source changed.
    waits_anew: HashSet<usize>,
    /// What tasks of earlier imports are to wait for as well.
    additions: Vec<(TaskId, Vec<TaskId>)>,
    notes: Notes,
    now: Timestamp,
}

impl<'i, 't> Import<'i, 't> {
    fn new(
        app: &'i App<'i>,
        unit: &'i mut Unit<'t>,
        draft: &'i Draft,
        options: &'i ImportOptions,
    ) -> Result<Self, AppError> {
        let now = unit.now();
        let origin = ids::origin(unit.tx, draft)?;
        Ok(Self {
            app,
            unit,
            draft,
            options,
            report: ImportReport::default(),
            origin,
            epics: Vec::new(),
            features: Vec::new(),
            tasks: Vec::new(),
            new_tasks: HashSet::new(),
            by_name: draft
                .tasks
                .iter()
                .enumerate()
                .map(|(at, task)| (task.key.as_str(), at))
                .collect(),
            waits_anew: HashSet::new(),
            additions: Vec::new(),
            notes: draft.notes.clone(),
            now,
        })
    }

    /// Finds everything that is wrong, then writes.
    fn run(mut self) -> Result<ImportReport, AppError> {
        self.find_targets()?;
        let depends_on = self.resolve_dependencies()?;
        self.create_parents()?;
        self.create_tasks()?;
        for (at, on) in depends_on.iter().enumerate() {
            if self.tasks[at].known().is_none() {
                let task = self.tasks[at].id().clone();
                self.create_dependencies(&task, on)?;
            }
        }
        self.merge_parents()?;
        for (at, on) in depends_on.iter().enumerate() {
            self.merge_task(at, on)?;
        }
        // After all that the source removed is gone, so that an edge may have been turned round.
        for (task, on) in std::mem::take(&mut self.additions) {
            self.create_dependencies(&task, &on)?;
        }
        Ok(self.into_report())
    }

    fn into_report(self) -> ImportReport {
        let Notes {
            normalised,
            guesses,
            warnings,
            more_warnings,
        } = self.notes;
        ImportReport {
            origin: self.origin,
            format: self.draft.format.as_str().to_owned(),
            dry_run: self.options.dry_run,
            records: self.draft.records,
            epic_ids: self
                .epics
                .iter()
                .map(|target| target.id().clone())
                .collect(),
            normalised,
            guesses,
            warnings,
            more_warnings,
            ..self.report
        }
    }
}

/// The first of `names`, and how many more there are.
fn named(names: &[String]) -> String {
    let shown = names
        .iter()
        .take(MAX_NAMED)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(MAX_NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

impl Answer for ImportReport {
    /// The counts; the notes can be had again by importing once more.
    fn remember(&self) -> Value {
        let tally = |tally: Tally| json!([tally.created, tally.updated, tally.unchanged]);
        let origin: String = self.origin.chars().take(500).collect();
        json!({
            "origin": origin,
            "format": self.format,
            "records": self.records,
            "epic_ids": self.epic_ids.iter().take(5).map(EpicId::as_str).collect::<Vec<_>>(),
            "epics": tally(self.epics),
            "features": tally(self.features),
            "tasks": tally(self.tasks),
            "tests": tally(self.tests),
            "dependencies": self.dependencies,
        })
    }

    fn recall(_: &mut dyn Tx, kept: &Value) -> Result<Self, AppError> {
        let count = |value: &Value| value.as_u64().unwrap_or_default();
        let tally = |key: &str| Tally {
            created: count(&kept[key][0]),
            updated: count(&kept[key][1]),
            unchanged: count(&kept[key][2]),
        };
        let ids = kept["epic_ids"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        Ok(Self {
            origin: text(kept, "origin")?.to_owned(),
            format: text(kept, "format")?.to_owned(),
            records: number(kept, "records")?.unsigned_abs(),
            epic_ids: ids.map(EpicId::new).collect::<Result<_, _>>()?,
            epics: tally("epics"),
            features: tally("features"),
            tasks: tally("tasks"),
            tests: tally("tests"),
            dependencies: number(kept, "dependencies")?.unsigned_abs(),
            ..Self::default()
        })
    }
}
