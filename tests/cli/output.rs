//! Where the output goes, and what may be in it.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use super::harness::{Kind, Ran, Sandbox, binary, text};

/// Turns a terminal's colour, moves its cursor, sets its title, hides text, and the like; 8-bit, too.
const HOSTILE: &str =
    "a\u{1b}[2Jb\u{1b}]0;title\u{7}c\u{9b}31md\u{202e}e\u{2066}f\u{200b}g\rh\u{8}i\u{7f}j\u{90}k";

fn is_harmless(text: &str) -> bool {
    text.chars().all(|c| {
        c == '\n'
            || c == '\t'
            || !(c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
    })
}

#[test]
fn terminal_escapes_never_reach_a_terminal() {
    for kind in Kind::ALL {
        let sandbox = Sandbox::with(kind);
        let id = sandbox.id(&[
            "add",
            HOSTILE,
            "--test",
            &format!("{HOSTILE} :: printf '\\033[2J'; exit 1"),
        ]);
        sandbox.data(&["block", &id, "--reason", HOSTILE]);
        sandbox.data(&["epic", "add", HOSTILE, "-d", HOSTILE]);
        sandbox.tasq(&["verify", &id]);
        for words in [
            &["list"][..],
            &["tree"],
            &["show", &id],
            &["why", &id],
            &["log"],
            &["progress"],
            &["epic", "list"],
            &["test", "list"],
            &["verify", &id],
            &["show", HOSTILE],
            &["--json", "list"],
            &["--json", "show", &id],
            &["--json", "show", HOSTILE],
            &["export"],
        ] {
            let ran = sandbox.tasq(words);
            assert!(
                is_harmless(&ran.stdout) && is_harmless(&ran.stderr),
                "{words:?}: {ran:?}"
            );
        }
        assert!(sandbox.tasq(&["list"]).stdout.contains("a\\u{1b}[2Jb"));
        assert_eq!(
            sandbox.data(&["show", &id])["description"],
            HOSTILE,
            "JSON keeps the text itself"
        );
    }
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let sandbox = Sandbox::with(Kind::Sqlite);
    sandbox.id(&["add", "work"]);
    for words in [
        &["list"][..],
        &["--json", "list"],
        &["export"],
        &["--help"],
        &["log", "--follow"],
    ] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut command = sandbox.command(words);
        command.stdout(writer).stderr(Stdio::piped());
        let ran = Ran::of(&mut command);
        assert_eq!(
            (ran.code, ran.stderr.as_str()),
            (Some(141), ""),
            "{words:?}"
        );
    }
}

/// The next file that is opened would get the number of a descriptor that is closed, and what is told would be written there.
#[test]
fn closed_descriptors_never_become_the_store() {
    for kind in Kind::ALL {
        let sandbox = Sandbox::with(kind);
        for (closed, descriptors) in [
            ("<&-", 0..1),
            (">&-", 1..2),
            ("2>&-", 2..3),
            ("<&- >&- 2>&-", 0..3),
        ] {
            let started = |words: &[&str]| {
                let mut command = sandbox.program("sh");
                let line = format!("exec \"$0\" \"$@\" {closed}");
                command.arg("-c").arg(line).arg(binary()).args(words);
                command
            };
            let ran = Ran::of(&mut started(&["--json", "add", "work"]));
            assert_eq!(ran.code, Some(0), "{closed}: {ran:?}");
            let mut follower = started(&["log", "--follow"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut descriptors =
                descriptors.map(|descriptor| format!("/proc/{}/fd/{descriptor}", follower.id()));
            let leads_nowhere = descriptors.all(|link| becomes(&link, "/dev/null"));
            follower.kill().unwrap();
            follower.wait().unwrap();
            assert!(leads_nowhere, "{closed}");
        }
        let listed = sandbox.data(&["list"]);
        assert_eq!(listed["tasks"].as_array().map(Vec::len), Some(4));
        assert_eq!(sandbox.data(&["doctor"])["well"], true);
    }
}

/// Whether a link leads there, at the latest after some seconds.
fn becomes(link: &str, to: &str) -> bool {
    (0..1_000).any(|_| {
        let there = fs::read_link(link).is_ok_and(|it| it == Path::new(to));
        if !there {
            thread::sleep(Duration::from_millis(10));
        }
        there
    })
}

#[test]
fn a_full_disk_under_the_output_is_told() {
    let sandbox = Sandbox::with(Kind::Sqlite);
    sandbox.id(&["add", "work"]);
    for words in [&["list"][..], &["--json", "list"], &["--help"]] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = sandbox.command(words);
        command.stdout(full).stderr(Stdio::piped());
        let ran = Ran::of(&mut command);
        assert_eq!(ran.code, Some(7), "{words:?}: {ran:?}");
        assert!(!ran.stderr.contains("panic"), "{ran:?}");
    }
}

#[test]
fn a_pipe_gets_plain_columns_and_no_colours() {
    let sandbox = Sandbox::with(Kind::Sqlite);
    let id = sandbox.id(&["add", "work"]);
    let ran = sandbox.tasq(&["list"]);
    assert_eq!(ran.stdout, format!("{id}\tpending\t2\tINBOX\t\twork\n"));
    let coloured = sandbox.tasq(&["list", "--color", "always"]);
    assert!(coloured.stdout.contains("\u{1b}["));
}

#[test]
fn errors_are_a_line_and_a_hint_on_standard_error() {
    let sandbox = Sandbox::bare();
    let ran = sandbox.tasq(&["list"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(3), ""));
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{ran:?}");
    assert!(
        lines[0].starts_with("tasq: there is no store") && lines[1].starts_with("hint: "),
        "{ran:?}"
    );
}

#[test]
fn nothing_to_do_is_help_and_a_usage_error() {
    let sandbox = Sandbox::bare();
    let none: [&str; 0] = [];
    let ran = sandbox.tasq(&none);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.contains("Usage: tasq") && ran.stderr.contains("Examples:"));
    assert_eq!(sandbox.error(2, &[])["code"], "usage");
}

