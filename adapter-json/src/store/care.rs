//! Looking after the files.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::Duration;

use tasq_adapter_memory::State;
use tasq_domain::Contents;
use tasq_files::{
    FileError, FsKind, LockFile, create_private_dir, fs_kind, inspect, others, read_capped,
    rename_durably, stray_temps, sync_folder, temp_path,
};
use tasq_formats::snapshot::{self, Extra, Snapshot};
use tasq_ports::{
    BackupReport, Check, FileReport, Finding, Maintenance, Overwrite, Severity, StoreError,
};

use super::{JsonStore, Loaded, MAX_LOG_BYTES, Options, SideFiles};
use crate::error::{of_file, of_snapshot};
use crate::log::Rest;

/// How many items are named in a sentence.
const NAMED: usize = 5;

impl Maintenance for JsonStore {
    fn check_file(&self) -> Result<FileReport, StoreError> {
        let mut findings = Vec::new();
        match self.load_for_reading() {
            Ok(loaded) => findings.extend(self.content(&loaded)?),
            Err(
                error @ (StoreError::Damaged { .. }
                | StoreError::Invalid { .. }
                | StoreError::Limit { .. }),
            ) => {
                let finding = Finding::new(
                    Check::FileIntegrity,
                    Severity::Problem,
                    self.name(),
                    error.to_string(),
                );
                findings.push(finding.hint(
                    "mend that place by hand, or go back to a backup with `tasq restore FILE`",
                ));
            }
            Err(error) => return Err(error),
        }
        findings.extend(self.surroundings()?);
        let made = [
            Check::FileIntegrity,
            Check::ForeignKeys,
            Check::Schema,
            Check::Versions,
            Check::Derived,
            Check::OrphanFiles,
            Check::WalSize,
            Check::NetworkFs,
            Check::Permissions,
        ];
        Ok(FileReport {
            made: made.to_vec(),
            findings,
        })
    }

    /// What is derived is written with the next change; here only leftovers go.
    fn mend_file(&self) -> Result<Vec<String>, StoreError> {
        let _guard = self.lock.acquire(self.options.wait).map_err(of_file)?;
        let strays = self.strays()?.len();
        *self.untidy.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.tidy()?;
        let done = (strays > 0)
            .then(|| format!("removed {strays} files of writers that were stopped"))
            .into_iter();
        Ok(done.collect())
    }

    /// The snapshot and the part of the log that leads to it, built in a folder of their own, opened there and compared.
    fn backup(&self, to: &Path, overwrite: Overwrite) -> Result<BackupReport, StoreError> {
        let to = std::path::absolute(to)
            .map_err(|source| of_file(FileError::new(to, "find", source)))?;
        self.check_target(&to, overwrite)?;
        let (loaded, log) = self.pair()?;
        let folder = Folder::beside(&to)?;
        let name = to.file_name().unwrap_or_default();
        let built = folder.path.join(name);
        let side = SideFiles::of(&built);
        if !log.is_empty() {
            tasq_files::replace(&side.log, &log).map_err(of_file)?;
        }
        tasq_files::replace(&built, &loaded.bytes).map_err(of_file)?;
        let copy = Self::at(&built, self.options.clone())?.load(false)?;
        if copy.state.contents() != loaded.state.contents() {
            return Err(StoreError::Damaged {
                place: self.name(),
                what: "its copy does not read as the same queue".to_owned(),
            });
        }
        match overwrite {
            Overwrite::Refuse => move_pair(&built, &to)?,
            Overwrite::Replace => replace_pair(&built, &to, folder)?,
        }
        let files: Vec<PathBuf> = [to.clone(), SideFiles::of(&to).log]
            .into_iter()
            .filter(|file| file.symlink_metadata().is_ok())
            .collect();
        let contents = copy.state.contents();
        Ok(BackupReport {
            bytes: (loaded.bytes.len() + log.len()) as u64,
            files,
            epics: contents.epics.len() as u64,
            features: contents.features.len() as u64,
            tasks: contents.tasks.len() as u64,
            tests: contents.tests.len() as u64,
            events: contents.events.len() as u64,
        })
    }
}

