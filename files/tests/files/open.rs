//! What may be opened, and what is refused.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use tasq_files::{
    FileError, check_private_dir, create_private_dir, has_content, identity, inspect, open_append,
    open_read, open_read_write, read_capped,
};

pub(crate) fn make_fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// What every way to reach a data file says.
fn refusals(path: &Path) -> Vec<FileError> {
    vec![
        open_read(path).unwrap_err(),
        open_read_write(path).unwrap_err(),
        open_append(path).unwrap_err(),
        inspect(path).unwrap_err(),
        identity(path).unwrap_err(),
    ]
}

#[test]
fn a_link_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("file"), folder.path().join("link"));
    fs::write(&file, "x").unwrap();
    symlink(&file, &link).unwrap();
    for refused in refusals(&link) {
        assert!(matches!(refused, FileError::Link { .. }), "{refused}");
    }
}

#[test]
fn a_dangling_link_is_not_filled() {
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("file"), folder.path().join("link"));
    symlink(&file, &link).unwrap();
    for refused in refusals(&link) {
        assert!(matches!(refused, FileError::Link { .. }), "{refused}");
    }
    assert!(!file.exists());
}

#[test]
fn a_file_with_two_names_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (file, other) = (folder.path().join("file"), folder.path().join("other"));
    fs::write(&file, "x").unwrap();
    fs::hard_link(&file, &other).unwrap();
    for refused in refusals(&file) {
        assert!(
            matches!(refused, FileError::HardLink { links: 2, .. }),
            "{refused}"
        );
    }
}

#[test]
fn pipes_folders_and_devices_are_refused_without_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let (pipe, socket) = (folder.path().join("pipe"), folder.path().join("socket"));
    make_fifo(&pipe);
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for path in [&pipe, &socket, folder.path(), Path::new("/dev/null")] {
        for refused in refusals(path) {
            assert!(matches!(refused, FileError::NotRegular { .. }), "{refused}");
        }
    }
}

#[test]
fn a_file_that_is_not_there_is_missing_but_made_for_appending() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    assert!(matches!(open_read(&path), Err(FileError::Missing { .. })));
    assert!(matches!(inspect(&path), Err(FileError::Missing { .. })));
    open_append(&path).unwrap();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn opening_and_looking_agree_on_what_a_file_is() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    fs::write(&one, "abc").unwrap();
    fs::write(&two, "abc").unwrap();
    let facts = open_read(&one).unwrap().facts;
    assert_eq!(facts, inspect(&one).unwrap());
    assert_eq!(facts.len, 3);
    assert_ne!(identity(&one).unwrap(), identity(&two).unwrap());
}

#[test]
fn a_file_has_its_content_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    // More than is read at a time, and no multiple of it.
    let bytes: Vec<u8> = (0..200_001_u32).map(|n| n.to_le_bytes()[0]).collect();
    fs::write(&path, &bytes).unwrap();
    let has = |bytes: &[u8]| has_content(&open_read(&path).unwrap().file, &path, bytes).unwrap();
    assert!(has(&bytes));
    let mut other = bytes.clone();
    *other.last_mut().unwrap() ^= 1;
    assert!(!has(&other) && !has(&bytes[..bytes.len() - 1]) && !has(b""));
    other = bytes.clone();
    other.push(0);
    assert!(!has(&other));
    fs::write(&path, b"").unwrap();
    assert!(has(b"") && !has(b"x"));
}

#[test]
fn a_file_is_read_up_to_the_cap_and_not_beyond() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "12345").unwrap();
    let read = |cap| read_capped(&open_read(&path).unwrap().file, &path, cap);
    assert_eq!(read(5).unwrap(), b"12345");
    assert_eq!(read(u64::MAX).unwrap(), b"12345");
    let refused = read(4).unwrap_err();
    assert!(
        matches!(
            refused,
            FileError::Limit {
                found: 5,
                cap: 4,
                ..
            }
        ),
        "{refused}"
    );
}

#[test]
fn a_private_folder_is_made_once_and_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".tasq");
    assert!(create_private_dir(&path).unwrap());
    assert!(!create_private_dir(&path).unwrap());
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_folder_behind_a_link_and_a_file_in_its_place_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (link, file) = (folder.path().join("link"), folder.path().join("file"));
    symlink(folder.path(), &link).unwrap();
    fs::write(&file, "").unwrap();
    assert!(matches!(
        create_private_dir(&link),
        Err(FileError::Link { .. })
    ));
    assert!(matches!(
        create_private_dir(&file),
        Err(FileError::NotFolder { .. })
    ));
    assert!(matches!(
        check_private_dir(&folder.path().join("none")),
        Err(FileError::Missing { .. })
    ));
}

#[test]
fn a_folder_of_another_user_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    // Only root can give a folder away; everybody else finds one of root's.
    let foreign = match chown(folder.path(), Some(12_345), None) {
        Ok(()) => folder.path(),
        Err(_) => Path::new("/usr"),
    };
    assert!(matches!(
        check_private_dir(foreign),
        Err(FileError::ForeignOwner { .. })
    ));
}

#[test]
fn a_file_that_others_replace_is_never_missing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.json");
    fs::write(&path, "{}").unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                open_read(&path).unwrap();
            }
        });
        for number in 0..5_000 {
            let next = folder.path().join(format!("next-{number}"));
            fs::write(&next, "{}").unwrap();
            fs::rename(&next, &path).unwrap();
        }
        done.store(true, Ordering::SeqCst);
        reader.join().unwrap();
    });
}

#[test]
fn what_others_may_do_is_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "x").unwrap();
    for (mode, read, write) in [
        (0o600, false, false),
        (0o640, true, false),
        (0o602, false, true),
    ] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let others = tasq_files::others(&path).unwrap();
        assert_eq!(
            (others.read, others.write, others.owner),
            (read, write, None)
        );
    }
}
