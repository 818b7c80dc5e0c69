//! The program as people run it: exit codes, languages, JSON.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod forge;

use std::path::Path;
use std::process::{Command, Output};

use forge::{Files, Plan, World, bag};

fn write(root: &Path, files: &Files) {
    for (name, bytes) in files {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cartulaire-verify"));
    command.current_dir(folder).args(arguments).args(["--at", "2026-12-01T00:00:00Z"]).output().unwrap()
}

fn stage() -> (tempfile::TempDir, String) {
    let world = World::build(Plan::default());
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("site"), &world.files);
    write(&folder.path().join("sac"), &bag(world.payload()));
    std::fs::create_dir(folder.path().join("vide")).unwrap();
    std::fs::write(folder.path().join("root.pem"), world.plan.authority.root_pem()).unwrap();
    let known = world.seals[2].checkpoint.note().to_string();
    std::fs::write(folder.path().join("connu"), known).unwrap();
    let key = world.plan.log_key.public.to_string();
    std::fs::write(folder.path().join("log.vkey"), format!("{key}\n")).unwrap();
    (folder, key)
}

#[test]
fn exit_codes_are_those_documented() {
    let (folder, key) = stage();
    let cases: &[(&[&str], i32)] = &[
        (&["sac", "--trust", "root.pem", "--log-key", &key], 0),
        (&["sac", "--trust", "root.pem", "--log-key", "log.vkey", "--json"], 0),
        (&["site", "--trust", "root.pem", "--log-key", &key, "--known-checkpoint", "connu"], 0),
        (&["sac", "--trust", "root.pem"], 3),
        (&["sac", "--log-key", &key], 3),
        (&["site"], 3),
        (&["root.pem", "--trust", "root.pem"], 1),
        (&["vide"], 2),
        (&["absent"], 2),
        (&["sac", "--trust", "connu"], 2),
        (&["sac", "--log-key", "root.pem"], 2),
        (&["sac", "--known-checkpoint", "connu"], 2),
        (&["sac", "--lang", "de"], 2),
    ];
    for (arguments, code) in cases {
        let output = run(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(*code), "{arguments:?}: {output:?}");
        assert_eq!(output.stdout.is_empty(), *code == 2, "{arguments:?}");
    }
}

#[test]
fn the_report_speaks_both_languages() {
    let (folder, _) = stage();
    let first_line = |lang| {
        let output = run(folder.path(), &["sac", "--lang", lang]);
        String::from_utf8(output.stdout).unwrap().lines().next().unwrap().to_owned()
    };
    assert_eq!(first_line("fr"), "Dossier de preuve : PROUVÉ SOUS RÉSERVE");
    assert_eq!(first_line("en"), "Proof bundle: PROVEN WITH RESERVATIONS");
}

#[test]
fn names_cannot_write_lines_of_their_own() {
    let (folder, _) = stage();
    std::fs::write(folder.path().join("site/seals/\u{202e}x\nPROUVÉ"), b"").unwrap();
    let output = run(folder.path(), &["site"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("seals/\u{fffd}x\u{fffd}PROUVÉ"), "{text}");
}
