//! Connections: keep-alive, graceful end, TLS, request identifiers, preferences, operations.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use cartulaire_server::http::serve::TlsError;
use cartulaire_server::http::{Limits, TlsConfig};
use serde_json::json;

use super::support::{Call, Server, TENANT, read_answer, small};

#[test]
fn a_deposit_in_flight_is_finished_when_the_service_stops() {
    let mut server = Server::start();
    let key = server.key();
    let bytes = small(&key, "T-1", b"un acte").bytes();
    let (first, last) = bytes.split_at(bytes.len() - 3);
    let mut stream = server.connect();
    stream.write_all(first).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let mut idle = server.connect();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut some = [0; 17];
    idle.read_exact(&mut some).unwrap();
    server.begin_stop();
    std::thread::sleep(Duration::from_millis(200));
    assert!(std::net::TcpStream::connect(server.address).is_err(), "nobody new gets in");
    assert!(server.state.is_stopping());
    stream.write_all(last).unwrap();
    assert_eq!(read_answer(&mut stream).status, 201);
    server.wait_stopped();
}

#[test]
fn the_end_has_a_limit() {
    let mut server = Server::with(Limits { shutdown: Duration::from_millis(300), ..Limits::default() });
    let key = server.key();
    let bytes = small(&key, "T-1", b"un acte").bytes();
    let mut stream = server.connect();
    stream.write_all(&bytes[..bytes.len() - 3]).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let begun = Instant::now();
    server.begin_stop();
    server.wait_stopped();
    assert!((Duration::from_millis(250)..Duration::from_secs(5)).contains(&begun.elapsed()));
}

#[test]
fn one_connection_serves_many_requests() {
    let server = Server::start();
    let mut stream = server.connect();
    let request = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut lengths = Vec::new();
    for _ in 0..3 {
        stream.write_all(request).unwrap();
        let mut bytes = vec![0; 4096];
        let read = stream.read(&mut bytes).unwrap();
        assert!(bytes.starts_with(b"HTTP/1.1 200 OK\r\n"));
        lengths.push(read);
    }
    assert_eq!(lengths[1], lengths[2]);
}

#[test]
fn requests_have_identifiers() {
    let server = Server::start();
    let id = |call: Call| server.call(call).header("x-request-id").unwrap().to_owned();
    assert_eq!(id(Call::new("GET", "/healthz").header("X-Request-Id", "portail-42")), "portail-42");
    let own = id(Call::new("GET", "/healthz").header("X-Request-Id", "a b\"c"));
    assert!(own.starts_with('r') && own != id(Call::new("GET", "/healthz")));
}

#[test]
fn operations_answer_without_a_key() {
    let server = Server::start();
    let get = |path: &str| server.call(Call::new("GET", path));
    assert_eq!(get("/healthz").json(), json!({"status": "ok"}));
    assert_eq!(get("/readyz").json(), json!({"status": "ok"}));
    let metrics = get("/metrics");
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(metrics.text().contains("cartulaire_http_requests_total{route=\"/readyz\",status=\"200\"} 1"));
    assert_eq!(get("/nulle-part").problem(), (404, "route-unknown".into()));
    assert_eq!(server.call(Call::new("PATCH", "/healthz")).problem(), (405, "method-not-allowed".into()));
}

#[test]
fn a_preference_waits_for_the_seal_and_no_longer_than_granted() {
    let server = Server::with(Limits { wait_max: Duration::from_millis(1500), ..Limits::default() });
    let key = server.key();
    let call =
        Call::deposit(&key).header("Idempotency-Key", "T").header("Content-Disposition", "attachment; filename=a");
    let answer = server.call(call.header("Prefer", "wait=600").body("un acte"));
    assert_eq!((answer.status, answer.header("preference-applied")), (201, Some("wait=1")));
    // No authority is configured here: the proof goes as far as the seal.
    assert_eq!(answer.json()["proof"]["stage"], "sealed");
    let archive = answer.archive();
    let proof = server.get(&key, &format!("/v1/tenants/{TENANT}/archives/{archive}/proof")).json();
    assert_eq!(proof, answer.json()["proof"]);
    let bundle = server.get(&key, &format!("/v1/tenants/{TENANT}/archives/{archive}/bundle"));
    assert_eq!((bundle.problem(), bundle.header("retry-after")), ((409, "proof-pending".into()), Some("1")));
}

