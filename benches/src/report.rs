//! The table, or one JSON object a line.

use serde::Serialize;

use crate::statistics::Figure;

/// What a figure promises of each operation that it counts.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Promise {
    /// It survives power loss before anybody is told.
    pub acked_durable: bool,
    /// It is in a hash chain or tree.
    pub chained: bool,
    /// A proof against a signed checkpoint can be had.
    pub proof_ready: bool,
    /// A time-stamp token covers it.
    pub stamped: bool,
}

impl Promise {
    /// Durable and in the chain of commits when answered; proof and token follow.
    pub const COMMITTED: Self = Self { acked_durable: true, chained: true, proof_ready: false, stamped: false };
    /// Durable, in the log, provable and time-stamped.
    pub const STAMPED: Self = Self { acked_durable: true, chained: true, proof_ready: true, stamped: true };
    /// Arithmetic in memory.
    pub const NONE: Self = Self { acked_durable: false, chained: false, proof_ready: false, stamped: false };
    /// Durable and nothing else.
    pub const DURABLE: Self = Self { acked_durable: true, chained: false, proof_ready: false, stamped: false };
}

/// One figure.
#[derive(Debug, Serialize)]
pub struct Row {
    /// What was measured.
    pub bench: &'static str,
    /// With how many and how large.
    pub case: String,
    /// The median.
    pub value: f64,
    /// The lowest round.
    pub low: f64,
    /// The highest round.
    pub high: f64,
    /// Of what.
    pub unit: &'static str,
    /// What it is compared to, in the same unit.
    pub limit: Option<f64>,
    /// The median of the rounds' ratios of value to limit.
    pub ratio: Option<f64>,
    /// What it promises.
    #[serde(flatten)]
    pub promise: Promise,
}

impl Row {
    /// A figure that is compared to nothing.
    pub fn new(bench: &'static str, case: String, unit: &'static str, figure: Figure, promise: Promise) -> Self {
        let Figure { value, low, high } = figure;
        Self { bench, case, value, low, high, unit, limit: None, ratio: None, promise }
    }

    /// The same, compared.
    pub fn against(mut self, limit: f64, ratio: f64) -> Self {
        self.limit = Some(limit);
        self.ratio = Some(ratio);
        self
    }
}

/// Where figures go, as soon as they are known.
pub struct Report {
    json: bool,
    began: bool,
}

impl Report {
    /// - `json`: one object a line instead of a table.
    pub fn new(json: bool) -> Self {
        Self { json, began: false }
    }

    /// A remark for people.
    pub fn note(&self, text: &str) {
        eprintln!("# {text}");
    }

    /// One more figure.
    pub fn row(&mut self, row: &Row) {
        if self.json {
            println!("{}", serde_json::to_string(row).expect("a row has no maps with other keys than text"));
            return;
        }
        if !self.began {
            self.began = true;
            println!(
                "{:<18} {:<22} {:>10} {:>21} {:<10} {:>10} {:>6}  durable chained proof stamped",
                "bench", "case", "value", "low..high", "unit", "limit", "ratio"
            );
        }
        let optional = |value: Option<f64>, digits: usize| value.map_or(String::new(), |v| format!("{v:.digits$}"));
        let word = |yes: bool| if yes { "yes" } else { "no" };
        let Promise { acked_durable, chained, proof_ready, stamped } = row.promise;
        println!(
            "{:<18} {:<22} {:>10.2} {:>21} {:<10} {:>10} {:>6}  {:<7} {:<7} {:<5} {}",
            row.bench,
            row.case,
            row.value,
            format!("{:.2}..{:.2}", row.low, row.high),
            row.unit,
            optional(row.limit, 2),
            optional(row.ratio, 2),
            word(acked_durable),
            word(chained),
            word(proof_ready),
            word(stamped),
        );
    }
}
