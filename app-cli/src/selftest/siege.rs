//! Workers claim and complete while some of them are killed; then everything is compared with what they were told.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use tasq_app::{AddFeature, AddTask, App, Caller, NewQueue};
use tasq_domain::backoff::Backoff;
use tasq_domain::{Actor, Description, FeatureId, JsonObject, Name, Priority, RetryBudget, TaskId};
use tasq_ports::{StoreError, StoreExt as _};

use super::acks::{Ack, Told};
use super::check::{self, Violation};
use super::crew::{Crew, Duty};
use super::numbers::Numbers;
use super::{Kind, Test};
use crate::discover::Place;
use crate::failure::Failure;
use crate::session::IDS;
use crate::stores;

/// Among so many features the tasks are spread.
const FEATURES: usize = 4;
/// The length of a line in a log of acknowledgements, about.
const LINE_BYTES: u64 = 40;
/// A worker is killed after less than so many acknowledgements, half as many on average: each gets something done.
const ACKS_PER_KILL: u64 = 12;
/// The longest time between the acknowledgement that a kill waited for and the kill, in microseconds: it is to hit any
/// place within a claim or a completion. Where these are faster, it is as long as those took that it waited for.
const AIM_MICROS: u64 = 15_000;
/// How often the workers are looked after.
const LOOK: Duration = Duration::from_millis(1);

/// How much was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) rounds: u64,
    pub(super) tasks: u64,
    pub(super) workers: u64,
    pub(super) kills: u64,
    pub(super) claims: u64,
    pub(super) completions: u64,
    pub(super) failures: u64,
    pub(super) releases: u64,
    pub(super) refused: u64,
}

impl Counts {
    fn add(&mut self, acks: &[Ack]) {
        for ack in acks {
            *match ack.told {
                Told::Claimed => &mut self.claims,
                Told::Completed => &mut self.completions,
                Told::Failed => &mut self.failures,
                Told::Released => &mut self.releases,
                Told::Refused => &mut self.refused,
            } += 1;
        }
    }
}

/// One round on a fresh store in this folder: what it found, or `None` if it was interrupted.
pub(super) fn round(
    test: &Test<'_>,
    kind: Kind,
    folder: &Path,
    numbers: &mut Numbers,
    counts: &mut Counts,
) -> Result<Option<Vec<Violation>>, Failure> {
    let place = kind.place(folder);
    let added = fill(test, &place, test.amount.tasks)?;
    let mut crew = Crew::new(&place, folder, test.terms)?;
    for _ in 0..test.amount.workers {
        crew.start(Duty::Claim(numbers.next()))?;
    }
    let errors = besiege(test, &mut crew, numbers, counts)?;
    let Some(mut violations) = errors else {
        return Ok(None);
    };
    let acks = crew.acks()?;
    counts.rounds += 1;
    counts.tasks += added.len() as u64;
    counts.workers += crew.started() as u64;
    counts.add(&acks);
    drop(crew);
    violations.extend(compare(test, &place, &added, &acks)?);
    Ok(Some(violations))
}

/// Makes a store with so many tasks.
pub(super) fn fill(test: &Test<'_>, place: &Place, tasks: usize) -> Result<Vec<TaskId>, Failure> {
    // A failed task is ready again at once.
    let backoff = Backoff {
        base: Duration::ZERO,
        cap: Duration::ZERO,
    };
    let new = NewQueue {
        name: "selftest".to_owned(),
        require_tests: false,
        backoff,
    };
    let store = stores::create(place, &new.settings(&IDS)?, test.terms)?;
    let app = App::new(store.as_ref(), &IDS, person());
    for number in 0..FEATURES.min(tasks) {
        app.add_feature(&AddFeature {
            id: Some(FeatureId::new(feature(number)).expect("a word and a number are an id")),
            epic: None,
            name: Name::new(feature(number)).expect("a word and a number are a name"),
            description: None,
            priority: Priority::default(),
            metadata: JsonObject::default(),
        })?;
    }
    let new: Vec<AddTask> = (0..tasks).map(new_task).collect();
    let added = app.add_tasks(&new)?;
    Ok(added.into_iter().map(|view| view.record.task.id).collect())
}

