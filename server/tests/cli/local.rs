//! Every command on the archive of this machine.

use crate::running::{Archive, json, run};

const ACT: &[u8] = b"Le conseil municipal decide.\n";

fn deposit(archive: &Archive, transfer: &str, bytes: &[u8]) -> String {
    let path = archive.write("acte.txt", bytes);
    let lines = archive.json(&["deposit", path.to_str().unwrap(), "--transfer", transfer, "--title", "Acte"]);
    lines[0]["archive"].as_str().unwrap().to_owned()
}

#[test]
fn a_deposit_is_answered_read_back_and_journaled() {
    let archive = Archive::with_tenant();
    let path = archive.write("acte.txt", ACT);
    let receipt = archive.beside("accuse.txt");
    let arguments = [
        "deposit",
        path.to_str().unwrap(),
        "--transfer",
        "T-1",
        "--title",
        "Acte",
        "--receipt",
        receipt.to_str().unwrap(),
    ];
    let outcome = archive.run(&arguments);
    let expected = "\
Versement acquis.
  archive        ARCHIVE
  entité         kerlouan
  transfert      T-1
  fichiers       1 fichier, 29 octets
  journal        écriture N, engagement N
  date           TIME

Sa preuve : cartulaire prove ARCHIVE --tenant kerlouan
";
    assert_eq!(
        (outcome.code, archive.plain(&outcome.out).as_str(), outcome.err.as_str()),
        (0, expected, ""),
        "{}",
        outcome.out
    );
    assert!(std::fs::read_to_string(&receipt).unwrap().starts_with("cartulaire-receipt/v1\n{\"archive\":"));

    let id = deposit(&archive, "T-1", ACT);
    let out = archive.beside("out");
    let outcome = archive.run(&["get", &id, "--output", out.to_str().unwrap()]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert_eq!(std::fs::read(out.join("acte.txt")).unwrap(), ACT);
    assert!(std::fs::read_to_string(out.join("description.json")).unwrap().contains("\"transfer\": \"T-1\""));
    // Nothing is overwritten, and nothing half-written stays.
    let again = archive.run(&["get", &id, "acte.txt", "--output", out.to_str().unwrap()]);
    assert_eq!((again.code, again.out.as_str()), (1, ""));
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 2);

    let entries = archive.json(&["journal", "--tenant", "kerlouan"]);
    let told: Vec<(&str, &str, &str)> = entries
        .iter()
        .map(|e| (e["type"].as_str().unwrap(), e["agent"].as_str().unwrap(), e["outcome"].as_str().unwrap()))
        .collect();
    let by_operator = |event| (event, "operator", "success");
    let expected =
        ["tenant-created", "deposit", "receipt-issued", "metadata-read", "read", "read", "metadata-read", "read"];
    assert_eq!(told, expected.map(by_operator));
}

#[test]
fn the_same_transfer_gives_the_same_receipt_or_a_conflict() {
    let archive = Archive::with_tenant();
    let path = archive.write("acte.txt", ACT);
    let arguments = ["deposit", path.to_str().unwrap(), "--transfer", "T-1"];
    let first = archive.json(&arguments).remove(0);
    let second = archive.json(&arguments).remove(0);
    assert_eq!((&first["replayed"], &second["replayed"]), (&false.into(), &true.into()));
    assert_eq!(first["receipt"], second["receipt"]);
    archive.write("acte.txt", b"Autre chose.\n");
    let outcome = archive.run(&arguments);
    let expected = "\
erreur : conflit : l’identifiant de transfert « T-1 » a déjà servi pour un autre contenu (archive ARCHIVE).
  Donnez-en un autre (--transfer), ou relisez ce versement.
";
    assert_eq!((outcome.code, archive.plain(&outcome.err).as_str()), (4, expected));
}

