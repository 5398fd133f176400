//! A backup and a restore, killed or refused at their n-th system call.

use std::collections::BTreeMap;
use std::fs;

use super::place::{Kind, Place, Ran};
use super::points::{FAILING, HARMLESS, choose, faults, said, told_truly};
use super::strace::{Call, calls, inject};
use super::{amount, on_both_stores, seed};
use crate::contract::random::numbers::Numbers;
use crate::figures::Figures;

const BACKUP: [&str; 2] = ["backup", "copy"];
const RESTORE: [&str; 3] = ["restore", "copy", "--force"];

/// A store with tasks, and how its export reads. Nothing is claimed, so that it reads the same at any time.
fn stocked(kind: Kind, tasks: std::ops::Range<u32>) -> (Place, String) {
    let place = Place::with_store(kind);
    place.add_tasks(tasks.map(|number| format!("T-{number}")));
    let export = place.works(&["export"]).stdout;
    (place, export)
}

fn export_of(place: &Place, store: &str) -> Ran {
    place.tasq(&["--store", store, "export"])
}

/// Whatever becomes of it, the store is well, there is a whole backup or none, and the next one works.
fn check_backup(place: &Place, export: &str, ran: &Ran, point: &str) {
    if place.project.join("copy").exists() {
        assert_eq!(export_of(place, "copy").stdout, export, "{point}");
        place.works(&["--store", "copy", "doctor"]);
    } else {
        assert_ne!(ran.code, Some(0), "{point}");
    }
    assert_eq!(place.works(&["export"]).stdout, export, "{point}");
    place.works(&["doctor"]);
    place.works(&["backup", "another"]);
    assert_eq!(export_of(place, "another").stdout, export, "{point}");
}

/// Whatever becomes of it, what was there is there or beside it, and the next one works.
fn check_restore(place: &Place, old: &str, new: &str, ran: &Ran, point: &str) {
    if place.store().exists() {
        let export = place.works(&["export"]).stdout;
        assert!(
            export == new || export == old && ran.code != Some(0),
            "{point}"
        );
    } else {
        assert_ne!(ran.code, Some(0), "{point}");
        let kept = kept(place).unwrap_or_else(|| panic!("{point}: it is gone"));
        assert_eq!(export_of(place, &kept).stdout, old, "{point}");
    }
    place.works(&RESTORE);
    assert_eq!(place.works(&["export"]).stdout, new, "{point}");
    place.works(&["doctor"]);
}

/// The store that was put aside.
fn kept(place: &Place) -> Option<String> {
    let folder = place.store().parent()?.to_owned();
    let ending = format!(".{}", place.store().extension()?.to_str()?);
    let mut names = fs::read_dir(&folder)
        .ok()?
        .map(|entry| entry.unwrap().path().display().to_string());
    names.find(|name| name.contains(".before-") && name.ends_with(&ending))
}

fn each_point(
    words: &[&str],
    template: &Place,
    mut figures: Figures,
    check: impl Fn(&Place, &Ran, &str),
) {
    let seed = seed();
    figures = figures.seeded(seed);
    let mut numbers = Numbers::new(seed);
    let calls = calls(&template.copy(), words);
    let (mut kills, mut tried, mut codes) = (0, 0, BTreeMap::new());
    let deadly = calls
        .iter()
        .filter(|call| !HARMLESS.contains(&call.name.as_str()));
    let deadly: Vec<Call> = deadly.cloned().collect();
    for call in choose(&deadly, amount(12, u32::MAX), &mut numbers) {
        let place = template.copy();
        let ran = inject(&place, call, "signal=KILL", words);
        let point = format!("seed {seed}: killed at {call:?}: {ran:?}");
        assert!(ran.code.is_none_or(|code| code == 0), "{point}");
        kills += u32::from(ran.signal == Some(9));
        check(&place, &ran, &point);
    }
    let may_fail: Vec<Call> = calls
        .into_iter()
        .filter(|call| FAILING.contains(&call.name.as_str()))
        .collect();
    for call in choose(&may_fail, amount(12, u32::MAX), &mut numbers) {
        let place = template.copy();
        let fault = numbers.one(&faults(call));
        let ran = inject(&place, call, fault, words);
        let point = format!("seed {seed}: {fault} at {call:?}: {ran:?}");
        assert!(told_truly(call, &ran), "{point}");
        tried += 1;
        *codes.entry(format!("{:?}", ran.code)).or_insert(0) += 1;
        check(&place, &ran, &point);
    }
    assert!(kills > 0, "nothing was killed");
    figures.count("kills", kills).count("failing calls", tried);
    figures.count("halves", 0);
    figures.count("exit statuses", said(&codes)).tell();
}

