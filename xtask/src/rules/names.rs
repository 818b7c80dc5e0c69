//! File and directory names say what is inside.

use crate::tree::Tree;
use crate::violation::Violation;

/// Names under which anything could be put.
const BANNED: [&str; 17] = [
    "common",
    "handler",
    "handlers",
    "helper",
    "helpers",
    "impl",
    "impls",
    "manager",
    "managers",
    "misc",
    "stuff",
    "type",
    "types",
    "util",
    "utilities",
    "utils",
    "various",
];

/// Checks the Rust sources' names, and those of the directories that they lie in.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Violation> {
    let banned = tree.rust().filter_map(|file| {
        let path = file.path.strip_suffix(".rs").unwrap_or(&file.path);
        let name = path.split('/').find(|part| BANNED.contains(part))?;
        let advice = format!("`{name}` says nothing of what is inside; name the file for the thing that it owns");
        Some(Violation::new(&file.path, 1, "name", advice))
    });
    banned.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::tests::places;

    #[test]
    fn every_banned_name_is_refused_as_file_and_as_directory() {
        for name in BANNED {
            let (file, inside) = (format!("engine/src/{name}.rs"), format!("engine/{name}/a.rs"));
            assert_eq!(places(check, &[(&file, "")]), [format!("{file}:1: name")]);
            assert_eq!(places(check, &[(&inside, "")]), [format!("{inside}:1: name")]);
        }
    }

    #[test]
    fn names_that_only_contain_one_pass() {
        assert_eq!(places(check, &[("engine/src/subtypes.rs", ""), ("docs/types/a.md", "")]), [""; 0]);
    }
}