fn feature(number: usize) -> String {
    format!("PART-{}", number % FEATURES)
}

fn new_task(number: usize) -> AddTask {
    let id = format!("TASK-{number:05}");
    AddTask {
        description: Description::new(format!("work on {id}")).expect("a short text describes"),
        id: Some(TaskId::new(id).expect("a word and a number are an id")),
        feature: Some(feature(number)),
        create_feature: false,
        priority: None,
        depends_on: Vec::new(),
        tests: Vec::new(),
        retry_budget: RetryBudget::default(),
        metadata: JsonObject::default(),
    }
}

/// Kills workers, and starts others in their place, until all tasks are done. Who met an error, or `None` if it was
/// interrupted.
fn besiege(
    test: &Test<'_>,
    crew: &mut Crew,
    numbers: &mut Numbers,
    counts: &mut Counts,
) -> Result<Option<Vec<Violation>>, Failure> {
    let mut next_kill = some_acks(numbers);
    let mut since = Instant::now();
    loop {
        if test.interrupt.signal().is_some() {
            return Ok(None);
        }
        let collected = crew.collect()?;
        if !collected.errors.is_empty() || crew.len() == 0 && collected.killed_by_others == 0 {
            return Ok(Some(collected.errors));
        }
        for _ in 0..collected.killed_by_others {
            crew.start(Duty::Claim(numbers.next()))?;
        }
        if crew.noted() >= next_kill {
            let took = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
            let aim = numbers.below(took.clamp(1, AIM_MICROS));
            thread::sleep(Duration::from_micros(aim));
            let members = crew.len() as u64;
            let victim = usize::try_from(numbers.below(members)).unwrap_or_default();
            if crew.kill(victim)? {
                counts.kills += 1;
                crew.start(Duty::Claim(numbers.next()))?;
            }
            next_kill = crew.noted() + some_acks(numbers);
            since = Instant::now();
        }
        thread::sleep(LOOK);
    }
}

fn some_acks(numbers: &mut Numbers) -> u64 {
    LINE_BYTES * numbers.below(ACKS_PER_KILL)
}

/// Opens the store once more, as the next command would, and judges it.
fn compare(
    test: &Test<'_>,
    place: &Place,
    added: &[TaskId],
    acks: &[Ack],
) -> Result<Vec<Violation>, Failure> {
    let opened = stores::open_maintained(place, test.terms)?;
    let store = match opened {
        Ok(store) => store,
        Err(error) => {
            let what = format!("the store cannot be opened any more: {error}");
            return Ok(vec![check::Promise::NothingLost.broken(what)]);
        }
    };
    let app = App::new(store.as_ref(), &IDS, person());
    let findings = app.doctor(store.as_ref())?.findings;
    let contents = match store.read(|tx| tx.contents()) {
        Ok(contents) => contents,
        Err(error @ (StoreError::Damaged { .. } | StoreError::Invalid { .. })) => {
            let what = format!("the store cannot be read any more: {error}");
            return Ok(vec![check::Promise::NothingLost.broken(what)]);
        }
        Err(error) => return Err(error.into()),
    };
    Ok(check::judge(added, acks, &contents, &findings))
}

/// What `doctor` finds in a store.
pub(super) fn examine(test: &Test<'_>, place: &Place) -> Result<Vec<Violation>, Failure> {
    let store = stores::open_maintained(place, test.terms)??;
    let app = App::new(store.as_ref(), &IDS, person());
    let findings = app.doctor(store.as_ref())?.findings;
    Ok(check::sound(&findings).collect())
}

fn person() -> Caller {
    Caller::Person {
        actor: Actor::new("selftest").expect("a word is a name"),
    }
}