/// A certificate for 127.0.0.1 and its key, made by openssl; `None`, said aloud, where it is not installed.
fn certificate() -> Option<(Vec<u8>, Vec<u8>)> {
    let folder = tempfile::TempDir::new().unwrap();
    let (key, certificate) = (folder.path().join("key.pem"), folder.path().join("cert.pem"));
    let mut openssl = std::process::Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
    openssl.args(["-subj", "/CN=essai", "-addext", "subjectAltName=IP:127.0.0.1"]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    openssl.arg("-keyout").arg(&key).arg("-out").arg(&certificate);
    let Ok(output) = openssl.output() else {
        eprintln!("SKIPPED: openssl is not installed");
        return None;
    };
    assert!(output.status.success(), "{output:?}");
    Some((std::fs::read(certificate).unwrap(), std::fs::read(key).unwrap()))
}

#[test]
fn tls_is_spoken_and_clear_text_is_not_answered() {
    let Some((certificate, key)) = certificate() else { return };
    let server = Server::secure(TlsConfig::from_pem(&certificate, &key).unwrap());
    let trusted = reqwest::Certificate::from_pem(&certificate).unwrap();
    let client = reqwest::blocking::Client::builder().tls_certs_only([trusted]).build().unwrap();
    let health = client.get(format!("https://{}/healthz", server.address)).send().unwrap();
    assert_eq!((health.status().as_u16(), health.text().unwrap()), (200, "{\"status\":\"ok\"}".to_owned()));
    let mut clear = server.connect();
    clear.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    drop(clear.read_to_end(&mut answer));
    assert!(!answer.starts_with(b"HTTP/"), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn certificates_and_keys_must_be_there_and_fit() {
    let Some((certificate, key)) = certificate() else { return };
    let (_, other) = self::certificate().unwrap();
    assert!(matches!(TlsConfig::from_pem(b"", &key), Err(TlsError::Certificates)));
    assert!(matches!(TlsConfig::from_pem(&certificate, b""), Err(TlsError::Key)));
    assert!(matches!(TlsConfig::from_pem(&certificate, &other), Err(TlsError::Pair(_))));
}

/// Runs curl over HTTP/2; `None`, said aloud, where there is none that speaks it.
fn curl(server: &Server, key: &str, arguments: &[&str], path: &str) -> Option<(String, serde_json::Value)> {
    let mut curl = std::process::Command::new("curl");
    curl.args(["-sS", "--http2-prior-knowledge", "-w", "\n%{http_version} %{http_code}"]);
    curl.args(["-H", &format!("Authorization: Bearer {key}")]).args(arguments);
    let output = match curl.arg(format!("http://{}{path}", server.address)).output() {
        Ok(output) if output.status.code() != Some(2) => output,
        _ => {
            eprintln!("SKIPPED: no curl that speaks HTTP/2");
            return None;
        }
    };
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, said) = text.rsplit_once('\n').unwrap();
    Some((said.to_owned(), serde_json::from_str(body).unwrap()))
}

#[test]
fn http_2_is_spoken_too() {
    let server = Server::start();
    let key = server.key();
    let content = "x".repeat(3 << 20);
    let file = server.folder.path().join("acte.txt");
    std::fs::write(&file, &content).unwrap();
    let (part, description) =
        (format!("file=@{}", file.display()), "description={\"transfer\":\"T\"};type=application/json");
    let path = format!("/v1/tenants/{TENANT}/archives");
    let Some((said, answer)) = curl(&server, &key, &["-F", description, "-F", &part], &path) else { return };
    assert_eq!((said.as_str(), &answer["files"][0]["size"]), ("2 201", &json!(content.len())));
    let many: Vec<String> = (0..200).flat_map(|n| ["-H".to_owned(), format!("X-Field-{n}: v")]).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let (said, answer) = curl(&server, &key, &many, "/healthz").unwrap();
    assert_eq!((said.as_str(), &answer["status"]), ("2 431", &json!(431)));
}
