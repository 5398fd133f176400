//! When the system is to begin with writing a log to the disk: plain numbers, without a file.
//!
//! Where commits do not wait for the disk (`synchronous=NORMAL`), all of the log is written there when it is folded into the
//! database: SQLite waits for up to 16 MiB at once then, which is a seventh of the time of a loop of steps. So the system is
//! asked to begin with what has come whenever that is [`STRIDE_BYTES`], and goes on with it beside the steps that follow. Nothing is
//! promised by that, and nothing is taken for written because of it: SQLite waits for the disk where it always does. It
//! finds little left to wait for. The system might write any of it at any time anyway, in any order, so what a power cut
//! leaves is nothing that it could not leave before.
//!
//! Where commits wait, each has all of the log on the disk, so only one that is longer than that has anything begun.

use std::ops::Range;

/// After how many bytes of the log the system is asked to begin: a thirty-second of a log that is folded. The request takes
/// a tenth of a millisecond, which one in some twenty steps has to spend; with a multiple of this it would take as long in
/// all, and more would be left to wait for.
const STRIDE_BYTES: i64 = 512 * 1024;
/// What is begun ends at a multiple of this, the longest page that a system has: the last page of the log will be written
/// to again by the next commit.
const PAGE_BYTES: i64 = 64 * 1024;

/// How far the disk is with a log.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Early {
    /// Up to here it has begun, or has all.
    begun: i64,
    /// Up to here the log was written last.
    written: i64,
}

impl Early {
    /// The log was written between two places. What is to be begun with now, if anything; it counts as begun then.
    pub(crate) fn wrote(&mut self, part: Range<i64>) -> Option<Range<i64>> {
        // The log began anew.
        self.begun = self.begun.min(part.start);
        self.written = part.end;
        if self.written - self.begun < STRIDE_BYTES {
            return None;
        }
        let end = self.written - self.written % PAGE_BYTES;
        let due = self.begun..end;
        self.begun = end;
        Some(due)
    }

    /// All that was written is on the disk.
    pub(crate) fn synced(&mut self) {
        self.begun = self.written;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: i64 = 20 * 1024 + 24;

    /// What is begun with in a log of so many commits that follow each other.
    fn begun(early: &mut Early, commits: i64) -> Vec<Range<i64>> {
        (0..commits)
            .map(|number| 32 + number * COMMIT)
            .filter_map(|at| early.wrote(at..at + COMMIT))
            .collect()
    }

    #[test]
    fn each_part_is_begun_with_once_and_the_last_page_is_left() {
        let mut early = Early::default();
        let parts = begun(&mut early, 100);
        assert_eq!(parts.first(), Some(&(0..STRIDE_BYTES)));
        assert_eq!(parts.len(), 3);
        for (one, next) in parts.iter().zip(&parts[1..]) {
            assert_eq!(one.end, next.start);
        }
        for part in parts {
            assert_eq!(part.end % PAGE_BYTES, 0);
            assert!(part.end - part.start >= STRIDE_BYTES - PAGE_BYTES);
        }
    }

    #[test]
    fn a_log_that_begins_anew_is_begun_with_anew() {
        let mut early = Early::default();
        let first = begun(&mut early, 60);
        let second = begun(&mut early, 60);
        assert_eq!(first.len(), 2);
        assert_eq!(second.len(), 2);
        assert_eq!(second[0].start, 32);
        assert_eq!(first[0].end, second[0].end);
    }

    #[test]
    fn where_commits_wait_for_the_disk_only_long_ones_have_anything_begun() {
        let mut early = Early::default();
        for number in 0..100 {
            let at = number * COMMIT;
            assert_eq!(early.wrote(at..at + COMMIT), None);
            early.synced();
        }
        let at = 100 * COMMIT;
        assert_eq!(early.wrote(at..at + STRIDE_BYTES - 1), None);
        let due = early.wrote(at + STRIDE_BYTES - 1..at + STRIDE_BYTES);
        assert!(due.is_some_and(|due| due.start == at && due.end <= at + STRIDE_BYTES));
    }
}
