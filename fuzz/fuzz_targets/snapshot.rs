//! Snapshots: what is taken is written the same again, and breaks no rule of a task's life.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tasq_domain::life::broken_invariant;
use tasq_domain::{Settings, StoreId, Timestamp, backoff::Backoff};
use tasq_formats::snapshot::{Fallback, decode, encode};

fuzz_target!(|bytes: &[u8]| {
    let fallback = Fallback {
        settings: Settings {
            store: StoreId::new("STORE-FUZZ").expect("a word is an id"),
            name: "fuzz".to_owned(),
            require_tests: false,
            backoff: Backoff::default(),
        },
        at: Timestamp::from_micros(0),
    };
    let Ok(first) = decode(bytes, &fallback) else {
        return;
    };
    for task in &first.contents.tasks {
        assert_eq!(broken_invariant(task), None, "{task:?}");
    }
    let text = encode(&first.contents, &first.extra).expect("what was read can be written");
    let second = decode(text.as_bytes(), &fallback).expect("our own text is read");
    assert_eq!(second.contents, first.contents);
    assert_eq!(second.extra, first.extra);
    assert_eq!(encode(&second.contents, &second.extra).as_deref(), Ok(text.as_str()));
});
