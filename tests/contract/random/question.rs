//! One question to a store.

use tasq_domain::ready::Scope;
use tasq_domain::{
    AnyId, Contents, EntityKind, EpicId, FeatureId, Lane, Place, Priority, Status, TaskId,
    TestOwner,
};
use tasq_ports::{Cursor, EventFilter, Page, Sort, StoreError, TaskFilter, Tx};

use super::super::make::place;
use super::numbers::Numbers;

#[derive(Debug)]
pub(crate) enum Question {
    NextReady(Scope),
    Ready(Scope, u32),
    Counts(Scope),
    Expired(u32),
    AnyProcess,
    Processes(Place),
    Tasks(TaskFilter, Page),
    Relations(TaskId),
    Foreseen(Vec<TaskId>),
    FeaturesOf(Option<EpicId>),
    TestsOf(TestOwner),
    Tests(i64, u32),
    Events(EventFilter),
    Ids(EntityKind, String, u32),
    Count(EntityKind),
}

impl Question {
    pub(crate) fn ask(&self, tx: &mut dyn Tx) -> Result<String, StoreError> {
        Ok(match self {
            Self::NextReady(scope) => format!("{:#?}", tx.next_ready(scope)?),
            Self::Ready(scope, limit) => format!("{:#?}", tx.ready(scope, *limit)?),
            Self::Counts(scope) => format!("{:#?}", tx.task_counts(scope)?),
            Self::Expired(limit) => format!("{:#?}", tx.expired(*limit)?),
            Self::AnyProcess => format!("{:#?}", tx.any_process()?),
            Self::Processes(place) => format!("{:#?}", tx.processes_at(place)?),
            Self::Tasks(filter, page) => format!("{:#?}", tx.tasks(filter, page)?),
            Self::Relations(id) => format!(
                "{:#?}",
                (
                    tx.task(id)?,
                    tx.dependencies_of(id)?,
                    tx.dependents_of(id)?,
                    tx.attempts_of(id)?,
                    tx.checkpoints_of(id)?,
                    tx.questions_of(id)?,
                    tx.unanswered()?
                )
            ),
            Self::Foreseen(ids) => {
                tx.foresee(ids)?;
                let each = ids.iter().map(|id| {
                    Ok((
                        tx.task(id)?,
                        tx.dependencies_of(id)?,
                        tx.dependents_of(id)?,
                        tx.tests_of(&TestOwner::Task(id.clone()))?,
                    ))
                });
                format!("{:#?}", each.collect::<Result<Vec<_>, StoreError>>()?)
            }
            Self::FeaturesOf(epic) => format!("{:#?}", tx.features_of(epic.as_ref())?),
            Self::TestsOf(owner) => format!("{:#?}", tx.tests_of(owner)?),
            Self::Tests(after, limit) => format!("{:#?}", tx.tests(*after, *limit)?),
            Self::Events(filter) => format!("{:#?}", tx.events(filter)?),
            Self::Ids(kind, prefix, limit) => {
                format!("{:#?}", tx.ids_with_prefix(*kind, prefix, *limit)?)
            }
            Self::Count(kind) => format!("{}", tx.count(*kind)?),
        })
    }
}

