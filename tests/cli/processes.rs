//! A claim is lost at once when its process is gone, with real processes that are really killed.
//!
//! A worker is a shell that claims in its own name and then waits for its standard input to end.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::thread;

use serde_json::Value;
use tasq_adapter_json::JsonStore;
use tasq_adapter_sqlite::{Migrate, NetworkFs, SqliteStore, Sync};
use tasq_domain::{Process, TaskId, Timestamp};
use tasq_ports::{Clock, Store, StoreError, StoreExt as _};

use super::harness::{Kind, Sandbox, binary, keys, text};

/// Claims for itself with the words that follow, and lives until it has read everything.
const WORKER: &str = "\"$0\" claim --json --pid $$ \"$@\" && exec cat";
/// The same, without a word of who it is.
const NAMELESS: &str = "\"$0\" claim --json \"$@\" && exec cat";

/// A worker that holds a task.
struct Worker {
    process: Child,
    /// Lets it live; `None` once it may end.
    life: Option<ChildStdin>,
    claim: Value,
}

impl Worker {
    fn start(sandbox: &Sandbox, script: &str, words: &[&str]) -> Self {
        let mut shell: Command = sandbox.program("sh");
        let mut process = shell
            .args(["-c", script])
            .arg(binary())
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = process.stdout.as_mut().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        let life = process.stdin.take();
        let envelope: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{error}: the worker said {line:?}"));
        Self {
            process,
            life,
            claim: envelope["data"].clone(),
        }
    }

    fn task(&self) -> String {
        text(&self.claim["task"]["id"])
    }

    fn token(&self) -> String {
        text(&self.claim["token"])
    }

    /// As `kill -9` does. Nobody waits for it yet, so its id stays taken, by a process that has ended.
    fn kill(&mut self) {
        self.process.kill().unwrap();
        let stat = format!("/proc/{}/stat", self.process.id());
        while !fs::read_to_string(&stat).unwrap().contains(") Z ") {
            thread::yield_now();
        }
    }

    fn end(mut self) {
        drop(self.life.take());
        self.process.wait().unwrap();
    }
}

fn on_each(test: impl Fn(Kind, &Sandbox)) {
    for kind in Kind::ALL {
        test(kind, &Sandbox::with(kind));
    }
}

fn events(sandbox: &Sandbox, id: &str, kind: &str) -> Vec<Value> {
    let log = sandbox.data(&["log", id]);
    let events = log.as_array().unwrap().iter();
    events
        .filter(|event| event["kind"] == kind)
        .cloned()
        .collect()
}

/// Changes the process on the claim of a task, behind the back of the command.
fn change_process(kind: Kind, sandbox: &Sandbox, id: &str, change: impl Fn(&mut Process)) {
    struct Still;
    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp::from_micros(4_000_000_000_000_000)
        }
    }
    let path = sandbox.project.join(kind.file());
    let clock = Arc::new(Still);
    let store: Box<dyn Store> = match kind {
        Kind::Sqlite => {
            let options = tasq_adapter_sqlite::Options {
                clock,
                wait: std::time::Duration::from_mins(1),
                sync: Sync::Full,
                migrate: Migrate::Never,
                network_fs: NetworkFs::Refuse,
                fold_log_above: None,
            };
            Box::new(SqliteStore::open(&path, options).unwrap())
        }
        Kind::Json => {
            let options = tasq_adapter_json::Options::new(clock);
            Box::new(JsonStore::open(&path, options).unwrap())
        }
    };
    let id = TaskId::new(id).unwrap();
    let changed = store.write(|tx| {
        let mut task = tx.task(&id)?.unwrap().task;
        let claim = task.claim.as_mut().unwrap();
        change(claim.process.as_mut().expect("the process was recorded"));
        tx.update_task_life(&task)
    });
    changed.unwrap_or_else(|error: StoreError| panic!("{error}"));
}

#[test]
fn the_task_of_a_killed_worker_goes_to_the_next_claim_at_once() {
    on_each(|_, sandbox| {
        let id = sandbox.id(&["add", "work"]);
        let mut worker = Worker::start(sandbox, WORKER, &["--worker", "first"]);
        assert_eq!(worker.task(), id);
        // While it lives nobody else gets it.
        assert_eq!(sandbox.error(5, &["claim"])["code"], "nothing_ready");
        assert_eq!(sandbox.data(&["reap"])["tasks"], serde_json::json!([]));
        worker.kill();
        assert_eq!(text(&sandbox.data(&["next"])["id"]), id);
        let second = sandbox.data(&["claim", "--worker", "second"]);
        assert_eq!(
            (text(&second["task"]["id"]), &second["attempt"]),
            (id.clone(), &2.into())
        );
        assert_eq!(second["task"]["retries_used"], 1);
        let lost = events(sandbox, &id, "lost");
        assert_eq!(lost.len(), 1);
        assert_eq!(lost[0]["data"]["reason"], "its process is gone");
        assert_eq!(lost[0]["data"]["worker"], "first");
        // Whatever comes from the dead is refused.
        let late = ["complete", &id, "--token", &worker.token()];
        assert_eq!(sandbox.error(4, &late)["code"], "conflict");
        worker.end();
    });
}

