//! Whoever has the lock is stopped, not dead: nobody takes the lock away, and nobody waits for ever.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};

use super::place::{Kind, Place, Ran, binary};
use super::{audit, on_both_stores};
use crate::figures::Figures;

/// A command that stopped at a system call.
struct Stopped {
    strace: Child,
    /// The command itself.
    pid: String,
}

impl Stopped {
    /// Stops a command at the n-th call of a name.
    fn at(place: &Place, call: &str, nth: u32, words: &[&str]) -> Self {
        let trace = format!("trace={call}");
        let inject = format!("inject={call}:signal=STOP:when={nth}");
        let mut command = place.program("strace");
        command
            .args(["-f", "-e", &trace, "-e", &inject, "--"])
            .arg(binary())
            .args(words)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut strace = command
            .spawn()
            .expect("strace is needed: scripts/test installs it");
        let mut told = BufReader::new(strace.stderr.as_mut().unwrap());
        let mut line = String::new();
        while !line.contains("stopped by SIGSTOP") {
            line.clear();
            let read = told.read_line(&mut line).unwrap();
            assert!(read > 0, "{words:?} did not stop at call {nth} of {call}");
        }
        let children = format!("/proc/{0}/task/{0}/children", strace.id());
        let pid = std::fs::read_to_string(children).unwrap();
        let pid = pid.trim().to_owned();
        Self { strace, pid }
    }

    /// Lets it go on, or ends it. Its exit status.
    fn signal(mut self, signal: &str) -> Option<i32> {
        let kill = std::process::Command::new("kill")
            .args([signal, &self.pid])
            .status();
        assert!(kill.unwrap().success());
        let mut rest = Vec::new();
        self.strace
            .stderr
            .take()
            .unwrap()
            .read_to_end(&mut rest)
            .unwrap();
        self.strace.wait().unwrap().code()
    }
}

/// Where a writer has the lock: at its first fsync.
fn stopped_writer(place: &Place) -> Stopped {
    Stopped::at(
        place,
        "fsync",
        1,
        &["task", "add", "slow", "--feature", "F", "--id", "SLOW"],
    )
}

fn place(kind: Kind) -> Place {
    let place = Place::with_store(kind);
    place.works(&["feature", "add", "F", "--id", "F"]);
    place
}

/// Others end with 6 after their wait and name the process and how long it has had the lock; they wrote nothing.
/// Readers go on. Once the holder goes on, so does everyone.
fn a_stopped_holder_keeps_the_lock(kind: Kind) {
    let place = place(kind);
    let stopped = stopped_writer(&place);
    let refused = place.tasq(&["--json", "--wait", "1s", "add", "impatient"]);
    assert_eq!(refused.code, Some(6), "{refused:?}");
    let message = refused.message();
    let named = message.contains(&format!("process {}, ", stopped.pid));
    assert!(
        named && message.contains("which has had it for"),
        "{message}"
    );
    place.works(&["list"]);
    assert_eq!(stopped.signal("-CONT"), Some(0));
    place.works(&["add", "patient"]);
    let contents = audit::sound(kind, &place.store());
    let titles: Vec<&str> = contents
        .tasks
        .iter()
        .map(|it| it.description.as_str())
        .collect();
    assert_eq!(titles, ["slow", "patient"]);
    let promise = "nobody takes a lock away, and nobody waits for ever";
    let mut figures = Figures::of("a_stopped_holder_keeps_the_lock", kind.name(), promise);
    figures.count("told", message).tell();
}

/// A holder that is killed frees the lock; what it did is whole or not there.
fn a_killed_holder_frees_the_lock(kind: Kind) {
    let place = place(kind);
    let stopped = stopped_writer(&place);
    let _ = stopped.signal("-KILL");
    place.works(&["--wait", "30s", "add", "next"]);
    let contents = audit::sound(kind, &place.store());
    assert!((1..=2).contains(&contents.tasks.len()), "{contents:?}");
}

/// One that is stopped with the turnstile in hand, before it has the lock, stops nobody.
fn a_process_stopped_at_the_turnstile_stops_nobody(kind: Kind) {
    let place = place(kind);
    let words = ["task", "add", "slow", "--feature", "F"];
    // It stops when the call is over.
    let stopped = Stopped::at(&place, "flock", 1, &words);
    let ran: Ran = place.tasq(&["--wait", "30s", "add", "next"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(stopped.signal("-CONT"), Some(0));
    assert_eq!(audit::sound(kind, &place.store()).tasks.len(), 2);
}

on_both_stores!(
    a_stopped_holder_keeps_the_lock,
    a_killed_holder_frees_the_lock,
    a_process_stopped_at_the_turnstile_stops_nobody,
);
