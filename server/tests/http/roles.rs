//! The whole table of roles and functions, over the wire.

use cartulaire_server::identity::{Function, Role};

use super::support::{Answer, Call, Server, TENANT, small};

/// A call of each function on a tenant; what it answers does not matter, only whether the door opens.
fn call(server: &Server, function: Function, key: &str, tenant: &str, archive: &str) -> Answer {
    let at = |method: &str, rest: &str| server.call(Call::new(method, &format!("/v1/tenants/{tenant}{rest}")).key(key));
    match function {
        Function::Deposit => at("POST", "/archives"),
        Function::Read => at("GET", &format!("/archives/{archive}/files/0")),
        Function::Destroy => at("DELETE", &format!("/archives/{archive}")),
        Function::ReadMetadata => at("GET", &format!("/archives/{archive}")),
        Function::Check => at("POST", &format!("/archives/{archive}/check")),
        Function::ReadJournal => at("GET", "/journal"),
        Function::List => at("GET", "/archives"),
        Function::Count => at("GET", "/count"),
        Function::IssueReceipt => at("GET", &format!("/archives/{archive}/receipt")),
        Function::IssueProof => at("GET", &format!("/archives/{archive}/proof")),
        Function::IssueBundle => at("GET", &format!("/archives/{archive}/bundle")),
        Function::ReadLog => server.get(key, "/v1/log/tile/entries/000"),
        Function::AdministerTenants => server.get(key, "/v1/tenants"),
        Function::AdministerKeys => at("GET", "/keys"),
    }
}

fn is_denied(answer: &Answer) -> bool {
    answer.status == 403 && answer.problem().1 == "access-denied"
}

#[test]
fn every_role_opens_its_doors_and_no_others() {
    let server = Server::start();
    let archive = server.call(small(&server.key(), "T-1", b"un acte")).archive();
    for role in Role::ALL {
        let home = if role == Role::Administrator { "service" } else { TENANT };
        let key = server.key_of(home, &[role]);
        for function in Function::ALL {
            let entries = || server.entries(home).len() + usize::from(home != TENANT) * server.entries(TENANT).len();
            let before = entries();
            let answer = call(&server, function, &key, TENANT, &archive);
            let is_open = function.roles().contains(&role);
            assert_eq!(!is_denied(&answer), is_open, "{role:?} {function:?}: {answer:?}");
            assert_eq!(entries(), before + 1, "{role:?} {function:?} is journaled once");
        }
    }
}

#[test]
fn no_key_reaches_another_tenant() {
    let server = Server::start();
    server.tenant("brest");
    let key = server.key();
    let archive = server.call(small(&key, "T-1", b"un acte")).archive();
    let stranger = server.key_of("brest", &[Role::Archivist, Role::Auditor, Role::Depositor, Role::Reader]);
    let reaching = |f: &Function| !matches!(f, Function::ReadLog | Function::AdministerTenants);
    for function in Function::ALL.into_iter().filter(reaching) {
        for tenant in [TENANT, "nulle-part", "service", "Pas-Un"] {
            let before = (server.entries(TENANT).len(), server.entries("brest").len());
            let answer = call(&server, function, &stranger, tenant, &archive);
            assert!(is_denied(&answer), "{function:?} {tenant}: {answer:?}");
            let after = (server.entries(TENANT).len(), server.entries("brest").len());
            assert_eq!(after, (before.0, before.1 + 1), "denied in the key's own journal");
        }
    }
    let last = server.entries("brest").pop().unwrap();
    assert_eq!(last.subject, last.agent);
}

#[test]
fn without_a_valid_key_there_is_nothing_and_no_entry() {
    let server = Server::start();
    let key = server.key();
    let before = server.entries(TENANT).len() + server.entries("service").len();
    let path = format!("/v1/tenants/{TENANT}/count");
    let other_secret = format!("{}{}", &key[..key.len() - 43], "A".repeat(43));
    let keys =
        ["", "Bearer", "Basic YTpi", "Bearer cart_", &format!("Bearer {other_secret}"), &format!("Bearer {key}x")];
    for authorization in keys {
        let answer = server.call(Call::new("GET", &path).header("Authorization", authorization));
        assert_eq!(answer.problem(), (401, "key-required".into()), "{authorization}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"cartulaire\""));
    }
    assert_eq!(server.call(Call::new("GET", &path)).status, 401);
    assert_eq!(server.call(Call::new("GET", &path).key(&key).key(&key)).status, 401);
    assert_eq!(server.get(&key, &path).status, 200);
    let after = server.entries(TENANT).len() + server.entries("service").len();
    // The one good call, and whatever the seals journaled themselves.
    assert_eq!(server.journaled_since(server.entries(TENANT).len() - 1), ["count success"]);
    assert!(after > before);
    assert!(server.get(&key, "/metrics").text().contains("cartulaire_unknown_keys_total 8"));
}
