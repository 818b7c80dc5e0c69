//! The archive service.
fn main() {}
