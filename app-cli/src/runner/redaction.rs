//! Secrets in what commands print: the values of variables that are named like one, and what has the shape of a token.
//!
//! This keeps what is printed by mistake out of logs and the queue. It is no protection against a command that wants to
//! tell: whoever spells a secret backwards is not stopped.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

/// What stands in the place of a secret.
pub(super) const MASK: &[u8] = b"[redacted]";
/// The longest secret that is known as one, in bytes; of a longer one so much is masked as there is.
pub(super) const LONGEST_SECRET: usize = 4 * 1024;
/// Shorter values are words of the language, and masking them would spoil the output.
const SHORTEST_VALUE: usize = 8;

/// A variable whose name has one of these words holds a secret.
const SECRET_NAMES: &[&str] = &[
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "APIKEY",
    "API_KEY",
    "ACCESS_KEY",
    "PRIVATE_KEY",
    "CREDENTIAL",
    "AUTH",
];

/// How a kind of token begins, and how many characters at least must follow.
struct Shape {
    prefix: &'static str,
    least: usize,
}

/// The tokens of widely used services, as their makers document them.
const SHAPES: &[Shape] = &[
    shape("ghp_", 36),
    shape("gho_", 36),
    shape("ghu_", 36),
    shape("ghs_", 36),
    shape("ghr_", 36),
    shape("github_pat_", 22),
    shape("glpat-", 20),
    shape("sk-", 20),
    shape("sk_live_", 16),
    shape("sk_test_", 16),
    shape("rk_live_", 16),
    shape("xoxb-", 10),
    shape("xoxp-", 10),
    shape("xoxa-", 10),
    shape("xoxs-", 10),
    shape("xapp-", 10),
    shape("AKIA", 16),
    shape("ASIA", 16),
    shape("AIza", 35),
    shape("ya29.", 20),
    shape("npm_", 36),
    shape("pypi-", 32),
    shape("hf_", 30),
    shape("dckr_pat_", 20),
    shape("SG.", 40),
    // A signed JSON token: the base64 of `{"`.
    shape("eyJ", 40),
    shape("Bearer ", 16),
    shape("bearer ", 16),
];

const fn shape(prefix: &'static str, least: usize) -> Shape {
    Shape { prefix, least }
}

/// Where a private key begins and ends.
const KEY_BEGINS: &[u8] = b"-----BEGIN ";
const KEY_NAMED: &[u8] = b"PRIVATE KEY-----";
const KEY_ENDS: &[u8] = b"-----END ";
/// How long the line is at the most that begins a private key.
const KEY_HEAD: usize = 80;

/// What is kept out of outputs.
#[derive(Debug, Default)]
pub(crate) struct Redaction {
    /// The values of variables, the longest first.
    values: Vec<Vec<u8>>,
}

impl Redaction {
    /// Masks the values of all variables of these that are named like a secret.
    pub(crate) fn of_variables(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let secrets = variables
            .into_iter()
            .filter(|(name, _)| is_secret(&name.to_string_lossy()));
        let mut values: Vec<Vec<u8>> = secrets
            // A key of several lines is printed line by line.
            .flat_map(|(_, value)| {
                let lines = value.as_bytes().split(|&byte| byte == b'\n');
                lines.map(<[u8]>::to_vec).collect::<Vec<_>>()
            })
            .filter(|line| (SHORTEST_VALUE..=LONGEST_SECRET).contains(&line.len()))
            .collect();
        values.sort_unstable_by_key(|value| std::cmp::Reverse(value.len()));
        values.dedup();
        Self { values }
    }

    /// The text without its secrets.
    pub(super) fn of(&self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        let mut in_key = false;
        self.copy(text, &mut out, &mut in_key);
        out
    }

