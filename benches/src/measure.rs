//! Measuring in alternating slices, and telling the result.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

/// How much is measured.
pub(crate) struct Plan {
    pub(crate) rounds: u32,
    pub(crate) slice: u32,
    pub(crate) dir: Option<PathBuf>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            rounds: 7,
            slice: 400,
            dir: None,
        }
    }
}

/// One kind of operation on one side: does it `count` times.
pub(crate) type Side<'a> = &'a mut dyn FnMut(u32) -> anyhow::Result<()>;

/// A figure: the same effect by tasq and by the floor.
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) count: u32,
    ratios: Vec<f64>,
    ours: Vec<Duration>,
    floor: Vec<Duration>,
}

/// Measures both sides in alternating slices; which goes first alternates as well.
pub(crate) fn compare(
    name: String,
    rounds: u32,
    count: u32,
    ours: Side<'_>,
    floor: Side<'_>,
) -> anyhow::Result<Figure> {
    let mut figure = Figure {
        name,
        count,
        ratios: Vec::new(),
        ours: Vec::new(),
        floor: Vec::new(),
    };
    // One slice of each warms caches and statements.
    ours(count)?;
    floor(count)?;
    for round in 0..rounds {
        let (mine, theirs) = if round % 2 == 0 {
            let mine = time(ours, count)?;
            (mine, time(floor, count)?)
        } else {
            let theirs = time(floor, count)?;
            (time(ours, count)?, theirs)
        };
        figure
            .ratios
            .push(theirs.as_secs_f64() / mine.as_secs_f64());
        figure.ours.push(mine);
        figure.floor.push(theirs);
    }
    Ok(figure)
}

fn time(side: Side<'_>, count: u32) -> anyhow::Result<Duration> {
    let began = Instant::now();
    side(count)?;
    Ok(began.elapsed())
}

impl Figure {
    /// Writes one JSON line and one table row: our rate as a share of the floor's, its median and its spread.
    pub(crate) fn tell(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let ratio = median(&self.ratios);
        let (low, high) = bounds(&self.ratios);
        let micros = |times: &[Duration]| {
            let each: Vec<f64> = times
                .iter()
                .map(|time| time.as_secs_f64() * 1e6 / f64::from(self.count))
                .collect();
            median(&each)
        };
        let (ours, floor) = (micros(&self.ours), micros(&self.floor));
        let line = json!({
            "figure": self.name, "ratio": round(ratio), "low": round(low), "high": round(high),
            "ours_us": round(ours), "floor_us": round(floor), "rounds": self.ratios.len(), "operations": self.count,
        });
        writeln!(out, "{line}")?;
        writeln!(
            out,
            "| {:<34} | {ratio:>6.3} | {low:>6.3}–{high:<6.3} | {ours:>9.1} µs | {floor:>9.1} µs |",
            self.name
        )?;
        // A spread this wide says more about the machine than about tasq.
        if high > low * 2.0 {
            writeln!(
                out,
                "  (the rounds differ by more than twice: this machine is too noisy for this figure)"
            )?;
        }
        Ok(())
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn bounds(values: &[f64]) -> (f64, f64) {
    values
        .iter()
        .fold((f64::MAX, f64::MIN), |(low, high), &value| {
            (low.min(value), high.max(value))
        })
}

fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
