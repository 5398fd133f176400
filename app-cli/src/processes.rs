//! The processes of this machine, as Linux shows them below `/proc`. Elsewhere nothing is told, and leases alone decide.
//!
//! In every doubt a process counts as alive: its lease still runs out. So what `/proc` does not show is looked for with
//! a signal that does nothing (`hidepid` hides the processes of others), and nothing at all is told where `/proc` was
//! mounted for another pid namespace than ours, whose numbers mean other processes.

pub(crate) mod remains;
pub(crate) mod stat;

use std::fs;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::OnceLock;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use tasq_domain::{Place, Process};
use tasq_ports::Processes;

use stat::Stat;

/// The processes that this program can see.
#[derive(Debug, Default)]
pub(crate) struct SystemProcesses {
    place: OnceLock<Option<Place>>,
}

impl SystemProcesses {
    pub(crate) const fn new() -> Self {
        Self {
            place: OnceLock::new(),
        }
    }
}

impl Processes for SystemProcesses {
    fn place(&self) -> Option<Place> {
        *self.place.get_or_init(find_place)
    }

    fn identify(&self, pid: u32) -> Option<Process> {
        let place = self.place()?;
        match look(pid) {
            Seen::Started(started_ticks) => Some(Process {
                place,
                pid,
                started_ticks,
            }),
            Seen::Nobody | Seen::Unknown => None,
        }
    }

    fn is_gone(&self, process: &Process) -> bool {
        self.has_ended(process) && remains::of(process).is_empty()
    }

    fn end_remains(&self, process: &Process) {
        if self.has_ended(process) {
            remains::end(process);
        }
    }
}

impl SystemProcesses {
    /// Whether a process itself has ended, whatever it left behind.
    fn has_ended(&self, process: &Process) -> bool {
        let Some(here) = self.place().filter(|here| process.judged_by(here)) else {
            return false;
        };
        match look(process.pid) {
            Seen::Started(ticks) => process.is_gone(&here, Some(ticks)),
            Seen::Nobody => process.is_gone(&here, None),
            Seen::Unknown => false,
        }
    }
}

/// What has a process id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// A process that started at this tick.
    Started(u64),
    /// None that runs.
    Nobody,
    /// It cannot be told.
    Unknown,
}

impl Seen {
    const fn of(stat: Stat) -> Self {
        if stat.ended {
            Self::Nobody
        } else {
            Self::Started(stat.started_ticks)
        }
    }
}

fn find_place() -> Option<Place> {
    let status = read_at_once("/proc/self/status").ok()?;
    if !shows_our_namespace(&status, std::process::id()) {
        return None;
    }
    let boot = read_at_once("/proc/sys/kernel/random/boot_id").ok()?;
    Some(Place {
        boot: boot.trim_end().parse().ok()?,
        pid_namespace: namespace("/proc/self/ns/pid").ok()?,
        time_namespace: match namespace("/proc/self/ns/time") {
            Ok(number) => number,
            // Older kernels have none.
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(_) => return None,
        },
    })
}

