//! The index made anew from the store alone.

use crate::running::Archive;

fn counts(archive: &Archive) -> [serde_json::Value; 4] {
    let status = archive.json(&["status"]).remove(0);
    ["tenants", "archives", "objects", "bytes"].map(|name| status[name].clone())
}

#[test]
fn an_index_that_is_lost_comes_back_the_same() {
    let archive = Archive::with_tenant();
    archive.write("acte.txt", b"Acte.\n");
    let deposited = archive.json(&["deposit", "acte.txt", "--transfer", "T-1"]).remove(0);
    // Opening journals itself, with no object, so that these counts do not move.
    let before = counts(&archive);
    for lost in [false, true] {
        if lost {
            std::fs::remove_dir_all(archive.root().join("index")).unwrap();
        }
        let outcome = archive.run(&["rebuild"]);
        assert_eq!((outcome.code, outcome.err.as_str()), (0, ""));
        assert!(outcome.out.starts_with("Index reconstruit : "), "{}", outcome.out);
        assert_eq!(counts(&archive), before);
    }
    let again = archive.json(&["deposit", "acte.txt", "--transfer", "T-1"]).remove(0);
    assert_eq!((&again["archive"], &again["replayed"]), (&deposited["archive"], &true.into()));
    for left in ["index.new", "index.old"] {
        assert!(!archive.root().join(left).exists());
    }
}

#[test]
fn an_index_that_is_damaged_is_replaced() {
    let archive = Archive::with_tenant();
    std::fs::write(archive.root().join("index/CURRENT"), "garbage").unwrap();
    assert_eq!(archive.run(&["status"]).code, 8);
    let outcome = archive.run(&["rebuild"]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert!(outcome.err.contains("L’ancien index est illisible"), "{}", outcome.err);
    assert_eq!(archive.run(&["status"]).code, 0);
}

#[test]
fn a_store_that_was_rolled_back_is_refused_until_the_loss_is_accepted() {
    let archive = Archive::with_tenant();
    let commits = archive.root().join("site/commits");
    let last = std::fs::read_dir(&commits).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let number: u64 = last.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    // Seals that reach beyond the store are part of what an older copy does not have.
    let seals = archive.root().join("site/seals");
    let newest = std::fs::read_dir(&seals).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    std::fs::remove_file(&last).unwrap();
    std::fs::remove_dir_all(&newest).unwrap();
    let outcome = archive.run(&["rebuild"]);
    let expected = format!(
        "erreur : le site s’arrête à l’engagement {}, l’index connaît l’engagement {number} : une copie plus ancienne a pris la place du site.\n  Remettez le site d’aujourd’hui. Si la perte est comprise et assumée : cartulaire rebuild --accept-rollback\n",
        number - 1
    );
    assert_eq!((outcome.code, outcome.err), (8, expected));
    assert_eq!(archive.run(&["status"]).code, 8);
    assert_eq!(archive.run(&["rebuild", "--accept-rollback"]).code, 0);
    assert_eq!(archive.run(&["status"]).code, 0);
}
