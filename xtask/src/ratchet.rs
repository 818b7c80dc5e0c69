//! The ratchet: files and functions over their limit today, listed with their length, which may only shrink.
//!
//! `xtask/ratchet.toml` has a section for files and one for functions. Something over its limit that is not
//! listed, or longer than listed, is a violation; so is a number higher than the truth, so that what was won is
//! kept. `cargo xtask ratchet` lowers the numbers; nothing raises them but a person, in a change that is reviewed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::rules::size::{Kind, Oversize, oversizes};
use crate::tree::Tree;
use crate::violation::Violation;

const PATH: &str = "xtask/ratchet.toml";
const RULE: &str = "size";

/// Lines by kind and key.
type Lengths = BTreeMap<(Kind, String), usize>;

/// Compares today's lengths with the listed ones.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Violation> {
    let listed = match read(tree) {
        Ok(listed) => listed,
        Err(words) => return vec![Violation::new(PATH, 1, RULE, words)],
    };
    let found = oversizes(tree);
    let mut violations: Vec<Violation> = found.iter().filter_map(|it| grown(it, &listed)).collect();
    let today = longest(&found);
    for ((kind, key), lines) in &listed {
        let now = today.get(&(*kind, key.clone())).copied();
        if now.is_none_or(|now| now < *lines) {
            let now = now.map_or_else(|| format!("within {}", kind.lines_max()), |now| format!("{now} lines"));
            let advice = format!("{key} is {now} now, listed with {lines}: keep what was won, run cargo xtask ratchet");
            violations.push(Violation::new(PATH, 1, RULE, advice));
        }
    }
    violations
}

fn grown(it: &Oversize, listed: &Lengths) -> Option<Violation> {
    let advice = match listed.get(&(it.kind, it.key.clone())) {
        Some(lines) if it.lines <= *lines => return None,
        Some(lines) => format!("{} lines, {lines} at the last count: it may only shrink", it.lines),
        None => format!("{} lines, over {}: divide it by what its parts do", it.lines, it.kind.lines_max()),
    };
    Some(Violation::new(&it.path, it.line, RULE, advice))
}

/// The longest by key: two functions of one name in a file share an entry.
fn longest(found: &[Oversize]) -> Lengths {
    let mut lengths = Lengths::new();
    for it in found {
        let entry = lengths.entry((it.kind, it.key.clone())).or_default();
        *entry = it.lines.max(*entry);
    }
    lengths
}

fn read(tree: &Tree) -> Result<Lengths, String> {
    let Some(file) = tree.find(PATH) else {
        return Ok(Lengths::new());
    };
    let table = file.text().unwrap_or_default().parse::<toml::Table>().map_err(|error| format!("not TOML: {error}"))?;
    let mut lengths = Lengths::new();
    for kind in [Kind::File, Kind::Function] {
        let section = table.get(kind.section()).and_then(toml::Value::as_table);
        for (key, value) in section.into_iter().flatten() {
            let lines = value.as_integer().and_then(|lines| usize::try_from(lines).ok());
            let lines = lines.ok_or_else(|| format!("{key} has no number of lines"))?;
            lengths.insert((kind, key.clone()), lines);
        }
    }
    Ok(lengths)
}

/// Lowers the listed numbers to today's and drops what is within its limit; says how many remain.
///
/// # Errors
/// A sentence for the person at the terminal, if the file cannot be read or written.
pub fn shrink(root: &Path, tree: &Tree) -> Result<String, String> {
    let shrunk = lowered(read(tree)?, &longest(&oversizes(tree)));
    fs::write(root.join(PATH), render(&shrunk)).map_err(|error| format!("{PATH}: {error}"))?;
    Ok(format!("ratchet: {} left to shrink", shrunk.len()))
}

fn lowered(listed: Lengths, today: &Lengths) -> Lengths {
    let lower = |(key, lines): ((Kind, String), usize)| Some((key.clone(), lines.min(*today.get(&key)?)));
    listed.into_iter().filter_map(lower).collect()
}

fn render(lengths: &Lengths) -> String {
    let mut text =
        "# Over the limit of lines today, and how long: these may only shrink (cargo xtask ratchet).\n".to_owned();
    for kind in [Kind::File, Kind::Function] {
        text += &format!("\n[{}] # at most {}\n", kind.section(), kind.lines_max());
        for ((_, key), lines) in lengths.iter().filter(|((of, _), _)| *of == kind) {
            text += &format!("{key:?} = {lines}\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(lines: usize, ratchet: &str) -> Vec<String> {
        let text = "// x\n".repeat(lines);
        check(&Tree::of(&[("a/b.rs", &text), (PATH, ratchet)])).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_file_over_the_limit_must_be_listed() {
        assert_eq!(said(501, ""), ["a/b.rs:1: size: 501 lines, over 500: divide it by what its parts do"]);
        assert_eq!(said(501, "[files]\n\"a/b.rs\" = 501"), [""; 0]);
    }

    #[test]
    fn a_listed_file_may_not_grow() {
        let expected = ["a/b.rs:1: size: 502 lines, 501 at the last count: it may only shrink"];
        assert_eq!(said(502, "[files]\n\"a/b.rs\" = 501"), expected);
    }

    #[test]
    fn a_number_higher_than_the_truth_is_refused() {
        let shrunk = "xtask/ratchet.toml:1: size: a/b.rs is 501 lines now, listed with 600: keep what was won, run cargo xtask ratchet";
        assert_eq!(said(501, "[files]\n\"a/b.rs\" = 600"), [shrunk]);
        let gone = "xtask/ratchet.toml:1: size: a/b.rs is within 500 now, listed with 600: keep what was won, run cargo xtask ratchet";
        assert_eq!(said(500, "[files]\n\"a/b.rs\" = 600"), [gone]);
    }

    #[test]
    fn a_function_is_listed_by_its_file_and_name() {
        let text = format!("fn f() {{\n{}}}\n", "    g();\n".repeat(70));
        let tree = |ratchet| Tree::of(&[("a/b.rs", &text), (PATH, ratchet)]);
        assert_eq!(check(&tree("")).len(), 1);
        assert_eq!(check(&tree("[functions]\n\"a/b.rs::f\" = 72")), []);
    }

    #[test]
    fn numbers_are_lowered_and_never_raised() {
        let length = |key: &str, lines| ((Kind::File, key.to_owned()), lines);
        let listed = Lengths::from([length("a", 600), length("b", 600), length("c", 600)]);
        let today = Lengths::from([length("a", 550), length("b", 650), length("d", 700)]);
        assert_eq!(lowered(listed, &today), Lengths::from([length("a", 550), length("b", 600)]));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let lengths =
            Lengths::from([((Kind::File, "a/b.rs".to_owned()), 600), ((Kind::Function, "a::f".to_owned()), 80)]);
        assert_eq!(read(&Tree::of(&[(PATH, &render(&lengths))])), Ok(lengths));
    }
}
