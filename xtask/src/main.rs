//! `cargo xtask CHORE`: see the library's documentation.

use std::env;
use std::path::Path;
use std::process::ExitCode;

use xtask::{goldens, ratchet, rules, tree::Tree};

const USAGE: &str = "usage: cargo xtask CHORE

  tidy               check the tree; violations are printed as file:line: rule: what to do
  ratchet            lower the numbers of xtask/ratchet.toml to today's; never raises one
  goldens            run the tests that compare golden files
  goldens --update   write the golden files anew, and name those that changed";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["tidy"] => tidy(),
        ["ratchet"] => Tree::tracked(root()).and_then(|tree| ratchet::shrink(root(), &tree)),
        ["goldens"] => goldens::run(root(), goldens::Mode::Compare),
        ["goldens", "--update"] => goldens::run(root(), goldens::Mode::Update),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(said) => {
            eprintln!("{said}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace's root: this crate's parent directory.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask/ lies in the workspace")
}

fn tidy() -> Result<String, String> {
    let tree = Tree::tracked(root())?;
    let violations = rules::check_all(&tree);
    if violations.is_empty() {
        return Ok(format!("tidy: {} files, {} rules, nothing to say", tree.files().len(), rules::ALL.len()));
    }
    let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
    Err(format!("{}\ntidy: {} to mend", lines.join("\n"), violations.len()))
}
