//! The git program: arguments as a list, nothing of our own environment that points it elsewhere, no hooks, no questions.

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tasq_ports::WorkplaceError;

/// Variables of the caller that would make git look at another repository or index.
const POINTERS: [&str; 8] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
];
/// Settings for each call: a hook or a signature would run or ask for something that nobody watches.
const SETTINGS: [&str; 4] = [
    "core.hooksPath=/dev/null",
    "commit.gpgSign=false",
    "core.fsmonitor=false",
    "gc.auto=0",
];
/// How much of what git said an error tells, in lines.
const TOLD_LINES: usize = 5;

/// Git in one folder.
#[derive(Debug, Clone)]
pub(super) struct Git {
    folder: PathBuf,
    /// Where git keeps what it knows of the folder; by itself it believes a file that lies there for everyone to change.
    git_dir: Option<PathBuf>,
}

impl Git {
    /// As git finds it in a folder.
    pub(super) fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_path_buf(),
            git_dir: None,
        }
    }

    /// In a folder whose git directory is known, whatever a file in it says.
    pub(super) fn fixed(folder: &Path, git_dir: &Path) -> Self {
        Self {
            folder: folder.to_path_buf(),
            git_dir: Some(git_dir.to_path_buf()),
        }
    }

    /// What a command prints, without white space at its end.
    pub(super) fn ask<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<String, WorkplaceError> {
        self.ask_with(args, "")
    }

    /// As [`Git::ask`], with something to read.
    pub(super) fn ask_with<S: AsRef<OsStr>>(
        &self,
        args: &[S],
        input: &str,
    ) -> Result<String, WorkplaceError> {
        let output = self.run(args, input)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout)
                .trim_end()
                .to_owned());
        }
        Err(self.failed(args, &output))
    }

    /// Whether a command that only tells yes (0) or no (1) says yes.
    pub(super) fn says<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<bool, WorkplaceError> {
        let output = self.run(args, "")?;
        match output.status.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(self.failed(args, &output)),
        }
    }

    fn run<S: AsRef<OsStr>>(&self, args: &[S], input: &str) -> Result<Output, WorkplaceError> {
        let mut command = Command::new("git");
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        for pointer in POINTERS {
            command.env_remove(pointer);
        }
        if let Some(git_dir) = &self.git_dir {
            command
                .env("GIT_DIR", git_dir)
                .env("GIT_WORK_TREE", &self.folder);
        }
        let started = command
            .args(args)
            .current_dir(&self.folder)
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_EDITOR", "true")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("LC_ALL", "C")
            // A Ctrl-C is for us, who end in order.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let finished = started.and_then(|mut child| {
            if let Some(mut pipe) = child.stdin.take() {
                pipe.write_all(input.as_bytes())?;
            }
            child.wait_with_output()
        });
        finished.map_err(|error| WorkplaceError {
            what: format!("git cannot be run in {}: {error}", self.folder.display()),
        })
    }

    fn failed<S: AsRef<OsStr>>(&self, args: &[S], output: &Output) -> WorkplaceError {
        let mut words = args.iter().map(|arg| arg.as_ref().to_string_lossy());
        let verb = words.find(|word| !word.starts_with('-') && !word.contains('='));
        let said = String::from_utf8_lossy(&output.stderr);
        let said = if said.trim().is_empty() {
            String::from_utf8_lossy(&output.stdout)
        } else {
            said
        };
        let lines: Vec<&str> = said.trim().lines().collect();
        let last = lines[lines.len().saturating_sub(TOLD_LINES)..].join("\n");
        WorkplaceError {
            what: format!(
                "`git {}` failed in {}: {last}",
                verb.unwrap_or_default(),
                self.folder.display()
            ),
        }
    }
}
