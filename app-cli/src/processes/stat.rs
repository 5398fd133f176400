//! One line of `/proc/PID/stat`, and the list of all of them.

use std::fs;
use std::io;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// What the system says about a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: i32,
    /// Who waits for it.
    pub(crate) parent: i32,
    pub(crate) group: i32,
    pub(crate) session: i32,
    /// Whether it has ended and is only waited for.
    pub(crate) ended: bool,
    /// When it started, in the kernel's clock ticks since the machine did.
    pub(crate) started_ticks: u64,
}

impl Stat {
    /// Reads the line. The name in it stands in parentheses and may have spaces and parentheses of its own.
    pub(crate) fn read(line: &[u8]) -> Option<Self> {
        let end_of_name = line.iter().rposition(|&byte| byte == b')')?;
        let fields = std::str::from_utf8(&line[end_of_name + 1..]).ok()?;
        let pid = line.split(|&byte| byte == b' ').next()?;
        // The fields are counted from 1, and those behind the name begin with the third.
        let mut fields = fields.split_ascii_whitespace();
        let state = fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        let session = fields.next()?.parse().ok()?;
        let threads: u64 = fields.nth(13)?.parse().ok()?;
        Some(Self {
            pid: std::str::from_utf8(pid).ok()?.parse().ok()?,
            parent,
            group,
            session,
            // A process whose first thread has ended runs on with the others.
            ended: matches!(state, "Z" | "X" | "x") && threads <= 1,
            started_ticks: fields.nth(1)?.parse().ok()?,
        })
    }

    /// What is said about the process with this id now; an error of the kind `InvalidData` if it is not understood.
    ///
    /// # Errors
    /// If there is no such process, or it is hidden.
    pub(crate) fn of(pid: i32) -> io::Result<Self> {
        let line = fs::read(format!("/proc/{pid}/stat"))?;
        Self::read(&line).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Every process that can be seen.
    ///
    /// # Errors
    /// If there is no `/proc`.
    pub(crate) fn all() -> io::Result<Vec<Self>> {
        let mut all = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let pid = name.to_str().and_then(|name| name.parse().ok());
            // What ends meanwhile is no longer of interest.
            if let Some(stat) = pid.and_then(|pid| Self::of(pid).ok()) {
                all.push(stat);
            }
        }
        Ok(all)
    }

    /// Sends a signal to this process, and to no other that has its number by now.
    pub(crate) fn signal(&self, signal: Signal) {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return;
        };
        // Whoever has ended already need not be asked.
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else {
            return;
        };
        if Self::of(self.pid).is_ok_and(|now| now.started_ticks == self.started_ticks) {
            let _ = pidfd_send_signal(handle, signal);
        }
    }
}
