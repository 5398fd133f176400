//! Opening the file: what it must be, and how SQLite is to treat it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Text};
use tasq_files::{FsKind, Identity, fs_kind, identity};
use tasq_ports::StoreError;

use crate::carried::Carried;
use crate::error::{Place, file};
use crate::migrate::KNOWN_VERSION;
use crate::statement::statement;
use crate::store::{NetworkFs, Sync};

/// `tasq` in ASCII: what the header of our files says.
pub(crate) const APPLICATION_ID: i64 = 0x7461_7371;

/// Older code for the write-ahead log can damage the file.
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);

/// Pages kept in memory, as far as they are used: with 2 MiB, SQLite's own choice, a claim among a million tasks reads
/// again what the one before it had read. With much more, each commit that has divided a page and each that another process
/// made take longer, because SQLite then looks at all that it keeps.
pub const CACHE_KIB: u32 = 4 * 1024;

/// The length of a page in the files that we make. A step changes a dozen pages in a few bytes each, and a commit writes
/// whole pages and a checksum over each: half of SQLite's own 4096 takes a sixth less time for a step, and a tenth more for
/// a batch.
pub const PAGE_BYTES: u32 = 2048;

/// After how many pages of the log a commit moves them into the database, which takes two waits for the disk, and a third
/// when the log begins anew, even where commits take none: some 750 steps. With half of it steps take a thirtieth more
/// time; with twice as many none less, and whoever finds the log of a loop that has ended, and is alone, reads all of it for
/// longer: this many pages take 16 ms. It bounds the log to 16 MiB, while nobody reads.
pub const LOG_PAGES: u32 = 8000;

statement! {
    /// The version of the schema, from the file's header.
    SchemaVersion {} -> BigInt = "PRAGMA user_version"
}
statement! {
    /// The newest version that the tables of versions name, for whoever writes to those alone.
    ToldVersion {} -> BigInt = "SELECT max(
        coalesce((SELECT max(version) FROM schema_version), 0),
        coalesce((SELECT max(CAST(version AS INTEGER)) FROM __diesel_schema_migrations), 0)
    )"
}
statement! {
    /// The program that made the file, from its header.
    ApplicationId {} -> BigInt = "PRAGMA application_id"
}
statement! {
    /// The version of SQLite.
    SqliteVersion {} -> Text = "SELECT sqlite_version()"
}

/// An open file that is ours.
pub(crate) struct Opened {
    pub(crate) conn: SqliteConnection,
    /// Which file it is.
    pub(crate) identity: Identity,
    /// Which file its log is; it stays the same as long as anybody has the file open.
    pub(crate) log: Option<Identity>,
    /// The version of its schema.
    pub(crate) version: i64,
    /// Whether nothing can be written, because its file system is read-only.
    pub(crate) read_only: bool,
    /// Who sees to what follows from a write.
    pub(crate) follows: Follows,
    /// What the last unit of work left to the next.
    pub(crate) carried: Carried,
    /// What is left of [`crate::Options::fold_log_above`].
    pub(crate) fold_log_above: Option<u64>,
}

/// Who sees to what follows from a write to other rows, and to its references.
///
/// Triggers and foreign keys do, for whoever opens the file. tasq itself does most of it in the unit of work, where it is
/// counted once however many rows there were; statements without either are shorter, too, and SQLite keeps no journal
/// of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follows {
    /// The schema's triggers and foreign keys.
    Triggers,
    /// The unit of work.
    Unit,
}

statement! {
    /// Switches the connection's triggers and foreign keys off (0) or on (1).
    Follow { on: i32 => Integer } -> Integer = "SELECT tasq_follow(?)"
}

impl Follows {
    /// Has it seen to by `who` from now on. SQLite prepares its statements anew after a change.
    pub(crate) fn by(&mut self, who: Self, conn: &mut SqliteConnection) -> QueryResult<()> {
        if *self == who {
            return Ok(());
        }
        let on = i32::from(who == Self::Triggers);
        Follow::new(on).get_result::<i32>(conn)?;
        *self = who;
        Ok(())
    }
}

