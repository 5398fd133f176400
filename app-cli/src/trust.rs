//! What this account trusts, in its own state folder: `$XDG_STATE_HOME/tasq/trust`, else `~/.local/state/tasq/trust`.
//!
//! A folder for each store at its place, and in it a file for each command, named by the command's digest and holding
//! its text. Adding is one file made, asking one look per command, whatever many programs do at once, and a person can
//! read and remove what is there. Nothing is waited for on the disk: what a power cut takes has to be trusted again.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use tasq_domain::{CommandLine, StoreId};
use tasq_files::{FileError, check_private_dir};
use tasq_formats::digest::sha256_hex;
use tasq_ports::{Trust, TrustError};

/// Says, for people, which store the folder is about.
const ABOUT: &str = "about";
/// The length of a digest, as a name.
const DIGEST_CHARS: usize = 64;

/// The commands that this account trusts for the store at one place.
pub(crate) struct StateTrust {
    place: PathBuf,
}

impl StateTrust {
    /// For the store whose file is `place`.
    pub(crate) fn of(place: &Path) -> Self {
        Self {
            place: place.to_owned(),
        }
    }

    /// The folder of this store, and its place by the one name that no link changes.
    fn folder(&self, store: &StoreId) -> Result<(PathBuf, PathBuf), TrustError> {
        let place = self
            .place
            .canonicalize()
            .map_err(|error| io_error("find", &self.place, error))?;
        let key = [
            store.as_str().as_bytes(),
            b"\0",
            place.as_os_str().as_bytes(),
        ]
        .concat();
        Ok((root()?.join(sha256_hex(&key)), place))
    }
}

impl Trust for StateTrust {
    fn untrusted(
        &self,
        store: &StoreId,
        commands: &[CommandLine],
    ) -> Result<Vec<CommandLine>, TrustError> {
        let folder = match self.folder(store) {
            Ok((folder, _)) if is_ours(&folder)? => Some(folder),
            // Nothing can have been trusted where there is nowhere to keep it.
            Ok(_) | Err(TrustError::NoPlace { .. }) => None,
            Err(error) => return Err(error),
        };
        let mut asked = HashSet::new();
        let mut missing = Vec::new();
        for command in commands.iter().filter(|command| asked.insert(*command)) {
            let known = match &folder {
                Some(folder) => is_there(&file_of(folder, command))?,
                None => false,
            };
            if !known {
                missing.push(command.clone());
            }
        }
        Ok(missing)
    }

    fn trust(&self, store: &StoreId, commands: &[CommandLine]) -> Result<(), TrustError> {
        let (folder, place) = self.folder(store)?;
        if !is_ours(&folder)? {
            make(&folder)?;
            let about = format!("store {store}\nat {}\n", place.display());
            write(&folder.join(ABOUT), about.as_bytes())?;
        }
        for command in commands {
            write(&file_of(&folder, command), command.as_str().as_bytes())?;
        }
        Ok(())
    }

    fn revoke(&self, store: &StoreId) -> Result<u64, TrustError> {
        let (folder, _) = self.folder(store)?;
        if !is_ours(&folder)? {
            return Ok(0);
        }
        let failed = |error| io_error("empty", &folder, error);
        let mut count = 0;
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let command = is_digest(&entry.file_name());
            match fs::remove_file(entry.path()) {
                Ok(()) => count += u64::from(command),
                // Another one revokes as well.
                Err(error) if error.kind() == io::ErrorKind::NotFound => (),
                Err(error) => return Err(failed(error)),
            }
        }
        match fs::remove_dir(&folder) {
            // Somebody trusts something anew at this moment; that is not what was revoked.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(count),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(count),
        }
    }
}

/// The folder of everything that is trusted.
fn root() -> Result<PathBuf, TrustError> {
    let absolute = |name: &str| {
        let value: Option<OsString> = std::env::var_os(name);
        value.map(PathBuf::from).filter(|path| path.is_absolute())
    };
    let state = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .ok_or_else(|| TrustError::NoPlace {
            missing: "neither XDG_STATE_HOME nor HOME names a folder".to_owned(),
        })?;
    Ok(state.join("tasq/trust"))
}

/// Whether the folder is there; one of another account, or a link, is an error.
fn is_ours(folder: &Path) -> Result<bool, TrustError> {
    let root = folder.parent().unwrap_or(folder);
    for path in [root, folder] {
        match check_private_dir(path) {
            Ok(()) => (),
            Err(FileError::Missing { .. }) => return Ok(false),
            Err(error) => return Err(io_error("trust", path, io::Error::other(error))),
        }
    }
    Ok(true)
}

fn is_there(file: &Path) -> Result<bool, TrustError> {
    match file.symlink_metadata() {
        Ok(facts) => Ok(facts.is_file()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io_error("look at", file, error)),
    }
}

fn make(folder: &Path) -> Result<(), TrustError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder
        .create(folder)
        .map_err(|error| io_error("make", folder, error))?;
    if is_ours(folder)? {
        Ok(())
    } else {
        let gone = io::Error::from(io::ErrorKind::NotFound);
        Err(io_error("make", folder, gone))
    }
}

/// Makes a file; one that is there already says the same.
fn write(path: &Path, content: &[u8]) -> Result<(), TrustError> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(mut file) => File::write_all(&mut file, content),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
    .map_err(|error| io_error("write", path, error))
}

fn file_of(folder: &Path, command: &CommandLine) -> PathBuf {
    folder.join(sha256_hex(command.as_str().as_bytes()))
}

fn is_digest(name: &std::ffi::OsStr) -> bool {
    name.len() == DIGEST_CHARS
}

fn io_error(doing: &'static str, path: &Path, source: io::Error) -> TrustError {
    TrustError::Io {
        doing,
        place: path.display().to_string(),
        source,
    }
}
