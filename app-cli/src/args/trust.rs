//! Which commands of test cases may run.

use clap::Args;

/// `trust`.
#[derive(Debug, Args)]
#[command(after_help = "\
The commands of test cases run in your account, so only those run that you typed (`test add`, `task add --test`) or
looked at here. What came by an import, with a cloned repository or by an edit of the store waits for your word.
It holds for this store at this place; it is kept in your state folder, never in the store.

Examples:
  tasq trust              show what waits, and ask
  tasq trust --yes        let it run without being asked
  tasq trust --list       show every command, and whether it may run
  tasq trust --revoke     let none run any more")]
pub(crate) struct Trust {
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Only show every command and whether it may run
    #[arg(long, conflicts_with_all = ["yes", "revoke"])]
    pub(crate) list: bool,
    /// Let no command of this store run any more
    #[arg(long, conflicts_with = "yes")]
    pub(crate) revoke: bool,
}
