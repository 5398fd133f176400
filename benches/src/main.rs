//! The benchmark program: tasq beside a floor in the same run.
//!
//! Machines are noisy, so no time stands alone: each figure is a ratio against the least that SQLite needs for the same
//! effect, measured in alternating slices, and the median of the ratios of the rounds. See `benches/README.md`.

mod floor;
mod measure;
mod micro;
mod tasq;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};

use measure::Plan;

const USAGE: &str = "usage: tasq-bench [micro] [--rounds N] [--slice N] [--dir DIR]

  micro       add, claim + complete, complete + next, one thread (the only group yet)
  --rounds N  rounds, at least 5 (default 7)
  --slice N   operations of each kind in a round with one transaction each (default 400)
  --dir DIR   where the files are made (default: the system's temporary folder); its disk is what FULL measures
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do if even this cannot be written.
            let _ = writeln!(std::io::stderr(), "tasq-bench: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run() -> anyhow::Result<()> {
    let mut plan = Plan::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || {
            arguments
                .next()
                .with_context(|| format!("{argument} needs a value\n{USAGE}"))
        };
        match argument.as_str() {
            "micro" => (),
            "--rounds" => plan.rounds = value()?.parse().context("--rounds takes a number")?,
            "--slice" => plan.slice = value()?.parse().context("--slice takes a number")?,
            "--dir" => plan.dir = Some(value()?.into()),
            "--help" | "-h" => {
                std::io::stdout().write_all(USAGE.as_bytes())?;
                return Ok(());
            }
            other => bail!("unknown argument {other}\n{USAGE}"),
        }
    }
    if plan.rounds < 5 || plan.slice == 0 {
        bail!("a median needs at least 5 rounds of at least 1 operation\n{USAGE}");
    }
    micro::run(&plan, &mut std::io::stdout().lock())
}
