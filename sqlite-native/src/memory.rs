//! The small blocks of memory that SQLite takes.
//!
//! Whoever opens a database parses its schema, which takes some five thousand small blocks, most of them for as long as
//! the connection lives. The C library looks for a good place for each of them, which was a sixth of a short command.
//! Here a block comes from a list of blocks of its size that were given back, or else from the rest of a larger piece,
//! and goes back to such a list. Each thread has lists and a rest of its own, so that no two ever wait for each other;
//! what one has too much of, or leaves when it ends, the next one takes that would need another piece. Blocks above
//! [`LARGEST`] bytes, such as pages, come from Rust's allocator, each on its own.
//!
//! What was given back stays with this process for the next block of its size: of each size as much as SQLite once had
//! at the same time, some half a megabyte for each open connection, and up to a megabyte for each thread that others
//! cannot take while it lives.
//!
//! SQLite takes such an offer only before it is used for the first time, and from one thread; so it is made before `main`,
//! on Linux. Elsewhere, and where somebody makes SQLite another offer later, nothing of this is used.

use std::alloc::{Layout, alloc, dealloc, realloc};
use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::ptr::null_mut;
use std::sync::{Mutex, PoisonError};

use libsqlite3_sys as ffi;

/// What lies before each block: how many bytes it has room for, as SQLite asks for that.
const HEAD: usize = 8;
/// A block begins at a multiple of this and, with its head, is as long as several of it. What SQLite sees of it begins after
/// the head, at a multiple of eight, which is what it wants.
const STEP: usize = 16;
/// The longest block, with its head, that comes from a list.
const LARGEST: usize = 1024;
/// How much is taken at once, to be cut into blocks.
const PIECE: usize = 64 * 1024;
/// A thread that has been given back so much more than it took leaves it to others.
const SURPLUS: usize = 1024 * 1024;

/// What a thread has, or has left.
struct Lists {
    /// For each length the block that was given back last. It begins with the address of the one before it.
    free: [*mut u8; LARGEST / STEP],
    /// How many bytes were given back and not taken again.
    surplus: usize,
    /// What is left of the last piece, and how long it is: several of [`STEP`].
    rest: *mut u8,
    left: usize,
}

// SAFETY: what is in the lists, and the rest, is pointed to from nowhere else.
#[expect(unsafe_code, reason = "memory for C")]
unsafe impl Send for Lists {}

/// What threads have left. Each lock is held for a moment only, and nothing in it can panic.
static LEFT: Mutex<Vec<Lists>> = Mutex::new(Vec::new());

/// A thread's own, which it leaves when it ends.
struct Own(RefCell<Lists>);

thread_local! {
    static OWN: Own = const { Own(RefCell::new(Lists::EMPTY)) };
}

impl Drop for Own {
    fn drop(&mut self) {
        leave(self.0.replace(Lists::EMPTY));
    }
}

/// Leaves lists to whoever needs some. Without memory to note them they are lost, which is better than to end here.
fn leave(lists: Lists) {
    let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
    if left.try_reserve(1).is_ok() {
        left.push(lists);
    }
}

