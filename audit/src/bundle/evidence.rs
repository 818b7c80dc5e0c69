//! The evidence: every object and the checkpoint lead to the digest that each token stamps.

use cartulaire_formats::bundle::{self, CHECKPOINT_BODY};
use cartulaire_formats::hash::Digests;
use cartulaire_formats::layout::EvidenceAlgorithm;
use cartulaire_formats::tsp::{MessageImprint, TimeStampToken};
use cartulaire_formats::x509::certificates_from_pem;
use jiff::Timestamp;

use super::Examination;
use super::deposit::{Deposit, Object};
use super::log::Log;
use crate::finding::{Fault, Place};
use crate::record::{self, Expected};
use crate::token;

/// How much younger than its token an entry may look: authorities cut their time to the second.
pub(crate) const CLOCK_TOLERANCE_MILLIS: i64 = 1_000;

/// Returns whether revocation is settled for every token.
pub(super) fn examine(exam: &mut Examination<'_>, deposit: &Deposit, log: &Log) -> bool {
    let mut settled = tree(exam, deposit, log, EvidenceAlgorithm::Sha256);
    // The second tree is there or not as a whole: its token says which.
    if exam.found(&bundle::token(EvidenceAlgorithm::Sha512)) {
        settled &= tree(exam, deposit, log, EvidenceAlgorithm::Sha512);
    }
    settled
}

fn tree(exam: &mut Examination<'_>, deposit: &Deposit, log: &Log, algorithm: EvidenceAlgorithm) -> bool {
    let name = bundle::token(algorithm);
    let token = exam.file(&name);
    certificates(exam, algorithm, token.as_deref());
    let Some(token) = token else { return false };
    let mut imprint = checkpoint_record(exam, algorithm, &token);
    for (position, object) in deposit.objects.iter().enumerate() {
        if algorithm == EvidenceAlgorithm::Sha256 || object.in_sha512_tree {
            imprint = object_record(exam, algorithm, &token, position, object).or(imprint);
        }
    }
    // Where no record leads anywhere, the token is still judged, by its own imprint.
    let own = || TimeStampToken::parse(&token).ok().and_then(|t| t.tst_info().imprint.message_imprint());
    let Some(imprint) = imprint.or_else(own) else {
        exam.findings.add(Fault::TokenCheck, Place::member(name, "structure"));
        return false;
    };
    stamp(exam, log, &name, &token, imprint)
}

fn stamp(exam: &mut Examination<'_>, log: &Log, name: &str, token: &[u8], imprint: MessageImprint) -> bool {
    let place = Place::object(name);
    let Some(stamp) = token::verify(token, imprint, exam.trust, &place, &mut exam.findings) else { return false };
    exam.facts.counts.tokens += 1;
    if log.youngest.is_some_and(|time| is_after(time.unix_millis(), stamp.gen_time)) {
        exam.findings.add(Fault::ClockAhead, place);
    }
    exam.facts.time_stamps.push(stamp.fact);
    stamp.revocation_settled
}

/// Whether a time of ours, in milliseconds since 1970, is after a token's beyond [`CLOCK_TOLERANCE_MILLIS`].
pub(crate) fn is_after(millis: i64, token: Timestamp) -> bool {
    millis > token.as_millisecond().saturating_add(CLOCK_TOLERANCE_MILLIS)
}

fn checkpoint_record(exam: &mut Examination<'_>, algorithm: EvidenceAlgorithm, token: &[u8]) -> Option<MessageImprint> {
    let name = bundle::checkpoint_record(algorithm);
    let record = exam.file(&name)?;
    let digest = digest_of(exam.digests.get(CHECKPOINT_BODY)?, algorithm)?;
    let expected = Expected { algorithm, digest, blind: None, token };
    record::verify(&record, &expected, &Place::object(name), &mut exam.findings)
}

fn object_record(
    exam: &mut Examination<'_>,
    algorithm: EvidenceAlgorithm,
    token: &[u8],
    position: usize,
    object: &Object,
) -> Option<MessageImprint> {
    let name = bundle::record(position, algorithm);
    let record = exam.file(&name)?;
    let (digests, blind) = (object.digests.as_ref()?, object.blind?);
    if digests.size == 2 * algorithm.digest_len() as u64 {
        exam.findings.add(Fault::NodeLength, Place::object(&object.name));
    }
    let blind = match algorithm {
        EvidenceAlgorithm::Sha256 => blind.0.to_vec(),
        EvidenceAlgorithm::Sha512 => blind.for_sha512().0.to_vec(),
    };
    let digest = digest_of(digests, algorithm)?;
    let expected = Expected { algorithm, digest, blind: Some(blind), token };
    record::verify(&record, &expected, &Place::object(name), &mut exam.findings)
}

fn digest_of(digests: &Digests, algorithm: EvidenceAlgorithm) -> Option<Vec<u8>> {
    match algorithm {
        EvidenceAlgorithm::Sha256 => Some(digests.sha256.0.to_vec()),
        EvidenceAlgorithm::Sha512 => digests.sha512.map(|d| d.0.to_vec()),
    }
}

fn certificates(exam: &mut Examination<'_>, algorithm: EvidenceAlgorithm, token: Option<&[u8]>) {
    let name = bundle::token_certificates(algorithm);
    let Some(pem) = exam.file(&name) else { return };
    let Some(token) = token.and_then(|token| TimeStampToken::parse(token).ok()) else { return };
    let beside = std::str::from_utf8(&pem).ok().and_then(|text| certificates_from_pem(text).ok());
    let inside = token.certificates().unwrap_or_default();
    if beside.is_none_or(|beside| beside != inside) {
        exam.findings.add(Fault::CertificatesDiffer, Place::object(name));
    }
}
