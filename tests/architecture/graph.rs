//! The workspace as `cargo metadata` tells it, cut down to what the rules look at.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What a dependency is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    Dev,
    Build,
}

/// One declared dependency; optional ones count like the others.
#[derive(Debug, Clone)]
pub(super) struct Edge {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) kind: Kind,
    /// A package of this workspace, not one from outside.
    pub(super) inside: bool,
}

/// The crates of the workspace, by folder name (`adapter-sqlite`), and what each declares.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) members: Vec<String>,
    pub(super) edges: Vec<Edge>,
}

impl Graph {
    /// Reads the workspace this test belongs to. Needs neither a network nor a downloaded package.
    pub(super) fn of_this_workspace() -> Self {
        let metadata = metadata(&["--no-deps", "--offline"]).expect("the workspace is readable");
        Self::from_metadata(&metadata)
    }

    fn from_metadata(metadata: &Value) -> Self {
        let root = PathBuf::from(text(&metadata["workspace_root"]));
        let packages = || list(&metadata["packages"]);
        let folder = |package: &Value| {
            let manifest = PathBuf::from(text(&package["manifest_path"]));
            let folder = manifest.parent().expect("a manifest lies in a folder");
            let folder = folder
                .strip_prefix(&root)
                .expect("a member lies in the workspace");
            folder
                .to_str()
                .expect("the folders have plain names")
                .to_owned()
        };
        let folder_of_name = |name: &str| {
            packages()
                .find(|package| text(&package["name"]) == name)
                .map(folder)
        };
        let mut graph = Self::default();
        for package in packages() {
            let from = folder(package);
            for dependency in list(&package["dependencies"]) {
                let name = text(&dependency["name"]);
                let inside = dependency["path"]
                    .is_string()
                    .then(|| folder_of_name(&name))
                    .flatten();
                graph.edges.push(Edge {
                    from: from.clone(),
                    inside: inside.is_some(),
                    to: inside.unwrap_or(name),
                    kind: kind(&dependency["kind"]),
                });
            }
            graph.members.push(from);
        }
        graph
    }

    /// A graph out of `from`, `to` pairs, for feeding a rule something bad.
    pub(super) fn of(inside: bool, kind: Kind, pairs: &[(&str, &str)]) -> Self {
        let edge = |(from, to): &(&str, &str)| Edge {
            from: (*from).into(),
            to: (*to).into(),
            kind,
            inside,
        };
        Self {
            members: Vec::new(),
            edges: pairs.iter().map(edge).collect(),
        }
    }
}

/// The folder that holds the workspace.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this package lies in the workspace")
        .to_path_buf()
}

/// Runs `cargo metadata --locked` with these further arguments; the error is what cargo said.
pub(super) fn metadata(arguments: &[&str]) -> Result<Value, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(arguments)
        .current_dir(root())
        .output()
        .map_err(|error| format!("cargo does not start: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cargo metadata is no JSON: {error}"))
}

/// The items of a JSON array.
pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value
        .as_array()
        .expect("cargo metadata has an array here")
        .iter()
}

/// A JSON text.
pub(super) fn text(value: &Value) -> String {
    value
        .as_str()
        .expect("cargo metadata has a text here")
        .to_owned()
}

fn kind(value: &Value) -> Kind {
    match value.as_str() {
        None => Kind::Normal,
        Some("dev") => Kind::Dev,
        Some("build") => Kind::Build,
        Some(other) => panic!("cargo metadata names a kind of dependency that is new: {other}"),
    }
}

#[test]
fn the_workspace_is_read_with_its_members_and_both_sorts_of_edges() {
    let graph = Graph::of_this_workspace();
    assert!(graph.members.iter().any(|member| member == "domain"));
    let has = |from: &str, to: &str, kind: Kind, inside: bool| {
        graph.edges.iter().any(|edge| {
            edge.from == from && edge.to == to && edge.kind == kind && edge.inside == inside
        })
    };
    assert!(has("ports", "domain", Kind::Normal, true));
    assert!(has("domain", "thiserror", Kind::Normal, false));
    assert!(has("domain", "proptest", Kind::Dev, false));
}
