//! A real engine over folders, and a time-stamp authority that signs for real.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use cartulaire_engine::admit::{Presented, PresentedFile};
use cartulaire_engine::archive::{Archive, Ports, Writers};
use cartulaire_engine::attest::{self, Authorities};
use cartulaire_engine::commit::{Committed, Event, Submission};
use cartulaire_engine::ports::{AuthorityError, Entropy, SignError, Signer, TimeStampAuthority};
use cartulaire_engine::prove::Proof;
use cartulaire_engine::receive::Reception;
use cartulaire_engine::sites::{Site, Sites};
use cartulaire_engine::store::LocalStore;
use cartulaire_engine::system::SystemClock;
use cartulaire_formats::aip::ArchiveId;
use cartulaire_formats::bundle::DEVELOPMENT_POLICY;
use cartulaire_formats::hash::Sha256Digest;
use cartulaire_formats::journal::{EventType, Outcome, TenantId};
use cartulaire_formats::layout::{EvidenceAlgorithm, SealNumber};
use cartulaire_formats::tsp::{self, TimeStampRequest, TokenSigner, TokenTerms, TrustAnchors};
use cartulaire_formats::x509::{CertificateKind, DistinguishedName, NewCertificate, SerialNumber, certificate_to_pem};
use ed25519_dalek::Signer as _;
use jiff::{SignedDuration, Timestamp};
use p256::ecdsa::{DerSignature, SigningKey};

pub const TENANT: &str = "kerlouan";

/// Unpredictable enough for tests, and never the same twice.
struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let digest = Sha256Digest::of(&self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes());
            chunk.copy_from_slice(&digest.0[..chunk.len()]);
        }
    }
}

struct LogKey(ed25519_dalek::SigningKey);

impl Signer for LogKey {
    fn name(&self) -> &str {
        "archives.example/sae1"
    }

    fn public_key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        Ok(self.0.sign(message).to_bytes())
    }
}

/// An authority with a root and a unit of its own.
pub struct Authority {
    unit: SigningKey,
    certificate: Vec<u8>,
    pub root: Vec<u8>,
}

fn sign(key: &SigningKey, octets: &[u8]) -> Result<Vec<u8>, Infallible> {
    let signature: DerSignature = key.sign(octets);
    Ok(signature.as_bytes().to_vec())
}

impl Authority {
    pub fn new(seed: u8) -> Self {
        let key = |n: u8| SigningKey::from_slice(&[n; 32]).expect("a scalar below the order");
        let (ca, unit) = (key(seed), key(seed + 1));
        let name = |text: &str| DistinguishedName::new("FR", "Essai", text).expect("a name");
        let public = |key: &SigningKey| -> [u8; 65] {
            key.verifying_key().to_sec1_point(false).as_bytes().try_into().expect("65 bytes")
        };
        let certify = |serial: u8, subject: &str, key: &SigningKey, kind| {
            let now = Timestamp::now();
            let new = NewCertificate {
                serial: &SerialNumber::from_magnitude(&[serial]).expect("positive"),
                issuer: &name("Racine d'essai"),
                issuer_key: &public(&ca),
                subject: &name(subject),
                public_key: &public(key),
                not_before: now - SignedDuration::from_hours(1),
                not_after: now + SignedDuration::from_hours(24 * 365),
                kind,
            };
            let Ok(der) = new.build(|octets| sign(&ca, octets));
            der
        };
        let root = certify(1, "Racine d'essai", &ca, CertificateKind::Root);
        let certificate = certify(2, "Horodatage d'essai", &unit, CertificateKind::TimeStampingUnit);
        Self { unit, certificate, root }
    }
}

impl TimeStampAuthority for Authority {
    fn name(&self) -> &str {
        "test"
    }

