//! Which crates from outside may be named where.

use super::assert_none;
use super::graph::{Edge, Graph, Kind};

/// A crate that lists everything it may use from outside: what it is for, and the whole list.
struct Only {
    member: &'static str,
    kind: Kind,
    externals: &'static [&'static str],
}

/// The core stays small enough to be reused by itself.
const ONLY: &[Only] = &[
    Only {
        member: "domain",
        kind: Kind::Normal,
        externals: &["thiserror"],
    },
    Only {
        member: "domain",
        kind: Kind::Dev,
        externals: &["proptest"],
    },
    Only {
        member: "domain",
        kind: Kind::Build,
        externals: &[],
    },
    Only {
        member: "ports",
        kind: Kind::Normal,
        externals: &["thiserror", "mockall"],
    },
    Only {
        member: "ports",
        kind: Kind::Build,
        externals: &[],
    },
];

/// A family of crates (by how the name begins) and the only places for it, in code and in tests alike.
const OWNERS: &[(&str, &[&str])] = &[
    // The benchmark's floor is bare SQLite.
    ("diesel", &["adapter-sqlite", "benches"]),
    (
        "libsqlite3-sys",
        &["adapter-sqlite", "sqlite-native", "benches"],
    ),
    ("rusqlite", &["benches"]),
    // The edge: arguments, signals, errors without a type.
    ("clap", &["app-cli"]),
    ("signal-hook", &["app-cli"]),
    ("anyhow", &["app-cli", "benches", "tests"]),
    // Everything is synchronous.
    ("tokio", &[]),
    ("async-", &[]),
    ("futures", &[]),
    // Serialized shapes live at their edge.
    (
        "serde",
        &[
            "formats",
            "app",
            "adapter-json",
            "adapter-sqlite",
            "app-cli",
            "benches",
            "tests",
        ],
    ),
];

#[test]
fn every_crate_from_outside_is_where_it_belongs() {
    assert_none(&out_of_place(&Graph::of_this_workspace()));
}

#[test]
fn a_new_dependency_of_the_core_is_found() {
    for pair in [("domain", "jiff"), ("domain", "serde"), ("ports", "sha2")] {
        assert!(
            !out_of_place(&Graph::of(false, Kind::Normal, &[pair])).is_empty(),
            "{pair:?}"
        );
    }
    assert_eq!(
        out_of_place(&Graph::of(false, Kind::Dev, &[("domain", "tempfile")])).len(),
        1
    );
    assert_eq!(
        out_of_place(&Graph::of(false, Kind::Build, &[("ports", "cc")])).len(),
        1
    );
    assert_none(&out_of_place(&Graph::of(
        false,
        Kind::Normal,
        &[("domain", "thiserror")],
    )));
}

#[test]
fn a_database_outside_its_adapter_is_found() {
    for pair in [
        ("app", "diesel"),
        ("app-cli", "diesel_migrations"),
        ("tests", "libsqlite3-sys"),
    ] {
        assert_eq!(
            out_of_place(&Graph::of(false, Kind::Normal, &[pair])).len(),
            1,
            "{pair:?}"
        );
    }
    assert_none(&out_of_place(&Graph::of(
        false,
        Kind::Normal,
        &[("adapter-sqlite", "diesel_migrations")],
    )));
}

#[test]
fn the_tools_of_the_edge_are_found_in_a_library() {
    for pair in [
        ("app", "anyhow"),
        ("app", "clap"),
        ("formats", "clap_complete"),
        ("files", "signal-hook"),
    ] {
        assert_eq!(
            out_of_place(&Graph::of(false, Kind::Normal, &[pair])).len(),
            1,
            "{pair:?}"
        );
    }
}

#[test]
fn an_async_runtime_is_found_anywhere_even_in_tests() {
    for member in ["app", "app-cli", "tests"] {
        assert_eq!(
            out_of_place(&Graph::of(false, Kind::Dev, &[(member, "tokio")])).len(),
            1,
            "{member}"
        );
    }
}

fn out_of_place(graph: &Graph) -> Vec<String> {
    let outside = || graph.edges.iter().filter(|edge| !edge.inside);
    let beyond_list = outside().filter(|edge| is_beyond_the_list(edge));
    let strayed = outside().filter(|edge| has_strayed(edge));
    beyond_list
        .map(|edge| {
            format!(
                "{} lists what it may use ({:?}), and {} is not on it",
                edge.from, edge.kind, edge.to
            )
        })
        .chain(strayed.map(|edge| {
            format!(
                "{} may not be used in {} ({:?})",
                edge.to, edge.from, edge.kind
            )
        }))
        .collect()
}

fn is_beyond_the_list(edge: &Edge) -> bool {
    ONLY.iter().any(|only| {
        only.member == edge.from
            && only.kind == edge.kind
            && !only.externals.contains(&edge.to.as_str())
    })
}

fn has_strayed(edge: &Edge) -> bool {
    OWNERS.iter().any(|(family, owners)| {
        edge.to.starts_with(family) && !owners.contains(&edge.from.as_str())
    })
}
