//! Hostile input on every route: a clear problem, bounded memory, and the service still serving.

use std::io::Write as _;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use cartulaire_server::http::Limits;

use super::support::{Answer, Call, Server, TENANT, read_answer, small};

/// Every route, with methods, of an archive that may not exist.
fn routes() -> Vec<(&'static str, String)> {
    let at = |rest: &str| format!("/v1/tenants/{TENANT}{rest}");
    let archive = "/archives/0195f2b0-6c1e-7abc-8def-0123456789ab";
    let of_archive = |rest: &str| at(&format!("{archive}{rest}"));
    vec![
        ("POST", at("/archives")),
        ("GET", at("/archives")),
        ("GET", at("/count")),
        ("GET", of_archive("")),
        ("DELETE", of_archive("")),
        ("POST", of_archive("/check")),
        ("GET", of_archive("/files?name=a")),
        ("GET", of_archive("/files/0")),
        ("GET", at("/journal")),
        ("GET", of_archive("/journal")),
        ("GET", of_archive("/receipt")),
        ("GET", of_archive("/proof")),
        ("GET", of_archive("/bundle")),
        ("POST", "/v1/tenants".into()),
        ("GET", "/v1/tenants".into()),
        ("POST", at("/keys")),
        ("GET", at("/keys")),
        ("DELETE", at("/keys/010203040506")),
        ("GET", "/v1/log/checkpoint".into()),
        ("GET", "/v1/log/tile/0/000".into()),
        ("GET", "/v1/openapi.json".into()),
        ("GET", "/healthz".into()),
        ("GET", "/readyz".into()),
        ("GET", "/metrics".into()),
    ]
}

/// Nothing was kept and the service serves.
#[track_caller]
fn still_serves(server: &Server, key: &str) {
    let counts = server.get(key, &format!("/v1/tenants/{TENANT}/count")).json();
    assert_eq!(counts["archives"], 0);
    let containers = server.folder.path().join("site/containers/direct");
    let kept = std::fs::read_dir(containers)
        .map(|days| days.flat_map(|d| std::fs::read_dir(d.unwrap().path()).unwrap()).count());
    assert_eq!(kept.unwrap_or(0), 0, "nothing half-received stays");
    assert_eq!(server.get(key, "/readyz").status, 200);
}

#[test]
fn ten_thousand_header_fields() {
    let server = Server::start();
    let key = server.key();
    for (method, path) in routes() {
        let mut call = Call::new(method, &path).key(&key);
        for n in 0..10_000 {
            call = call.header(&format!("X-Field-{n}"), "valeur");
        }
        assert_eq!(server.call(call).problem(), (431, "headers-too-large".into()), "{method} {path}");
    }
    let long = Call::new("GET", "/healthz").header("X-Long", &"a".repeat(1 << 20));
    assert_eq!(server.call(long).problem(), (431, "headers-too-large".into()));
    still_serves(&server, &key);
}

#[test]
fn malformed_paths_and_queries() {
    let server = Server::start();
    let key = server.key();
    let tails = ["%ff", "%2e%2e", "..", "%2e%2e%2fetc", "a%00b", "a%0ab", "%c3%28", "%", "%4", "%zz", "a%5cb", "a%2fb"];
    for (method, path) in routes() {
        for tail in tails {
            let path = format!("{}/{tail}", path.split('?').next().unwrap());
            let answer = server.call(Call::new(method, &path).key(&key));
            assert_eq!(answer.problem(), (400, "path-malformed".into()), "{method} {path}");
        }
        let answer = server.call(Call::new(method, &format!("{}?name=%ff", path.split('?').next().unwrap())).key(&key));
        assert_eq!(answer.problem(), (400, "path-malformed".into()), "{method} {path}?name=%ff");
    }
    let long = server.call(Call::new("GET", &format!("/{}", "a".repeat(70_000))).key(&key));
    assert_eq!(long.problem(), (414, "target-too-long".into()));
    still_serves(&server, &key);
}

