//! Proofs made and verified, and the time from a deposit's answer to its attested proof.

use std::io::Cursor;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cartulaire_audit::{Trust, bundle};
use cartulaire_engine::attest::{Authorities, Authority};
use cartulaire_engine::commit::Committed;
use cartulaire_engine::system::{SystemClock, SystemEntropy};
use cartulaire_formats::aip::ArchiveId;
use cartulaire_formats::layout::{EvidenceAlgorithm, SequenceNumber};
use cartulaire_formats::tsp::TrustAnchors;
use cartulaire_server::tsa::DevelopmentAuthority;

use crate::deposits::{Bench, TENANT};
use crate::options::Options;
use crate::payload::Payloads;
use crate::report::{Promise, Report, Row};
use crate::statistics::{Figure, Round};
use crate::workspace::{BenchError, Workspace};

/// Deposits whose proofs are made and verified.
const ARCHIVES: usize = 500;
/// Deposits whose way to the attested proof is timed.
const WAITS: usize = 40;
/// The seal's period in production.
const SEAL_PERIOD: Duration = Duration::from_secs(1);
/// Far beyond what attesting may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Measures both.
pub fn run(options: &Options, place: &Workspace, report: &mut Report) -> Result<(), BenchError> {
    let folder = place.folder()?;
    for name in ["secrets", "trust"] {
        std::fs::create_dir(folder.path().join(name))?;
    }
    let (authorities, anchors) = development(folder.path())?;
    let bench = Bench::open(folder.path(), authorities, SEAL_PERIOD)?;
    let payloads = Payloads::new(4 << 10);
    let waits = if options.quick { 3 } else { WAITS };
    latency(&bench, &payloads, waits, report)?;
    let mut archives = Vec::new();
    let mut last = SequenceNumber(0);
    for _ in 0..if options.quick { 20 } else { ARCHIVES } {
        let Committed::Deposit(deposit) = bench.deposit(&payloads)? else { continue };
        last = deposit.entry.seq;
        archives.push(deposit.descriptor.archive);
    }
    wait_attested(&bench, last)?;
    rates(options, &bench, &archives, &anchors, report)
}

fn development(folder: &std::path::Path) -> Result<(Authorities, TrustAnchors), BenchError> {
    let (secrets, trust) = (folder.join("secrets"), folder.join("trust"));
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let failed = |error| BenchError::Answer(format!("{error}"));
    DevelopmentAuthority::make(&secrets, &trust, &SystemClock, &SystemEntropy).map_err(failed)?;
    let authority = DevelopmentAuthority::open(&secrets, &trust, clock, entropy).map_err(failed)?;
    let anchors = TrustAnchors::new([authority.root()]).expect("a root that was just made");
    let authority = Authority {
        port: Arc::new(authority),
        anchors: Arc::new(anchors.clone()),
        policies: Vec::new(),
        qualified: false,
    };
    Ok((Authorities { sha256: vec![authority], sha512: Vec::new() }, anchors))
}

/// From the answer to the attested proof, one deposit at a time, at moments spread over the seal's period.
fn latency(bench: &Bench, payloads: &Payloads, waits: usize, report: &mut Report) -> Result<(), BenchError> {
    let mut took = Vec::new();
    for wait in 0..waits {
        std::thread::sleep(SEAL_PERIOD.mul_f64((wait * 7 % waits) as f64 / waits as f64));
        let Committed::Deposit(deposit) = bench.deposit(payloads)? else { continue };
        let answered = Instant::now();
        wait_attested(bench, deposit.entry.seq)?;
        took.push(answered.elapsed());
    }
    let round = Round::new(took, Duration::from_secs(1), Duration::ZERO);
    let case = "answer to attested".to_owned();
    for (bench, percent) in [("proof wait p50", 50.0), ("proof wait p99", 99.0)] {
        let value = Figure::of([round.percentile_ms(percent)]);
        // Two seconds is what the design promises at the default period.
        report.row(&Row::new(bench, case.clone(), "ms", value, Promise::STAMPED).against(2000.0, value.value / 2000.0));
    }
    Ok(())
}

fn wait_attested(bench: &Bench, seq: SequenceNumber) -> Result<(), BenchError> {
    let late = || BenchError::Answer("a proof was not attested in time".into());
    let is_sealed = bench.service.wait_until(PATIENCE, |m| m.sealed_size > seq.0);
    let sealed = bench.service.archive().index().seal_of(seq).map_err(cartulaire_engine::fault::Fault::from)?;
    let (true, Some((seal, _))) = (is_sealed, sealed) else { return Err(late()) };
    let attested = bench.service.wait_until(PATIENCE, |m| m.attested_seals > seal.0);
    attested.then_some(()).ok_or_else(late)
}

fn rates(
    options: &Options,
    bench: &Bench,
    archives: &[ArchiveId],
    anchors: &TrustAnchors,
    report: &mut Report,
) -> Result<(), BenchError> {
    let archive = bench.service.archive();
    let tenant = TENANT.parse().expect("a tenant's identifier");
    let (mut made, mut bundled, mut verified) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.rounds() {
        let began = Instant::now();
        let mut proofs = Vec::new();
        for id in archives {
            let proof = archive.proof(&tenant, id)?.expect("an archive that was just deposited");
            let record = proof.evidence_record(1, EvidenceAlgorithm::Sha256);
            assert!(record.is_some() && proof.tlog_proof().is_some(), "an attested archive has its evidence");
            proofs.push(proof);
        }
        made.push(archives.len() as f64 / began.elapsed().as_secs_f64());
        let began = Instant::now();
        let mut bundles = Vec::new();
        for proof in &proofs {
            let mut bytes = Vec::new();
            let written = archive.write_bundle(proof, &mut bytes);
            written.map_err(|error| BenchError::Answer(error.to_string()))?;
            bundles.push(bytes);
        }
        bundled.push(archives.len() as f64 / began.elapsed().as_secs_f64());
        let trust =
            Trust { anchors: Some(anchors.clone()), log_key: Some(archive.key().clone()), ..Trust::none(now()) };
        let began = Instant::now();
        for bytes in bundles {
            let verdict = bundle::verify_zip(Cursor::new(bytes), &trust);
            assert_eq!(verdict.exit_code(), 0, "{}", verdict.to_json());
        }
        verified.push(archives.len() as f64 / began.elapsed().as_secs_f64());
    }
    let case = format!("{} x 4 KiB", archives.len());
    for (name, values) in [("proofs made", made), ("bundles written", bundled), ("bundles verified", verified)] {
        report.row(&Row::new(name, case.clone(), "per s", Figure::of(values), Promise::STAMPED));
    }
    Ok(())
}

fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
