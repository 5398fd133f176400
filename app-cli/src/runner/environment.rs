//! What a command finds in its environment: not all of ours, which may hold secrets, but what programs need to work.

use std::env;
use std::ffi::{OsStr, OsString};

use crate::processes::remains::MARK;

/// The variables that are passed on. `docs/SUPERVISION.md` has the same list.
const PASSED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TERM",
    "COLORTERM",
    "NO_COLOR",
    "TZ",
    "TMPDIR",
    "TMP",
    "TEMP",
    "EDITOR",
    "CI",
    "LD_LIBRARY_PATH",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "GOPATH",
    "GOROOT",
    "JAVA_HOME",
    "NVM_DIR",
    "VIRTUAL_ENV",
    "PYTHONPATH",
];
/// The beginnings of names that are passed on as well.
const PASSED_BEGINNINGS: &[&str] = &["LC_", "XDG_", "TASQ_"];

/// The variables of ours that a command gets: those that every program needs, and those that were named. A name that
/// ends with `*` stands for all that begin so.
pub(super) fn passed_on(named: &[String]) -> Vec<(OsString, OsString)> {
    env::vars_os()
        .filter(|(name, _)| is_passed_on(name, named))
        .collect()
}

fn is_passed_on(name: &OsStr, named: &[String]) -> bool {
    let Some(text) = name.to_str() else {
        return false;
    };
    let fits = |pattern: &String| match pattern.strip_suffix('*') {
        Some(beginning) => text.starts_with(beginning),
        None => text == pattern,
    };
    text != MARK
        && (PASSED.contains(&text)
            || PASSED_BEGINNINGS.iter().any(|it| text.starts_with(it))
            || named.iter().any(fits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_programs_need_and_what_was_named_is_passed_on() {
        let named = ["AGENT_KEY".to_owned(), "MY_*".to_owned()];
        for (name, passed) in [
            ("PATH", true),
            ("LC_ALL", true),
            ("TASQ_STORE", true),
            ("AGENT_KEY", true),
            ("MY_OWN", true),
            ("AGENT_KEY_2", false),
            ("AWS_SECRET_ACCESS_KEY", false),
            ("GITHUB_TOKEN", false),
            ("LD_PRELOAD", false),
            (MARK, false),
        ] {
            assert_eq!(is_passed_on(OsStr::new(name), &named), passed, "{name}");
        }
    }

    #[test]
    fn the_document_lists_what_is_passed_on() {
        let text = include_str!("../../../docs/SUPERVISION.md");
        for name in PASSED {
            assert!(text.contains(&format!("`{name}`")), "{name}");
        }
    }
}