/// Reads a whole queue without changing anything in or beside its files. The flag says whether there were keys that
/// this version does not know.
///
/// # Errors
/// As [`JsonStore::open`].
pub fn read_contents(path: &Path, options: Options) -> Result<(Contents, bool), StoreError> {
    let store = JsonStore::at(path, options)?;
    let loaded = store.load_for_reading()?;
    Ok((loaded.state.contents(), *loaded.extra != Extra::default()))
}

/// Puts a queue that nobody uses, with its log, at a place. One that is there is kept under the name `aside`, with its
/// log; without that name the place must be free.
///
/// # Errors
/// [`StoreError::Exists`] if the place or the name `aside` is taken, [`StoreError::Busy`]. After any other error what was
/// there may already have its other name.
pub fn put_in_place(
    built: &Path,
    path: &Path,
    aside: Option<&Path>,
    wait: Duration,
) -> Result<(), StoreError> {
    let lock = LockFile::new(SideFiles::of(path).lock);
    let _guard = lock.acquire(wait).map_err(of_file)?;
    match (path.symlink_metadata().is_ok(), aside) {
        (true, None) => return Err(exists(path)),
        (true, Some(aside)) => {
            inspect(path).map_err(of_file)?;
            move_pair(path, aside)?;
        }
        (false, _) => {
            // The log of a queue that is gone: whoever makes a queue here puts it aside.
            let old = SideFiles::of(path);
            if old.log.symlink_metadata().is_ok() {
                let kept = old.aside(path);
                rename_durably(&old.log, &kept, false).map_err(of_file)?;
            }
        }
    }
    move_pair(built, path)
}

/// Gives a snapshot and its log other names, which must be free. The log goes first: without its snapshot it counts for
/// nothing.
fn move_pair(from: &Path, to: &Path) -> Result<(), StoreError> {
    let (old, new) = (SideFiles::of(from).log, SideFiles::of(to).log);
    if old.symlink_metadata().is_ok() && !rename_durably(&old, &new, false).map_err(of_file)? {
        return Err(exists(&new));
    }
    if rename_durably(from, to, false).map_err(of_file)? {
        Ok(())
    } else {
        Err(exists(to))
    }
}

/// Puts a pair in the place of another. An old snapshot must not be left beside a new log, which may not tell of it, and
/// two files cannot be renamed at once: so the old pair first moves into the folder of the new one, the snapshot ahead.
/// Whoever is stopped in between leaves no backup under its name, and both in that folder.
fn replace_pair(built: &Path, to: &Path, folder: Folder) -> Result<(), StoreError> {
    let aside = folder
        .path
        .join("replaced")
        .join(built.file_name().unwrap_or_default());
    if let Some(parent) = aside.parent() {
        create_private_dir(parent).map_err(of_file)?;
    }
    let (old, kept) = (SideFiles::of(to).log, SideFiles::of(&aside).log);
    let pairs = [(to, aside.as_path()), (old.as_path(), kept.as_path())];
    let step = |from: &Path, to: &Path| {
        if from.symlink_metadata().is_ok() && !rename_durably(from, to, false).map_err(of_file)? {
            return Err(exists(to));
        }
        Ok(())
    };
    let moved = pairs
        .iter()
        .try_for_each(|(from, to)| step(from, to))
        .and_then(|()| move_pair(built, to));
    if matches!(moved, Ok(()) | Err(StoreError::OutcomeUnknown { .. }))
        && to.symlink_metadata().is_ok()
    {
        return moved;
    }
    // Back to where it was, the log first; where that fails, it stays where it can be found.
    let back = pairs.iter().rev().try_for_each(|(from, to)| step(to, from));
    if back.is_err() {
        std::mem::forget(folder);
    }
    moved
}

/// The first few, in a row.
fn named<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len() > NAMED;
    let mut named = names.take(NAMED).collect::<Vec<_>>().join(", ");
    if more {
        named.push_str(", …");
    }
    named
}

fn exists(path: &Path) -> StoreError {
    StoreError::Exists {
        place: path.display().to_string(),
    }
}

/// A folder of this account alone, removed with what is left in it.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn beside(path: &Path) -> Result<Self, StoreError> {
        let path = temp_path(path).map_err(of_file)?;
        create_private_dir(&path).map_err(of_file)?;
        Ok(Self { path })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // It has the name of a leftover; nothing that counts is in it.
        let _ = std::fs::remove_dir_all(&self.path);
        if let Some(parent) = self.path.parent() {
            let _ = sync_folder(parent);
        }
    }
}

