//! The HTTP API over real sockets, before the real engine on a temporary folder.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod administration;
mod authority;
mod contract;
mod deposits;
mod hostile;
mod journals;
mod proofs;
mod reading;
mod roles;
mod serving;
mod support;
