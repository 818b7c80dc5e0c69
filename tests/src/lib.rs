//! What the tests that span crates share: the simulated ports, and the one suite that every store passes.

pub mod rig;
pub mod sim;
pub mod store_suite;
