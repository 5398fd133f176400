//! What can be wrong with the file, its schema and what lies beside it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use diesel::SqliteConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use tasq_files::{FsKind, fs_kind, inspect, leftovers, others, stray_temps};
use tasq_ports::{Check, FileReport, Finding, Severity, StoreError};

use crate::connect::{APPLICATION_ID, beside, log_path};
use crate::derive::DIFFERING;
use crate::error::{Fault, Place, file};
use crate::migrate::{KNOWN_VERSION, run_pending};

/// A log above this is large: readers that never end keep it from being emptied, or nothing closed the file for long.
pub(crate) const LARGE_LOG_BYTES: u64 = 64 * 1024 * 1024;

/// How many faults of a kind are told.
const TOLD: usize = 20;

/// How many rows are named in a sentence.
const NAMED: usize = 5;

/// A line of text.
#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// A line of the engine's own check.
#[derive(QueryableByName)]
struct Complaint {
    #[diesel(sql_type = Text)]
    integrity_check: String,
}

/// Makes every check that this store knows.
pub(crate) fn check(place: &Place, conn: &mut SqliteConnection) -> Result<FileReport, StoreError> {
    let mut report = Report {
        place,
        file: FileReport::default(),
    };
    report.told(Check::FileIntegrity, integrity(place, conn))?;
    report.told(Check::ForeignKeys, foreign_keys(place, conn))?;
    report.told(Check::Schema, schema(place, conn))?;
    report.told(Check::Versions, versions(place, conn))?;
    report.told(Check::Derived, derived(place, conn))?;
    report.told(Check::OrphanFiles, orphans(place))?;
    report.told(Check::WalSize, log_size(place))?;
    report.told(Check::NetworkFs, network(place))?;
    report.told(Check::Permissions, permissions(place))?;
    Ok(report.file)
}

struct Report<'a> {
    place: &'a Place,
    file: FileReport,
}

impl Report<'_> {
    /// Keeps what a check found; that it could not be made because of the file's state is a finding, too.
    fn told(
        &mut self,
        check: Check,
        found: Result<Vec<Finding>, StoreError>,
    ) -> Result<(), StoreError> {
        self.file.made.push(check);
        match found {
            Ok(findings) => self.file.findings.extend(findings),
            Err(
                error @ (StoreError::Damaged { .. }
                | StoreError::Backend { .. }
                | StoreError::Invalid { .. }),
            ) => {
                let what = format!("it could not be looked at: {error}");
                let finding = Finding::new(check, Severity::Problem, self.place.name(), what);
                self.file.findings.push(finding.hint(RESTORE));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

const RESTORE: &str = "go back to a backup with `tasq restore FILE`, or copy what can be read with `tasq copy --to sqlite:NEW`";

/// The engine's own check. Entries of indexes are derived from the rows.
fn integrity(place: &Place, conn: &mut SqliteConnection) -> Result<Vec<Finding>, StoreError> {
    let lines = integrity_lines(place, conn)?;
    let findings = lines.into_iter().map(|line| {
        let finding = Finding::new(
            Check::FileIntegrity,
            Severity::Problem,
            place.name(),
            line.as_str(),
        );
        if is_about_an_index(&line) {
            finding
                .fixable()
                .hint("`tasq doctor --fix` makes the indexes anew")
        } else {
            finding.hint(RESTORE)
        }
    });
    Ok(findings.collect())
}

/// What the engine finds wrong with the file; nothing if it is sound.
pub(crate) fn integrity_lines(
    place: &Place,
    conn: &mut SqliteConnection,
) -> Result<Vec<String>, StoreError> {
    let rows: Vec<Complaint> = diesel::sql_query(format!("PRAGMA integrity_check({TOLD})"))
        .load(conn)
        .map_err(|error| place.sql(&error))?;
    let lines = rows.into_iter().map(|row| row.integrity_check);
    Ok(lines.filter(|line| line != "ok").collect())
}

/// Whether a complaint of the engine is about an index alone.
pub(crate) fn is_about_an_index(line: &str) -> bool {
    line.contains("missing from index ")
        || line.contains("wrong # of entries in index ")
        || line.starts_with("non-unique entry in index ")
        || line.starts_with("rowid not at end-of-record for row ")
}

fn foreign_keys(place: &Place, conn: &mut SqliteConnection) -> Result<Vec<Finding>, StoreError> {
    let found = lines(
        place,
        conn,
        &format!(
            "SELECT \"table\" || ' row ' || coalesce(rowid, '?') || ' names a row of ' || parent || ' that is not there' AS line
             FROM pragma_foreign_key_check LIMIT {TOLD}"
        ),
    )?;
    let findings = found.into_iter().map(|line| {
        Finding::new(Check::ForeignKeys, Severity::Problem, place.name(), line)
            .hint("something wrote with foreign keys switched off: remove the row, or put back what it names")
    });
    Ok(findings.collect())
}

/// A table, an index, a trigger or a view.
#[derive(QueryableByName, Debug, Clone, PartialEq, Eq)]
struct Part {
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<Text>)]
    sql: Option<String>,
}

/// What is wrong with a part of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wrong {
    Missing,
    Changed,
    Extra,
}

