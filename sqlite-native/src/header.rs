//! The beginning of SQLite's log, which says which frames behind it count:
//! <https://www.sqlite.org/fileformat2.html#walformat>.

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

/// The header of a log.
#[derive(Debug, Clone, Copy)]
pub struct LogHeader {
    order: fn([u8; 4]) -> u32,
    /// The length of a page, in bytes.
    pub page: usize,
    /// What each frame of this log says again.
    pub salts: [u32; 2],
    /// Its checksum, with which that of the first frame begins.
    pub sum: [u32; 2],
}

impl LogHeader {
    /// The header that a log begins with, if it is whole.
    #[must_use]
    pub fn read(log: &[u8]) -> Option<Self> {
        let header = log.get(..LOG_HEADER_BYTES)?;
        let magic = log_number(header, 0);
        if magic & !1 != MAGIC {
            return None;
        }
        let found = Self {
            order: if magic & 1 == 0 {
                u32::from_le_bytes
            } else {
                u32::from_be_bytes
            },
            page: log_number(header, 2) as usize,
            salts: SALTS.map(|salt| log_number(header, salt)),
            sum: SUMS.map(|sum| log_number(header, sum)),
        };
        (found.checksum([0, 0], &header[..SUMMED_BYTES]) == found.sum).then_some(found)
    }

    /// The checksum of what comes after something that has the checksum `sum`: several of eight bytes.
    #[must_use]
    pub fn checksum(&self, mut sum: [u32; 2], bytes: &[u8]) -> [u32; 2] {
        for pair in bytes.as_chunks::<4>().0.as_chunks::<2>().0 {
            let [first, second] = pair.map(self.order);
            sum[0] = sum[0].wrapping_add(first).wrapping_add(sum[1]);
            sum[1] = sum[1].wrapping_add(second).wrapping_add(sum[0]);
        }
        sum
    }

    /// The header of the log that begins anew where one with the header `old` was; none, if that one is not whole. It
    /// says what SQLite would say (`walRestartHdr`): one more beginning, other salts, of which the second is `fresh`.
    pub(crate) fn anew(old: &[u8; LOG_HEADER_BYTES], fresh: u32) -> Option<[u8; LOG_HEADER_BYTES]> {
        let header = Self::read(old)?;
        let mut new = *old;
        put(&mut new, BEGUN, log_number(old, BEGUN).wrapping_add(1));
        put(&mut new, SALTS[0], header.salts[0].wrapping_add(1));
        put(&mut new, SALTS[1], fresh);
        let sum = header.checksum([0, 0], &new[..SUMMED_BYTES]);
        for (place, sum) in SUMS.into_iter().zip(sum) {
            put(&mut new, place, sum);
        }
        Some(new)
    }
}

/// The n-th number of a header, of the log or of a frame.
///
/// # Panics
/// If it is not that long.
#[must_use]
pub fn log_number(header: &[u8], n: usize) -> u32 {
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
    fn a_log_that_begins_anew_has_other_salts() {
        let old = LogHeader::read(&HEADER).unwrap();
        let anew = LogHeader::anew(&HEADER, 7).unwrap();
        let new = LogHeader::read(&anew).unwrap();
        assert_eq!(new.salts, [old.salts[0].wrapping_add(1), 7]);
        assert_eq!(new.page, old.page);
        assert_eq!(log_number(&anew, BEGUN), log_number(&HEADER, BEGUN) + 1);
        assert_eq!(anew[..12], HEADER[..12]);
        assert!(LogHeader::anew(&[0; LOG_HEADER_BYTES], 7).is_none());
    }
}