    /// As [`Self::of`], for what is text.
    pub(crate) fn of_text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.of(text.as_bytes())).into_owned()
    }

    /// Copies a text without its secrets. `in_key` says whether the text goes on within a private key.
    fn copy(&self, text: &[u8], out: &mut Vec<u8>, in_key: &mut bool) {
        let begins = self.beginnings();
        let mut at = 0;
        while at < text.len() {
            if *in_key {
                let rest = &text[at..];
                let end = find(rest, KEY_ENDS);
                *in_key = end.is_none();
                out.extend_from_slice(MASK);
                at += end.unwrap_or(rest.len());
                if *in_key {
                    out.push(b'\n');
                }
                continue;
            }
            if !begins[usize::from(text[at])] {
                out.push(text[at]);
                at += 1;
            } else if let Some(head) = key_head(&text[at..]) {
                out.extend_from_slice(head);
                at += head.len();
                *in_key = true;
            } else if let Some(Secret { keep, mask }) = self.secret(text, at) {
                out.extend_from_slice(&text[at..at + keep]);
                out.extend_from_slice(MASK);
                at += keep + mask;
            } else {
                out.push(text[at]);
                at += 1;
            }
        }
    }

    /// The bytes with which anything begins that is looked for.
    fn beginnings(&self) -> [bool; 256] {
        let mut begins = [false; 256];
        let shapes = SHAPES.iter().map(|shape| shape.prefix.as_bytes());
        let values = self.values.iter().map(Vec::as_slice);
        for text in shapes.chain(values).chain([KEY_BEGINS, b"://"]) {
            begins[usize::from(text[0])] = true;
        }
        begins
    }

    fn secret(&self, text: &[u8], at: usize) -> Option<Secret> {
        let rest = &text[at..];
        if let Some(value) = self.values.iter().find(|value| rest.starts_with(value)) {
            return Some(Secret {
                keep: 0,
                mask: value.len(),
            });
        }
        if let Some(secret) = in_url(rest) {
            return Some(secret);
        }
        let within_word = at > 0 && text[at - 1].is_ascii_alphanumeric();
        if within_word {
            return None;
        }
        SHAPES.iter().find_map(|Shape { prefix, least }| {
            let body = rest.strip_prefix(prefix.as_bytes())?;
            let length = body.iter().take_while(|&&byte| is_of_a_token(byte)).count();
            let is_header = prefix.ends_with(' ');
            let keep = if is_header { prefix.len() } else { 0 };
            (length >= *least).then_some(Secret {
                keep,
                mask: prefix.len() - keep + length,
            })
        })
    }
}

/// A secret found: so many bytes before it that may stay, and its length.
struct Secret {
    keep: usize,
    mask: usize,
}

/// The password in `://user:password@`.
fn in_url(rest: &[u8]) -> Option<Secret> {
    let body = rest.strip_prefix(b"://")?;
    let end = body
        .iter()
        .position(|&byte| byte == b'/' || byte.is_ascii_whitespace())
        .unwrap_or(body.len());
    let at_sign = body[..end].iter().rposition(|&byte| byte == b'@')?;
    let colon = body[..at_sign].iter().position(|&byte| byte == b':')?;
    Some(Secret {
        keep: 3 + colon + 1,
        mask: at_sign - colon - 1,
    })
}

/// The line that begins a private key.
fn key_head(rest: &[u8]) -> Option<&[u8]> {
    let line = &rest[..rest.len().min(KEY_HEAD)];
    let named = find(line.strip_prefix(KEY_BEGINS)?, KEY_NAMED)?;
    Some(&line[..KEY_BEGINS.len() + named + KEY_NAMED.len()])
}

fn is_of_a_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'+' | b'/' | b'=' | b'~')
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    // Where an agent listens is no secret, and what we set ourselves ends with the attempt.
    !name.starts_with("TASQ_")
        && name != "SSH_AUTH_SOCK"
        && (SECRET_NAMES.iter().any(|word| name.contains(word)) || name.ends_with("_KEY"))
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// A stream without its secrets, in whole lines, so that none is cut in two.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// The line under way.
    line: Vec<u8>,
    in_key: bool,
}

