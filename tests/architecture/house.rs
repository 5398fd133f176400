//! The rules of the house that a machine can check in the files themselves.

use std::fs;
use std::path::{Path, PathBuf};

use super::assert_none;
use super::graph::{Graph, root};

/// A source file of this many lines is one subject too many.
const MOST_LINES: usize = 800;

/// What belongs to somebody's machine or notes, not to the project. Spelled in halves, because this file is checked too.
const STRANGERS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/tmp/", "bash"),
    concat!("../sha", "red"),
    concat!("DES", "IGN.md"),
    concat!("FAIL", "URES.md"),
    concat!("STY", "LE.md"),
];

#[test]
fn no_file_names_a_machine_or_private_notes() {
    let mut broken = Vec::new();
    for path in files_below(&root()) {
        let content = fs::read(&path).unwrap();
        broken.extend(strangers(&named(&path), &String::from_utf8_lossy(&content)));
    }
    assert_none(&broken);
}

#[test]
fn no_source_file_is_longer_than_one_subject() {
    let mut broken = Vec::new();
    for path in files_below(&root()).iter().filter(|path| is_source(path)) {
        broken.extend(too_long(&named(path), &fs::read_to_string(path).unwrap()));
    }
    assert_none(&broken);
}

/// It has a copy of them, because what is forbidden cannot be allowed at one place.
#[test]
fn the_command_has_the_lints_of_the_workspace_but_for_one() {
    let of = |file: &str, section: &str| -> Vec<String> {
        let text = fs::read_to_string(root().join(file)).unwrap();
        let lines = text.lines().skip_while(|line| *line != section).skip(1);
        lines
            .take_while(|line| !line.is_empty())
            .map(str::to_owned)
            .collect()
    };
    for tool in ["rust", "clippy"] {
        let mut expected = of("Cargo.toml", &format!("[workspace.lints.{tool}]"));
        assert!(expected.len() > 2, "{tool}");
        for line in &mut expected {
            if line.starts_with("unsafe_code") {
                *line = line.replace("forbid", "deny");
            }
        }
        assert_eq!(
            of("app-cli/Cargo.toml", &format!("[lints.{tool}]")),
            expected
        );
    }
    let sources = files_below(&root().join("app-cli"));
    let unsafe_ones: Vec<String> = sources
        .iter()
        .filter(|path| is_source(path))
        .filter(|path| fs::read_to_string(path).unwrap().contains("unsafe_code"))
        .map(|path| named(path))
        .collect();
    assert_eq!(unsafe_ones, ["app-cli/src/start.rs"]);
}

#[test]
fn every_crate_begins_by_saying_what_it_is() {
    let mut broken = Vec::new();
    for member in Graph::of_this_workspace().members {
        let roots =
            ["src/lib.rs", "src/main.rs", "main.rs"].map(|file| root().join(&member).join(file));
        let roots: Vec<&PathBuf> = roots.iter().filter(|path| path.is_file()).collect();
        assert!(
            !roots.is_empty(),
            "{member} has no root file that this test knows"
        );
        for path in roots {
            broken.extend(untold(&named(path), &fs::read_to_string(path).unwrap()));
        }
    }
    assert_none(&broken);
}

#[test]
fn a_path_of_a_machine_and_a_private_note_are_found_with_their_line() {
    let text = format!("fine\nsee {}main\n", STRANGERS[0]);
    assert_eq!(
        strangers("a.md", &text),
        [format!("a.md:2 contains {}", STRANGERS[0])]
    );
    for stranger in STRANGERS {
        assert_eq!(strangers("a.md", stranger).len(), 1, "{stranger}");
    }
    assert_none(&strangers("a.md", "a framework/of, a network/for"));
}

#[test]
fn a_file_too_long_is_found_unless_it_is_a_test_or_the_schema() {
    let long = "line\n".repeat(MOST_LINES + 1);
    assert!(too_long("app/src/claim.rs", &long).is_some());
    assert!(too_long("app/src/contests.rs", &long).is_some());
    assert_none(&too_long("app/src/claim.rs", &"line\n".repeat(MOST_LINES)));
    for exempt in [
        "tests/contract/life.rs",
        "app/src/tests.rs",
        "app/src/claim/tests.rs",
        "adapter-sqlite/src/schema.rs",
    ] {
        assert_none(&too_long(exempt, &long));
    }
}

#[test]
fn a_crate_that_does_not_say_what_it_is_is_found() {
    assert!(untold("a/src/lib.rs", "use std::fmt;\n//! Late.\n").is_some());
    assert_none(&untold("a/src/lib.rs", "//! First.\n"));
}

#[test]
fn what_builds_leave_behind_is_not_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    for (inner, file) in [
        ("src", "lib.rs"),
        ("out", "CACHEDIR.TAG"),
        ("out", "old.rs"),
        (".git", "HEAD"),
        ("src", ".git"),
        (".ci", "run"),
    ] {
        fs::create_dir_all(folder.path().join(inner)).unwrap();
        fs::write(folder.path().join(inner).join(file), "").unwrap();
    }
    let found: Vec<String> = files_below(folder.path())
        .iter()
        .map(|path| {
            path.strip_prefix(folder.path())
                .unwrap()
                .display()
                .to_string()
        })
        .collect();
    assert_eq!(found, [".ci/run", "src/lib.rs"]);
}

/// Every file of the project below this folder, in order: without build folders, stores and hidden folders but `.ci`.
pub(super) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            // In a work tree that git made `.git` is a file.
            if kind.is_file() && !path.ends_with(".git") {
                files.push(path);
            } else if kind.is_dir() && belongs(&path) {
                folders.push(path);
            }
        }
    }
    files.sort();
    files
}

fn belongs(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let hidden = name.starts_with('.') && name != ".ci" && name != ".github";
    !hidden && !folder.join("CACHEDIR.TAG").exists()
}

fn is_source(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

fn strangers(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for stranger in STRANGERS
            .iter()
            .filter(|stranger| line.contains(**stranger))
        {
            found.push(format!("{name}:{number} contains {stranger}"));
        }
    }
    found
}

fn too_long(name: &str, source: &str) -> Option<String> {
    let exempt = name
        .split('/')
        .any(|part| matches!(part, "tests" | "tests.rs" | "schema.rs"));
    let lines = source.lines().count();
    (!exempt && lines > MOST_LINES)
        .then(|| format!("{name} has {lines} lines, {MOST_LINES} are the most"))
}

fn untold(name: &str, source: &str) -> Option<String> {
    (!source.starts_with("//!")).then(|| format!("{name} does not begin with //!"))
}

fn named(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}
