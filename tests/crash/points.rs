//! Each mutating command, killed or refused at its n-th system call.
//!
//! A command is first watched, to know which calls it makes in the project. Then it runs again on the same store, and
//! one of those calls is its last, or fails. What is in the store afterwards is what was there before, or what the
//! command would have made; repeated under its operation id, it makes just that.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tasq_ports::StoreError;

use super::place::{Kind, Place, Ran, binary, text};
use super::strace::{Call, calls, inject};
use super::{amount, audit, on_both_stores, seed};
use crate::contract::random::numbers::Numbers;
use crate::figures::Figures;

const ALL_OR_NOTHING: &str = "a command that is killed did all or nothing; if it answered, all";
const TOLD_TRULY: &str = "a failing call is got over, or told as what it did to the store";
/// The calls that are made to fail.
pub(super) const FAILING: [&str; 20] = [
    "open",
    "openat",
    "read",
    "pread64",
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "ftruncate",
    "fallocate",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "fchmod",
    "fcntl",
    "flock",
];
/// What only reads, or lets go: being killed there is like being killed at the call after it.
pub(super) const HARMLESS: [&str; 3] = ["read", "pread64", "close"];
const FAULTS: [&str; 3] = ["error=EIO", "error=ENOSPC", "error=EINTR"];
/// A write that takes nothing of what it is given, the shortest there is. Those that are cut in the middle have a test of
/// their own.
const SHORT: &str = "retval=0";

/// A command that is killed at any system call has done all it was asked for or nothing; if it answered,
/// all. The next command works by itself.
fn a_kill_at_any_call_leaves_all_or_nothing(kind: Kind) {
    let seed = seed();
    let name = "a_kill_at_any_call_leaves_all_or_nothing";
    let mut figures = Figures::of(name, kind.name(), ALL_OR_NOTHING).seeded(seed);
    let mut numbers = Numbers::new(seed);
    let (mut tried, mut hit) = (0, 0);
    for subject in Subject::all(kind) {
        let mut calls = calls(&subject.template.copy(), &subject.words());
        calls.retain(|call| !HARMLESS.contains(&call.name.as_str()));
        for call in choose(&calls, amount(12, u32::MAX), &mut numbers) {
            let place = subject.template.copy();
            let ran = inject(&place, call, "signal=KILL", &subject.words());
            let point = format!("seed {seed}: {} killed at {call:?}: {ran:?}", subject.name);
            tried += 1;
            hit += u32::from(ran.signal == Some(9));
            assert!(ran.code.is_none_or(|code| code == 0), "{point}");
            subject.check(&place, &ran, &point);
        }
    }
    assert!(hit * 2 > tried, "of {tried} kills only {hit} hit");
    figures.count("points", tried).count("kills", hit);
    figures.count("halves", 0).tell();
}

/// When a system call fails, the command works all the same (0), or says that nothing was written (7, or 6 when
/// it was the call for a lock; and it is so), or that it does not know (10). It never panics, and the store can be read
/// and written afterwards.
fn an_error_at_any_call_is_told_truly(kind: Kind) {
    let seed = seed();
    let name = "an_error_at_any_call_is_told_truly";
    let mut figures = Figures::of(name, kind.name(), TOLD_TRULY).seeded(seed);
    let mut numbers = Numbers::new(seed);
    let (mut tried, mut codes) = (0, BTreeMap::new());
    for subject in Subject::all(kind) {
        let mut calls = calls(&subject.template.copy(), &subject.words());
        calls.retain(|call| FAILING.contains(&call.name.as_str()));
        for call in choose(&calls, amount(12, u32::MAX), &mut numbers) {
            let all = faults(call);
            let some = if crate::contract::full() {
                all
            } else {
                vec![numbers.one(&all)]
            };
            for fault in some {
                let place = subject.template.copy();
                let ran = inject(&place, call, fault, &subject.words());
                let point = format!(
                    "seed {seed}: {}, {fault} at {call:?}: {ran:?}",
                    subject.name
                );
                assert!(told_truly(call, &ran), "{point}");
                tried += 1;
                *codes.entry(format!("{:?}", ran.code)).or_insert(0) += 1;
                subject.check(&place, &ran, &point);
            }
        }
    }
    figures.count("points", tried).count("halves", 0);
    figures.count("exit statuses", said(&codes)).tell();
}

