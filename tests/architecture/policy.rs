//! What we take from outside: under which licence, from where, and in how many versions.

use std::collections::{BTreeMap, BTreeSet};

use spdx::{Expression, LicenseReq, ParseMode};

use super::assert_none;
use super::graph::{list, metadata, text};

/// Licences that ask for no more than their notice.
const LICENCES: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Unlicense",
    "Zlib",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "0BSD",
    "Unicode-3.0",
];

/// A package that comes in more than one version, and why that is borne.
struct Duplicate {
    name: &'static str,
    /// As far as versions are incompatible: `2`, or `0.7`.
    versions: &'static [&'static str],
    #[expect(
        dead_code,
        reason = "for the reader: an entry without a reason does not compile"
    )]
    reason: &'static str,
}

const DUPLICATES: &[Duplicate] = &[
    Duplicate {
        name: "syn",
        versions: &["2", "3"],
        reason: "at build time only: Diesel's derives are still on 2, those of serde, clap and thiserror on 3",
    },
    Duplicate {
        name: "winnow",
        versions: &["0.7", "1"],
        reason: "at build time only: the TOML reader of Diesel's migrations is in the midst of its own update",
    },
];

/// A package as far as the policy looks at it. `source` is absent for what lies in a folder.
#[derive(Debug, Clone)]
struct Package {
    name: String,
    version: String,
    licence: Option<String>,
    source: Option<String>,
    ours: bool,
}

#[test]
fn every_licence_is_one_we_can_pass_on() {
    assert_none(&unfit_licences(&packages()));
}

#[test]
fn everything_comes_from_the_one_registry() {
    assert_none(&strange_sources(&packages()));
}

#[test]
fn a_package_in_two_versions_is_listed_with_its_reason() {
    assert_none(&unlisted_duplicates(&packages(), DUPLICATES));
}

#[test]
fn an_unfit_or_absent_licence_is_found() {
    for licence in [
        "GPL-3.0-only",
        "MIT AND LGPL-3.0-only",
        "Apache-2.0 AND (MIT AND GPL-2.0-only)",
        "Proprietary",
    ] {
        assert_eq!(
            unfit_licences(&[package("a", "1.0.0", Some(licence))]).len(),
            1,
            "{licence}"
        );
    }
    assert_eq!(unfit_licences(&[package("a", "1.0.0", None)]).len(), 1);
}

#[test]
fn one_fit_licence_of_several_offered_is_enough() {
    for licence in [
        "MIT",
        "MIT/Apache-2.0",
        "Apache-2.0 / MIT",
        "MIT OR GPL-3.0-only",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception OR MIT",
    ] {
        assert_none(&unfit_licences(&[package("a", "1.0.0", Some(licence))]));
    }
}

#[test]
fn a_source_that_is_no_registry_or_another_one_is_found() {
    let from = |source: Option<&str>| Package {
        source: source.map(str::to_owned),
        ..package("a", "1.0.0", None)
    };
    assert_none(&strange_sources(&[
        from(Some("registry+one")),
        from(Some("registry+one")),
    ]));
    assert_eq!(
        strange_sources(&[from(Some("registry+one")), from(Some("registry+two"))]).len(),
        1
    );
    assert_eq!(strange_sources(&[from(Some("git+one"))]).len(), 1);
    assert_eq!(
        strange_sources(&[from(None)]).len(),
        1,
        "a folder outside the workspace"
    );
}

#[test]
fn a_second_version_and_a_stale_entry_are_found() {
    let twice = [package("a", "1.4.0", None), package("a", "0.3.2", None)];
    assert_eq!(unlisted_duplicates(&twice, &[]).len(), 1);
    let listed = |versions| {
        [Duplicate {
            name: "a",
            versions,
            reason: "for this test",
        }]
    };
    assert_none(&unlisted_duplicates(&twice, &listed(&["0.3", "1"])));
    assert_eq!(
        unlisted_duplicates(&twice, &listed(&["1", "2"])).len(),
        1,
        "other versions than the listed ones"
    );
    assert_eq!(
        unlisted_duplicates(&twice[..1], &listed(&["0.3", "1"])).len(),
        1,
        "an entry that is over"
    );
}

