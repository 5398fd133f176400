//! The loop against everything that works against it: workers that die, fail for ever, give back for ever, ask their
//! shell for more, and loops that are killed in the middle.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::thread;

use serde_json::Value;

use super::harness::{Kind, Sandbox, text};

/// Adds tasks from JSON Lines.
fn add(sandbox: &Sandbox, lines: impl IntoIterator<Item = Value>) -> Vec<String> {
    let lines: String = lines.into_iter().map(|line| format!("{line}\n")).collect();
    let words = [
        "--json",
        "task",
        "add",
        "--feature",
        "F",
        "--create-feature",
        "--from",
        "-",
    ];
    let ran = sandbox.tasq_reading(&words, &lines);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let added = ran.data()["tasks"].as_array().unwrap().clone();
    added.iter().map(|task| text(&task["id"])).collect()
}

fn work(count: usize) -> impl Iterator<Item = Value> {
    (0..count).map(|number| serde_json::json!({ "description": format!("task {number}") }))
}

fn tasks(sandbox: &Sandbox) -> Vec<Value> {
    let listed = sandbox.data(&["list", "--limit", "1000"]);
    listed["tasks"].as_array().unwrap().clone()
}

/// Lines of a file that workers append to; nothing if none has.
fn lines(sandbox: &Sandbox, name: &str) -> Vec<String> {
    let text = fs::read_to_string(sandbox.project.join(name)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn four_loops_of_which_some_are_killed_do_each_task_once() {
    for kind in Kind::ALL {
        let sandbox = Sandbox::with(kind);
        let ids = add(&sandbox, work(40));
        let worker = "echo $TASQ_TASK.$TASQ_ATTEMPT >> done";
        let words = ["run", "--json", "--jobs", "2", "--", "sh", "-c", worker];
        let kills_after = [Some(3), Some(4), Some(5), None];
        thread::scope(|scope| {
            for kill_after in kills_after {
                let sandbox = &sandbox;
                scope.spawn(move || one_loop(sandbox, &words, kill_after));
            }
        });
        // What three kills in a row took is poison, and said to be.
        for task in tasks(&sandbox) {
            if task["status"] == "blocked" {
                assert!(
                    text(&task["blocked_reason"]).starts_with("poison"),
                    "{task}"
                );
                sandbox.data(&["unblock", &text(&task["id"])]);
            }
        }
        assert_eq!(sandbox.tasq(&words).code, Some(0));
        let work = fs::read_dir(sandbox.project.join(".tasq/work")).unwrap();
        let mut work = work.map(|entry| entry.unwrap().path());
        assert!(
            work.all(|path| !path.is_dir()),
            "what killed loops left is tidied up"
        );
        let mut ran: HashMap<String, u32> = HashMap::new();
        for line in lines(&sandbox, "done") {
            *ran.entry(line).or_default() += 1;
        }
        assert!(
            ran.values().all(|&count| count == 1),
            "an attempt ran twice: {ran:?}"
        );
        for id in ids {
            let task = sandbox.data(&["show", &id]);
            let attempts = task["attempts"].as_array().unwrap();
            let (last, before) = attempts.split_last().unwrap();
            assert_eq!(last["outcome"], "completed", "{kind:?}: {task}");
            assert!(
                before.iter().all(|it| it["outcome"] == "lost"),
                "{kind:?}: {task}"
            );
            assert!(ran.contains_key(&format!("{id}.{}", attempts.len())));
        }
    }
}

/// One loop, killed after it has told of so many ends.
fn one_loop(sandbox: &Sandbox, words: &[&str], kill_after: Option<usize>) {
    let mut child = sandbox
        .command(words)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ends = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        ends += usize::from(event["event"] == "finished");
        if kill_after == Some(ends) {
            child.kill().unwrap();
            break;
        }
    }
    child.wait().unwrap();
}

#[test]
fn a_command_that_always_fails_is_not_started_more_often_than_allowed() {
    for kind in Kind::ALL {
        let sandbox = Sandbox::with(kind);
        add(&sandbox, work(50));
        let worker = "echo x >> spawned; exit 1";
        let brake = [
            "run",
            "--json",
            "--jobs",
            "3",
            "--max-failures",
            "5",
            "--max-wait",
            "20s",
        ];
        let words = [&brake[..], &["--", "sh", "-c", worker]].concat();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(sandbox.tasq(&words).code, Some(12)));
            }
        });
        assert_eq!(lines(&sandbox, "spawned").len(), 5, "{kind:?}");
        let again = sandbox.tasq(&words);
        assert_eq!(again.code, Some(12), "{again:?}");
        assert_eq!(
            lines(&sandbox, "spawned").len(),
            5,
            "a restart resets nothing"
        );
        let hourly = [
            "run",
            "--json",
            "--jobs",
            "3",
            "--max-per-hour",
            "7",
            "--",
            "sh",
            "-c",
            worker,
        ];
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(sandbox.tasq(&hourly).code, Some(12)));
            }
        });
        assert_eq!(lines(&sandbox, "spawned").len(), 7, "{kind:?}");
    }
}

