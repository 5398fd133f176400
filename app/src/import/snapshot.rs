//! Importing a snapshot of our own.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;

use serde_json::json;
use tasq_domain::{
    AnyId, Contents, Epic, Event, EventKind, Feature, JsonObject, Status, Task, TestCase,
};
use tasq_ports::Tx;

use super::{ImportReport, Tally, named};
use crate::context::App;
use crate::error::AppError;
use crate::export::must_be_empty;
use crate::unit::Unit;

/// What a snapshot is called in reports.
const FORMAT: &str = "a snapshot of tasq";

impl App<'_> {
    /// Brings a snapshot into this store, which must be empty or already have every item of it as it is.
    ///
    /// Ids, times, order and settings become those of the snapshot, the store's id included, so that an export of it is
    /// the snapshot again. Attempts that are still open are closed as lost, uncharged.
    ///
    /// # Errors
    /// [`AppError::Conflict`] if the store has items and they are not those of the snapshot.
    pub fn import_snapshot(
        &self,
        contents: Contents,
        dry_run: bool,
    ) -> Result<ImportReport, AppError> {
        let mut rehearsed = None;
        // Large, and there only once: what a unit that runs again finds in it is what the first one made of it.
        let contents = RefCell::new(contents);
        let result = self.once("import", &(&contents, dry_run), |unit| {
            let mut incoming = contents.borrow_mut();
            incoming.close_open_attempts(unit.now());
            let report = ImportReport {
                format: FORMAT.to_owned(),
                dry_run,
                ..import(unit, &mut incoming)?
            };
            if dry_run {
                rehearsed = Some(report);
                // Any error undoes the unit; this one goes no further.
                return Err(AppError::usage("a dry run", None));
            }
            Ok(report)
        });
        rehearsed.map_or(result, Ok)
    }
}

fn import(unit: &mut Unit<'_>, incoming: &mut Contents) -> Result<ImportReport, AppError> {
    let origin = format!("snapshot:{}", incoming.settings.store);
    let empty = must_be_empty(unit.tx).is_ok();
    let mut report = report(incoming, empty);
    report.origin = origin;
    if empty {
        let bare = incoming.events.is_empty();
        if bare {
            incoming.events = told(unit, incoming, &report.origin)?;
        }
        let loaded = unit.tx.load(incoming);
        if bare {
            incoming.events = Vec::new();
        }
        loaded?;
        return Ok(report);
    }
    let differing = differing(unit.tx, incoming)?;
    if differing.is_empty() {
        return Ok(report);
    }
    Err(AppError::conflict(
        format!(
            "the store is not empty, and the snapshot has what it has not: {}",
            named(&differing)
        ),
        "import it into a fresh store: `tasq import FILE --to URL`",
    )
    .telling(json!({ "differing": differing })))
}

fn report(contents: &Contents, created: bool) -> ImportReport {
    let tally = |count: usize| {
        let count = count as u64;
        if created {
            Tally {
                created: count,
                ..Tally::default()
            }
        } else {
            Tally {
                unchanged: count,
                ..Tally::default()
            }
        }
    };
    let Contents {
        epics,
        features,
        tasks,
        tests,
        dependencies,
        ..
    } = contents;
    ImportReport {
        records: (epics.len() + features.len() + tasks.len() + tests.len()) as u64,
        epic_ids: epics.iter().map(|epic| epic.id.clone()).collect(),
        epics: tally(epics.len()),
        features: tally(features.len()),
        tasks: tally(tasks.len()),
        tests: tally(tests.len()),
        dependencies: if created {
            dependencies.len() as u64
        } else {
            0
        },
        ..ImportReport::default()
    }
}

/// One event for each item, because the snapshot brings no history.
fn told(unit: &Unit<'_>, contents: &Contents, origin: &str) -> Result<Vec<Event>, AppError> {
    let data = JsonObject::new(json!({ "origin": origin }).to_string())?;
    let epics = contents.epics.iter().map(|epic| AnyId::from(&epic.id));
    let features = contents
        .features
        .iter()
        .map(|feature| AnyId::from(&feature.id));
    let tasks = contents.tasks.iter().map(|task| AnyId::from(&task.id));
    let tests = contents.tests.iter().map(|test| AnyId::from(&test.id));
    let all = epics.chain(features).chain(tasks).chain(tests);
    let told = (1..).zip(all).map(|(seq, entity)| Event {
        seq,
        at: unit.now(),
        actor: unit.actor().clone(),
        kind: EventKind::Imported,
        entity,
        data: data.clone(),
    });
    Ok(told.collect())
}

/// The items of a snapshot that are not here, or not as they are in it.
fn differing(tx: &mut dyn Tx, incoming: &Contents) -> Result<Vec<String>, AppError> {
    let now = tx.now();
    let mut here = tx.contents()?;
    // What is claimed here was returned in the snapshot, at another time than now.
    let claimed: HashMap<_, _> = here
        .tasks
        .iter()
        .filter(|task| task.claim.is_some())
        .map(|task| (task.id.clone(), task.updated_at))
        .collect();
    here.close_open_attempts(now);
    let plain_task = |task: &Task| match claimed.get(&task.id) {
        Some(at) => Task {
            updated_at: *at,
            ..task.clone()
        },
        None => task.clone(),
    };
    // A parent's status follows from its children.
    let plain_epic = |epic: &Epic| Epic {
        status: Status::Pending,
        ..epic.clone()
    };
    let plain_feature = |feature: &Feature| Feature {
        status: Status::Pending,
        ..feature.clone()
    };
    let mut names = Vec::new();
    compare(
        &here.epics,
        &incoming.epics,
        |epic| epic.id.clone(),
        plain_epic,
        &mut names,
    );
    compare(
        &here.features,
        &incoming.features,
        |feature| feature.id.clone(),
        plain_feature,
        &mut names,
    );
    compare(
        &here.tasks,
        &incoming.tasks,
        |task| task.id.clone(),
        plain_task,
        &mut names,
    );
    compare(
        &here.tests,
        &incoming.tests,
        |test| test.id.clone(),
        TestCase::clone,
        &mut names,
    );
    let known: std::collections::HashSet<_> = here.dependencies.iter().collect();
    let new = incoming
        .dependencies
        .iter()
        .filter(|dependency| !known.contains(dependency));
    names.extend(new.map(|dependency| format!("{} waits for {}", dependency.task, dependency.on)));
    names.extend(new_questions(&here, incoming));
    Ok(names)
}

/// The questions of a snapshot that are not here, or not as they are in it.
fn new_questions<'a>(here: &'a Contents, incoming: &'a Contents) -> impl Iterator<Item = String> {
    let known: HashMap<_, _> = here
        .questions
        .iter()
        .map(|question| ((&question.task, question.attempt), question))
        .collect();
    let new = incoming
        .questions
        .iter()
        .filter(move |question| known.get(&(&question.task, question.attempt)) != Some(question));
    new.map(|question| {
        format!(
            "the question of attempt {} at {}",
            question.attempt, question.task
        )
    })
}

fn compare<T: PartialEq, I: Hash + Eq + Into<AnyId>>(
    here: &[T],
    incoming: &[T],
    id: impl Fn(&T) -> I,
    plain: impl Fn(&T) -> T,
    names: &mut Vec<String>,
) {
    let known: HashMap<I, &T> = here.iter().map(|item| (id(item), item)).collect();
    for item in incoming {
        let same = known
            .get(&id(item))
            .is_some_and(|here| plain(here) == plain(item));
        if !same {
            let id: AnyId = id(item).into();
            names.push(id.to_string());
        }
    }
}
