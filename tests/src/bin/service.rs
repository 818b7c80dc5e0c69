//! The service's own program, `cartulaire`, where the tests of this crate find it.

use std::process::ExitCode;

fn main() -> ExitCode {
    cartulaire_server::cli::run(std::env::args_os())
}