/// A part of the schema that is not as it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) wrong: Wrong,
    /// What makes the part as it should be.
    pub(crate) sql: Option<String>,
}

impl Difference {
    /// Whether it can be made anew from what is there: everything but a table.
    pub(crate) fn is_mendable(&self) -> bool {
        self.wrong != Wrong::Extra && self.kind != "table" && self.sql.is_some()
    }
}

/// How the schema differs from the one that the migrations make.
pub(crate) fn schema_differences(
    place: &Place,
    conn: &mut SqliteConnection,
) -> Result<Vec<Difference>, StoreError> {
    let mut fresh = SqliteConnection::establish(":memory:")
        .map_err(|error| place.fault(Fault::misuse(error.to_string())))?;
    run_pending(place, &mut fresh)?;
    let expected = parts(place, &mut fresh)?;
    let found = parts(place, conn)?;
    let mut differences = Vec::new();
    for ((kind, name), sql) in &expected {
        let wrong = match found.get(&(kind.clone(), name.clone())) {
            None => Wrong::Missing,
            Some(found) if found != sql => Wrong::Changed,
            Some(_) => continue,
        };
        differences.push(Difference {
            kind: kind.clone(),
            name: name.clone(),
            wrong,
            sql: sql.clone(),
        });
    }
    for (kind, name) in found.into_keys().filter(|key| !expected.contains_key(key)) {
        differences.push(Difference {
            kind,
            name,
            wrong: Wrong::Extra,
            sql: None,
        });
    }
    Ok(differences)
}

type Parts = BTreeMap<(String, String), Option<String>>;

fn parts(place: &Place, conn: &mut SqliteConnection) -> Result<Parts, StoreError> {
    let rows: Vec<Part> = diesel::sql_query(
        "SELECT type AS kind, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%'",
    )
    .load(conn)
    .map_err(|error| place.sql(&error))?;
    Ok(rows
        .into_iter()
        .map(|Part { kind, name, sql }| ((kind, name), sql))
        .collect())
}

fn schema(place: &Place, conn: &mut SqliteConnection) -> Result<Vec<Finding>, StoreError> {
    let differences = schema_differences(place, conn)?;
    let findings = differences.into_iter().map(|difference| {
        let mendable = difference.is_mendable();
        let Difference {
            kind, name, wrong, ..
        } = difference;
        let found = |severity, what: &str| {
            Finding::new(
                Check::Schema,
                severity,
                format!("{kind} {name}"),
                format!("the {kind} {name} {what}"),
            )
        };
        let finding = match wrong {
            Wrong::Missing => found(Severity::Problem, "is missing"),
            Wrong::Changed => found(Severity::Problem, "is not the one that tasq made"),
            Wrong::Extra if kind == "trigger" => found(
                Severity::Warning,
                "is none of ours: it acts on what tasq writes",
            ),
            Wrong::Extra => found(Severity::Note, "is none of ours"),
        };
        if mendable {
            finding
                .fixable()
                .hint("`tasq doctor --fix` makes it anew and derives what it kept in step")
        } else if finding.severity == Severity::Problem {
            finding.hint(RESTORE)
        } else {
            finding
        }
    });
    Ok(findings.collect())
}

