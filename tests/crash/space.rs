//! A disk that is full, and one that is read-only: a small file system in memory, which only root can mount.

use std::fs;
use std::process::Command;

use super::place::{Kind, Place, copy_folder};
use super::{audit, on_both_stores};
use crate::figures::Figures;

/// A place whose project is on a disk of its own.
struct SmallDisk {
    place: Place,
}

impl SmallDisk {
    /// `None`, said aloud, where this account may not mount.
    fn new(test: &'static str, kind: Kind, size: &str) -> Option<Self> {
        let disk = Self {
            place: Place::bare(kind),
        };
        let mounted = disk.mount(&[
            "-t",
            "tmpfs",
            "-o",
            &format!("size={size},mode=0700"),
            "tasq",
        ]);
        if let Err(why) = mounted {
            let root = fs::read_to_string("/proc/self/status").unwrap();
            assert!(
                !root.contains("Uid:\t0\t0") || std::env::var_os("CI").is_none(),
                "root in CI must be able to mount: {why}"
            );
            let mut figures = Figures::of(test, kind.name(), "nothing: the test was SKIPPED");
            figures.count("cannot mount a small disk", why).tell();
            return None;
        }
        fs::create_dir(disk.place.project.join(".git")).unwrap();
        Some(disk)
    }

    fn mount(&self, options: &[&str]) -> Result<(), String> {
        let ran = Command::new("mount")
            .args(options)
            .arg(&self.place.project)
            .output();
        match ran {
            Ok(ran) if ran.status.success() => Ok(()),
            Ok(ran) => Err(String::from_utf8_lossy(&ran.stderr).trim().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn remount(&self, option: &str) {
        self.mount(&["-o", &format!("remount,{option}")]).unwrap();
    }

    /// What is in the store, seen where there is room to open it.
    fn contents(&self) -> tasq_domain::Contents {
        let elsewhere = Place::bare(self.place.kind);
        copy_folder(&self.place.project, &elsewhere.project);
        audit::sound(self.place.kind, &elsewhere.store())
    }

    /// Writes until nothing more fits.
    fn fill(&self) {
        let path = self.place.project.join("ballast");
        let mut ballast = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        while std::io::Write::write(&mut ballast, &[7; 4096]).is_ok_and(|written| written > 0) {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("-l")
            .arg(&self.place.project)
            .output();
    }
}

/// On a full disk writing ends with 7, reading works, nothing is lost, and once there is room again the same
/// command works.
fn a_full_disk_refuses_and_loses_nothing(kind: Kind) {
    const TEST: &str = "a_full_disk_refuses_and_loses_nothing";
    let Some(disk) = SmallDisk::new(TEST, kind, "1m") else {
        return;
    };
    let place = &disk.place;
    fs::write(place.project.join("reserve"), [7; 128 * 1024]).unwrap();
    place.works(&["init"]);
    place.works(&["feature", "add", "F", "--id", "F"]);
    let text = "a long story ".repeat(600);
    let mut acknowledged = Vec::new();
    let refused = loop {
        let id = format!("T-{}", acknowledged.len());
        let words = [
            "task",
            "add",
            &text,
            "--feature",
            "F",
            "--id",
            &id,
            "--json",
        ];
        let ran = place.tasq(&words);
        if ran.code != Some(0) {
            break ran;
        }
        acknowledged.push(id);
        assert!(acknowledged.len() < 1_000, "the disk has no end");
    };
    let ids = |contents: &tasq_domain::Contents| -> Vec<String> {
        let tasks = contents.tasks.iter();
        tasks.map(|task| task.id.as_str().to_owned()).collect()
    };
    assert_eq!(refused.code, Some(7), "{refused:?}");
    let message = refused.message();
    assert!(message.contains("no space"), "{message}");
    assert_eq!(
        ids(&disk.contents()),
        acknowledged,
        "refused means not there"
    );
    disk.fill();
    for _ in 0..3 {
        let again = place.tasq(&["task", "add", &text, "--feature", "F", "--json"]);
        assert_eq!(again.code, Some(7), "{again:?}");
    }
    place.works(&["list"]);
    assert_eq!(
        ids(&disk.contents()),
        acknowledged,
        "nothing is lost on a full disk"
    );
    fs::remove_file(place.project.join("ballast")).unwrap();
    fs::remove_file(place.project.join("reserve")).unwrap();
    let id = format!("T-{}", acknowledged.len());
    place.works(&["task", "add", &text, "--feature", "F", "--id", &id]);
    place.works(&["claim"]);
    acknowledged.push(id);
    assert_eq!(ids(&disk.contents()), acknowledged);
    let mut figures = Figures::of(TEST, kind.name(), "a full disk loses nothing acknowledged");
    figures.count("acknowledged", acknowledged.len());
    figures.count("lost", 0).count("told", message).tell();
}

/// A store that does not fit is not made in part.
fn making_a_store_on_a_full_disk_leaves_none(kind: Kind) {
    const TEST: &str = "making_a_store_on_a_full_disk_leaves_none";
    let Some(disk) = SmallDisk::new(TEST, kind, "1m") else {
        return;
    };
    disk.fill();
    let ran = disk.place.tasq(&["init", "--json"]);
    assert_eq!(ran.code, Some(7), "{ran:?}");
    assert!(!disk.place.store().exists(), "{ran:?}");
    fs::remove_file(disk.place.project.join("ballast")).unwrap();
    disk.place.works(&["init"]);
    disk.place.works(&["add", "afterwards"]);
    let ignored = fs::read_to_string(disk.place.project.join(".tasq/.gitignore")).unwrap();
    assert!(ignored.starts_with("*\n"), "what git ignores: {ignored:?}");
    let mut figures = Figures::of(TEST, kind.name(), "a store is made whole or not at all");
    figures.count("told", ran.message()).tell();
}

/// On a read-only disk writing ends with 7; reading works, or says why not; nothing changes.
fn a_read_only_disk_refuses_writes(kind: Kind) {
    const TEST: &str = "a_read_only_disk_refuses_writes";
    let Some(disk) = SmallDisk::new(TEST, kind, "4m") else {
        return;
    };
    let place = &disk.place;
    place.works(&["init"]);
    place.works(&["add", "work"]);
    let before = audit::normal(disk.contents());
    disk.remount("ro");
    place.works(&["list"]);
    for words in [&["add", "more", "--json"][..], &["claim", "--json"]] {
        let ran = place.tasq(words);
        assert_eq!(ran.code, Some(7), "{ran:?}");
        assert!(ran.message().contains("read-only"), "{ran:?}");
    }
    disk.remount("rw");
    assert_eq!(audit::normal(disk.contents()), before);
    if kind == Kind::Sqlite {
        // What is in the log cannot be read without an index of it, for which there is no room.
        fs::remove_file(place.project.join(".tasq/queue.db-shm")).unwrap();
        disk.remount("ro");
        let read = place.tasq(&["list", "--json"]);
        assert_eq!(read.code, Some(7), "{read:?}");
        assert!(read.message().contains("read-only"), "{read:?}");
        disk.remount("rw");
    }
    // Opened and closed by its last user, an SQLite file has no log any more, and can be read from such a disk.
    audit::sound(kind, &place.store());
    disk.remount("ro");
    place.works(&["list"]);
    let refused = place.tasq(&["claim", "--json"]);
    assert_eq!(refused.code, Some(7), "{refused:?}");
    disk.remount("rw");
    place.works(&["claim"]);
    let mut figures = Figures::of(TEST, kind.name(), "what is refused changes nothing");
    figures.count("told", refused.message()).tell();
}

/// Commands leave without closing the database, and still its log does not grow for ever.
#[test]
fn the_log_of_many_commands_stays_short() {
    let place = Place::with_store(Kind::Sqlite);
    let log = place.project.join(".tasq/queue.db-wal");
    let mut longest = 0;
    for _ in 0..120 {
        place.works(&["add", "work"]);
        longest = longest.max(fs::metadata(&log).unwrap().len());
    }
    assert!(longest < 3 * 1024 * 1024, "it grew to {longest} bytes");
}

on_both_stores!(
    a_full_disk_refuses_and_loses_nothing,
    making_a_store_on_a_full_disk_leaves_none,
    a_read_only_disk_refuses_writes,
);
