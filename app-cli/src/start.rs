//! How the process begins: as a program in C does, without what Rust does before its own `main`.
//!
//! That reads where in memory the stack lies, from `/proc`, and makes room for a handler that tells of a stack overflow by
//! a line: a thirtieth of what a whole `tasq claim` takes. Without it a stack overflow ends the process as it does in C, by
//! SIGSEGV. What the program needs of the rest is done here: that the first three descriptors are open, so that no store ever
//! becomes the standard output, and that to write to somebody who left is an error and not the end. A panic before
//! `tell_panics_in_a_line` is told by Rust, as of a thread without a name, and SIGABRT ends the process.
//!
//! Only glibc gives Rust the words of the command line before `main`; elsewhere, and in tests, Rust begins.

use std::ffi::{c_char, c_int};
use std::os::fd::{BorrowedFd, IntoRawFd as _};
use std::process;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use signal_hook::consts::SIGPIPE;

/// Called by the C library, which finds it by its name.
#[expect(unsafe_code, reason = "no other function of the program has this name")]
#[unsafe(no_mangle)]
extern "C" fn main(_count: c_int, _words: *const *const c_char) -> c_int {
    for descriptor in [
        rustix::stdio::stdin(),
        rustix::stdio::stdout(),
        rustix::stdio::stderr(),
    ] {
        keep_open(descriptor);
    }
    // A handler, unlike ignoring the signal, does not reach the programs that are started.
    if signal_hook::flag::register(SIGPIPE, Arc::new(AtomicBool::new(false))).is_err() {
        process::abort();
    }
    process::exit(i32::from(crate::run()))
}

/// Has the descriptor lead nowhere, if it is closed: the next file that is opened would get its number.
fn keep_open(descriptor: BorrowedFd<'_>) {
    if rustix::io::fcntl_getfd(descriptor) != Err(Errno::BADF) {
        return;
    }
    match rustix::fs::open("/dev/null", OFlags::RDWR, Mode::empty()) {
        // It stays open to the end. Those before it are open, so this is its number.
        Ok(nowhere) => drop(nowhere.into_raw_fd()),
        Err(_) => process::abort(),
    }
}
