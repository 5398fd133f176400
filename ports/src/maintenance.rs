//! What a store can say about its own file, and do for it, beside carrying out units of work.

use std::path::{Path, PathBuf};

use crate::error::StoreError;
use crate::store::Store;

macro_rules! checks {
    ($($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        /// What is checked. The words are stable: programs may compare them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Check {
            $($(#[$doc])* $variant),+
        }

        impl Check {
            /// Every check, in the order of a report.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word for the check.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }
    };
}

checks! {
    /// The file is whole and can be read to the end.
    FileIntegrity = "file_integrity",
    /// Every reference between rows names a row that is there, as the engine sees it.
    ForeignKeys = "foreign_keys",
    /// Tables, indexes, triggers and views are those that this version made.
    Schema = "schema",
    /// What the file says of its own format agrees with itself.
    Versions = "versions",
    /// Every reference names something that is there.
    References = "references",
    /// No task waits for itself by way of others.
    Cycles = "cycles",
    /// What is true of everything that tasq itself has written.
    Invariants = "invariants",
    /// What follows from other values is what it should be.
    Derived = "derived",
    /// Nothing was changed by something other than tasq since its last event.
    EditedOutside = "edited_outside",
    /// No lease has run out.
    ExpiredLeases = "expired_leases",
    /// Nothing lies beside the file that no longer belongs to it.
    OrphanFiles = "orphan_files",
    /// The write-ahead log is small.
    WalSize = "wal_size",
    /// The file is on a file system of this machine.
    NetworkFs = "network_fs",
    /// The file belongs to this account, and no other can write it.
    Permissions = "permissions",
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Worth knowing; nothing needs to be done.
    Note,
    /// Nothing is wrong yet, or a person may have wanted it.
    Warning,
    /// Something is wrong.
    Problem,
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The check.
    pub check: Check,
    /// How bad it is.
    pub severity: Severity,
    /// What, in a sentence.
    pub what: String,
    /// Where: an item, a table, a file.
    pub place: String,
    /// Whether mending what is derived takes it away, without touching what someone wrote.
    pub fixable: bool,
    /// What to do.
    pub hint: Option<String>,
}

impl Finding {
    /// Something found, that nothing mends by itself.
    pub fn new(
        check: Check,
        severity: Severity,
        place: impl Into<String>,
        what: impl Into<String>,
    ) -> Self {
        Self {
            check,
            severity,
            what: what.into(),
            place: place.into(),
            fixable: false,
            hint: None,
        }
    }

    /// The same, mended with what is derived.
    #[must_use]
    pub fn fixable(self) -> Self {
        Self {
            fixable: true,
            ..self
        }
    }

    /// The same, with what to do.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

impl Finding {
    /// What is to be said about a file that is not this account's alone: to whom it belongs if not to this account,
    /// and whether others may read or write it.
    #[must_use]
    pub fn of_access(place: &str, owner: Option<u32>, read: bool, write: bool) -> Option<Self> {
        let found =
            |severity, what: String| Some(Self::new(Check::Permissions, severity, place, what));
        if let Some(owner) = owner {
            found(
                Severity::Warning,
                format!("it belongs to another account (user {owner})"),
            )
        } else if write {
            let found = found(Severity::Warning, "other accounts may write it".to_owned());
            found.map(|it| it.hint(format!("chmod go-w {place}")))
        } else if read {
            found(Severity::Note, "other accounts may read it".to_owned())
        } else {
            None
        }
    }

    /// What is to be said about what a backup or a restore was building when it was stopped.
    #[must_use]
    pub fn of_leftover(place: impl Into<String>) -> Self {
        let what = "left by a backup or a restore that was stopped, unless one is at work just now";
        Self::new(Check::OrphanFiles, Severity::Warning, place, what)
            .hint("remove it when none is at work; nothing that counts is only there, unless the backup itself is gone")
    }

    /// What is to be said about a file system that is not known to be on this machine, by its name where it has one.
    #[must_use]
    pub fn of_file_system(place: &str, network: Option<&str>) -> Self {
        match network {
            Some(name) => Self::new(
                Check::NetworkFs,
                Severity::Warning,
                place,
                format!("it is on a file system of another machine or process ({name}), whose locks may not hold"),
            )
            .hint("keep the queue on a local disk"),
            None => Self::new(
                Check::NetworkFs,
                Severity::Note,
                place,
                "it is on a file system of an unknown kind",
            ),
        }
    }
}

/// What a store said about its file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileReport {
    /// The checks that were made, whether they found anything or not. One that makes no sense for this kind of store
    /// counts as made.
    pub made: Vec<Check>,
    /// What they found. No finding of a check that was made means that all is well.
    pub findings: Vec<Finding>,
}

/// Whether a file that is there may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overwrite {
    /// It stays, and the request fails with [`StoreError::Exists`].
    Refuse,
    /// It is replaced once the new one is on the disk.
    Replace,
}

/// A backup that was written, read again and found sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupReport {
    /// Its files, the one that is opened first.
    pub files: Vec<PathBuf>,
    /// Their size in bytes.
    pub bytes: u64,
    /// Epics in it.
    pub epics: u64,
    /// Features in it.
    pub features: u64,
    /// Tasks in it.
    pub tasks: u64,
    /// Test cases in it.
    pub tests: u64,
    /// Events in it.
    pub events: u64,
}

/// A store that can be looked after.
pub trait Maintenance: Store {
    /// Looks at the file and what lies beside it. Changes nothing.
    ///
    /// # Errors
    /// Only where looking itself fails; what is wrong with the file is a finding.
    fn check_file(&self) -> Result<FileReport, StoreError>;

    /// Mends what [`check_file`](Self::check_file) calls fixable and units of work do not reach: indexes and triggers
    /// that are missing, a log that is too large, leftovers of writers that were killed. Touches nothing that someone
    /// wrote. Returns a sentence for each thing done.
    ///
    /// # Errors
    /// Whatever writing can meet. Everything done before stays done.
    fn mend_file(&self) -> Result<Vec<String>, StoreError>;

    /// Writes a copy of everything to `to`, as of one instant, while others go on writing; it is read again and
    /// compared before it gets its name. The copy is a store of the same kind, which opens as it is, with its open
    /// attempts and its id.
    ///
    /// # Errors
    /// [`StoreError::Exists`]; [`StoreError::Damaged`] if this store or the copy is not sound; what writing can meet.
    /// After any error there is no new file under that name.
    fn backup(&self, to: &Path, overwrite: Overwrite) -> Result<BackupReport, StoreError>;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_check_has_a_word_of_its_own() {
        let words: BTreeSet<&str> = Check::ALL.iter().map(|check| check.as_str()).collect();
        assert_eq!(words.len(), Check::ALL.len());
    }

    #[test]
    fn a_file_system_that_is_not_local_is_told() {
        let found = Finding::of_file_system("queue.db", Some("nfs"));
        assert_eq!(found.check, Check::NetworkFs);
        assert_eq!(found.severity, Severity::Warning);
        assert!(found.what.contains("nfs") && found.hint.is_some());
        let unknown = Finding::of_file_system("queue.db", None);
        assert_eq!(unknown.severity, Severity::Note);
    }

    #[test]
    fn a_file_of_this_account_alone_is_as_it_should_be() {
        let severity = |owner, read, write| {
            let found = Finding::of_access("queue.db", owner, read, write);
            found.map(|found| found.severity)
        };
        assert_eq!(severity(None, false, false), None);
        assert_eq!(severity(None, true, false), Some(Severity::Note));
        assert_eq!(severity(None, true, true), Some(Severity::Warning));
        assert_eq!(severity(Some(7), false, false), Some(Severity::Warning));
    }

    #[test]
    fn a_problem_is_the_worst() {
        assert!(Severity::Problem > Severity::Warning);
        assert!(Severity::Warning > Severity::Note);
        assert!(Severity::Note > Severity::Ok);
    }
}
