//! Proofs and bundles, once an authority has stamped the seal.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use cartulaire_server::http::Limits;

use super::support::{Call, Server, TENANT, small};

fn stamped(key: &str, content: &[u8]) -> Call {
    let call = Call::deposit(key).header("Idempotency-Key", "T").header("Prefer", "wait=20");
    call.header("Content-Disposition", "attachment; filename=acte.pdf").body(content)
}

#[test]
fn a_deposit_that_waits_is_answered_with_its_proof() {
    let server = Server::stamped(Limits::default());
    let key = server.key();
    let answer = server.call(stamped(&key, b"un acte"));
    let proof = &answer.json()["proof"];
    assert_eq!((answer.status, &proof["stage"]), (201, &serde_json::json!("attested")));
    let token = &proof["tokens"][0];
    assert_eq!((&token["algorithm"], &token["standing"]), (&"sha256".into(), &"to-be-verified".into()));
    assert!(token["authority"].as_str().unwrap().contains("Horodatage"), "{token}");
    let archive = answer.archive();
    let again = server.get(&key, &format!("/v1/tenants/{TENANT}/archives/{archive}/proof"));
    assert_eq!(&again.json(), proof);
}

#[test]
fn bundles_are_the_same_every_time_and_journaled() {
    let server = Server::stamped(Limits::default());
    let key = server.key();
    let content: Vec<u8> = (0..2_000_000_u32).map(|n| (n % 251) as u8).collect();
    let archive = server.call(stamped(&key, &content)).archive();
    let before = server.entries(TENANT).iter().filter(|e| e.subject.contains(&archive)).count();
    let bundle = || server.get(&key, &format!("/v1/tenants/{TENANT}/archives/{archive}/bundle"));
    let (first, second) = (bundle(), bundle());
    assert_eq!((first.status, first.header("content-type")), (200, Some("application/zip")));
    assert_eq!(first.header("content-disposition"), Some(&*format!("attachment; filename=\"{archive}.zip\"")));
    assert!(first.body.starts_with(b"PK\x03\x04") && first.body.len() > content.len());
    assert!(first.body == second.body, "the same bytes every time");
    assert!(first.body.windows(content.len()).any(|window| window == content), "documents are stored as they are");
    let entries = server.entries(TENANT);
    let issued: Vec<_> = entries.iter().filter(|e| e.subject.contains(&archive)).skip(before).collect();
    assert_eq!(issued.len(), 2);
}

#[test]
fn a_client_that_does_not_read_its_bundle_keeps_no_slot() {
    let limits =
        Limits { bundles_max: 1, idle: Duration::from_millis(300), turn: Duration::from_secs(20), ..Limits::default() };
    let server = Server::stamped(limits);
    let key = server.key();
    let archive = server.call(stamped(&key, &vec![7; 24 << 20])).archive();
    let path = format!("/v1/tenants/{TENANT}/archives/{archive}/bundle");
    let mut deaf = server.connect();
    deaf.write_all(&Call::new("GET", &path).key(&key).bytes()).unwrap();
    let mut some = [0; 16];
    deaf.read_exact(&mut some).unwrap();
    assert_eq!(server.get(&key, &path).status, 200);
}

#[test]
fn what_is_damaged_is_not_bundled() {
    let server = Server::stamped(Limits::default());
    let key = server.key();
    let archive = server.call(stamped(&key, b"un acte que quelqu'un change")).archive();
    super::reading::spoil(&server.folder.path().join("site"), b"un acte que quelqu'un change");
    let bundle = server.get(&key, &format!("/v1/tenants/{TENANT}/archives/{archive}/bundle"));
    assert_eq!(bundle.problem(), (500, "damaged-at-rest".into()));
    let untouched = server.call(small(&key, "T-2", b"un autre"));
    assert_eq!(untouched.status, 201);
}
