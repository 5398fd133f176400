//! Telling figures: one JSON line and one table row each, and the page of results.

use std::io::Write;
use std::time::Duration;

use serde_json::json;

use crate::machine::{Ground, Machine};
use crate::measure::{Rounds, bounds, median};
use crate::plot::Point;

/// Where a spread between rounds this wide says more about the machine than about tasq.
const WIDE: f64 = 2.0;

/// What a figure has to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Must {
    AtLeast(f64),
    AtMost(f64),
    /// It is told for comparison.
    Free,
}

impl Must {
    fn reached(self, value: f64) -> Option<bool> {
        match self {
            Self::AtLeast(bound) => Some(value >= bound),
            Self::AtMost(bound) => Some(value <= bound),
            Self::Free => None,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(bound) => format!("≥ {bound}"),
            Self::AtMost(bound) => format!("≤ {bound}"),
            Self::Free => String::new(),
        }
    }
}

/// One figure.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    group: &'static str,
    name: String,
    /// The figure: a ratio, or an amount of `unit`.
    value: f64,
    unit: &'static str,
    low: f64,
    high: f64,
    /// What it is compared with.
    against: String,
    /// Microseconds per operation.
    ours: Option<f64>,
    other: Option<f64>,
    /// The ratio of processor time alone.
    cpu: Option<f64>,
    rounds: usize,
    must: Must,
}

impl Row {
    /// The median of the ratios of rounds.
    pub(crate) fn ratio(
        group: &'static str,
        name: impl Into<String>,
        against: impl Into<String>,
        rounds: &Rounds,
        must: Must,
    ) -> Self {
        let (low, high) = bounds(&rounds.ratios);
        Self {
            group,
            name: name.into(),
            value: median(&rounds.ratios),
            unit: "",
            low,
            high,
            against: against.into(),
            ours: Some(median(&rounds.ours)),
            other: Some(median(&rounds.other)),
            cpu: (!rounds.cpu.is_empty()).then(|| median(&rounds.cpu)),
            rounds: rounds.ratios.len(),
            must,
        }
    }

    /// Something counted, which does not differ from round to round.
    pub(crate) fn count(
        group: &'static str,
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        must: Must,
    ) -> Self {
        Self {
            group,
            name: name.into(),
            value,
            unit,
            low: value,
            high: value,
            against: String::new(),
            ours: None,
            other: None,
            cpu: None,
            rounds: 1,
            must,
        }
    }

    fn is_noisy(&self) -> bool {
        self.high > self.low * WIDE
    }

    fn json(&self) -> String {
        json!({
            "group": self.group, "figure": self.name, "against": self.against, "value": round(self.value),
            "unit": self.unit, "low": round(self.low), "high": round(self.high), "ours_us": self.ours.map(round),
            "other_us": self.other.map(round), "cpu": self.cpu.map(round), "rounds": self.rounds, "must": self.must.text(),
            "reached": self.must.reached(self.value), "noisy": self.is_noisy(),
        })
        .to_string()
    }

    fn table(&self) -> String {
        let verdict = match self.must.reached(self.value) {
            Some(true) => "reached",
            Some(false) => "**missed**",
            None => "",
        };
        let micros = |value: Option<f64>| value.map(micros).unwrap_or_default();
        let spread = if self.rounds > 1 {
            format!("{}–{}", short(self.low), short(self.high))
        } else {
            String::new()
        };
        format!(
            "| {:<6} | {:<52} | {:>9} | {:<12} | {:>6} | {:>9} | {:>9} | {:<28} | {:>6} | {}{} |",
            self.group,
            self.name,
            format!("{} {}", short(self.value), self.unit).trim_end(),
            spread,
            self.cpu.map(short).unwrap_or_default(),
            micros(self.ours),
            micros(self.other),
            self.against,
            self.must.text(),
            verdict,
            if self.is_noisy() { " (noisy)" } else { "" },
        )
    }
}

const HEAD: &str = "| group | figure | value | spread | cpu | tasq | other | against | must | |\n\
                    |---|---|---|---|---|---|---|---|---|---|";

