//! The command line from outside: the built binary, over folders of its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod demo;
mod foreign_authority;
mod init;
mod local;
mod rebuild;
mod running;
mod serve;
