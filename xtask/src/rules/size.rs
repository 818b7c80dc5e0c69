//! How long files and functions are, tests left out: the measures behind [`crate::ratchet`].

use super::sources;
use crate::tree::{File, Tree};

/// The longest a file may be, in lines without its test items.
pub const FILE_LINES_MAX: usize = 500;

/// The longest a function may be, in lines from signature to closing brace.
pub const FUNCTION_LINES_MAX: usize = 70;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A file.
    File,
    /// A function.
    Function,
}

/// A measure over its limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oversize {
    /// What it is of.
    pub kind: Kind,
    /// The file's path, or `path::function`.
    pub key: String,
    /// The file's path.
    pub path: String,
    /// Line, from 1.
    pub line: usize,
    /// Lines.
    pub lines: usize,
}

impl Kind {
    /// The longest allowed.
    #[must_use]
    pub fn lines_max(self) -> usize {
        match self {
            Self::File => FILE_LINES_MAX,
            Self::Function => FUNCTION_LINES_MAX,
        }
    }

    /// The section of the ratchet file, and the word for it.
    #[must_use]
    pub fn section(self) -> &'static str {
        match self {
            Self::File => "files",
            Self::Function => "functions",
        }
    }
}

/// All files and functions over their limit, in the order of the tree.
#[must_use]
pub fn oversizes(tree: &Tree) -> Vec<Oversize> {
    sources(tree).filter(|(file, _)| !file.is_test_code()).flat_map(|(file, source)| measure(file, &source)).collect()
}

fn measure(file: &File, source: &crate::source::Source) -> Vec<Oversize> {
    let path = &file.path;
    let lines = file.text().map_or(0, |text| text.lines().count()).saturating_sub(source.test_lines);
    let whole = Oversize { kind: Kind::File, key: path.clone(), path: path.clone(), line: 1, lines };
    let functions = source.functions.iter().filter(|function| !function.in_test).map(|function| Oversize {
        kind: Kind::Function,
        key: format!("{path}::{}", function.name),
        path: path.clone(),
        line: function.line,
        lines: function.lines,
    });
    std::iter::once(whole).chain(functions).filter(|it| it.lines > it.kind.lines_max()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A function of `lines` lines.
    fn function(lines: usize) -> String {
        format!("fn f() {{\n{}}}\n", "    g();\n".repeat(lines - 2))
    }

    fn measured(path: &str, text: &str) -> Vec<(Kind, String, usize)> {
        oversizes(&Tree::of(&[(path, text)])).into_iter().map(|it| (it.kind, it.key, it.lines)).collect()
    }

    #[test]
    fn limits_are_inclusive() {
        assert_eq!(measured("a/b.rs", &function(70)), []);
        assert_eq!(measured("a/b.rs", &function(71)), [(Kind::Function, "a/b.rs::f".to_owned(), 71)]);
        assert_eq!(measured("a/b.rs", &"// x\n".repeat(500)), []);
        assert_eq!(measured("a/b.rs", &"// x\n".repeat(501)), [(Kind::File, "a/b.rs".to_owned(), 501)]);
    }

    #[test]
    fn tests_are_left_out() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", function(600));
        assert_eq!(measured("a/b.rs", &format!("{}{tests}", "// x\n".repeat(500))), []);
        assert_eq!(measured("tests/src/b.rs", &function(600)), []);
    }
}
