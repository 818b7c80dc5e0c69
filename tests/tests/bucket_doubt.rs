//! What the bucket adapter makes of every answer, and of none: refused, retried or in doubt.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use bytes::Bytes;
use cartulaire_engine::ports::{CreateError, ReadError, Store};
use cartulaire_engine::store::{BucketConfig, BucketError, ObjectStoreSite};
use cartulaire_tests::scripted_s3::{Reply, ScriptedS3};
use cartulaire_tests::store_suite::name;

const GONE: Reply = Reply::Status(404, "");
const TAKEN: Reply = Reply::Status(412, "");
const RIVAL_UNDER_WAY: Reply = Reply::Status(409, "");
const BUSY: Reply = Reply::Status(503, "");
const DONE: Reply = Reply::Status(200, "");

/// The outcome of creating `ours`, and the methods of the requests that were sent.
fn creating(script: &[Reply]) -> (Result<(), CreateError>, String) {
    let server = ScriptedS3::start(script);
    let site = ObjectStoreSite::bucket(&server.config()).unwrap();
    let outcome = site.create(&name("x"), &[Bytes::from_static(b"ou"), Bytes::from_static(b"rs")]);
    let methods: Vec<_> = server.requests().iter().map(|r| r.line.split(' ').next().unwrap().to_owned()).collect();
    (outcome, methods.join(" "))
}

/// What the case is, the answers, the outcome and the methods sent.
type CreationCase<'a> = (&'a str, &'a [Reply], Result<(), CreateError>, &'a str);

#[test]
fn every_answer_to_a_creation_has_its_class() {
    let (ours, theirs, size) = (Reply::Object("ours"), Reply::Object("them"), Reply::Size(4));
    let (exists, unknown, unreachable) =
        (Err(CreateError::Exists), Err(CreateError::Unknown), Err(CreateError::Unreachable));
    let table: &[CreationCase] = &[
        ("done", &[DONE], Ok(()), "PUT"),
        ("taken, and no doubt", &[TAKEN, size, theirs], exists, "PUT HEAD GET"),
        ("taken by the same bytes, and no doubt", &[TAKEN, size, ours], exists, "PUT HEAD GET"),
        ("taken by another length", &[TAKEN, Reply::Size(9)], exists, "PUT HEAD"),
        ("our own, whose answer was lost", &[Reply::Lost, TAKEN, size, ours], Ok(()), "PUT PUT HEAD GET"),
        ("another's, after a lost answer", &[Reply::Lost, TAKEN, size, theirs], exists, "PUT PUT HEAD GET"),
        ("lost, then done", &[Reply::Lost, DONE], Ok(()), "PUT PUT"),
        ("a rival that comes to nothing", &[RIVAL_UNDER_WAY, GONE, DONE], Ok(()), "PUT HEAD PUT"),
        ("busy, then done", &[BUSY, DONE], Ok(()), "PUT PUT"),
        ("busy, and never seen", &[BUSY, BUSY, BUSY, BUSY, GONE], unknown, "PUT PUT PUT PUT HEAD"),
        ("busy, and done after all", &[BUSY, BUSY, BUSY, BUSY, size, ours], Ok(()), "PUT PUT PUT PUT HEAD GET"),
        ("in doubt, then refused", &[BUSY, Reply::Status(403, ""), GONE], unknown, "PUT PUT HEAD"),
        ("forbidden", &[Reply::Status(403, "")], unreachable, "PUT"),
        ("not signed well", &[Reply::Status(401, "")], unreachable, "PUT"),
        ("no such bucket", &[GONE], unreachable, "PUT"),
        ("too large", &[Reply::Status(413, "")], unreachable, "PUT"),
        ("a condition it does not know", &[Reply::Status(501, ""), GONE], unknown, "PUT PUT PUT PUT HEAD"),
        ("full", &[Reply::Status(507, "")], Err(CreateError::Full), "PUT"),
    ];
    std::thread::scope(|scope| {
        for (case, script, outcome, methods) in table {
            scope.spawn(move || {
                let script: Vec<_> = match *case {
                    // The same answer to every try.
                    "a condition it does not know" => [vec![script[0]; 4], vec![script[1]]].concat(),
                    _ => script.to_vec(),
                };
                assert_eq!(creating(&script), (*outcome, (*methods).to_owned()), "{case}");
            });
        }
    });
}

#[test]
fn a_server_that_is_away_is_unreachable_and_nothing_is_in_doubt() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = ScriptedS3::start(&[]).config();
    let site = ObjectStoreSite::bucket(&BucketConfig { endpoint: Some(format!("http://{free}")), ..config }).unwrap();
    assert_eq!(site.create(&name("x"), &[]), Err(CreateError::Unreachable));
    assert_eq!(site.delete(&name("x")), Err(CreateError::Unreachable));
}

