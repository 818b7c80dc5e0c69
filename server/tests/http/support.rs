//! A service on a free port, and a client that sends exactly the bytes that a test wants.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use cartulaire_engine::archive::{Archive, Ports};
use cartulaire_engine::attest::Authorities;
use cartulaire_engine::ports::{SignError, Signer};
use cartulaire_engine::service::Service;
use cartulaire_engine::sites::{Site, Sites};
use cartulaire_engine::store::LocalStore;
use cartulaire_engine::system::{SystemClock, SystemEntropy};
use cartulaire_formats::journal::{JournalEntry, TenantId};
use cartulaire_formats::layout::SequenceNumber;
use cartulaire_formats::time::Timestamp;
use cartulaire_server::http::{self, AppState, Limits, Options, TlsConfig};
use cartulaire_server::identity::{ApiKey, KeyRecord, Role, TenantRecord};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The tenant of most tests.
pub const TENANT: &str = "kerlouan";

struct TestSigner(SigningKey);

impl Signer for TestSigner {
    fn name(&self) -> &str {
        "archives.example/journal"
    }

    fn public_key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        Ok(self.0.sign(message).to_bytes())
    }
}

/// A running service; everything stops and goes when this is dropped.
pub struct Server {
    pub address: SocketAddr,
    pub state: AppState,
    pub folder: TempDir,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<()>>,
    runtime: Runtime,
}

impl Server {
    pub fn start() -> Self {
        Self::with(Limits::default())
    }

    pub fn with(limits: Limits) -> Self {
        Self::make(limits, Authorities::default(), None)
    }

    /// A service whose seals are time-stamped.
    pub fn stamped(limits: Limits) -> Self {
        Self::make(limits, super::authority::authorities(), None)
    }

    /// A service that speaks TLS.
    pub fn secure(tls: TlsConfig) -> Self {
        Self::make(Limits::default(), Authorities::default(), Some(tls))
    }

    fn make(limits: Limits, authorities: Authorities, tls: Option<TlsConfig>) -> Self {
        let folder = TempDir::new().unwrap();
        let state = AppState::new(open(folder.path(), authorities), Options { limits, with_metrics: true });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = state.clone();
        let serving = runtime.spawn(async move {
            http::serve(vec![listener], tls, served, async { drop(stopped.await) }).await;
        });
        let server = Self { address, state, folder, stop: Some(stop), serving: Some(serving), runtime };
        let record = TenantRecord::new(tenant(TENANT), "Commune de Kerlouan".into(), Timestamp::MIN).unwrap();
        server.journal(record.created_event("operator"));
        server
    }

    fn journal(&self, event: cartulaire_engine::commit::Event) {
        self.runtime.block_on(self.state.journal(event)).unwrap();
    }

    /// Makes another tenant.
    pub fn tenant(&self, id: &str) {
        self.journal(TenantRecord::new(tenant(id), id.into(), Timestamp::MIN).unwrap().created_event("operator"));
    }

    /// Makes a key, and returns its text.
    pub fn key_of(&self, tenant_id: &str, roles: &[Role]) -> String {
        let key = ApiKey::draw(&SystemEntropy);
        let roles = roles.iter().copied().collect();
        let record = KeyRecord::new(&key, tenant(tenant_id), roles, "test".into(), Timestamp::MIN).unwrap();
        self.journal(record.created_event("operator"));
        key.reveal()
    }

    /// A key of [`TENANT`] with every role but administrator.
    pub fn key(&self) -> String {
        self.key_of(TENANT, &[Role::Archivist, Role::Auditor, Role::Depositor, Role::Reader])
    }

    pub fn get(&self, key: &str, path: &str) -> Answer {
        self.call(Call::new("GET", path).key(key))
    }

    pub fn call(&self, call: Call) -> Answer {
        self.send(&call.bytes())
    }

