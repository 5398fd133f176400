//! The strict reader of JSON: whatever it takes, everybody else takes too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tasq_formats::json::Document;

fuzz_target!(|bytes: &[u8]| {
    if Document::parse(bytes).is_ok() {
        assert!(std::str::from_utf8(bytes).is_ok());
    }
});