#[test]
fn a_task_that_kills_its_worker_is_blocked_and_all_others_are_done() {
    let sandbox = Sandbox::with(Kind::Sqlite);
    let ids = add(&sandbox, work(10));
    let worker = "case $(cat) in *'\"title\":\"task 7\"'*) kill -ABRT $$;; esac";
    let words = ["run", "--json", "--jobs", "2", "--", "sh", "-c", worker];
    loop {
        let ran = sandbox.tasq(&[&words[..1], &["--max", "20"], &words[1..]].concat());
        assert!(matches!(ran.code, Some(1 | 12)), "{ran:?}");
        if ran.code == Some(1) {
            break;
        }
    }
    for (number, id) in ids.iter().enumerate() {
        let task = sandbox.data(&["show", id]);
        let expected = if number == 7 { "blocked" } else { "completed" };
        assert_eq!(task["status"], expected, "{task}");
        if number == 7 {
            assert!(
                text(&task["blocked_reason"]).starts_with("poison: 3"),
                "{task}"
            );
            assert_eq!(task["attempts"].as_array().unwrap().len(), 3);
        }
    }
}

/// Texts that would do something if anybody took them for more than data.
fn hostile() -> Vec<String> {
    let words = [
        "$(touch pwned)",
        "`touch pwned`",
        "; touch pwned;",
        "&& touch pwned",
        "| touch pwned",
        "\ntouch pwned\n",
        "'; touch pwned; '",
        "\"; touch pwned; \"",
        "${IFS}touch${IFS}pwned",
        "> pwned",
        "--help",
        "-rf /",
        "-- -x",
        "%s%n%x",
        "../../../pwned",
        "{task}{{task}}",
        "\\\"; touch pwned",
        "\u{202e}dewnp",
        "\u{1b}]0;pwned\u{7}",
        "{\"verdict\":\"PASS\"}",
    ];
    let forms: [fn(&str) -> String; 10] = [
        |word| word.to_owned(),
        |word| format!("fix {word}"),
        |word| format!("{word} please"),
        |word| format!("'{word}'"),
        |word| format!("\"{word}\""),
        |word| format!("{word}{word}"),
        |word| format!("a\n{word}\nb"),
        |word| format!("\t{word}"),
        |word| format!("é{word}日本"),
        |word| format!("${{x:-{word}}}"),
    ];
    let all = words
        .iter()
        .flat_map(|word| forms.iter().map(move |form| form(word)));
    all.collect()
}

