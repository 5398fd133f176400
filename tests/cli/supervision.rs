//! Hostile commands under the real loop: whatever they do and whoever is killed, nothing of them is left, and what they
//! wrote is kept within bounds.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::harness::{Kind, Sandbox, binary, text};
use crate::contract::full;
use crate::contract::random::numbers::Numbers;
use crate::crash::seed;

/// How long anything here may take before it counts as never.
const PATIENCE: Duration = Duration::from_secs(120);
/// The process id of the loop, in a command that it started.
const LOOP: &str = "$(echo $TASQ_SUPERVISOR | cut -d/ -f4)";
/// Works for ever; part of it has left the session and ignores every request.
const STUBBORN: &str = "setsid sh -c 'trap \"\" TERM HUP INT; echo up >> up; sleep 1000; sleep 1000' & \
                        trap '' TERM; echo up >> up; sleep 1000; sleep 1000";

/// A queue with so many tasks.
fn queue(kind: Kind, tasks: usize) -> Sandbox {
    let sandbox = Sandbox::with(kind);
    for number in 0..tasks {
        sandbox.id(&["add", &format!("task {number}")]);
    }
    sandbox
}

fn start(sandbox: &Sandbox, words: &[&str]) -> Child {
    sandbox
        .command(words)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The processes that work in a sandbox and run, by their names: commands as well as programs of ours.
fn at_work(sandbox: &Sandbox) -> Vec<(u32, String)> {
    let folder = sandbox.project.canonicalize().unwrap();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let Ok(pid) = entry.unwrap().file_name().to_string_lossy().parse() else {
            continue;
        };
        let below = |name: &str| PathBuf::from(format!("/proc/{pid}/{name}"));
        let Ok(stat) = fs::read_to_string(below("stat")) else {
            continue;
        };
        let works_here = fs::read_link(below("cwd")).is_ok_and(|cwd| cwd == folder);
        let name = stat.split(['(', ')']).nth(1).unwrap_or_default().to_owned();
        if works_here && !stat.contains(") Z ") {
            found.push((pid, name));
        }
    }
    found
}

/// The commands that are left, without programs of ours.
fn survivors(sandbox: &Sandbox) -> Vec<(u32, String)> {
    let mut left = at_work(sandbox);
    left.retain(|(_, name)| !is_ours(name));
    left
}

/// Whether a process is the loop, a keeper, or about to become one: after a kill between these, a keeper finds nobody
/// whose command it could start, and ends.
fn is_ours(name: &str) -> bool {
    matches!(name, "tasq" | "tasq-keeper" | "exe")
}

fn kill(pid: u32) {
    // It may have ended by itself.
    let _ = Command::new("kill").args(["-9", &pid.to_string()]).output();
}

/// Claims until something is handed out.
fn claim(sandbox: &Sandbox) -> Value {
    let patience = Instant::now() + PATIENCE;
    loop {
        let ran = sandbox.tasq(&["claim", "--json"]);
        if ran.code == Some(0) {
            return ran.data();
        }
        assert_eq!(ran.code, Some(5), "{ran:?}");
        assert!(Instant::now() < patience, "nothing is handed out: {ran:?}");
    }
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let patience = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < patience, "never: {what}");
        thread::yield_now();
    }
}

fn log_of(sandbox: &Sandbox, id: &str) -> PathBuf {
    let attempts = sandbox.data(&["show", id])["attempts"].clone();
    let last = attempts.as_array().unwrap().last().unwrap().clone();
    PathBuf::from(text(&last["log_path"]))
}

#[test]
fn no_command_of_a_killed_loop_is_left_when_its_task_goes_out_again() {
    const TASKS: usize = 3;
    let rounds = if full() { 200 } else { 12 };
    let seed = seed();
    let mut moments = Numbers::new(seed);
    for round in 0..rounds {
        let kind = Kind::ALL[round % 2];
        let sandbox = queue(kind, TASKS);
        let words = ["run", "--jobs", "3", "--", "sh", "-c", STUBBORN];
        let mut run = start(&sandbox, &words);
        // Any moment will do, that is the point.
        thread::sleep(Duration::from_micros(moments.below(150_000).into()));
        run.kill().unwrap();
        run.wait().unwrap();
        // Each of them: the loop had not claimed all yet, and one that is new goes out at once.
        for _ in 0..TASKS {
            claim(&sandbox);
        }
        assert_eq!(
            survivors(&sandbox),
            [],
            "{kind:?}, round {round}, seed {}",
            seed
        );
    }
}

