use std::cell::Cell;

use super::*;

const PAGE: usize = 2048;
const FRAME: usize = PAGE + 24;

/// A log of so many frames, each of which is full of its number.
struct Log {
    bytes: Vec<u8>,
    reads: Cell<u32>,
}

/// As SQLite 3.53 wrote it on a little-endian machine, for pages of 2048 bytes.
const HEADER: [u8; LOG_HEADER_BYTES] = [
    0x37, 0x7f, 0x06, 0x82, 0x00, 0x2d, 0xe2, 0x18, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x0e, 0x5f, 0x09, 0xac, 0xa9, 0x34, 0xf1, 0xe8, 0x80, 0xe0, 0x62, 0x21, 0x21, 0xb1, 0x6e, 0x6f,
];

impl Log {
    fn of(frames: u8) -> Self {
        let mut bytes = HEADER.to_vec();
        for number in 0..frames {
            bytes.extend([number; FRAME]);
        }
        Self {
            bytes,
            reads: Cell::new(0),
        }
    }

    fn place(number: usize) -> i64 {
        i64::try_from(LOG_HEADER_BYTES + number * FRAME).unwrap()
    }

    /// What `ahead` gives of so many bytes at the place.
    fn ask(&self, ahead: &mut Ahead, length: usize, at: i64) -> Option<Vec<u8>> {
        let size = || i64::try_from(self.bytes.len()).ok();
        let found = ahead.frame(length, at, size, |bytes, at| {
            self.reads.set(self.reads.get() + 1);
            let at = usize::try_from(at).unwrap();
            match self.bytes.get(at..at + bytes.len()) {
                Some(found) => {
                    bytes.copy_from_slice(found);
                    true
                }
                None => false,
            }
        });
        found.map(<[u8]>::to_vec)
    }

    fn frame(&self, ahead: &mut Ahead, number: usize) -> Option<u8> {
        let frame = self.ask(ahead, FRAME, Self::place(number))?;
        assert!(frame.iter().all(|byte| *byte == frame[0]));
        Some(frame[0])
    }
}

#[test]
fn frames_are_read_several_at_a_time_and_given_one_by_one() {
    let log = Log::of(17);
    let mut ahead = Ahead::default();
    ahead.begin(&HEADER);
    let given: Vec<_> = (0..17)
        .map(|number| log.frame(&mut ahead, number))
        .collect();
    assert_eq!(given, (0..17).map(Some).collect::<Vec<_>>());
    // Seven, seven, and what is left.
    assert_eq!(log.reads.get(), 3);
    assert_eq!(log.frame(&mut ahead, 17), None);
}

#[test]
fn one_frame_alone_is_left_to_whoever_asks() {
    let log = Log::of(8);
    let mut ahead = Ahead::default();
    ahead.begin(&HEADER);
    for number in 0..7 {
        assert!(log.frame(&mut ahead, number).is_some());
    }
    assert_eq!(log.frame(&mut ahead, 7), None);
    assert_eq!(log.reads.get(), 1);
}

#[test]
fn whatever_is_not_the_next_frame_ends_it() {
    let log = Log::of(5);
    let place = Log::place;
    for (length, at) in [
        (PAGE, place(1) + 24),
        (FRAME, place(2)),
        (FRAME, place(0)),
        (FRAME - 1, place(1)),
        (LOG_HEADER_BYTES, 0),
    ] {
        let mut ahead = Ahead::default();
        ahead.begin(&HEADER);
        assert_eq!(log.frame(&mut ahead, 0), Some(0));
        assert_eq!(log.ask(&mut ahead, length, at), None, "{length} at {at}");
        assert_eq!(log.frame(&mut ahead, 1), None, "{length} at {at}");
        assert_eq!(ahead.bytes.capacity(), 0);
    }
}

#[test]
fn nothing_is_known_of_a_log_that_was_written_or_begins_anew() {
    let mut log = Log::of(5);
    let mut ahead = Ahead::default();
    ahead.begin(&HEADER);
    assert_eq!(log.frame(&mut ahead, 0), Some(0));
    ahead.forget();
    assert_eq!(log.frame(&mut ahead, 1), None);
    ahead.begin(&HEADER);
    assert_eq!(log.frame(&mut ahead, 0), Some(0));
    log.bytes[LOG_HEADER_BYTES..].fill(9);
    ahead.begin(&HEADER);
    assert_eq!(log.frame(&mut ahead, 0), Some(9));
}

#[test]
fn a_log_without_a_whole_header_is_read_by_whoever_asks() {
    let log = Log::of(5);
    let mut ahead = Ahead::default();
    let mut header = HEADER;
    header[9] ^= 1;
    ahead.begin(&header);
    assert_eq!(log.frame(&mut ahead, 0), None);
    assert_eq!(log.reads.get(), 0);
}

#[test]
fn what_cannot_be_read_is_not_given() {
    let mut ahead = Ahead::default();
    ahead.begin(&HEADER);
    let first = Log::place(0);
    assert_eq!(
        ahead.frame(FRAME, first, || Some(100_000), |_, _| false),
        None
    );
    ahead.begin(&HEADER);
    assert_eq!(ahead.frame(FRAME, first, || None, |_, _| true), None);
}
