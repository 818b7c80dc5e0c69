//! The report in French and in English, for whoever has to decide.

use std::fmt::Write as _;

use super::{Facts, Report, Subject, Verdict};
use crate::finding::Severity;

/// The report's language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// French, the language of those who ask.
    #[default]
    French,
    /// English.
    English,
}

impl Language {
    fn pick(self, french: &'static str, english: &'static str) -> &'static str {
        match self {
            Self::French => french,
            Self::English => english,
        }
    }
}

pub(super) fn write(report: &Report, language: Language) -> String {
    let mut out = String::new();
    head(&mut out, report, language);
    facts(&mut out, &report.facts, language);
    verdicts(&mut out, report, language);
    findings(&mut out, report, language);
    limits(&mut out, report, language);
    out
}

/// Lines go to a string, which takes all.
macro_rules! line {
    ($out:expr) => { $out.push('\n') };
    ($out:expr, $($format:tt)*) => { writeln!($out, $($format)*).expect("a String takes all") };
}

/// Names and titles are whatever somebody put there: they may neither end a line nor turn the direction of writing.
fn plain(text: &str) -> String {
    let unsafe_char = |c: char| {
        c.is_control() || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.replace(unsafe_char, "\u{fffd}")
}

fn head(out: &mut String, report: &Report, language: Language) {
    let result = match report.result {
        Verdict::Proven | Verdict::NotExamined => language.pick("PROUVÉ", "PROVEN"),
        Verdict::Reserved => language.pick("PROUVÉ SOUS RÉSERVE", "PROVEN WITH RESERVATIONS"),
        Verdict::NotProven => language.pick("NON PROUVÉ", "NOT PROVEN"),
    };
    let subject = match report.subject {
        Subject::Bundle => language.pick("Dossier de preuve", "Proof bundle"),
        Subject::Site => language.pick("Site d'archives", "Archive site"),
    };
    line!(out, "{subject}{} {result}", language.pick(" :", ":"));
    line!(out);
}

fn facts(out: &mut String, facts: &Facts, language: Language) {
    let mut fact =
        |french, english, value: &str| line!(out, "  {:<22} {}", language.pick(french, english), plain(value));
    if let Some(deposit) = &facts.deposit {
        fact("Archive", "Archive", &deposit.archive);
        fact("Service", "Tenant", &deposit.tenant);
        fact("Titre (déclaré)", "Title (declared)", &deposit.title);
        fact("Déposant", "Depositor", &deposit.depositor);
        fact("Transfert", "Transfer", &deposit.transfer);
        fact("Reçu le", "Received", &deposit.received);
        if let Some(committed) = &deposit.committed {
            fact("Inscrit le", "Committed", committed);
        }
    }
    for document in &facts.documents {
        fact(
            "Document",
            "Document",
            &format!("{} ({} {})", document.name, document.size, language.pick("octets", "bytes")),
        );
        fact("  SHA-256", "  SHA-256", &document.sha256);
    }
    if let Some(log) = &facts.log {
        let given =
            if log.key_given { "" } else { language.pick(" (clé non authentifiée)", " (key not authenticated)") };
        fact("Registre", "Log", &format!("{}, {}{given}", log.origin, log.size));
        fact("Clé du registre", "Log key", &log.key);
    }
    for stamp in &facts.time_stamps {
        let trusted = if stamp.trusted { "" } else { language.pick(" (non authentifiée)", " (not authenticated)") };
        fact("Horodatage", "Time-stamp", &format!("{} — {}{trusted}", stamp.time, stamp.authority));
    }
    let c = &facts.counts;
    let examined = match language {
        Language::French => format!(
            "{} commits, {} écritures, {} objets ({} octets), {} scellements, {} jetons",
            c.commits, c.entries, c.objects, c.bytes, c.seals, c.tokens
        ),
        Language::English => format!(
            "{} commits, {} entries, {} objects ({} bytes), {} seals, {} tokens",
            c.commits, c.entries, c.objects, c.bytes, c.seals, c.tokens
        ),
    };
    fact("Examiné", "Examined", &examined);
    line!(out);
}

fn verdicts(out: &mut String, report: &Report, language: Language) {
    line!(out, "{}", language.pick("Ce qui est prouvé", "What is proven"));
    for verdict in &report.verdicts {
        let mark = match verdict.verdict {
            Verdict::Proven => language.pick("[oui]      ", "[yes]        "),
            Verdict::Reserved => language.pick("[réserve]  ", "[reservation]"),
            Verdict::NotProven => language.pick("[NON]      ", "[NO]         "),
            Verdict::NotExamined => language.pick("[—]        ", "[—]          "),
        };
        line!(out, "  {mark} {}", language.pick(verdict.claim.french(), verdict.claim.english()));
    }
    line!(out);
}

fn findings(out: &mut String, report: &Report, language: Language) {
    if report.findings.is_empty() {
        return;
    }
    line!(out, "{}", language.pick("Constats", "Findings"));
    for finding in &report.findings {
        let weight = match finding.severity {
            Severity::Failure => language.pick("ÉCHEC", "FAILURE"),
            Severity::Reservation => language.pick("réserve", "reservation"),
            Severity::Note => "note",
        };
        let words = language.pick(finding.fault.french(), finding.fault.english());
        line!(out, "  {weight}: {} — {words} [{}]", plain(&finding.place.to_string()), finding.fault);
        if let Some(detail) = &finding.detail {
            line!(out, "      {}", plain(detail));
        }
    }
    if report.findings_dropped > 0 {
        line!(out, "  + {} {}", report.findings_dropped, language.pick("autres", "more"));
    }
    line!(out);
}

fn limits(out: &mut String, report: &Report, language: Language) {
    line!(out, "{}", language.pick("Ce qui n'est pas prouvé", "What is not proven"));
    for limit in &report.not_proven {
        line!(out, "  - {}", language.pick(limit.french(), limit.english()));
    }
}
