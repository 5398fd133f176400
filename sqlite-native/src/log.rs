//! A file system for SQLite that writes each commit to the log in one piece.
//!
//! SQLite writes every page of a commit with two calls: 24 bytes, then the page. A step of a task's life is a dozen pages,
//! so two dozen calls, which take longer than the bytes. Here they are gathered during a COMMIT and written by one call,
//! when the last page of the commit has come and before SQLite hears of success: so whatever SQLite does after that
//! (waiting for the disk, telling other connections) finds the log as if it had been written in pieces. Before anything
//! else is done to the log, what is held is written.
//!
//! The system is asked to begin early with writing a long log to the disk ([`Early`]). A short log that SQLite empties gets another header and keeps its length ([`KEPT_BYTES`]). And where SQLite reads a log
//! frame by frame, because it makes its index anew, several are read at once.
//!
//! All else goes to the file system that SQLite would use anyway: the database itself, shared memory and locks are that
//! one's own files, of which nothing here knows. (How it takes shared memory over that nobody uses is in `shared`.)

#![expect(unsafe_code, reason = "SQLite's C interface")]

use std::ffi::{CStr, c_int, c_void};
use std::fs::File;
use std::ops::Range;
use std::ptr::{copy_nonoverlapping, drop_in_place, null, null_mut};
use std::slice::from_raw_parts;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

use libsqlite3_sys as ffi;

use crate::ahead::Ahead;
use crate::early::Early;
use crate::gather::{Gather, Moment, Offer};
use crate::header::{LOG_HEADER_BYTES, LogHeader};

/// The file system's name: what a URI says as `vfs=`.
pub(crate) const NAME: &str = "tasq";

/// The same for C.
const C_NAME: &CStr = c"tasq";

/// How long the header of a log is, for C.
const HEADER_LENGTH: c_int = LOG_HEADER_BYTES as c_int;

/// The Unix file system of SQLite takes the length of a write modulo 128 KiB.
const LONGEST_WRITE: usize = 64 * 1024;

/// A log of at most so many bytes that is emptied gets another header instead of being shortened: to give the room back to a
/// file system and to ask for it again takes longer than all that is written there meanwhile. The frames that are there are
/// of no commit then, because each says the salts of the header that it belongs to; and who cannot see the index of those
/// who write, sees by the salts that the log is another (`walBeginShmUnreliable`). A longer log gives its room back, so that
/// what a large change took is not kept for ever.
const KEPT_BYTES: ffi::sqlite3_int64 = 1024 * 1024;

/// What SQLite uses by itself; set before any file is opened by ours.
static REAL: AtomicPtr<ffi::sqlite3_vfs> = AtomicPtr::new(null_mut());

/// Makes the file system known to SQLite under [`NAME`]; the code, if SQLite refuses.
pub(crate) fn register() -> Result<(), c_int> {
    static CODE: OnceLock<c_int> = OnceLock::new();
    let code = *CODE.get_or_init(|| {
        // SAFETY: no name asks for the default; SQLite initializes itself before it answers.
        let real = unsafe { ffi::sqlite3_vfs_find(null()) };
        if real.is_null() {
            return ffi::SQLITE_ERROR;
        }
        // SAFETY: what is registered lives until it is unregistered, which nobody does to the default, and is not changed
        // but for `pNext`, when a file system is registered, which in this process nobody else does.
        let mut ours = unsafe { real.read() };
        let Some(size) = size_for(ours.szOsFile) else {
            return ffi::SQLITE_TOOBIG;
        };
        REAL.store(real, Ordering::Release);
        #[cfg(target_os = "linux")]
        // SAFETY: it is the default, of version 3, which nobody unregisters; our programs open no file by it before this.
        unsafe {
            crate::shared::register(real);
        }
        ours.szOsFile = size;
        ours.zName = C_NAME.as_ptr();
        ours.pNext = null_mut();
        ours.xOpen = Some(open);
        let ours = Box::into_raw(Box::new(ours));
        // SAFETY: it lives for ever and nobody else has it. Its other functions are those of the default, which take its
        // place only to find their own state: that of the Unix ones is `pAppData`, which is the same, and is used by
        // opening alone, which gets the default itself.
        unsafe { ffi::sqlite3_vfs_register(ours, 0) }
    });
    if code == ffi::SQLITE_OK {
        Ok(())
    } else {
        Err(code)
    }
}

