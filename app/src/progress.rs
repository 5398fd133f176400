//! How far things are.

use std::collections::HashMap;

use tasq_domain::ready::Scope;
use tasq_domain::{AnyId, EpicId, StatusCounts};
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
    /// How many tasks of a part of the queue have each status: of the queue or an epic a row for each feature is
    /// read, however many tasks it has; of anything smaller a few rows.
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
                    let epic = EpicProgress::of(tx, view)?;
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

/// Two walks, one over the epics and one over the features: what is asked of the store does not grow with either.
fn whole(tx: &mut dyn Tx) -> Result<Progress, AppError> {
    let (epics, features) = EpicProgress::all(tx)?;
    Ok(Progress {
        counts: tx.task_counts(&Scope::Queue)?,
        epics,
        features,
    })
}

impl EpicProgress {
    /// Every epic with its features, and the features that belong to none.
    pub(crate) fn all(tx: &mut dyn Tx) -> Result<(Vec<Self>, Vec<FeatureProgress>), AppError> {
        let mut epics: Vec<Self> = tx
            .counted_epics()?
            .into_iter()
            .map(|counted| Self {
                epic: counted.into(),
                features: Vec::new(),
            })
            .collect();
        let places: HashMap<EpicId, usize> = epics
            .iter()
            .map(|progress| progress.epic.epic.id.clone())
            .zip(0..)
            .collect();
        let mut loose = Vec::new();
        for counted in tx.counted_features(None)? {
            let view = FeatureView::from(counted);
            let place = view.feature.epic.as_ref().and_then(|epic| places.get(epic));
            match place {
                Some(&at) => epics[at].features.push(view),
                None => loose.push(view),
            }
        }
        Ok((epics, loose))
    }

    fn of(tx: &mut dyn Tx, epic: EpicView) -> Result<Self, AppError> {
        let counted = tx.counted_features(Some(&epic.epic.id))?;
        Ok(Self {
            features: counted.into_iter().map(FeatureView::from).collect(),
            epic,
        })
    }
}
