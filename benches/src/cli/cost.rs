//! What a command costs besides time: waits for the disk, memory, instructions. None of it depends on the machine's mood.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use nix::sys::resource::{UsageWho, getrusage};

use super::{Commands, GROUP, quiet};
use crate::plan::Bench;
use crate::report::{Must, Row};
use crate::scale::tasks;

/// The hidden word by which this program starts another and tells what it took of memory.
pub(crate) const PEAK: &str = "peak";
/// The name of the section that stripping removes.
const SYMBOLS: &[u8] = b".symtab\0";
/// After so many commands that write, one has folded the log: it does when they have written some hundred pages.
const MOST_TO_FOLD: u32 = 100;
const WAITS: &str = "trace=fsync,fdatasync,?sync_file_range,?syncfs,?sync";

/// A single-task command, and whether it changes the queue.
struct Single {
    name: &'static str,
    words: Vec<String>,
    writes: bool,
}

pub(super) fn run(bench: &mut Bench, commands: &Commands, folder: &Path) -> anyhow::Result<()> {
    let size = tasks(bench.plan.size);
    file_size(bench, commands)?;
    waits(bench, commands, folder)?;
    for single in singles(commands)? {
        let mebibytes = peak(&mut commands.with(&single.words))?;
        let name = format!("peak memory of tasq {} at {size}", single.name);
        bench.report.tell(Row::count(
            GROUP,
            name,
            mebibytes,
            "MiB",
            Must::AtMost(16.0),
        ))?;
    }
    for single in singles(commands)? {
        let Some(millions) = instructions(&commands.with(&single.words), folder)? else {
            return bench.report.note(
                "cli: instructions are not counted: neither perf nor valgrind can do it here",
            );
        };
        let name = format!("instructions of tasq {} at {size}", single.name);
        bench
            .report
            .tell(Row::count(GROUP, name, millions, "M", Must::Free))?;
    }
    Ok(())
}

/// What is handed out is stripped (`cargo build --profile dist`); another build has no bound.
fn file_size(bench: &mut Bench, commands: &Commands) -> anyhow::Result<()> {
    let bytes = fs::read(&commands.tasq)?;
    let stripped = !bytes.windows(SYMBOLS.len()).any(|window| window == SYMBOLS);
    let megabytes = f64::from(u32::try_from(bytes.len())?) / 1e6;
    let (name, must) = if stripped {
        ("size of tasq, stripped", Must::AtMost(8.0))
    } else {
        ("size of tasq, with symbols", Must::Free)
    };
    bench
        .report
        .tell(Row::count(GROUP, name, megabytes, "MB", must))
}

/// A set of commands that can be run once each.
fn singles(commands: &Commands) -> anyhow::Result<Vec<Single>> {
    let held = commands.claim(3)?;
    let single = |name: &'static str, words: &[&str], writes| Single {
        name,
        words: words.iter().map(|word| (*word).to_owned()).collect(),
        writes,
    };
    let [
        (done, done_token),
        (failed, failed_token),
        (beaten, beaten_token),
    ] = &held[..]
    else {
        anyhow::bail!("three claims were asked for");
    };
    Ok(vec![
        single("next", &["next"], false),
        single("list", &["list"], false),
        single("show", &["show", done], false),
        single("why", &["why", done], false),
        single("add", &["add", "write the file and say so"], true),
        single("claim", &["claim", "--worker", "bench"], true),
        single(
            "heartbeat",
            &["heartbeat", beaten, "--token", beaten_token],
            true,
        ),
        single(
            "fail",
            &["fail", failed, "--token", failed_token, "--message", "red"],
            true,
        ),
        single(
            "complete --next",
            &["complete", done, "--token", done_token, "--next"],
            true,
        ),
    ])
}

/// Waits for the disk of a whole command, with FULL. One in many folds the log as well, and is told by itself.
fn waits(bench: &mut Bench, commands: &Commands, folder: &Path) -> anyhow::Result<()> {
    let trace = folder.join("waits");
    if !can_trace(&trace) {
        return bench
            .report
            .note("cli: waits for the disk are not counted: strace is missing or may not trace");
    }
    let waits = until_folded(commands, &trace)?;
    bench.report.tell(Row::count(
        GROUP,
        "waits for the disk of tasq add when it folds the log, FULL",
        waits,
        "",
        Must::Free,
    ))?;
    // It begins the log anew, for which it waits once more.
    counted_waits(
        &commands.with(&["add".to_owned(), "the first of a log".to_owned()]),
        &trace,
    )?;
    for single in singles(commands)?
        .into_iter()
        .filter(|single| single.writes)
    {
        let count = counted_waits(&commands.with(&single.words), &trace)?;
        let name = format!("waits for the disk of tasq {}, FULL", single.name);
        bench
            .report
            .tell(Row::count(GROUP, name, count, "", Must::AtMost(2.0)))?;
    }
    Ok(())
}

/// Whether waits can be counted here.
fn can_trace(trace: &Path) -> bool {
    let mut traced = strace(trace);
    quiet(traced.arg("true")).is_ok_and(|output| output.status.success())
}