#[test]
fn nothing_is_left_when_the_loop_is_killed_with_all_its_keepers() {
    for kind in Kind::ALL {
        let sandbox = queue(kind, 2);
        let mut run = start(&sandbox, &["run", "-j", "2", "--", "sh", "-c", STUBBORN]);
        let up = sandbox.project.join("up");
        wait_until("all are up", || {
            fs::read_to_string(&up).is_ok_and(|lines| lines.lines().count() == 4)
        });
        for (pid, name) in at_work(&sandbox) {
            if is_ours(&name) {
                kill(pid);
            }
        }
        run.wait().unwrap();
        claim(&sandbox);
        assert_eq!(survivors(&sandbox), [], "{kind:?}");
    }
}

#[test]
fn a_command_that_kills_its_keeper_fails_and_the_loop_goes_on() {
    let sandbox = queue(Kind::Sqlite, 2);
    let hostile = "if [ $TASQ_ATTEMPT = 1 ]; then \
                   setsid sh -c 'trap \"\" TERM; sleep 1000' & kill -9 $PPID; sleep 1000; fi";
    let ran = sandbox.tasq(&["run", "--json", "--", "sh", "-c", hostile]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(survivors(&sandbox), []);
    let attempts = sandbox.data(&["list"])["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["attempts"].as_u64().unwrap())
        .sum::<u64>();
    assert_eq!(attempts, 4, "each failed once");
}

#[test]
fn a_silent_and_a_slow_command_are_timed_out() {
    for (flag, command) in [
        ("--idle-timeout", "echo working; kill -STOP $$"),
        (
            "--timeout",
            "trap '' TERM; while :; do echo x; sleep 0.01; done",
        ),
    ] {
        let sandbox = queue(Kind::Sqlite, 1);
        let id = text(&sandbox.data(&["next"])["id"]);
        let ran = sandbox.tasq(&[
            "run", "--json", flag, "1s", "--max", "1", "--", "sh", "-c", command,
        ]);
        assert_eq!(ran.code, Some(12), "{ran:?}");
        let attempt = sandbox.data(&["show", &id])["attempts"][0].clone();
        assert_eq!(attempt["outcome"], "timed_out", "{flag}: {attempt}");
        assert_eq!(survivors(&sandbox), []);
    }
}

#[test]
fn an_output_of_any_size_takes_little_memory_and_little_disk() {
    let sandbox = queue(Kind::Sqlite, 1);
    let id = text(&sandbox.data(&["next"])["id"]);
    let bytes: u64 = if full() { 1_000_000_000 } else { 200_000_000 };
    let command = format!("yes | head -c {bytes}; grep VmHWM /proc/{LOOP}/status");
    let ran = sandbox.tasq(&["run", "--json", "--", "sh", "-c", &command]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let log = fs::read(log_of(&sandbox, &id)).unwrap();
    assert!(log.len() < 17 * 1024 * 1024, "{} bytes", log.len());
    let log = String::from_utf8(log).unwrap();
    assert!(log.starts_with("y\ny\n"));
    let left_out: u64 = between(&log, "\n[tasq: ", " bytes are left out here]\n")
        .parse()
        .unwrap();
    assert!(left_out > bytes - 17 * 1024 * 1024, "{left_out}");
    let peak = log.lines().last().unwrap();
    let peak: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(peak < 64 * 1024, "the loop took {peak} KiB");
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let from = text.find(before).unwrap() + before.len();
    let rest = &text[from..];
    &rest[..rest.find(after).unwrap()]
}

#[test]
fn what_is_no_text_is_kept_in_the_log_and_replaced_in_the_queue() {
    let sandbox = queue(Kind::Sqlite, 1);
    let id = text(&sandbox.data(&["next"])["id"]);
    let command = "printf 'a\\377\\000\\033[2Jb'; exit 65";
    let ran = sandbox.tasq(&["run", "--json", "--", "sh", "-c", command]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(fs::read(log_of(&sandbox, &id)).unwrap(), b"a\xff\0\x1b[2Jb");
    let message = text(&sandbox.data(&["show", &id])["attempts"][0]["message"]);
    assert!(message.contains("a\u{fffd}\u{1b}[2Jb"), "{message:?}");
    let shown = sandbox.tasq(&["show", &id]).stdout;
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
}

#[test]
fn a_secret_is_nowhere_in_what_is_stored() {
    const CANARY: &str = "canary-0123456789-abcdefgh";
    let sandbox = queue(Kind::Json, 1);
    let id = text(&sandbox.data(&["next"])["id"]);
    let command = format!(
        "{} checkpoint --summary \"used $AGENT_TOKEN\" --next \"try $AGENT_TOKEN\" >/dev/null; \
         echo $AGENT_TOKEN ghp_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; env; exit 65",
        binary().display()
    );
    for (env, told) in [(None, false), (Some("AGENT_TOKEN"), true)] {
        let mut words = vec!["run", "--json"];
        words.extend(env.iter().flat_map(|name| ["--env", name]));
        words.extend(["--", "sh", "-c", &command]);
        let mut run = sandbox.command(&words);
        run.env("AGENT_TOKEN", CANARY).env("OTHER_SECRET", CANARY);
        assert_eq!(run.output().unwrap().status.code(), Some(1));
        let log = fs::read_to_string(log_of(&sandbox, &id)).unwrap();
        assert!(
            log.contains("[redacted]") && !log.contains("OTHER_SECRET"),
            "{log}"
        );
        assert_eq!(log.contains("AGENT_TOKEN=[redacted]"), told, "{log}");
        sandbox.data(&["unblock", &id]);
    }
    for file in files_below(&sandbox.project.join(".tasq")) {
        let bytes = fs::read(&file).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        for secret in [CANARY, "ghp_aaaa"] {
            assert!(!text.contains(secret), "{} has it", file.display());
        }
    }
}

fn files_below(folder: &Path) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.insert(path);
        }
    }
    files
}

/// A small disk for logs; goes when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(folder: PathBuf, size: &str) -> Result<Self, String> {
        fs::create_dir_all(&folder).unwrap();
        let options = format!("size={size},mode=0700");
        let ran = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tasq"])
            .arg(&folder)
            .output()
            .map_err(|error| error.to_string())?;
        if ran.status.success() {
            Ok(Self(folder))
        } else {
            Err(String::from_utf8_lossy(&ran.stderr).trim().to_owned())
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[test]
fn a_command_goes_on_when_the_disk_of_its_log_is_full() {
    let sandbox = queue(Kind::Sqlite, 1);
    let id = text(&sandbox.data(&["next"])["id"]);
    let logs = sandbox.project.join(".tasq/logs");
    let _disk = match SmallDisk::mount(logs, "256k") {
        Ok(disk) => disk,
        Err(why) => {
            let status = fs::read_to_string("/proc/self/status").unwrap();
            assert!(
                !status.contains("Uid:\t0\t0") || std::env::var_os("CI").is_none(),
                "root in CI must be able to mount: {why}"
            );
            eprintln!("SKIPPED: a full disk of logs, because none can be mounted: {why}");
            return;
        }
    };
    let ran = sandbox.tasq(&["run", "--json", "--", "sh", "-c", "yes | head -c 3000000"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(sandbox.data(&["show", &id])["status"], "completed");
    let log = fs::read_to_string(log_of(&sandbox, &id)).unwrap();
    assert!(log.starts_with("y\ny\n") && log.len() <= 256 * 1024);
    let last = log.lines().last().unwrap();
    assert!(last.starts_with("[tasq: the log ends here: "), "{last}");
}
