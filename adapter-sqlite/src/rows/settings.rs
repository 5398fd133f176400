//! The queue's settings.

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::prelude::*;
use diesel::sql_types::Binary;
use diesel::sqlite::{Sqlite, SqliteValue};
use tasq_domain::backoff::Backoff;
use tasq_domain::{Settings, StoreId};

use super::micros;
use super::packed::Columns;
use crate::error::BadRow;
use crate::schema::settings;
use crate::statement::statement;

/// The one row.
#[derive(Insertable, AsChangeset)]
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
}

statement! {
    /// The row, in the order in which it is read.
    ReadSettings {} -> Binary =
        "SELECT tasq_pack(store_id, name, require_tests, backoff_base, backoff_cap) FROM settings"
}

/// What it says; or what is wrong with it.
#[derive(FromSqlRow)]
pub(crate) struct StoredSettings(pub(crate) Result<Settings, BadRow>);

impl FromSql<Binary, Sqlite> for StoredSettings {
    fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        Ok(Self(read(value.read_blob())))
    }
}

fn read(blob: &[u8]) -> Result<Settings, BadRow> {
    let (mut row, store) = Columns::of("settings", blob)?;
    let reading = row.reading;
    let settings = Settings {
        store: reading.of("store_id", StoreId::new(store))?,
        name: row.text("name")?.to_owned(),
        require_tests: row.number("require_tests")? != 0,
        backoff: Backoff {
            base: reading.span("backoff_base", row.number("backoff_base")?)?,
            cap: reading.span("backoff_cap", row.number("backoff_cap")?)?,
        },
    };
    row.end();
    Ok(settings)
}