/// What a run told.
pub(crate) struct Report {
    rows: Vec<Row>,
    pub(crate) points: Vec<Point>,
    notes: Vec<String>,
}

impl Report {
    pub(crate) fn new() -> anyhow::Result<Self> {
        writeln!(out(), "{HEAD}")?;
        Ok(Self {
            rows: Vec::new(),
            points: Vec::new(),
            notes: Vec::new(),
        })
    }

    /// Tells a figure.
    pub(crate) fn tell(&mut self, row: Row) -> anyhow::Result<()> {
        let mut out = out();
        writeln!(out, "{}", row.json())?;
        writeln!(out, "{}", row.table())?;
        out.flush()?;
        self.rows.push(row);
        Ok(())
    }

    /// Tells what the figures do not.
    pub(crate) fn note(&mut self, text: impl Into<String>) -> anyhow::Result<()> {
        let text = text.into();
        writeln!(out(), "{}", json!({ "note": text }))?;
        writeln!(out(), "  ({text})")?;
        self.notes.push(text);
        Ok(())
    }

    /// Says what was under a group while it ran, if that makes its figures worthless.
    pub(crate) fn judge(
        &mut self,
        group: &str,
        before: &Ground,
        after: &Ground,
    ) -> anyhow::Result<()> {
        for fault in before.faults_until(after) {
            self.note(format!("{group}: {fault}"))?;
        }
        Ok(())
    }

    /// How many figures missed what they must be.
    pub(crate) fn missed(&self) -> usize {
        let missed = |row: &&Row| row.must.reached(row.value) == Some(false);
        self.rows.iter().filter(missed).count()
    }

    /// The page of results.
    pub(crate) fn page(&self, machine: &Machine, took: Duration, command: &str) -> String {
        let rows: Vec<String> = self.rows.iter().map(Row::table).collect();
        let notes = if self.notes.is_empty() {
            "Nothing disturbed the run.".to_owned()
        } else {
            let lines: Vec<String> = self.notes.iter().map(|note| format!("- {note}")).collect();
            lines.join("\n")
        };
        let judged = self
            .rows
            .iter()
            .filter(|row| row.must != Must::Free)
            .count();
        format!(
            "# Results of the last full run\n\n\
             Written by `{command}`, in {} s. How to read it is said in [README.md](README.md).\n\n\
             {machine}\n\n\
             Of {judged} figures with a bound, {} missed it.\n\n\
             ![Microseconds per operation against the number of tasks](plot.svg)\n\n\
             {HEAD}\n{}\n\n\
             ## What disturbed it, and what was left out\n\n{notes}\n",
            took.as_secs(),
            self.missed(),
            rows.join("\n"),
        )
    }
}

fn out() -> std::io::StdoutLock<'static> {
    std::io::stdout().lock()
}

fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// Three figures that count.
fn short(value: f64) -> String {
    let size = value.abs();
    if size >= 100.0 || (size - size.round()).abs() < 1e-9 {
        format!("{value:.0}")
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else if size >= 1.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.3}")
    }
}

fn micros(value: f64) -> String {
    if value >= 1e6 {
        format!("{:.2} s", value / 1e6)
    } else if value >= 1e4 {
        format!("{:.1} ms", value / 1e3)
    } else {
        format!("{value:.1} µs")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ratios: &[f64], must: Must) -> Row {
        let rounds = Rounds {
            ratios: ratios.to_vec(),
            ours: vec![1.0],
            other: vec![2.0],
            cpu: Vec::new(),
        };
        Row::ratio("micro", "add", "the floor", &rounds, must)
    }

    #[test]
    fn a_reader_sees_reached_or_missed() {
        assert!(row(&[0.5], Must::AtLeast(0.4)).table().contains("reached"));
        assert!(row(&[0.5], Must::AtMost(0.4)).table().contains("missed"));
        assert!(!row(&[0.5], Must::Free).table().contains("reached"));
    }

    #[test]
    fn rounds_that_differ_by_more_than_twice_are_called_noisy() {
        assert!(row(&[0.4, 0.9], Must::Free).table().contains("noisy"));
        assert!(!row(&[0.5, 0.9], Must::Free).table().contains("noisy"));
    }
}
