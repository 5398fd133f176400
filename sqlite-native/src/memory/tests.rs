use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use super::*;

/// A block as a test has it: where SQLite would see it, and what it was filled with.
struct Had {
    seen: *mut u8,
    room: usize,
    with: u8,
}

#[expect(unsafe_code, reason = "memory for C")]
// SAFETY: nobody but its owner uses it.
unsafe impl Send for Had {}

impl Had {
    fn new(room: usize, with: u8) -> Self {
        let seen = obtain(room);
        assert!(!seen.is_null());
        assert_eq!(seen.addr() % 8, 0, "what SQLite sees is aligned");
        let mut had = Self { seen, room, with };
        had.fill();
        had
    }

    fn fill(&mut self) {
        #[expect(unsafe_code, reason = "memory for C")]
        // SAFETY: it is a block of this test with so much room.
        unsafe {
            self.seen.write_bytes(self.with, self.room);
        }
    }

    /// Whether the first bytes are as they were written.
    fn keeps(&self, room: usize) -> bool {
        #[expect(unsafe_code, reason = "memory for C")]
        // SAFETY: it is a block of this test, and that much of it was filled.
        let bytes = unsafe { std::slice::from_raw_parts(self.seen, room) };
        bytes.iter().all(|byte| *byte == self.with)
    }

    fn change(&mut self, room: usize) {
        #[expect(unsafe_code, reason = "memory for C")]
        // SAFETY: it is a block of this test, which forgets where it was.
        let seen = unsafe { change(self.seen, room) };
        assert!(!seen.is_null());
        self.seen = seen;
        assert!(
            self.keeps(self.room.min(room)),
            "a change keeps what was there"
        );
        self.room = room;
        self.fill();
    }

    fn give_back(self) {
        assert!(self.keeps(self.room), "nobody else wrote into it");
        #[expect(unsafe_code, reason = "memory for C")]
        // SAFETY: it is a block of this test, which ends with it.
        unsafe {
            give_back(self.seen);
        }
    }
}

