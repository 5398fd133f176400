//! What is held back of a log until a commit is whole: plain memory, without a file.
//!
//! SQLite writes its log as frames that follow each other: 24 bytes that say which page comes, then the page. In the last
//! frame of a commit the second number of those bytes is the size of the database; in all others it is 0.
//!
//! Nothing tells the log that a transaction was undone, of which pages may have been written already, because memory was
//! short; and after that others may write to the same place. So bytes are held only during a COMMIT ([`Moment`]), and what is
//! held of an earlier one, which must have failed, is forgotten.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// The length of what comes before each page.
const HEADER_BYTES: usize = 24;

/// From so much on, what is held is written: a longer commit comes in several parts.
const MOST_BYTES: usize = 64 * 1024;

/// One COMMIT. No two of this process are alike, because a connection may go from thread to thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment(u64);

static NEXT: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static NOW: Cell<Option<Now>> = const { Cell::new(None) };
}

/// The moment that a thread is in.
#[derive(Clone, Copy)]
struct Now {
    moment: Moment,
    /// The end of what was written in it to a log, so far.
    written_to: i64,
}

impl Moment {
    /// Runs `commit` as a moment of its own. Its answer, and the end of what was written to a log meanwhile, in bytes from
    /// the beginning of the file; 0 if nothing was.
    pub(crate) fn of<T>(commit: impl FnOnce() -> T) -> (T, i64) {
        let moment = Self(NEXT.fetch_add(1, Ordering::Relaxed));
        let now = Now {
            moment,
            written_to: 0,
        };
        let _end = End(NOW.replace(Some(now)));
        let answer = commit();
        (answer, NOW.get().map_or(0, |now| now.written_to))
    }

    /// The one that this thread is in; none while the thread ends.
    pub(crate) fn now() -> Option<Self> {
        let now = NOW.try_with(Cell::get).ok().flatten();
        now.map(|now| now.moment)
    }

    /// Something was written to a log that ends there.
    pub(crate) fn wrote_to(end: i64) {
        // A thread that ends is in no moment.
        let _ending = NOW.try_with(|it| {
            it.set(it.get().map(|now| Now {
                written_to: now.written_to.max(end),
                ..now
            }));
        });
    }
}

/// Ends a moment when it is dropped, so also in a panic, and goes back to what was before.
struct End(Option<Now>);

impl Drop for End {
    fn drop(&mut self) {
        NOW.set(self.0);
    }
}

/// What a log's newest bytes are, as far as they are not written yet.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    held: Vec<u8>,
    /// Where in the file they belong.
    from: i64,
    /// When they came.
    moment: Option<Moment>,
    /// What comes next: a page, after this header, or else a header.
    page_of: Option<Header>,
    /// The end of what was read last, and where it began, if nothing was written since.
    read: Option<(i64, i64)>,
}

#[derive(Debug, Clone, Copy)]
struct Header {
    /// Whether its frame is the last of a commit.
    commits: bool,
}

/// What became of bytes that were to be written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// They are held.
    Held,
    /// They are held, and now all that is held must be written: a commit is whole, or it is much.
    Due,
    /// They are not held: write what is held, and then them.
    Refused,
}

impl Gather {
    /// Takes `bytes`, which belong at `at` of the file, if they continue what is held.
    pub(crate) fn offer(&mut self, bytes: &[u8], at: i64) -> Offer {
        let during_commit = self.forget_the_past();
        let read = self.read.take();
        let page_of = self.page_of.take();
        if !during_commit || !self.continues(at) || self.held.try_reserve(bytes.len()).is_err() {
            return Offer::Refused;
        }
        match page_of {
            // A header that was just read is put right in its place, with nothing to follow; see `walRewriteChecksums`
            // in SQLite.
            None if bytes.len() == HEADER_BYTES && !read.is_some_and(|read| covers(read, at)) => {
                self.page_of = Some(Header {
                    commits: bytes[4..8] != [0; 4],
                });
                self.hold(bytes, at);
                Offer::Held
            }
            Some(Header { commits }) if is_page(bytes.len()) => {
                self.hold(bytes, at);
                if commits || self.held.len() >= MOST_BYTES {
                    Offer::Due
                } else {
                    Offer::Held
                }
            }
            _ => Offer::Refused,
        }
    }

