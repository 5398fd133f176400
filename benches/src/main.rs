//! The benchmark program: tasq beside a floor in the same run.
//!
//! Machines are noisy, so no time stands alone: each figure is a ratio against the least that could count, measured in
//! alternating slices, and the median of the ratios of the rounds; or it is a count, which is free of noise. See
//! `benches/README.md`.

mod bulk;
mod cli;
mod floor;
mod json;
mod machine;
mod measure;
mod micro;
mod peers;
mod plan;
mod plot;
mod procs;
mod queue;
mod report;
mod scale;
mod shape;
mod tasq;

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;

use machine::Machine;
use plan::{Bench, Group, Plan, USAGE};
use report::Report;

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
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((word, rest)) if word == procs::WORKER => return procs::work(rest),
        Some((word, rest)) if word == cli::PEAK => return cli::tell_peak(rest),
        Some((word, [path])) if word == cli::BARE => return floor::read_one_row(path.as_ref()),
        _ => {}
    }
    let Some(plan) = Plan::read(arguments.iter().cloned())? else {
        return Ok(std::io::stdout().write_all(USAGE.as_bytes())?);
    };
    let command = format!("tasq-bench {}", arguments.join(" "));
    let began = Instant::now();
    let machine = Machine::look(&plan.dir);
    let mut bench = Bench {
        plan,
        report: Report::new()?,
    };
    for group in bench.plan.groups.clone() {
        bench.group(
            group,
            match group {
                Group::Micro => micro::run,
                Group::Procs => procs::run,
                Group::Scale => scale::run,
                Group::Shape => shape::run,
                Group::Cli => cli::run,
                Group::Json => json::run,
                Group::Bulk => bulk::run,
                Group::Peers => peers::run,
            },
        )?;
        // After each group, so that a run that is stopped leaves what it has.
        if bench.plan.full {
            let page = bench.report.page(&machine, began.elapsed(), &command);
            keep(&bench, &page)?;
        }
    }
    Ok(())
}

/// Writes the pages of a full run.
fn keep(bench: &Bench, page: &str) -> anyhow::Result<()> {
    let write = |name: &str, text: &str| {
        let path = bench.plan.out.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    write("RESULTS.md", page)?;
    match plot::svg(&bench.report.points) {
        Some(svg) => write("plot.svg", &svg),
        None => Ok(()),
    }
}
