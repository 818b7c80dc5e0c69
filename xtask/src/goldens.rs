//! Golden files: expected outputs kept in the repository, and the command that makes each anew.
//!
//! `xtask/goldens.toml` lists them:
//!
//! ```toml
//! [[golden]]
//! command = "cargo test --locked -p cartulaire-server --test openapi"
//! files = ["server/tests/golden/openapi.json"]
//! ```
//!
//! The command runs the test that compares the output with the files. With `UPDATE_GOLDENS=1` in its environment
//! the same test writes them instead, so what is compared and what is written come from one line of code.
//! [`check`] holds list and tree together; whether a file is stale, the test alone can say.

use std::path::Path;
use std::process::Command;

use crate::tree::{File, Tree};
use crate::violation::Violation;

const PATH: &str = "xtask/goldens.toml";
const RULE: &str = "golden";

/// The variable that makes a comparing test write.
const UPDATE_VARIABLE: &str = "UPDATE_GOLDENS";

/// What [`run`] does with the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Compare them.
    Compare,
    /// Write them.
    Update,
}

/// One entry of the list.
#[derive(Debug, PartialEq, Eq)]
struct Golden {
    command: Vec<String>,
    files: Vec<String>,
}

/// Every golden file is listed once, and everything listed is there.
///
/// A golden file is one in a directory `golden`, or with `.golden.` or a final `.golden` in its name.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Violation> {
    let goldens = match read(tree) {
        Ok(goldens) => goldens,
        Err(words) => return vec![Violation::new(PATH, 1, RULE, words)],
    };
    let listed: Vec<&String> = goldens.iter().flat_map(|golden| &golden.files).collect();
    let missing = listed.iter().filter(|path| tree.find(path).is_none());
    let missing = missing
        .map(|path| Violation::new(PATH, 1, RULE, format!("{path} is not in the tree: make it, or drop the line")));
    let unlisted = tree.files().iter().filter(|file| is_golden(file) && !listed.contains(&&file.path));
    let unlisted = unlisted.map(|file| {
        Violation::new(&file.path, 1, RULE, format!("name it in {PATH}, with the command that makes it anew"))
    });
    missing.chain(unlisted).collect()
}

fn is_golden(file: &File) -> bool {
    let in_directory = file.path.split('/').rev().skip(1).any(|directory| directory == "golden");
    in_directory || file.name().contains(".golden.") || file.name().ends_with(".golden")
}

fn read(tree: &Tree) -> Result<Vec<Golden>, String> {
    let Some(file) = tree.find(PATH) else {
        return Ok(Vec::new());
    };
    let table = file.text().unwrap_or_default().parse::<toml::Table>().map_err(|error| format!("not TOML: {error}"))?;
    let entries = table.get("golden").and_then(toml::Value::as_array);
    entries.into_iter().flatten().map(entry).collect()
}

fn entry(value: &toml::Value) -> Result<Golden, String> {
    let command = value.get("command").and_then(toml::Value::as_str).unwrap_or_default();
    let command: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
    let files = value.get("files").and_then(toml::Value::as_array);
    let files: Vec<String> = files.into_iter().flatten().filter_map(toml::Value::as_str).map(str::to_owned).collect();
    if command.is_empty() || files.is_empty() {
        return Err("each [[golden]] needs a command and at least one file".to_owned());
    }
    Ok(Golden { command, files })
}

/// Runs every command; in [`Mode::Update`] then names the files that git sees changed.
///
/// # Errors
/// A sentence for the person at the terminal: which command failed, and what to run if the change was meant.
pub fn run(root: &Path, mode: Mode) -> Result<String, String> {
    let goldens = read(&Tree::tracked(root)?)?;
    for golden in &goldens {
        println!("{}", golden.command.join(" "));
        let mut command = Command::new(&golden.command[0]);
        command.args(&golden.command[1..]).current_dir(root).env_remove(UPDATE_VARIABLE);
        if mode == Mode::Update {
            command.env(UPDATE_VARIABLE, "1");
        }
        let status = command.status().map_err(|error| format!("cannot start {}: {error}", golden.command[0]))?;
        if !status.success() {
            let files = golden.files.join(", ");
            return Err(format!("{files}: not as the code makes it; if that is meant: cargo xtask goldens --update"));
        }
    }
    match mode {
        Mode::Compare => Ok(format!("goldens: {} commands, all as expected", goldens.len())),
        Mode::Update => changed(root, &goldens),
    }
}

fn changed(root: &Path, goldens: &[Golden]) -> Result<String, String> {
    let files: Vec<&String> = goldens.iter().flat_map(|golden| &golden.files).collect();
    if files.is_empty() {
        return Ok(format!("goldens: none listed in {PATH}"));
    }
    let output = Command::new("git").arg("-C").arg(root).args(["status", "--short", "--"]).args(files).output();
    let output = output.map_err(|error| format!("cannot start git: {error}"))?;
    let listed = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
    Ok(if listed.is_empty() { "goldens: none changed".to_owned() } else { format!("goldens changed:\n{listed}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::tests::places;

    const LIST: &str = "[[golden]]\ncommand = \"cargo test -p a\"\nfiles = [\"a/golden/b.json\"]\n";

    #[test]
    fn a_list_that_is_true_passes() {
        assert_eq!(places(check, &[(PATH, LIST), ("a/golden/b.json", "")]), [""; 0]);
        assert_eq!(places(check, &[("a/gold.json", "")]), [""; 0]);
    }

    #[test]
    fn a_listed_file_must_be_there() {
        assert_eq!(places(check, &[(PATH, LIST)]), ["xtask/goldens.toml:1: golden"]);
    }

    #[test]
    fn a_golden_file_must_be_listed() {
        for path in ["a/golden/c/d.txt", "a/b.golden", "a/b.golden.html"] {
            assert_eq!(places(check, &[(path, "")]), [format!("{path}:1: golden")]);
        }
    }

    #[test]
    fn an_entry_needs_a_command_and_a_file() {
        for list in ["[[golden]]\ncommand = \"a\"", "[[golden]]\nfiles = [\"a\"]", "[[golden"] {
            assert_eq!(places(check, &[(PATH, list)]), ["xtask/goldens.toml:1: golden"], "{list}");
        }
    }

    #[test]
    fn the_command_is_split_into_words() {
        let golden = Golden {
            command: ["cargo", "test", "-p", "a"].map(str::to_owned).to_vec(),
            files: vec!["a/golden/b.json".to_owned()],
        };
        assert_eq!(read(&Tree::of(&[(PATH, LIST)])), Ok(vec![golden]));
    }
}