    /// What is held, and where it belongs. It is no longer held then, whether or not it can be written: what SQLite does
    /// after an error it begins anew.
    pub(crate) fn let_go<T>(&mut self, write: impl FnOnce(&[u8], i64) -> T) -> Option<T> {
        self.forget_the_past();
        if self.held.is_empty() {
            return None;
        }
        let written = write(&self.held, self.from);
        self.held.clear();
        Some(written)
    }

    /// So many bytes are being read from `at` on; nothing is held any more.
    pub(crate) fn reads(&mut self, at: i64, bytes: i64) {
        self.page_of = None;
        self.read = Some((at, at.saturating_add(bytes)));
    }

    /// Forgets what is of another moment than this; whether this is one.
    fn forget_the_past(&mut self) -> bool {
        let now = Moment::now();
        if self.moment != now {
            self.moment = now;
            self.page_of = None;
            self.held.clear();
        }
        now.is_some()
    }

    fn continues(&self, at: i64) -> bool {
        self.held.is_empty()
            || i64::try_from(self.held.len())
                .is_ok_and(|held| self.from.checked_add(held) == Some(at))
    }

    fn hold(&mut self, bytes: &[u8], at: i64) {
        if self.held.is_empty() {
            self.from = at;
        }
        self.held.extend_from_slice(bytes);
    }
}

const fn covers((from, to): (i64, i64), at: i64) -> bool {
    from <= at && at < to
}

