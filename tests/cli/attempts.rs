//! The attempts at a task, and what they have written.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use serde_json::Value;

use super::harness::{Kind, Sandbox, keys, text};

/// A worker that fails the first time.
const WORKER: &str =
    "printf 'try %s \\033[1mbold\\033[0m \\377\\n' $TASQ_ATTEMPT; [ $TASQ_ATTEMPT = 2 ]";

fn tried() -> (Sandbox, String) {
    let sandbox = Sandbox::with(Kind::Sqlite);
    let id = sandbox.id(&["add", "work"]);
    for code in [12, 0] {
        let words = ["run", "--json", "--max", "1", "--", "sh", "-c", WORKER];
        assert_eq!(sandbox.tasq(&words).code, Some(code));
        if code != 0 {
            sandbox.data(&["retry", &id]);
        }
    }
    (sandbox, id)
}

#[test]
fn attempts_are_listed_as_they_were() {
    let (sandbox, id) = tried();
    let data = sandbox.data(&["attempts", &id]);
    assert_eq!(keys(&data), ["task_id", "attempts"]);
    let attempts = data["attempts"].as_array().unwrap();
    let shown = [
        "attempt",
        "worker",
        "started_at",
        "ended_at",
        "outcome",
        "exit_code",
        "message",
        "late_message",
        "log_path",
        "result",
    ];
    assert_eq!(keys(&attempts[0])[..shown.len()], shown);
    let outcomes: Vec<&Value> = attempts.iter().map(|it| &it["outcome"]).collect();
    assert_eq!(outcomes, ["failed", "completed"]);
    let plain = sandbox.tasq(&["attempts", &id]).stdout;
    let lines: Vec<&str> = plain.lines().collect();
    assert!(lines[0].starts_with("1\tfailed\t"), "{plain}");
    assert!(lines[1].starts_with("2\tcompleted\t"), "{plain}");
    let other = sandbox.id(&["add", "untried"]);
    let none = sandbox.tasq(&["attempts", &other]).stdout;
    assert_eq!(none, "nobody has tried it yet\n");
}

#[test]
fn an_output_is_written_byte_by_byte_and_told_in_json() {
    let (sandbox, id) = tried();
    let bytes = |words: &[&str]| sandbox.command(words).output().unwrap().stdout;
    assert_eq!(bytes(&["output", &id]), b"try 2 \x1b[1mbold\x1b[0m \xff\n");
    let first = bytes(&["output", &id, "--attempt", "1"]);
    assert_eq!(first, b"try 1 \x1b[1mbold\x1b[0m \xff\n");
    let data = sandbox.data(&["output", &id]);
    let shape = [
        "task_id", "attempt", "open", "log_path", "bytes", "lossy", "text",
    ];
    assert_eq!(keys(&data), shape);
    assert_eq!(data["attempt"], 2);
    assert_eq!(
        (&data["open"], &data["lossy"]),
        (&false.into(), &true.into())
    );
    assert_eq!(
        text(&data["text"]),
        "try 2 \u{1b}[1mbold\u{1b}[0m \u{fffd}\n"
    );
}

#[test]
fn what_was_not_kept_is_not_found() {
    let (sandbox, id) = tried();
    let error = sandbox.error(3, &["output", &id, "--attempt", "3"]);
    assert_eq!(error["code"], "not_found");
    let untried = sandbox.id(&["add", "untried"]);
    sandbox.error(3, &["output", &untried]);
    // Somebody who claims by hand keeps no log.
    sandbox.data(&["claim", &untried]);
    let error = sandbox.error(3, &["output", &untried]);
    assert!(text(&error["hint"]).contains("tasq run"), "{error}");
    // A log that leads elsewhere is not read.
    let data = sandbox.data(&["output", &id]);
    let log = text(&data["log_path"]);
    fs::remove_file(&log).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &log).unwrap();
    assert_eq!(sandbox.error(7, &["output", &id])["code"], "storage");
}

#[test]
fn an_attempt_that_has_not_begun_is_waited_for() {
    let sandbox = Sandbox::with(Kind::Sqlite);
    let id = sandbox.id(&["add", "work"]);
    let mut follower = sandbox
        .command(&["output", &id, "--follow"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = String::new();
    let mut talk = BufReader::new(follower.stderr.take().unwrap());
    talk.read_line(&mut told).unwrap();
    assert!(told.contains("waiting for an attempt"), "{told}");
    let ran = sandbox.tasq(&["run", "--", "sh", "-c", "echo one"]);
    assert!(ran.stdout.contains("in 1 attempt ("), "{ran:?}");
    let mut seen = String::new();
    let mut output = follower.stdout.take().unwrap();
    output.read_to_string(&mut seen).unwrap();
    assert!(follower.wait().unwrap().success());
    assert_eq!(seen, "one\n");
    // There will be no other.
    let done = sandbox.id(&["add", "done"]);
    sandbox.data(&["complete", &done]);
    sandbox.error(3, &["output", &done, "--follow"]);
}

#[test]
fn an_output_is_followed_to_the_end_of_its_attempt() {
    for json in [false, true] {
        let sandbox = Sandbox::with(Kind::Json);
        let id = sandbox.id(&["add", "work"]);
        let gate = sandbox.project.join("gate");
        let made = sandbox.program("mkfifo").arg(&gate).status().unwrap();
        assert!(made.success());
        let worker = "echo one; cat gate; echo two; printf end";
        let mut run = sandbox
            .command(&["run", "--json", "--", "sh", "-c", worker])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut events = BufReader::new(run.stdout.take().unwrap());
        let mut started = String::new();
        events.read_line(&mut started).unwrap();
        let gate = fs::OpenOptions::new().write(true).open(&gate).unwrap();
        // The command waits at the gate, so its log is there.
        let mut words = vec!["output", &id, "--follow"];
        words.extend(json.then_some("--json"));
        let mut follower = sandbox
            .command(&words)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(follower.stdout.take().unwrap());
        let mut seen = String::new();
        output.read_line(&mut seen).unwrap();
        drop(gate);
        output.read_to_string(&mut seen).unwrap();
        assert!(follower.wait().unwrap().success());
        let mut rest = String::new();
        events.read_to_string(&mut rest).unwrap();
        assert!(run.wait().unwrap().success());
        if json {
            let texts = seen.lines().map(|line| {
                let line: Value = serde_json::from_str(line).unwrap();
                text(&line["text"])
            });
            seen = texts.collect();
        }
        assert_eq!(seen, "one\ntwo\nend", "{json}");
    }
}
