//! What is read of a log before SQLite asks for it: plain memory, without a file.
//!
//! Whoever opens a database that nobody else has open makes the index of its log anew: SQLite reads the log's header and then
//! one frame after the other, each by a call of its own, which takes longer than to look at it. Here several frames are
//! read at once. Nothing is kept beyond that: what SQLite reads or writes otherwise ends it, and whoever reads the header
//! begins anew. Nobody writes to a log while its index is made under the lock for that; and who reads frames without it, because it
//! cannot share memory (`walBeginShmUnreliable` in SQLite), finds what was there a moment before it asked, which checksums
//! tell as ever.

use crate::header::{LOG_HEADER_BYTES, LogHeader};

/// Where the first frame begins.
const FIRST_FRAME: i64 = LOG_HEADER_BYTES as i64;
/// How many bytes are read at once, at most; a longer frame is read by itself.
const AHEAD_BYTES: usize = 16 * 1024;

/// The frames that SQLite will ask for next, as far as they are known.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    /// Set while frames are read one after the other.
    walk: Option<Walk>,
    bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Walk {
    /// How long a frame is.
    frame: usize,
    /// Where the next one begins, which is where what is known begins.
    next: i64,
    /// Where in `bytes` that is.
    known: usize,
}

impl Ahead {
    /// SQLite has read the header of the log.
    pub(crate) fn begin(&mut self, header: &[u8; LOG_HEADER_BYTES]) {
        self.forget();
        self.walk = LogHeader::read(header).map(|header| Walk {
            frame: header.frame_bytes(),
            next: FIRST_FRAME,
            known: 0,
        });
    }

    /// Something else is done with the log.
    pub(crate) fn forget(&mut self) {
        self.walk = None;
        self.bytes = Vec::new();
    }

    /// What is at `at`, `length` bytes long, if that is the next frame and it is known or can be read with others. `read`
    /// fills what it is given from that place on, and says whether it could; `size` says how long the log is.
    pub(crate) fn frame(
        &mut self,
        length: usize,
        at: i64,
        size: impl FnOnce() -> Option<i64>,
        read: impl FnOnce(&mut [u8], i64) -> bool,
    ) -> Option<&[u8]> {
        let known = self.step(length, at, size, read);
        if known.is_none() {
            self.forget();
        }
        self.bytes.get(known?..)?.get(..length)
    }

    /// Goes one frame further; where in `bytes` that is.
    fn step(
        &mut self,
        length: usize,
        at: i64,
        size: impl FnOnce() -> Option<i64>,
        read: impl FnOnce(&mut [u8], i64) -> bool,
    ) -> Option<usize> {
        let walk = self.walk?;
        if walk.next != at || walk.frame != length {
            return None;
        }
        let mut known = walk.known;
        if self.bytes.len() < known + length {
            self.make_room(length, size()? - at)?;
            if !read(&mut self.bytes, at) {
                return None;
            }
            known = 0;
        }
        self.walk = Some(Walk {
            next: at + i64::try_from(length).ok()?,
            known: known + length,
            ..walk
        });
        Some(known)
    }

    /// Makes room for as many frames as are read at once, of those that are left of the log; nothing, if that is not several.
    fn make_room(&mut self, frame: usize, left: i64) -> Option<()> {
        let frames = usize::try_from(left).ok()?.min(AHEAD_BYTES) / frame;
        if frames < 2 {
            return None;
        }
        let wanted = frames * frame;
        let more = wanted.saturating_sub(self.bytes.len());
        self.bytes.try_reserve_exact(more).ok()?;
        self.bytes.resize(wanted, 0);
        Some(())
    }
}

#[cfg(test)]
mod tests;
