//! Switches the triggers and the foreign keys of an SQLite connection off and on.
//!
//! A schema whose triggers follow every edit, by whomever, makes each statement of a writer that follows its own edits
//! carry programs along that never do anything: SQLite compiles them with the statement, evaluates their conditions for
//! each row and keeps a journal of each statement for them. Whether a connection has triggers is a setting of its own
//! (`SQLITE_DBCONFIG_ENABLE_TRIGGER`, as is `SQLITE_DBCONFIG_ENABLE_FKEY`), and it has neither SQL nor a safe call
//! through Diesel. Here it gets SQL.

use std::ffi::c_int;
use std::ptr::null_mut;
use std::sync::OnceLock;

use libsqlite3_sys as ffi;

use crate::pack;

/// The SQL function: one argument, 0 for off, any other number for on. Only a statement itself can call it; a trigger or
/// a view cannot.
pub(crate) const FUNCTION: &str = "tasq_follow";

/// Gives every connection that this process opens from now on the functions; the code, if SQLite refuses.
pub(crate) fn register() -> Result<(), c_int> {
    static CODE: OnceLock<c_int> = OnceLock::new();
    let code = *CODE.get_or_init(|| {
        #[expect(unsafe_code, reason = "SQLite's C interface")]
        // SAFETY: `add_function` has the signature that SQLite calls it with, lives as long as the process, and
        // expects of its arguments no more than SQLite's documentation promises. SQLite guards its list of extensions
        // with a mutex of its own.
        unsafe {
            ffi::sqlite3_auto_extension(Some(add_function))
        }
    });
    if code == ffi::SQLITE_OK {
        Ok(())
    } else {
        Err(code)
    }
}

/// Called by SQLite for each connection that is opened; it gets the other function as well.
#[expect(unsafe_code, reason = "SQLite's C interface")]
unsafe extern "C" fn add_function(
    db: *mut ffi::sqlite3,
    _message: *mut *mut std::ffi::c_char,
    _api: *const ffi::sqlite3_api_routines,
) -> c_int {
    // SAFETY: SQLite calls this with the connection that is being opened, which is alive. The name is a C string that
    // lives for ever. `switch` has the signature that SQLite calls it with; it has no data of its own to be freed.
    let code = unsafe {
        ffi::sqlite3_create_function_v2(
            db,
            c"tasq_follow".as_ptr(),
            1,
            ffi::SQLITE_UTF8 | ffi::SQLITE_DIRECTONLY,
            null_mut(),
            Some(switch),
            None,
            None,
            None,
        )
    };
    if code != ffi::SQLITE_OK {
        return code;
    }
    // SAFETY: as above.
    unsafe { pack::add_to(db) }
}

/// The function itself. Nothing in it can panic, because no panic may cross into C.
#[expect(unsafe_code, reason = "SQLite's C interface")]
unsafe extern "C" fn switch(
    context: *mut ffi::sqlite3_context,
    _count: c_int,
    values: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: the function is registered with one argument, so SQLite calls it with an array of one value.
    let value = unsafe { *values };
    // SAFETY: the value is the one that SQLite has just given, and it is alive during the call.
    let on = c_int::from(unsafe { ffi::sqlite3_value_int(value) } != 0);
    // SAFETY: the context is the one that SQLite has just given; what it belongs to is the connection that runs this,
    // so it is alive, and this thread is the one that uses it.
    let db = unsafe { ffi::sqlite3_context_db_handle(context) };
    for option in [
        ffi::SQLITE_DBCONFIG_ENABLE_TRIGGER,
        ffi::SQLITE_DBCONFIG_ENABLE_FKEY,
    ] {
        // SAFETY: both options take an `int` and a pointer to an `int`, which may be null. Switching marks prepared
        // statements to be prepared anew when they are used next; no memory of theirs is freed meanwhile.
        let code = unsafe { ffi::sqlite3_db_config(db, option, on, null_mut::<c_int>()) };
        if code != ffi::SQLITE_OK {
            // SAFETY: the context is the one of this call.
            unsafe { ffi::sqlite3_result_error_code(context, code) };
            return;
        }
    }
    // SAFETY: the context is the one of this call.
    unsafe { ffi::sqlite3_result_int(context, on) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_one_that_is_registered() {
        assert_eq!(c"tasq_follow".to_str(), Ok(FUNCTION));
    }
}
