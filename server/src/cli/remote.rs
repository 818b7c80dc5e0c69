//! A running server, through its HTTP API, as the bearer of a key.

use std::fs::File;
use std::io::{self, Cursor, Read, Write};
use std::time::{Duration, Instant};

use cartulaire_engine::ports::Entropy as _;
use cartulaire_engine::system::SystemEntropy;
use cartulaire_formats::aip::ArchiveId;
use cartulaire_formats::hash::{MultiHasher, Sha256Digest};
use indicatif::ProgressBar;
use reqwest::blocking::{Body, Client, RequestBuilder, Response};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use reqwest::redirect;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::door::{ArchiveView, Deposited, Door, FileView, KeyView, NewKeyView, TenantView};
use super::exit::{Exit, Failure};
use super::parcel::{Content, Parcel};
use super::screen::{Ink, Screen};
use crate::identity::Role;

/// How often a silent connection is probed. There is no limit in time: a deposit of several GiB on a slow line takes what
/// it takes, and the server has limits of its own.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// The pause between two questions whether a proof is there.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// What the server lists at most on a page.
const PAGE: u64 = 1_000;

/// A server.
pub(super) struct Remote {
    url: String,
    key: String,
    client: Client,
}

/// The members of a problem document that people are shown.
#[derive(Deserialize)]
struct ProblemAnswer {
    #[serde(rename = "type")]
    kind: String,
    detail: String,
    #[serde(flatten)]
    members: Map<String, Value>,
}

#[derive(Deserialize)]
struct Health {
    status: String,
}

#[derive(Deserialize)]
struct Tenants {
    tenants: Vec<TenantView>,
}

#[derive(Deserialize)]
struct Keys {
    keys: Vec<KeyView>,
}

impl Remote {
    /// Prepares to ask a server; nothing is sent yet.
    pub fn new(url: &str, key: Option<&str>) -> Result<Self, Failure> {
        let key = key.ok_or(Failure::NoKey)?.to_owned();
        let url = url.trim_end_matches('/').to_owned();
        let mut client = Client::builder()
            .timeout(None)
            .tcp_keepalive(KEEP_ALIVE)
            .connect_timeout(Duration::from_secs(10))
            .redirect(redirect::Policy::none())
            .user_agent(concat!("cartulaire/", env!("CARGO_PKG_VERSION")));
        if is_this_machine(&url) {
            client = client.no_proxy();
        }
        let client = client.build().map_err(|source| Failure::Unreachable { url: url.clone(), source })?;
        Ok(Self { url, key, client })
    }

    fn request(&self, method: reqwest::Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        request.header(AUTHORIZATION, format!("Bearer {}", self.key))
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.request(reqwest::Method::GET, path)
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.request(reqwest::Method::POST, path)
    }

    fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let unreachable = |source| Failure::Unreachable { url: self.url.clone(), source };
        let response = request.send().map_err(unreachable)?;
        if response.status().is_success() { Ok(response) } else { Err(self.problem(response)) }
    }

    fn problem(&self, response: Response) -> Failure {
        let status = response.status().as_u16();
        let Ok(problem) = self.parse::<ProblemAnswer>(response) else { return Failure::NotOurs(self.url.clone()) };
        let code = problem.kind.rsplit('/').next().unwrap_or_default().to_owned();
        let shown = problem.members.iter().filter(|(name, _)| !matches!(name.as_str(), "status" | "title" | "request"));
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let members = shown.map(|(name, value)| format!("\n  {name} : {}", text(value))).collect();
        Failure::Problem { status, code, detail: problem.detail, members }
    }

    fn parse<T: DeserializeOwned>(&self, response: Response) -> Result<T, Failure> {
        let text = response.bytes().map_err(|source| Failure::Unreachable { url: self.url.clone(), source })?;
        serde_json::from_slice(&text).map_err(|_| Failure::NotOurs(self.url.clone()))
    }

    fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failure> {
        self.parse(self.send(request)?)
    }

    /// What a server says of itself to anybody: whether it takes deposits.
    pub fn status(&self, screen: &Screen) -> Result<Exit, Failure> {
        let unreachable = |source| Failure::Unreachable { url: self.url.clone(), source };
        let health: Health = self.parse(self.get("/readyz").send().map_err(unreachable)?)?;
        let text = match health.status.as_str() {
            "ok" => screen.ink(Ink::Green, "prêt : il accepte les versements"),
            "stopping" => screen.ink(Ink::Yellow, "en cours d’arrêt"),
            _ => screen.ink(Ink::Red, "arrêté d’écrire : relancez-le, il reprendra de lui-même"),
        };
        screen.row("serveur", &self.url);
        screen.row("état", text);
        screen.line(
            "
Le détail (sites, sceaux, jetons) : « cartulaire status » sur sa machine quand il est arrêté, ou /metrics.",
        );
        screen.json(&serde_json::json!({"server": self.url, "status": health.status}));
        Ok(match health.status.as_str() {
            "ok" => Exit::Success,
            "stopping" => Exit::Retry,
            _ => Exit::Poisoned,
        })
    }

    fn json(request: RequestBuilder, body: &Value) -> RequestBuilder {
        request.header(CONTENT_TYPE, "application/json").body(body.to_string())
    }
}

