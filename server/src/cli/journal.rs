//! `cartulaire journal`: entries as a table for people, as their own lines for machines.

use cartulaire_formats::journal::{JournalEntry, Outcome};

use super::arguments::{self, Common};
use super::door;
use super::exit::{self, Exit, Failure};
use super::screen::{Ink, Screen};

pub(super) fn run(arguments: &arguments::Journal, common: &Common, screen: &Screen) -> Result<Exit, Failure> {
    let archive = arguments.archive.as_deref().map(exit::archive_id).transpose()?;
    let door = door::open(common, screen)?;
    let tenant = door::tenant_of(&*door, arguments.tenant.as_deref())?;
    let lines = door.journal(&tenant, archive.as_ref(), arguments.after, arguments.limit)?;
    for line in &lines {
        match JournalEntry::parse(line.as_bytes()) {
            // Byte for byte: whoever keeps the lines can hash them again.
            Ok(_) if screen.is_json() => screen.out(&format!("{line}\n")),
            Ok(entry) => show(&entry, screen),
            Err(_) => screen.remark(format_args!("écriture illisible : {line}")),
        }
    }
    Ok(Exit::Success)
}

fn show(entry: &JournalEntry, screen: &Screen) {
    let outcome = match entry.outcome {
        Outcome::Success => screen.ink(Ink::Green, "fait   "),
        Outcome::Refused => screen.ink(Ink::Yellow, "refusé "),
        Outcome::Failure => screen.ink(Ink::Red, "échec  "),
    };
    let event = serde_json::to_value(entry.event).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
    let facts: Vec<String> = entry.facts.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let facts = screen.ink(Ink::Dim, facts.join(" "));
    let time = entry.time.to_string();
    screen.line(format_args!(
        "{:>8}  {}  {outcome} {event:18}  {:20}  {:45}  {facts}",
        entry.seq,
        &time[..19],
        entry.agent,
        entry.subject
    ));
}
