//! Deposits in process, through [`Service`], against the limit of the machine.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cartulaire_engine::admit::{Presented, PresentedFile};
use cartulaire_engine::archive::{Archive, Ports};
use cartulaire_engine::attest::Authorities;
use cartulaire_engine::commit::{Committed, Event, Submission};
use cartulaire_engine::ports::{SignError, Signer};
use cartulaire_engine::receive::Reception;
use cartulaire_engine::service::Service;
use cartulaire_engine::sites::{Site, Sites};
use cartulaire_engine::store::LocalStore;
use cartulaire_engine::system::{SystemClock, SystemEntropy};
use cartulaire_formats::journal::{EventType, Outcome, TenantId};
use ed25519_dalek::{Signer as _, SigningKey};

use crate::closed_loop::closed_loop;
use crate::options::Options;
use crate::payload::Payloads;
use crate::raw;
use crate::report::{Promise, Report, Row};
use crate::statistics::{Figure, Round};
use crate::workspace::{BenchError, Workspace};

/// The tenant that deposits.
pub const TENANT: &str = "rennes";

/// Measures every number of depositors with every size.
pub fn run(options: &Options, place: &Workspace, report: &mut Report) -> Result<(), BenchError> {
    for size_kib in options.sizes_kib() {
        for depositors in options.depositors() {
            measure(options, place, report, *depositors, *size_kib)?;
        }
    }
    Ok(())
}

fn measure(
    options: &Options,
    place: &Workspace,
    report: &mut Report,
    depositors: usize,
    size_kib: usize,
) -> Result<(), BenchError> {
    let (mut limits, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds() {
        let payloads = Payloads::new(size_kib << 10);
        limits.push(raw::round(place, &payloads, depositors, options.round())?);
        ours.push(round(place, &payloads, depositors, options.round())?);
    }
    let case = format!("{depositors} x {size_kib} KiB");
    let rates = |rounds: &[Round]| Figure::of(rounds.iter().map(|r| r.rate));
    let limit = rates(&limits);
    report.row(&Row::new("raw limit", case.clone(), "deposits/s", limit, Promise::DURABLE));
    let ratio = Figure::of(ours.iter().zip(&limits).map(|(o, l)| o.rate / l.rate));
    let row = Row::new("in process", case.clone(), "deposits/s", rates(&ours), Promise::COMMITTED);
    report.row(&row.against(limit.value, ratio.value));
    let cpu = |rounds: &[Round]| Figure::of(rounds.iter().map(|r| r.cpu_us));
    let (value, least) = (cpu(&ours), cpu(&limits));
    let row = Row::new("in process cpu", case.clone(), "us/deposit", value, Promise::COMMITTED);
    report.row(&row.against(least.value, value.value / least.value));
    for (bench, percent) in [("in process p50", 50.0), ("in process p99", 99.0)] {
        let at = |rounds: &[Round]| Figure::of(rounds.iter().map(|r| r.percentile_ms(percent)));
        let (value, limit) = (at(&ours), at(&limits));
        let row = Row::new(bench, case.clone(), "ms", value, Promise::COMMITTED);
        report.row(&row.against(limit.value, value.value / limit.value));
    }
    Ok(())
}

/// The product's default: sealing goes on while deposits are measured.
const SEAL_PERIOD: Duration = Duration::from_secs(1);

/// One round in process.
pub fn round(place: &Workspace, payloads: &Payloads, depositors: usize, length: Duration) -> Result<Round, BenchError> {
    let folder = place.folder()?;
    let bench = Bench::open(folder.path(), Authorities::default(), SEAL_PERIOD)?;
    closed_loop(depositors, length, || bench.deposit(payloads).map(drop))
}

/// An archive in a folder, served, with one tenant.
pub struct Bench {
    /// The running engine.
    pub service: Arc<Service>,
    tenant: TenantId,
    transfers: AtomicU64,
}

impl Bench {
    /// A new archive on a local store in `folder`.
    pub fn open(folder: &Path, authorities: Authorities, seal_period: Duration) -> Result<Self, BenchError> {
        let store = LocalStore::make(&folder.join("site"))?;
        let ports = Ports {
            sites: Sites::new(Site { name: "local".into(), store: Arc::new(store) }, Vec::new()),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            signer: Arc::new(FixedSigner(SigningKey::from_bytes(&[9; 32]))),
            authorities,
        };
        let (archive, writers) = Archive::open(ports, &folder.join("index"), &mut |_| ())?;
        let service = Arc::new(Service::start(archive, writers, seal_period));
        let tenant: TenantId = TENANT.parse().expect("a tenant's identifier");
        let event = Event {
            tenant: tenant.clone(),
            agent: "operator".into(),
            subject: format!("tenant:{TENANT}"),
            event: EventType::TenantCreated,
            outcome: Outcome::Success,
            facts: BTreeMap::new(),
            details: vec![Bytes::from_static(b"{}")],
        };
        service.submit_and_wait(Submission::Event(event))?;
        Ok(Self { service, tenant, transfers: AtomicU64::new(0) })
    }

    /// One deposit of one document, from its first byte to its signed receipt.
    pub fn deposit(&self, payloads: &Payloads) -> Result<Committed, BenchError> {
        let (stamp, rest) = payloads.next();
        let archive = self.service.archive();
        let mut reception = Reception::new(Arc::clone(archive), false);
        let io = |e| BenchError::Engine(cartulaire_engine::fault::Fault::from(e));
        reception.write(&stamp).map_err(io)?;
        reception.write(rest).map_err(io)?;
        let file = PresentedFile {
            name: "document.pdf".into(),
            media_type: "application/pdf".into(),
            declared_sha256: None,
            declared_sha512: None,
            declared_size: None,
            received: reception.finish().map_err(io)?,
        };
        let admitted = archive.admit(Presented {
            tenant: self.tenant.clone(),
            agent: "key:bench".into(),
            transfer: format!("T-{}", self.transfers.fetch_add(1, Ordering::Relaxed)),
            title: "A document".into(),
            metadata: BTreeMap::new(),
            files: vec![file],
            manifest: None,
        })?;
        let admitted = admitted.expect("the bench deposits what is admissible");
        let committed = self.service.submit_and_wait(Submission::Deposit(Box::new(admitted)))?;
        if let Committed::Deposit(deposit) = &committed {
            archive.receipt(deposit)?;
        }
        Ok(committed)
    }
}

/// A key in memory, as the server holds it.
struct FixedSigner(SigningKey);

impl Signer for FixedSigner {
    fn name(&self) -> &str {
        "bench.example/log"
    }

    fn public_key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        Ok(self.0.sign(message).to_bytes())
    }
}
