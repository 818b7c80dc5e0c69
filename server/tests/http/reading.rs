//! Reading: whole files, ranges, names, metadata, lists, counts, checks, damage.

use cartulaire_formats::hash::Sha256Digest;
use cartulaire_server::http::structured::sha256_field;
use serde_json::json;

use super::support::{Answer, Call, Server, TENANT, small};

const CONTENT: &[u8] = b"0123456789";

fn deposited(server: &Server, key: &str) -> String {
    server.call(small(key, "T-1", CONTENT)).archive()
}

fn file(server: &Server, key: &str, archive: &str, headers: &[(&str, &str)]) -> Answer {
    let call = Call::new("GET", &format!("/v1/tenants/{TENANT}/archives/{archive}/files/0")).key(key);
    server.call(headers.iter().fold(call, |call, (name, value)| call.header(name, value)))
}

#[test]
fn a_file_comes_with_everything_that_tells_what_it_is() {
    let server = Server::start();
    let key = server.key();
    let answer = file(&server, &key, &deposited(&server, &key), &[]);
    assert_eq!((answer.status, answer.body.as_slice()), (200, CONTENT));
    let digest = Sha256Digest::of(CONTENT);
    let expected = [
        ("accept-ranges", "bytes".to_owned()),
        ("content-digest", sha256_field(&digest)),
        ("content-disposition", "attachment; filename=\"acte.pdf\"; filename*=UTF-8''acte.pdf".into()),
        ("content-length", "10".into()),
        ("content-security-policy", "sandbox; default-src 'none'".into()),
        ("content-type", "application/pdf".into()),
        ("etag", format!("\"{digest}\"")),
        ("repr-digest", sha256_field(&digest)),
        ("x-content-type-options", "nosniff".into()),
    ];
    for (name, value) in expected {
        assert_eq!(answer.header(name), Some(&*value), "{name}");
    }
}

#[test]
fn ranges_are_parts_of_the_same_file() {
    let server = Server::start();
    let key = server.key();
    let archive = deposited(&server, &key);
    let tag = format!("\"{}\"", Sha256Digest::of(CONTENT));
    let part = file(&server, &key, &archive, &[("Range", "bytes=2-4"), ("If-Range", &tag)]);
    assert_eq!((part.status, part.text()), (206, "234"));
    assert_eq!(part.header("content-range"), Some("bytes 2-4/10"));
    assert_eq!(part.header("content-digest"), Some(&*sha256_field(&Sha256Digest::of(b"234"))));
    assert_eq!(part.header("repr-digest"), Some(&*sha256_field(&Sha256Digest::of(CONTENT))));
    let other = file(&server, &key, &archive, &[("Range", "bytes=2-4"), ("If-Range", "\"other\"")]);
    assert_eq!((other.status, other.body.as_slice()), (200, CONTENT));
    let beyond = file(&server, &key, &archive, &[("Range", "bytes=10-")]);
    assert_eq!(beyond.problem(), (416, "range-not-satisfiable".into()));
    assert_eq!(beyond.header("content-range"), Some("bytes */10"));
    let several = file(&server, &key, &archive, &[("Range", "bytes=0-1,3-4")]);
    assert_eq!((several.status, several.body.as_slice()), (200, CONTENT));
    let known = file(&server, &key, &archive, &[("If-None-Match", &tag)]);
    assert_eq!((known.status, known.body.len()), (304, 0));
}

#[test]
fn a_large_file_has_ranges_too() {
    let server = Server::start();
    let key = server.key();
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 253) as u8).collect();
    let archive = server.call(small(&key, "T-1", &content)).archive();
    let part = file(&server, &key, &archive, &[("Range", "bytes=1000000-2500000")]);
    assert_eq!((part.status, part.body == content[1_000_000..=2_500_000]), (206, true));
    assert_eq!(part.header("content-digest"), None);
}

#[test]
fn an_empty_file_is_a_file() {
    let server = Server::start();
    let key = server.key();
    let archive = server.call(small(&key, "T-1", b"")).archive();
    let answer = file(&server, &key, &archive, &[]);
    assert_eq!((answer.status, answer.header("content-length")), (200, Some("0")));
    assert_eq!(file(&server, &key, &archive, &[("Range", "bytes=0-")]).status, 416);
}

