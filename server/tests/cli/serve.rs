//! The server as a process, and every command through it.

use crate::running::{Archive, Server, json, run};

fn key(archive: &Archive, tenant: &str, roles: &[&str]) -> String {
    let mut arguments = vec!["key", "create", "--tenant", tenant, "--label", "essai"];
    roles.iter().for_each(|role| arguments.extend(["--role", role]));
    archive.json(&arguments)[0]["secret"].as_str().unwrap().to_owned()
}

#[test]
fn the_whole_way_through_a_server() {
    let archive = Archive::new();
    let administrator = key(&archive, "service", &["administrator"]);
    let server = Server::start(&archive);
    let as_administrator = |arguments: &[&str]| server.command(&archive, &administrator, arguments);

    json(&mut as_administrator(&["tenant", "create", "kerlouan", "--name", "Commune"]));
    let roles = ["--role", "depositor", "--role", "reader", "--role", "auditor"];
    let create = [&["key", "create", "--tenant", "kerlouan", "--label", "Portail"], &roles[..]].concat();
    let portal = json(&mut as_administrator(&create)).remove(0);
    let (id, secret) = (portal["id"].as_str().unwrap(), portal["secret"].as_str().unwrap());
    let as_portal = |arguments: &[&str]| server.command(&archive, secret, arguments);

    // Larger than what stays in memory, so that it streams on both sides.
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    archive.write("grand « é ».bin", &large);
    archive.write("acte.txt", b"Acte.\n");
    let arguments =
        ["deposit", "acte.txt", "grand « é ».bin", "--tenant", "kerlouan", "--transfer", "T-é", "--title", "Été"];
    let deposited = json(&mut as_portal(&arguments)).remove(0);
    assert_eq!(json(&mut as_portal(&arguments))[0]["receipt"], deposited["receipt"]);
    let archive_id = deposited["archive"].as_str().unwrap();
    json(&mut as_portal(&["get", archive_id, "--tenant", "kerlouan", "-o", "out"]));
    assert_eq!(std::fs::read(archive.beside("out/grand « é ».bin")).unwrap(), large);
    assert_eq!(std::fs::read(archive.beside("out/acte.txt")).unwrap(), b"Acte.\n");
    json(&mut as_portal(&["prove", archive_id, "--tenant", "kerlouan", "-o", "preuve.zip"]));
    let verify = ["verify", "preuve.zip", "--trust", "archive/trust/root.pem", "--log-key", "archive/trust/log.vkey"];
    let verified = archive.run(&verify);
    assert_eq!(verified.code, 0, "{}", verified.out);

    let entries = json(&mut as_portal(&["journal", "--tenant", "kerlouan"]));
    let agents: Vec<&str> = entries.iter().map(|entry| entry["agent"].as_str().unwrap()).collect();
    assert!(agents[2..].iter().all(|agent| *agent == format!("key:{id}")), "{agents:?}");
    assert_eq!(json(&mut as_portal(&["status"]))[0]["status"], "ok");

    let denied = run(&mut as_portal(&["tenant", "list"]));
    let expected = "erreur : le serveur répond 403 (access-denied) : Cette clé ne permet pas cette action, ou pas pour cette entité. La tentative est journalisée.\n";
    assert_eq!((denied.code, denied.err.as_str()), (4, expected));
    json(&mut as_administrator(&["key", "revoke", id, "--tenant", "kerlouan"]));
    assert_eq!(run(&mut as_portal(&["journal", "--tenant", "kerlouan"])).code, 4);

    let (status, lines) = server.stop();
    assert_eq!(status.code(), Some(0), "{lines:?}");
    // What the server answered is there, read without it.
    assert_eq!(archive.json(&["get", archive_id, "acte.txt", "-o", "local"]).len(), 1);
}

#[test]
fn an_archive_that_a_server_holds_says_the_way_out() {
    let archive = Archive::new();
    let server = Server::start(&archive);
    let expected = "\
erreur : l’archive est tenue par un autre processus, sans doute « cartulaire serve ».
  Passez par lui : ajoutez --server http://ADRESSE --key CLÉ (ou CARTULAIRE_SERVER et CARTULAIRE_KEY),
  ou arrêtez-le d’abord.
";
    for command in ["status", "rebuild"] {
        let outcome = archive.run(&[command]);
        assert_eq!((outcome.code, outcome.err.as_str()), (6, expected), "{command}");
    }
    assert_eq!(server.stop().0.code(), Some(0));
    assert_eq!(archive.run(&["status"]).code, 0);
}

#[test]
fn a_server_that_is_not_there_is_said_so() {
    let archive = Archive::new();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{nobody}");
    let outcome = archive.run(&["journal", "--tenant", "x", "--server", &url, "--key", "k"]);
    assert_eq!(outcome.code, 7, "{outcome:?}");
    assert!(outcome.err.starts_with(&format!("erreur : serveur {url} injoignable (")), "{}", outcome.err);
    let outcome = archive.run(&["journal", "--tenant", "x", "--server", &url]);
    let expected = "erreur : le serveur demande une clé.\n  Ajoutez --key CLÉ, ou mieux : CARTULAIRE_KEY=CLÉ dans l’environnement.\n";
    assert_eq!((outcome.code, outcome.err.as_str()), (1, expected));
    let outcome = archive.run(&["rebuild", "--server", &url]);
    assert_eq!(
        outcome.err,
        "erreur : « cartulaire rebuild » travaille sur l’archive elle-même : lancez-la sur sa machine, sans --server.\n"
    );
}

#[test]
fn a_poisoned_writer_ends_with_75_and_starts_again() {
    let archive = Archive::new();
    let copy = archive.beside("copy");
    std::fs::create_dir(&copy).unwrap();
    let config = archive.root().join("cartulaire.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let copies =
        format!("{text}\n[[copies]]\nname = \"copie\"\nkind = \"directory\"\npath = {:?}\n", copy.to_str().unwrap());
    std::fs::write(&config, copies).unwrap();
    archive.run(&["tenant", "create", "kerlouan", "--name", "Commune"]);
    let portal = key(&archive, "kerlouan", &["depositor"]);
    archive.write("acte.txt", b"Acte.\n");
    let arguments = ["deposit", "acte.txt", "--tenant", "kerlouan", "--transfer", "T-1"];

    let server = Server::start(&archive);
    // The required copy goes away: whether the next commit took effect is unknown.
    while copy.exists() {
        // The server may be writing a seal there at this very moment.
        _ = std::fs::remove_dir_all(&copy);
    }
    let outcome = run(&mut server.command(&archive, &portal, &arguments));
    assert_eq!(outcome.code, 75, "{outcome:?}");
    let (status, lines) = server.wait();
    assert_eq!(status.code(), Some(75), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("starting again recovers")), "{lines:?}");

    // Without its site nothing starts; with it, everything that was answered is there and the copy is completed.
    assert_eq!(archive.run(&["status"]).code, 5);
    std::fs::create_dir(&copy).unwrap();
    let status = archive.json(&["status"]).remove(0);
    assert_eq!(status["sites"][1]["complete"], true);
    assert_eq!(archive.json(&arguments)[0]["tenant"], "kerlouan");
}
