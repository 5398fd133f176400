//! Workers: what they find in their environment, what they may not do, and the loop that starts them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::Barrier;
use std::thread;

use serde_json::Value;

use super::harness::{Kind, Ran, Sandbox, text};

fn on_each(test: impl Fn(&Sandbox)) {
    for kind in Kind::ALL {
        test(&Sandbox::with(kind));
    }
}

#[test]
fn a_worker_s_commands_take_task_and_token_from_its_environment() {
    on_each(|sandbox| {
        let id = sandbox.id(&["add", "work"]);
        let token = text(&sandbox.data(&["claim", "--worker", "w"])["token"]);
        let worker = |words: &[&str]| {
            let mut command = sandbox.command(words);
            command
                .env("TASQ_TASK", &id)
                .env("TASQ_TOKEN", &token)
                .env("TASQ_WORKER", "w");
            Ran::of(&mut command)
        };
        assert_eq!(
            worker(&["--json", "heartbeat"]).data()["cancel_requested"],
            false
        );
        assert_eq!(
            worker(&["--json", "checkpoint", "--summary", "half"]).data()["task_id"],
            id.as_str()
        );
        let forced = worker(&["--json", "complete", "--force", "--reason", "I say so"]);
        assert_eq!(
            (forced.code, &forced.error()["code"]),
            (Some(11), &"denied".into())
        );
        assert_eq!(
            worker(&["--json", "complete"]).data()["task"]["status"],
            "completed"
        );
        let late = worker(&["--json", "fail", "--message", "too late"]);
        assert_eq!(
            (late.code, &late.error()["code"]),
            (Some(4), &"conflict".into())
        );
        assert_eq!(
            sandbox.data(&["show", &id])["attempts"][0]["late_message"],
            "too late"
        );
    });
}

#[test]
fn a_holder_without_its_token_is_told_so() {
    on_each(|sandbox| {
        let id = sandbox.id(&["add", "work"]);
        sandbox.data(&["claim"]);
        assert!(text(&sandbox.error(2, &["heartbeat", &id])["hint"]).contains("--token"));
        assert_eq!(sandbox.error(4, &["complete", &id])["code"], "conflict");
        assert_eq!(sandbox.error(2, &["heartbeat"])["code"], "usage");
        for guess in ["guess", "", "1-0000000000000000", "0-0000000000000000"] {
            let error = sandbox.error(4, &["heartbeat", &id, "--token", guess]);
            assert!(text(&error["message"]).contains("stale"), "{error}");
        }
    });
}

#[test]
fn an_empty_queue_says_what_is_waiting() {
    on_each(|sandbox| {
        let id = sandbox.id(&["add", "work"]);
        sandbox.data(&["hold", &id, "--reason", "not yet"]);
        for words in [&["claim"][..], &["next"]] {
            let error = sandbox.error(5, words);
            assert_eq!(error["code"], "nothing_ready");
            assert!(error["details"].to_string().contains(&id), "{error}");
        }
    });
}

#[test]
fn eight_processes_at_once_get_each_task_once() {
    const TASKS: usize = 200;
    const PROCESSES: usize = 8;
    on_each(|sandbox| {
        let lines = "{\"description\":\"work\"}\n".repeat(TASKS);
        let added = sandbox.tasq_reading(&["task", "add", "--from", "-"], &lines);
        assert_eq!(added.code, Some(0), "{added:?}");
        let start = Barrier::new(PROCESSES);
        let claimed: Vec<String> = thread::scope(|scope| {
            let workers: Vec<_> = (0..PROCESSES)
                .map(|worker| {
                    let start = &start;
                    scope.spawn(move || {
                        start.wait();
                        claim_all(sandbox, worker)
                    })
                })
                .collect();
            workers
                .into_iter()
                .flat_map(|worker| worker.join().unwrap())
                .collect()
        });
        assert_eq!(claimed.len(), TASKS);
        assert_eq!(
            claimed.into_iter().collect::<BTreeSet<_>>().len(),
            TASKS,
            "a task was handed out twice"
        );
    });
}

