use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;

use super::*;

const PART: usize = 32 * 1024;

fn file_of(bytes: &[u8]) -> File {
    let file = tempfile::tempfile().unwrap();
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