#[test]
fn a_folder_is_deposited_as_its_description_says() {
    let archive = Archive::with_tenant();
    let sum = "4a8d71b2b9f0ef5b63ba1ddd11d2e9f6a8c0e5d7f5b5ad2d1a1b1c4c7c9e4a11";
    archive.write("lot/acte.txt", ACT);
    let description = |sha256: &str| {
        format!(
            "{{\"title\": \"Acte\", \"transfer\": \"LOT-1\", \"files\": [{{\"name\": \"acte.txt\", \"media_type\": \"text/plain\"{sha256}}}]}}"
        )
    };
    archive.write("lot/deposit.json", description(&format!(", \"sha256\": \"{sum}\"")).as_bytes());
    let outcome = archive.run(&["deposit", "lot"]);
    let expected = "\
erreur : versement rejeté : règle « sha256-mismatch », à « files[0].sha256 ».
  Le rejet est journalisé ; corrigez le versement et renvoyez-le.
";
    assert_eq!((outcome.code, outcome.err.as_str()), (4, expected));
    archive.write("lot/deposit.json", description("").as_bytes());
    let deposited = archive.json(&["deposit", "lot"]).remove(0);
    assert_eq!(deposited["transfer"], "LOT-1");
    let out = archive.beside("out");
    let id = deposited["archive"].as_str().unwrap();
    archive.json(&["get", id, "description.json", "-o", out.to_str().unwrap()]);
    assert_eq!(std::fs::read_to_string(out.join("description.json")).unwrap(), description(""));
}

#[test]
fn deposits_that_cannot_be_gathered_are_refused() {
    let archive = Archive::with_tenant();
    archive.write("lot/acte.txt", ACT);
    archive.write("bad/deposit.json", b"{\"titel\": \"x\"}");
    archive.write("out/deposit.json", b"{\"transfer\": \"T\", \"files\": [{\"name\": \"../lot/acte.txt\"}]}");
    let cases: [(&[&str], &str); 5] = [
        (&["deposit", "lot"], "lot : ce dossier n’a pas de deposit.json."),
        (&["deposit", "bad"], "bad/deposit.json : description refusée (unknown field `titel`"),
        (&["deposit", "out"], "out/deposit.json : « ../lot/acte.txt » n’est pas un nom de fichier simple"),
        (&["deposit", "lot/acte.txt", "bad"], "bad : donnez un seul dossier, ou des fichiers seulement."),
        (&["deposit", "lot/acte.txt"], "lot/acte.txt : il manque l’identifiant de transfert"),
    ];
    for (arguments, expected) in cases {
        let outcome = archive.run(arguments);
        assert_eq!((outcome.code, outcome.out.as_str()), (1, ""), "{arguments:?}");
        assert!(outcome.err.starts_with(&format!("erreur : {expected}")), "{}", outcome.err);
    }
}

#[test]
fn what_does_not_exist_is_said_so() {
    let archive = Archive::with_tenant();
    let id = "0195f2b0-6c1e-7abc-8def-0123456789ab";
    let cases: [(&[&str], &str); 6] = [
        (
            &["get", "x"],
            "erreur : « x » n’est pas un identifiant d’archive.\n  Il a la forme 0195f2b0-6c1e-7abc-8def-0123456789ab ; « cartulaire deposit » l’affiche.\n",
        ),
        (&["get", id], "erreur : l’entité « kerlouan » n’a pas d’archive 0195f2b0-6c1e-7abc-8def-0123456789ab.\n"),
        (
            &["prove", id, "--tenant", "brest"],
            "erreur : l’entité « brest » n’existe pas.\n  « cartulaire tenant list » donne celles qui existent.\n",
        ),
        (
            &["key", "revoke", "0123456789ab", "--tenant", "kerlouan"],
            "erreur : aucune clé « 0123456789ab » : « cartulaire key list » donne celles qui existent.\n",
        ),
        (&["verify", "/nonexistent"], "erreur : /nonexistent : No such file or directory (os error 2).\n"),
        (&["verify", "."], "erreur : . : ni dossier de preuve (ZIP ou dossier) ni site.\n"),
    ];
    for (arguments, expected) in cases {
        let outcome = archive.run(arguments);
        assert_eq!((outcome.code, outcome.err.as_str()), (1, expected), "{arguments:?}");
    }
}

