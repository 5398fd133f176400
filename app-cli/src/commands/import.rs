//! Reading queues from files: each in one step, whole or not at all.

use std::ffi::OsStr;
use std::path::Path;

use tasq_app::import::{ImportOptions, ImportReport, read};
use tasq_app::{App, Code, NewQueue};
use tasq_domain::OperationId;
use tasq_domain::backoff::Backoff;
use tasq_formats::import::{CommandTemplate, Draft, Format, ReadOptions, detect};
use tasq_formats::json::{Document, JsonErrorKind, Limits};
use tasq_formats::snapshot::{self, Extra, Fallback, Snapshot, SnapshotError};
use tasq_ports::StoreExt as _;

use crate::args::moving::Import;
use crate::discover;
use crate::failure::Failure;
use crate::input;
use crate::session::{Queue, Session};
use crate::stores;
use crate::view::{Imported, OneFile};

/// What a file turned out to be.
enum Content {
    /// A queue of another tool.
    Draft(Box<Draft>),
    /// A snapshot of our own.
    Snapshot(Vec<u8>),
}

/// A file that was read and can be imported.
struct Input {
    place: String,
    content: Content,
}

pub(super) fn import(session: &mut Session, args: Import) -> Result<u8, Failure> {
    let test_command = args.test_command.map(CommandTemplate::new).transpose();
    let test_command = test_command.map_err(|error| Failure::usage(error.to_string()))?;
    // Whatever is broken in any file is found before anything is stored.
    let mut inputs = Vec::new();
    let max_bytes = max_bytes(args.max_mib);
    for name in &args.files {
        let options = ReadOptions {
            limits: Limits::FOREIGN.with_bytes(max_bytes),
            name: stem(name),
            group_by: args.group_by.clone(),
            test_command: test_command.clone(),
            keep_in_progress: args.keep_in_progress,
        };
        inputs.push(read_input(name, &options)?);
    }
    let queue = match &args.to {
        None => session.open()?,
        Some(to) => {
            let place = discover::named(to)?;
            let name = stores::default_name(&place)?;
            let new = NewQueue {
                name,
                require_tests: false,
                backoff: Backoff::default(),
            };
            session.open_or_create(place, new, args.dry_run)?
        }
    };
    let mut files = Vec::new();
    for (input, number) in inputs.into_iter().zip(0..) {
        let app = queue
            .app()
            .with_op(numbered(args.change.op.as_ref(), number)?);
        let options = ImportOptions {
            place: input.place.clone(),
            dry_run: args.dry_run,
            update: args.update,
            remap: args.remap,
        };
        let report = match input.content {
            Content::Draft(draft) => app.import(&draft, &options)?,
            Content::Snapshot(bytes) => import_snapshot(&queue, &app, &bytes, &options)?,
        };
        files.push(OneFile {
            file: input.place,
            report,
        });
    }
    session.out.answer(&Imported {
        files,
        dry_run: args.dry_run,
    })?;
    Ok(0)
}

fn read_input(name: &OsStr, options: &ReadOptions) -> Result<Input, Failure> {
    let max_bytes = options.limits.bytes;
    let (place, bytes) = input::file(name, max_bytes).map_err(|failure| match failure {
        Failure::Told(problem) if problem.code == Code::Limit => {
            Failure::Told(problem).with_hint("allow more with --max-mib")
        }
        other => other,
    })?;
    let content = if is_snapshot(&bytes, max_bytes) {
        Content::Snapshot(bytes)
    } else {
        Content::Draft(Box::new(read(&place, &bytes, options)?))
    };
    Ok(Input { place, content })
}

fn max_bytes(mib: u32) -> usize {
    // No machine whose addresses are shorter has room for more.
    usize::try_from(u64::from(mib) << 20).unwrap_or(usize::MAX)
}

/// Whether a file is a snapshot of ours. One that is broken still is, if it says so: then our own reader tells where.
fn is_snapshot(bytes: &[u8], max_bytes: usize) -> bool {
    // Ours begins with the mark: whatever follows, it is a snapshot or a broken one.
    if begins_with_mark(bytes) {
        return true;
    }
    let mark = format!("\"{}\"", snapshot::MARK);
    String::from_utf8_lossy(bytes).contains(&mark)
        && Document::parse_within(bytes, Limits::OWN.with_bytes(max_bytes))
            .map_or(true, |document| detect(&document) == Format::Snapshot)
}

fn begins_with_mark(bytes: &[u8]) -> bool {
    let inside = bytes.trim_ascii_start().strip_prefix(b"{");
    let key = inside.and_then(|inside| inside.trim_ascii_start().strip_prefix(b"\""));
    key.and_then(|key| key.strip_prefix(snapshot::MARK.as_bytes()))
        .is_some_and(|rest| rest.starts_with(b"\""))
}

fn import_snapshot(
    queue: &Queue,
    app: &App<'_>,
    bytes: &[u8],
    options: &ImportOptions,
) -> Result<ImportReport, Failure> {
    let (settings, at) = queue
        .store
        .read(|tx| Ok::<_, tasq_ports::StoreError>((tx.settings()?, tx.now())))?;
    let fallback = Fallback { settings, at };
    let Snapshot {
        contents,
        extra,
        mended,
    } = snapshot::decode_within(bytes, Limits::OWN.with_bytes(bytes.len()), &fallback)
        .map_err(|error| not_read(&options.place, &error))?;
    let mut report = app.import_snapshot(contents, options.dry_run)?;
    report.warnings.extend(mended);
    if extra != Extra::default() {
        report
            .warnings
            .push("keys that this version does not know were left out".to_owned());
    }
    Ok(report)
}

fn not_read(place: &str, error: &SnapshotError) -> Failure {
    let code = match error {
        SnapshotError::Text(error) if error.kind == JsonErrorKind::Limit => Code::Limit,
        SnapshotError::Text(_) | SnapshotError::NotASnapshot | SnapshotError::Invalid(_) => {
            Code::InvalidData
        }
        SnapshotError::TooNew { .. } => Code::TooNew,
    };
    Failure::new(code, format!("{place}: {error}"))
}

/// The name of the file without its ending, for projects that say none.
fn stem(name: &OsStr) -> Option<String> {
    let stem = Path::new(name).file_stem().filter(|_| name != "-")?;
    Some(stem.to_string_lossy().into_owned())
}

/// Each file is a request of its own, so each but the first gets a number added to the operation id.
fn numbered(op: Option<&OperationId>, number: u32) -> Result<Option<OperationId>, Failure> {
    match (op, number) {
        (None, _) => Ok(None),
        (Some(op), 0) => Ok(Some(op.clone())),
        (Some(op), _) => {
            let id = OperationId::new(format!("{op}.{number}"));
            id.map(Some)
                .map_err(|error| Failure::usage(format!("--op: {error}")))
        }
    }
}