/// Adds tasks until a command has folded the log; how often that one waited.
fn until_folded(commands: &Commands, trace: &Path) -> anyhow::Result<f64> {
    let mut log = commands.store.clone().into_os_string();
    log.push("-wal");
    // The first frame says other salts than the header, or there is none.
    let is_folded =
        || fs::read(&log).is_ok_and(|log| log.is_empty() || log.get(16..24) != log.get(40..48));
    for number in 0..MOST_TO_FOLD {
        let words = ["add".to_owned(), format!("task {number}")];
        let waits = counted_waits(&commands.with(&words), trace)?;
        if is_folded() {
            return Ok(waits);
        }
    }
    bail!("{MOST_TO_FOLD} commands wrote to the log, and none folded it")
}

/// How often a command waits for the disk.
fn counted_waits(command: &Command, trace: &Path) -> anyhow::Result<f64> {
    let mut traced = strace(trace);
    wrap(&mut traced, command);
    let output = quiet(&mut traced).context("cannot run strace")?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} under strace: {}: {complaint}", output.status);
    }
    let told = fs::read_to_string(trace).context("what strace noted cannot be read")?;
    let count = told.lines().filter(|line| line.contains("sync")).count();
    Ok(f64::from(u32::try_from(count)?))
}

/// Notes in a file when the command after these words waits for the disk.
fn strace(trace: &Path) -> Command {
    let mut traced = Command::new("strace");
    traced
        .args(["-f", "-qq", "-e", WAITS, "-o"])
        .arg(trace)
        .arg("--");
    traced
}

/// Puts a command with its environment behind another.
fn wrap(outer: &mut Command, inner: &Command) {
    outer.arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        if let Some(value) = value {
            outer.env(name, value);
        }
    }
}

/// The most memory that a command had at once, in MiB.
fn peak(command: &mut Command) -> anyhow::Result<f64> {
    let mut outer = Command::new(std::env::current_exe()?);
    outer.arg(PEAK);
    wrap(&mut outer, command);
    let output = outer.stdin(Stdio::null()).output()?;
    ensure!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let kibibytes: f64 = String::from_utf8(output.stdout)?.trim().parse()?;
    Ok(kibibytes / 1_024.0)
}

/// Starts a command, waits for it and prints its peak memory in KiB. A process of its own does this, because only the
/// greatest of all children is known.
pub(crate) fn tell_peak(words: &[String]) -> anyhow::Result<()> {
    let (program, words) = words.split_first().context("which command?")?;
    let status = Command::new(program)
        .args(words)
        .stdout(Stdio::null())
        .status()?;
    ensure!(status.success(), "it ended with {status}");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    // Linux says KiB, macOS bytes.
    let unit = if cfg!(target_os = "macos") { 1_024 } else { 1 };
    let mut out = std::io::stdout();
    Ok(std::io::Write::write_all(
        &mut out,
        format!("{}\n", usage.max_rss() / unit).as_bytes(),
    )?)
}

/// Millions of instructions in user space, by perf's counters or else by valgrind's count.
fn instructions(command: &Command, folder: &Path) -> anyhow::Result<Option<f64>> {
    let counted = folder.join("instructions");
    let mut perf = Command::new("perf");
    perf.args(["stat", "-x", ",", "-e", "instructions:u", "-o"])
        .arg(&counted)
        .arg("--");
    // Whether it can count is tried on something else: the command may do its work only once.
    let mut trial = Command::new("perf");
    trial
        .args(["stat", "-x", ",", "-e", "instructions:u", "-o"])
        .arg(&counted)
        .args(["--", "true"]);
    if quiet(&mut trial).is_ok_and(|output| output.status.success())
        && of_perf(&fs::read_to_string(&counted)?).is_some()
    {
        wrap(&mut perf, command);
        ensure!(
            quiet(&mut perf)?.status.success(),
            "{command:?} failed under perf"
        );
        return Ok(of_perf(&fs::read_to_string(&counted)?));
    }
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    wrap(&mut valgrind, command);
    let Ok(output) = quiet(&mut valgrind) else {
        return Ok(None);
    };
    ensure!(
        output.status.success(),
        "{command:?} failed under valgrind: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(of_callgrind(&String::from_utf8_lossy(&output.stderr)))
}

/// `12345,,instructions:u,…`, or `<not supported>,…`.
fn of_perf(text: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.contains("instructions"))?;
    let count: f64 = line.split(',').next()?.parse().ok()?;
    (count > 0.0).then_some(count / 1e6)
}

/// `==12== Collected : 12345`.
fn of_callgrind(text: &str) -> Option<f64> {
    let (_, count) = text
        .lines()
        .find_map(|line| line.split_once("Collected :"))?;
    Some(count.trim().parse::<f64>().ok()? / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_what_the_tools_say() {
        assert_eq!(
            of_perf("# started\n2500000,,instructions:u,1,100.00,,\n"),
            Some(2.5)
        );
        assert_eq!(
            of_perf("<not supported>,,instructions:u,0,100.00,,\n"),
            None
        );
        assert_eq!(
            of_callgrind("==7== \n==7== Collected : 3000000\n"),
            Some(3.0)
        );
        assert_eq!(of_callgrind("nothing"), None);
    }
}