    /// Sends bytes on a connection of their own and reads what comes until the service closes it.
    pub fn send(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect();
        // A service that refuses early may close while we still write; its answer is there all the same.
        drop(stream.write_all(bytes));
        read_answer(&mut stream)
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// Every journal entry of a tenant, past the API.
    pub fn entries(&self, tenant_id: &str) -> Vec<JournalEntry> {
        let archive = self.state.archive();
        let places = archive.index().entries_of(&tenant(tenant_id), SequenceNumber(0), usize::MAX).unwrap();
        let lines = archive.entry_lines(&places).unwrap();
        lines.iter().map(|line| JournalEntry::parse(line).unwrap()).collect()
    }

    /// The entries of [`TENANT`] that were journaled since there were `before`, each as `type outcome facts`.
    pub fn journaled_since(&self, before: usize) -> Vec<String> {
        let entries = self.entries(TENANT).split_off(before);
        entries.iter().map(said).collect()
    }

    /// Asks the service to stop; returns at once.
    pub fn begin_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits until it has stopped.
    pub fn wait_stopped(&mut self) {
        self.runtime.block_on(self.serving.take().unwrap()).unwrap();
    }
}

fn said(entry: &JournalEntry) -> String {
    let text = |value: Value| value.as_str().unwrap().to_owned();
    let event = text(serde_json::to_value(entry.event).unwrap());
    let outcome = text(serde_json::to_value(entry.outcome).unwrap());
    let facts = entry.facts.iter().map(|(name, value)| format!(" {name}={value}"));
    format!("{event} {outcome}{}", facts.collect::<String>())
}

pub fn open(folder: &std::path::Path, authorities: Authorities) -> Arc<Service> {
    let store = Arc::new(LocalStore::make(&folder.join("site")).unwrap());
    let ports = Ports {
        sites: Sites::new(Site { name: "local".into(), store }, Vec::new()),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        signer: Arc::new(TestSigner(SigningKey::from_bytes(&[7; 32]))),
        authorities,
    };
    let (archive, writers) = Archive::open(ports, &folder.join("index"), &mut |_| {}).unwrap();
    Arc::new(Service::start(archive, writers, Duration::from_millis(50)))
}

pub fn tenant(id: &str) -> TenantId {
    id.parse().unwrap()
}

/// A request being put together.
pub struct Call {
    head: String,
    body: Vec<u8>,
}

impl Call {
    pub fn new(method: &str, path: &str) -> Self {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: archives.example\r\nConnection: close\r\n");
        Self { head, body: Vec::new() }
    }

    pub fn deposit(key: &str) -> Self {
        Self::new("POST", &format!("/v1/tenants/{TENANT}/archives")).key(key)
    }

    pub fn key(self, key: &str) -> Self {
        self.header("Authorization", &format!("Bearer {key}"))
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.head += &format!("{name}: {value}\r\n");
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        let length = self.body.len();
        self.header("Content-Length", &length.to_string())
    }

    /// A multipart body of parts, each a head without its last line feed and a content.
    pub fn parts(self, parts: &[(&str, &[u8])]) -> Self {
        let mut body = Vec::new();
        for (head, content) in parts {
            body.extend(format!("--limite\r\n{head}\r\n\r\n").into_bytes());
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--limite--\r\n");
        self.header("Content-Type", "multipart/form-data; boundary=limite").body(body)
    }

    pub fn bytes(&self) -> Vec<u8> {
        [self.head.as_bytes(), b"\r\n", &self.body].concat()
    }
}

/// The head of the first part.
pub const DESCRIPTION: &str = "Content-Disposition: form-data; name=\"description\"";

/// The head of a file's part.
pub fn file_part(name: &str) -> String {
    format!("Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: application/pdf")
}

/// A small raw deposit with this transfer identifier.
pub fn small(key: &str, transfer: &str, content: &[u8]) -> Call {
    Call::deposit(key)
        .header("Idempotency-Key", transfer)
        .header("Content-Type", "application/pdf")
        .header("Content-Disposition", "attachment; filename=acte.pdf")
        .body(content)
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Status and code of a problem document.
    #[track_caller]
    pub fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), Some(cartulaire_server::http::problem::MEDIA_TYPE), "{self:?}");
        let document = self.json();
        assert_eq!(document["status"], self.status);
        let uri = document["type"].as_str().unwrap();
        let code = uri.strip_prefix(cartulaire_server::http::problem::TYPE_BASE).unwrap();
        (self.status, code.to_owned())
    }

    /// The identifier of the archive that was deposited.
    #[track_caller]
    pub fn archive(&self) -> String {
        assert!(matches!(self.status, 200 | 201), "{}", String::from_utf8_lossy(&self.body));
        self.json()["archive"].as_str().unwrap().to_owned()
    }
}

/// Reads one answer to the connection's end.
#[track_caller]
pub fn read_answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        assert!(!bytes.is_empty(), "no answer: {error}");
    }
    parse_answer(&bytes)
}

#[track_caller]
fn parse_answer(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("a whole head");
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status: u16 = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let fields = lines.map(|line| line.split_once(": ").unwrap());
    let headers: BTreeMap<_, _> = fields.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    if status == 100 {
        return parse_answer(&bytes[end + 4..]);
    }
    let body = &bytes[end + 4..];
    let is_chunked = headers.get("transfer-encoding").is_some_and(|value| value == "chunked");
    let body = if is_chunked { unchunked(body) } else { body.to_vec() };
    Answer { status, headers, body }
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|w| w == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        whole.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 2 + size + 2..];
    }
    whole
}