/// What somebody left.
fn left_by_others() -> Option<Lists> {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

impl Lists {
    const EMPTY: Self = Self {
        free: [null_mut(); LARGEST / STEP],
        surplus: 0,
        rest: null_mut(),
        left: 0,
    };

    /// A block of so many bytes, which are several of [`STEP`] and at most [`LARGEST`]. Null, if there is no memory.
    #[inline]
    fn take(&mut self, size: usize) -> *mut u8 {
        let block = self.take_free(size);
        if !block.is_null() {
            return block;
        }
        if self.left < size {
            return self.take_elsewhere(size);
        }
        self.cut(size)
    }

    /// The block of this length that was given back last, or null.
    #[inline]
    fn take_free(&mut self, size: usize) -> *mut u8 {
        let first = &mut self.free[size / STEP - 1];
        let block = *first;
        if !block.is_null() {
            #[expect(unsafe_code, reason = "memory for C")]
            // SAFETY: a block in a list is nobody's, at least a pointer long and aligned for one, and began with one
            // when it came into the list.
            let before = unsafe { block.cast::<*mut u8>().read() };
            *first = before;
            self.surplus = self.surplus.saturating_sub(size);
        }
        block
    }

    /// A block from the rest, which is long enough.
    #[inline]
    fn cut(&mut self, size: usize) -> *mut u8 {
        let block = self.rest;
        #[expect(unsafe_code, reason = "memory for C")]
        // SAFETY: the rest is at least so long, so that this is at most its end.
        let rest = unsafe { block.add(size) };
        self.rest = rest;
        self.left -= size;
        block
    }

    /// A block from what others have left, or from a new piece.
    #[cold]
    fn take_elsewhere(&mut self, size: usize) -> *mut u8 {
        while let Some(lists) = left_by_others() {
            self.take_over(lists);
            let block = self.take_free(size);
            if !block.is_null() {
                return block;
            }
        }
        if self.left < size && !self.begin_piece() {
            return null_mut();
        }
        self.cut(size)
    }

    /// Begins another piece, and cuts up what is left of the last one. Without memory nothing changes.
    fn begin_piece(&mut self) -> bool {
        const WHOLE: Layout = match Layout::from_size_align(PIECE, STEP) {
            Ok(layout) => layout,
            Err(_) => panic!("there may be something so long"),
        };
        #[expect(unsafe_code, reason = "memory for C")]
        // SAFETY: it is not empty.
        let piece = unsafe { alloc(WHOLE) };
        if piece.is_null() {
            return false;
        }
        self.take_over(Self {
            rest: piece,
            left: PIECE,
            ..Self::EMPTY
        });
        true
    }

    /// Adds what somebody left. Of two rests the longer one stays, and the other is cut up.
    fn take_over(&mut self, mut other: Self) {
        for size in (STEP..=LARGEST).step_by(STEP) {
            let index = size / STEP - 1;
            if self.free[index].is_null() {
                self.free[index] = std::mem::replace(&mut other.free[index], null_mut());
            }
            loop {
                let block = other.take_free(size);
                if block.is_null() {
                    break;
                }
                self.put(block, size);
            }
        }
        if other.left > self.left {
            std::mem::swap(&mut self.rest, &mut other.rest);
            std::mem::swap(&mut self.left, &mut other.left);
        }
        while other.left > 0 {
            let size = other.left.min(LARGEST);
            self.put(other.cut(size), size);
        }
    }

    /// Puts a block of so many bytes, which nobody has any more, on its list.
    #[inline]
    fn put(&mut self, block: *mut u8, size: usize) {
        let first = &mut self.free[size / STEP - 1];
        #[expect(unsafe_code, reason = "memory for C")]
        // SAFETY: the block is nobody's, at least a pointer long and aligned for one.
        unsafe {
            block.cast::<*mut u8>().write(*first);
        }
        *first = block;
    }

    /// Takes a block of so many bytes back.
    #[inline]
    fn give(&mut self, block: *mut u8, size: usize) {
        self.put(block, size);
        self.surplus += size;
        if self.surplus > SURPLUS {
            leave(std::mem::replace(self, Self::EMPTY));
        }
    }
}

/// Does something with the lists of this thread.
#[inline]
fn with_own<T>(mut act: impl FnMut(&mut Lists) -> T) -> T {
    OWN.try_with(|own| act(&mut own.0.borrow_mut()))
        .unwrap_or_else(|_| {
            // This thread is ending, and has left its own already.
            let mut lists = left_by_others().unwrap_or(Lists::EMPTY);
            let done = act(&mut lists);
            leave(lists);
            done
        })
}

/// How long a block is that has room for so many bytes.
#[inline]
fn length(room: usize) -> usize {
    (room + HEAD).next_multiple_of(STEP)
}

/// How a block above [`LARGEST`] is laid out.
fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, STEP).expect("SQLite asks for two gigabytes at most")
}

/// A block with room for so many bytes, as SQLite sees it; null, if there is no memory.
#[inline]
fn obtain(room: usize) -> *mut u8 {
    let size = length(room);
    let block = if size <= LARGEST {
        with_own(|lists| lists.take(size))
    } else {
        #[expect(unsafe_code, reason = "memory for C")]
        // SAFETY: it is not empty.
        unsafe {
            alloc(layout(size))
        }
    };
    with_head(block, size)
}

/// What SQLite sees of a block, which learns here how long it is; of none, null.
#[inline]
fn with_head(block: *mut u8, size: usize) -> *mut u8 {
    if block.is_null() {
        return block;
    }
    #[expect(unsafe_code, reason = "memory for C")]
    // SAFETY: the block is ours, longer than a head and aligned for one.
    unsafe {
        block.cast::<usize>().write(size - HEAD);
    }
    #[expect(unsafe_code, reason = "memory for C")]
    // SAFETY: as above.
    unsafe {
        block.add(HEAD)
    }
}

/// The block that SQLite sees this of, and how long it is.
///
/// # Safety
/// SQLite has it from [`obtain`], and has not given it back.
#[inline]
#[expect(unsafe_code, reason = "memory for C")]
unsafe fn whole(seen: *mut u8) -> (*mut u8, usize) {
    // SAFETY: the caller's promise: before what is seen of a block lies its head.
    let block = unsafe { seen.sub(HEAD) };
    // SAFETY: as above.
    let room = unsafe { block.cast::<usize>().read() };
    debug_assert!(
        (room + HEAD).is_multiple_of(STEP) && room > 0,
        "a block is given back once, and nothing is written before it"
    );
    (block, room + HEAD)
}

