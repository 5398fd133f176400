//! What looking after a store found and did.

use std::path::PathBuf;

use tasq_app::{Checkup, CopyReport};
use tasq_formats::json::{Written, WrittenObject};
use tasq_ports::{BackupReport, Finding, Severity};

use crate::discover::Place;
use crate::output::{Text, Tone, View};

/// What `doctor` tells.
pub(crate) struct Diagnosis {
    pub(crate) place: Place,
    pub(crate) checkup: Checkup,
    pub(crate) done: Vec<String>,
    pub(crate) backup: Option<BackupReport>,
}

const SEVERITIES: [Severity; 4] = [
    Severity::Ok,
    Severity::Note,
    Severity::Warning,
    Severity::Problem,
];

impl View for Diagnosis {
    fn json(&self) -> Written {
        let counts: WrittenObject = SEVERITIES
            .into_iter()
            .map(|severity| (severity.as_str(), self.checkup.count(severity)))
            .collect();
        WrittenObject::new()
            .with("store", self.place.url())
            .with("well", self.checkup.is_well())
            .with("counts", counts)
            .with_list("findings", self.checkup.findings.iter().map(finding))
            .with_list("fixed", self.done.iter().map(String::as_str))
            .with("backup", self.backup.as_ref().map(backup_json))
            .into()
    }

    fn text(&self, text: &mut Text) {
        let findings = self.checkup.findings.iter();
        let (well, told): (Vec<_>, Vec<_>) =
            findings.partition(|finding| finding.severity == Severity::Ok);
        for finding in told {
            finding_text(text, finding);
        }
        if !well.is_empty() {
            let checks: Vec<&str> = well.iter().map(|finding| finding.check.as_str()).collect();
            text.paint(Tone::Good, "✓").push(" as it should be: ");
            text.line(&checks.join(", "));
        }
        for done in &self.done {
            text.push("fixed: ").line(done);
        }
        if let Some(file) = self.backup.as_ref().and_then(|backup| backup.files.first()) {
            text.push("the store as it was: ")
                .line(&file.display().to_string());
        }
        let count = |severity| self.checkup.count(severity);
        if self.checkup.is_well() {
            text.paint(Tone::Good, "no problem found").line(&format!(
                " ({} warnings, {} notes)",
                count(Severity::Warning),
                count(Severity::Note)
            ));
        } else {
            let what = format!("{} problems found", count(Severity::Problem));
            text.paint(Tone::Bad, &what).line(&format!(
                " ({} warnings, {} notes)",
                count(Severity::Warning),
                count(Severity::Note)
            ));
        }
    }
}

fn finding(finding: &Finding) -> WrittenObject {
    let Finding {
        check,
        severity,
        what,
        place,
        fixable,
        hint,
    } = finding;
    let place = Some(place.as_str()).filter(|place| !place.is_empty());
    WrittenObject::new()
        .with("check", check.as_str())
        .with("severity", severity.as_str())
        .with("what", what.as_str())
        .with("where", place)
        .with("fixable", *fixable)
        .with("hint", hint.as_deref())
}

fn finding_text(text: &mut Text, finding: &Finding) {
    let (mark, tone) = match finding.severity {
        Severity::Ok => ("✓", Tone::Good),
        Severity::Note => ("·", Tone::Faint),
        Severity::Warning => ("!", Tone::Busy),
        Severity::Problem => ("✗", Tone::Bad),
    };
    text.paint(tone, mark).push(" ");
    text.paint(Tone::Strong, finding.check.as_str()).push("  ");
    if !finding.place.is_empty() {
        text.push(&finding.place).push(": ");
    }
    text.line(&finding.what);
    if let Some(hint) = &finding.hint {
        text.push("    ").paint(Tone::Faint, hint).end();
    }
}

/// A backup that was made.
pub(crate) struct BackedUp {
    pub(crate) from: Place,
    pub(crate) report: BackupReport,
}

impl View for BackedUp {
    fn json(&self) -> Written {
        backup_json(&self.report)
            .with("store", self.from.url())
            .into()
    }

    fn text(&self, text: &mut Text) {
        let BackupReport {
            files,
            bytes,
            epics,
            features,
            tasks,
            tests,
            events,
        } = &self.report;
        text.line(&format!(
            "backed up {epics} epics, {features} features, {tasks} tasks, {tests} test cases and {events} events ({bytes} bytes)"
        ));
        for file in files {
            text.push("  ").line(&file.display().to_string());
        }
    }
}

fn backup_json(report: &BackupReport) -> WrittenObject {
    let BackupReport {
        files,
        bytes,
        epics,
        features,
        tasks,
        tests,
        events,
    } = report;
    let files: Vec<String> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    WrittenObject::new()
        .with("file", files.first().map(String::as_str))
        .with_list("files", files.iter().map(String::as_str))
        .with("bytes", *bytes)
        .with("epics", *epics)
        .with("features", *features)
        .with("tasks", *tasks)
        .with("tests", *tests)
        .with("events", *events)
}

/// A store that was made from a backup.
pub(crate) struct Restored {
    pub(crate) from: Place,
    pub(crate) to: Place,
    pub(crate) report: CopyReport,
    pub(crate) kept: Option<PathBuf>,
}

impl View for Restored {
    fn json(&self) -> Written {
        let CopyReport {
            epics,
            features,
            tasks,
            tests,
            dependencies,
            questions,
            attempts,
            checkpoints,
            events,
            closed,
        } = &self.report;
        let kept = self.kept.as_ref().map(|kept| kept.display().to_string());
        WrittenObject::new()
            .with("from", self.from.url())
            .with("store", self.to.url())
            .with("epics", *epics)
            .with("features", *features)
            .with("tasks", *tasks)
            .with("tests", *tests)
            .with("dependencies", *dependencies)
            .with("questions", *questions)
            .with("attempts", *attempts)
            .with("checkpoints", *checkpoints)
            .with("events", *events)
            .with("closed_attempts", *closed)
            .with("kept", kept)
            .into()
    }

    fn text(&self, text: &mut Text) {
        let CopyReport {
            epics,
            features,
            tasks,
            tests,
            events,
            closed,
            ..
        } = &self.report;
        text.line(&format!(
            "restored {epics} epics, {features} features, {tasks} tasks, {tests} test cases and {events} events to {}",
            self.to.path().display()
        ));
        if *closed > 0 {
            text.line(&format!(
                "  {closed} attempts were open and are closed as lost, uncharged"
            ));
        }
        if let Some(kept) = &self.kept {
            text.push("  what was there: ")
                .line(&kept.display().to_string());
        }
    }
}
