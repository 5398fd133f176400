//! The beginning of SQLite's log, which says which frames behind it count:
//! <https://www.sqlite.org/fileformat2.html#walformat>.

use std::ops::RangeInclusive;

/// How long it is, in bytes.
pub const LOG_HEADER_BYTES: usize = 32;
/// The last bit of the magic number says in which order of bytes checksums are made.
const MAGIC: u32 = 0x377F_0682;
/// The numbers of a header: how often the log began anew, the salts of its frames, and the checksum of all before it.
const BEGUN: usize = 3;
const SALTS: [usize; 2] = [4, 5];
const SUMS: [usize; 2] = [6, 7];
/// What the checksum is made of.
const SUMMED_BYTES: usize = SUMS[0] * 4;
/// How long a page may be, in bytes: a power of two.
const PAGES: RangeInclusive<u32> = 512..=65_536;
/// What comes before the page of each frame, and of that what its checksum is made of.
const FRAME_HEADER_BYTES: usize = 24;
const FRAME_SUMMED_BYTES: usize = 8;
/// The numbers of that: the size of the database, if a transaction ends here, or 0; the salts; the checksum.
const FRAME_SIZE: usize = 1;
const FRAME_SALTS: [usize; 2] = [2, 3];
const FRAME_SUMS: [usize; 2] = [4, 5];

/// The header of a log.
#[derive(Debug, Clone, Copy)]
pub struct LogHeader {
    order: fn([u8; 4]) -> u32,
    page: usize,
    salts: [u32; 2],
    sum: [u32; 2],
}

/// What a frame's own header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogFrame {
    /// Whether a transaction ends with it.
    pub commits: bool,
    /// The checksum of the log up to its end, with which the next frame's begins.
    sum: [u32; 2],
}

impl LogHeader {
    /// The header that a log begins with, if it is whole.
    #[must_use]
    pub fn read(log: &[u8]) -> Option<Self> {
        let header = log.get(..LOG_HEADER_BYTES)?;
        let magic = number(header, 0);
        let page = number(header, 2);
        if magic & !1 != MAGIC || !page.is_power_of_two() || !PAGES.contains(&page) {
            return None;
        }
        let found = Self {
            order: if magic & 1 == 0 {
                u32::from_le_bytes
            } else {
                u32::from_be_bytes
            },
            page: usize::try_from(page).ok()?,
            salts: SALTS.map(|salt| number(header, salt)),
            sum: SUMS.map(|sum| number(header, sum)),
        };
        (found.checksum([0, 0], &header[..SUMMED_BYTES]) == found.sum).then_some(found)
    }

    /// How long each frame is, in bytes.
    pub(crate) const fn frame_bytes(&self) -> usize {
        FRAME_HEADER_BYTES + self.page
    }

