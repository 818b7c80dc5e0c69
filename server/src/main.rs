//! The archive service. Everything is in the library: see `cartulaire_server::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    cartulaire_server::cli::run(std::env::args_os())
}
