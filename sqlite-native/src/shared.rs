//! How a process that is the first to open a database takes its shared memory over.
//!
//! The index of the log (`…-shm`) is of use only while somebody has it open. Whoever opens it when nobody else does shortens
//! it to three bytes, so that nothing of it is ever believed, and then writes a byte to each of its eight pages, so that
//! there is room on the disk for them. For a file system these are nine changes of a file, which take longer than the same
//! process needs to read what is in the log. Here such a file keeps its length and its room where it has both, and gets zeros
//! where its header was: then SQLite believes nothing of it either, and makes the index anew before it uses any of it, the
//! same as after it was shortened. Only where a file system writes in place, though: where it writes to another one each
//! time, room that a file has is none for what is written next.
//!
//! SQLite does that in the middle of a function of its own, under a lock that it takes and keeps. The one place to reach it
//! is the table of system calls of its Unix file system (`xSetSystemCall`), which every file of that goes through: only this
//! very call is done differently, by its length.

#![expect(unsafe_code, reason = "SQLite's C interface")]

use std::ffi::{CStr, c_int};
use std::mem::transmute;
use std::os::fd::BorrowedFd;
use std::sync::OnceLock;

use libsqlite3_sys as ffi;

/// The length to which SQLite shortens shared memory (`unixLockSharedMemory`), and nothing else that tasq has open: a journal
/// only by `PRAGMA journal_size_limit`.
const SHORTENED: i64 = 3;
/// How long the first part of the index is, which is all of it for a log of up to 4062 pages (`WALINDEX_PGSZ`).
const PART_BYTES: i64 = 32 * 1024;
/// How long the index's header is: itself twice, then what checkpoints have done (`WALINDEX_HDR_SIZE`).
const HEADER_BYTES: usize = 2 * 48 + 40;
/// How much room that is, as file systems count it.
const PART_BLOCKS: u64 = 32 * 1024 / 512;
/// File systems that write in place, by the number that Linux gives in `statfs` (`linux/magic.h`): ext2 to ext4, and what is
/// in memory.
const IN_PLACE: [u64; 2] = [0xEF53, 0x0102_1994];

/// The name of the system call in SQLite's table.
const NAME: &CStr = c"ftruncate";

type Truncate = unsafe extern "C" fn(c_int, i64) -> c_int;

/// What shortens a file in truth.
static REAL: OnceLock<Truncate> = OnceLock::new();

/// Has SQLite's Unix file system call [`shorten`]. The same once more does nothing, and so does a file system that has no
/// such call.
///
/// # Safety
/// `vfs` is a file system of version 3 that is registered for good, and no other thread opens, closes or changes files by it
/// meanwhile: the table is one for the whole process, without a lock.
pub(crate) unsafe fn register(vfs: *mut ffi::sqlite3_vfs) {
    // SAFETY: so the caller says.
    let methods = unsafe { *vfs };
    let (Some(get), Some(set)) = (methods.xGetSystemCall, methods.xSetSystemCall) else {
        return;
    };
    // SAFETY: the file system is the method's own, and the name is a C string.
    let Some(found) = (unsafe { get(vfs, NAME.as_ptr()) }) else {
        return;
    };
    // SAFETY: SQLite calls what has this name with these arguments, the second of which is 64 bits long on every Linux
    // (it is built with `_FILE_OFFSET_BITS`), and lists it as a function without any.
    let real = unsafe { transmute::<unsafe extern "C" fn(), Truncate>(found) };
    if REAL.set(real).is_err() {
        return;
    }
    // SAFETY: the same the other way round.
    let ours = unsafe { transmute::<Truncate, unsafe extern "C" fn()>(shorten) };
    // SAFETY: as above. Were it refused, all would be as it was.
    unsafe { set(vfs, NAME.as_ptr(), Some(ours)) };
}

/// Shortens a file, unless that is what SQLite does to shared memory and it can be taken over as it is.
unsafe extern "C" fn shorten(file: c_int, length: i64) -> c_int {
    if length == SHORTENED {
        // SAFETY: SQLite calls this with a file of its own that stays open meanwhile.
        let file = unsafe { BorrowedFd::borrow_raw(file) };
        if writes_in_place(file) && taken_over(file) {
            return 0;
        }
    }
    let Some(real) = REAL.get() else {
        return -1;
    };
    // SAFETY: these are SQLite's own arguments. Whether it fails is told as the C library does.
    unsafe { real(file, length) }
}

/// Takes the index of a log over as it is, but for its header; no, if it is not of the usual length, or has holes: to write
/// to a hole needs room that there may not be, and who writes to shared memory cannot be told so.
fn taken_over(file: BorrowedFd<'_>) -> bool {
    let whole = rustix::fs::fstat(file).is_ok_and(|found| {
        let blocks = u64::try_from(found.st_blocks);
        found.st_size == PART_BYTES && blocks.is_ok_and(|blocks| blocks >= PART_BLOCKS)
    });
    whole && rustix::io::pwrite(file, &[0; HEADER_BYTES], 0) == Ok(HEADER_BYTES)
}

/// Whether what a file has is written where it is.
fn writes_in_place(file: BorrowedFd<'_>) -> bool {
    rustix::fs::fstatfs(file)
        .is_ok_and(|found| u64::try_from(found.f_type).is_ok_and(|kind| IN_PLACE.contains(&kind)))
}

#[cfg(test)]
mod tests;
