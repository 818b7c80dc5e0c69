//! Golden files: the OpenAPI document and the reference of problems.

use std::collections::BTreeSet;
use std::path::Path;

use cartulaire_server::http::openapi;
use cartulaire_server::http::problem::{ProblemKind, reference};

/// Compares with a golden file under `docs/`, or writes it when asked to.
#[track_caller]
fn check_golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == text, "{name} is stale: run UPDATE_GOLDENS=1 cargo test -p cartulaire-server --test http");
}

#[test]
fn the_openapi_document_is_as_published() {
    check_golden("openapi.json", &(openapi().to_pretty_json().unwrap() + "\n"));
}

#[test]
fn the_reference_of_problems_is_as_published() {
    check_golden("reference/problems.md", &reference());
}

#[test]
fn codes_are_stable_words_and_each_its_own() {
    let codes: BTreeSet<&str> = ProblemKind::ALL.iter().map(|kind| kind.code()).collect();
    assert_eq!(codes.len(), ProblemKind::ALL.len());
    assert!(codes.iter().all(|code| code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
}

#[test]
fn every_operation_names_itself_and_its_problems() {
    let document = serde_json::to_value(openapi()).unwrap();
    let mut operations = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(operations.insert(operation["operationId"].as_str().unwrap().to_owned()), "{method} {path}");
            let is_open = ["/", "/healthz", "/readyz", "/metrics", "/v1/openapi.json"].contains(&path.as_str());
            assert_eq!(operation["security"].is_array(), !is_open, "{method} {path}");
            assert_eq!(operation["responses"]["4XX"].is_object(), !is_open || path == "/metrics", "{method} {path}");
        }
    }
    assert_eq!(operations.len(), 25);
    let problems = document["components"]["responses"].as_object().unwrap();
    assert_eq!(problems.len(), ProblemKind::ALL.len());
}