impl JsonStore {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        }
    }

    fn check_target(&self, to: &Path, overwrite: Overwrite) -> Result<(), StoreError> {
        let side = SideFiles::of(to);
        for file in [to, &side.log] {
            match inspect(file) {
                Err(FileError::Missing { .. }) => {}
                Ok(facts) => {
                    let own = [&self.path, &self.side.log]
                        .into_iter()
                        .any(|own| inspect(own).is_ok_and(|own| own.identity == facts.identity));
                    if own || overwrite == Overwrite::Refuse {
                        return Err(exists(file));
                    }
                }
                Err(error) => return Err(of_file(error)),
            }
        }
        Ok(())
    }

    /// The files as they belong together: what was read, and the bytes of the log that count.
    fn pair(&self) -> Result<(Loaded, Vec<u8>), StoreError> {
        // Without the right to make the lock nobody of this account writes.
        let _guard = match self.lock.acquire_shared(self.options.wait) {
            Ok(guard) => Some(guard),
            Err(FileError::ReadOnly { .. } | FileError::Denied { .. }) => None,
            Err(error) => return Err(of_file(error)),
        };
        let loaded = self.load_for_reading()?;
        if loaded.log.keep == 0 {
            return Ok((loaded, Vec::new()));
        }
        let opened = tasq_files::open_read(&self.side.log).map_err(of_file)?;
        let mut log = read_capped(&opened.file, &self.side.log, MAX_LOG_BYTES).map_err(of_file)?;
        log.truncate(usize::try_from(loaded.log.keep).unwrap_or(usize::MAX));
        Ok((loaded, log))
    }

    /// What is to be said about what the files say.
    fn content(&self, loaded: &Loaded) -> Result<Vec<Finding>, StoreError> {
        let limits = tasq_formats::json::Limits::OWN.with_bytes(self.options.max_bytes);
        let fallback = self.fallback(tasq_domain::Timestamp::default());
        let (file, groups) = self.read_log()?;
        let ours = groups.know(&loaded.digest);
        let decode = if ours {
            snapshot::decode_own
        } else {
            snapshot::decode_within
        };
        let Snapshot {
            contents: written,
            extra,
            mended,
        } = decode(&loaded.bytes, limits, &fallback)
            .map_err(|error| of_snapshot(&self.path, error))?;
        let mut findings = self.derived(&written, &loaded.state);
        let say = |check, severity, what: String| Finding::new(check, severity, self.name(), what);
        if extra != Extra::default() {
            findings.push(say(
                Check::Versions,
                Severity::Note,
                "it has keys that this version does not know, and keeps them".to_owned(),
            ));
        }
        findings.extend(self.history(loaded, file.is_some(), ours));
        if !ours {
            for what in mended {
                let hint = "an editor or a merge left it so, and it is read as said";
                findings.push(say(Check::EditedOutside, Severity::Warning, what).hint(hint));
            }
        }
        Ok(findings)
    }

    fn derived(&self, written: &Contents, state: &State) -> Vec<Finding> {
        let tree = state.tree();
        let epics = written.epics.iter().zip(&tree.epics);
        let features = written.features.iter().zip(&tree.features);
        let differing: Vec<&str> = epics
            .filter(|(written, derived)| written.status != derived.status)
            .map(|(written, _)| written.id.as_str())
            .chain(
                features
                    .filter(|(written, derived)| written.status != derived.status)
                    .map(|(written, _)| written.id.as_str()),
            )
            .collect();
        if differing.is_empty() {
            return Vec::new();
        }
        let what = format!(
            "the file says another status than follows from what is below, for {} items: {}",
            differing.len(),
            named(differing.iter().copied())
        );
        let finding = Finding::new(Check::Derived, Severity::Warning, self.name(), what).fixable();
        vec![finding.hint(
            "nobody believes it; `tasq doctor --fix` or the next change writes the right one",
        )]
    }

    fn history(&self, loaded: &Loaded, there: bool, ours: bool) -> Vec<Finding> {
        let log = self.side.log.display().to_string();
        let mut findings = Vec::new();
        if there && loaded.log.generation > 0 && !ours {
            let what = "the file was changed by something other than tasq since the last change that its log tells of";
            let finding = Finding::new(Check::EditedOutside, Severity::Warning, self.name(), what);
            findings.push(finding.hint("compare it with an earlier one, as `git diff` does; if it is as you want it, nothing needs to be done"));
        }
        if ours && !loaded.settled.is_empty() {
            let tasks = loaded.settled.iter().map(|settled| settled.task.as_str());
            let what = format!(
                "what it tells of attempts and checkpoints does not agree with the file, which is right, for {} tasks: {}",
                loaded.settled.len(),
                named(tasks)
            );
            let finding = Finding::new(Check::EditedOutside, Severity::Warning, &log, what);
            findings.push(finding.hint(
                "something other than tasq changed the log; the next change writes down what holds",
            ));
        }
        if loaded.log.passed_over > 0 {
            let what = format!(
                "{} of its records are damaged or of a kind that this version does not know; they are passed over and kept",
                loaded.log.passed_over
            );
            findings.push(Finding::new(Check::Versions, Severity::Note, &log, what));
        }
        match loaded.log.rest {
            Rest::None => {}
            Rest::Uncommitted => {
                let what = "its end tells of a change that never came to count; the next change removes it";
                findings.push(Finding::new(Check::OrphanFiles, Severity::Note, log, what));
            }
            Rest::Foreign => {
                let what = "it tells of changes that did not lead to this file; the next change keeps them in another log";
                findings.push(Finding::new(
                    Check::OrphanFiles,
                    Severity::Warning,
                    log,
                    what,
                ));
            }
        }
        findings
    }

    fn strays(&self) -> Result<Vec<PathBuf>, StoreError> {
        let mut found = Vec::new();
        let files = [&self.path, &self.side.log];
        for name in files.into_iter().filter_map(|file| file.file_name()) {
            found.extend(stray_temps(self.folder(), name).map_err(of_file)?);
        }
        Ok(found)
    }

    /// What is to be said about what lies around the files.
    fn surroundings(&self) -> Result<Vec<Finding>, StoreError> {
        let mut findings = Vec::new();
        let strays = self.strays()?;
        for stray in &strays {
            let what = "left by a writer that was stopped, unless one is at work just now";
            let place = stray.display().to_string();
            let finding = Finding::new(Check::OrphanFiles, Severity::Warning, place, what);
            findings.push(finding.fixable().hint("`tasq doctor --fix` removes it"));
        }
        let name = self.path.file_name().unwrap_or_default();
        for left in tasq_files::leftovers(self.folder(), name).map_err(of_file)? {
            if !strays.contains(&left) {
                findings.push(Finding::of_leftover(left.display().to_string()));
            }
        }
        for kept in self.kept()? {
            let what = "a log or a copy that was kept when another took its place";
            let finding = Finding::new(Check::OrphanFiles, Severity::Note, kept, what);
            findings.push(finding.hint("remove it when you need it no longer"));
        }
        match fs_kind(&self.path).map_err(of_file)? {
            FsKind::Local => {}
            FsKind::Unknown => findings.push(Finding::of_file_system(&self.name(), None)),
            FsKind::Network(name) => {
                findings.push(Finding::of_file_system(&self.name(), Some(name)));
            }
        }
        for path in [self.path.as_path(), self.folder()] {
            // Any other folder may be shared for good reasons.
            if path != self.path && path.file_name() != Some(OsStr::new(".tasq")) {
                continue;
            }
            let tasq_files::Others { owner, write, .. } = others(path).map_err(of_file)?;
            // A file in version control is there to be read.
            findings.extend(Finding::of_access(
                &path.display().to_string(),
                owner,
                false,
                write,
            ));
        }
        Ok(findings)
    }

    fn kept(&self) -> Result<Vec<String>, StoreError> {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        let folder = self.folder();
        let failed = |source| of_file(FileError::new(folder, "list", source));
        let mut kept = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let found = entry.file_name();
            let found = found.to_string_lossy();
            let Some(rest) = found.strip_prefix(&*stem) else {
                continue;
            };
            let log = rest
                .strip_prefix(".log.")
                .and_then(|rest| rest.strip_suffix(".jsonl"))
                .is_some();
            let copy = (rest.starts_with(".doctor-") || rest.starts_with(".before-"))
                && !rest.ends_with(".lock")
                && !rest.ends_with(".turn");
            if log || copy {
                kept.push(entry.path().display().to_string());
            }
        }
        kept.sort();
        Ok(kept)
    }
}
