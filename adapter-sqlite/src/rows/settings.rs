//! The queue's settings.

use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use tasq_domain::backoff::Backoff;
use tasq_domain::{Settings, StoreId};

use super::{Reading, micros};
use crate::error::BadRow;
use crate::schema::settings;

/// The one row.
#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = settings, primary_key(one), check_for_backend(Sqlite))]
pub(crate) struct SettingsRow {
    one: i64,
    store_id: String,
    name: String,
    require_tests: i64,
    backoff_base: i64,
    backoff_cap: i64,
}

impl SettingsRow {
    pub(crate) fn of(settings: &Settings) -> Self {
        let Settings {
            store,
            name,
            require_tests,
            backoff: Backoff { base, cap },
        } = settings;
        Self {
            one: 1,
            store_id: store.to_string(),
            name: name.clone(),
            require_tests: (*require_tests).into(),
            backoff_base: micros(*base),
            backoff_cap: micros(*cap),
        }
    }

    pub(crate) fn read(self) -> Result<Settings, BadRow> {
        let Self {
            one: _,
            store_id,
            name,
            require_tests,
            backoff_base,
            backoff_cap,
        } = self;
        let reading = Reading {
            table: "settings",
            id: "1",
        };
        Ok(Settings {
            store: reading.of("store_id", StoreId::new(store_id))?,
            name,
            require_tests: require_tests != 0,
            backoff: Backoff {
                base: reading.span("backoff_base", backoff_base)?,
                cap: reading.span("backoff_cap", backoff_cap)?,
            },
        })
    }
}