/// Claims until nothing is ready, and returns the tasks.
fn claim_all(sandbox: &Sandbox, worker: usize) -> Vec<String> {
    let name = format!("worker-{worker}");
    let mut claimed = Vec::new();
    loop {
        let ran = sandbox.tasq(&["--json", "claim", "--worker", &name]);
        match ran.code {
            Some(0) => claimed.push(text(&ran.data()["task"]["id"])),
            Some(5) => return claimed,
            _ => panic!("{ran:?}"),
        }
    }
}

#[test]
fn run_completes_everything_and_says_so() {
    on_each(|sandbox| {
        let first = sandbox.id(&["add", "one", "--test", "it was made :: test -e one"]);
        let second = sandbox.id(&["add", "two", "--depends-on", &first, "--priority", "0"]);
        let worker = "jq -r .title > \"$(printf %s \"$TASQ_TASK\")\" 2>/dev/null || cat > /dev/null; \
                      printf '%s %s\\n' \"$TASQ_TASK\" \"$TASQ_ATTEMPT\" >> order; touch one; test -n \"$TASQ_TOKEN$TASQ_STORE\"";
        let ran = sandbox.tasq(&["--json", "run", "--", "sh", "-c", worker]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let lines: Vec<Value> = ran
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let (summary, events) = lines.split_last().unwrap();
        assert!(events.iter().all(|event| event["event"].is_string()));
        assert_eq!(summary["data"]["end"], "all_completed");
        assert_eq!(summary["data"]["attempts"], 2);
        let order = fs::read_to_string(sandbox.project.join("order")).unwrap();
        assert_eq!(order, format!("{first} 1\n{second} 1\n"));
        let logs = fs::read_dir(sandbox.project.join(".tasq/logs")).unwrap();
        assert_eq!(logs.count(), 2);
    });
}

#[test]
fn the_exit_code_of_a_worker_decides() {
    on_each(|sandbox| {
        let id = sandbox.id(&["add", "work", "--retry-budget", "1"]);
        let run = |code: &str| {
            let ran = sandbox.tasq(&[
                "--json",
                "run",
                "--max",
                "1",
                "--max-wait",
                "0s",
                "--",
                "sh",
                "-c",
                code,
            ]);
            (ran.code, sandbox.data(&["show", &id]))
        };
        let (code, task) = run("exit 75");
        assert_eq!(
            (code, &task["status"], &task["retries_used"]),
            (Some(12), &"pending".into(), &0.into())
        );
        assert!(task["not_before"].is_null(), "the next one may try: {task}");
        let (_, task) = run("exit 75");
        assert!(!task["not_before"].is_null(), "it would spin: {task}");
        sandbox.data(&["retry", &id]);
        let (code, task) = run("echo because; exit 65");
        assert_eq!((code, &task["status"]), (Some(1), &"blocked".into()));
        assert!(text(&task["blocked_reason"]).contains("because"), "{task}");
        sandbox.data(&["unblock", &id]);
        let (code, task) = run("exit 3");
        assert_eq!((code, &task["status"]), (Some(1), &"blocked".into()));
        assert_eq!(task["attempts"][3]["exit_code"], 3);
    });
}

#[test]
fn task_text_is_never_part_of_a_shell_line() {
    on_each(|sandbox| {
        sandbox.id(&[
            "add",
            "$(touch pwned); `touch pwned`; '; touch pwned; \" -rf",
        ]);
        let ran = sandbox.tasq(&["run", "--", "sh", "-c", "cat > got"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(!sandbox.project.join("pwned").exists());
        let got: Value =
            serde_json::from_str(&fs::read_to_string(sandbox.project.join("got")).unwrap())
                .unwrap();
        assert!(text(&got["description"]).starts_with("$(touch"));
    });
}

#[test]
fn a_command_that_cannot_start_charges_nothing() {
    on_each(|sandbox| {
        let id = sandbox.id(&["add", "work"]);
        let ran = sandbox.tasq(&["run", "--", "no-such-program-of-ours"]);
        assert!(matches!(ran.code, Some(code) if code != 0), "{ran:?}");
        let task = sandbox.data(&["show", &id]);
        assert_eq!(
            (&task["status"], &task["retries_used"]),
            (&"pending".into(), &0.into())
        );
    });
}

#[test]
fn an_interrupted_run_gives_its_task_back() {
    on_each(|sandbox| {
        let id = sandbox.id(&["add", "work"]);
        // The worker asks the loop to stop until it does: the first signal lets end what runs, the second stops it.
        let insists = "trap '' TERM; while kill -TERM $(echo $TASQ_SUPERVISOR | cut -d/ -f4); do sleep 0.1; done";
        let ran = sandbox.tasq(&["--json", "run", "--", "sh", "-c", insists]);
        assert_eq!(ran.code, Some(143), "{ran:?}");
        let task = sandbox.data(&["show", &id]);
        assert_eq!(
            (&task["status"], &task["retries_used"]),
            (&"pending".into(), &0.into())
        );
        assert_eq!(task["attempts"][0]["outcome"], "released");
    });
}

#[test]
fn the_first_signal_lets_end_what_runs_and_begins_nothing_more() {
    on_each(|sandbox| {
        let first = sandbox.id(&["add", "first"]);
        let second = sandbox.id(&["add", "second"]);
        // A signal arrives in its own time, so the worker goes on until the loop says that it has heard it.
        let asks = "kill -INT $(echo $TASQ_SUPERVISOR | cut -d/ -f4); until test -e heard; do sleep 0.01; done";
        let words = ["--json", "run", "--", "sh", "-c", asks];
        let mut run = sandbox
            .command(&words)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines: Vec<Value> = Vec::new();
        for line in BufReader::new(run.stdout.take().unwrap()).lines() {
            let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
            if line["event"] == "draining" {
                assert_eq!(line["running"], 1);
                sandbox.write("heard", "");
            }
            lines.push(line);
        }
        assert_eq!(run.wait().unwrap().code(), Some(130), "{lines:?}");
        assert_eq!(sandbox.data(&["show", &first])["status"], "completed");
        let left = sandbox.data(&["show", &second]);
        assert_eq!(
            (&left["status"], &left["attempts"]),
            (&"pending".into(), &Value::Array(Vec::new()))
        );
        let ended = &lines[lines.len() - 2];
        assert_eq!(
            (&ended["event"], &ended["end"]),
            (&"ended".into(), &"interrupted".into())
        );
    });
}

#[test]
fn an_interrupted_verification_records_nothing() {
    on_each(|sandbox| {
        let id = sandbox.id(&[
            "add",
            "work",
            "--test",
            "slow :: kill -INT $(echo $TASQ_SUPERVISOR | cut -d/ -f4); exec sleep 1000",
        ]);
        let ran = sandbox.tasq(&["verify", &id]);
        assert_eq!(ran.code, Some(130), "{ran:?}");
        let test = &sandbox.data(&["show", &id])["tests"][0];
        assert_eq!(
            (&test["status"], &test["last"]),
            (&"pending".into(), &Value::Null)
        );
    });
}

#[test]
fn a_person_may_insist_and_it_is_told() {
    on_each(|sandbox| {
        let id = sandbox.id(&["add", "work", "--test", "never :: false"]);
        let error = sandbox.error(14, &["complete", &id]);
        assert_eq!(error["code"], "not_verified");
        let done = sandbox.data(&["complete", &id, "--force", "--reason", "checked by hand"]);
        assert_eq!(done["task"]["proof"], "override");
        let shown = sandbox.data(&["show", &id]);
        assert_eq!(shown["override"]["reason"], "checked by hand");
        assert!(text(&shown["override"]["by"]).starts_with("ada@"));
    });
}