#[test]
fn every_answer_to_a_deletion_has_its_class() {
    let table = [
        (Reply::Status(204, ""), Ok(())),
        (GONE, Ok(())),
        (Reply::Status(403, ""), Err(CreateError::Unreachable)),
        (BUSY, Err(CreateError::Unknown)),
        (Reply::Lost, Err(CreateError::Unknown)),
    ];
    for (reply, outcome) in table {
        let server = ScriptedS3::start(&[reply]);
        assert_eq!(ObjectStoreSite::bucket(&server.config()).unwrap().delete(&name("x")), outcome, "{reply:?}");
    }
}

#[test]
fn every_answer_to_a_reading_has_its_class() {
    let table: &[(&[Reply], Result<Bytes, ReadError>)] = &[
        (&[Reply::Object("ours")], Ok(Bytes::from_static(b"ours"))),
        (&[Reply::Object("our")], Err(ReadError::Short { size: 3 })),
        (&[GONE], Err(ReadError::Missing)),
        (&[Reply::Status(416, ""), Reply::Size(0)], Err(ReadError::Short { size: 0 })),
        (&[Reply::Status(403, ""), Reply::Status(403, "")], Err(ReadError::Unreachable)),
    ];
    for (script, outcome) in table {
        let server = ScriptedS3::start(script);
        let site = ObjectStoreSite::bucket(&server.config()).unwrap();
        assert_eq!(site.read(&name("x"), 0..4), *outcome, "{script:?}");
    }
}

/// Stages 17 MiB, which takes two parts and the one that is held back; the outcome, and what was asked.
fn staging(end: &[Reply]) -> (Result<(), CreateError>, Vec<String>) {
    let begun =
        Reply::Status(200, "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>");
    let script = [&[begun, DONE, DONE, DONE], end].concat();
    let server = ScriptedS3::start(&script);
    let site = ObjectStoreSite::bucket(&server.config()).unwrap();
    let mut staging = site.stage(&name("x"), 4).unwrap();
    staging.append(Bytes::from(vec![1; 17 << 20])).unwrap();
    let outcome = staging.publish(Bytes::from_static(b"head"));
    let shown = server.requests().into_iter().skip(4).take(end.len());
    let shown = shown.map(|r| r.if_none_match.map_or(r.line.clone(), |v| format!("{} if-none-match {v}", r.line)));
    (outcome, shown.collect())
}

#[test]
fn the_completion_of_a_large_object_carries_the_condition() {
    const COMPLETED: Reply =
        Reply::Status(200, "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>");
    const LENGTH: u64 = (17 << 20) + 4;
    let (look, complete) = ("HEAD /b/x", "POST /b/x?uploadId if-none-match *");
    let asked = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    assert_eq!(staging(&[GONE, COMPLETED]), (Ok(()), asked(&[look, complete])));
    assert_eq!(staging(&[Reply::Size(1)]), (Err(CreateError::Exists), asked(&[look])));
    assert_eq!(
        staging(&[GONE, TAKEN, Reply::Size(1)]),
        (Err(CreateError::Exists), asked(&[look, complete, look])),
        "somebody came between the look and the completion"
    );
    assert_eq!(
        staging(&[GONE, Reply::Lost, TAKEN, Reply::Size(LENGTH), Reply::Status(403, ""), Reply::Size(LENGTH)]).0,
        Err(CreateError::Unknown),
        "an object of our length that cannot be read back may be ours"
    );
}

#[test]
fn a_part_that_is_refused_changes_nothing() {
    for (status, error) in [(403, CreateError::Unreachable), (507, CreateError::Full)] {
        let server = ScriptedS3::start(&[Reply::Status(status, "")]);
        let site = ObjectStoreSite::bucket(&server.config()).unwrap();
        let mut staging = site.stage(&name("x"), 0).unwrap();
        assert_eq!(staging.append(Bytes::from(vec![1; 17 << 20])), Err(error));
        assert_eq!(staging.append(Bytes::new()), Err(error));
        assert_eq!(staging.publish(Bytes::new()), Err(error));
    }
}

#[test]
fn a_wrong_prefix_or_endpoint_is_named_and_the_secret_is_not_shown() {
    let config = BucketConfig { prefix: "../up".into(), secret: "s3cr3t".into(), ..ScriptedS3::start(&[]).config() };
    assert!(matches!(ObjectStoreSite::bucket(&config), Err(BucketError::Prefix)));
    assert!(!format!("{config:?}").contains("s3cr3t"));
    let config = BucketConfig { prefix: String::new(), ..config };
    for wrong in ["http://[", "", "localhost:8333", "ftp://localhost", "https://"] {
        let config = BucketConfig { endpoint: Some(wrong.into()), ..config.clone() };
        assert!(matches!(ObjectStoreSite::bucket(&config), Err(BucketError::Endpoint)), "{wrong:?}");
    }
    let config = BucketConfig { allow_http: false, ..config };
    assert!(matches!(ObjectStoreSite::bucket(&config), Err(BucketError::Endpoint)));
}

#[test]
fn callers_may_be_on_a_runtime_of_their_own() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let outcome = runtime.block_on(async {
        let site = ObjectStoreSite::in_memory();
        site.create(&name("x"), &[Bytes::from_static(b"x")])?;
        site.delete(&name("x"))
    });
    assert_eq!(outcome, Ok(()));
}
