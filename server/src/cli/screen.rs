//! What the terminal shows: aligned lines, colours and progress on a terminal only, JSON where a machine reads.
//!
//! Results go to standard output, progress and failures to standard error, so that a pipe gets results alone.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::exit::Failure;

/// Width of the left column.
const LABEL_WIDTH: usize = 14;

/// How often a bar whose work reports nothing moves.
const TICK: Duration = Duration::from_millis(120);

/// The terminal, or what stands in its place.
pub(super) struct Screen {
    json: bool,
    colour: bool,
}

/// A colour, or weight, of text.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ink {
    Bold,
    Dim,
    Green,
    Yellow,
    Red,
}

impl Ink {
    fn code(self) -> &'static str {
        match self {
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Red => "31",
        }
    }
}

impl Screen {
    /// - `json`: machines read; nothing but JSON goes to standard output.
    pub fn new(json: bool) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { json, colour: !plain && std::io::stdout().is_terminal() }
    }

    /// Whether a machine reads.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Text in a colour, on a terminal.
    pub fn ink(&self, ink: Ink, text: impl Display) -> String {
        if self.colour { format!("\x1b[{}m{text}\x1b[0m", ink.code()) } else { text.to_string() }
    }

    /// A line for people.
    pub fn line(&self, text: impl Display) {
        if !self.json {
            self.out(&format!("{text}\n"));
        }
    }

    /// A heading, after an empty line.
    pub fn heading(&self, text: &str) {
        self.line(format_args!("\n{}", self.ink(Ink::Bold, text)));
    }

    /// A label and what belongs to it, in two columns.
    pub fn row(&self, label: &str, text: impl Display) {
        let padding = LABEL_WIDTH.saturating_sub(label.chars().count());
        self.line(format_args!("  {}{:padding$} {text}", self.ink(Ink::Dim, label), ""));
    }

    /// A JSON value on one line, for machines.
    pub fn json(&self, value: &impl Serialize) {
        if self.json
            && let Ok(text) = serde_json::to_string(value)
        {
            self.out(&format!("{text}\n"));
        }
    }

    /// Bytes as they are, to standard output.
    pub fn out(&self, text: &str) {
        // Nobody reads any more where this fails: `cartulaire journal | head`.
        _ = std::io::stdout().lock().write_all(text.as_bytes());
    }

    /// A failure, to standard error; as JSON too where a machine reads.
    pub fn failure(&self, failure: &Failure) {
        let code = failure.exit() as u8;
        let text = if self.json {
            serde_json::json!({"error": failure.to_string(), "exit": code}).to_string()
        } else {
            format!("{} {failure}", self.ink(Ink::Red, "erreur :"))
        };
        _ = writeln!(std::io::stderr(), "{text}");
    }

    /// A remark beside the result, to standard error.
    pub fn remark(&self, text: impl Display) {
        if !self.json {
            _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// A bar of work whose length is known.
    pub fn bar(&self, length: u64, label: &'static str) -> ProgressBar {
        let template = "  {msg:14} {bar:30} {pos}/{len}  {eta}";
        self.progress(ProgressBar::new(length), template, label)
    }

    /// A bar of bytes.
    pub fn bytes(&self, length: u64, label: &'static str) -> ProgressBar {
        let template = "  {msg:14} {bar:30} {bytes}/{total_bytes}  {bytes_per_sec}";
        self.progress(ProgressBar::new(length), template, label)
    }

    /// A sign of life for work of unknown length.
    pub fn spinner(&self, label: &'static str) -> ProgressBar {
        let bar = self.progress(ProgressBar::new_spinner(), "  {msg:14} {spinner} {pos}  {elapsed}", label);
        if !bar.is_hidden() {
            bar.enable_steady_tick(TICK);
        }
        bar
    }

    fn progress(&self, bar: ProgressBar, template: &str, label: &'static str) -> ProgressBar {
        if self.json || !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        bar.with_message(label)
    }
}

/// A length in bytes as people write it.
pub(super) fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["Kio", "Mio", "Gio", "Tio", "Pio"];
    if n < 1024 {
        return format!("{n} octet{}", if n > 1 { "s" } else { "" });
    }
    let mut value = n as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit]).replace('.', ",")
}

#[cfg(test)]
mod tests {
    #[test]
    fn lengths_are_written_the_french_way() {
        let cases = [(0, "0 octet"), (1, "1 octet"), (1023, "1023 octets"), (1024, "1,0 Kio"), (17_050, "16,7 Kio")];
        for (n, text) in cases {
            assert_eq!(super::bytes(n), text);
        }
        assert_eq!(super::bytes(5 << 30), "5,0 Gio");
        assert_eq!(super::bytes(u64::MAX), "16384,0 Pio");
    }
}
