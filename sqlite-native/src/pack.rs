//! Many values as one.
//!
//! Taking a column from SQLite costs more than reading it, because each is asked for through several calls, and whole
//! queues are read column by column. Here a row's columns become one blob, which is taken once.
//!
//! A blob begins with how many values it has, in a byte. Then come [`HEAD_BYTES`] for each: what it is, and its number or
//! the length of its text. The bytes of all texts follow, one after the other.

use std::cell::RefCell;
use std::ffi::c_int;
use std::ptr::null_mut;
use std::slice::from_raw_parts;

use libsqlite3_sys as ffi;

/// What each value has at the beginning of a blob.
const HEAD_BYTES: usize = 9;

/// How much memory is kept for the next row, however long one was.
const KEPT_BYTES: usize = 64 * 1024;

/// A value of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// A number.
    Number(i64),
    /// A text.
    Text(&'a str),
    /// A text that is damaged: it is not UTF-8.
    NotUtf8(&'a [u8]),
    /// Something that no column of ours holds.
    Other,
}

const NULL: u8 = 0;
const NUMBER: u8 = 1;
const TEXT: u8 = 2;
const OTHER: u8 = 3;

/// The values of a blob, in the order in which the function got them.
#[derive(Debug, Clone)]
pub struct Values<'a> {
    heads: std::slice::Iter<'a, [u8; HEAD_BYTES]>,
    /// The texts that are still to come, and the same looked at in one go, if all are as they should be.
    texts: &'a [u8],
    utf8: Option<&'a str>,
}

impl<'a> Values<'a> {
    /// The values of a blob that the function made.
    #[must_use]
    pub fn of(blob: &'a [u8]) -> Self {
        let (count, blob) = blob.split_first().unwrap_or((&0, &[]));
        let (heads, texts) = blob.split_at(blob.len().min(usize::from(*count) * HEAD_BYTES));
        Self {
            heads: heads.as_chunks().0.iter(),
            texts,
            utf8: str::from_utf8(texts).ok(),
        }
    }

    /// Whether none is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heads.as_slice().is_empty()
    }

    fn text(&mut self, len: usize) -> Value<'a> {
        let (text, rest) = self.texts.split_at(len.min(self.texts.len()));
        self.texts = rest;
        let (first, rest) = self
            .utf8
            .and_then(|texts| texts.split_at_checked(len))
            .unzip();
        self.utf8 = rest;
        match first.map_or_else(|| str::from_utf8(text), Ok) {
            Ok(text) => Value::Text(text),
            Err(_) => Value::NotUtf8(text),
        }
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        let [kind, number @ ..] = *self.heads.next()?;
        let number = i64::from_le_bytes(number);
        Some(match kind {
            NULL => Value::Null,
            NUMBER => Value::Number(number),
            TEXT => self.text(usize::try_from(number).unwrap_or(usize::MAX)),
            _ => Value::Other,
        })
    }
}

/// Gives a connection the function.
///
/// # Safety
/// The connection is alive, and this thread is the one that uses it.
#[expect(unsafe_code, reason = "SQLite's C interface")]
pub(crate) unsafe fn add_to(db: *mut ffi::sqlite3) -> c_int {
    // SAFETY: the caller answers for the connection. The name is a C string that lives for ever. `pack` has the signature
    // that SQLite calls it with; it has no data of its own to be freed.
    unsafe {
        ffi::sqlite3_create_function_v2(
            db,
            c"tasq_pack".as_ptr(),
            -1,
            ffi::SQLITE_UTF8 | ffi::SQLITE_DIRECTONLY,
            null_mut(),
            Some(pack),
            None,
            None,
            None,
        )
    }
}

