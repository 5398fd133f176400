//! What describes the command itself.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// `completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tasq completions bash > ~/.local/share/bash-completion/completions/tasq
  tasq completions fish > ~/.config/fish/completions/tasq.fish")]
pub(crate) struct Completions {
    /// For this shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// `man`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tasq man | man -l -                     the page of tasq
  tasq man task add | man -l -            the page of one command
  tasq man --dir ~/.local/share/man/man1  all pages, as files")]
pub(crate) struct Man {
    /// The page of this command [default: of tasq]
    #[arg(value_name = "COMMAND", conflicts_with = "dir")]
    pub(crate) command: Vec<String>,
    /// Write the pages of all commands into this folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) dir: Option<PathBuf>,
}

/// `schema`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tasq schema             of everything that is printed with --json
  tasq schema task add    of what this command prints")]
pub(crate) struct Schema {
    /// Only of what this command answers
    #[arg(value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}
