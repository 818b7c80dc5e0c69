//! What must hold of an archive after its process was killed. Every check panics with the place where it fails.

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use cartulaire_audit::source::Directory;
use cartulaire_audit::{Report, Trust, Verdict, bundle, site};
use cartulaire_engine::archive::Archive;
use cartulaire_engine::service::Service;
use cartulaire_formats::commit::Commit;
use cartulaire_formats::hash::Sha256Digest;
use cartulaire_formats::journal::TenantId;
use cartulaire_formats::layout::{self, CommitNumber};
use cartulaire_formats::tsp::TrustAnchors;
use cartulaire_formats::x509::certificates_from_pem;
use cartulaire_server::tsa::ROOT_CERTIFICATE;

use super::Home;
use super::acknowledged::Acknowledged;
use super::documents;

/// How long seals and tokens may take once nobody kills any more.
const ATTESTED_WITHIN: Duration = Duration::from_secs(60);

/// Checks that every acknowledged deposit is found under its transfer, with the receipt that was given and the bytes that
/// were deposited, each to the byte.
///
/// - Returns the receipts, in order.
///
/// # Panics
/// Naming the transfer that is missing or differs.
#[must_use]
pub fn deposits_stand(archive: &Archive, acknowledged: &[Acknowledged]) -> Vec<String> {
    acknowledged.iter().map(|deposit| deposit_stands(archive, deposit)).collect()
}

fn deposit_stands(archive: &Archive, deposit: &Acknowledged) -> String {
    let Acknowledged { tenant, transfer, archive: id, receipt } = deposit;
    let row = archive.index().transfer(tenant, transfer).expect("a sound index");
    assert_eq!(row.map(|row| row.archive), Some(*id), "{transfer} was acknowledged as this archive");
    let found = archive.find(tenant, id).expect("a sound store");
    let found = found.unwrap_or_else(|| panic!("{transfer} was acknowledged, and is not there"));
    let again = archive.receipt_of(tenant, id).expect("a sound store").expect("an archive has a receipt");
    assert_eq!(Sha256Digest::of(again.as_bytes()), *receipt, "{transfer}: the receipt that was given");
    for ((name, content), file) in documents::of(transfer).iter().zip(&found.descriptor.files) {
        assert_eq!(&file.name, name, "{transfer}");
        let mut read = Vec::with_capacity(content.len());
        let reader = archive.open_file(tenant, file).expect("a sound store");
        let take = |piece: bytes::Bytes| {
            read.extend_from_slice(&piece);
            true
        };
        reader.stream(&file.blake3, take).unwrap_or_else(|fault| panic!("{transfer}, {name}: {fault}"));
        assert!(read == *content, "{transfer}, {name}: other bytes than were deposited");
    }
    again
}

/// Checks that a deposit that was refused left nothing.
///
/// # Panics
/// If it is there.
pub fn nothing_of(archive: &Archive, tenant: &TenantId, transfer: &str) {
    let row = archive.index().transfer(tenant, transfer).expect("a sound index");
    assert_eq!(row.map(|row| row.archive), None, "{transfer} was refused with nothing changed");
}

/// Checks, with the site's files and the formats alone, that commits and entries are numbered without a gap and that each
/// commit names the one before.
///
/// - Returns how many commits and entries there are.
///
/// # Panics
/// Naming the commit where it breaks.
#[must_use]
pub fn journal_has_no_gap(site: &Path) -> (u64, u64) {
    let (mut number, mut entries, mut previous) = (CommitNumber(0), 0, None);
    while let Ok(bytes) = fs::read(site.join(layout::commit(number).as_str())) {
        let commit = Commit::parse(&bytes).unwrap_or_else(|error| panic!("commit {}: {error}", number.0));
        let trailer = &commit.trailer;
        let obtained = (trailer.commit, trailer.first.0, trailer.previous);
        assert_eq!(obtained, (number, entries, previous), "commit {}", number.0);
        for (entry, _) in &commit.entries {
            assert_eq!(entry.seq.0, entries, "commit {}", number.0);
            entries += 1;
        }
        previous = Some(commit.trailer_digest);
        number = number.next();
    }
    let files = count_files(&site.join("commits"));
    assert_eq!(files, number.0, "every file of commits/ is one of the {} numbered from 0", number.0);
    (number.0, entries)
}

