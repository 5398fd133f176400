//! Who may depend on whom inside the workspace: what is not written here does not exist.

use super::assert_none;
use super::graph::{Graph, Kind};

/// A crate and the crates of this workspace that its code may name.
///
/// The faces (`app-*`) and the programs that measure and test know everybody; nobody knows them.
const ALLOWED: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("ports", &["domain"]),
    ("formats", &["domain"]),
    ("files", &["ports"]),
    ("app", &["domain", "ports", "formats"]),
    ("adapter-memory", &["domain", "ports"]),
    (
        "adapter-json",
        &["domain", "ports", "formats", "files", "adapter-memory"],
    ),
    ("sqlite-native", &[]),
    (
        "adapter-sqlite",
        &["domain", "ports", "files", "sqlite-native"],
    ),
    ("app-cli", LIBRARIES),
    ("tests", LIBRARIES),
    ("benches", LIBRARIES),
];

const LIBRARIES: &[&str] = &[
    "domain",
    "ports",
    "formats",
    "files",
    "app",
    "adapter-memory",
    "adapter-json",
    "sqlite-native",
    "adapter-sqlite",
];

/// What a crate's own tests may name beyond [`ALLOWED`].
const ALLOWED_IN_TESTS: &[(&str, &[&str])] = &[
    // Use cases are tested on the reference store.
    ("app", &["adapter-memory"]),
    // The face is tested through its library, too.
    ("tests", &["app-cli"]),
];

#[test]
fn every_edge_of_the_workspace_is_allowed() {
    assert_none(&forbidden_edges(&Graph::of_this_workspace()));
}

#[test]
fn every_crate_of_the_workspace_has_its_line_here() {
    assert_none(&lines_that_differ(&Graph::of_this_workspace()));
}

#[test]
fn an_edge_upwards_is_found() {
    for pair in [
        ("domain", "ports"),
        ("ports", "app"),
        ("app", "adapter-memory"),
        ("app", "adapter-sqlite"),
    ] {
        assert_eq!(
            forbidden_edges(&Graph::of(true, Kind::Normal, &[pair])).len(),
            1,
            "{pair:?}"
        );
    }
}

#[test]
fn an_edge_between_stores_is_found() {
    assert_eq!(
        forbidden_edges(&Graph::of(
            true,
            Kind::Normal,
            &[("adapter-sqlite", "adapter-json")]
        ))
        .len(),
        1
    );
    assert_eq!(
        forbidden_edges(&Graph::of(
            true,
            Kind::Normal,
            &[("adapter-memory", "formats")]
        ))
        .len(),
        1
    );
}

#[test]
fn nobody_but_a_test_depends_on_a_face() {
    assert_eq!(
        forbidden_edges(&Graph::of(true, Kind::Normal, &[("benches", "app-cli")])).len(),
        1
    );
    assert_none(&forbidden_edges(&Graph::of(
        true,
        Kind::Dev,
        &[("tests", "app-cli")],
    )));
}

#[test]
fn a_crate_that_is_not_listed_may_depend_on_nothing() {
    assert_eq!(
        forbidden_edges(&Graph::of(true, Kind::Normal, &[("app-new", "domain")])).len(),
        1
    );
}

#[test]
fn tests_may_name_a_little_more_but_not_everything() {
    assert_none(&forbidden_edges(&Graph::of(
        true,
        Kind::Dev,
        &[("app", "adapter-memory"), ("app", "ports")],
    )));
    assert_eq!(
        forbidden_edges(&Graph::of(true, Kind::Dev, &[("app", "adapter-sqlite")])).len(),
        1
    );
    assert_eq!(
        forbidden_edges(&Graph::of(true, Kind::Dev, &[("domain", "adapter-memory")])).len(),
        1
    );
}

#[test]
fn a_build_script_depends_on_no_crate_of_ours() {
    assert_eq!(
        forbidden_edges(&Graph::of(true, Kind::Build, &[("app", "domain")])).len(),
        1
    );
}

#[test]
fn a_crate_without_a_line_and_a_line_without_a_crate_are_found() {
    let mut members: Vec<String> = ALLOWED.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_none(&lines_that_differ(&Graph {
        members: members.clone(),
        edges: Vec::new(),
    }));
    members[0] = "app-new".into();
    assert_eq!(
        lines_that_differ(&Graph {
            members,
            edges: Vec::new()
        })
        .len(),
        2
    );
}

fn forbidden_edges(graph: &Graph) -> Vec<String> {
    let inside = graph.edges.iter().filter(|edge| edge.inside);
    let forbidden = inside.filter(|edge| match edge.kind {
        Kind::Normal => !lists(ALLOWED, &edge.from, &edge.to),
        Kind::Dev => {
            !lists(ALLOWED, &edge.from, &edge.to) && !lists(ALLOWED_IN_TESTS, &edge.from, &edge.to)
        }
        Kind::Build => true,
    });
    forbidden
        .map(|edge| {
            format!(
                "{} may not depend on {} ({:?})",
                edge.from, edge.to, edge.kind
            )
        })
        .collect()
}

fn lines_that_differ(graph: &Graph) -> Vec<String> {
    let unlisted = graph
        .members
        .iter()
        .filter(|member| ALLOWED.iter().all(|(name, _)| name != member));
    let unlisted = unlisted.map(|member| format!("{member} has no line among the allowed edges"));
    let stale = ALLOWED
        .iter()
        .filter(|(name, _)| graph.members.iter().all(|member| member != name));
    let stale = stale
        .map(|(name, _)| format!("{name} has a line among the allowed edges, but is no crate"));
    unlisted.chain(stale).collect()
}

fn lists(table: &[(&str, &[&str])], from: &str, to: &str) -> bool {
    table
        .iter()
        .any(|(name, targets)| *name == from && targets.contains(&to))
}
