//! The tracked files, as bytes: what a clone would get, with the changes of the work tree.

use std::path::Path;
use std::process::Command;
use std::{fs, str};

/// One tracked file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Path from the workspace's root, with `/`.
    pub path: String,
    /// The content in the work tree.
    pub bytes: Vec<u8>,
}

/// All tracked files, in the order of their paths.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    files: Vec<File>,
}

impl File {
    /// The content, if it is text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        str::from_utf8(&self.bytes).ok().filter(|text| !text.contains('\0'))
    }

    /// The first directory of the path: for Rust sources, the crate's.
    #[must_use]
    pub fn top(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }

    /// The path's last part.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Whether the name ends in `.` and `extension`.
    #[must_use]
    pub fn has_extension(&self, extension: &str) -> bool {
        self.name().rsplit_once('.').is_some_and(|(_, found)| found == extension)
    }

    /// Whether the whole file is test or bench code, by its place.
    #[must_use]
    pub fn is_test_code(&self) -> bool {
        let directories = self.path.split('/').rev().skip(1);
        self.top() == "tests"
            || self.name() == "tests.rs"
            || self.name().ends_with("_tests.rs")
            || directories.into_iter().any(|directory| directory == "tests")
    }
}

impl Tree {
    /// A tree of the given files: `(path, content)`.
    #[must_use]
    pub fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File { path: (*path).to_owned(), bytes: text.as_bytes().to_vec() };
        Self { files: files.iter().map(file).collect() }
    }

    /// The files that git tracks under `root`; one that is deleted but not yet committed is left out.
    ///
    /// # Errors
    /// A sentence for the person at the terminal, if git or a file cannot be read.
    pub fn tracked(root: &Path) -> Result<Self, String> {
        let listed = Command::new("git").arg("-C").arg(root).args(["ls-files", "-z"]).output();
        let listed = listed.map_err(|error| format!("cannot start git: {error}"))?;
        if !listed.status.success() {
            return Err(format!("git ls-files: {}", String::from_utf8_lossy(&listed.stderr)));
        }
        let paths = String::from_utf8(listed.stdout).map_err(|_| "a tracked file's name is not UTF-8".to_owned())?;
        let mut files = Vec::new();
        for path in paths.split_terminator('\0').filter(|path| root.join(path).is_file()) {
            let bytes = fs::read(root.join(path)).map_err(|error| format!("{path}: {error}"))?;
            files.push(File { path: path.to_owned(), bytes });
        }
        Ok(Self { files })
    }

    /// All files.
    #[must_use]
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// The Rust sources.
    pub fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.has_extension("rs"))
    }

    /// The file at `path`.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_code_is_known_by_its_place() {
        let is_test = |path: &str| Tree::of(&[(path, "")]).files()[0].is_test_code();
        let found =
            ["tests/src/lib.rs", "formats/tests/vectors.rs", "formats/src/ers/tests.rs", "engine/src/a_tests.rs"]
                .map(is_test);
        assert_eq!(found, [true; 4]);
        assert_eq!(
            ["formats/src/tests_of.rs", "benches/src/lib.rs", "xtask/src/rules/names.rs"].map(is_test),
            [false; 3]
        );
    }

    #[test]
    fn the_work_tree_is_read_as_git_tracks_it() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let tree = Tree::tracked(root).unwrap();
        assert_eq!(tree.find("xtask/src/tree.rs").unwrap().bytes, include_bytes!("tree.rs"));
        assert_eq!(tree.find("target/debug"), None);
    }
}
