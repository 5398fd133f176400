//! `domain` does no I/O and reads no clock: its sources name nothing of `std` that could.

use std::fs;
use std::path::Path;

use super::assert_none;
use super::graph::root;
use super::house::files_below;

/// What of `std` reaches outside the program; a path below one of these counts as well.
const OUTSIDE: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time",
];

/// A span of time is a number, not a clock.
const HARMLESS: &[&str] = &["std::time::Duration"];

#[test]
fn domain_reaches_nothing_outside_the_program() {
    let mut broken = Vec::new();
    let mut sources = files_below(&root().join("domain/src"));
    sources.retain(|path| !path.ends_with("tests.rs"));
    assert!(!sources.is_empty(), "domain has sources");
    for path in sources {
        let source = fs::read_to_string(&path).unwrap();
        let found = reaches_outside(&source);
        broken.extend(
            found
                .into_iter()
                .map(|what| format!("{} names {what}", shown(&path))),
        );
    }
    assert_none(&broken);
}

#[test]
fn a_plain_path_and_an_import_are_found() {
    assert_eq!(
        reaches_outside("let t = std::time::SystemTime::now();"),
        ["std::time::SystemTime::now"]
    );
    assert_eq!(reaches_outside("use std::fs;"), ["std::fs"]);
    assert_eq!(reaches_outside("use std::time; fn f() {}"), ["std::time"]);
}

#[test]
fn what_a_grouped_import_brings_is_found() {
    let source = "use std::{\n    collections::BTreeMap,\n    fs::{self, File},\n    time::{Duration, Instant},\n};";
    assert_eq!(
        reaches_outside(source),
        ["std::fs::self", "std::fs::File", "std::time::Instant"]
    );
}

#[test]
fn only_the_tests_at_the_end_are_free() {
    let source = "use std::fs;\n#[cfg(test)]\nmod tests {\n    use std::thread;\n}\n";
    assert_eq!(reaches_outside(source), ["std::fs"]);
    let source = "#[cfg(test)]\nmod tests;\nuse std::fs;\n";
    assert_eq!(reaches_outside(source), ["std::fs"]);
}

#[test]
fn comments_spans_of_time_and_the_rest_of_std_are_left_alone() {
    let source = "//! Not `std::fs`.\nuse std::time::Duration;\nuse std::{fmt, collections::{BTreeMap, BTreeSet}};\n";
    assert_none(&reaches_outside(source));
    assert_none(&reaches_outside("use std::environment::x;"));
}

/// The paths below `std` that could reach outside, in order; comments and the tests at a file's end are free.
fn reaches_outside(source: &str) -> Vec<String> {
    let lines = source.lines().take_while(|line| *line != "mod tests {");
    let lines: Vec<&str> = lines
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let code = lines.join("\n");
    let mut paths = Vec::new();
    for (start, _) in code.match_indices("std::") {
        if !code[..start].ends_with(|before: char| before.is_alphanumeric() || before == '_') {
            expand("std::", &code[start + "std::".len()..], &mut paths);
        }
    }
    paths.retain(|path| is_or_is_below(path, OUTSIDE) && !is_or_is_below(path, HARMLESS));
    paths
}

/// Adds each full path that `text` (what follows `prefix`) spells, group by group; returns what is left of `text`.
fn expand<'a>(prefix: &str, text: &'a str, paths: &mut Vec<String>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = expand(prefix, rest, paths).trim_start();
            match rest.strip_prefix(',') {
                Some(after) => rest = after,
                None => return rest.strip_prefix('}').unwrap_or(""),
            }
        }
    }
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':')
        .unwrap_or(text.len());
    let (path, rest) = text.split_at(end);
    if path.ends_with("::") && rest.starts_with('{') {
        return expand(&format!("{prefix}{path}"), rest, paths);
    }
    if !path.is_empty() {
        paths.push(format!("{prefix}{path}").trim_end_matches(':').to_owned());
    }
    // `Read as _` inside a group: skip to the end of the item.
    rest.find([',', '}', ';', '{'])
        .map_or("", |end| &rest[end..])
}

fn is_or_is_below(path: &str, roots: &[&str]) -> bool {
    roots.iter().any(|root| {
        path.strip_prefix(root)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    })
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}
