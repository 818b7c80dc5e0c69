//! The engine: admits, commits, seals, attests and proves.

pub mod ports;
pub mod store;
pub mod system;
