//! Other crates' errors as the port's: the one place of translation.

use std::path::Path;

use tasq_files::FileError;
use tasq_formats::json::JsonErrorKind;
use tasq_formats::snapshot::{FieldError, SnapshotError};
use tasq_ports::{Holder, StoreError};

pub(crate) fn of_file(error: FileError) -> StoreError {
    let what = error.to_string();
    let policy = |path: &Path| StoreError::Policy {
        place: path.display().to_string(),
        what: what.clone(),
    };
    match error {
        FileError::Missing { path } => StoreError::Missing {
            place: path.display().to_string(),
        },
        FileError::Busy { waited, holder, .. } => StoreError::Busy {
            waited,
            holder: holder.map(|tasq_files::Holder { pid, age }| Holder { pid, age }),
        },
        FileError::Link { path }
        | FileError::HardLink { path, .. }
        | FileError::NotRegular { path }
        | FileError::NotFolder { path }
        | FileError::ForeignOwner { path, .. } => policy(&path),
        FileError::ReadOnly { path } => StoreError::ReadOnly { path },
        FileError::Denied { path } => StoreError::Denied { path },
        FileError::Full { path, free } => StoreError::Full { path, free },
        FileError::Limit { path, found, cap } => StoreError::Limit {
            place: path.display().to_string(),
            what: too_large(found, cap),
        },
        FileError::OutcomeUnknown { source, .. } => StoreError::OutcomeUnknown {
            what: format!("{what}: {source}"),
        },
        FileError::Io {
            path,
            doing,
            source,
        } => StoreError::Io {
            place: path.display().to_string(),
            doing,
            source,
        },
    }
}

pub(crate) fn of_snapshot(path: &Path, error: SnapshotError) -> StoreError {
    let place = path.display().to_string();
    let what = error.to_string();
    match error {
        SnapshotError::Text(error) if error.kind == JsonErrorKind::Limit => {
            StoreError::Limit { place, what }
        }
        SnapshotError::Text(_) | SnapshotError::NotASnapshot => StoreError::Damaged { place, what },
        SnapshotError::TooNew { found, known } => StoreError::TooNew {
            place,
            found: found.to_string(),
            known: known.to_string(),
        },
        SnapshotError::Invalid(_) => StoreError::Invalid { place, what },
    }
}

pub(crate) fn of_field(path: &Path, error: &FieldError) -> StoreError {
    let what = format!("{error}: {}", error.source);
    if error.source.kind == JsonErrorKind::Limit {
        return StoreError::Limit {
            place: path.display().to_string(),
            what,
        };
    }
    StoreError::Backend { what }
}

pub(crate) fn too_large(found: u64, cap: u64) -> String {
    format!("{found} bytes, at most {cap} are allowed")
}