thread_local! {
    /// Where a blob is put together, before SQLite copies it.
    static BLOB: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The function itself. Nothing in it can panic but for want of memory, which ends the process: no panic may cross into C.
#[expect(unsafe_code, reason = "SQLite's C interface")]
unsafe extern "C" fn pack(
    context: *mut ffi::sqlite3_context,
    count: c_int,
    values: *mut *mut ffi::sqlite3_value,
) {
    let count = usize::try_from(count).unwrap_or(0);
    let values = if count == 0 {
        &[]
    } else {
        // SAFETY: SQLite calls this with an array of so many values, which nobody changes during the call.
        unsafe { from_raw_parts(values, count) }
    };
    let done = BLOB.try_with(|blob| {
        let Ok(mut blob) = blob.try_borrow_mut() else {
            return false;
        };
        let Ok(number) = u8::try_from(count) else {
            return false;
        };
        blob.clear();
        blob.resize(1 + count * HEAD_BYTES, 0);
        blob[0] = number;
        for (at, &value) in values.iter().enumerate() {
            // SAFETY: the value is one of those that SQLite has just given, alive during the call.
            let (kind, number) = unsafe { put(value, &mut blob) };
            let heads = blob[1..].as_chunks_mut::<HEAD_BYTES>().0;
            if let Some([to, bytes @ ..]) = heads.get_mut(at) {
                *to = kind;
                *bytes = number.to_le_bytes();
            }
        }
        let len = blob.len() as u64;
        // SAFETY: the context is the one of this call. SQLite copies the bytes before it returns.
        unsafe {
            ffi::sqlite3_result_blob64(context, blob.as_ptr().cast(), len, ffi::SQLITE_TRANSIENT());
        }
        blob.clear();
        blob.shrink_to(KEPT_BYTES);
        true
    });
    if done != Ok(true) {
        // SAFETY: the context is the one of this call.
        unsafe { ffi::sqlite3_result_error_code(context, ffi::SQLITE_MISUSE) };
    }
}

/// What a value is, and its number or its length; the text itself is put at the end of the blob.
///
/// # Safety
/// The value is alive and nobody else uses it meanwhile.
#[expect(unsafe_code, reason = "SQLite's C interface")]
unsafe fn put(value: *mut ffi::sqlite3_value, blob: &mut Vec<u8>) -> (u8, i64) {
    // SAFETY: the caller answers for the value; so below.
    match unsafe { ffi::sqlite3_value_type(value) } {
        ffi::SQLITE_INTEGER => {
            // SAFETY: as above.
            (NUMBER, unsafe { ffi::sqlite3_value_int64(value) })
        }
        ffi::SQLITE_TEXT => {
            // SAFETY: as above.
            let text = unsafe { ffi::sqlite3_value_text(value) };
            // SAFETY: as above. Asked after the text, so it is that of its encoding.
            let len = unsafe { ffi::sqlite3_value_bytes(value) };
            match usize::try_from(len) {
                Ok(bytes) if !text.is_null() => {
                    // SAFETY: SQLite has just given so many bytes, which stay until the value is asked for in another
                    // form, and they are copied at once.
                    let text = unsafe { from_raw_parts(text, bytes) };
                    blob.extend_from_slice(text);
                    (TEXT, i64::from(len))
                }
                // SQLite is out of memory, and says so itself.
                _ => (OTHER, 0),
            }
        }
        ffi::SQLITE_NULL => (NULL, 0),
        _ => (OTHER, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A blob as the function makes it.
    fn blob(values: &[Value<'_>]) -> Vec<u8> {
        let count = u8::try_from(values.len()).unwrap();
        let (mut heads, mut texts) = (vec![count], Vec::new());
        for value in values {
            let (kind, number) = match value {
                Value::Null => (NULL, 0),
                Value::Number(number) => (NUMBER, *number),
                Value::Text(text) => {
                    texts.extend_from_slice(text.as_bytes());
                    (TEXT, i64::try_from(text.len()).unwrap())
                }
                Value::NotUtf8(text) => {
                    texts.extend_from_slice(text);
                    (TEXT, i64::try_from(text.len()).unwrap())
                }
                Value::Other => (OTHER, 0),
            };
            heads.push(kind);
            heads.extend_from_slice(&number.to_le_bytes());
        }
        heads.extend_from_slice(&texts);
        heads
    }

    #[test]
    fn a_blob_gives_back_what_it_was_made_of() {
        let values = [
            Value::Text("one"),
            Value::Null,
            Value::Number(i64::MIN),
            Value::Text(""),
            Value::Other,
            Value::Text("zw\u{f6}lf\0"),
        ];
        let read = |values: &[Value<'_>]| {
            let blob = blob(values);
            assert!(Values::of(&blob).eq(values.iter().copied()));
        };
        read(&values);
        read(&[]);
    }

    #[test]
    fn of_texts_only_the_damaged_ones_are_told_as_such() {
        // The halves of a letter make one, but in two texts they are none.
        for values in [
            [Value::NotUtf8(b"\xc3"), Value::NotUtf8(b"\xb6")],
            [Value::Text("a"), Value::NotUtf8(b"\xff")],
            [Value::NotUtf8(b"\xff"), Value::Text("\u{f6}")],
        ] {
            let blob = blob(&values);
            assert!(Values::of(&blob).eq(values), "{values:?}");
        }
    }

    #[test]
    fn a_blob_that_is_cut_off_gives_less_and_no_panic() {
        let blob = blob(&[Value::Text("one"), Value::Text("two")]);
        for len in 0..blob.len() {
            assert!(Values::of(&blob[..len]).count() <= 2, "{len}");
        }
    }
}
