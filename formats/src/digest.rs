//! Digests of records, of arguments and of texts.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::json::{Value, to_text};

/// The SHA-256 of `bytes`: 64 lower-case hex digits.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        write!(hex, "{byte:02x}").expect("writing to a string cannot fail");
    }
    hex
}

/// The SHA-256 of the compact text of `value`: white space does not count, the order of keys and
/// the spelling of numbers do.
#[must_use]
pub fn canonical_digest(value: &Value) -> String {
    sha256_hex(to_text(value).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;

    #[test]
    fn the_digest_of_abc_is_that_of_the_standard() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(
            sha256_hex(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn white_space_does_not_change_a_digest_but_order_and_spelling_do() {
        let digest =
            |text: &str| canonical_digest(Document::parse(text.as_bytes()).unwrap().value());
        assert_eq!(
            digest(r#"{"a":1,"b":2}"#),
            digest("{ \"a\": 1,\n \"b\": 2 }")
        );
        assert_ne!(digest(r#"{"a":1,"b":2}"#), digest(r#"{"b":2,"a":1}"#));
        assert_ne!(digest(r#"{"a":1}"#), digest(r#"{"a":1.0}"#));
    }
}
