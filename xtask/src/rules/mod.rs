//! The rules of `cargo xtask tidy`, one module each.

pub mod layers;
pub mod leftovers;
pub mod names;
pub mod reasons;
pub mod size;
pub mod weight;
pub mod words;

use crate::source::Source;
use crate::tree::{File, Tree};
use crate::violation::Violation;
use crate::{goldens, ratchet};

/// A rule: reads a tree, says what is wrong in it.
pub type Rule = fn(&Tree) -> Vec<Violation>;

/// Every rule.
pub const ALL: [Rule; 9] = [
    parses,
    layers::check,
    names::check,
    ratchet::check,
    leftovers::check,
    weight::check,
    goldens::check,
    reasons::check,
    words::check,
];

/// Applies every rule; the violations come in the order of their places.
#[must_use]
pub fn check_all(tree: &Tree) -> Vec<Violation> {
    let mut violations: Vec<Violation> = ALL.iter().flat_map(|rule| rule(tree)).collect();
    violations.sort();
    violations
}

/// Every Rust source parses: the other rules pass over what does not.
fn parses(tree: &Tree) -> Vec<Violation> {
    let broken = tree.rust().filter_map(|file| match read(file) {
        Err((line, words)) => Some(Violation::new(
            &file.path,
            line,
            "parse",
            format!("not Rust ({words}); mend it, or name it otherwise"),
        )),
        Ok(_) => None,
    });
    broken.collect()
}

/// Reads a Rust file.
fn read(file: &File) -> Result<Source, (usize, String)> {
    let text = file.text().ok_or((1, "not UTF-8".to_owned()))?;
    Source::parse(text, file.is_test_code())
}

/// Every Rust file that parses, read.
pub(crate) fn sources(tree: &Tree) -> impl Iterator<Item = (&File, Source)> {
    tree.rust().filter_map(|file| read(file).ok().map(|source| (file, source)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What a rule says of the planted files, as printed up to the advice: `path:line: rule`.
    pub(crate) fn places(rule: Rule, files: &[(&str, &str)]) -> Vec<String> {
        let say = |violation: &Violation| format!("{}:{}: {}", violation.path, violation.line, violation.rule);
        rule(&Tree::of(files)).iter().map(say).collect()
    }

    #[test]
    fn what_does_not_parse_is_named() {
        assert_eq!(places(parses, &[("a/src/lib.rs", "fn a() {}\nfn ("), ("b.rs", "")]), ["a/src/lib.rs:2: parse"]);
    }

    #[test]
    fn violations_come_in_the_order_of_their_places() {
        let tree = Tree::of(&[("b/utils.rs", "fn f() { x.unwrap(); }"), ("a/misc.rs", "")]);
        let places: Vec<_> = check_all(&tree).into_iter().map(|violation| (violation.path, violation.rule)).collect();
        let expected = [("a/misc.rs", "name"), ("b/utils.rs", "leftover"), ("b/utils.rs", "name")];
        assert_eq!(places, expected.map(|(path, rule)| (path.to_owned(), rule)));
    }
}
