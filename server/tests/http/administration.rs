//! Tenants and keys, administered over the wire.

use cartulaire_server::identity::Role;
use serde_json::json;

use super::support::{Answer, Call, Server, TENANT, small};

fn post(server: &Server, key: &str, path: &str, body: serde_json::Value) -> Answer {
    server.call(Call::new("POST", path).key(key).body(body.to_string()))
}

#[test]
fn a_tenant_and_its_first_key_are_created_used_and_revoked() {
    let server = Server::start();
    let administrator = server.key_of("service", &[Role::Administrator]);
    let tenant = post(&server, &administrator, "/v1/tenants", json!({"id": "brest", "name": "Ville de Brest"}));
    assert_eq!((tenant.status, &tenant.json()["name"]), (201, &json!("Ville de Brest")));
    let new_key = json!({"roles": ["depositor", "auditor"], "label": "Portail"});
    let created = post(&server, &administrator, "/v1/tenants/brest/keys", new_key);
    assert_eq!(created.status, 201);
    let created = created.json();
    let (secret, id) = (created["secret"].as_str().unwrap(), created["id"].as_str().unwrap());
    let deposit = |transfer: &str| {
        let call = Call::new("POST", "/v1/tenants/brest/archives?name=acte.pdf").key(secret);
        server.call(call.header("Idempotency-Key", transfer).body("un acte"))
    };
    assert_eq!(deposit("T-1").status, 201);
    let listed = server.get(&administrator, "/v1/tenants/brest/keys").json();
    let mut expected = created.clone();
    expected.as_object_mut().unwrap().remove("secret");
    assert_eq!(listed, json!({"keys": [expected]}));
    let path = format!("/v1/tenants/brest/keys/{id}");
    let revoked = server.call(Call::new("DELETE", &path).key(&administrator));
    assert!(revoked.json()["revoked"].is_string());
    assert_eq!(deposit("T-2").problem(), (401, "key-required".into()));
    let again = server.call(Call::new("DELETE", &path).key(&administrator));
    assert_eq!(again.json(), revoked.json());
    let types: Vec<_> = server.entries("brest").iter().map(|e| format!("{:?} {}", e.event, e.subject)).collect();
    let archive_subject = server.entries("brest")[2].subject.clone();
    let key_subject = format!("key:{id}");
    let expected = [
        "TenantCreated tenant:brest".to_owned(),
        format!("KeyCreated {key_subject}"),
        format!("Deposit {archive_subject}"),
        "List tenant:brest".to_owned(),
        format!("KeyRevoked {key_subject}"),
        format!("List {key_subject}"),
    ];
    assert_eq!(types, expected);
}

#[test]
fn what_cannot_be_created_is_refused_and_journaled() {
    let server = Server::start();
    let administrator = server.key_of("service", &[Role::Administrator]);
    let label = "x".repeat(300);
    let tenants = "/v1/tenants".to_owned();
    let keys = format!("/v1/tenants/{TENANT}/keys");
    let cases = [
        (&tenants, json!({"id": TENANT, "name": "Encore"}), 409, "tenant-exists", None),
        (&tenants, json!({"id": "service", "name": "x"}), 422, "identity-rejected", Some("service")),
        (&tenants, json!({"id": "Brest", "name": "x"}), 422, "identity-rejected", Some("tenant-id")),
        (&tenants, json!({"id": "brest", "name": ""}), 422, "identity-rejected", Some("label")),
        (&tenants, json!({"id": "brest"}), 400, "json-malformed", None),
        (&keys, json!({"roles": [], "label": "x"}), 422, "identity-rejected", Some("no-role")),
        (&keys, json!({"roles": ["administrator"], "label": "x"}), 422, "identity-rejected", Some("role-out-of-place")),
        (&keys, json!({"roles": ["reader"], "label": label}), 422, "identity-rejected", Some("label")),
        (&keys, json!({"roles": ["root"], "label": "x"}), 400, "json-malformed", None),
        (&keys, json!({"roles": ["reader"], "label": "x".repeat(20_000)}), 413, "body-too-large", None),
    ];
    for (path, body, status, code, rule) in cases {
        let before = server.entries(TENANT).len() + server.entries("service").len();
        let answer = post(&server, &administrator, path, body.clone());
        assert_eq!(answer.problem(), (status, code.into()), "{body}");
        assert_eq!(answer.json()["rule"].as_str(), rule, "{body}");
        assert!(server.entries(TENANT).len() + server.entries("service").len() > before, "{body}");
    }
    let nowhere =
        post(&server, &administrator, "/v1/tenants/nulle-part/keys", json!({"roles": ["reader"], "label": "x"}));
    assert_eq!(nowhere.problem(), (404, "tenant-unknown".into()));
    assert_eq!(server.entries("nulle-part").len(), 0, "asking for a tenant must not begin its journal");
    let unknown = Call::new("DELETE", &format!("{keys}/010203040506")).key(&administrator);
    assert_eq!(server.call(unknown).problem(), (404, "key-unknown".into()));
    let listed = server.get(&administrator, "/v1/tenants").json();
    assert_eq!(listed["tenants"].as_array().unwrap().len(), 1);
}

#[test]
fn keys_and_tenants_survive_a_restart() {
    let mut server = Server::start();
    let key = server.key();
    let archive = server.call(small(&key, "T-1", b"un acte")).archive();
    server.begin_stop();
    server.wait_stopped();
    let folder = tempfile::TempDir::new().unwrap();
    // The index is left behind: keys must come back from the journal alone.
    copy(&server.folder.path().join("site"), &folder.path().join("site"));
    let service = super::support::open(folder.path(), Default::default());
    let key: cartulaire_server::identity::ApiKey = key.parse().unwrap();
    let record = cartulaire_server::identity::authenticate(service.archive().index(), &key).unwrap().unwrap();
    assert_eq!(record.tenant.as_str(), TENANT);
    let id = archive.parse().unwrap();
    assert!(service.archive().find(&super::support::tenant(TENANT), &id).unwrap().is_some());
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