/// Opens a file that must be there and must be ours, of this or an older version.
pub(crate) fn open(place: &Place, sync: Sync, network_fs: NetworkFs) -> Result<Opened, StoreError> {
    let before = identity(&place.path).map_err(file)?;
    let journal = journal(place, network_fs)?;
    // Whatever is read first is when SQLite notices that it cannot.
    let checked = |mut conn| Ok((check_header(place, &mut conn)?, conn));
    let (version, mut conn, read_only) = match establish(place, "mode=rw").and_then(checked) {
        Ok((version, conn)) => (version, conn, false),
        // A log needs shared memory beside it, which a read-only file system has no room for. Without a log there is
        // nothing to miss in the file itself.
        Err(StoreError::ReadOnly { .. } | StoreError::Denied { .. })
            if !log_path(&place.path).exists() =>
        {
            let (version, conn) = establish(place, "mode=ro&immutable=1").and_then(checked)?;
            (version, conn, true)
        }
        Err(error) => return Err(error),
    };
    configure(place, &mut conn, sync, (!read_only).then_some(journal))?;
    let identity = identity(&place.path).map_err(file)?;
    if identity != before {
        return Err(place.damaged("it was replaced while it was being opened"));
    }
    let log = tasq_files::identity(&log_path(&place.path)).ok();
    Ok(Opened {
        conn,
        identity,
        log,
        version,
        read_only,
        follows: Follows::Triggers,
        carried: Carried::default(),
        fold_log_above: None,
    })
}

/// A connection with the wait for other clients set; nothing has been read yet.
pub(crate) fn establish(place: &Place, how: &str) -> Result<SqliteConnection, StoreError> {
    let path = place.path.to_str().ok_or_else(|| StoreError::Policy {
        place: place.name(),
        what: "the path is not UTF-8, which SQLite needs".to_owned(),
    })?;
    tasq_sqlite_native::install().map_err(|error| StoreError::Backend {
        what: error.to_string(),
    })?;
    let address = format!(
        "file:{}?{how}&vfs={}",
        escape(path),
        tasq_sqlite_native::FILE_SYSTEM
    );
    let mut conn = SqliteConnection::establish(&address)
        .map_err(|error| place.message(&connection_message(&error)))?;
    wait_for_others(&mut conn, place.wait).map_err(|error| place.sql(&error))?;
    check_engine(place, &mut conn)?;
    Ok(conn)
}

/// Has each statement wait so long for other clients.
pub(crate) fn wait_for_others(conn: &mut SqliteConnection, wait: Duration) -> QueryResult<()> {
    let millis = wait.as_millis().min(i32::MAX as u128);
    conn.batch_execute(&format!("PRAGMA busy_timeout = {millis}"))
}

/// How SQLite is to treat the file; one that cannot be written to has no journal. After the wait is set, because switching to the log needs the file alone.
pub(crate) fn configure(
    place: &Place,
    conn: &mut SqliteConnection,
    sync: Sync,
    journal: Option<Journal>,
) -> Result<(), StoreError> {
    let mode = match journal {
        Some(Journal::Log) => "PRAGMA journal_mode = WAL",
        Some(Journal::OldPages) => "PRAGMA journal_mode = DELETE",
        None => "",
    };
    conn.batch_execute(mode)
        .map_err(|error| place.sql(&error))?;
    let sync = match sync {
        Sync::Full => "FULL",
        Sync::Normal => "NORMAL",
    };
    conn.batch_execute(&format!(
        "PRAGMA synchronous = {sync};
         PRAGMA foreign_keys = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON;
         PRAGMA recursive_triggers = OFF;
         PRAGMA cache_size = -{CACHE_KIB};
         PRAGMA wal_autocheckpoint = {LOG_PAGES};"
    ))
    .map_err(|error| place.sql(&error))
}

/// The version of the schema, if the file is ours and not too new.
pub(crate) fn check_header(place: &Place, conn: &mut SqliteConnection) -> Result<i64, StoreError> {
    let application: i64 = ApplicationId::new()
        .get_result(conn)
        .map_err(|error| place.sql(&error))?;
    if application != APPLICATION_ID {
        return Err(place.damaged(if application == 0 {
            "a database, but no queue of tasq".to_owned()
        } else {
            format!("the database of another program (application id {application:#010x})")
        }));
    }
    let version = schema_version(place, conn)?;
    // A file without a version has no such tables yet. Damage in them is for whoever reads on to meet: one that checks
    // the file wants to open it.
    let newest = version.max(ToldVersion::new().get_result(conn).unwrap_or(version));
    if newest > KNOWN_VERSION {
        return Err(StoreError::TooNew {
            place: place.name(),
            found: newest.to_string(),
            known: KNOWN_VERSION.to_string(),
        });
    }
    Ok(version)
}

