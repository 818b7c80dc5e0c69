//! The doors of the archive: HTTP API, command line, configuration, authentication.

pub mod cli;
pub mod config;
pub mod http;
pub mod identity;
pub mod open;
pub mod secrets;
pub mod tsa;