pub(crate) fn any(numbers: &mut Numbers, contents: &Contents) -> Question {
    match numbers.below(16) {
        0 => Question::NextReady(scope(numbers, contents)),
        1 | 2 => Question::Ready(scope(numbers, contents), numbers.below(6)),
        3 => Question::Counts(scope(numbers, contents)),
        4 => Question::Expired(numbers.below(6)),
        5..=7 => {
            let (filter, page) = listing(numbers, contents);
            Question::Tasks(filter, page)
        }
        8 => Question::Relations(task(numbers, contents)),
        9 => Question::FeaturesOf(
            numbers
                .pick(&contents.epics)
                .map(|it| it.id.clone())
                .filter(|_| numbers.below(4) > 0),
        ),
        10 => {
            let owner = match numbers.one_in(2) {
                true => TestOwner::Task(task(numbers, contents)),
                false => TestOwner::Feature(feature(numbers, contents)),
            };
            match numbers.below(3) {
                0 => Question::Tests(i64::from(numbers.below(30)), numbers.below(10)),
                _ => Question::TestsOf(owner),
            }
        }
        11 => Question::Events(EventFilter {
            entity: numbers.maybe(|numbers| AnyId::from(task(numbers, contents))),
            after: i64::from(numbers.below(1_000)),
            limit: numbers.below(20),
        }),
        12 => Question::Ids(
            numbers.one(&EntityKind::ALL),
            prefix(numbers, contents),
            1 + numbers.below(6),
        ),
        13 => match numbers.below(4) {
            0 => Question::AnyProcess,
            _ => Question::Processes(place(numbers.below(3).into())),
        },
        14 => {
            let ids = 0..numbers.below(26);
            Question::Foreseen(ids.map(|_| task(numbers, contents)).collect())
        }
        _ => Question::Count(numbers.one(&EntityKind::ALL)),
    }
}

fn task(numbers: &mut Numbers, contents: &Contents) -> TaskId {
    let found = numbers.pick(&contents.tasks).map(|it| it.id.clone());
    found.unwrap_or_else(|| TaskId::new("TASK-NONE").unwrap())
}

fn feature(numbers: &mut Numbers, contents: &Contents) -> FeatureId {
    let found = numbers.pick(&contents.features).map(|it| it.id.clone());
    found.unwrap_or_else(|| FeatureId::new("FEAT-NONE").unwrap())
}

fn scope(numbers: &mut Numbers, contents: &Contents) -> Scope {
    match numbers.below(6) {
        0 | 1 => Scope::Queue,
        2 => match numbers.pick(&contents.epics) {
            Some(epic) => Scope::Epic(epic.id.clone()),
            None => Scope::Epic(EpicId::new("EPIC-NONE").unwrap()),
        },
        3 => Scope::Feature(feature(numbers, contents)),
        4 => Scope::Lane(Lane {
            feature: feature(numbers, contents),
            priority: Priority::new(i64::from(numbers.below(4))).unwrap(),
        }),
        _ => Scope::Task(task(numbers, contents)),
    }
}

fn listing(numbers: &mut Numbers, contents: &Contents) -> (TaskFilter, Page) {
    const WORDS: [&str; 8] = ["do", "TASK", "_", "%", "é", "É", "no such word", ""];
    let filter = TaskFilter {
        scope: scope(numbers, contents),
        statuses: (0..numbers.below(3))
            .map(|_| numbers.one(Status::ALL))
            .collect(),
        ready: numbers.one_in(3),
        words: match numbers.one_in(3) {
            true => vec![numbers.one(&WORDS).to_owned()],
            false => Vec::new(),
        },
    };
    let sort = numbers.one(&[Sort::Claim, Sort::Seq, Sort::Updated]);
    let after = numbers.pick(&contents.tasks).map(|task| Cursor {
        key: match sort {
            Sort::Claim => i64::from(task.own_priority.unwrap_or_default().number()),
            Sort::Seq => 0,
            Sort::Updated => task.updated_at.micros(),
        },
        seq: task.seq,
    });
    let page = Page {
        sort,
        after: after.filter(|_| numbers.one_in(2)),
        limit: 1 + numbers.below(20),
    };
    (filter, page)
}

fn prefix(numbers: &mut Numbers, contents: &Contents) -> String {
    let id = task(numbers, contents).as_str().to_owned();
    let characters = id.chars().count();
    let kept = numbers.below(u32::try_from(characters).unwrap() + 1) as usize;
    let prefix: String = id.chars().take(kept).collect();
    match numbers.below(3) {
        0 => prefix.to_ascii_lowercase(),
        1 => prefix.to_ascii_uppercase(),
        _ => prefix,
    }
}