#[derive(QueryableByName)]
struct Versions {
    #[diesel(sql_type = BigInt)]
    application: i64,
    #[diesel(sql_type = BigInt)]
    header: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    told: Option<i64>,
    #[diesel(sql_type = BigInt)]
    migrations: i64,
}

fn versions(place: &Place, conn: &mut SqliteConnection) -> Result<Vec<Finding>, StoreError> {
    let Versions {
        application,
        header,
        told,
        migrations,
    } = diesel::sql_query(
        "SELECT
            (SELECT application_id FROM pragma_application_id) AS application,
            (SELECT user_version FROM pragma_user_version) AS header,
            (SELECT max(version) FROM schema_version) AS told,
            (SELECT count(*) FROM __diesel_schema_migrations) AS migrations",
    )
    .get_result(conn)
    .map_err(|error| place.sql(&error))?;
    let mut findings = Vec::new();
    let mut problem = |what: String| {
        findings.push(
            Finding::new(Check::Versions, Severity::Problem, place.name(), what).hint(RESTORE),
        );
    };
    if application != APPLICATION_ID {
        problem(format!(
            "its header names another program ({application:#010x})"
        ));
    }
    if header != KNOWN_VERSION {
        problem(format!(
            "its header says version {header}, this program works with {KNOWN_VERSION}"
        ));
    }
    if told != Some(header) {
        let told = told.map_or_else(|| "nothing".to_owned(), |told| told.to_string());
        problem(format!(
            "its header says version {header}, its table schema_version says {told}"
        ));
    }
    if migrations != header {
        problem(format!(
            "{migrations} migrations were run, its header says version {header}"
        ));
    }
    Ok(findings)
}

fn derived(place: &Place, conn: &mut SqliteConnection) -> Result<Vec<Finding>, StoreError> {
    let mut findings = Vec::new();
    for (table, sql) in DIFFERING {
        let rows = lines(place, conn, sql)?;
        if rows.is_empty() {
            continue;
        }
        let mut named = rows[..rows.len().min(NAMED)].join(", ");
        if rows.len() > NAMED {
            named.push_str(", …");
        }
        let what = format!(
            "what follows from other rows is not as it should be in {} of {table}: {named}",
            rows.len()
        );
        let finding = Finding::new(Check::Derived, Severity::Problem, table, what).fixable();
        findings.push(finding.hint("`tasq doctor --fix` derives them afresh"));
    }
    Ok(findings)
}

/// What lies beside the file and does not belong to it. Its log, shared memory and lock do.
fn orphans(place: &Place) -> Result<Vec<Finding>, StoreError> {
    let mut findings = Vec::new();
    let (folder, name) = folder_and_name(place)?;
    for stray in stray_temps(folder, name).map_err(file)? {
        let what = "left by a writer that was stopped, unless one is at work just now";
        let place = stray.display().to_string();
        let finding = Finding::new(Check::OrphanFiles, Severity::Warning, place, what).fixable();
        findings.push(finding.hint("`tasq doctor --fix` removes it"));
    }
    for left in leftovers(folder, name).map_err(file)? {
        findings.push(Finding::of_leftover(left.display().to_string()));
    }
    let journal = beside(&place.path, "-journal");
    if journal.symlink_metadata().is_ok() {
        let what = "the journal of a program that opened the file in another mode";
        findings.push(Finding::new(
            Check::OrphanFiles,
            Severity::Note,
            journal.display().to_string(),
            what,
        ));
    }
    for kept in kept(place)? {
        let what = "a copy that a migration, a restore or `doctor --fix` kept";
        let finding = Finding::new(Check::OrphanFiles, Severity::Note, kept, what);
        findings.push(finding.hint("remove it when you need it no longer"));
    }
    Ok(findings)
}

