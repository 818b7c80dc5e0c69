//! Each dependency carries its reason: a comment on its line or on the line above.

use crate::tree::{File, Tree};
use crate::violation::Violation;

/// Checks every manifest. A dependency taken from the workspace has its reason there; one on a crate of this
/// workspace needs none.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Violation> {
    tree.files().iter().filter(|file| file.name() == "Cargo.toml").flat_map(manifest).collect()
}

fn manifest(file: &File) -> Vec<Violation> {
    let mut violations = Vec::new();
    let (mut section, mut above, mut inside) = ("", "", false);
    for (index, line) in file.text().unwrap_or_default().lines().enumerate() {
        if inside {
            // A dependency over several lines, up to the bracket that stands alone.
            inside = !line.starts_with(['}', ']']);
        } else if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
        } else if section.ends_with("dependencies") && needs_reason(line) {
            let reason = gives_reason(above) || line.contains(" # ");
            if !reason {
                let name = line.split([' ', '=']).next().unwrap_or_default();
                let advice = format!("say in a comment on this line or the one above why {name} is needed");
                violations.push(Violation::new(&file.path, index + 1, "reason", advice));
            }
            inside = line.ends_with(['{', '[']);
        }
        above = line;
    }
    violations
}

/// A comment, and not the heading of a group (`# -- Server`).
fn gives_reason(above: &str) -> bool {
    above.starts_with('#') && !above.starts_with("# --")
}

fn needs_reason(line: &str) -> bool {
    let names_something = line.starts_with(|c: char| c.is_ascii_alphanumeric()) && line.contains('=');
    names_something && !line.contains("workspace = true") && !line.contains("path = \"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::tests::places;

    #[test]
    fn a_dependency_without_a_reason_is_refused() {
        let text = "[workspace.dependencies]\nours = { path = \"ours\" }\n# Hashes.\nsha2 = \"1\"\nhex = \"1\"\nbase64 = \"1\" # Wire.\n\n# About nothing.\n\nrsa = \"1\"\n";
        assert_eq!(places(check, &[("Cargo.toml", text)]), ["Cargo.toml:5: reason", "Cargo.toml:10: reason"]);
    }

    #[test]
    fn the_heading_of_a_group_is_no_reason() {
        let text = "[dependencies]\n# -- Storage\na = \"1\"\n";
        assert_eq!(places(check, &[("a/Cargo.toml", text)]), ["a/Cargo.toml:3: reason"]);
    }

    #[test]
    fn every_dependency_section_counts_and_no_other() {
        for section in ["dependencies", "dev-dependencies", "build-dependencies", "target.'cfg(unix)'.dependencies"] {
            let text = format!("[{section}]\na = \"1\"\nb.workspace = true\n[features]\nc = []\n");
            assert_eq!(places(check, &[("a/Cargo.toml", &text)]), ["a/Cargo.toml:2: reason"], "{section}");
        }
    }

    #[test]
    fn the_lines_inside_a_dependency_are_passed_over() {
        let text = "[dependencies]\n# Why.\na = { version = \"1\", features = [\n  \"x\",\n] }\nb = \"1\"\n";
        assert_eq!(places(check, &[("a/Cargo.toml", text)]), ["a/Cargo.toml:6: reason"]);
    }
}