fn count_files(folder: &Path) -> u64 {
    let count = |entry: fs::DirEntry| if entry.path().is_dir() { count_files(&entry.path()) } else { 1 };
    fs::read_dir(folder).expect("a folder of the site").map(|entry| count(entry.expect("a folder's entry"))).sum()
}

/// Waits until everything is sealed and attested, then exports the proof of every acknowledged deposit and has the
/// verifier judge it.
///
/// - Returns how many proofs were judged.
///
/// # Panics
/// Naming the transfer whose proof is missing or refused.
#[must_use]
pub fn proofs_hold(home: &Home, service: &Service, acknowledged: &[Acknowledged]) -> usize {
    let archive = service.archive();
    let trust = trust(home, archive);
    for deposit in acknowledged {
        let Acknowledged { tenant, transfer, archive: id, .. } = deposit;
        let found = archive.find(tenant, id).expect("a sound store").expect("it was found before");
        wait_attested(service, found.row.seq.0);
        let proof = archive.proof(tenant, id).unwrap_or_else(|fault| panic!("{transfer}: {fault}"));
        let mut zip = Vec::new();
        let written = archive.write_bundle(&proof.expect("it was found before"), &mut zip);
        written.unwrap_or_else(|error| panic!("{transfer}: {error}"));
        let report = bundle::verify_zip(Cursor::new(zip), &trust);
        assert_accepted(&report, transfer);
    }
    acknowledged.len()
}

/// Waits until an entry is under every token.
///
/// # Panics
/// If that takes more than a minute.
pub fn wait_attested(service: &Service, seq: u64) {
    let sealed = service.wait_until(ATTESTED_WITHIN, |milestones| milestones.sealed_size > seq);
    assert!(sealed, "entry {seq} is sealed in time");
    let seal = service.archive().index().seal_of(layout::SequenceNumber(seq)).expect("a sound index");
    let (seal, _) = seal.expect("a sealed entry has a seal");
    let attested = service.wait_until(ATTESTED_WITHIN, |milestones| milestones.attested_seals > seal.0);
    assert!(attested, "seal {} is attested in time", seal.0);
}

/// Audits the site against everything that was ever promised.
///
/// - `receipts`: every receipt that was given, as text.
///
/// # Panics
/// If the audit refutes any claim.
#[must_use]
pub fn site_is_accepted(home: &Home, trust: &Trust, receipts: Vec<String>) -> Report {
    let label = |(i, receipt): (usize, String)| (format!("receipt {i}"), receipt.into_bytes());
    let receipts = receipts.into_iter().enumerate().map(label).collect();
    let known = site::Known { checkpoints: Vec::new(), receipts };
    let report = site::audit(&Directory::new(home.site()), trust, &known, &mut |_| ());
    assert_accepted(&report, "the site");
    report
}

fn assert_accepted(report: &Report, what: &str) {
    assert_ne!(report.result, Verdict::NotProven, "{what}: {}", report.to_json());
}

/// Trusts the root that `init` made and the log's key, as an expert does who got both by another way.
///
/// # Panics
/// If the trust folder is not what `init` wrote.
#[must_use]
pub fn trust(home: &Home, archive: &Archive) -> Trust {
    let pem = fs::read_to_string(home.config().trust.join(ROOT_CERTIFICATE)).expect("init wrote the root");
    let root = certificates_from_pem(&pem).expect("PEM");
    let mut trust = Trust::none(jiff::Timestamp::now());
    trust.anchors = Some(TrustAnchors::new(root).expect("a root"));
    trust.log_key = Some(archive.key().clone());
    trust
}
