//! What commands read besides their arguments: standard input, files, metadata.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use tasq_app::{AppError, Code, EditMetadata};
use tasq_domain::{JsonObject, MAX_DESCRIPTION_BYTES, MAX_JSON_BYTES};
use tasq_formats::json::{Document, to_text};

use crate::failure::Failure;

/// The largest input file, in bytes, unless a flag says otherwise.
pub(crate) const MAX_FILE_BYTES: usize = 256 * 1024 * 1024;

/// A text argument; `-` reads it from standard input, without the line end at its end.
pub(crate) fn text(argument: String) -> Result<String, Failure> {
    if argument != "-" {
        return Ok(argument);
    }
    // One more than any text may have, so that a longer one is refused by its own rule.
    let bytes = read_up_to(
        io::stdin().lock(),
        MAX_JSON_BYTES.max(MAX_DESCRIPTION_BYTES) + 1,
        "standard input",
    )?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::new(Code::InvalidData, "standard input is not UTF-8"))?;
    Ok(text.strip_suffix('\n').map(str::to_owned).unwrap_or(text))
}

/// An optional text argument.
pub(crate) fn optional(argument: Option<String>) -> Result<Option<String>, Failure> {
    argument.map(text).transpose()
}

/// The first bytes of a file that gzip packed.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A whole file, or standard input for `-`, and the name to call it by. What gzip packed is unpacked, whatever its name.
/// More than `limit` bytes, packed or unpacked, are refused.
pub(crate) fn file(name: &OsStr, limit: usize) -> Result<(String, Vec<u8>), Failure> {
    let (place, bytes) = packed(name, limit)?;
    if !bytes.starts_with(&GZIP) {
        return Ok((place, bytes));
    }
    let unpacked = read_up_to(MultiGzDecoder::new(bytes.as_slice()), limit, &place);
    let unpacked = unpacked.map_err(|failure| match failure {
        Failure::Told(problem) if problem.code == Code::Storage => Failure::new(
            Code::InvalidData,
            format!(
                "{place} was packed by gzip and is damaged: {}",
                problem.message
            ),
        ),
        other => other,
    })?;
    Ok((place, unpacked))
}

fn packed(name: &OsStr, limit: usize) -> Result<(String, Vec<u8>), Failure> {
    if name == "-" {
        let place = "standard input".to_owned();
        let bytes = read_up_to(io::stdin().lock(), limit, &place)?;
        return Ok((place, bytes));
    }
    let path = Path::new(name);
    let place = path.display().to_string();
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            Failure::new(Code::NotFound, format!("there is no file {place}"))
        }
        _ => Failure::io(&format!("cannot read {place}"), &error),
    })?;
    let bytes = read_up_to(file, limit, &place)?;
    Ok((place, bytes))
}

fn read_up_to(reader: impl io::Read, limit: usize, place: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let cap = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    reader
        .take(cap)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::io(&format!("cannot read {place}"), &error))?;
    if bytes.len() > limit {
        return Err(Failure::new(
            Code::Limit,
            format!("{place} has more than the {limit} bytes allowed"),
        ));
    }
    Ok(bytes)
}

/// A JSON object argument; `-` reads it from standard input.
pub(crate) fn object(argument: String, what: &str) -> Result<JsonObject, Failure> {
    let text = text(argument)?;
    let document =
        Document::parse(text.as_bytes()).map_err(|error| AppError::json(what, &error))?;
    document
        .root()
        .object()
        .map_err(|error| AppError::json(what, &error))?;
    Ok(JsonObject::new(to_text(document.value())).map_err(AppError::from)?)
}

/// The pairs of `--meta`; an empty value takes its key away.
pub(crate) fn edit_metadata(pairs: Vec<(String, String)>) -> EditMetadata {
    let set = pairs
        .into_iter()
        .map(|(key, value)| (key, Some(value).filter(|value| !value.is_empty())));
    EditMetadata { set: set.collect() }
}
