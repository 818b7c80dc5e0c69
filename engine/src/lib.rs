//! The engine: admits, commits, seals, attests and proves.
//!
//! Synchronous, and alone with its five [`ports`]. A deposit goes [`receive`] → [`admit`] → [`commit`] → [`seal`] →
//! [`attest`] → [`prove`]; each stage takes what only the one before can give.

pub mod admit;
pub mod archive;
pub mod attest;
pub mod bounds;
pub mod commit;
mod evidence;
pub mod fault;
pub mod index;
pub mod journal;
pub mod ports;
pub mod prove;
pub mod read;
mod receipt;
pub mod receive;
mod recover;
pub mod seal;
pub mod service;
pub mod sites;
pub mod store;
pub mod system;
