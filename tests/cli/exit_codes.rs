//! Exit statuses and codes, as documented.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tasq_app::Code;

use super::harness::Sandbox;

/// What other programs depend on.
const TABLE: [(&str, u8); 16] = [
    ("check_failed", 1),
    ("usage", 2),
    ("not_found", 3),
    ("ambiguous", 3),
    ("conflict", 4),
    ("nothing_ready", 5),
    ("busy", 6),
    ("storage", 7),
    ("damaged", 8),
    ("too_new", 9),
    ("outcome_unknown", 10),
    ("denied", 11),
    ("limit", 12),
    ("invalid_data", 13),
    ("not_verified", 14),
    ("bug", 70),
];

#[test]
fn the_codes_are_the_promised_ones() {
    let codes: BTreeMap<&str, u8> = Code::ALL
        .iter()
        .map(|code| (code.as_str(), code.exit_status()))
        .collect();
    assert_eq!(codes, TABLE.into_iter().collect());
}

#[test]
fn the_help_tells_every_status() {
    let help = Sandbox::bare().tasq(&["--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    let section = help.stdout.split("Exit status:").nth(1).unwrap();
    let told: BTreeSet<u8> = section
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let codes = Code::ALL.iter().map(|code| code.exit_status());
    assert_eq!(told, codes.chain([0]).collect());
}

#[test]
fn the_readme_tells_every_status_and_code() {
    // The rows of its table: `| 3 | not_found, ambiguous | … |`.
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let told: BTreeSet<(String, u8)> = readme.lines().flat_map(row).collect();
    let codes = Code::ALL
        .iter()
        .map(|code| (code.as_str().to_owned(), code.exit_status()));
    assert_eq!(told, codes.collect());
}

fn row(line: &str) -> Vec<(String, u8)> {
    let mut cells = line
        .trim_matches('|')
        .split('|')
        .map(|cell| cell.trim().replace('`', ""));
    let (Some(status), Some(codes)) = (
        cells.next().and_then(|cell| cell.parse().ok()),
        cells.next(),
    ) else {
        return Vec::new();
    };
    let known = |word: &&str| TABLE.iter().any(|(code, _)| code == word);
    codes
        .split(", ")
        .filter(known)
        .map(|code| (code.to_owned(), status))
        .collect()
}
