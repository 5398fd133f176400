//! Replacing and appending.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use tasq_files::{
    FileError, Replacement, append_durably, inspect, open_append, remove_stray_temps, replace,
    sync_folder, sync_parent,
};

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_new_file_is_private_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.json");
    let facts = replace(&path, b"{}\n").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"{}\n");
    assert_eq!(facts, inspect(&path).unwrap());
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(names(folder.path()), ["queue.json"]);
}

#[test]
fn a_replaced_file_keeps_its_mode_and_owner() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.json");
    fs::write(&path, "old").unwrap();
    // Giving a file away is root's; for others the owner is kept all the same.
    let _ = chown(&path, Some(12_345), Some(12_345));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let before = fs::metadata(&path).unwrap();
    replace(&path, b"new").unwrap();
    let after = fs::metadata(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(after.mode(), before.mode());
    assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
    assert_ne!(after.ino(), before.ino());
}

#[test]
fn a_replacement_that_is_not_committed_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.json");
    fs::write(&path, "old").unwrap();
    let prepared = Replacement::prepare(&path, b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names(folder.path()).len(), 2);
    drop(prepared);
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names(folder.path()), ["queue.json"]);
}

#[test]
fn a_rename_that_fails_leaves_the_old_content_and_no_temporary_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.json");
    let prepared = Replacement::prepare(&path, b"new").unwrap();
    // A folder that comes between cannot be replaced by a file.
    fs::create_dir(&path).unwrap();
    let refused = prepared.commit().unwrap_err();
    assert!(
        !matches!(refused, FileError::OutcomeUnknown { .. }),
        "{refused}"
    );
    assert_eq!(names(folder.path()), ["queue.json"]);
    assert!(path.is_dir());
}

#[test]
fn links_are_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("file"), "old").unwrap();
    symlink(at("file"), at("link")).unwrap();
    assert!(matches!(
        replace(&at("link"), b"new"),
        Err(FileError::Link { .. })
    ));
    fs::hard_link(at("file"), at("other")).unwrap();
    assert!(matches!(
        replace(&at("file"), b"new"),
        Err(FileError::HardLink { links: 2, .. })
    ));
    assert!(matches!(
        replace(folder.path(), b"new"),
        Err(FileError::NotRegular { .. })
    ));
    assert_eq!(fs::read(at("file")).unwrap(), b"old");
    assert_eq!(names(folder.path()), ["file", "link", "other"]);
}

#[test]
fn a_file_in_a_folder_that_is_not_there_cannot_be_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let missing = replace(&folder.path().join("no/queue.json"), b"new").unwrap_err();
    assert!(matches!(missing, FileError::Missing { .. }), "{missing}");
}

#[test]
fn stray_temporary_files_are_removed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.json");
    replace(&path, b"{}").unwrap();
    // A writer that was killed after preparing.
    std::mem::forget(Replacement::prepare(&path, b"new").unwrap());
    std::mem::forget(Replacement::prepare(&path, b"new").unwrap());
    let stranger = ".queue.json.swp.tmp";
    fs::write(folder.path().join(stranger), "").unwrap();
    assert_eq!(names(folder.path()).len(), 4);
    let name = OsStr::new("queue.json");
    assert_eq!(remove_stray_temps(folder.path(), name).unwrap(), 2);
    assert_eq!(names(folder.path()), [stranger, "queue.json"]);
    assert_eq!(remove_stray_temps(folder.path(), name).unwrap(), 0);
}

#[test]
fn appended_bytes_follow_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    append_durably(&open_append(&path).unwrap().file, &path, b"one\n").unwrap();
    append_durably(&open_append(&path).unwrap().file, &path, b"two\n").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\n");
    sync_parent(&path).unwrap();
    sync_folder(folder.path()).unwrap();
}

#[test]
fn readers_see_the_old_or_the_new_content_and_nothing_between() {
    const ROUNDS: usize = 200;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.json");
    let contents: Vec<_> = (0..2_usize)
        .map(|n| vec![b'0' + u8::try_from(n).unwrap(); 10_000 + n])
        .collect();
    replace(&path, &contents[0]).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..ROUNDS {
                replace(&path, &contents[round % 2]).unwrap();
            }
        });
        while !writer.is_finished() {
            let seen = fs::read(&path).unwrap();
            assert!(contents.contains(&seen), "{} bytes", seen.len());
        }
    });
}

#[test]
fn a_name_that_is_taken_is_not_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("new"), folder.path().join("old"));
    std::fs::write(&from, "new").unwrap();
    std::fs::write(&to, "old").unwrap();
    assert!(!tasq_files::rename_durably(&from, &to, false).unwrap());
    assert_eq!(std::fs::read(&to).unwrap(), b"old");
    assert!(tasq_files::rename_durably(&from, &to, true).unwrap());
    assert_eq!(std::fs::read(&to).unwrap(), b"new");
    assert!(!from.exists());
}

#[test]
fn a_temporary_name_is_found_again_until_it_has_its_real_one() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("queue.db");
    let temp = tasq_files::temp_path(&target).unwrap();
    std::fs::write(&temp, "half").unwrap();
    let name = target.file_name().unwrap();
    assert_eq!(
        tasq_files::stray_temps(folder.path(), name).unwrap(),
        std::slice::from_ref(&temp)
    );
    assert!(tasq_files::rename_durably(&temp, &target, false).unwrap());
    assert!(
        tasq_files::stray_temps(folder.path(), name)
            .unwrap()
            .is_empty()
    );
}