    fn ask(&self, request: &[u8]) -> Result<Vec<u8>, AuthorityError> {
        let request = TimeStampRequest::parse(request).expect("a request");
        let terms = TokenTerms {
            policy: DEVELOPMENT_POLICY.parse().expect("a policy"),
            serial: SerialNumber::from_magnitude(&[9]).expect("positive"),
            gen_time: Timestamp::now(),
            accuracy: None,
        };
        let signer = TokenSigner { certificate: &self.certificate, issuers: &[&self.root] };
        Ok(tsp::issue(&request, &terms, &signer, |octets| sign(&self.unit, octets)).expect("a token"))
    }
}

/// An archive in a temporary folder.
pub struct Rig {
    pub folder: tempfile::TempDir,
    pub archive: Arc<Archive>,
    pub writers: Writers,
    pub authorities: [Arc<Authority>; 2],
    with_sha512: bool,
}

pub type File = (String, Vec<u8>);

pub fn file(name: &str, content: impl Into<Vec<u8>>) -> File {
    (name.to_owned(), content.into())
}

pub fn tenant() -> TenantId {
    TENANT.parse().expect("a tenant")
}

fn open(folder: &Path, authorities: &[Arc<Authority>; 2], with_sha512: bool, seed: u64) -> (Arc<Archive>, Writers) {
    let store = LocalStore::make(&folder.join("site")).expect("a site");
    let [first, second] = authorities.clone().map(|authority| attest::Authority {
        anchors: Arc::new(TrustAnchors::new([&authority.root]).expect("a root")),
        port: authority,
        policies: Vec::new(),
        qualified: false,
    });
    let ports = Ports {
        sites: Sites::new(Site { name: "site".into(), store: Arc::new(store) }, Vec::new()),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(Counting(AtomicU64::new(seed))),
        signer: Arc::new(LogKey(ed25519_dalek::SigningKey::from_bytes(&[1; 32]))),
        authorities: Authorities { sha256: vec![first], sha512: if with_sha512 { vec![second] } else { Vec::new() } },
    };
    Archive::open(ports, &folder.join("index"), &mut |_| ()).expect("an archive")
}

impl Rig {
    pub fn new(with_sha512: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let authorities = [Arc::new(Authority::new(1)), Arc::new(Authority::new(11))];
        let (archive, mut writers) = open(folder.path(), &authorities, with_sha512, 0);
        let created = Event {
            tenant: tenant(),
            agent: "operator".into(),
            subject: format!("tenant:{TENANT}"),
            event: EventType::TenantCreated,
            outcome: Outcome::Success,
            facts: BTreeMap::new(),
            details: vec![Bytes::from_static(b"{\"id\":\"kerlouan\"}")],
        };
        writers.committer.commit(vec![Submission::Event(created)]).expect("a tenant");
        Self { folder, archive, writers, authorities, with_sha512 }
    }

    /// Closes the archive, throws the index away and opens it again.
    pub fn rebuilt(self) -> Self {
        let Self { folder, archive, writers, authorities, with_sha512 } = self;
        drop((archive, writers));
        std::fs::remove_dir_all(folder.path().join("index")).expect("an index");
        let (archive, writers) = open(folder.path(), &authorities, with_sha512, 1 << 32);
        Self { folder, archive, writers, authorities, with_sha512 }
    }

    fn received(&self, name: &str, content: &[u8]) -> PresentedFile {
        let mut reception = Reception::new(Arc::clone(&self.archive), false);
        content.chunks(1 << 16).for_each(|chunk| reception.write(chunk).expect("room"));
        PresentedFile {
            name: name.into(),
            media_type: "text/plain; charset=\"utf-8\"".into(),
            declared_sha256: None,
            declared_sha512: None,
            declared_size: None,
            received: reception.finish().expect("room"),
        }
    }