/// The room for a file: ours, and behind it the real one.
fn size_for(real: c_int) -> Option<c_int> {
    c_int::try_from(size_of::<LogFile>())
        .ok()?
        .checked_add(real)
}

/// A log that is open. SQLite gives the memory, aligned for any type of C, and sees of it only the first field.
#[repr(C)]
struct LogFile {
    sqlite: ffi::sqlite3_file,
    /// The open file behind this one, in the same memory.
    real: *mut ffi::sqlite3_file,
    gather: Gather,
    ahead: Ahead,
    early: Early,
    /// Where it lies; SQLite keeps this until the log is closed.
    name: ffi::sqlite3_filename,
    /// The same file once more, as soon as the system is asked to begin with it: SQLite does not show its own.
    again: Option<File>,
}

const _: () = assert!(align_of::<LogFile>() <= 8 && size_of::<LogFile>().is_multiple_of(8));

/// Calls a method of the open file behind a log.
macro_rules! pass_on {
    ($log:expr, $method:ident $(, $argument:expr)*) => {{
        let real = $log.real;
        // SAFETY: the file behind a log is open until the log is closed.
        let methods = unsafe { (*real).pMethods };
        // SAFETY: an open file has methods, which live as long as the process.
        let method = unsafe { (*methods).$method };
        match method {
            // SAFETY: the file is the method's own, and the other arguments are those that SQLite gives.
            Some(method) => unsafe { method(real $(, $argument)*) },
            None => ffi::SQLITE_NOTFOUND,
        }
    }};
}

impl LogFile {
    /// The log that SQLite calls `file`.
    ///
    /// # Safety
    /// `file` was opened as a log by [`open`], is not closed, and nobody else uses it now.
    const unsafe fn of<'a>(file: *mut ffi::sqlite3_file) -> &'a mut Self {
        // SAFETY: so the caller says.
        unsafe { &mut *file.cast::<Self>() }
    }

    /// Writes what is held.
    fn settle(&mut self) -> c_int {
        let behind = Behind { real: self.real };
        let written = self
            .gather
            .let_go(|bytes, at| (behind.write(bytes, at), at, bytes.len()));
        written.map_or(ffi::SQLITE_OK, |(code, at, length)| {
            self.written(at, length);
            code
        })
    }

    /// So many bytes were written, or were to be.
    fn written(&mut self, at: i64, length: usize) {
        let end = at.saturating_add_unsigned(length as u64);
        if let Some(due) = self.early.wrote(at..end) {
            self.begin(due);
        }
    }

    /// Asks the system to begin with writing a part of the log to the disk. If it does not, SQLite waits for longer later.
    fn begin(&mut self, part: Range<i64>) {
        if self.again.is_none() {
            // SAFETY: it is a C string until the log is closed.
            let name = unsafe { CStr::from_ptr(self.name) };
            self.again = open_again(name);
        }
        if let Some(file) = &self.again {
            ask_to_begin(file, part);
        }
    }

    /// The frame that SQLite asks for, if it was read before that, or is read with those that follow.
    fn frame(&mut self, length: c_int, at: i64) -> Option<&[u8]> {
        let Self { real, ahead, .. } = self;
        let behind = Behind { real: *real };
        let length = usize::try_from(length).ok()?;
        ahead.frame(
            length,
            at,
            || behind.size(),
            |bytes, at| behind.read(bytes, at),
        )
    }

    /// The header of an empty log, if this one is short and has one of its own, and more: what is as long as a header is
    /// read by some parts of SQLite and not by others.
    fn header_when_empty(&self) -> Option<[u8; LOG_HEADER_BYTES]> {
        let behind = Behind { real: self.real };
        let length = behind.size()?;
        let mut old = [0; LOG_HEADER_BYTES];
        if length <= HEADER_LENGTH.into() || length > KEPT_BYTES || !behind.read(&mut old, 0) {
            return None;
        }
        let mut fresh = 0_u32;
        // SAFETY: these are four bytes, and any value of them is a number.
        unsafe { ffi::sqlite3_randomness(4, (&raw mut fresh).cast()) };
        LogHeader::of_an_empty_log(&old, fresh)
    }
}

/// The open file behind a log.
struct Behind {
    real: *mut ffi::sqlite3_file,
}

