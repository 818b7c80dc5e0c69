//! Who deposits: a caller of the engine in its process, and one over HTTP, which has nothing but the bytes that came back.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use cartulaire_engine::admit::{Presented, PresentedFile};
use cartulaire_engine::commit::{Committed, Submission};
use cartulaire_engine::fault::Fault;
use cartulaire_engine::receive::Reception;
use cartulaire_engine::service::Service;
use cartulaire_formats::aip::ArchiveId;
use cartulaire_formats::hash::Sha256Digest;
use cartulaire_formats::journal::TenantId;
use cartulaire_formats::note::Note;
use cartulaire_formats::receipt::Receipt;

use super::acknowledged::{Acknowledged, Told};
use super::documents;

/// Deposits a transfer's documents in this process; a transfer that was deposited before gives its receipt again.
///
/// # Panics
/// If the deposit is rejected or a conflict: the documents follow from the transfer's name.
#[must_use]
pub fn deposit(service: &Service, tenant: &TenantId, transfer: &str) -> Told {
    match try_deposit(service, tenant, transfer) {
        Ok(acknowledged) => Told::Acknowledged(acknowledged),
        Err(Fault::Retry(_)) => Told::Refused(tenant.clone(), transfer.to_owned()),
        Err(_) => Told::Poisoned,
    }
}

fn try_deposit(service: &Service, tenant: &TenantId, transfer: &str) -> Result<Acknowledged, Fault> {
    let archive = service.archive();
    let admitted = archive.admit(presented(service, tenant, transfer)?)?.expect("an admissible deposit");
    let receipt = match service.submit_and_wait(Submission::Deposit(Box::new(admitted)))? {
        Committed::Deposit(deposit) => archive.receipt(&deposit)?,
        Committed::Replayed(id) => archive.receipt_of(tenant, &id)?.expect("what was deposited before is there"),
        other => panic!("{transfer}: {other:?}"),
    };
    Ok(acknowledged(receipt.as_bytes()).expect("the engine's receipts are notes"))
}

fn presented(service: &Service, tenant: &TenantId, transfer: &str) -> Result<Presented, Fault> {
    let mut files = Vec::new();
    for (name, content) in documents::of(transfer) {
        let mut reception = Reception::new(Arc::clone(service.archive()), false);
        content.chunks(100_000).try_for_each(|chunk| reception.write(chunk))?;
        files.push(PresentedFile {
            name,
            media_type: "application/octet-stream".into(),
            declared_sha256: None,
            declared_sha512: None,
            declared_size: Some(content.len() as u64),
            received: reception.finish()?,
        });
    }
    Ok(Presented {
        tenant: tenant.clone(),
        agent: "operator".into(),
        transfer: transfer.to_owned(),
        title: format!("Transfer {transfer}"),
        metadata: BTreeMap::new(),
        files,
        manifest: None,
    })
}

fn acknowledged(receipt: &[u8]) -> Option<Acknowledged> {
    let text = Note::parse(receipt).ok()?;
    let parsed = Receipt::parse(text.text()).ok()?;
    let archive: ArchiveId = parsed.archive;
    Some(Acknowledged { tenant: parsed.tenant, transfer: parsed.transfer, archive, receipt: Sha256Digest::of(receipt) })
}

/// A caller of the HTTP API, with its key.
#[derive(Debug, Clone)]
pub struct Client {
    /// Where the service listens.
    pub address: SocketAddr,
    /// An API key.
    pub key: String,
}

const BOUNDARY: &str = "limite";

impl Client {
    /// Deposits a transfer's documents; only a whole answer of 200 or 201 acknowledges.
    ///
    /// # Errors
    /// The connection's, also where it ends early: then nobody knows.
    ///
    /// # Panics
    /// On any other status: nothing but kills goes wrong here.
    pub fn deposit(&self, tenant: &TenantId, transfer: &str) -> io::Result<Acknowledged> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.write_all(&self.request(tenant, transfer))?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let (status, body) = whole_answer(&answer).ok_or(io::ErrorKind::UnexpectedEof)?;
        assert!(matches!(status, 200 | 201), "{transfer}: {status} {}", String::from_utf8_lossy(body));
        let body: serde_json::Value = serde_json::from_slice(body)?;
        let receipt = body["receipt"].as_str().ok_or(io::ErrorKind::InvalidData)?;
        acknowledged(receipt.as_bytes()).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn request(&self, tenant: &TenantId, transfer: &str) -> Vec<u8> {
        let mut body = part("name=\"description\"", format!("{{\"title\":\"Transfer {transfer}\"}}").as_bytes());
        for (name, content) in documents::of(transfer) {
            body.extend(part(&format!("name=\"file\"; filename=\"{name}\""), &content));
        }
        body.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
        let head = format!(
            "POST /v1/tenants/{tenant}/archives HTTP/1.1\r\nHost: archives.example\r\nConnection: close\r\n\
             Authorization: Bearer {}\r\nIdempotency-Key: {transfer}\r\nContent-Length: {}\r\n\
             Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n",
            self.key,
            body.len()
        );
        [head.into_bytes(), body].concat()
    }
}

fn part(disposition: &str, content: &[u8]) -> Vec<u8> {
    let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n");
    [head.as_bytes(), content, b"\r\n"].concat()
}

/// Status and body, if the body is as long as its head announces.
fn whole_answer(answer: &[u8]) -> Option<(u16, &[u8])> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?.to_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    let body = &answer[end + 4..];
    (length.parse() == Ok(body.len())).then_some((status, body))
}