#[test]
fn what_is_no_http() {
    let server = Server::start();
    let key = server.key();
    let head = format!("POST /v1/tenants/{TENANT}/archives HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n");
    let requests: Vec<Vec<u8>> = vec![
        b"nonsense\r\n\r\n".to_vec(),
        b"GET /\xff\xfe HTTP/1.1\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nA: \0\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        format!("{head}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd").into_bytes(),
        format!("{head}Content-Length: -1\r\n\r\n").into_bytes(),
        format!("{head}Content-Length: 18446744073709551616\r\n\r\n").into_bytes(),
        format!("{head}Transfer-Encoding: chunked, gzip\r\n\r\n").into_bytes(),
    ];
    for request in requests {
        let answer = server.send(&request);
        assert_eq!(answer.problem(), (400, "request-malformed".into()), "{}", String::from_utf8_lossy(&request));
    }
    still_serves(&server, &key);
}

/// A deposit whose announced length is not its length, ended by closing the sending side.
fn lying(server: &Server, key: &str, announced: &str, body: &[u8]) -> Answer {
    let call =
        Call::deposit(key).header("Idempotency-Key", "T").header("Content-Disposition", "attachment; filename=a");
    let call = call.header("Content-Length", announced);
    let mut stream = server.connect();
    stream.write_all(&call.bytes()).unwrap();
    drop(stream.write_all(body));
    drop(stream.shutdown(Shutdown::Write));
    read_answer(&mut stream)
}

#[test]
fn bodies_that_lie_about_their_length() {
    let server = Server::start();
    let key = server.key();
    let before = server.entries(TENANT).len();
    for body in [&b""[..], b"un acte", &vec![7; 3 << 20]] {
        let announced = (body.len() + 1).to_string();
        assert_eq!(lying(&server, &key, &announced, body).problem(), (400, "body-truncated".into()));
    }
    let vast = lying(&server, &key, &(1_u64 << 60).to_string(), &vec![7; 1 << 20]);
    assert_eq!(vast.problem(), (413, "body-too-large".into()));
    assert_eq!(vast.json()["limit"], Limits::default().body_bytes_max);
    let truncated = "deposit-rejected refused problem=body-truncated";
    let expected = [truncated, truncated, truncated, "deposit-rejected refused problem=body-too-large"];
    assert_eq!(server.journaled_since(before), expected);
    still_serves(&server, &key);
}

