//! Depositing: raw and multipart, digests, idempotency, rejections.

use cartulaire_formats::hash::{Sha256Digest, Sha512Digest};
use cartulaire_formats::note::Note;
use cartulaire_formats::receipt::Receipt;
use cartulaire_server::http::structured::sha256_field;
use serde_json::json;

use super::support::{Call, DESCRIPTION, Server, TENANT, file_part, small};

#[test]
fn a_body_becomes_an_archive_with_a_signed_receipt() {
    let server = Server::start();
    let key = server.key();
    let answer = server.call(small(&key, "\"T-1\"", b"un acte"));
    assert_eq!(answer.status, 201);
    let document = answer.json();
    let archive = answer.archive();
    assert_eq!(answer.header("location"), Some(&*format!("/v1/tenants/{TENANT}/archives/{archive}")));
    let digest = Sha256Digest::of(b"un acte").to_string();
    assert_eq!(document["transfer"], "T-1");
    assert_eq!(document["files"], json!([{"name": "acte.pdf", "sha256": digest, "size": 7}]));
    let note = Note::parse(document["receipt"].as_str().unwrap().as_bytes()).unwrap();
    note.verify(std::slice::from_ref(server.state.archive().key())).unwrap();
    let receipt = Receipt::parse(note.text()).unwrap();
    assert_eq!(receipt.archive.to_string(), archive);
    let again = server.get(&key, &format!("/v1/tenants/{TENANT}/archives/{archive}/receipt"));
    assert_eq!((again.status, again.text()), (200, document["receipt"].as_str().unwrap()));
}

#[test]
fn the_same_deposit_gives_the_same_receipt_and_another_a_conflict() {
    let server = Server::start();
    let key = server.key();
    let first = server.call(small(&key, "T-1", b"un acte"));
    let before = server.entries(TENANT).len();
    let second = server.call(small(&key, "\"T-1\"", b"un acte"));
    assert_eq!((first.status, second.status), (201, 200));
    assert_eq!(first.json(), second.json());
    let third = server.call(small(&key, "T-1", b"un autre"));
    assert_eq!(third.problem(), (409, "transfer-conflict".into()));
    assert_eq!(third.json()["archive"], first.json()["archive"]);
    let expected = ["receipt-issued success replay=true", "deposit-rejected refused problem=transfer-conflict"];
    assert_eq!(server.journaled_since(before), expected);
}

#[test]
fn sixteen_at_once_make_one_archive() {
    let server = Server::start();
    let key = server.key();
    let answers = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..16).map(|_| scope.spawn(|| server.call(small(&key, "T-1", b"un acte")))).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert!(answers.iter().all(|answer| answer.json() == answers[0].json()));
}

#[test]
fn a_description_and_its_files_become_an_archive() {
    let server = Server::start();
    let key = server.key();
    let description = json!({
        "title": "Délibération n° 12", "transfer": "T-2", "metadata": {"date": "2026-11-24"},
        "files": [
            {"name": "délib.pdf", "media_type": "application/pdf", "size": 3, "sha256": Sha256Digest::of(b"abc")},
            {"name": "annexe.bin", "sha512": Sha512Digest::of(b"")},
        ],
    });
    let description = serde_json::to_vec_pretty(&description).unwrap();
    let annex = format!("{}\r\nContent-Digest: {}", file_part("annexe.bin"), sha256_field(&Sha256Digest::of(b"")));
    let parts: [(&str, &[u8]); 3] = [(DESCRIPTION, &description), (&annex, b""), (&file_part("délib.pdf"), b"abc")];
    let answer = server.call(Call::deposit(&key).parts(&parts));
    let archive = answer.archive();
    let metadata = server.get(&key, &format!("/v1/tenants/{TENANT}/archives/{archive}")).json();
    let summary: Vec<_> = metadata["files"].as_array().unwrap().iter().map(|f| [&f["name"], &f["role"]]).collect();
    let (content, manifest) = (json!("content"), json!("manifest"));
    let names = [json!("délib.pdf"), json!("annexe.bin"), json!("description.json")];
    assert_eq!(summary, [[&names[0], &content], [&names[1], &content], [&names[2], &manifest]]);
    assert_eq!(metadata["title"], "Délibération n° 12");
    let manifest = server.get(&key, &format!("/v1/tenants/{TENANT}/archives/{archive}/files/2"));
    assert_eq!(manifest.body, description);
}

