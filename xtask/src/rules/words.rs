//! The project speaks of itself, not of the tools that its authors write with.

use super::leftovers::is_written;
use crate::tree::Tree;
use crate::violation::Violation;

/// Words that have no place here, in lower case, spelt so that this file does not contain them.
const BANNED: [&str; 5] = [
    concat!("helper ", "session"),
    concat!("sub", "agent"),
    concat!("cla", "ude"),
    concat!("co", "pilot"),
    concat!("chat", "gpt"),
];

/// Checks every written file, whatever the case of the letters.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in tree.files().iter().filter(|file| is_written(file)) {
        for (index, line) in file.text().unwrap_or_default().lines().enumerate() {
            let line = line.to_lowercase();
            let found = BANNED.iter().find(|word| line.contains(**word));
            violations.extend(found.map(|word| {
                let advice = format!("`{word}` belongs to someone's workplace, not to the project; say it without");
                Violation::new(&file.path, index + 1, "word", advice)
            }));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::tests::places;

    #[test]
    fn every_word_is_refused_in_any_case() {
        for word in BANNED {
            assert_eq!(places(check, &[("a.md", &format!("\nby {}", word.to_uppercase()))]), ["a.md:2: word"]);
        }
        assert_eq!(places(check, &[("a.md", "by a user agent in a session")]), [""; 0]);
    }
}
