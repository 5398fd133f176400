//! What the write-ahead log holds, read from the files themselves: whether a COMMIT that failed can have left anything.
//!
//! The log is a header and frames, each with a checksum over all before it; a frame that ends a transaction says so.
//! Whoever opens the database after a crash takes every transaction whose last frame is whole. While the database is in
//! use, an index in shared memory (`-shm`) says how many frames count. So a failed COMMIT has left nothing if the log
//! has no whole transaction beyond those: <https://www.sqlite.org/fileformat2.html#walformat>.

use std::path::Path;

use tasq_sqlite_native::{LOG_HEADER_BYTES, LogHeader};

use crate::connect::{beside, log_path};

/// Where the index has the number of frames that count, in the machine's own order of bytes.
const INDEX_FRAMES: usize = 16;

/// Whether the log has no transaction but those that its index counts. In every doubt it has.
///
/// Reading the index lets go of the locks that this process has on it, so this is for a connection that is never used
/// again.
pub(crate) fn nothing_beyond_its_index(database: &Path) -> bool {
    let read = || {
        let log = std::fs::read(log_path(database)).ok()?;
        let index = std::fs::read(beside(database, "-shm")).ok()?;
        let counted = index.get(INDEX_FRAMES..INDEX_FRAMES + 4)?;
        let counted = u32::from_ne_bytes(counted.try_into().ok()?);
        Some(whole_frames(&log) <= counted as usize)
    };
    read().unwrap_or(false)
}