impl Behind {
    /// How long it is, if that can be told.
    fn size(&self) -> Option<i64> {
        let mut length = 0;
        let code = pass_on!(self, xFileSize, &raw mut length);
        (code == ffi::SQLITE_OK).then_some(length)
    }

    /// Reads as many bytes from `at` on; no, if they are not all there or cannot be read.
    fn read(&self, bytes: &mut [u8], at: i64) -> bool {
        c_int::try_from(bytes.len()).is_ok_and(|length| {
            pass_on!(self, xRead, bytes.as_mut_ptr().cast(), length, at) == ffi::SQLITE_OK
        })
    }

    fn write(&self, bytes: &[u8], at: i64) -> c_int {
        let mut at = at;
        for part in bytes.chunks(LONGEST_WRITE) {
            let Ok(length) = c_int::try_from(part.len()) else {
                return ffi::SQLITE_IOERR_WRITE;
            };
            let code = pass_on!(self, xWrite, part.as_ptr().cast(), length, at);
            if code != ffi::SQLITE_OK {
                return code;
            }
            at += ffi::sqlite3_int64::from(length);
            Moment::wrote_to(at);
        }
        ffi::SQLITE_OK
    }
}

/// What SQLite can do with a log. Version 1: it is never mapped, and has no shared memory of its own.
static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

/// Opens any file: a log as ours, all others as the default does.
unsafe extern "C" fn open(
    _vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    got: *mut c_int,
) -> c_int {
    let vfs = REAL.load(Ordering::Acquire);
    // SAFETY: the default was there before ours was registered, and lives for ever.
    let Some(open) = (unsafe { (*vfs).xOpen }) else {
        return ffi::SQLITE_CANTOPEN;
    };
    if flags & ffi::SQLITE_OPEN_WAL == 0 {
        // SAFETY: these are SQLite's own arguments, and the memory is larger than the default asks for.
        return unsafe { open(vfs, name, file, flags, got) };
    }
    // SAFETY: the memory is as long as `size_for` says.
    let behind = unsafe { file.cast::<LogFile>().add(1) };
    let real = behind.cast::<ffi::sqlite3_file>();
    // SAFETY: as above; what lies behind ours is as long as the default asks for, and aligned.
    let code = unsafe { open(vfs, name, real, flags, got) };
    if code != ffi::SQLITE_OK {
        let behind = Behind { real };
        // SAFETY: opening sets this even where it fails; a file that has methods then wants to be closed.
        if !unsafe { (*real).pMethods }.is_null() {
            pass_on!(behind, xClose);
        }
        // SAFETY: the memory is SQLite's for this file; without methods it is no open file.
        unsafe { (*file).pMethods = null() };
        return code;
    }
    let log = LogFile {
        sqlite: ffi::sqlite3_file { pMethods: &METHODS },
        real,
        gather: Gather::default(),
        ahead: Ahead::default(),
        early: Early::default(),
        name,
        again: None,
    };
    // SAFETY: the memory is long enough, aligned, and nothing that would have to be dropped is in it.
    unsafe { file.cast::<LogFile>().write(log) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a log once.
    let log = unsafe { LogFile::of(file) };
    let settled = log.settle();
    let closed = pass_on!(log, xClose);
    log.ahead.forget();
    // SAFETY: it is never used again.
    unsafe { drop_in_place(&raw mut log.gather) };
    log.again = None;
    if settled == ffi::SQLITE_OK {
        closed
    } else {
        settled
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    length: c_int,
    at: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite calls this with an open log, from one thread at a time.
    let log = unsafe { LogFile::of(file) };
    let Ok(length) = usize::try_from(length) else {
        return ffi::SQLITE_IOERR_WRITE;
    };
    // SAFETY: SQLite gives as many bytes as it says, which stay as they are during the call.
    let bytes = unsafe { from_raw_parts(from.cast::<u8>(), length) };
    log.ahead.forget();
    match log.gather.offer(bytes, at) {
        Offer::Held => ffi::SQLITE_OK,
        Offer::Due => log.settle(),
        Offer::Refused => match log.settle() {
            ffi::SQLITE_OK => {
                let code = Behind { real: log.real }.write(bytes, at);
                log.written(at, length);
                code
            }
            code => code,
        },
    }
}

/// Declares a method that writes what is held and passes on.
macro_rules! after_settling {
    ($name:ident = $method:ident($($argument:ident: $kind:ty),*)) => {
        unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file $(, $argument: $kind)*) -> c_int {
            // SAFETY: SQLite calls this with an open log, from one thread at a time.
            let log = unsafe { LogFile::of(file) };
            match log.settle() {
                ffi::SQLITE_OK => pass_on!(log, $method $(, $argument)*),
                code => code,
            }
        }
    };
}

after_settling!(shorten = xTruncate(size: ffi::sqlite3_int64));
after_settling!(wait = xSync(how: c_int));
after_settling!(file_size = xFileSize(size: *mut ffi::sqlite3_int64));
after_settling!(lock = xLock(how: c_int));
after_settling!(unlock = xUnlock(how: c_int));
after_settling!(check_reserved_lock = xCheckReservedLock(locked: *mut c_int));
after_settling!(file_control = xFileControl(what: c_int, argument: *mut c_void));

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    to: *mut c_void,
    length: c_int,
    at: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite calls this with an open log, from one thread at a time.
    let log = unsafe { LogFile::of(file) };
    match log.settle() {
        ffi::SQLITE_OK => {}
        code => return code,
    }
    log.gather.reads(at, length.into());
    if let Some(frame) = log.frame(length, at) {
        // SAFETY: SQLite gives as much room as it asks for, which is not ours, and a frame is just as long.
        unsafe { copy_nonoverlapping(frame.as_ptr(), to.cast::<u8>(), frame.len()) };
        return ffi::SQLITE_OK;
    }
    let code = pass_on!(log, xRead, to, length, at);
    if code == ffi::SQLITE_OK && at == 0 && length == HEADER_LENGTH {
        let mut header = [0; LOG_HEADER_BYTES];
        // SAFETY: the room is as long as a header, which was just read into it.
        header.copy_from_slice(unsafe { from_raw_parts(to.cast::<u8>(), LOG_HEADER_BYTES) });
        log.ahead.begin(&header);
    }
    code
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, how: c_int) -> c_int {
    // SAFETY: as below.
    let code = unsafe { wait(file, how) };
    if code == ffi::SQLITE_OK {
        // SAFETY: SQLite calls this with an open log, from one thread at a time.
        unsafe { LogFile::of(file) }.early.synced();
    }
    code
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: ffi::sqlite3_int64) -> c_int {
    // SAFETY: SQLite calls this with an open log, from one thread at a time.
    let log = unsafe { LogFile::of(file) };
    match log.settle() {
        ffi::SQLITE_OK => {}
        code => return code,
    }
    log.ahead.forget();
    if size == 0
        && let Some(header) = log.header_when_empty()
    {
        return Behind { real: log.real }.write(&header, 0);
    }
    // SAFETY: as above.
    unsafe { shorten(file, size) }
}

unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite calls this with an open log, from one thread at a time.
    let log = unsafe { LogFile::of(file) };
    pass_on!(log, xSectorSize)
}

unsafe extern "C" fn device_characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite calls this with an open log, from one thread at a time.
    let log = unsafe { LogFile::of(file) };
    pass_on!(log, xDeviceCharacteristics)
}

/// The file of a name. Nothing is waited for, should something else have taken its place.
#[cfg(target_os = "linux")]
fn open_again(name: &CStr) -> Option<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = rustix::fs::open(name, flags, Mode::empty());
    file.ok().map(File::from)
}

#[cfg(target_os = "linux")]
fn ask_to_begin(file: &File, part: Range<i64>) {
    use std::os::fd::AsRawFd;
    // SAFETY: the file is open, and nothing in memory is touched. The answer says whether the system has begun, and
    // nothing of what was written: an error of the disk is told to whoever waits for it, by a file of its own each.
    unsafe {
        libc::sync_file_range(
            file.as_raw_fd(),
            part.start,
            part.end - part.start,
            libc::SYNC_FILE_RANGE_WRITE,
        )
    };
}

/// Others have no such request.
#[cfg(not(target_os = "linux"))]
const fn open_again(_name: &CStr) -> Option<File> {
    None
}

#[cfg(not(target_os = "linux"))]
const fn ask_to_begin(_file: &File, _part: Range<i64>) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_one_that_is_registered() {
        assert_eq!(C_NAME.to_str(), Ok(NAME));
    }
}