    /// The first frame of `rest`, which is the log from behind this header, or from behind the frame `before`, and what
    /// follows it; none, if the log ends there.
    #[must_use]
    pub fn frame<'a>(
        &self,
        before: Option<LogFrame>,
        rest: &'a [u8],
    ) -> Option<(LogFrame, &'a [u8])> {
        let (header, rest) = rest.split_at_checked(FRAME_HEADER_BYTES)?;
        let (page, rest) = rest.split_at_checked(self.page)?;
        let sum = before.map_or(self.sum, |before| before.sum);
        let sum = self.checksum(self.checksum(sum, &header[..FRAME_SUMMED_BYTES]), page);
        let is_ours = FRAME_SALTS.map(|salt| number(header, salt)) == self.salts
            && FRAME_SUMS.map(|sum| number(header, sum)) == sum;
        let commits = number(header, FRAME_SIZE) != 0;
        is_ours.then_some((LogFrame { commits, sum }, rest))
    }

    /// The checksum of what comes after something that has the checksum `sum`: several of eight bytes.
    fn checksum(&self, mut sum: [u32; 2], bytes: &[u8]) -> [u32; 2] {
        for pair in bytes.as_chunks::<4>().0.as_chunks::<2>().0 {
            let [first, second] = pair.map(self.order);
            sum[0] = sum[0].wrapping_add(first).wrapping_add(sum[1]);
            sum[1] = sum[1].wrapping_add(second).wrapping_add(sum[0]);
        }
        sum
    }

    /// The header of an empty log in the place of one with the header `old`; none, if that one is not whole. Its salts are
    /// others, the second of them `fresh`, so that whoever knows the old log sees that it is gone.
    ///
    /// It counts as the first log of its file: whoever finds it without a frame then draws salts of its own before it
    /// writes one (`nCkpt` in `sqlite3WalFrames`). That must be, because who finds no frame forgets the checksum of the
    /// header (`walIndexRecover`), and would not see frames that came to that very log (`walBeginShmUnreliable`).
    pub(crate) fn of_an_empty_log(
        old: &[u8; LOG_HEADER_BYTES],
        fresh: u32,
    ) -> Option<[u8; LOG_HEADER_BYTES]> {
        let header = Self::read(old)?;
        let mut new = *old;
        put(&mut new, BEGUN, 0);
        put(&mut new, SALTS[0], header.salts[0].wrapping_add(1));
        put(&mut new, SALTS[1], fresh);
        let sum = header.checksum([0, 0], &new[..SUMMED_BYTES]);
        for (place, sum) in SUMS.into_iter().zip(sum) {
            put(&mut new, place, sum);
        }
        Some(new)
    }
}

/// The n-th number of a header, of the log or of a frame, which is that long.
fn number(header: &[u8], n: usize) -> u32 {
    let bytes = &header[n * 4..n * 4 + 4];
    u32::from_be_bytes(bytes.try_into().expect("four bytes were taken"))
}

fn put(header: &mut [u8; LOG_HEADER_BYTES], n: usize, number: u32) {
    header[n * 4..n * 4 + 4].copy_from_slice(&number.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As SQLite 3.53 wrote it on a little-endian machine.
    const HEADER: [u8; LOG_HEADER_BYTES] = [
        0x37, 0x7f, 0x06, 0x82, 0x00, 0x2d, 0xe2, 0x18, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x0e, 0x5f, 0x09, 0xac, 0xa9, 0x34, 0xf1, 0xe8, 0x80, 0xe0, 0x62, 0x21, 0x21, 0xb1,
        0x6e, 0x6f,
    ];

    #[test]
    fn a_header_of_sqlite_is_read() {
        let header = LogHeader::read(&HEADER).unwrap();
        assert_eq!(header.page, 2048);
        for byte in 0..LOG_HEADER_BYTES {
            let mut damaged = HEADER;
            damaged[byte] ^= 4;
            assert!(LogHeader::read(&damaged).is_none(), "byte {byte}");
        }
        assert!(LogHeader::read(&HEADER[..31]).is_none());
    }

    #[test]
    fn a_log_that_is_emptied_has_other_salts() {
        let old = LogHeader::read(&HEADER).unwrap();
        let emptied = LogHeader::of_an_empty_log(&HEADER, 7).unwrap();
        let new = LogHeader::read(&emptied).unwrap();
        assert_eq!(new.salts, [old.salts[0].wrapping_add(1), 7]);
        assert_eq!(new.page, old.page);
        assert_eq!(number(&emptied, BEGUN), 0);
        assert_eq!(emptied[..12], HEADER[..12]);
        assert!(LogHeader::of_an_empty_log(&[0; LOG_HEADER_BYTES], 7).is_none());
    }

    #[test]
    fn a_page_of_an_impossible_length_is_no_header() {
        for page in [0, 256, 2049, 131_072] {
            let mut header = HEADER;
            put(&mut header, 2, page);
            let order = LogHeader::read(&HEADER).unwrap();
            let sum = order.checksum([0, 0], &header[..SUMMED_BYTES]);
            put(&mut header, SUMS[0], sum[0]);
            put(&mut header, SUMS[1], sum[1]);
            assert!(LogHeader::read(&header).is_none(), "{page}");
        }
    }
}