#[test]
fn tenants_and_keys_are_made_listed_and_revoked() {
    let archive = Archive::with_tenant();
    let outcome = archive.run(&["tenant", "create", "kerlouan", "--name", "x"]);
    assert_eq!((outcome.code, outcome.err.as_str()), (4, "erreur : l’entité « kerlouan » existe déjà.\n"));
    assert_eq!(archive.run(&["tenant", "create", "Kerlouan", "--name", "x"]).code, 4);
    assert_eq!(archive.run(&["tenant", "create", "service", "--name", "x"]).code, 4);
    let outcome = archive.run(&["tenant", "list"]);
    assert_eq!(archive.plain(&outcome.out), "kerlouan                          DAY  Commune de Kerlouan-sur-Mer\n");

    let create =
        ["key", "create", "--tenant", "kerlouan", "--role", "depositor", "--role", "reader", "--label", "Portail"];
    let key = archive.json(&create).remove(0);
    assert_eq!(key["roles"], serde_json::json!(["depositor", "reader"]));
    let id = key["id"].as_str().unwrap().to_owned();
    assert!(key["secret"].as_str().unwrap().starts_with(&format!("cart_{id}_")));
    let outcome = archive.run(&["key", "create", "--tenant", "kerlouan", "--role", "administrator", "--label", "x"]);
    assert_eq!(outcome.code, 4, "{outcome:?}");
    assert_eq!(archive.run(&["key", "revoke", &id, "--tenant", "kerlouan"]).code, 0);
    let outcome = archive.run(&["key", "list", "--tenant", "kerlouan"]);
    let expected = format!("{id}  DAY  révoquée le DAY  depositor, reader  Portail\n");
    assert_eq!(archive.plain(&outcome.out), expected);
}

#[test]
fn a_proof_is_exported_and_verified() {
    let archive = Archive::with_tenant();
    let id = deposit(&archive, "T-1", ACT);
    let proof = archive.json(&["prove", &id]).remove(0);
    assert_eq!(proof["bundle"], format!("{id}.zip"));
    let (zip, root, key) = (format!("{id}.zip"), "archive/trust/root.pem", "archive/trust/log.vkey");
    let verify = ["verify", &zip, "--trust", root, "--log-key", key];
    let outcome = archive.run(&verify);
    assert_eq!((outcome.code, outcome.err.as_str()), (0, ""), "{}", outcome.out);
    let report = run(archive.command(&verify).arg("--json"));
    let report: serde_json::Value = serde_json::from_str(&report.out).unwrap();
    assert_eq!((&report["subject"], &report["result"]), (&"bundle".into(), &"proven".into()));
    // The same proof is the same bytes, and no file is overwritten.
    archive.json(&["prove", &id, "-o", "again.zip"]);
    let read = |name: &str| std::fs::read(archive.beside(name)).unwrap();
    assert_eq!(read("again.zip"), read(&zip));
    assert_eq!(archive.run(&["prove", &id]).code, 1);
    // One byte less of trust: reservations. One byte altered: not proven.
    assert_eq!(archive.run(&["verify", &zip]).code, 3);
    let mut bytes = read(&zip);
    let at = bytes.windows(ACT.len()).position(|window| window == ACT).unwrap();
    bytes[at] ^= 1;
    archive.write("altered.zip", &bytes);
    assert_eq!(archive.run(&["verify", "altered.zip", "--trust", root, "--log-key", key]).code, 1);
    // The whole site as well.
    let outcome = archive.run(&["verify", "archive/site", "--trust", root, "--log-key", key]);
    assert!(matches!(outcome.code, 0 | 3), "{}", outcome.out);
}

#[test]
fn the_status_says_where_the_archive_stands() {
    let archive = Archive::with_tenant();
    deposit(&archive, "T-1", ACT);
    let status = json(&mut archive.command(&["status"])).remove(0);
    assert_eq!(status["origin"], "log.example");
    assert_eq!(status["sites"][0]["complete"], true);
    assert_eq!(
        status["authorities"][0],
        serde_json::json!({"algorithm": "sha256", "name": "development-not-qualified", "qualified": false})
    );
    assert_eq!((&status["tenants"], &status["archives"]), (&1.into(), &1.into()));
    let outcome = archive.run(&["status"]);
    assert_eq!(outcome.code, 0);
    assert!(
        outcome.out.contains("horodatage     sha256 : development-not-qualified, NON QUALIFIÉE\n"),
        "{}",
        outcome.out
    );
}
