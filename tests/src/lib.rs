//! What the tests that span crates share: the simulated ports, the one suite that every store passes, a real engine over
//! simulated ports, and the model that it is held to.

pub mod model;
pub mod rig;
pub mod sim;
pub mod store_suite;
