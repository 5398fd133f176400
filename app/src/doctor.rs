//! Finding what is wrong with a store, and mending what is derived.

mod facts;

use std::path::Path;

use tasq_domain::{EpicId, FeatureId, Status};
use tasq_ports::{
    BackupReport, Check, FileReport, Finding, Maintenance, Overwrite, Severity, StoreError,
    StoreExt, Tx,
};

use crate::context::App;
use crate::error::AppError;
use crate::unit::all_tasks;

/// The checks that are made on facts, whatever the store. The others are made on its file.
const ON_FACTS: [Check; 6] = [
    Check::References,
    Check::Cycles,
    Check::Invariants,
    Check::Derived,
    Check::EditedOutside,
    Check::ExpiredLeases,
];

/// How many findings of a check are told one by one.
const TOLD: usize = 20;

/// What a look at a store found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checkup {
    /// At least one for each check, in their order; the worst of a check first.
    pub findings: Vec<Finding>,
}

impl Checkup {
    /// Whether there is no problem. Notes and warnings are none.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.count(Severity::Problem) == 0
    }

    /// How many findings are of a severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        let findings = self.findings.iter();
        findings
            .filter(|finding| finding.severity == severity)
            .count()
    }

    /// What a store is told by that cannot be opened, where that is a finding and no error: a file that is damaged,
    /// or that this account may not use.
    ///
    /// # Errors
    /// The error itself, when it says nothing about the state of a store: it is missing, busy, or of another version.
    pub fn of_unopened(place: &str, error: StoreError) -> Result<Self, AppError> {
        let check = match &error {
            StoreError::Damaged { .. } | StoreError::Invalid { .. } | StoreError::Limit { .. } => {
                Check::FileIntegrity
            }
            StoreError::Denied { .. } | StoreError::ReadOnly { .. } => Check::Permissions,
            _ => return Err(error.into()),
        };
        let finding = Finding::new(
            check,
            Severity::Problem,
            place,
            format!("it cannot be opened: {error}"),
        );
        let finding = match AppError::from(error).hint() {
            Some(hint) if check == Check::Permissions => finding.hint(hint),
            _ => finding.hint("go back to a backup with `tasq restore FILE`"),
        };
        Ok(Self::of(&[], vec![finding]))
    }

    /// Sorts findings, shortens what is told too often, and says of each check that found nothing how it went.
    fn of(made: &[Check], mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| (finding.check, std::cmp::Reverse(finding.severity)));
        let mut told = Vec::new();
        for &check in Check::ALL {
            let of_check: Vec<Finding> = findings
                .iter()
                .filter(|finding| finding.check == check)
                .cloned()
                .collect();
            let more = of_check.len().saturating_sub(TOLD);
            let (severity, what) = if !of_check.is_empty() {
                let left = &of_check[of_check.len() - more..];
                let severity = left.iter().map(|finding| finding.severity).max();
                (severity, format!("and {more} more of this kind"))
            } else if made.contains(&check) {
                (Some(Severity::Ok), "as it should be".to_owned())
            } else {
                let what = "not looked at, because the store cannot be read as a whole";
                (Some(Severity::Note), what.to_owned())
            };
            told.extend(of_check.into_iter().take(TOLD));
            if let Some(severity) = severity {
                told.push(Finding::new(check, severity, "", what));
            }
        }
        Self { findings: told }
    }

    fn fixable(&self, check: Check) -> bool {
        let mut findings = self.findings.iter();
        findings.any(|finding| finding.check == check && finding.fixable)
    }
}

/// What mending did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mended {
    /// A sentence for each thing done; none where there was nothing to mend.
    pub done: Vec<String>,
    /// The store as it was before.
    pub backup: Option<BackupReport>,
    /// What is found now.
    pub checkup: Checkup,
}

