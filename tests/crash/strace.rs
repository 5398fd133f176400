//! System calls: which ones a command makes, and what happens when one of them fails or is its last.

use std::fs;

use super::place::{Place, Ran, binary};

/// The calls that read and change files, or stand around a change. A name that a machine does not have is passed over (`?`).
pub(super) const CALLS: &str = "?open,openat,?creat,read,pread64,write,pwrite64,?writev,?pwritev,fsync,fdatasync,ftruncate,fallocate,\
     ?rename,?renameat,renameat2,?link,linkat,?unlink,unlinkat,?mkdir,mkdirat,?chmod,fchmod,fchmodat,fchown,fcntl,flock,close";

/// A call that a command makes on something in the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) name: String,
    /// The how manieth of this name it is, from 1, counting those that have nothing to do with the project.
    pub(super) nth: u32,
    /// What it does.
    pub(super) text: String,
}

/// Runs the command with these words and these options of strace, which writes to the file named last.
pub(crate) fn strace(place: &Place, options: &[&str], words: &[&str], output: &str) -> Ran {
    let mut command = place.program("strace");
    command
        .args(["-f", "-qq", "-o", output])
        .args(options)
        .arg("--")
        .arg(binary())
        .args(words);
    let ran = command
        .output()
        .expect("strace is needed: scripts/test installs it");
    let ran = Ran::from(ran);
    let permitted = !ran.stderr.contains("PTRACE") && !ran.stderr.contains("ptrace");
    assert!(
        permitted,
        "this machine does not permit ptrace, without which nothing about crashes is proven: {}",
        ran.stderr
    );
    ran
}

/// The calls that a command makes on something in the project, when nothing goes wrong.
pub(super) fn calls(place: &Place, words: &[&str]) -> Vec<Call> {
    let output = place.project.with_file_name("calls");
    let trace = format!("trace={CALLS}");
    let ran = strace(
        place,
        &["-y", "-s", "64", "-e", &trace],
        words,
        output.to_str().unwrap(),
    );
    assert_eq!(ran.code, Some(0), "{words:?}: {ran:?}");
    let inside = place.project.to_str().unwrap().to_owned();
    let mut counts = std::collections::BTreeMap::new();
    let mut calls = Vec::new();
    for line in fs::read_to_string(output).unwrap().lines() {
        let Some((thread, text)) = line.split_once(' ') else {
            continue;
        };
        let Some((name, _)) = text.trim_start().split_once('(') else {
            continue;
        };
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            continue;
        }
        let nth = counts
            .entry((thread.to_owned(), name.to_owned()))
            .or_insert(0);
        *nth += 1;
        // What is told on standard output comes after all is done.
        if text.contains(&inside) && !text.contains("<pipe:") {
            calls.push(Call {
                name: name.to_owned(),
                nth: *nth,
                text: text.trim().chars().take(160).collect(),
            });
        }
    }
    calls
}

/// Runs a command in which something befalls one call: `error=EIO` or `signal=KILL`.
pub(super) fn inject(place: &Place, call: &Call, what: &str, words: &[&str]) -> Ran {
    let Call { name, nth, .. } = call;
    let trace = format!("trace={name}");
    let inject = format!("inject={name}:{what}:when={nth}");
    // A lock that is refused without a reason is asked for again as long as this.
    let words = [&["--wait", "1s"], words].concat();
    strace(place, &["-e", &trace, "-e", &inject], &words, "/dev/null")
}
