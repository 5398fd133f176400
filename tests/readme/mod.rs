//! The README tells the truth: its tour is run with the real binary, its tables agree with the code.

use std::path::{Path, PathBuf};
use std::process::Command;

use tasq_app::Code;

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap()
}

/// The commands of the `console` blocks, each with the output that the README shows.
fn tour(text: &str) -> Vec<(String, Vec<String>)> {
    let mut steps: Vec<(String, Vec<String>)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match (inside, line) {
            (false, "```console") => inside = true,
            (true, "```") => inside = false,
            (true, line) => match line.strip_prefix("$ ") {
                Some(command) => steps.push((command.to_owned(), Vec::new())),
                None => steps
                    .last_mut()
                    .expect("output follows a command")
                    .1
                    .push(line.to_owned()),
            },
            (false, _) => (),
        }
    }
    steps
}

/// Whether a line is as shown, where `[..]` stands for anything.
fn matches(shown: &str, line: &str) -> bool {
    let mut parts = shown.split("[..]");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

fn binary_folder() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap().to_owned();
    assert!(
        folder.join("tasq").is_file(),
        "build the program first: cargo build -p tasq-app-cli"
    );
    folder
}

fn run(command: &str, folder: &Path) -> Vec<String> {
    let path = format!("{}:/usr/bin:/bin", binary_folder().display());
    // Both streams in the order in which a person sees them.
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1; {command}")])
        .current_dir(folder)
        .env_clear()
        .env("PATH", path)
        .env("HOME", folder)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if !output.status.success() {
        lines.push(format!("[exit {}]", output.status.code().unwrap_or(-1)));
    }
    lines
}

#[test]
fn the_tour_prints_what_it_shows() {
    let folder = tempfile::tempdir().unwrap();
    let steps = tour(&readme());
    assert!(steps.len() >= 10, "the tour has {} steps", steps.len());
    for (command, shown) in steps {
        let lines = run(&command, folder.path());
        let same = lines.len() == shown.len()
            && shown
                .iter()
                .zip(&lines)
                .all(|(shown, line)| matches(shown, line));
        assert!(
            same,
            "$ {command}\nshown:\n{}\nprinted:\n{}\n",
            shown.join("\n"),
            lines.join("\n")
        );
    }
}

#[test]
fn the_table_of_exit_codes_is_the_programs() {
    let text = readme();
    let rows: Vec<(&str, &str)> = text
        .lines()
        .skip_while(|line| *line != "## Exit codes")
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" | "))
        .filter_map(|(status, rest)| Some((status, rest.split_once(" | ")?.0)))
        .collect();
    for code in Code::ALL {
        let status = code.exit_status().to_string();
        let row = rows.iter().find(|(shown, _)| *shown == status);
        let (_, words) = row.unwrap_or_else(|| panic!("the table has no exit {status}"));
        assert!(
            words.split(", ").any(|word| word == code.as_str()),
            "{status}: {} is not in {words:?}",
            code.as_str()
        );
    }
    for (status, words) in rows
        .iter()
        .filter(|(status, _)| status.parse::<u8>().is_ok_and(|status| status > 0))
    {
        for word in words.split(", ") {
            let code = Code::ALL.into_iter().find(|code| code.as_str() == word);
            let code = code.unwrap_or_else(|| panic!("the table has an unknown code {word}"));
            assert_eq!(code.exit_status().to_string(), *status);
        }
    }
}

#[test]
fn a_line_that_differs_is_seen() {
    assert!(matches("a [..] c", "a b c"));
    assert!(matches("[..]", ""));
    assert!(matches("a [..]b[..]", "a xbyb"));
    assert!(!matches("a [..] c", "a b d"));
    assert!(!matches("a", "a b"));
    assert!(!matches("a", "b"));
}
