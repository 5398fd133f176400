//! Items with what is below them.

use serde_json::{Value, json};
use tasq_domain::ready::Scope;
use tasq_domain::{AnyId, Attempt, Checkpoint, EntityKind, Question, TestCase, TestOwner};
use tasq_ports::{StoreExt, Tx};

use crate::context::App;
use crate::error::AppError;
use crate::find;
use crate::once::{Answer, text};
use crate::progress::EpicProgress;
use crate::unit::all_tasks;
use crate::view::{EpicView, FeatureView, TaskView};

/// An item of any kind, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// An epic.
    Epic(EpicView),
    /// A feature.
    Feature(FeatureView),
    /// A task.
    Task(Box<TaskView>),
    /// A test case.
    Test(Box<TestCase>),
}

/// A task with everything that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskDetail {
    /// The task.
    pub task: TaskView,
    /// Its test cases.
    pub tests: Vec<TestCase>,
    /// Its attempts, by number.
    pub attempts: Vec<Attempt>,
    /// Its checkpoints.
    pub checkpoints: Vec<Checkpoint>,
    /// What its workers asked, by attempt.
    pub questions: Vec<Question>,
}

/// A part of the queue as a tree, everything in the order of creation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    /// Its epics.
    pub epics: Vec<TreeEpic>,
    /// Its features that belong to no epic.
    pub features: Vec<TreeFeature>,
}

/// An epic in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEpic {
    /// The epic.
    pub epic: EpicView,
    /// Its features.
    pub features: Vec<TreeFeature>,
}

/// A feature in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeFeature {
    /// The feature.
    pub feature: FeatureView,
    /// Its own test cases.
    pub tests: Vec<TestCase>,
    /// Its tasks, each with its test cases.
    pub tasks: Vec<(TaskView, Vec<TestCase>)>,
}

impl Item {
    /// The item as it is now.
    pub(crate) fn load(tx: &mut dyn Tx, id: &AnyId) -> Result<Self, AppError> {
        Ok(match id {
            AnyId::Epic(id) => Self::Epic(EpicView::load(tx, id)?),
            AnyId::Feature(id) => Self::Feature(FeatureView::load(tx, id)?),
            AnyId::Task(id) => Self::Task(Box::new(TaskView::load(tx, id)?)),
            AnyId::Test(id) => Self::Test(Box::new(
                tx.test(id)?
                    .ok_or_else(|| AppError::not_found(&id.into()))?,
            )),
        })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> AnyId {
        match self {
            Self::Epic(view) => (&view.epic.id).into(),
            Self::Feature(view) => (&view.feature.id).into(),
            Self::Task(view) => (&view.record.task.id).into(),
            Self::Test(test) => (&test.id).into(),
        }
    }
}

impl App<'_> {
    /// A task with its test cases, attempts and checkpoints.
    ///
    /// # Errors
    /// [`AppError::NotFound`].
    pub fn task_detail(&self, id: &tasq_domain::TaskId) -> Result<TaskDetail, AppError> {
        self.store.read(|tx| {
            Ok(TaskDetail {
                task: TaskView::load(tx, id)?,
                tests: tx.tests_of(&TestOwner::Task(id.clone()))?,
                attempts: tx.attempts_of(id)?,
                checkpoints: tx.checkpoints_of(id)?,
                questions: tx.questions_of(id)?,
            })
        })
    }

    /// The whole queue as a tree, or what lies under an epic or a feature, as typed.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Ambiguous`], [`AppError::Usage`] for a task or a test case.
    pub fn tree(&self, of: Option<&str>) -> Result<Tree, AppError> {
        self.store.read(|tx| {
            let Some(text) = of else {
                return whole(tx);
            };
            if let Some(lane) = find::lane(tx, text)? {
                // Of its feature, with the lane's tasks and their counts.
                let feature = lane.feature.clone();
                let scope = Scope::Lane(lane);
                let view = FeatureView {
                    counts: tx.task_counts(&scope)?,
                    ..FeatureView::load(tx, &feature)?
                };
                return Ok(Tree {
                    epics: Vec::new(),
                    features: vec![tree_feature(tx, view, &scope)?],
                });
            }
            match find::any(tx, text)? {
                AnyId::Epic(id) => {
                    let view = EpicView::load(tx, &id)?;
                    Ok(Tree {
                        epics: vec![tree_epic(tx, view)?],
                        features: Vec::new(),
                    })
                }
                AnyId::Feature(id) => {
                    let view = FeatureView::load(tx, &id)?;
                    let scope = Scope::Feature(id);
                    Ok(Tree {
                        epics: Vec::new(),
                        features: vec![tree_feature(tx, view, &scope)?],
                    })
                }
                id @ (AnyId::Task(_) | AnyId::Test(_)) => Err(AppError::usage(
                    format!("{id} is no tree"),
                    "`tasq show` tells all about it",
                )),
            }
        })
    }
}

fn whole(tx: &mut dyn Tx) -> Result<Tree, AppError> {
    let (epics, loose) = EpicProgress::all(tx)?;
    Ok(Tree {
        epics: epics
            .into_iter()
            .map(|EpicProgress { epic, features }| {
                Ok(TreeEpic {
                    epic,
                    features: tree_features(tx, features)?,
                })
            })
            .collect::<Result<_, AppError>>()?,
        features: tree_features(tx, loose)?,
    })
}

fn tree_epic(tx: &mut dyn Tx, epic: EpicView) -> Result<TreeEpic, AppError> {
    let counted = tx.counted_features(Some(&epic.epic.id))?;
    let features = counted.into_iter().map(FeatureView::from).collect();
    Ok(TreeEpic {
        features: tree_features(tx, features)?,
        epic,
    })
}

fn tree_features(
    tx: &mut dyn Tx,
    features: Vec<FeatureView>,
) -> Result<Vec<TreeFeature>, AppError> {
    features
        .into_iter()
        .map(|view| {
            let scope = Scope::Feature(view.feature.id.clone());
            tree_feature(tx, view, &scope)
        })
        .collect()
}

fn tree_feature(
    tx: &mut dyn Tx,
    feature: FeatureView,
    scope: &Scope,
) -> Result<TreeFeature, AppError> {
    let tests = tx.tests_of(&TestOwner::Feature(feature.feature.id.clone()))?;
    let mut tasks = Vec::new();
    for record in all_tasks(tx, scope, &[])? {
        let tests = tx.tests_of(&TestOwner::Task(record.task.id.clone()))?;
        tasks.push((TaskView::of(tx, record)?, tests));
    }
    Ok(TreeFeature {
        feature,
        tests,
        tasks,
    })
}

impl Answer for Item {
    fn remember(&self) -> Value {
        let id = self.id();
        json!({ "kind": id.kind().as_str(), "id": id.as_str() })
    }

    fn recall(tx: &mut dyn Tx, kept: &Value) -> Result<Self, AppError> {
        let kind = EntityKind::from_word(text(kept, "kind")?).unwrap_or(EntityKind::Task);
        Self::load(tx, &kind.id(text(kept, "id")?)?)
    }
}