impl Door for Remote {
    fn create_tenant(&self, id: &str, name: &str) -> Result<TenantView, Failure> {
        let body = serde_json::json!({"id": id, "name": name});
        self.ask(Self::json(self.post("/v1/tenants"), &body))
    }

    fn tenants(&self) -> Result<Vec<TenantView>, Failure> {
        self.ask::<Tenants>(self.get("/v1/tenants")).map(|list| list.tenants)
    }

    fn create_key(&self, tenant: &str, roles: &[Role], label: &str) -> Result<NewKeyView, Failure> {
        let body = serde_json::json!({"roles": roles, "label": label});
        self.ask(Self::json(self.post(&format!("/v1/tenants/{}/keys", segment(tenant))), &body))
    }

    fn keys(&self, tenant: &str) -> Result<Vec<KeyView>, Failure> {
        self.ask::<Keys>(self.get(&format!("/v1/tenants/{}/keys", segment(tenant)))).map(|list| list.keys)
    }

    fn revoke_key(&self, tenant: &str, id: &str) -> Result<KeyView, Failure> {
        let path = format!("/v1/tenants/{}/keys/{}", segment(tenant), segment(id));
        self.ask(self.request(reqwest::Method::DELETE, &path))
    }

    fn deposit(&self, tenant: &str, parcel: &Parcel, bar: &ProgressBar) -> Result<Deposited, Failure> {
        let form = Form::new(parcel)?;
        let request = self
            .post(&format!("/v1/tenants/{}/archives", segment(tenant)))
            .header(CONTENT_TYPE, format!("multipart/form-data; boundary={}", form.boundary));
        let length = form.length;
        let body = Body::sized(bar.wrap_read(form.reader), length);
        let response = self.send(request.body(body))?;
        let replayed = response.status() == reqwest::StatusCode::OK;
        Ok(Deposited { replayed, ..self.parse(response)? })
    }

    fn describe(&self, tenant: &str, archive: &ArchiveId) -> Result<ArchiveView, Failure> {
        self.ask(self.get(&format!("/v1/tenants/{}/archives/{archive}", segment(tenant))))
    }

    fn read(
        &self,
        tenant: &str,
        archive: &ArchiveId,
        file: &FileView,
        out: &mut dyn Write,
        bar: &ProgressBar,
    ) -> Result<(), Failure> {
        let path = format!("/v1/tenants/{}/archives/{archive}/files/{}", segment(tenant), file.position);
        let mut hashing = Hashing { out, hasher: MultiHasher::new(false) };
        let mut response = bar.wrap_read(self.send(self.get(&path))?);
        let name = std::path::Path::new(&file.name);
        io::copy(&mut response, &mut hashing).map_err(Failure::file(name))?;
        let digest: Sha256Digest = hashing.hasher.finish().sha256;
        // What the server said before of the file must hold for what it gave.
        if digest.to_string() == file.hash { Ok(()) } else { Err(Failure::NotTheFile(file.name.clone())) }
    }

    fn bundle(&self, tenant: &str, archive: &ArchiveId, wait: Duration, out: &mut dyn Write) -> Result<(), Failure> {
        let path = format!("/v1/tenants/{}/archives/{archive}/bundle", segment(tenant));
        let until = Instant::now() + wait;
        let mut response = loop {
            match self.send(self.get(&path)) {
                Err(Failure::Problem { code, .. }) if code == "proof-pending" => {
                    if Instant::now() >= until {
                        return Err(Failure::ProofPending(archive.to_string()));
                    }
                    std::thread::sleep(ASK_AGAIN);
                }
                outcome => break outcome?,
            }
        };
        io::copy(&mut response, out).map_err(Failure::file(std::path::Path::new("bundle.zip"))).map(|_| ())
    }