impl App<'_> {
    /// Looks for what is wrong: with the file, through `files`, which is this store; and with the facts in it, by the
    /// rules of the domain. Changes nothing.
    ///
    /// # Errors
    /// Only where looking itself fails; a store that cannot be read as a whole is a finding.
    pub fn doctor(&self, files: &dyn Maintenance) -> Result<Checkup, AppError> {
        let FileReport {
            mut made,
            mut findings,
        } = files.check_file()?;
        match self.store.read(judge) {
            Ok(found) => {
                made.extend(ON_FACTS);
                findings.extend(found);
            }
            Err(AppError::Store(
                error @ (StoreError::Damaged { .. }
                | StoreError::Invalid { .. }
                | StoreError::Backend { .. }),
            )) => {
                let told = findings.iter().any(|finding| {
                    finding.check == Check::FileIntegrity && finding.severity == Severity::Problem
                });
                if !told {
                    let what = format!("not everything in it can be read: {error}");
                    let place = files.info().place;
                    let finding =
                        Finding::new(Check::FileIntegrity, Severity::Problem, place, what);
                    findings.push(finding.hint("go back to a backup with `tasq restore FILE`"));
                }
            }
            Err(error) => return Err(error),
        }
        Ok(Checkup::of(&made, findings))
    }

    /// Mends what is derived, and nothing that someone wrote: after a backup to `backup`, missing parts of the store's
    /// own machinery are made anew, everything derived is derived afresh, and leases that ran out are taken back. Where
    /// nothing is to be mended, nothing is written, no backup either.
    ///
    /// # Errors
    /// [`AppError::Denied`] for a worker; what the store meets. Without a sound backup nothing is changed.
    pub fn mend(&self, files: &dyn Maintenance, backup: &Path) -> Result<Mended, AppError> {
        if self.caller().is_worker() {
            return Err(AppError::worker("mend the store"));
        }
        let checkup = self.doctor(files)?;
        if !checkup.findings.iter().any(|finding| finding.fixable) {
            return Ok(Mended {
                done: Vec::new(),
                backup: None,
                checkup,
            });
        }
        let backup = files.backup(backup, Overwrite::Refuse)?;
        let mut done = files.mend_file()?;
        if checkup.fixable(Check::Derived) || checkup.fixable(Check::Schema) {
            let changed = self.rederive()?;
            done.push(format!(
                "derived everything afresh; {changed} features and epics have another status now"
            ));
        }
        if checkup.fixable(Check::ExpiredLeases) {
            let reaped = self.reap()?.tasks.len();
            done.push(format!("took back {reaped} tasks whose lease had run out"));
        }
        Ok(Mended {
            done,
            backup: Some(backup),
            checkup: self.doctor(files)?,
        })
    }

    /// Derives everything afresh, with an event for each parent whose status changes. Returns how many those are.
    fn rederive(&self) -> Result<usize, AppError> {
        self.write(|unit| {
            let before = statuses(unit.tx)?;
            unit.tx.rederive()?;
            let after = statuses(unit.tx)?;
            let mut changed = 0;
            for ((id, was), (_, is)) in before.0.into_iter().zip(after.0) {
                if was != is {
                    changed += 1;
                    let at = unit.now();
                    unit.rolled_up(id, was, is, at)?;
                }
            }
            for ((id, was), (_, is)) in before.1.into_iter().zip(after.1) {
                if was != is {
                    changed += 1;
                    let at = unit.now();
                    unit.rolled_up(id, was, is, at)?;
                }
            }
            Ok(changed)
        })
    }
}

type Statuses = (Vec<(FeatureId, Status)>, Vec<(EpicId, Status)>);

fn statuses(tx: &mut dyn Tx) -> Result<Statuses, StoreError> {
    let features = tx.features()?;
    let epics = tx.epics()?;
    Ok((
        features.into_iter().map(|it| (it.id, it.status)).collect(),
        epics.into_iter().map(|it| (it.id, it.status)).collect(),
    ))
}

/// Everything as one snapshot shows it, judged.
fn judge(tx: &mut dyn Tx) -> Result<Vec<Finding>, AppError> {
    let contents = tx.contents()?;
    let records = all_tasks(tx, &tasq_domain::ready::Scope::Queue, &[])?;
    let mut findings = facts::judge(&contents, &records, tx.now());
    findings.extend(facts::judge_counts(tx, &contents)?);
    Ok(findings)
}

#[cfg(test)]
mod tests;
