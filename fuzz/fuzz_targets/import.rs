//! Queue files of other tools: read or refused, and read the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tasq_formats::import::{ReadOptions, read};

fuzz_target!(|bytes: &[u8]| {
    let options = ReadOptions::default();
    if let Ok(draft) = read(bytes, &options) {
        let again = read(bytes, &options).expect("what was read is read again");
        assert_eq!(format!("{draft:?}"), format!("{again:?}"));
    }
});