/// The copies of the file that were kept beside it.
fn kept(place: &Place) -> Result<Vec<String>, StoreError> {
    let (folder, name) = folder_and_name(place)?;
    let name = name.to_string_lossy();
    let stem = place
        .path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    let failed = |error| file(tasq_files::FileError::new(folder, "list", error));
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let found = entry.file_name();
        let found = found.to_string_lossy();
        let of_migration = found
            .strip_prefix(&*name)
            .is_some_and(|rest| rest.starts_with(".v") && rest.ends_with(".backup"));
        let of_care = found
            .strip_prefix(&*stem)
            .is_some_and(|rest| rest.starts_with(".doctor-") || rest.starts_with(".before-"));
        let side = [".lock", ".turn", "-wal", "-shm", "-journal"]
            .iter()
            .any(|end| found.ends_with(end));
        if (of_migration || of_care) && !side {
            kept.push(entry.path().display().to_string());
        }
    }
    kept.sort();
    Ok(kept)
}

pub(crate) fn folder_and_name(place: &Place) -> Result<(&Path, &OsStr), StoreError> {
    match (place.path.parent(), place.path.file_name()) {
        (Some(folder), Some(name)) => Ok((folder, name)),
        _ => Err(StoreError::Missing {
            place: place.name(),
        }),
    }
}

fn log_size(place: &Place) -> Result<Vec<Finding>, StoreError> {
    let log = log_path(&place.path);
    let Ok(facts) = inspect(&log) else {
        return Ok(Vec::new());
    };
    if facts.len <= LARGE_LOG_BYTES {
        return Ok(Vec::new());
    }
    let what = format!(
        "the write-ahead log has {} MiB: a reader has been at work for long, or every command was stopped before it could tidy up",
        facts.len / (1024 * 1024)
    );
    let place = log.display().to_string();
    let finding = Finding::new(Check::WalSize, Severity::Warning, place, what).fixable();
    Ok(vec![finding.hint(
        "`tasq doctor --fix` writes it into the database; it holds changes that are nowhere else, so leave it where it is",
    )])
}

fn network(place: &Place) -> Result<Vec<Finding>, StoreError> {
    let found = match fs_kind(&place.path).map_err(file)? {
        FsKind::Local => None,
        FsKind::Unknown => Some(None),
        FsKind::Network(name) => Some(Some(name)),
    };
    Ok(found
        .map(|network| Finding::of_file_system(&place.name(), network))
        .into_iter()
        .collect())
}

fn permissions(place: &Place) -> Result<Vec<Finding>, StoreError> {
    let (folder, _) = folder_and_name(place)?;
    let mut looked_at = vec![place.path.as_path()];
    // Any other folder may be shared for good reasons.
    if folder.file_name() == Some(OsStr::new(".tasq")) {
        looked_at.push(folder);
    }
    let mut findings = Vec::new();
    for path in looked_at {
        let tasq_files::Others { owner, read, write } = others(path).map_err(file)?;
        findings.extend(Finding::of_access(
            &path.display().to_string(),
            owner,
            read,
            write,
        ));
    }
    Ok(findings)
}

pub(crate) fn lines(
    place: &Place,
    conn: &mut SqliteConnection,
    sql: &str,
) -> Result<Vec<String>, StoreError> {
    let rows: Vec<Line> = diesel::sql_query(sql)
        .load(conn)
        .map_err(|error| place.sql(&error))?;
    Ok(rows.into_iter().map(|row| row.line).collect())
}