impl Stream {
    /// What can be passed on, now that more was read.
    pub(super) fn push(&mut self, redaction: &Redaction, more: &[u8]) -> Vec<u8> {
        self.line.extend_from_slice(more);
        let whole = match self.line.iter().rposition(|&byte| byte == b'\n') {
            Some(end) => end + 1,
            None => 0,
        };
        // A line without an end is passed on in pieces, behind the last place where no secret goes on.
        let whole = if self.line.len() - whole > 2 * LONGEST_SECRET {
            let from = self.line.len() - LONGEST_SECRET;
            let gap = self.line[from..].iter().position(|&b| !is_of_a_token(b));
            from + gap.unwrap_or(0)
        } else {
            whole
        };
        let rest = self.line.split_off(whole);
        let ready = std::mem::replace(&mut self.line, rest);
        let mut out = Vec::with_capacity(ready.len());
        redaction.copy(&ready, &mut out, &mut self.in_key);
        out
    }

    /// The line under way as it is, which is no longer part of the stream.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.line)
    }

    /// What is left at the end.
    pub(super) fn finish(&mut self, redaction: &Redaction) -> Vec<u8> {
        let mut out = Vec::new();
        redaction.copy(&self.take(), &mut out, &mut self.in_key);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redaction() -> Redaction {
        let variables = [
            ("SERVICE_TOKEN", "correct horse"),
            ("DEPLOY_KEY", "first line of it\nsecond line of it\n"),
            ("PLAIN", "in the open"),
            ("SHORT_SECRET", "abc"),
            ("TASQ_TOKEN", "3-00000000000000ab"),
            ("SSH_AUTH_SOCK", "/run/agent.sock"),
        ];
        Redaction::of_variables(variables.map(|(name, value)| (name.into(), value.into())))
    }

    fn shown(text: &str) -> String {
        String::from_utf8(redaction().of(text.as_bytes())).unwrap()
    }

    #[test]
    fn values_of_secret_variables_are_masked() {
        assert_eq!(shown("say correct horse, abc"), "say [redacted], abc");
        assert_eq!(
            shown("first line of it\nsecond line of it\n"),
            "[redacted]\n[redacted]\n"
        );
        for open in ["in the open", "3-00000000000000ab", "/run/agent.sock"] {
            assert_eq!(shown(open), open);
        }
    }

    #[test]
    fn tokens_of_known_shapes_are_masked() {
        let long = "A1b2".repeat(12);
        for prefix in SHAPES.iter().map(|shape| shape.prefix) {
            for around in ["", "\"", "key=", "(", "x: "] {
                let text = shown(&format!("{around}{prefix}{long}\n"));
                assert!(text.contains("[redacted]"), "{text}");
                assert!(!text.contains(&long) && text.starts_with(around), "{text}");
            }
        }
        assert_eq!(
            shown("git clone https://ada:hunter2@host/x.git"),
            "git clone https://ada:[redacted]@host/x.git"
        );
        let key =
            "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nAAAA\n-----END RSA PRIVATE KEY-----\nok";
        assert_eq!(
            shown(key),
            "-----BEGIN RSA PRIVATE KEY-----[redacted]-----END RSA PRIVATE KEY-----\nok"
        );
    }

    #[test]
    fn what_people_write_stays() {
        for text in [
            "the task-1234567890123456789012345 of ask-someone-who-knows-it-better-than-you",
            "AKIA is a prefix, sk- as well, eyJ too",
            "Bearer of bad news",
            "see https://example.org/a:b@c and http://[::1]:80/",
            "\u{1b}[31mred\u{1b}[0m \0",
        ] {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn a_stream_in_any_pieces_is_the_same() {
        let token = format!("ghp_{}", "Z".repeat(40));
        let text = format!(
            "one {token}\ncorrect horse\n-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----\n{}end",
            "no end of line ".repeat(2_000)
        );
        let redaction = redaction();
        for size in [1, 7, 1_000, text.len()] {
            let mut stream = Stream::default();
            let mut out = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                out.extend(stream.push(&redaction, piece));
            }
            out.extend(stream.finish(&redaction));
            let out = String::from_utf8(out).unwrap();
            for secret in ["ZZZ", "horse", "QUJD"] {
                assert!(!out.contains(secret), "{size}: {secret}");
            }
            assert!(out.starts_with("one [redacted]\n[redacted]\n-----BEGIN"));
            assert!(out.ends_with("no end of line end"), "{size}");
        }
    }
}
