//! The selftest passes on both stores, leaves nothing behind, and ends its workers with itself.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::harness::{Ran, Sandbox, keys};

/// As short as it gets: one round for each store, and a write of each writer.
const SHORT: [&str; 5] = [
    "selftest",
    "--quick",
    "--tasks=40",
    "--span=1ms",
    "--seed=7",
];

#[test]
fn the_selftest_passes_on_both_stores_and_leaves_nothing_behind() {
    let sandbox = Sandbox::bare();
    let data = sandbox.data(&[&SHORT[..], &["--dir", "."]].concat());
    assert_eq!(
        keys(&data),
        [
            "version",
            "mode",
            "seed",
            "dir",
            "passed",
            "interrupted",
            "kept",
            "stores"
        ]
    );
    assert_eq!(data["passed"], true, "{data:#}");
    assert_eq!((&data["seed"], &data["kept"]), (&7.into(), &Value::Null));
    let stores = data["stores"].as_array().unwrap();
    let kinds: Vec<&Value> = stores.iter().map(|store| &store["kind"]).collect();
    assert_eq!(kinds, ["sqlite", "json"]);
    for store in stores {
        let count = |key: &str| store[key].as_u64().unwrap_or_else(|| panic!("{key}"));
        assert_eq!(store["violations"], serde_json::json!([]));
        assert_eq!((count("rounds"), count("tasks")), (1, 40));
        assert!(count("kills") > 0, "somebody was killed: {store:#}");
        assert!(count("claims") >= count("completions"));
        assert!(count("completions") > 0, "work was done: {store:#}");
        let fairness = &store["fairness"];
        assert_eq!(fairness["writers"], 32);
        assert!(fairness["writes"].as_u64().unwrap() >= 32);
        assert!(fairness["smallest_share"].as_f64().unwrap() > 0.0);
    }
    assert_eq!(left(&sandbox.project), [".git"]);
}

#[test]
fn the_selftest_works_beside_the_store_and_does_not_touch_it() {
    let sandbox = Sandbox::with(super::harness::Kind::Sqlite);
    let before = sandbox.export();
    let files = left(&sandbox.project.join(".tasq"));
    let ran = sandbox.tasq(&[&SHORT[..], &["--store-kind", "sqlite"]].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains(".tasq, seed 7"), "{ran:?}");
    assert!(
        ran.stdout
            .contains("✓ sqlite  nothing lost, nothing doubled")
    );
    assert!(!ran.stdout.contains("json"), "{ran:?}");
    assert_eq!(ran.stderr, "", "progress is for terminals");
    assert_eq!(sandbox.export(), before);
    assert_eq!(left(&sandbox.project.join(".tasq")), files);
}

#[test]
fn a_selftest_that_is_stopped_takes_its_workers_and_its_folder_with_it() {
    let sandbox = Sandbox::bare();
    let words = ["selftest", "--full", "--dir", "."];
    let mut test = sandbox
        .command(&words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let folder = wait_for_workers(&sandbox.project, &mut test);
    let workers = processes_in(&folder);
    assert!(!workers.is_empty());
    let killed = sandbox
        .program("sh")
        .args(["-c", &format!("kill -TERM {}", test.id())])
        .status();
    assert!(killed.unwrap().success());
    let ran = Ran::from(test.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(143), "{ran:?}");
    assert!(ran.stdout.contains("interrupted"), "{ran:?}");
    assert_eq!(left(&sandbox.project), [".git"]);
    assert_eq!(processes_in(&folder), [] as [u32; 0]);
}

#[test]
fn workers_end_when_the_selftest_is_killed() {
    let sandbox = Sandbox::bare();
    let mut test = sandbox
        .command(&["selftest", "--full", "--dir", "."])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let folder = wait_for_workers(&sandbox.project, &mut test);
    test.kill().unwrap();
    test.wait().unwrap();
    // Their standard input has ended, and they are not waited for by anybody who could tell when they have.
    while !processes_in(&folder).is_empty() {
        thread::yield_now();
    }
}

/// Longer than a lease of those that claim and complete.
const STANDSTILL: Duration = Duration::from_secs(11);

#[test]
fn a_machine_that_stands_still_breaks_no_promise() {
    // When the first of the many writers has its task and the last does not, which they may have before they are stopped.
    let in_time = (0..20).any(|_| stood_still_in_time());
    assert!(
        in_time,
        "the writers are all there before they can be stopped"
    );
}

/// Lets a selftest stand still while its writers claim their tasks; whether some of them had none before that.
fn stood_still_in_time() -> bool {
    let sandbox = Sandbox::bare();
    let words = [&SHORT[..], &["--store-kind", "sqlite", "--dir", "."]].concat();
    let mut test = sandbox
        .command(&words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let folder = wait_for_workers(&sandbox.project, &mut test);
    let logs = sandbox.project.join(&folder).join("sqlite-writers");
    while ready(&logs) == 0 {
        if test.try_wait().unwrap().is_some() {
            let ran = Ran::from(test.wait_with_output().unwrap());
            assert_eq!(ran.code, Some(0), "{ran:?}");
            return false;
        }
        thread::yield_now();
    }
    // The one that starts the others first.
    signal(&sandbox, "STOP", &[test.id()]);
    let workers = processes_in(&folder);
    signal(&sandbox, "STOP", &workers);
    let in_time = ready(&logs) < 32;
    if in_time {
        thread::sleep(STANDSTILL);
    }
    signal(&sandbox, "CONT", &workers);
    signal(&sandbox, "CONT", &[test.id()]);
    let ran = Ran::from(test.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    in_time
}

/// How many writers have their task.
fn ready(logs: &Path) -> usize {
    let files = fs::read_dir(logs).into_iter().flatten().flatten();
    let logs = files.filter(|file| {
        let log = file.path().extension().is_some_and(|it| it == "log");
        log && file.metadata().is_ok_and(|facts| facts.len() > 0)
    });
    logs.count()
}

/// Sends a signal to processes, some of which may have ended.
fn signal(sandbox: &Sandbox, name: &str, processes: &[u32]) {
    let numbers: Vec<String> = processes.iter().map(u32::to_string).collect();
    let line = format!("kill -{name} {} 2>&-; true", numbers.join(" "));
    let sent = sandbox.program("sh").args(["-c", &line]).status();
    assert!(sent.unwrap().success());
}

#[test]
fn the_workers_of_the_selftest_are_not_in_the_help() {
    let ran = Sandbox::bare().tasq(&["help"]);
    assert!(ran.stdout.contains("selftest "), "{ran:?}");
    assert!(!ran.stdout.contains("selftest-worker"), "{ran:?}");
}

/// The names of what lies in a folder.
fn left(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Waits until the selftest has workers, and says in which folder they work.
fn wait_for_workers(project: &Path, test: &mut Child) -> String {
    loop {
        assert_eq!(test.try_wait().unwrap(), None, "it goes on for minutes");
        let made = left(project).into_iter().find(|name| name != ".git");
        if let Some(folder) = made.filter(|folder| !processes_in(folder).is_empty()) {
            return folder;
        }
        thread::yield_now();
    }
}

/// The processes that have this folder among their arguments.
fn processes_in(folder: &str) -> Vec<u32> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        String::from_utf8_lossy(&words)
            .contains(folder)
            .then_some(pid)
    });
    pids.collect()
}