#[test]
fn without_a_list_the_parts_are_taken_as_they_come() {
    let server = Server::start();
    let key = server.key();
    let parts: [(&str, &[u8]); 3] = [(DESCRIPTION, b"{}"), (&file_part("b.pdf"), b"b"), (&file_part("a.pdf"), b"a")];
    let answer = server.call(Call::deposit(&key).header("Idempotency-Key", "T").parts(&parts));
    let names: Vec<_> = answer.json()["files"].as_array().unwrap().iter().map(|f| f["name"].clone()).collect();
    assert_eq!(names, ["b.pdf", "a.pdf", "description.json"]);
}

#[test]
fn a_large_body_streams_through_and_reads_back() {
    let server = Server::start();
    let key = server.key();
    let content: Vec<u8> = (0..5_000_011_u32).map(|n| (n % 251) as u8).collect();
    let digest = Sha256Digest::of(&content);
    let call = Call::deposit(&key)
        .header("Idempotency-Key", "T-1")
        .header("Repr-Digest", &sha256_field(&digest))
        .header("Content-Disposition", "attachment; filename*=UTF-8''d%C3%A9lib.bin")
        .body(content.clone());
    let archive = server.call(call).archive();
    let file = server.get(&key, &format!("/v1/tenants/{TENANT}/archives/{archive}/files?name=d%C3%A9lib.bin"));
    assert_eq!((file.status, file.body == content), (200, true));
    assert_eq!(file.header("content-type"), Some("application/octet-stream"));
    let check = server.call(Call::new("POST", &format!("/v1/tenants/{TENANT}/archives/{archive}/check")).key(&key));
    assert_eq!(
        check.json(),
        json!({"archive": archive, "sound": true, "bytes": content.len(), "files": [{"position": 0, "sound": true}]})
    );
}

/// Deposits by a call; returns status, code, rule and place.
fn refused(server: &Server, call: Call) -> (u16, String, Option<String>, Option<String>) {
    let answer = server.call(call);
    let (status, code) = answer.problem();
    let member = |name: &str| answer.json()[name].as_str().map(str::to_owned);
    (status, code, member("rule"), member("place"))
}

#[test]
fn rejections_name_the_rule_and_the_place_and_are_journaled() {
    let server = Server::start();
    let key = server.key();
    let raw = |headers: &[(&str, &str)]| {
        headers.iter().fold(Call::deposit(&key), |call, (name, value)| call.header(name, value)).body("un acte")
    };
    let wrong = sha256_field(&Sha256Digest::of(b"autre"));
    let disposition = ("Content-Disposition", "attachment; filename=acte.pdf");
    let cases: Vec<(Call, &str, &str)> = vec![
        (raw(&[disposition]), "transfer-identifier", "transfer"),
        (raw(&[("Idempotency-Key", "T")]), "file-name", "files[0].name"),
        (
            raw(&[("Idempotency-Key", "T"), ("Content-Disposition", "attachment; filename=\"../etc/passwd\"")]),
            "file-name",
            "files[0].name",
        ),
        (raw(&[("Idempotency-Key", "T"), disposition, ("Content-Type", "pdf")]), "media-type", "files[0].media_type"),
        (
            raw(&[("Idempotency-Key", "T"), disposition, ("Content-Digest", &wrong)]),
            "sha256-mismatch",
            "files[0].content-digest",
        ),
        (
            raw(&[("Idempotency-Key", "T"), disposition, ("Repr-Digest", &wrong)]),
            "sha256-mismatch",
            "files[0].repr-digest",
        ),
    ];
    for (call, rule, place) in cases {
        let before = server.entries(TENANT).len();
        let expected = (422, "deposit-rejected".to_owned(), Some(rule.to_owned()), Some(place.to_owned()));
        assert_eq!(refused(&server, call), expected);
        let said = format!("deposit-rejected refused place={place} problem=deposit-rejected rule={rule}");
        assert_eq!(server.journaled_since(before), [said]);
    }
    assert_eq!(server.get(&key, &format!("/v1/tenants/{TENANT}/count")).json()["archives"], 0);
}