#[test]
fn what_is_not_there_is_said_and_journaled() {
    let server = Server::start();
    let key = server.key();
    let archive = deposited(&server, &key);
    let before = server.entries(TENANT).len();
    let nobody = "0195f2b0-6c1e-7abc-8def-0123456789ab";
    let cases = [
        (format!("archives/{nobody}"), "archive-unknown", "metadata-read"),
        ("archives/moi".into(), "archive-unknown", "metadata-read"),
        (format!("archives/{nobody}/receipt"), "archive-unknown", "receipt-issued"),
        (format!("archives/{nobody}/proof"), "archive-unknown", "proof-issued"),
        (format!("archives/{nobody}/bundle"), "archive-unknown", "bundle-issued"),
        (format!("archives/{nobody}/journal"), "archive-unknown", "journal-read"),
        (format!("archives/{nobody}/files/0"), "archive-unknown", "read"),
        (format!("archives/{archive}/files/1"), "file-unknown", "read"),
        (format!("archives/{archive}/files/-1"), "file-unknown", "read"),
        (format!("archives/{archive}/files?name=b.pdf"), "file-unknown", "read"),
    ];
    for (path, code, _) in &cases {
        assert_eq!(
            server.get(&key, &format!("/v1/tenants/{TENANT}/{path}")).problem(),
            (404, (*code).into()),
            "{path}"
        );
    }
    let expected = cases.map(|(_, code, event)| format!("{event} refused problem={code}"));
    assert_eq!(server.journaled_since(before), expected);
}

#[test]
fn destruction_is_refused_and_journaled() {
    let server = Server::start();
    let key = server.key();
    let archive = deposited(&server, &key);
    let before = server.entries(TENANT).len();
    let answer = server.call(Call::new("DELETE", &format!("/v1/tenants/{TENANT}/archives/{archive}")).key(&key));
    assert_eq!(answer.problem(), (403, "destruction-not-authorised".into()));
    let entry = server.entries(TENANT).remove(before);
    assert_eq!(entry.subject, format!("archive:{archive}"));
    assert_eq!(server.journaled_since(before), ["destroy-refused refused problem=destruction-not-authorised"]);
}

#[test]
fn lists_have_pages_and_counts_count() {
    let server = Server::start();
    let key = server.key();
    let deposit = |n: usize| server.call(small(&key, &format!("T-{n}"), format!("acte {n}").as_bytes())).archive();
    let archives: Vec<String> = (0..5).map(deposit).collect();
    let mut sorted = archives.clone();
    sorted.sort();
    let mut found = Vec::new();
    let mut after = String::new();
    for expected in [2, 2, 1] {
        let page = server.get(&key, &format!("/v1/tenants/{TENANT}/archives?limit=2{after}")).json();
        let ids: Vec<String> =
            page["archives"].as_array().unwrap().iter().map(|a| a["archive"].as_str().unwrap().into()).collect();
        assert_eq!(ids.len(), expected);
        found.extend(ids);
        after = format!("&after={}", page["next"].as_str().unwrap_or_default());
    }
    assert_eq!(found, sorted);
    let counts = server.get(&key, &format!("/v1/tenants/{TENANT}/count")).json();
    // Five files, five descriptors, and the details of one tenant and one key.
    assert_eq!((&counts["archives"], &counts["objects"]), (&json!(5), &json!(12)));
    for query in ["after=moi", "limit=-1", "limite=3"] {
        let answer = server.get(&key, &format!("/v1/tenants/{TENANT}/archives?{query}"));
        assert_eq!(answer.problem(), (400, "query-malformed".into()), "{query}");
    }
}

/// Changes one byte of the only file of that name ending under a folder.
pub fn spoil(folder: &std::path::Path, needle: &[u8]) {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
                continue;
            }
            let mut bytes = std::fs::read(entry.path()).unwrap();
            if let Some(at) = bytes.windows(needle.len()).position(|window| window == needle) {
                bytes[at] ^= 1;
                let mut permissions = entry.metadata().unwrap().permissions();
                std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o644);
                std::fs::set_permissions(entry.path(), permissions).unwrap();
                std::fs::write(entry.path(), bytes).unwrap();
                return;
            }
        }
    }
    panic!("nothing to spoil");
}

#[test]
fn damage_at_rest_is_found_by_a_check_and_never_given_out() {
    let server = Server::start();
    let key = server.key();
    let archive = server.call(small(&key, "T-1", b"un acte que quelqu'un change")).archive();
    spoil(&server.folder.path().join("site"), b"un acte que quelqu'un change");
    let before = server.entries(TENANT).len();
    let read = file(&server, &key, &archive, &[]);
    assert_eq!(read.problem(), (500, "damaged-at-rest".into()));
    let check = server.call(Call::new("POST", &format!("/v1/tenants/{TENANT}/archives/{archive}/check")).key(&key));
    assert_eq!(check.json()["sound"], false);
    let expected = ["read failure problem=damaged-at-rest", "check failure bytes=28 files=1"];
    assert_eq!(server.journaled_since(before), expected);
}

#[test]
fn a_large_damaged_file_never_arrives_whole() {
    let server = Server::start();
    let key = server.key();
    let mut content = vec![7; 3_000_000];
    content.extend_from_slice(b"la fin que quelqu'un change");
    let archive = server.call(small(&key, "T-1", &content)).archive();
    spoil(&server.folder.path().join("site"), b"la fin que quelqu'un change");
    let answer = file(&server, &key, &archive, &[]);
    assert_eq!(answer.header("content-length"), Some(&*content.len().to_string()));
    assert!(answer.body.len() < content.len());
}