/// A backup that is killed at any system call, or meets an error there, leaves a whole file or none under its name.
fn a_backup_is_whole_or_not_there(kind: Kind) {
    let (template, export) = stocked(kind, 0..9);
    let promise = "a backup is whole or not there";
    let figures = Figures::of("a_backup_is_whole_or_not_there", kind.name(), promise);
    each_point(&BACKUP, &template, figures, |place, ran, point| {
        check_backup(place, &export, ran, point);
    });
}

/// A backup that replaces another, killed at any system call, leaves one of the two as a whole, with the history that
/// belongs to it, or none under that name and both in a folder beside it, which doctor tells of.
fn a_backup_over_another_is_one_of_the_two(kind: Kind) {
    let (template, old) = stocked(kind, 0..3);
    template.works(&BACKUP);
    template.works(&["task", "add", "later", "--feature", "F", "--id", "T-LATER"]);
    let new = template.works(&["export"]).stdout;
    let promise = "a backup that replaces another is whole, or the other one is";
    let name = "a_backup_over_another_is_one_of_the_two";
    let figures = Figures::of(name, kind.name(), promise);
    let again = ["backup", "copy", "--force"];
    each_point(&again, &template, figures, |disturbed, ran, point| {
        // Looking at a database makes a log beside it.
        let place = disturbed.copy();
        if place.project.join("copy").exists() {
            let found = export_of(&place, "copy").stdout;
            let acknowledged = ran.code == Some(0);
            let whole = found == new || found == old && !acknowledged;
            assert!(whole, "{point}");
            let told = place.data(&["--store", "copy", "doctor"]);
            let findings = told["findings"].as_array().unwrap();
            let mut told = findings.iter().filter(|it| it["severity"] != "ok");
            let other = told.find(|it| it["check"] != "orphan_files");
            assert_eq!(other, None, "{point}");
        } else {
            assert_ne!(ran.code, Some(0), "{point}");
            let names = fs::read_dir(&place.project).unwrap();
            let mut names = names.map(|entry| entry.unwrap().path());
            let left = names.find(|name| name.extension().is_some_and(|it| it == "tmp"));
            let left = left.unwrap_or_else(|| panic!("{point}: both are gone"));
            let replaced = left.join("replaced/copy").display().to_string();
            assert_eq!(export_of(&place, &replaced).stdout, old, "{point}");
        }
        disturbed.works(&again);
        assert_eq!(export_of(disturbed, "copy").stdout, new, "{point}");
    });
}

/// A restore over a store that is not empty loses nothing of it at any system call.
fn a_restore_loses_nothing_of_what_was_there(kind: Kind) {
    let (template, new) = stocked(kind, 0..3);
    template.works(&BACKUP);
    template.works(&["task", "add", "later", "--feature", "F", "--id", "T-LATER"]);
    let old = template.works(&["export"]).stdout;
    let promise = "a restore loses nothing of what was there";
    let name = "a_restore_loses_nothing_of_what_was_there";
    let figures = Figures::of(name, kind.name(), promise);
    each_point(&RESTORE, &template, figures, |place, ran, point| {
        check_restore(place, &old, &new, ran, point);
    });
}

on_both_stores!(
    a_backup_is_whole_or_not_there,
    a_backup_over_another_is_one_of_the_two,
    a_restore_loses_nothing_of_what_was_there,
);
