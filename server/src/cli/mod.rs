//! The command line: `cartulaire`, for operators and archivists.
//!
//! Texts are French, since those who type these commands are; what machines read (`--json`, exit codes, names) is stable
//! and documented in `docs/reference/cli.md`. Each command goes through a [`door::Door`]: the archive opened in this
//! process, or a running server's HTTP API.
//!
//! Deliberately absent: any rule about archives. Commands ask and print.

mod arguments;
mod demo;
mod deposit;
mod door;
mod exit;
mod get;
mod identity;
mod init;
mod journal;
mod local;
mod parcel;
mod prove;
mod rebuild;
mod remote;
mod samples;
mod screen;
mod serve;
mod status;
mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Command};
pub use exit::{Exit, Failure};
use screen::Screen;

/// Runs the command that the arguments name; prints its outcome and returns its exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        // Usage errors go to standard error with code 2, help and version to standard output with 0.
        Err(error) => error.exit(),
    };
    let screen = Screen::new(arguments.common.json);
    match dispatch(arguments, &screen) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            screen.failure(&failure);
            failure.exit().into()
        }
    }
}

fn dispatch(arguments: Arguments, screen: &Screen) -> Result<Exit, Failure> {
    let Arguments { command, common } = arguments;
    match command {
        Command::Init(init) => init::run(&init, screen),
        Command::Serve => serve::run(&common, screen),
        Command::Demo(demo) => demo::run(&demo, screen),
        Command::Tenant(tenant) => identity::tenant(&tenant, &common, screen),
        Command::Key(key) => identity::key(&key, &common, screen),
        Command::Deposit(deposit) => deposit::run(&deposit, &common, screen),
        Command::Get(get) => get::run(&get, &common, screen),
        Command::Prove(prove) => prove::run(&prove, &common, screen),
        Command::Verify(verify) => verify::run(&verify, screen),
        Command::Journal(journal) => journal::run(&journal, &common, screen),
        Command::Status => status::run(&common, screen),
        Command::Rebuild(rebuild) => rebuild::run(&rebuild, &common, screen),
    }
}
