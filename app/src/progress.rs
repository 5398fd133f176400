//! How far things are.

use tasq_domain::ready::Scope;
use tasq_domain::{AnyId, StatusCounts};
use tasq_ports::{StoreExt, Tx};

use crate::context::App;
use crate::error::AppError;
use crate::find::{self, ScopeRef};
use crate::view::{EpicView, FeatureView};

/// How far a part of the queue is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// Its tasks.
    pub counts: StatusCounts,
    /// Its epics, in the order of creation.
    pub epics: Vec<EpicProgress>,
    /// Its features that belong to no epic.
    pub features: Vec<FeatureProgress>,
}

/// How far an epic is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpicProgress {
    /// The epic.
    pub epic: EpicView,
    /// Its features, in the order of creation.
    pub features: Vec<FeatureProgress>,
}

/// How far a feature is.
pub type FeatureProgress = FeatureView;

impl App<'_> {
    /// How many tasks of a part of the queue have each status: a few rows, whatever its size.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Ambiguous`].
    pub fn counts(&self, of: &ScopeRef) -> Result<StatusCounts, AppError> {
        self.store.read(|tx| {
            let scope = find::scope(tx, of)?;
            Ok(tx.task_counts(&scope)?)
        })
    }

    /// How far the whole queue is, or an epic, a feature, a lane or a task, as typed.
    ///
    /// # Errors
    /// [`AppError::NotFound`], [`AppError::Ambiguous`].
    pub fn progress(&self, of: Option<&str>) -> Result<Progress, AppError> {
        self.store.read(|tx| {
            let Some(text) = of else {
                return whole(tx);
            };
            if let Some(lane) = find::lane(tx, text)? {
                return Ok(Progress {
                    counts: tx.task_counts(&Scope::Lane(lane))?,
                    ..Progress::default()
                });
            }
            match find::any(tx, text)? {
                AnyId::Epic(id) => {
                    let view = EpicView::load(tx, &id)?;
                    let epic = epic_progress(tx, view)?;
                    Ok(Progress {
                        counts: epic.epic.counts,
                        epics: vec![epic],
                        features: Vec::new(),
                    })
                }
                AnyId::Feature(id) => {
                    let feature = FeatureView::load(tx, &id)?;
                    Ok(Progress {
                        counts: feature.counts,
                        epics: Vec::new(),
                        features: vec![feature],
                    })
                }
                AnyId::Task(id) => Ok(Progress {
                    counts: tx.task_counts(&Scope::Task(id))?,
                    ..Progress::default()
                }),
                id @ AnyId::Test(_) => Err(AppError::usage(
                    format!("{id} has no progress"),
                    "name an epic, a feature or a task",
                )),
            }
        })
    }
}

fn whole(tx: &mut dyn Tx) -> Result<Progress, AppError> {
    let mut epics = Vec::new();
    for epic in tx.epics()? {
        let view = EpicView::of(tx, epic)?;
        epics.push(epic_progress(tx, view)?);
    }
    let loose = tx.features_of(None)?;
    let features = loose
        .into_iter()
        .map(|feature| FeatureView::of(tx, feature))
        .collect::<Result<_, _>>()?;
    Ok(Progress {
        counts: tx.task_counts(&Scope::Queue)?,
        epics,
        features,
    })
}

fn epic_progress(tx: &mut dyn Tx, epic: EpicView) -> Result<EpicProgress, AppError> {
    let features = tx.features_of(Some(&epic.epic.id))?;
    let features = features
        .into_iter()
        .map(|feature| FeatureView::of(tx, feature))
        .collect::<Result<_, _>>()?;
    Ok(EpicProgress { epic, features })
}
