//! The last step before a command runs: in its own process, with its limits.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::{
    Resource, Rlimit, Signal, getppid, getrlimit, set_parent_process_death_signal, setrlimit,
};

use super::Bounds;

/// What a launcher exits with when there is no command to become; nobody but the keeper sees it.
const EXIT_NOT_STARTED: u8 = 127;

/// Becomes the program. On standard error the keeper reads why that is not possible; the program itself gets what is on
/// standard output there.
pub(super) fn launch(bounds: Bounds, keeper: u64, program: &OsStr, arguments: &[OsString]) -> u8 {
    let Err(error) = become_it(bounds, keeper, program, arguments);
    let Unable { cause, to } = error;
    if let Some(mut to) = to {
        let errno = cause.raw_os_error().unwrap_or_default();
        // The keeper is gone if it cannot be told, and so will be this process.
        let _ = to.write_all(&errno.to_le_bytes());
    }
    EXIT_NOT_STARTED
}

/// Why the program could not be started, and where to say so.
struct Unable {
    cause: io::Error,
    to: Option<fs::File>,
}

fn become_it(
    bounds: Bounds,
    keeper: u64,
    program: &OsStr,
    arguments: &[OsString],
) -> Result<std::convert::Infallible, Unable> {
    let nowhere = |cause| Unable { cause, to: None };
    // It closes by itself when the program begins, which is how the keeper knows.
    let errors = io::stderr().as_fd().try_clone_to_owned().map_err(nowhere)?;
    let told = |cause: io::Error| Unable {
        cause,
        to: errors.try_clone().map(fs::File::from).ok(),
    };
    rustix::stdio::dup2_stderr(io::stdout()).map_err(|errno| told(errno.into()))?;
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|errno| told(errno.into()))?;
    // A keeper that ended before that is nobody's parent any more.
    let parent = getppid().map(|pid| u64::from(pid.as_raw_nonzero().get().unsigned_abs()));
    if parent != Some(keeper) {
        return Err(told(io::ErrorKind::NotFound.into()));
    }
    limit(bounds).map_err(told)?;
    Err(told(Command::new(program).args(arguments).exec()))
}

/// Sets the limits that the system itself keeps. The keeper counts processes as well: this one is for the whole account,
/// so what runs already is added, and it does not bind the superuser.
fn limit(Bounds { processes, memory }: Bounds) -> io::Result<()> {
    if let Some(bytes) = memory {
        lower(Resource::As, bytes)?;
    }
    if let Some(most) = processes {
        lower(Resource::Nproc, u64::from(most) + tasks_of_this_account()?)?;
    }
    Ok(())
}

fn lower(resource: Resource, to: u64) -> io::Result<()> {
    let Rlimit {
        current: _,
        maximum,
    } = getrlimit(resource);
    let to = maximum.map_or(to, |maximum| to.min(maximum));
    let both = Rlimit {
        current: Some(to),
        maximum: Some(to),
    };
    Ok(setrlimit(resource, both)?)
}

/// How many threads this account has, which is what the system counts.
fn tasks_of_this_account() -> io::Result<u64> {
    let us = rustix::process::getuid().as_raw();
    let mut count = 0;
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let is_ours = fs::metadata(&path).is_ok_and(|metadata| metadata.uid() == us);
        if is_ours && let Ok(threads) = fs::read_dir(path.join("task")) {
            count += u64::try_from(threads.count()).unwrap_or_default();
        }
    }
    Ok(count)
}
