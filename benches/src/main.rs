//! `cartulaire-bench`: how fast, against what the machine allows and against peers.
//!
//! Every figure is the median of rounds that are interleaved with those of what it is compared to, so that a noisy
//! neighbour hits both. Every figure says what it promises: acked-durable, chained, proof-ready, stamped.

mod closed_loop;
mod deposits;
mod evidence;
mod http;
mod naive;
mod options;
mod payload;
mod proofs;
mod raw;
mod report;
mod statistics;
mod workspace;

use clap::Parser;

use crate::options::Options;
use crate::report::Report;

fn main() -> std::process::ExitCode {
    let options = Options::parse();
    let mut report = Report::new(options.json);
    match run(&options, &mut report) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cartulaire-bench: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run(options: &Options, report: &mut Report) -> Result<(), workspace::BenchError> {
    let place = workspace::Workspace::new(options.dir.as_deref())?;
    report.note(&format!("in {}, a file system of type {}", place.path().display(), place.file_system()));
    if options.wants("deposits") {
        deposits::run(options, &place, report)?;
    }
    if options.wants("http") {
        http::run(options, &place, report)?;
    }
    if options.wants("proofs") {
        proofs::run(options, &place, report)?;
    }
    if options.wants("evidence") {
        evidence::run(options, report);
    }
    if options.wants("naive") {
        naive::run(options, &place, report)?;
    }
    Ok(())
}
