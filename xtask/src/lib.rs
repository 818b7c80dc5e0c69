//! The project's own chores.
//!
//! `cargo xtask tidy` holds the tree to the rules that a reviewer would otherwise have to remember: the
//! layers' arrows, names, sizes, leftovers, secrets, golden files, reasons for dependencies. Each rule is a pure
//! function from a [`tree::Tree`] to [`violation::Violation`]s, so that its tests plant a violation
//! and see it found. `cargo xtask goldens` makes the golden files anew.
//!
//! This crate imports none of the others: it must work when they do not compile.

pub mod goldens;
pub mod ratchet;
pub mod rules;
pub mod source;
pub mod tree;
pub mod violation;