/// How many frames belong to transactions that are there as a whole.
pub(crate) fn whole_frames(log: &[u8]) -> usize {
    let Some(header) = LogHeader::read(log) else {
        return 0;
    };
    let (mut before, mut rest) = (None, &log[LOG_HEADER_BYTES..]);
    let (mut frames, mut whole) = (0, 0);
    while let Some((frame, next)) = header.frame(before, rest) {
        frames += 1;
        if frame.commits {
            whole = frames;
        }
        (before, rest) = (Some(frame), next);
    }
    whole
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use tasq_ports::StoreExt as _;

    use diesel::connection::SimpleConnection as _;
    use diesel::sqlite::SqliteConnection;
    use tasq_sqlite_native::in_one_piece;

    use super::*;
    use crate::connect::{PAGE_BYTES, establish};
    use crate::error::Place;
    use crate::tests::{Fixture, epic};

    fn counted(fixture: &Fixture) -> usize {
        let index = fs::read(beside(&fixture.path, "-shm")).unwrap();
        u32::from_ne_bytes(index[16..20].try_into().unwrap()) as usize
    }

    #[test]
    fn every_frame_that_counts_is_found_and_none_beyond() {
        let fixture = Fixture::new();
        for number in 0..5 {
            let one = epic(&format!("E-{number}"));
            fixture
                .store
                .write(|tx| tx.insert_epic(&one).map(drop))
                .unwrap();
            let log = fs::read(log_path(&fixture.path)).unwrap();
            assert_eq!(whole_frames(&log), counted(&fixture));
            assert!(whole_frames(&log) > number);
        }
        assert!(nothing_beyond_its_index(&fixture.path));
    }

    /// A connection whose cache has room for a few pages, so that others go to the log before their commit.
    fn short_of_memory(fixture: &Fixture) -> SqliteConnection {
        let place = Place {
            path: fixture.path.clone(),
            wait: Duration::ZERO,
        };
        let mut conn = establish(&place, "mode=rw").unwrap();
        conn.batch_execute(
            "PRAGMA synchronous = NORMAL; PRAGMA cache_size = 5;
             CREATE TABLE IF NOT EXISTS noise (n INTEGER PRIMARY KEY, text BLOB);",
        )
        .unwrap();
        conn
    }

    const MUCH: &str = "BEGIN;
        WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 300)
        INSERT INTO noise SELECT NULL, randomblob(700) FROM n;
        UPDATE noise SET text = randomblob(700) WHERE n % 7 = 0;
        UPDATE noise SET text = randomblob(700) WHERE n % 11 = 0;";

    /// A page that is changed again after it went to the log goes to the same place: then the commit makes every checksum
    /// behind it anew.
    #[test]
    fn a_commit_that_wrote_its_pages_twice_is_whole() {
        let fixture = Fixture::new();
        let mut conn = short_of_memory(&fixture);
        for round in 0..4 {
            let before = counted(&fixture);
            if round % 2 == 0 {
                conn.batch_execute(MUCH).unwrap();
                in_one_piece(|| conn.batch_execute("COMMIT")).0.unwrap();
            } else {
                in_one_piece(|| conn.batch_execute(&format!("{MUCH} COMMIT")))
                    .0
                    .unwrap();
            }
            let log = fs::read(log_path(&fixture.path)).unwrap();
            assert_eq!(whole_frames(&log), counted(&fixture));
            // At least each page of the new rows once, and fewer than if every write had a frame of its own.
            let frames = counted(&fixture) - before;
            assert!((100..600 * (round + 1)).contains(&frames), "{frames}");
        }
    }

    /// Somebody else writes to its place before the connection looks at the log again, or closes it.
    #[test]
    fn what_was_undone_is_never_written_later() {
        for closes in [false, true] {
            let fixture = Fixture::new();
            let mut conn = short_of_memory(&fixture);
            // All pages are in the database, so that nothing is read from the log on the way.
            let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
            conn.batch_execute(&format!("{MUCH} COMMIT; {checkpoint}"))
                .unwrap();
            let change = |rows| format!("UPDATE noise SET text = randomblob(700) WHERE n < {rows}");
            // As if a COMMIT had written this and failed: few enough to be held all together, and no new page, which would have the first one read again.
            let undone = format!("BEGIN; {}; ROLLBACK", change(50));
            in_one_piece(|| conn.batch_execute(&undone)).0.unwrap();
            let mut other = fixture.plain();
            other.batch_execute(&change(200)).unwrap();
            if closes {
                drop(conn);
            } else {
                conn.batch_execute("SELECT * FROM noise").unwrap();
            }
            let log = fs::read(log_path(&fixture.path)).unwrap();
            assert_eq!(whole_frames(&log), counted(&fixture), "closes: {closes}");
        }
    }

    #[test]
    fn a_transaction_without_its_last_byte_is_none() {
        let fixture = Fixture::new();
        let write = |id| {
            fixture
                .store
                .write(|tx| tx.insert_epic(&epic(id)).map(drop))
                .unwrap()
        };
        write("E-1");
        let before = whole_frames(&fs::read(log_path(&fixture.path)).unwrap());
        write("E-2");
        let log = fs::read(log_path(&fixture.path)).unwrap();
        let all = whole_frames(&log);
        assert!(all > before);
        // Each page has a header of 24 bytes.
        let end = LOG_HEADER_BYTES + all * (24 + PAGE_BYTES as usize);
        assert_eq!(whole_frames(&log[..end]), all);
        assert_eq!(whole_frames(&log[..end - 1]), before);
        let mut wrong = log;
        wrong[end - 1] ^= 1;
        assert_eq!(whole_frames(&wrong), before);
    }

    #[test]
    fn what_is_beyond_the_index_is_seen() {
        let fixture = Fixture::new();
        let write = |id| {
            fixture
                .store
                .write(|tx| tx.insert_epic(&epic(id)).map(drop))
                .unwrap()
        };
        write("E-1");
        let copy = fixture.folder().join("copy.db");
        fs::copy(beside(&fixture.path, "-shm"), beside(&copy, "-shm")).unwrap();
        write("E-2");
        fs::copy(log_path(&fixture.path), log_path(&copy)).unwrap();
        assert!(!nothing_beyond_its_index(&copy));
    }

    #[test]
    fn files_that_are_not_there_leave_it_in_doubt() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!nothing_beyond_its_index(&folder.path().join("queue.db")));
        assert_eq!(whole_frames(b"no log at all"), 0);
        assert_eq!(whole_frames(&[0; 64]), 0);
    }
}
