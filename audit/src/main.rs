//! `cartulaire-verify`.
fn main() {}