/// The same for a write that is cut in the middle, because the file may grow no further (`ulimit -f`). Here nothing is in
/// doubt: what was cut does not count.
fn a_write_that_is_cut_short_is_told_truly(kind: Kind) {
    let seed = seed();
    let name = "a_write_that_is_cut_short_is_told_truly";
    let mut figures = Figures::of(name, kind.name(), TOLD_TRULY).seeded(seed);
    let mut numbers = Numbers::new(seed);
    let (mut tried, mut codes) = (0, BTreeMap::new());
    for subject in Subject::all(kind) {
        let done = subject.template.copy();
        done.works(&subject.words);
        let largest = largest_file(&done.project);
        for _ in 0..amount(6, 200) {
            let limit = numbers.below(largest + 4096);
            let place = subject.template.copy();
            let ran = Ran::of(
                place
                    .program("prlimit")
                    .arg(format!("--fsize={limit}"))
                    .arg(binary())
                    .args(&subject.words),
            );
            let point = format!("seed {seed}: {}, {limit} bytes: {ran:?}", subject.name);
            assert!(matches!(ran.code, Some(0 | 7)), "{point}");
            tried += 1;
            *codes.entry(format!("{:?}", ran.code)).or_insert(0) += 1;
            subject.check(&place, &ran, &point);
        }
    }
    figures.count("points", tried).count("halves", 0);
    figures.count("exit statuses", said(&codes)).tell();
}

/// The size of the largest file below a folder.
fn largest_file(folder: &Path) -> u32 {
    let sizes = fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        match entry.metadata().unwrap() {
            facts if facts.is_dir() => largest_file(&entry.path()),
            facts => u32::try_from(facts.len()).unwrap(),
        }
    });
    sizes.max().unwrap_or(0)
}

/// What may befall a call.
pub(super) fn faults(call: &Call) -> Vec<&'static str> {
    let mut faults = FAULTS.to_vec();
    if matches!(call.name.as_str(), "write" | "pwrite64") {
        faults.push(SHORT);
    }
    faults
}

/// Whether a command may end so after this.
pub(super) fn told_truly(call: &Call, ran: &Ran) -> bool {
    let about_a_lock = matches!(call.name.as_str(), "fcntl" | "flock");
    // SQLite says of a page that cannot be read what it says of one that is wrong.
    let unreadable = matches!(call.name.as_str(), "read" | "pread64");
    match ran.code {
        Some(0 | 7 | 10) => true,
        Some(6) => about_a_lock,
        Some(8) => unreadable,
        _ => false,
    }
}

/// How often each exit status was seen.
pub(super) fn said(codes: &BTreeMap<String, u32>) -> String {
    let each = codes.iter().map(|(code, times)| format!("{code} {times}×"));
    each.collect::<Vec<_>>().join(", ")
}

on_both_stores!(
    a_kill_at_any_call_leaves_all_or_nothing,
    an_error_at_any_call_is_told_truly,
    a_write_that_is_cut_short_is_told_truly,
);

/// A command, and a place in which it can run.
struct Subject {
    name: &'static str,
    words: Vec<String>,
    template: Place,
    /// Whether repeating it under its operation id is safe; else its target is another store than the place's.
    target: Option<&'static str>,
    before: Option<String>,
    /// What may be there as well: a copy that was broken off has an empty store as its target, which the next one fills.
    begun: Option<String>,
    after: String,
}

