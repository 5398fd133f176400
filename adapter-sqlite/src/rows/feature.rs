//! Features.

use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use tasq_domain::{Description, EpicId, Feature, FeatureId, JsonObject, Name, Priority, Timestamp};

use super::{HoldColumns, Reading, source_columns};
use crate::error::BadRow;
use crate::schema::features;

/// What a writer gives.
#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = features, check_for_backend(Sqlite))]
#[diesel(primary_key(seq, id, created_at))]
#[diesel(treat_none_as_null = true, treat_none_as_default_value = false)]
pub(crate) struct FeatureRow {
    seq: i64,
    id: String,
    epic_id: Option<String>,
    name: String,
    description: Option<String>,
    priority: i64,
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
#[diesel(table_name = features, check_for_backend(Sqlite))]
pub(crate) struct StoredFeature {
    #[diesel(embed)]
    row: FeatureRow,
    status: String,
}

impl FeatureRow {
    pub(crate) fn of(feature: &Feature, seq: i64) -> Self {
        let Feature {
            seq: _,
            id,
            epic,
            name,
            description,
            priority,
            own_status,
            status: _,
            hold,
            source,
            created_at,
            updated_at,
            metadata,
        } = feature;
        let HoldColumns { by, reason, at } = HoldColumns::of(hold.as_ref());
        let (source_origin, source_digest) = source_columns(source.as_ref());
        Self {
            seq,
            id: id.to_string(),
            epic_id: epic.as_ref().map(EpicId::to_string),
            name: name.to_string(),
            description: description.as_ref().map(Description::to_string),
            priority: priority.number().into(),
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

impl StoredFeature {
    pub(crate) fn read(self) -> Result<Feature, BadRow> {
        let Self { row, status } = self;
        let FeatureRow {
            seq,
            id,
            epic_id,
            name,
            description,
            priority,
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
            table: "features",
            id: &id,
        };
        Ok(Feature {
            seq,
            id: reading.of("id", FeatureId::new(id.as_str()))?,
            epic: reading.maybe("epic_id", epic_id, EpicId::new)?,
            name: reading.of("name", Name::new(name))?,
            description: reading.maybe("description", description, Description::new)?,
            priority: reading.of("priority", Priority::new(priority))?,
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
