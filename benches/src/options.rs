//! What the caller chooses.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Measures deposits and proofs against the limit of the machine and against peers.
#[derive(Debug, Parser)]
#[command(name = "cartulaire-bench", version)]
pub struct Options {
    /// Prints one JSON object a line instead of a table.
    #[arg(long)]
    pub json: bool,
    /// A smoke run: few cases, short, one round; its figures mean nothing.
    #[arg(long)]
    pub quick: bool,
    /// Where to work: a folder on the disk to be measured, never memory. Default: a new folder under this one.
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Interleaved rounds of each case; the median counts.
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// Seconds of each round.
    #[arg(long, default_value_t = 2.0)]
    pub seconds: f64,
    /// Concurrent depositors; several separated by commas.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 64, 256])]
    pub depositors: Vec<usize>,
    /// Sizes of a document in KiB; several separated by commas.
    #[arg(long, value_delimiter = ',', default_values_t = [4, 64, 1024])]
    pub kib: Vec<usize>,
    /// Which benches: deposits, http, proofs, evidence, naive. Default: all.
    pub benches: Vec<String>,
}

impl Options {
    /// Whether a bench is asked for.
    pub fn wants(&self, bench: &str) -> bool {
        self.benches.is_empty() || self.benches.iter().any(|b| b == bench)
    }

    /// Rounds of each case.
    pub fn rounds(&self) -> usize {
        if self.quick { 1 } else { self.rounds.max(1) }
    }

    /// Length of a round.
    pub fn round(&self) -> Duration {
        if self.quick { Duration::from_millis(300) } else { Duration::from_secs_f64(self.seconds.max(0.1)) }
    }

    /// Concurrent depositors.
    pub fn depositors(&self) -> &[usize] {
        if self.quick { &[1, 64] } else { &self.depositors }
    }

    /// Sizes of a document in KiB.
    pub fn sizes_kib(&self) -> &[usize] {
        if self.quick { &[4] } else { &self.kib }
    }
}
