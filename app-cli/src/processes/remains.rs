//! What a loop that was killed left running. Everything that a loop supervises carries a mark in its environment, which
//! its own children inherit: the loop's place, pid and start, so that it names this one loop for ever.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tasq_domain::Process;

use super::stat::Stat;

/// The variable that bears the mark.
pub(crate) const MARK: &str = "TASQ_SUPERVISOR";
/// How long the keepers of a dead loop may take to end what they keep, which they do by themselves.
const KEEPERS_TIME: Duration = Duration::from_millis(500);
/// How long those that were killed may take to be gone.
const LAST_BREATH: Duration = Duration::from_millis(500);
/// How often it is looked again.
const LOOK: Duration = Duration::from_millis(2);

/// The mark of what this process supervises.
pub(crate) fn mark(supervisor: &Process) -> String {
    let Process {
        place,
        pid,
        started_ticks,
    } = supervisor;
    format!("{place}/{pid}/{started_ticks}")
}

/// What carries the mark of a process and still runs. Those of other accounts cannot be seen.
pub(super) fn of(supervisor: &Process) -> Vec<Stat> {
    let entry = format!("{MARK}={}", mark(supervisor));
    let Ok(all) = Stat::all() else {
        return Vec::new();
    };
    all.into_iter()
        .filter(|stat| !stat.ended && carries(stat.pid, entry.as_bytes()))
        .collect()
}

/// Ends it: gives keepers the time to do so, then kills whatever is left. What even then is still there is looked for
/// again the next time.
pub(super) fn end(supervisor: &Process) {
    let began = Instant::now();
    loop {
        let left = of(supervisor);
        if left.is_empty() || began.elapsed() > KEEPERS_TIME + LAST_BREATH {
            return;
        }
        if began.elapsed() > KEEPERS_TIME {
            for stat in left {
                stat.signal(Signal::KILL);
            }
        }
        thread::sleep(LOOK);
    }
}

fn carries(pid: i32, entry: &[u8]) -> bool {
    fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|environment| environment.split(|&byte| byte == 0).any(|it| it == entry))
}
