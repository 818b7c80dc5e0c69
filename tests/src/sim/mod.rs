//! The simulated ports: the same `u64` seed gives the same faults, times and bytes, on every machine.
//!
//! None of them looks at a real clock, disk or source of randomness. [`SimStore`] passes the same suite as the real
//! stores; what it can do wrong stands at the head of its module.

mod authority;
mod clock;
mod entropy;
mod fault;
mod signer;
mod store;

pub use authority::{AuthorityFault, SimAuthority};
pub use clock::SimClock;
pub use entropy::{Dice, SimEntropy};
pub use fault::{Chances, ReadFault, Then, WriteFault};
pub use signer::SimSigner;
pub use store::{Image, Operation, SimStore, WriteRecord};