/// A file of `/proc`, which says that it is empty: without room made for it, it would be read 32 bytes at first.
fn read_at_once(path: &str) -> std::io::Result<String> {
    let mut text = String::with_capacity(4096);
    fs::File::open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

/// Whether `/proc` counts processes as we do: `NSpid` lists our id in each namespace from that of `/proc` down to ours.
fn shows_our_namespace(status: &str, pid: u32) -> bool {
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    line.is_some_and(|line| line.split_whitespace().eq([pid.to_string()]))
}

fn namespace(path: impl AsRef<Path>) -> std::io::Result<u64> {
    fs::metadata(path).map(|metadata| metadata.ino())
}

fn look(pid: u32) -> Seen {
    match fs::read(format!("/proc/{pid}/stat")) {
        Ok(line) => Stat::read(&line).map_or(Seen::Unknown, Seen::of),
        Err(_) if nobody_has(pid) => Seen::Nobody,
        Err(_) => Seen::Unknown,
    }
}

fn nobody_has(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return true;
    };
    test_kill_process(pid) == Err(Errno::SRCH)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    const STAT: &str = "S 1 300 300 0 -1 4194304 99 0 0 0 0 0 0 0 20 0 1 0 77000 8192 5";

    fn stat(name: &str, fields: &str) -> Option<Seen> {
        Stat::read(format!("300 ({name}) {fields}\n").as_bytes()).map(Seen::of)
    }

    fn own() -> Process {
        SystemProcesses::new()
            .identify(std::process::id())
            .expect("these tests run where processes can be told apart")
    }

    #[test]
    fn the_start_is_found_behind_any_name() {
        for name in ["sh", "", "a b", ") R 1 (", "a) Z 1 1 (b", "((", "))", "é\n"] {
            assert_eq!(stat(name, STAT), Some(Seen::Started(77_000)), "{name}");
        }
        let not_utf8 = [b"300 (\xFF) ", STAT.as_bytes()].concat();
        assert_eq!(
            Stat::read(&not_utf8).map(Seen::of),
            Some(Seen::Started(77_000))
        );
    }

    #[test]
    fn what_is_not_understood_says_nothing() {
        for bad in ["", "300 sh S 1", "300 (sh)", "300 (sh) S 1 300 300"] {
            assert_eq!(Stat::read(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(stat("sh", &STAT.replace("77000", "-1")), None);
    }

    #[test]
    fn what_has_ended_is_nobody_unless_other_threads_run_on() {
        for state in ["Z", "X", "x"] {
            let ended = STAT.replacen('S', state, 1);
            assert_eq!(stat("sh", &ended), Some(Seen::Nobody), "{state}");
            let runs_on = ended.replace(" 20 0 1 0 ", " 20 0 3 0 ");
            assert_eq!(stat("sh", &runs_on), Some(Seen::Started(77_000)), "{state}");
        }
        for state in ["R", "S", "D", "T", "t", "I"] {
            let lives = STAT.replacen('S', state, 1);
            assert_eq!(stat("sh", &lives), Some(Seen::Started(77_000)), "{state}");
        }
    }

    #[test]
    fn a_proc_of_another_namespace_shows_other_processes() {
        assert!(shows_our_namespace(
            "Name:\tx\nNSpid:\t42\nNSpgid:\t1\n",
            42
        ));
        for other in [
            "NSpid:\t42\t1\n",
            "NSpid:\t41\n",
            "NSpid:\n",
            "Pid:\t42\n",
            "",
        ] {
            assert!(!shows_our_namespace(other, 42), "{other}");
        }
    }

    #[test]
    fn a_process_that_runs_is_known_again() {
        let processes = SystemProcesses::new();
        assert_eq!(processes.identify(std::process::id()), Some(own()));
        assert!(!processes.is_gone(&own()));
    }

    #[test]
    fn a_process_whose_id_was_used_again_is_gone() {
        let reused = Process {
            started_ticks: own().started_ticks + 1,
            ..own()
        };
        assert!(SystemProcesses::new().is_gone(&reused));
    }

    #[test]
    fn a_process_seen_elsewhere_is_never_judged() {
        let Process { place, .. } = own();
        let boot = "00000000-0000-0000-0000-000000000001".parse().unwrap();
        for place in [
            Place { boot, ..place },
            Place {
                pid_namespace: place.pid_namespace + 1,
                ..place
            },
            Place {
                time_namespace: place.time_namespace + 1,
                ..place
            },
        ] {
            let elsewhere = Process {
                place,
                pid: u32::MAX,
                started_ticks: 1,
            };
            assert!(!SystemProcesses::new().is_gone(&elsewhere), "{place}");
        }
    }

    #[test]
    fn a_process_is_gone_once_it_has_ended_even_if_nobody_waited_for_it() {
        let processes = SystemProcesses::new();
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let process = processes.identify(child.id()).unwrap();
        assert!(!processes.is_gone(&process));
        drop(child.stdin.take());
        while look(child.id()) != Seen::Nobody {
            std::thread::yield_now();
        }
        assert!(processes.is_gone(&process), "it is waited for");
        assert_eq!(processes.identify(child.id()), None);
        child.wait().unwrap();
        assert!(processes.is_gone(&process));
    }
}