/// Whether a page may be so long.
const fn is_page(bytes: usize) -> bool {
    bytes.is_power_of_two() && 512 <= bytes && bytes <= 65_536
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &[u8] = &[7; 512];
    const FRAME: i64 = 24 + 512;

    fn header(size: u32) -> [u8; 24] {
        let mut header = [1; 24];
        header[4..8].copy_from_slice(&size.to_be_bytes());
        header
    }

    /// All that is held, as it would be written.
    fn held(gather: &mut Gather) -> Option<(i64, usize)> {
        gather.let_go(|bytes, at| (at, bytes.len()))
    }

    #[test]
    fn a_commit_is_held_until_its_last_page_has_come() {
        Moment::of(|| {
            let mut gather = Gather::default();
            assert_eq!(gather.offer(&header(0), 32), Offer::Held);
            assert_eq!(gather.offer(PAGE, 56), Offer::Held);
            assert_eq!(gather.offer(&header(9), 32 + FRAME), Offer::Held);
            assert_eq!(gather.offer(PAGE, 56 + FRAME), Offer::Due);
            assert_eq!(held(&mut gather), Some((32, 2 * 536)));
            assert_eq!(held(&mut gather), None);
            assert_eq!(gather.offer(&header(9), 32 + 2 * FRAME), Offer::Held);
            assert_eq!(gather.offer(PAGE, 56 + 2 * FRAME), Offer::Due);
            assert_eq!(held(&mut gather), Some((32 + 2 * FRAME, 536)));
        });
    }

    #[test]
    fn what_does_not_continue_is_refused() {
        Moment::of(|| {
            let mut gather = Gather::default();
            assert_eq!(gather.offer(&header(0), 32), Offer::Held);
            assert_eq!(gather.offer(PAGE, 56), Offer::Held);
            for (bytes, at) in [
                (header(0).as_slice(), 32),
                (&[0; 32], 32 + FRAME),
                (PAGE, 32 + FRAME),
            ] {
                assert_eq!(
                    gather.offer(bytes, at),
                    Offer::Refused,
                    "{} at {at}",
                    bytes.len()
                );
            }
            assert_eq!(held(&mut gather), Some((32, 536)));
        });
    }

    #[test]
    fn a_page_that_comes_in_parts_is_refused() {
        Moment::of(|| {
            for first in [24, 100, 488] {
                let mut gather = Gather::default();
                assert_eq!(gather.offer(&header(9), 32), Offer::Held);
                assert_eq!(gather.offer(&PAGE[..first], 56), Offer::Refused, "{first}");
                assert_eq!(held(&mut gather), Some((32, 24)));
            }
        });
    }

    #[test]
    fn a_header_that_was_just_read_is_refused() {
        Moment::of(|| {
            let mut gather = Gather::default();
            for frame in 0..3 {
                gather.reads(32 + frame * FRAME, FRAME);
                assert_eq!(gather.offer(&header(9), 32 + frame * FRAME), Offer::Refused);
            }
            // One that was read before that is not.
            assert_eq!(gather.offer(&header(0), 32 + 3 * FRAME), Offer::Held);
        });
    }

    #[test]
    fn a_read_of_other_frames_holds_nothing_up() {
        Moment::of(|| {
            let mut gather = Gather::default();
            gather.reads(32, FRAME);
            assert_eq!(gather.offer(&header(9), 32 + FRAME), Offer::Held);
            assert_eq!(gather.offer(PAGE, 56 + FRAME), Offer::Due);
        });
    }

    #[test]
    fn a_long_commit_is_written_in_parts() {
        Moment::of(|| {
            let page = [7; 32_768];
            let mut gather = Gather::default();
            let mut at = 32;
            let mut due = 0;
            for _ in 0..8 {
                assert_eq!(gather.offer(&header(0), at), Offer::Held);
                if gather.offer(&page, at + 24) == Offer::Due {
                    due += 1;
                    let together = held(&mut gather).map(|(_, held)| held);
                    assert_eq!(together, Some(2 * (24 + 32_768)));
                }
                at += 24 + 32_768;
            }
            assert_eq!(due, 4);
        });
    }

    #[test]
    fn a_place_at_the_end_of_all_numbers_does_no_harm() {
        Moment::of(|| {
            let mut gather = Gather::default();
            assert_eq!(gather.offer(&header(0), i64::MAX - 3), Offer::Held);
            assert_eq!(gather.offer(PAGE, i64::MIN), Offer::Refused);
            gather.reads(i64::MAX, 5);
        });
    }

    #[test]
    fn nothing_is_held_but_during_a_commit() {
        let mut gather = Gather::default();
        assert_eq!(gather.offer(&header(0), 32), Offer::Refused);
        assert_eq!(gather.offer(PAGE, 56), Offer::Refused);
        assert_eq!(held(&mut gather), None);
    }

    #[test]
    fn what_a_commit_left_behind_is_forgotten() {
        for later in [
            |gather: &mut Gather| held(gather),
            |gather: &mut Gather| Moment::of(|| held(gather)).0,
        ] {
            let mut gather = Gather::default();
            Moment::of(|| {
                assert_eq!(gather.offer(&header(0), 32), Offer::Held);
                assert_eq!(gather.offer(PAGE, 56), Offer::Held);
            });
            assert_eq!(later(&mut gather), None);
        }
        // Also when only half of a frame has come.
        let mut gather = Gather::default();
        Moment::of(|| assert_eq!(gather.offer(&header(9), 32), Offer::Held));
        Moment::of(|| {
            assert_eq!(gather.offer(PAGE, 56), Offer::Refused);
            assert_eq!(held(&mut gather), None);
        });
    }

    #[test]
    fn what_a_commit_of_another_thread_left_behind_is_forgotten() {
        let mut gather = Gather::default();
        let mut in_a_thread = |begin: bool| {
            std::thread::scope(|scope| {
                let commit = || {
                    Moment::of(|| match begin {
                        true => assert_eq!(gather.offer(&header(0), 32), Offer::Held),
                        false => assert_eq!(held(&mut gather), None),
                    })
                };
                let ((), _) = scope.spawn(commit).join().unwrap();
            });
        };
        in_a_thread(true);
        in_a_thread(false);
    }

    #[test]
    fn a_commit_within_another_is_one_of_its_own() {
        Moment::of(|| {
            let outer = Moment::now();
            Moment::of(|| assert!(Moment::now().is_some() && Moment::now() != outer));
            assert_eq!(Moment::now(), outer);
        });
        assert_eq!(Moment::now(), None);
    }

    #[test]
    fn a_commit_is_told_how_far_it_wrote() {
        Moment::wrote_to(9);
        assert_eq!(Moment::of(|| ()), ((), 0));
        let outer = Moment::of(|| {
            Moment::wrote_to(700);
            // What is put right in its place is not the end.
            Moment::wrote_to(56);
            Moment::of(|| Moment::wrote_to(1000)).1
        });
        assert_eq!(outer, (1000, 700));
    }
}
