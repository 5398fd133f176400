//! Adding an epic.

use tasq_domain::{Description, Epic, EpicId, EventKind, JsonObject, Name, Status};
use tasq_ports::Inserted;

use crate::context::App;
use crate::data::data;
use crate::error::AppError;
use crate::unit::Unit;
use crate::view::EpicView;

/// What a new epic is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddEpic {
    /// Its id; a fresh one if absent.
    pub id: Option<EpicId>,
    /// Its name.
    pub name: Name,
    /// What it is about.
    pub description: Option<Description>,
    /// Any keys.
    pub metadata: JsonObject,
}

impl App<'_> {
    /// Adds an epic.
    ///
    /// # Errors
    /// [`AppError::Conflict`] if its id is taken.
    pub fn add_epic(&self, new: &AddEpic) -> Result<EpicView, AppError> {
        self.once("epic add", new, |unit| {
            let now = unit.now();
            let epic = Epic {
                seq: 0,
                id: EpicId::from_random(0),
                name: new.name.clone(),
                description: new.description.clone(),
                own_status: Status::Pending,
                status: Status::Pending,
                hold: None,
                source: None,
                created_at: now,
                updated_at: now,
                metadata: new.metadata.clone(),
            };
            let epic = insert(unit, self, epic, new.id.as_ref())?;
            unit.event(
                EventKind::Created,
                &epic.id,
                data!({ "name": epic.name.as_str() }),
            )?;
            EpicView::load(unit.tx, &epic.id)
        })
    }
}

fn insert(
    unit: &mut Unit<'_>,
    app: &App<'_>,
    mut epic: Epic,
    wanted: Option<&EpicId>,
) -> Result<Epic, AppError> {
    loop {
        epic.id = wanted
            .cloned()
            .unwrap_or_else(|| EpicId::from_random(app.random_u32()));
        match (unit.tx.insert_epic(&epic)?, wanted) {
            (Inserted::At(seq), _) => return Ok(Epic { seq, ..epic }),
            (Inserted::Taken, Some(id)) => return Err(AppError::taken(id)),
            (Inserted::Taken, None) => (),
        }
    }
}