#[test]
fn multipart_rejections_name_the_rule_and_the_place() {
    let server = Server::start();
    let key = server.key();
    let deposit = |description: &str, names: &[&str]| {
        let heads: Vec<String> = names.iter().map(|name| file_part(name)).collect();
        let mut parts: Vec<(&str, &[u8])> = vec![(DESCRIPTION, description.as_bytes())];
        parts.extend(heads.iter().map(|head| (head.as_str(), &b"abc"[..])));
        refused(&server, Call::deposit(&key).parts(&parts))
    };
    let rejected =
        |rule: &str, place: &str| (422, "deposit-rejected".to_owned(), Some(rule.to_owned()), Some(place.to_owned()));
    let listed = |rest: &str| format!(r#"{{"transfer":"T","files":[{{"name":"a"{rest}}}]}}"#);
    assert_eq!(deposit(&listed(""), &[]), rejected("file-missing", "files[0]"));
    assert_eq!(deposit(&listed(""), &["a", "b"]), rejected("file-not-described", "files"));
    assert_eq!(deposit(&listed(""), &["a", "a"]), rejected("file-name-twice", "files[0].name"));
    assert_eq!(deposit(r#"{"transfer":"T"}"#, &["a", "A"]), rejected("file-name-twice", "files[1].name"));
    assert_eq!(deposit(r#"{"transfer":"T"}"#, &["description.json"]), rejected("file-name-twice", "manifest.name"));
    assert_eq!(deposit(&listed(r#","size":4"#), &["a"]), rejected("size-mismatch", "files[0].size"));
    let other = Sha256Digest::of(b"autre");
    assert_eq!(
        deposit(&listed(&format!(r#","sha256":"{other}""#)), &["a"]),
        rejected("sha256-mismatch", "files[0].sha256")
    );
    let other = Sha512Digest::of(b"autre");
    assert_eq!(
        deposit(&listed(&format!(r#","sha512":"{other}""#)), &["a"]),
        rejected("sha512-mismatch", "files[0].sha512")
    );
    assert_eq!(deposit(r#"{"transfer":"T"}"#, &[]), rejected("file-count", "files"));
    let malformed = |place: Option<&str>| (400, "description-malformed".to_owned(), None, place.map(str::to_owned));
    assert_eq!(deposit("{", &["a"]), malformed(None));
    assert_eq!(deposit(r#"{"titel":"T"}"#, &["a"]), malformed(None));
    assert_eq!(deposit(r#"{"metadata":{"a":"1","a":"2"}}"#, &["a"]), malformed(Some("name-twice")));
}

#[test]
fn header_fields_that_break_their_standard_are_named() {
    let server = Server::start();
    let key = server.key();
    let cases = [
        ("Content-Digest", "sha-256=AAAA", "digest-field-malformed", "content-digest"),
        ("Repr-Digest", "sha-256=:AAAA:", "digest-field-malformed", "repr-digest"),
        ("Idempotency-Key", "\"T", "header-malformed", "idempotency-key"),
        ("Content-Disposition", "attachment; filename=\"a", "header-malformed", "content-disposition"),
    ];
    for (name, value, code, field) in cases {
        let answer = server.call(Call::deposit(&key).header(name, value).body("un acte"));
        assert_eq!(answer.problem(), (400, code.into()), "{name}: {value}");
        assert_eq!(answer.json()["field"], field);
    }
    let both = [(DESCRIPTION, &br#"{"transfer":"T-1"}"#[..]), (&file_part("a"), b"a")];
    let answer = server.call(Call::deposit(&key).header("Idempotency-Key", "T-2").parts(&both));
    assert_eq!(answer.problem(), (400, "transfer-disagrees".into()));
}

#[test]
fn a_whole_multipart_body_may_be_digested_too() {
    let server = Server::start();
    let key = server.key();
    let body = b"--x\r\nContent-Disposition: form-data; name=\"description\"\r\n\r\n{}\r\n\
        --x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\na\r\n--x--\r\nepilogue";
    let deposit = |digest: &Sha256Digest, transfer: &str| {
        Call::deposit(&key)
            .header("Idempotency-Key", transfer)
            .header("Content-Type", "multipart/form-data; boundary=x")
            .header("Content-Digest", &sha256_field(digest))
            .body(*body)
    };
    assert_eq!(server.call(deposit(&Sha256Digest::of(body), "T-1")).status, 201);
    let wrong = deposit(&Sha256Digest::of(b"autre"), "T-2");
    let expected = (422, "deposit-rejected".into(), Some("sha256-mismatch".into()), Some("content-digest".into()));
    assert_eq!(refused(&server, wrong), expected);
}
