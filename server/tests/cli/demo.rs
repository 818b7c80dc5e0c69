//! The README's first command.

use std::time::{Duration, Instant};

use crate::running::{cartulaire, json, run};

#[test]
fn everything_is_proven_twice_from_any_folder() {
    let folder = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let proven = json(cartulaire().current_dir(folder.path()).args(["demo", "essai"]));
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    let told: Vec<(&str, &str)> =
        proven.iter().map(|p| (p["sample"].as_str().unwrap(), p["verifier"].as_str().unwrap())).collect();
    assert_eq!(told, ["acte", "pes", "facture", "marche"].map(|name| (name, "proven")));
    let has_openssl =
        run(std::process::Command::new("sh").args(["-c", "command -v openssl && command -v xxd"])).code == 0;
    if !has_openssl {
        eprintln!("openssl or xxd is missing: the independent check was not run");
    }
    for one in &proven {
        assert_eq!(one["openssl"].as_bool(), has_openssl.then_some(true), "{one}");
        assert!(folder.path().join(one["bundle"].as_str().unwrap()).is_file());
    }
    assert!(folder.path().join("essai/trust/root.pem").is_file());
}

#[test]
fn what_it_prints_names_each_step_and_the_authority_s_standing() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = run(cartulaire().current_dir(folder.path()).args(["demo", "essai"]));
    assert_eq!((outcome.code, outcome.err.as_str()), (0, ""), "{}", outcome.out);
    let headings = [
        "1. Une archive neuve",
        "2. Quatre versements, chacun acquis sur disque avant d’être acquitté",
        "3. Le scellement, puis l’horodatage",
        "4. Les preuves, vérifiées deux fois",
        "Servir cette archive",
        "Y verser un fichier, le serveur étant lancé",
        "Vérifier une preuve sur une autre machine",
    ];
    let found: Vec<&str> = outcome.out.lines().filter(|line| headings.contains(line)).collect();
    assert_eq!(found, headings);
    assert!(outcome.out.contains("NON QUALIFIÉE"), "{}", outcome.out);
    // No colours where nobody sees them.
    assert!(!outcome.out.contains('\x1b'));
}
