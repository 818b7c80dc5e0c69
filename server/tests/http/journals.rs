//! Journals and the log, as an auditor reads them.

use cartulaire_formats::checkpoint::SignedCheckpoint;
use cartulaire_formats::journal::leaf_hash;
use cartulaire_formats::merkle::root_of;
use cartulaire_formats::tiles::{decode_bundle, tile_hashes};
use serde_json::{Value, json};

use super::support::{Call, Server, TENANT, small};

fn jsonl(server: &Server, key: &str, path: &str) -> super::support::Answer {
    server.call(Call::new("GET", path).key(key).header("Accept", "application/jsonl"))
}

#[test]
fn a_tenants_journal_is_its_chain_byte_for_byte() {
    let server = Server::start();
    let key = server.key();
    server.call(small(&key, "T-1", b"un acte")).archive();
    let path = format!("/v1/tenants/{TENANT}/journal");
    let answer = jsonl(&server, &key, &path);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/jsonl")));
    let lines: Vec<&str> = answer.text().lines().collect();
    let entries: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let types: Vec<&str> = entries.iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["tenant-created", "key-created", "deposit"]);
    for (line, next) in lines.iter().zip(&entries[1..]) {
        assert_eq!(next["prev"], leaf_hash(line.as_bytes()).to_string());
    }
    let array = server.get(&key, &path).json();
    assert_eq!(array["entries"].as_array().unwrap()[..3], entries);
    assert_eq!(array["entries"][3]["type"], "journal-read");
}

#[test]
fn journals_have_pages() {
    let server = Server::start();
    let key = server.key();
    for n in 0..5 {
        server.call(small(&key, &format!("T-{n}"), format!("acte {n}").as_bytes())).archive();
    }
    let path = format!("/v1/tenants/{TENANT}/journal");
    let first = server.get(&key, &format!("{path}?limit=4")).json();
    let seqs = |page: &Value| -> Vec<u64> {
        page["entries"].as_array().unwrap().iter().map(|e| e["seq"].as_u64().unwrap()).collect()
    };
    assert_eq!((seqs(&first).len(), first["next"].as_u64()), (4, seqs(&first).last().copied()));
    let rest = jsonl(&server, &key, &format!("{path}?after={}&limit=2", first["next"]));
    let last: Value = serde_json::from_str(rest.text().lines().last().unwrap()).unwrap();
    assert_eq!(rest.header("cartulaire-next-after"), Some(&*last["seq"].to_string()));
    assert!(last["seq"].as_u64() > first["next"].as_u64());
    let end = server.get(&key, &format!("{path}?after={}", u64::MAX - 1)).json();
    assert_eq!(end, json!({"entries": []}));
    assert_eq!(server.get(&key, &format!("{path}?after={}", u64::MAX)).problem(), (400, "query-malformed".into()));
}

#[test]
fn an_archives_journal_is_what_happened_to_it() {
    let server = Server::start();
    let key = server.key();
    let archive = server.call(small(&key, "T-1", b"un acte")).archive();
    server.call(small(&key, "T-2", b"un autre")).archive();
    let at = |rest: &str| format!("/v1/tenants/{TENANT}/archives/{archive}{rest}");
    server.get(&key, &at("/files/0"));
    server.get(&key, &at(""));
    let journal = server.get(&key, &at("/journal")).json();
    let types: Vec<&str> = journal["entries"].as_array().unwrap().iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["deposit", "read", "metadata-read"]);
    let rest = server.get(&key, &format!("{}?after={}&limit=1", at("/journal"), journal["entries"][0]["seq"])).json();
    assert_eq!(rest["entries"][0], journal["entries"][1]);
}

/// Waits until entries are sealed, then returns the signed checkpoint.
fn checkpoint(server: &Server, key: &str, at_least: u64) -> SignedCheckpoint {
    let sealed = server.state.service.wait_until(std::time::Duration::from_secs(20), |m| m.sealed_size >= at_least);
    assert!(sealed);
    let answer = server.get(key, "/v1/log/checkpoint");
    SignedCheckpoint::open(&answer.body, server.state.archive().key(), &[]).unwrap()
}

#[test]
fn the_log_can_be_rebuilt_from_its_tiles_and_entries() {
    let server = Server::start();
    let key = server.key();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (server, key) = (&server, &key);
            scope.spawn(move || {
                for n in 0..40 {
                    let transfer = format!("T-{thread}-{n}");
                    server.call(small(key, &transfer, transfer.as_bytes())).archive();
                }
            });
        }
    });
    let signed = checkpoint(&server, &key, 300);
    let size = signed.checkpoint().size().0;
    let partial = size - 256;
    let first = server.get(&key, "/v1/log/tile/entries/000");
    let second = server.get(&key, &format!("/v1/log/tile/entries/001.p/{partial}"));
    let mut lines = decode_bundle(&first.body).unwrap();
    lines.extend(decode_bundle(&second.body).unwrap());
    let leaves: Vec<_> = lines.iter().map(|line| leaf_hash(line)).collect();
    assert_eq!(root_of(&leaves), signed.checkpoint().root());
    let full = server.get(&key, "/v1/log/tile/0/000");
    assert_eq!(tile_hashes(&full.body, 256).unwrap().len(), 256);
    let short = server.get(&key, "/v1/log/tile/0/000.p/17");
    assert_eq!(short.body, full.body[..17 * 32]);
    assert_eq!(server.get(&key, &format!("/v1/log/tile/0/001.p/{partial}")).body.len() as u64, partial * 32);
    assert_eq!(server.get(&key, "/v1/log/tile/1/000.p/1").body.len(), 32);
    let earlier = server.get(&key, "/v1/log/tile/entries/000.p/3");
    assert_eq!(decode_bundle(&earlier.body).unwrap(), lines[..3]);
}

#[test]
fn tiles_that_are_not_there_are_not_found() {
    let server = Server::start();
    let key = server.key();
    checkpoint(&server, &key, 3);
    let paths = [
        "0/000",
        "0/000.p/255",
        "0/001",
        "1/000.p/1",
        "63/000",
        "64/000",
        "0/1",
        "entries/000",
        "entries/x018/x446/x744/x073/x709/551",
        "a",
    ];
    for path in paths {
        let answer = server.get(&key, &format!("/v1/log/tile/{path}"));
        assert_eq!(answer.problem(), (404, "tile-unknown".into()), "{path}");
    }
}
