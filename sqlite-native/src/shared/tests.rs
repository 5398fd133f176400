use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::*;

const PART: usize = 32 * 1024;

/// In memory, if there is a place: not every disk says at once which room a file has.
fn file_of(bytes: &[u8]) -> File {
    let in_memory = Path::new("/dev/shm");
    let file = if in_memory.is_dir() {
        tempfile::tempfile_in(in_memory)
    } else {
        tempfile::tempfile()
    };
    let file = file.unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file
}

fn bytes_of(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

#[test]
fn an_index_that_is_taken_over_has_lost_its_header_and_nothing_else() {
    let file = file_of(&[0xAB; PART]);
    assert!(taken_over(file.as_fd()));
    let mut expected = [0xAB; PART];
    expected[..136].fill(0);
    assert!(bytes_of(&file) == expected);
}

#[test]
fn an_index_of_another_length_or_with_holes_is_not_taken_over() {
    for bytes in [
        &[0xAB; PART - 1][..],
        &[0xAB; PART + 1],
        &[0xAB; 2 * PART],
        &[],
    ] {
        let file = file_of(bytes);
        assert!(!taken_over(file.as_fd()));
        assert!(bytes_of(&file) == bytes);
    }
    let holes = file_of(&[0xAB; 3]);
    holes.set_len(32 * 1024).unwrap();
    assert!(!taken_over(holes.as_fd()));
}

/// Whatever is shortened otherwise is SQLite's to shorten.
#[test]
fn every_other_length_is_the_real_one() {
    assert_eq!(crate::install(), Ok(()));
    for length in [0, 1, 2, 4, 136, 16_384, 65_536] {
        let file = file_of(&[0xAB; PART]);
        #[expect(unsafe_code, reason = "SQLite's C interface")]
        // SAFETY: the file is open.
        let code = unsafe { shorten(file.as_raw_fd(), length) };
        assert_eq!(code, 0);
        assert_eq!(bytes_of(&file).len(), usize::try_from(length).unwrap());
        assert!(bytes_of(&file).iter().take(PART).all(|&byte| byte == 0xAB));
    }
    #[expect(unsafe_code, reason = "SQLite's C interface")]
    // SAFETY: there is no such file, which the C library says.
    let code = unsafe { shorten(-1, 0) };
    assert_eq!(code, -1);
}

#[test]
fn shared_memory_is_taken_over_or_shortened() {
    assert_eq!(crate::install(), Ok(()));
    let file = file_of(&[0xAB; PART]);
    let in_place = writes_in_place(file.as_fd());
    #[expect(unsafe_code, reason = "SQLite's C interface")]
    // SAFETY: the file is open.
    let code = unsafe { shorten(file.as_raw_fd(), 3) };
    assert_eq!(code, 0);
    let left = if in_place { PART } else { 3 };
    assert_eq!(bytes_of(&file).len(), left);
}

#[test]
fn what_is_not_a_disk_does_not_write_in_place() {
    let there = File::open("/proc/self/status").unwrap();
    assert!(!writes_in_place(there.as_fd()));
}

#[test]
fn sqlite_calls_ours() {
    assert_eq!(crate::install(), Ok(()));
    #[expect(unsafe_code, reason = "SQLite's C interface")]
    // SAFETY: no name asks for the default.
    let vfs = unsafe { ffi::sqlite3_vfs_find(std::ptr::null()) };
    #[expect(unsafe_code, reason = "SQLite's C interface")]
    // SAFETY: the default file system is there, of version 3, and lives for ever.
    let get = unsafe { *vfs }.xGetSystemCall.unwrap();
    #[expect(unsafe_code, reason = "SQLite's C interface")]
    // SAFETY: the file system is the method's own, and the name is a C string.
    let found = unsafe { get(vfs, NAME.as_ptr()) };
    let ours: Truncate = shorten;
    assert_eq!(found.map(|it| it as usize), Some(ours as usize));
}