#[test]
fn broken_chunks() {
    let server = Server::start();
    let key = server.key();
    let head =
        Call::deposit(&key).header("Idempotency-Key", "T").header("Content-Disposition", "attachment; filename=a");
    let head = head.header("Transfer-Encoding", "chunked");
    for chunks in [&b"5\r\nun"[..], b"zz\r\nabc\r\n0\r\n\r\n", b"ffffffffffffffffff\r\n", b"3\r\nabcdef\r\n0\r\n\r\n"] {
        let mut stream = server.connect();
        stream.write_all(&[&head.bytes(), chunks].concat()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let answer = read_answer(&mut stream);
        assert_eq!(answer.problem(), (400, "body-truncated".into()), "{}", String::from_utf8_lossy(chunks));
    }
    still_serves(&server, &key);
}

#[test]
fn oversized_bodies() {
    let server = Server::with(Limits { body_bytes_max: 2 << 20, ..Limits::default() });
    let key = server.key();
    let announced = small(&key, "T", &vec![7; (2 << 20) + 1]);
    assert_eq!(server.call(announced).problem(), (413, "body-too-large".into()));
    let head =
        Call::deposit(&key).header("Idempotency-Key", "T").header("Content-Disposition", "attachment; filename=a");
    let chunked = head.header("Transfer-Encoding", "chunked");
    let mut body = chunked.bytes();
    for _ in 0..33 {
        body.extend(b"10000\r\n");
        body.extend(vec![7; 0x10000]);
        body.extend(b"\r\n");
    }
    body.extend(b"0\r\n\r\n");
    assert_eq!(server.send(&body).problem(), (413, "body-too-large".into()));
    let description = vec![b' '; (1 << 20) + 1];
    let described = Call::deposit(&key).parts(&[(super::support::DESCRIPTION, &description)]);
    assert_eq!(server.call(described).problem(), (413, "body-too-large".into()));
    still_serves(&server, &key);
}

#[test]
fn malformed_multiparts() {
    let server = Server::start();
    let key = server.key();
    let deposit = |content_type: &str, body: &[u8]| {
        server.call(Call::deposit(&key).header("Content-Type", content_type).body(body)).problem()
    };
    let malformed = (400, "multipart-malformed".to_owned());
    assert_eq!(deposit("multipart/form-data", b""), malformed);
    assert_eq!(deposit("multipart/form-data; boundary=x", b"--x\r\nA: \xff\r\n\r\n"), malformed);
    assert_eq!(deposit("multipart/form-data; boundary=x", &vec![b'a'; 5 << 20]), malformed);
    let no_description = b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\na\r\n--x--";
    assert_eq!(deposit("multipart/form-data; boundary=x", no_description), malformed);
    let endless = [&b"--x\r\n"[..], &b"A: b\r\n".repeat(1 << 16)].concat();
    assert_eq!(deposit("multipart/form-data; boundary=x", &endless), malformed);
    let cut = b"--x\r\nContent-Disposition: form-data; name=\"description\"\r\n\r\n{}\r\n--x";
    assert_eq!(deposit("multipart/form-data; boundary=x", cut), (400, "body-truncated".into()));
    still_serves(&server, &key);
}

fn impatient() -> Limits {
    Limits {
        idle: Duration::from_millis(400),
        header_read: Duration::from_millis(400),
        rate_grace: Duration::from_millis(600),
        ..Limits::default()
    }
}

#[test]
fn a_hundred_slow_bodies_at_once() {
    let server = Server::with(impatient());
    let key = server.key();
    let head =
        Call::deposit(&key).header("Idempotency-Key", "T").header("Content-Disposition", "attachment; filename=a");
    let head = head.header("Content-Length", "100000").bytes();
    let mut streams: Vec<_> = (0..100).map(|_| server.connect()).collect();
    for stream in &mut streams {
        stream.write_all(&head).unwrap();
        stream.write_all(b"un ").unwrap();
    }
    let begun = Instant::now();
    assert_eq!(server.get(&key, &format!("/v1/tenants/{TENANT}/count")).status, 200);
    assert!(begun.elapsed() < Duration::from_millis(400), "others are served meanwhile");
    for stream in &mut streams {
        assert_eq!(read_answer(stream).problem(), (408, "body-too-slow".into()));
    }
    still_serves(&server, &key);
}

#[test]
fn a_body_that_drips() {
    let server = Server::with(impatient());
    let key = server.key();
    let head =
        Call::deposit(&key).header("Idempotency-Key", "T").header("Content-Disposition", "attachment; filename=a");
    let mut stream = server.connect();
    stream.write_all(&head.header("Content-Length", "100000").bytes()).unwrap();
    let mut dripping = stream.try_clone().unwrap();
    let drip = std::thread::spawn(move || {
        while dripping.write_all(b".").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    assert_eq!(read_answer(&mut stream).problem(), (408, "body-too-slow".into()));
    drop(stream);
    drip.join().unwrap();
    still_serves(&server, &key);
}

#[test]
fn heads_that_never_end() {
    use std::io::Read as _;
    let server = Server::with(impatient());
    let key = server.key();
    let mut streams: Vec<_> = (0..50).map(|_| server.connect()).collect();
    for stream in &mut streams {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: ").unwrap();
    }
    for stream in &mut streams {
        let mut rest = Vec::new();
        drop(stream.read_to_end(&mut rest));
        assert!(rest.len() < 1000, "closed without ado");
    }
    still_serves(&server, &key);
}

#[test]
fn more_deposits_than_may_be_in_flight() {
    let limits = Limits { deposits_max: 2, turn: Duration::from_millis(100), ..Limits::default() };
    let server = Server::with(limits);
    let key = server.key();
    let head =
        Call::deposit(&key).header("Idempotency-Key", "T").header("Content-Disposition", "attachment; filename=a");
    let head = head.header("Content-Length", "10").bytes();
    let mut slow: Vec<_> = (0..2).map(|_| server.connect()).collect();
    slow.iter_mut().for_each(|stream| stream.write_all(&head).unwrap());
    std::thread::sleep(Duration::from_millis(50));
    let busy = server.call(small(&key, "T-2", b"un acte"));
    assert_eq!((busy.problem(), busy.header("retry-after")), ((503, "busy".into()), Some("1")));
    drop(slow);
}

#[test]
fn no_room_in_memory_means_a_container_not_a_refusal() {
    let server = Server::with(Limits { inline_bytes_max: 1 << 10, ..Limits::default() });
    let key = server.key();
    let content = vec![7; 100_000];
    let archive = server.call(small(&key, "T-1", &content)).archive();
    let file = server.get(&key, &format!("/v1/tenants/{TENANT}/archives/{archive}/files/0"));
    assert_eq!((file.status, file.body == content), (200, true));
}
