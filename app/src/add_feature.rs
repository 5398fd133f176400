//! Adding a feature.

use tasq_domain::{
    Description, EpicId, EventKind, Feature, FeatureId, JsonObject, Name, Priority, Status,
};
use tasq_ports::Inserted;

use crate::context::App;
use crate::data::data;
use crate::error::AppError;
use crate::find;
use crate::unit::Unit;
use crate::view::FeatureView;

/// What a new feature is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddFeature {
    /// Its id; a fresh one if absent.
    pub id: Option<FeatureId>,
    /// The epic it belongs to, as typed.
    pub epic: Option<String>,
    /// Its name.
    pub name: Name,
    /// What it is about.
    pub description: Option<Description>,
    /// The priority of its tasks.
    pub priority: Priority,
    /// Any keys.
    pub metadata: JsonObject,
}

impl App<'_> {
    /// Adds a feature.
    ///
    /// # Errors
    /// [`AppError::NotFound`] for its epic, [`AppError::Conflict`] if its id is taken.
    pub fn add_feature(&self, new: &AddFeature) -> Result<FeatureView, AppError> {
        self.once("feature add", new, |unit| {
            let epic = new
                .epic
                .as_deref()
                .map(|text| find::epic(unit.tx, text))
                .transpose()?;
            let feature = insert(unit, self, new, epic)?;
            FeatureView::load(unit.tx, &feature.id)
        })
    }
}

/// Inserts a feature with its event, under the id asked for or a fresh one.
pub(crate) fn insert(
    unit: &mut Unit<'_>,
    app: &App<'_>,
    new: &AddFeature,
    epic: Option<EpicId>,
) -> Result<Feature, AppError> {
    let now = unit.now();
    if let Some(epic) = &epic {
        unit.watch_epic(epic)?;
    }
    let mut feature = Feature {
        seq: 0,
        id: FeatureId::from_random(0),
        epic,
        name: new.name.clone(),
        description: new.description.clone(),
        priority: new.priority,
        own_status: Status::Pending,
        status: Status::Pending,
        hold: None,
        source: None,
        created_at: now,
        updated_at: now,
        metadata: new.metadata.clone(),
    };
    loop {
        feature.id = new
            .id
            .clone()
            .unwrap_or_else(|| FeatureId::from_random(app.random_u32()));
        match (unit.tx.insert_feature(&feature)?, &new.id) {
            (Inserted::At(seq), _) => {
                feature.seq = seq;
                break;
            }
            (Inserted::Taken, Some(id)) => return Err(AppError::taken(id)),
            (Inserted::Taken, None) => (),
        }
    }
    let data = data!({
        "name": feature.name.as_str(),
        "epic": feature.epic.as_ref().map(EpicId::as_str),
        "priority": feature.priority.number(),
    });
    unit.event(EventKind::Created, &feature.id, data)?;
    Ok(feature)
}