    pub fn deposit(&mut self, transfer: &str, files: &[File], manifest: Option<&[u8]>) -> ArchiveId {
        let presented = Presented {
            tenant: tenant(),
            agent: "key:essai".into(),
            transfer: transfer.into(),
            title: format!("Délibération « {transfer} » {{size}} \"}},{{\"blake3\":\""),
            metadata: BTreeMap::from([("objet".to_owned(), "],\"metadata\":{".to_owned())]),
            files: files.iter().map(|(name, content)| self.received(name, content)).collect(),
            manifest: manifest.map(|content| self.received("versement.json", content)),
        };
        let admitted = self.archive.admit(presented).expect("no fault").expect("admissible");
        let submission = Submission::Deposit(Box::new(admitted));
        let committed = self.writers.committer.commit(vec![submission]).expect("a commit").pop();
        let Some(Committed::Deposit(deposit)) = committed else { panic!("a new deposit") };
        deposit.descriptor.archive
    }

    /// An entry about an archive, as when it is read.
    pub fn read_event(&mut self, archive: &ArchiveId) {
        let event = Event {
            tenant: tenant(),
            agent: "key:essai".into(),
            subject: format!("archive:{archive}"),
            event: EventType::Read,
            outcome: Outcome::Success,
            facts: BTreeMap::new(),
            details: Vec::new(),
        };
        self.writers.committer.commit(vec![Submission::Event(event)]).expect("a commit");
    }

    pub fn seal(&mut self) -> SealNumber {
        self.writers.sealer.seal().expect("a seal").expect("something to seal").seal
    }

    pub fn attest(&mut self, seal: SealNumber, algorithm: EvidenceAlgorithm) {
        let event = self.writers.attester.attest(seal, algorithm).expect("a token");
        self.writers.committer.commit(vec![Submission::Event(event)]).expect("a commit");
    }

    pub fn seal_and_attest(&mut self) {
        let seal = self.seal();
        self.attest(seal, EvidenceAlgorithm::Sha256);
        if self.with_sha512 {
            self.attest(seal, EvidenceAlgorithm::Sha512);
        }
    }

    pub fn proof(&self, archive: &ArchiveId) -> Proof {
        self.archive.proof(&tenant(), archive).expect("no fault").expect("an archive")
    }

    pub fn zip(&self, archive: &ArchiveId) -> Vec<u8> {
        let mut out = Vec::new();
        self.archive.write_bundle(&self.proof(archive), &mut out).expect("a bundle");
        out
    }

    /// The bundle as a folder.
    pub fn bundle(&self, archive: &ArchiveId) -> PathBuf {
        let folder = self.folder.path().join(format!("bundle {archive}"));
        self.archive.write_bundle_folder(&self.proof(archive), &folder).expect("a bundle");
        folder
    }

    /// The trust root and the log's key, as a reader gets them elsewhere.
    pub fn trust(&self) -> [PathBuf; 2] {
        let paths = ["racine d'essai.pem", "log.pub.pem"].map(|name| self.folder.path().join(name));
        std::fs::write(&paths[0], certificate_to_pem(&self.authorities[0].root)).expect("room");
        std::fs::write(&paths[1], self.archive.key().to_pem()).expect("room");
        paths
    }
}

/// Whether the tools of `verifier.sh` are here; says so if not.
pub fn tools() -> bool {
    let missing: Vec<&str> =
        ["openssl", "xxd", "sha256sum", "sha512sum", "dash"].into_iter().filter(|t| !has(t)).collect();
    if !missing.is_empty() {
        eprintln!("SKIPPED: not installed: {}", missing.join(", "));
    }
    missing.is_empty()
}

fn has(tool: &str) -> bool {
    Command::new("sh").args(["-c", &format!("command -v {tool}")]).output().is_ok_and(|out| out.status.success())
}

/// Runs `verifier.sh` of a bundle and returns its exit code and what it printed.
pub fn verify(bundle: &Path, trust: &[PathBuf]) -> (Option<i32>, String) {
    let mut command = Command::new("dash");
    command.arg(bundle.join("data/verifier.sh")).args(trust);
    text(command.output().expect("dash"))
}

pub fn text(output: Output) -> (Option<i32>, String) {
    let both = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&both).into_owned())
}