#[test]
fn a_claim_that_names_a_process_looks_like_any_other() {
    on_each(|_, sandbox| {
        sandbox.id(&["add", "one"]);
        sandbox.id(&["add", "two"]);
        let pid = std::process::id().to_string();
        let with = sandbox.data(&["claim", "--pid", &pid]);
        let without = sandbox.data(&["claim"]);
        assert_eq!(keys(&with), keys(&without));
        assert_eq!(
            keys(&with["task"]["claim"]),
            keys(&without["task"]["claim"])
        );
    });
}

#[test]
fn the_task_of_a_killed_loop_goes_to_the_next_claim_at_once() {
    on_each(|_, sandbox| {
        let id = sandbox.id(&["add", "work"]);
        let gate = sandbox.project.join("gate");
        let made = sandbox.program("mkfifo").arg(&gate).status().unwrap();
        assert!(made.success());
        // The command of the loop outlives it, until this is closed.
        let keeper: File = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&gate)
            .unwrap();
        let words = ["run", "--json", "--", "sh", "-c", "cat gate"];
        let mut run = sandbox
            .command(&words)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut lines = BufReader::new(run.stdout.take().unwrap());
        lines.read_line(&mut line).unwrap();
        assert!(line.contains(&id), "{line}");
        assert_eq!(sandbox.error(5, &["claim"])["code"], "nothing_ready");
        run.kill().unwrap();
        run.wait().unwrap();
        let second = sandbox.data(&["claim"]);
        assert_eq!(
            (text(&second["task"]["id"]), &second["attempt"]),
            (id, &2.into())
        );
        drop(keeper);
    });
}

#[test]
fn a_process_whose_id_was_used_again_is_gone() {
    on_each(|kind, sandbox| {
        let id = sandbox.id(&["add", "work"]);
        let worker = Worker::start(sandbox, WORKER, &[]);
        // The process that has the id now started at another time.
        change_process(kind, sandbox, &id, |process| process.started_ticks += 1);
        let second = sandbox.data(&["claim"]);
        assert_eq!(
            (text(&second["task"]["id"]), &second["attempt"]),
            (id, &2.into())
        );
        worker.end();
    });
}

#[test]
fn nobody_judges_the_processes_of_another_boot_or_container() {
    let foreign: [fn(&mut Process); 3] = [
        |process| {
            let boot = "00000000-0000-4000-8000-000000000000";
            process.place.boot = boot.parse().unwrap();
        },
        |process| process.place.pid_namespace += 1,
        |process| process.place.time_namespace += 1,
    ];
    on_each(|kind, sandbox| {
        for change in foreign {
            let id = sandbox.id(&["add", "work"]);
            let mut worker = Worker::start(sandbox, WORKER, &[&id]);
            change_process(kind, sandbox, &id, change);
            worker.kill();
            assert_eq!(sandbox.error(5, &["claim"])["code"], "nothing_ready");
            assert_eq!(sandbox.data(&["reap"])["tasks"], serde_json::json!([]));
            // What it says is still believed, for its lease runs.
            sandbox.data(&["heartbeat", &id, "--token", &worker.token()]);
            worker.end();
        }
    });
}

#[test]
fn a_claim_without_a_process_keeps_its_lease_when_its_maker_ends() {
    on_each(|_, sandbox| {
        sandbox.id(&["add", "work"]);
        let mut worker = Worker::start(sandbox, NAMELESS, &[]);
        worker.kill();
        assert_eq!(sandbox.error(5, &["claim"])["code"], "nothing_ready");
        assert_eq!(sandbox.data(&["reap"])["tasks"], serde_json::json!([]));
        worker.end();
    });
}

#[test]
fn completing_and_claiming_the_next_keeps_the_process() {
    on_each(|_, sandbox| {
        let first = sandbox.id(&["add", "one"]);
        let second = sandbox.id(&["add", "two"]);
        let mut worker = Worker::start(sandbox, WORKER, &[]);
        let words = ["complete", &first, "--token", &worker.token(), "--next"];
        let next = sandbox.data(&words)["next"].clone();
        assert_eq!(text(&next["task"]["id"]), second);
        assert_eq!(sandbox.error(5, &["claim"])["code"], "nothing_ready");
        worker.kill();
        assert_eq!(text(&sandbox.data(&["claim"])["task"]["id"]), second);
        worker.end();
    });
}

#[test]
fn a_process_that_is_not_there_cannot_claim() {
    on_each(|_, sandbox| {
        let id = sandbox.id(&["add", "work"]);
        for none in ["4294967295", "0", "-1", "sh"] {
            let error = sandbox.error(2, &["claim", "--pid", none]);
            assert_eq!(error["code"], "usage", "{none}");
        }
        assert_eq!(
            sandbox.data(&["show", &id])["attempts"],
            serde_json::json!([])
        );
    });
}