#[test]
fn arguments_that_make_no_sense_are_told_in_json_when_that_is_asked_for() {
    let sandbox = Sandbox::bare();
    for words in [
        &["list", "--nonsense", "--json"][..],
        &["--json", "nonsense"],
        &["claim", "-n", "x", "--json"],
    ] {
        let ran = sandbox.tasq(words);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert_eq!(ran.error()["code"], "usage");
    }
}

#[test]
fn texts_come_from_standard_input() {
    let sandbox = Sandbox::with(Kind::Sqlite);
    let ran = sandbox.tasq_reading(&["--json", "add", "-"], "title\n\nand more\n");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.data()["description"], "title\n\nand more");
}

/// So many and so long that several threads make the text.
#[test]
fn a_large_queue_is_exported_in_the_order_of_its_ids() {
    const COUNT: usize = 2_500;
    let sandbox = Sandbox::with(Kind::Sqlite);
    let id = |number: usize| format!("TASK-{number:04}");
    let long = "long ".repeat(120);
    let lines: String = (0..COUNT)
        .map(|number| {
            let id = id(number * 37 % COUNT);
            format!("{{\"id\":\"{id}\",\"description\":\"{number} {long}\"}}\n")
        })
        .collect();
    let ran = sandbox.tasq_reading(&["--quiet", "task", "add", "--from", "-"], &lines);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    sandbox.data(&["hold", &id(7), "--reason", "not yet"]);
    let told = sandbox.export();
    assert!(told.len() > 1024 * 1024);
    let snapshot: serde_json::Value = serde_json::from_str(&told).unwrap();
    let begins = |line: &str| line.starts_with("    \"TASK-");
    let told_ids = told.lines().filter(|line| begins(line));
    assert!(told_ids.eq((0..COUNT).map(|number| format!("    \"{}\": {{", id(number)))));
    for number in 0..COUNT {
        let description = text(&snapshot["tasks"][id(number * 37 % COUNT)]["description"]);
        assert!(
            description.starts_with(&format!("{number} long")),
            "{number}"
        );
    }
    assert_eq!(snapshot["tasks"][id(7)]["hold"]["reason"], "not yet");
    let ran = sandbox.tasq(&["export", "-o", "out.json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(fs::read_to_string(sandbox.project.join("out.json")).unwrap() == told);
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let mut command = sandbox.command(&["export"]);
    command.stdout(writer).stderr(Stdio::piped());
    let ran = Ran::of(&mut command);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(141), ""));
}

#[test]
fn a_large_json_store_warns_and_names_copy() {
    let sandbox = Sandbox::with(Kind::Json);
    let lines: String = (0..10_001)
        .map(|number| format!("{{\"description\":\"task {number}\"}}\n"))
        .collect();
    let ran = sandbox.tasq_reading(&["--quiet", "task", "add", "--from", "-"], &lines);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let ran = sandbox.tasq(&["next"]);
    assert!(ran.stderr.contains("tasq copy"), "{ran:?}");
    // What was asked for is no talk.
    let quiet = sandbox.tasq(&["--quiet", "next"]);
    assert_eq!((quiet.stdout, quiet.stderr.as_str()), (ran.stdout, ""));
    let ran = sandbox.tasq(&["--json", "next"]);
    let envelope: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(
        text(&envelope["warnings"][0]).contains("10001 tasks"),
        "{}",
        ran.stdout
    );
}