/// Numbers that look random (a multiplicative generator, as in Knuth's MMIX).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % end
    }

    /// Mostly short, as SQLite's are; some around the longest of the lists, some far above.
    fn room(&mut self) -> usize {
        match self.below(20) {
            0 => 1 + self.below(20_000),
            1..4 => LARGEST - 40 + self.below(80),
            _ => 1 + self.below(300),
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn what_sqlite_takes_comes_from_here() {
    #[expect(unsafe_code, reason = "SQLite's C interface")]
    // SAFETY: it may be called at any time.
    let seen = unsafe { ffi::sqlite3_malloc(9) };
    #[expect(unsafe_code, reason = "SQLite's C interface")]
    // SAFETY: SQLite has just answered with it.
    let room = unsafe { ffi::sqlite3_msize(seen) };
    // The C library's would have 16.
    assert_eq!(room, 24);
    #[expect(unsafe_code, reason = "SQLite's C interface")]
    // SAFETY: as above, and it is not used any more.
    unsafe {
        ffi::sqlite3_free(seen);
    }
}

#[test]
fn a_block_has_the_room_that_is_told() {
    for room in 1..3 * LARGEST {
        let told = usize::try_from(count(length(room) - HEAD)).unwrap();
        assert!(told >= room && told < room + STEP);
        assert_eq!(length(told), length(room), "told again, it is as long");
    }
}

#[test]
fn blocks_of_many_threads_are_theirs_until_they_give_them_back() {
    const THREADS: usize = 4;
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..THREADS).map(|_| mpsc::channel::<Had>()).unzip();
    thread::scope(|scope| {
        for (me, others) in receivers.into_iter().enumerate() {
            let senders = senders.clone();
            scope.spawn(move || {
                let mut numbers = Numbers(7 + me as u64);
                let mut had: Vec<Had> = Vec::new();
                for turn in 0..40_000_usize {
                    match numbers.below(8) {
                        0..4 => had.push(Had::new(numbers.room(), (turn + me) as u8)),
                        4 if !had.is_empty() => {
                            let which = numbers.below(had.len());
                            let room = numbers.room();
                            had[which].change(room);
                        }
                        5 if !had.is_empty() => {
                            let one = had.swap_remove(numbers.below(had.len()));
                            // Who has ended already has dropped its end.
                            if let Err(back) = senders[(me + 1) % THREADS].send(one) {
                                back.0.give_back();
                            }
                        }
                        _ if !had.is_empty() => {
                            had.swap_remove(numbers.below(had.len())).give_back()
                        }
                        _ => {}
                    }
                    had.extend(others.try_iter());
                }
                had.into_iter().for_each(Had::give_back);
                others.try_iter().for_each(Had::give_back);
            });
        }
        drop(senders);
    });
}

#[test]
fn a_block_changes_its_length_over_the_longest_of_the_lists() {
    let longest = LARGEST - HEAD;
    for (from, to) in [
        (longest, longest + 1),
        (longest + 1, longest),
        (1, 100 * LARGEST),
        (100 * LARGEST, 1),
        (longest + 1, 3 * LARGEST),
    ] {
        let mut had = Had::new(from, 7);
        had.change(to);
        had.give_back();
    }
}

/// What a thread still has when it ends, and gives back after its lists.
struct Late(RefCell<Vec<Had>>);

impl Drop for Late {
    fn drop(&mut self) {
        let mut had = self.0.take();
        had.push(Had::new(40, 9));
        had.into_iter().for_each(Had::give_back);
        ENDED_LATE.store(OWN.try_with(|_| ()).is_err(), Ordering::SeqCst);
    }
}

thread_local! {
    static LATE: Late = const { Late(RefCell::new(Vec::new())) };
}
static ENDED_LATE: AtomicBool = AtomicBool::new(false);

#[test]
fn a_thread_that_has_left_its_lists_still_takes_and_gives_back() {
    let ending = thread::spawn(|| {
        // Whichever is used first ends last.
        LATE.with(|late| late.0.borrow_mut().push(Had::new(100, 1)));
        LATE.with(|late| late.0.borrow_mut().push(Had::new(200, 2)));
    });
    assert!(ending.join().is_ok());
    assert!(ENDED_LATE.load(Ordering::SeqCst), "its lists were gone");
}

#[test]
fn what_one_leaves_is_what_another_takes() {
    let mut first = Lists::EMPTY;
    assert!(first.begin_piece());
    let mut left = HashMap::new();
    for size in [STEP, 48, 48, 48, 512, LARGEST, LARGEST] {
        let block = first.take(size);
        assert!(
            left.insert(block, size).is_none(),
            "each is handed out once"
        );
    }
    for (&block, &size) in &left {
        first.put(block, size);
    }
    let rest = (first.rest, first.left);

    let mut second = Lists::EMPTY;
    assert!(second.begin_piece());
    while second.left >= first.left {
        second.take(LARGEST);
    }
    let own = second.take(48);
    second.put(own, 48);
    second.take_over(first);
    assert_eq!((second.rest, second.left), rest, "the longer one");
    for size in (STEP..LARGEST).step_by(STEP) {
        while let block = second.take_free(size)
            && !block.is_null()
        {
            assert!(left.remove(&block).is_none_or(|was| was == size));
        }
    }
    // Among the longest there is what the second had left.
    left.retain(|_, size| *size == LARGEST);
    while let block = second.take_free(LARGEST)
        && !block.is_null()
    {
        left.remove(&block);
    }
    assert!(left.is_empty(), "all of it is there");
}

#[test]
fn who_has_too_much_leaves_it() {
    let mut lists = Lists::EMPTY;
    let blocks: Vec<*mut u8> = (0..=SURPLUS / LARGEST)
        .map(|_| lists.take(LARGEST))
        .collect();
    let last = blocks.len() - 1;
    for (index, block) in blocks.into_iter().enumerate() {
        assert_eq!(lists.surplus, index * LARGEST);
        lists.give(block, LARGEST);
        assert_eq!(lists.take_nothing(), index == last);
    }
    assert_eq!((lists.surplus, lists.left), (0, 0));
}

impl Lists {
    /// Whether no list has anything.
    fn take_nothing(&self) -> bool {
        self.free.iter().all(|first| first.is_null())
    }
}
