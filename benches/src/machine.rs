//! The machine under a run: what it is, and whether it was quiet enough.

use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::measure::median;

/// How often a probe waits for the disk.
const SYNCS: usize = 25;
/// What others may take of the processors before a run is worthless.
const OTHERS: f64 = 0.10;
/// How much slower than its median a wait for the disk may get, and how much the median may move.
const UNSTEADY: f64 = 4.0;
/// Ticks of a second in `/proc`; Linux tells user space this number on every architecture.
const TICKS: f64 = 100.0;

/// What it is.
pub(crate) struct Machine {
    lines: Vec<(&'static str, String)>,
}

impl Machine {
    pub(crate) fn look(folder: &Path) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let kernel = read("/proc/sys/kernel/osrelease");
        let lines = vec![
            ("date", today()),
            ("tasq", env!("CARGO_PKG_VERSION").to_owned()),
            ("commit", commit()),
            ("SQLite", rusqlite::version().to_owned()),
            (
                "processors",
                format!("{processors} × {}", field("/proc/cpuinfo", "model name")),
            ),
            ("memory", field("/proc/meminfo", "MemTotal")),
            (
                "system",
                format!("{} {}", std::env::consts::OS, kernel.trim()),
            ),
            ("file system", file_system(folder)),
        ];
        Self { lines }
    }
}

/// The commit of the sources in which this was started, and whether they differ from it.
fn commit() -> String {
    let told = Command::new("git")
        .args(["describe", "--always", "--abbrev=12", "--dirty"])
        .output();
    match told {
        Ok(told) if told.status.success() => {
            String::from_utf8_lossy(&told.stdout).trim().to_owned()
        }
        _ => "not known".to_owned(),
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| | |\n|---|---|")?;
        let rows: Vec<String> = self
            .lines
            .iter()
            .map(|(name, value)| format!("| {name} | {value} |"))
            .collect();
        f.write_str(&rows.join("\n"))
    }
}

/// The state of the machine at one moment.
pub(crate) struct Ground {
    at: Instant,
    /// Seconds that all processors were busy, since the start of the machine.
    busy: f64,
    /// Seconds of that for this program and its children that ended.
    own: f64,
    /// Microseconds that a wait for the disk takes: the median and the longest.
    sync: f64,
    slowest: f64,
}

impl Ground {
    pub(crate) fn look(folder: &Path) -> anyhow::Result<Self> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        let mut syncs = Vec::new();
        for _ in 0..SYNCS {
            syncs.push(sync_once(file.as_file_mut())?);
        }
        Ok(Self {
            at: Instant::now(),
            busy: busy(),
            own: own(),
            sync: median(&syncs),
            slowest: syncs.iter().copied().fold(0.0, f64::max),
        })
    }

    /// What makes figures worthless that were taken from here until then.
    pub(crate) fn faults_until(&self, after: &Self) -> Vec<String> {
        let mut faults = Vec::new();
        let processors =
            std::thread::available_parallelism().map_or(1.0, |count| count.get() as f64);
        let elapsed = after.at.duration_since(self.at).as_secs_f64();
        let others = (after.busy - self.busy) - (after.own - self.own);
        let share = others / (elapsed * processors).max(f64::MIN_POSITIVE);
        if share > OTHERS {
            faults.push(format!(
                "others took {:.0} % of the processors meanwhile: its figures are worthless",
                share * 100.0
            ));
        }
        let (low, high) = (self.sync.min(after.sync), self.sync.max(after.sync));
        if high > low * UNSTEADY {
            faults.push(format!(
                "a wait for the disk took {low:.0} µs at one end and {high:.0} µs at the other: figures with FULL are worthless"
            ));
        } else if self.slowest.max(after.slowest) > high * UNSTEADY * UNSTEADY {
            faults.push(format!(
                "waits for the disk took from {low:.0} µs to {:.0} µs: figures with FULL are of little worth",
                self.slowest.max(after.slowest)
            ));
        }
        faults
    }
}

fn sync_once(file: &mut File) -> anyhow::Result<f64> {
    let began = Instant::now();
    file.write_all(&[7; 4096])?;
    file.sync_data()?;
    Ok(began.elapsed().as_secs_f64() * 1e6)
}

/// Seconds that all processors were busy; 0 where `/proc` does not say.
fn busy() -> f64 {
    let stat = read("/proc/stat");
    let numbers: Vec<f64> = stat
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        .filter_map(|word| word.parse().ok())
        .collect();
    // user nice system idle iowait irq softirq steal; the guests after them are in user already.
    let idle: f64 = numbers.iter().skip(3).take(2).sum();
    (numbers.iter().take(8).sum::<f64>() - idle) / TICKS
}

/// Seconds of this program and its children that ended; 0 where `/proc` does not say.
fn own() -> f64 {
    let stat = read("/proc/self/stat");
    // After the name, which may hold anything: state and ten numbers, then utime, stime, cutime, cstime.
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let ticks: f64 = after
        .split_whitespace()
        .skip(11)
        .take(4)
        .filter_map(|word| word.parse::<f64>().ok())
        .sum();
    ticks / TICKS
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn field(path: &str, name: &str) -> String {
    read(path)
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map_or_else(
            || "unknown".to_owned(),
            |(_, value)| value.trim().to_owned(),
        )
}

/// The kind of file system of the longest mount point that the folder lies under.
fn file_system(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_default();
    read("/proc/mounts")
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            Some((words.next()?.to_owned(), words.next()?.to_owned()))
        })
        .filter(|(mount, _)| folder.starts_with(mount))
        .max_by_key(|(mount, _)| mount.len())
        .map_or_else(|| "unknown".to_owned(), |(_, kind)| kind)
}

/// Today in UTC, as `2026-11-22`.
fn today() -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "a page of results names its day, and no rule depends on it"
    )]
    let now = SystemTime::now();
    let secs = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (year, month, day) = civil(secs / 86_400);
    format!("{year}-{month:02}-{day:02}")
}

/// Year, month and day of a day since 1970, by counting from 1 March of the year 0 (Hinnant, "chrono-compatible
/// low-level date algorithms").
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year_of_era + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_1970() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(59), (1970, 3, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_779), (2026, 11, 22));
    }
}
