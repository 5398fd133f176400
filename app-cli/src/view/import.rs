//! What an import did.

use std::collections::BTreeMap;

use tasq_app::import::{ImportReport, Tally};
use tasq_domain::EpicId;
use tasq_formats::json::{Written, WrittenObject};

use crate::output::{Text, Tone, View};

/// How many notes of a sort are shown to a person.
const SHOWN: usize = 20;

/// One file that was imported.
pub(crate) struct OneFile {
    pub(crate) file: String,
    pub(crate) report: ImportReport,
}

/// All files of an import.
pub(crate) struct Imported {
    pub(crate) files: Vec<OneFile>,
    pub(crate) dry_run: bool,
}

impl View for Imported {
    /// The sums over all files, and each file's own report.
    fn json(&self) -> Written {
        let sum = |of: fn(&ImportReport) -> Tally| {
            let all = self.files.iter().map(|file| of(&file.report));
            tally(all.fold(Tally::default(), |sum, more| Tally {
                created: sum.created + more.created,
                updated: sum.updated + more.updated,
                unchanged: sum.unchanged + more.unchanged,
            }))
        };
        WrittenObject::new()
            .with("dry_run", self.dry_run)
            .with("epics", sum(|report| report.epics))
            .with("features", sum(|report| report.features))
            .with("tasks", sum(|report| report.tasks))
            .with("tests", sum(|report| report.tests))
            .with(
                "dependencies",
                self.files
                    .iter()
                    .map(|file| file.report.dependencies)
                    .sum::<u64>(),
            )
            .with_list("files", self.files.iter().map(file_json))
            .into()
    }

    fn text(&self, text: &mut Text) {
        for file in &self.files {
            file_text(text, file);
        }
    }
}

fn file_json(file: &OneFile) -> WrittenObject {
    let OneFile { file, report } = file;
    let ImportReport {
        origin,
        format,
        dry_run,
        records,
        epic_ids,
        epics,
        features,
        tasks,
        tests,
        dependencies,
        normalised,
        guesses,
        warnings,
        more_warnings,
        remapped,
    } = report;
    let remapped = remapped.iter().map(|(from, to)| {
        WrittenObject::new()
            .with("from", from.as_str())
            .with("to", to.as_str())
    });
    WrittenObject::new()
        .with("file", file.as_str())
        .with("origin", origin.as_str())
        .with("format", format.as_str())
        .with("dry_run", *dry_run)
        .with("records", *records)
        .with_list("epic_ids", epic_ids.iter().map(EpicId::as_str))
        .with("epics", tally(*epics))
        .with("features", tally(*features))
        .with("tasks", tally(*tasks))
        .with("tests", tally(*tests))
        .with("dependencies", *dependencies)
        .with("normalised", numbers(normalised))
        .with("guesses", numbers(guesses))
        .with_list("warnings", warnings.iter().map(String::as_str))
        .with("more_warnings", *more_warnings)
        .with_list("remapped", remapped)
}

fn tally(tally: Tally) -> Written {
    let Tally {
        created,
        updated,
        unchanged,
    } = tally;
    WrittenObject::new()
        .with("created", created)
        .with("updated", updated)
        .with("unchanged", unchanged)
        .into()
}

fn numbers(counts: &BTreeMap<String, u64>) -> Written {
    let counts: WrittenObject = counts
        .iter()
        .map(|(what, count)| (what.as_str(), *count))
        .collect();
    counts.into()
}

fn file_text(text: &mut Text, file: &OneFile) {
    let OneFile { file, report } = file;
    let verb = if report.dry_run {
        "would import"
    } else {
        "imported"
    };
    text.push(verb).push(" ").paint(Tone::Strong, file);
    text.line(&format!(" ({}, {} records)", report.format, report.records));
    let kinds = [
        ("epics", report.epics),
        ("features", report.features),
        ("tasks", report.tasks),
        ("test cases", report.tests),
    ];
    for (
        what,
        Tally {
            created,
            updated,
            unchanged,
        },
    ) in kinds
    {
        if created + updated + unchanged > 0 {
            text.line(&format!(
                "  {what}: {created} new, {updated} updated, {unchanged} unchanged"
            ));
        }
    }
    if report.dependencies > 0 {
        text.line(&format!("  dependencies: {} new", report.dependencies));
    }
    for (what, count) in report.normalised.iter().chain(&report.guesses).take(SHOWN) {
        text.paint(Tone::Faint, &format!("  {what}: {count}")).end();
    }
    for (from, to) in report.remapped.iter().take(SHOWN) {
        text.line(&format!("  {from} is {to} here"));
    }
    for warning in report.warnings.iter().take(SHOWN) {
        text.paint(Tone::Busy, "  warning: ").line(warning);
    }
    let more = report.warnings.len().saturating_sub(SHOWN) as u64 + report.more_warnings;
    if more > 0 {
        text.line(&format!("  and {more} more warnings (--json lists them)"));
    }
}
