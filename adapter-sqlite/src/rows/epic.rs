//! Epics.

use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use tasq_domain::{Description, Epic, EpicId, JsonObject, Name, Timestamp};

use super::{HoldColumns, Reading, source_columns};
use crate::error::BadRow;
use crate::schema::epics;

/// What a writer gives.
#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = epics, check_for_backend(Sqlite))]
#[diesel(primary_key(seq, id, created_at))]
#[diesel(treat_none_as_null = true, treat_none_as_default_value = false)]
pub(crate) struct EpicRow {
    seq: i64,
    id: String,
    name: String,
    description: Option<String>,
    own_status: String,
    hold_by: Option<String>,
    hold_reason: Option<String>,
    hold_at: Option<i64>,
    source_origin: Option<String>,
    source_digest: Option<String>,
    created_at: i64,
    updated_at: i64,
    metadata: String,
}

/// What a reader gets.
#[derive(Queryable, Selectable)]
#[diesel(table_name = epics, check_for_backend(Sqlite))]
pub(crate) struct StoredEpic {
    #[diesel(embed)]
    row: EpicRow,
    status: String,
}

impl EpicRow {
    pub(crate) fn of(epic: &Epic, seq: i64) -> Self {
        let Epic {
            seq: _,
            id,
            name,
            description,
            own_status,
            status: _,
            hold,
            source,
            created_at,
            updated_at,
            metadata,
        } = epic;
        let HoldColumns { by, reason, at } = HoldColumns::of(hold.as_ref());
        let (source_origin, source_digest) = source_columns(source.as_ref());
        Self {
            seq,
            id: id.to_string(),
            name: name.to_string(),
            description: description.as_ref().map(Description::to_string),
            own_status: own_status.to_string(),
            hold_by: by,
            hold_reason: reason,
            hold_at: at,
            source_origin,
            source_digest,
            created_at: created_at.micros(),
            updated_at: updated_at.micros(),
            metadata: metadata.as_str().to_owned(),
        }
    }
}

impl StoredEpic {
    pub(crate) fn read(self) -> Result<Epic, BadRow> {
        let Self { row, status } = self;
        let EpicRow {
            seq,
            id,
            name,
            description,
            own_status,
            hold_by: by,
            hold_reason: reason,
            hold_at: at,
            source_origin,
            source_digest,
            created_at,
            updated_at,
            metadata,
        } = row;
        let reading = Reading {
            table: "epics",
            id: &id,
        };
        Ok(Epic {
            seq,
            id: reading.of("id", EpicId::new(id.as_str()))?,
            name: reading.of("name", Name::new(name))?,
            description: reading.maybe("description", description, Description::new)?,
            own_status: reading.of("own_status", own_status.parse())?,
            status: reading.of("status", status.parse())?,
            hold: reading.hold(HoldColumns { by, reason, at })?,
            source: reading.source(source_origin, source_digest)?,
            created_at: Timestamp::from_micros(created_at),
            updated_at: Timestamp::from_micros(updated_at),
            metadata: reading.of("metadata", JsonObject::new(metadata))?,
        })
    }
}