#[test]
fn two_hundred_hostile_texts_reach_a_worker_as_data_alone() {
    let sandbox = Sandbox::with(Kind::Sqlite);
    let texts = hostile();
    assert_eq!(texts.len(), 200);
    let asked = texts.iter().enumerate().map(|(number, text)| {
        let id = format!("{number}{}", text.split_whitespace().collect::<String>());
        let id: String = id.chars().filter(|c| !c.is_control()).take(100).collect();
        serde_json::json!({ "id": id, "description": text, "metadata": { "timeout": "1m", "command": text } })
    });
    let ids = add(&sandbox, asked);
    // Each worker writes down how it was called, and what it was told to do.
    let worker = r#"printf '%s|' "$0" "$#" "$@" >> argv; echo >> argv; cat > "got.$(cat counter).json"; echo $(( $(cat counter) + 1 )) > counter"#;
    sandbox.write("counter", "0\n");
    let ran = sandbox.tasq(&[
        "run",
        "--json",
        "--",
        "sh",
        "-c",
        worker,
        "name",
        "one",
        "two words",
    ]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(!sandbox.project.join("pwned").exists() && !sandbox.folder().join("pwned").exists());
    let calls = lines(&sandbox, "argv");
    assert_eq!(calls.len(), 200);
    assert!(calls.iter().all(|call| call == "name|2|one|two words|"));
    for (number, text) in texts.iter().enumerate() {
        let path = sandbox.project.join(format!("got.{number}.json"));
        let got: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(got["description"], text.as_str());
        assert_eq!(got["id"], ids[number].as_str());
    }
    // On a terminal or not, nothing that is told can move the cursor.
    let told = sandbox.tasq(&["list", "--limit", "200"]).stdout;
    assert!(
        told.chars()
            .all(|c| matches!(c, '\n' | '\t') || !c.is_control()),
        "{told:?}"
    );
}

#[test]
fn a_time_out_ends_a_command_that_hangs_and_is_charged() {
    for metadata in [r#"{"timeout":"500ms"}"#, r#"{"idle_timeout":"500ms"}"#] {
        let sandbox = Sandbox::with(Kind::Sqlite);
        let metadata: Value = serde_json::from_str(metadata).unwrap();
        let line =
            serde_json::json!({ "description": "hang", "retry_budget": 1, "metadata": metadata });
        let ids = add(&sandbox, [line]);
        let ran = sandbox.tasq(&[
            "run",
            "--json",
            "--",
            "sh",
            "-c",
            "trap '' TERM; echo begun; sleep 1000 & wait",
        ]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let task = sandbox.data(&["show", &ids[0]]);
        assert_eq!(
            (&task["status"], &task["attempts"][0]["outcome"]),
            (&"blocked".into(), &"timed_out".into())
        );
        assert!(
            text(&task["blocked_reason"]).contains("timed out"),
            "{task}"
        );
    }
}

#[test]
fn a_watching_loop_does_what_comes_later() {
    for kind in Kind::ALL {
        let sandbox = Sandbox::with(kind);
        let words = ["run", "--json", "--watch", "--", "sh", "-c", "exit 0"];
        let mut child = sandbox
            .command(&words)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut seen = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
            match event["event"].as_str() {
                Some("waiting") if seen.is_empty() => drop(add(&sandbox, work(1))),
                Some("finished") => {
                    let id = child.id().to_string();
                    let ended = sandbox
                        .program("kill")
                        .args(["-TERM", &id])
                        .status()
                        .unwrap();
                    assert!(ended.success());
                }
                _ => {}
            }
            seen.push(event);
        }
        assert_eq!(child.wait().unwrap().code(), Some(143));
        assert_eq!(tasks(&sandbox)[0]["status"], "completed");
    }
}

#[test]
fn what_a_worker_reports_after_it_has_ended_its_own_attempt_is_kept_and_counted() {
    for kind in Kind::ALL {
        let sandbox = Sandbox::with(kind);
        let ids = add(&sandbox, work(4));
        let worker = format!(
            "{} complete >/dev/null; echo '{{\"verdict\":\"PASS\",\"cost_usd\":0.5}}'; exit 3",
            super::harness::binary().display()
        );
        let words = [
            "--json",
            "run",
            "--max-cost",
            "1",
            "--",
            "sh",
            "-c",
            &worker,
        ];
        let ran = sandbox.tasq(&words);
        assert_eq!(ran.code, Some(12), "{ran:?}");
        let done = tasks(&sandbox);
        let done = done.iter().filter(|task| task["status"] == "completed");
        assert_eq!(done.count(), 2, "the third would cost too much");
        let shown = sandbox.data(&["show", &ids[0]]);
        let attempt = &shown["attempts"][0];
        assert_eq!(
            (&attempt["outcome"], &attempt["exit_code"]),
            (&"completed".into(), &3.into()),
            "{attempt}"
        );
        assert_eq!(attempt["result"]["cost_usd"], 0.5, "{attempt}");
    }
}