pub(crate) fn schema_version(
    place: &Place,
    conn: &mut SqliteConnection,
) -> Result<i64, StoreError> {
    SchemaVersion::new()
        .get_result(conn)
        .map_err(|error| place.sql(&error))
}

/// The absolute path of a store, whose last component is not followed.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, StoreError> {
    std::path::absolute(path).map_err(|source| StoreError::Io {
        place: path.display().to_string(),
        doing: "finding",
        source,
    })
}

/// The write-ahead log.
pub(crate) fn log_path(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

/// The writers' lock.
pub(crate) fn lock_path(path: &Path) -> PathBuf {
    beside(path, ".lock")
}

pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// How the file is kept whole while it is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Journal {
    /// A write-ahead log, with shared memory beside it.
    Log,
    /// A copy of the old pages, which is there as long as a change is under way.
    OldPages,
}

/// What suits the file system on which a file lies, or would.
pub(crate) fn journal(place: &Place, network_fs: NetworkFs) -> Result<Journal, StoreError> {
    let kind = fs_kind(&place.path).map_err(file)?;
    journal_on(kind, network_fs).map_err(|what| StoreError::Policy {
        place: place.name(),
        what,
    })
}

/// A log in shared memory needs one machine, and its locks a file system that keeps them.
fn journal_on(kind: FsKind, network_fs: NetworkFs) -> Result<Journal, String> {
    match (kind, network_fs) {
        (FsKind::Local | FsKind::Unknown, _) => Ok(Journal::Log),
        (FsKind::Network(_), NetworkFs::WithoutLog) => Ok(Journal::OldPages),
        (FsKind::Network(name), NetworkFs::Refuse) => Err(format!(
            "it is on a file system of another machine or process ({name}), where SQLite's log is not safe: keep it on a local disk, or do without the log (--unsafe-network-fs)"
        )),
    }
}

fn check_engine(place: &Place, conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let version: String = SqliteVersion::new()
        .get_result(conn)
        .map_err(|error| place.sql(&error))?;
    if parse_version(&version).is_some_and(|version| version >= OLDEST_SQLITE) {
        return Ok(());
    }
    let (major, minor, patch) = OLDEST_SQLITE;
    Err(StoreError::Backend {
        what: format!("SQLite {version} is too old: {major}.{minor}.{patch} is needed"),
    })
}

fn parse_version(text: &str) -> Option<(u32, u32, u32)> {
    let mut parts = text.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
}

/// A path as a part of a URI: everything but what is plain is escaped.
fn escape(path: &str) -> String {
    path.bytes().fold(String::new(), |mut uri, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(byte.into());
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
        uri
    })
}

fn connection_message(error: &ConnectionError) -> String {
    match error {
        ConnectionError::BadConnection(message) => message.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_for_this_machine_alone() {
        for kind in [FsKind::Local, FsKind::Unknown] {
            assert_eq!(journal_on(kind, NetworkFs::Refuse), Ok(Journal::Log));
            assert_eq!(journal_on(kind, NetworkFs::WithoutLog), Ok(Journal::Log));
        }
        let nfs = FsKind::Network("nfs");
        assert!(
            journal_on(nfs, NetworkFs::Refuse)
                .unwrap_err()
                .contains("nfs")
        );
        assert_eq!(
            journal_on(nfs, NetworkFs::WithoutLog),
            Ok(Journal::OldPages)
        );
    }

    #[test]
    fn a_path_keeps_its_meaning_as_a_uri() {
        assert_eq!(escape("/a b?c#d%é.db"), "/a%20b%3Fc%23d%25%C3%A9.db");
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(parse_version("3.51.3") >= Some(OLDEST_SQLITE));
        assert!(parse_version("3.9.10") < Some(OLDEST_SQLITE));
        assert_eq!(parse_version("3.x"), None);
    }
}