impl Subject {
    fn all(kind: Kind) -> Vec<Self> {
        let (token, busy) = busy_place(kind);
        let held = ["T-HELD", "--token", &token, "--op", "op"];
        let with = |words: &[&'static str]| [words, &held].concat();
        let store = |name, words: &[&str]| Self::new(name, words, busy.copy(), None);
        let other = kind.other_file();
        let plain = busy.copy();
        plain.works(&["copy", "--from", kind.file(), "--to", "from.json"]);
        vec![
            Self::new(
                "init",
                &["init", "--name", "q"],
                Place::bare(kind),
                Some(kind.file()),
            ),
            Self::new(
                "copy",
                &["copy", "--from", "from.json", "--to", other],
                plain,
                Some(other),
            ),
            store(
                "add",
                &[
                    "task",
                    "add",
                    "new",
                    "--feature",
                    "F",
                    "--id",
                    "T-NEW",
                    "--op",
                    "op",
                ],
            ),
            store("claim", &["claim", "--op", "op"]),
            store("complete", &with(&["complete", "--next", "--summary", "s"])),
            store("fail", &with(&["fail", "--message", "broken"])),
            store("release", &with(&["release"])),
            store("hold", &["hold", "F", "--reason", "later", "--op", "op"]),
            store("import", &["import", "plan.json", "--op", "op"]),
        ]
    }

    fn new(
        name: &'static str,
        words: &[&str],
        template: Place,
        target: Option<&'static str>,
    ) -> Self {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let path = template
            .project
            .join(target.unwrap_or(template.kind.file()));
        let before = match audit::contents(template.kind, &path) {
            Ok(contents) => Some(audit::normal(contents)),
            Err(StoreError::Missing { .. }) => None,
            Err(error) => panic!("{name}: {error}"),
        };
        let place = template.copy();
        place.works(&words);
        let path = place.project.join(target.unwrap_or(place.kind.file()));
        let after = audit::normal(audit::sound(place.kind, &path));
        assert_ne!(before.as_ref(), Some(&after), "{name} changes something");
        let begun = (name == "copy").then(|| {
            let empty = Place::bare(template.kind);
            empty.works(&["init", "--name", "test"]);
            audit::normal(audit::sound(empty.kind, &empty.store()))
        });
        Self {
            name,
            words,
            template,
            target,
            before,
            begun,
            after,
        }
    }

    fn words(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).collect()
    }

    /// Looks at what is there after a command was disturbed, then repeats it undisturbed.
    fn check(&self, place: &Place, ran: &Ran, point: &str) {
        let path = place.project.join(self.target.unwrap_or(place.kind.file()));
        let found = match audit::contents(place.kind, &path) {
            Ok(contents) => Some(audit::normal(contents)),
            Err(StoreError::Missing { .. }) => None,
            Err(error) => panic!("{point}\nit cannot be read: {error}"),
        };
        let done = found.as_ref() == Some(&self.after);
        let begun = found.is_some() && found == self.begun;
        let untouched = found == self.before || begun;
        match ran.code {
            Some(0) => assert!(
                done,
                "{point}\nwas acknowledged and is not there: {found:?}"
            ),
            Some(7 | 8) => assert!(
                untouched,
                "{point}\nwas refused and changed something: {found:?}"
            ),
            _ => assert!(
                done || untouched,
                "{point}\nleft a half: {found:?}\nafter: {}",
                self.after
            ),
        }
        let again = place.tasq(&self.words);
        if self.target.is_some() && done {
            assert_eq!(again.code, Some(4), "{point}\nrepeated: {again:?}");
        } else {
            assert_eq!(again.code, Some(0), "{point}\nrepeated: {again:?}");
        }
        let found = audit::normal(audit::sound(place.kind, &path));
        assert_eq!(found, self.after, "{point}\nrepeated");
    }
}

/// A queue with all that the commands need, and the token of the task that is held.
fn busy_place(kind: Kind) -> (String, Place) {
    let place = Place::with_store(kind);
    place.works(&["epic", "add", "E", "--id", "E"]);
    place.works(&["feature", "add", "F", "--id", "F", "--epic", "E"]);
    for id in ["T-HELD", "T-1", "T-2"] {
        place.works(&["task", "add", "work", "--feature", "F", "--id", id]);
    }
    let token = text(&place.data(&["claim", "T-HELD"])["token"]);
    place.write("plan.json", include_str!("../import/fixtures/plan.json"));
    (token, place)
}

/// Some of the calls, the rare ones first: what happens once matters most.
pub(super) fn choose<'a>(calls: &'a [Call], most: u32, numbers: &mut Numbers) -> Vec<&'a Call> {
    let rare = |call: &&Call| {
        let alike = calls.iter().filter(|other| other.name == call.name);
        alike.count() <= 4 && !matches!(call.name.as_str(), "close" | "fcntl")
    };
    let mut chosen: Vec<&Call> = calls.iter().filter(rare).collect();
    let mut others: Vec<&Call> = calls.iter().filter(|call| !rare(call)).collect();
    // Half of the points at least are drawn from all that remains.
    while chosen.len() as u64 > u64::from(most / 2) {
        let at = numbers.below(u32::try_from(chosen.len()).unwrap_or(u32::MAX));
        others.push(chosen.swap_remove(at as usize));
    }
    while (chosen.len() as u64) < u64::from(most) && !others.is_empty() {
        let at = numbers.below(u32::try_from(others.len()).unwrap_or(u32::MAX));
        chosen.push(others.swap_remove(at as usize));
    }
    chosen
}
