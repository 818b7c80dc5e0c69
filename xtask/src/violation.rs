//! What a rule says of a place in the tree.

use std::fmt;

/// A rule broken at a place, and what to do about it. Printed as `file:line: rule: what to do`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Path from the workspace's root, with `/`.
    pub path: String,
    /// Line, from 1; 1 where the file as a whole is meant.
    pub line: usize,
    /// The rule's name.
    pub rule: &'static str,
    /// What is wrong and what to do, on one line.
    pub advice: String,
}

impl Violation {
    /// A violation of `rule` at `path:line`.
    pub fn new(path: &str, line: usize, rule: &'static str, advice: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, rule, advice: advice.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.advice)
    }
}