    fn journal(
        &self,
        tenant: &str,
        archive: Option<&ArchiveId>,
        after: Option<u64>,
        limit: u64,
    ) -> Result<Vec<String>, Failure> {
        let tenant = segment(tenant);
        let path = match archive {
            None => format!("/v1/tenants/{tenant}/journal"),
            Some(archive) => format!("/v1/tenants/{tenant}/archives/{archive}/journal"),
        };
        let (mut lines, mut after) = (Vec::new(), after);
        while (lines.len() as u64) < limit {
            let page = PAGE.min(limit - lines.len() as u64);
            let after_part = after.map_or_else(String::new, |after| format!("&after={after}"));
            let request = self.get(&format!("{path}?limit={page}{after_part}")).header(ACCEPT, "application/jsonl");
            let response = self.send(request)?;
            let next = response.headers().get("cartulaire-next-after").and_then(|v| v.to_str().ok()?.parse().ok());
            let text = response.text().map_err(|source| Failure::Unreachable { url: self.url.clone(), source })?;
            lines.extend(text.lines().map(str::to_owned));
            match next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        Ok(lines)
    }
}

/// Whether the address is of this machine, where no proxy can reach.
fn is_this_machine(url: &str) -> bool {
    let host = reqwest::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.is_some_and(|host| host == "localhost" || host == "[::1]" || host.starts_with("127."))
}

/// One segment of a path, percent-encoded.
fn segment(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// A multipart body read from its sources as it goes, with its length known beforehand.
struct Form {
    boundary: String,
    length: u64,
    reader: Box<dyn Read + Send>,
}

impl Form {
    fn new(parcel: &Parcel) -> Result<Self, Failure> {
        let mut random = [0; 16];
        // Drawn, not derived: whatever a file holds, it cannot hold this.
        SystemEntropy.fill(&mut random);
        let boundary = format!("cartulaire-{}", hex::encode(random));
        let head = |disposition: &str, media_type: &str| {
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\nContent-Type: {media_type}\r\n\r\n"
            )
        };
        let mut pieces = Pieces::default();
        pieces.text(head("name=\"description\"", "application/json"));
        pieces.bytes(parcel.manifest.clone());
        for (file, content) in parcel.description.files.iter().zip(&parcel.contents) {
            let disposition = format!("name=\"file\"; filename=\"{}\"", escape(&file.name));
            let media_type = file.media_type.as_deref().unwrap_or("application/octet-stream");
            pieces.text(format!("\r\n{}", head(&disposition, media_type)));
            pieces.content(content)?;
        }
        pieces.text(format!("\r\n--{boundary}--\r\n"));
        Ok(Self { boundary, length: pieces.length, reader: pieces.reader })
    }
}

/// A file name as browsers write it in a `Content-Disposition` (HTML, multipart/form-data encoding).
fn escape(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// Readers one after the other.
struct Pieces {
    length: u64,
    reader: Box<dyn Read + Send>,
}

impl Default for Pieces {
    fn default() -> Self {
        Self { length: 0, reader: Box::new(io::empty()) }
    }
}

impl Pieces {
    fn push(&mut self, length: u64, reader: impl Read + Send + 'static) {
        let before = std::mem::replace(&mut self.reader, Box::new(io::empty()));
        self.length += length;
        self.reader = Box::new(before.chain(reader));
    }

    fn bytes(&mut self, bytes: Vec<u8>) {
        self.push(bytes.len() as u64, Cursor::new(bytes));
    }

    fn text(&mut self, text: String) {
        self.bytes(text.into_bytes());
    }

    fn content(&mut self, content: &Content) -> Result<(), Failure> {
        match content {
            Content::Embedded(bytes) => self.push(bytes.len() as u64, Cursor::new(*bytes)),
            Content::Path(path, size) => {
                let file = File::open(path).map_err(Failure::file(path))?;
                // A file that grows meanwhile is cut, one that shrinks makes the server see a truncated body.
                self.push(*size, file.take(*size));
            }
        }
        Ok(())
    }
}

/// Hashes what passes through.
struct Hashing<'a> {
    out: &'a mut dyn Write,
    hasher: MultiHasher,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