/// Every package that the lock file names, for every platform.
///
/// A build has downloaded those of its own platform only; when the others are absent, cargo fetches them.
fn packages() -> Vec<Package> {
    let metadata =
        metadata(&["--offline", "--all-features"]).or_else(|_| metadata(&["--all-features"]));
    let metadata =
        metadata.unwrap_or_else(|error| panic!("run `cargo fetch --locked` once: {error}"));
    let members: BTreeSet<String> = list(&metadata["workspace_members"]).map(text).collect();
    let package = |package: &serde_json::Value| Package {
        name: text(&package["name"]),
        version: text(&package["version"]),
        licence: package["license"].as_str().map(str::to_owned),
        source: package["source"].as_str().map(str::to_owned),
        ours: members.contains(&text(&package["id"])),
    };
    list(&metadata["packages"]).map(package).collect()
}

fn unfit_licences(packages: &[Package]) -> Vec<String> {
    let judged = packages.iter().filter_map(|package| {
        let fault = match &package.licence {
            None => "names no licence".to_owned(),
            Some(licence) => licence_fault(licence)?,
        };
        Some(format!("{} {} {fault}", package.name, package.version))
    });
    judged.collect()
}

fn licence_fault(licence: &str) -> Option<String> {
    match Expression::parse_mode(licence, ParseMode::LAX) {
        Ok(expression) if expression.evaluate(is_allowed) => None,
        Ok(_) => Some(format!("is under {licence}")),
        Err(error) => Some(format!(
            "has a licence that cannot be read, {licence}: {}",
            error.reason
        )),
    }
}

/// An exception (`WITH …`) only ever permits more.
fn is_allowed(requirement: &LicenseReq) -> bool {
    requirement
        .license
        .id()
        .is_some_and(|licence| LICENCES.contains(&licence.name))
}

fn strange_sources(packages: &[Package]) -> Vec<String> {
    let outside = || packages.iter().filter(|package| !package.ours);
    let registry = outside().find_map(|package| {
        package
            .source
            .as_deref()
            .filter(|source| is_registry(source))
    });
    let strange = outside()
        .filter(|package| package.source.is_none() || package.source.as_deref() != registry);
    strange
        .map(|package| {
            let source = package
                .source
                .as_deref()
                .unwrap_or("a folder outside the workspace");
            format!("{} {} comes from {source}", package.name, package.version)
        })
        .collect()
}

fn is_registry(source: &str) -> bool {
    source.starts_with("registry+")
}

fn unlisted_duplicates(packages: &[Package], listed: &[Duplicate]) -> Vec<String> {
    let mut versions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for package in packages {
        versions
            .entry(&package.name)
            .or_default()
            .insert(incompatible_part(&package.version));
    }
    versions.retain(|_, versions| versions.len() > 1);
    let mut broken = Vec::new();
    for duplicate in listed {
        let expected: BTreeSet<String> = duplicate
            .versions
            .iter()
            .map(|version| (*version).to_owned())
            .collect();
        let found = versions.remove(duplicate.name).unwrap_or_default();
        if found != expected {
            broken.push(format!(
                "{} is listed in versions {expected:?}, there are {found:?}",
                duplicate.name
            ));
        }
    }
    broken.extend(
        versions
            .iter()
            .map(|(name, versions)| format!("{name} comes in versions {versions:?}")),
    );
    broken
}

/// The part of a version that keeps two of them apart: `2` of 2.0.119, `0.7` of 0.7.15.
fn incompatible_part(version: &str) -> String {
    let parts: Vec<&str> = version.split('.').collect();
    let end = parts.iter().position(|part| *part != "0").unwrap_or(0);
    parts[..=end].join(".")
}

fn package(name: &str, version: &str, licence: Option<&str>) -> Package {
    Package {
        name: name.to_owned(),
        version: version.to_owned(),
        licence: licence.map(str::to_owned),
        source: None,
        ours: false,
    }
}