/// Takes a block back.
///
/// # Safety
/// SQLite has it from [`obtain`], has not given it back, and no longer uses it.
#[inline]
#[expect(unsafe_code, reason = "memory for C")]
unsafe fn give_back(seen: *mut u8) {
    // SAFETY: the caller's promise.
    let (block, size) = unsafe { whole(seen) };
    if size <= LARGEST {
        with_own(|lists| lists.give(block, size));
    } else {
        // SAFETY: such a block came from there, with this layout.
        unsafe { dealloc(block, layout(size)) };
    }
}

/// A block with what another one has, which is given back; null, if there is no memory, and then the other one stays.
///
/// # Safety
/// SQLite has it from [`obtain`], has not given it back, and uses the answer instead if there is one.
#[expect(unsafe_code, reason = "memory for C")]
unsafe fn change(seen: *mut u8, room: usize) -> *mut u8 {
    // SAFETY: the caller's promise.
    let (block, size) = unsafe { whole(seen) };
    let wanted = length(room);
    if wanted == size {
        return seen;
    }
    if size > LARGEST && wanted > LARGEST {
        // SAFETY: such a block came from there, with this layout, and is not to be empty.
        let block = unsafe { realloc(block, layout(size), wanted) };
        return with_head(block, wanted);
    }
    let other = obtain(room);
    if !other.is_null() {
        // SAFETY: both have room for so much, and they are two.
        unsafe { seen.copy_to_nonoverlapping(other, size.min(wanted) - HEAD) };
        // SAFETY: the caller's promise.
        unsafe { give_back(seen) };
    }
    other
}

/// A number of bytes as SQLite has it, which is never below zero.
#[inline]
fn bytes(count: c_int) -> usize {
    usize::try_from(count).unwrap_or(0)
}

/// The same the other way round: nothing that it asked for is too long for it.
#[inline]
fn count(bytes: usize) -> c_int {
    c_int::try_from(bytes).unwrap_or(c_int::MAX)
}

#[expect(unsafe_code, reason = "SQLite's C interface")]
unsafe extern "C" fn x_malloc(room: c_int) -> *mut c_void {
    obtain(bytes(room)).cast()
}

#[expect(unsafe_code, reason = "SQLite's C interface")]
unsafe extern "C" fn x_free(seen: *mut c_void) {
    if !seen.is_null() {
        // SAFETY: SQLite gives back what it has from here, once.
        unsafe { give_back(seen.cast()) };
    }
}

#[expect(unsafe_code, reason = "SQLite's C interface")]
unsafe extern "C" fn x_realloc(seen: *mut c_void, room: c_int) -> *mut c_void {
    if seen.is_null() {
        return obtain(bytes(room)).cast();
    }
    // SAFETY: SQLite changes what it has from here, and goes on with the answer.
    unsafe { change(seen.cast(), bytes(room)) }.cast()
}

#[expect(unsafe_code, reason = "SQLite's C interface")]
unsafe extern "C" fn x_size(seen: *mut c_void) -> c_int {
    if seen.is_null() {
        return 0;
    }
    // SAFETY: SQLite asks of what it has from here.
    let (_, size) = unsafe { whole(seen.cast()) };
    count(size - HEAD)
}

#[expect(unsafe_code, reason = "SQLite's C interface")]
unsafe extern "C" fn x_roundup(room: c_int) -> c_int {
    count(length(bytes(room)) - HEAD)
}

#[expect(unsafe_code, reason = "SQLite's C interface")]
unsafe extern "C" fn x_init(_: *mut c_void) -> c_int {
    ffi::SQLITE_OK
}

#[expect(unsafe_code, reason = "SQLite's C interface")]
unsafe extern "C" fn x_shutdown(_: *mut c_void) {}

/// Offers SQLite this memory. If it is in use already, it refuses, and keeps what it has.
extern "C" fn offer() {
    let methods = ffi::sqlite3_mem_methods {
        xMalloc: Some(x_malloc),
        xFree: Some(x_free),
        xRealloc: Some(x_realloc),
        xSize: Some(x_size),
        xRoundup: Some(x_roundup),
        xInit: Some(x_init),
        xShutdown: Some(x_shutdown),
        pAppData: null_mut(),
    };
    #[expect(unsafe_code, reason = "SQLite's C interface")]
    // SAFETY: the option takes a pointer to such a structure, of which SQLite makes a copy; the functions in it have the
    // signatures that it calls them with. Nobody else uses SQLite meanwhile, because there is no other thread before `main`.
    unsafe {
        ffi::sqlite3_config(ffi::SQLITE_CONFIG_MALLOC, &raw const methods);
    }
}

/// Called before `main`.
#[cfg(target_os = "linux")]
#[used]
#[expect(unsafe_code, reason = "it is called by the C library")]
// SAFETY: what is in this section are functions that the C library calls, one after the other, before `main`; it gives them
// arguments, of which this one takes none. It uses nothing of Rust's that is there only in `main`.
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = offer;

#[cfg(test)]
mod tests;
