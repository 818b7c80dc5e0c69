//! The embedded development authority: real RFC 3161 tokens that prove nothing to a third party.
//!
//! It lets a fresh archive seal, attest and prove in one go. Whoever holds the archive holds its keys, so its word on
//! the time is the operator's own: **not qualified**, and every proof and every screen says so. The certificate's own
//! names say it too.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cartulaire_engine::ports::{AuthorityError, Clock, Entropy, TimeStampAuthority};
use cartulaire_formats::bundle::DEVELOPMENT_POLICY;
use cartulaire_formats::der::ObjectIdentifier;
use cartulaire_formats::tsp::{self, Accuracy, FailInfo, IssueError, TimeStampRequest, TokenSigner, TokenTerms};
use cartulaire_formats::x509::{
    CertificateKind, DistinguishedName, NewCertificate, SerialNumber, certificate_to_pem, certificates_from_pem,
};
use jiff::Timestamp;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};

use crate::secrets::{self, DEVELOPMENT_CA_KEY, DEVELOPMENT_TSU_KEY, SecretError};

/// The root's certificate in the trust folder: what verifiers are given.
pub const ROOT_CERTIFICATE: &str = "root.pem";
/// The time-stamping unit's certificate in the trust folder; it is in every token too.
pub const UNIT_CERTIFICATE: &str = "development-tsu.pem";

/// What the certificates are called, in words that no reader takes for a qualified service.
const ORGANIZATION: &str = "Cartulaire, NON QUALIFIÉ / NOT QUALIFIED";
const ROOT_NAME: &str = "Racine de développement / Development root";
const UNIT_NAME: &str = "Horodatage de développement / Development TSU";

/// How long its certificates hold: as long as the proofs of a trial may be looked at.
const YEARS: i64 = 20;
/// Seconds in a year, on average.
const YEAR_SECONDS: i64 = 31_556_952;

/// Bytes of a certificate's or token's serial number, drawn at random.
const SERIAL_BYTES: usize = 16;

/// Why the development authority cannot be made or opened. French: operators read it.
#[derive(Debug, thiserror::Error)]
pub enum DevelopmentError {
    /// A key cannot be made or read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A certificate cannot be read.
    #[error("{} : certificat de l’autorité de développement illisible.\n  « cartulaire init DOSSIER » le crée ; sinon mettez development = [] et donnez une autorité réelle.", .0.display())]
    Certificate(PathBuf),
    /// A certificate cannot be written.
    #[error("{} : impossible d’écrire le certificat ({source}).", .path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

/// The embedded development authority.
pub struct DevelopmentAuthority {
    key: SigningKey,
    certificate: Vec<u8>,
    root: Vec<u8>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl DevelopmentAuthority {
    /// Its name in journals, logs and screens: it says what it is.
    pub const NAME: &str = "development-not-qualified";

    /// Makes the keys and certificates of a new development authority, durably.
    ///
    /// - `secrets`, `trust`: existing folders.
    ///
    /// # Errors
    /// [`DevelopmentError`]; keys that exist are never overwritten.
    pub fn make(
        secrets: &Path,
        trust: &Path,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Result<(), DevelopmentError> {
        let ca = SigningKey::from(secrets::make_p256(&secrets.join(DEVELOPMENT_CA_KEY), entropy)?);
        let unit = SigningKey::from(secrets::make_p256(&secrets.join(DEVELOPMENT_TSU_KEY), entropy)?);
        let certify = Certify { ca: &ca, not_before: instant(clock), entropy };
        let root = certify.certificate(ROOT_NAME, &ca, CertificateKind::Root);
        let tsu = certify.certificate(UNIT_NAME, &unit, CertificateKind::TimeStampingUnit);
        write_certificate(&trust.join(ROOT_CERTIFICATE), &root)?;
        write_certificate(&trust.join(UNIT_CERTIFICATE), &tsu)
    }

    /// Opens a development authority.
    ///
    /// # Errors
    /// [`DevelopmentError::Secret`], [`DevelopmentError::Certificate`].
    pub fn open(
        secrets: &Path,
        trust: &Path,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, DevelopmentError> {
        let key = SigningKey::from(secrets::open_p256(&secrets.join(DEVELOPMENT_TSU_KEY))?);
        let root = read_certificate(&trust.join(ROOT_CERTIFICATE))?;
        let certificate = read_certificate(&trust.join(UNIT_CERTIFICATE))?;
        Ok(Self { key, certificate, root, clock, entropy })
    }

    /// The root's certificate as DER.
    #[must_use]
    pub fn root(&self) -> &[u8] {
        &self.root
    }

    fn issue(&self, request: &TimeStampRequest) -> Result<Vec<u8>, FailInfo> {
        let terms = TokenTerms {
            policy: policy(),
            serial: serial(&*self.entropy),
            gen_time: instant(&*self.clock),
            accuracy: Accuracy::new(1, 0, 0).ok(),
        };
        let signer = TokenSigner { certificate: &self.certificate, issuers: &[&self.root] };
        let sign = |octets: &[u8]| Ok::<_, std::convert::Infallible>(signature(&self.key, octets));
        tsp::issue(request, &terms, &signer, sign).map_err(|error| match error {
            IssueError::Policy => FailInfo::UnacceptedPolicy,
            IssueError::Certificate(_) => FailInfo::SystemFailure,
            IssueError::Sign(never) => match never {},
        })
    }
}

impl TimeStampAuthority for DevelopmentAuthority {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn ask(&self, request: &[u8]) -> Result<Vec<u8>, AuthorityError> {
        let answer = match TimeStampRequest::parse(request) {
            Ok(request) => self.issue(&request),
            Err(error) => Err(error.fail_info()),
        };
        Ok(answer.unwrap_or_else(|reason| tsp::reject(reason, "development authority, not qualified")))
    }
}

/// A root that certifies.
struct Certify<'a> {
    ca: &'a SigningKey,
    not_before: Timestamp,
    entropy: &'a dyn Entropy,
}

impl Certify<'_> {
    fn certificate(&self, subject: &str, key: &SigningKey, kind: CertificateKind) -> Vec<u8> {
        let seconds = jiff::SignedDuration::from_secs(YEARS * YEAR_SECONDS);
        let new = NewCertificate {
            serial: &serial(self.entropy),
            issuer: &name(ROOT_NAME),
            issuer_key: &public_key(self.ca),
            subject: &name(subject),
            public_key: &public_key(key),
            not_before: self.not_before,
            not_after: self.not_before.checked_add(seconds).unwrap_or(self.not_before),
            kind,
        };
        let signed: Result<_, std::convert::Infallible> = new.build(|octets| Ok(signature(self.ca, octets)));
        match signed {
            Ok(der) => der,
            Err(never) => match never {},
        }
    }
}

fn name(common: &str) -> DistinguishedName {
    DistinguishedName::new("FR", ORGANIZATION, common).expect("the names above have 1 to 64 characters")
}

fn policy() -> ObjectIdentifier {
    DEVELOPMENT_POLICY.parse().expect("the policy above is dotted decimal")
}

fn public_key(key: &SigningKey) -> [u8; 65] {
    let point = key.verifying_key().to_sec1_point(false);
    point.as_bytes().try_into().expect("an uncompressed P-256 point has 65 bytes")
}

/// ECDSA with SHA-256, deterministic (RFC 6979), as DER.
fn signature(key: &SigningKey, octets: &[u8]) -> Vec<u8> {
    let signature: DerSignature = key.sign(octets);
    signature.as_bytes().to_vec()
}

fn serial(entropy: &dyn Entropy) -> SerialNumber {
    let mut magnitude = [0; SERIAL_BYTES];
    entropy.fill(&mut magnitude);
    // Positive and never zero, whatever was drawn.
    magnitude[0] = magnitude[0] & 0x7f | 0x40;
    SerialNumber::from_magnitude(&magnitude).expect("16 bytes with a leading 01 bit are a positive INTEGER")
}

fn instant(clock: &dyn Clock) -> Timestamp {
    Timestamp::from_millisecond(clock.now().unix_millis()).expect("the archive's clock ends before jiff's does")
}

fn write_certificate(path: &Path, der: &[u8]) -> Result<(), DevelopmentError> {
    let written = secrets::write_durably(path, certificate_to_pem(der).as_bytes(), 0o644);
    written.map_err(|source| DevelopmentError::Unwritable { path: path.to_owned(), source })
}

fn read_certificate(path: &Path) -> Result<Vec<u8>, DevelopmentError> {
    let unusable = || DevelopmentError::Certificate(path.to_owned());
    let text = std::fs::read_to_string(path).map_err(|_| unusable())?;
    let mut certificates = certificates_from_pem(&text).map_err(|_| unusable())?;
    if certificates.len() == 1 { Ok(certificates.remove(0)) } else { Err(unusable()) }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use cartulaire_engine::system::{SystemClock, SystemEntropy};
    use cartulaire_formats::cms::HashAlgorithm;
    use cartulaire_formats::tsp::{
        AlgorithmPolicy, IngestContext, MessageImprint, Nonce, PkiStatus, TimeStampResponse, Trust, TrustAnchors,
        verify_response,
    };
    use jiff::SignedDuration;

    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            DevelopmentAuthority::make(folder.path(), folder.path(), &SystemClock, &SystemEntropy).unwrap();
            Self(folder)
        }

        fn open(&self) -> Result<DevelopmentAuthority, DevelopmentError> {
            let path = self.0.path();
            DevelopmentAuthority::open(path, path, Arc::new(SystemClock), Arc::new(SystemEntropy))
        }
    }

    fn request(hash: HashAlgorithm, policy: Option<&str>) -> TimeStampRequest {
        let imprint = MessageImprint::new(hash, &hash.digest(&[b"root"])).unwrap();
        TimeStampRequest::new(imprint, policy.map(|p| p.parse().unwrap()), Nonce::new(NonZeroU64::new(7).unwrap()))
    }

    #[test]
    fn its_tokens_pass_every_check_under_its_own_root() {
        let authority = Folder::new().open().unwrap();
        let anchors = TrustAnchors::new([authority.root()]).unwrap();
        let policies = [policy()];
        for hash in [HashAlgorithm::Sha256, HashAlgorithm::Sha512] {
            let request = request(hash, None);
            let sent_at = Timestamp::now();
            let answer = authority.ask(&request.to_der()).unwrap();
            let context = IngestContext {
                trust: Trust {
                    anchors: &anchors,
                    certificates: &[],
                    revocation_lists: &[],
                    policies: Some(&policies),
                    algorithms: &AlgorithmPolicy::ets_119_312(),
                    trusted_list: None,
                },
                request: &request,
                sent_at,
                received_at: Timestamp::now(),
                window: SignedDuration::from_secs(5),
                clock_tolerance: SignedDuration::from_secs(1),
            };
            verify_response(&answer, &context).unwrap();
        }
    }

    #[test]
    fn what_it_cannot_stamp_it_rejects_with_the_reason() {
        let authority = Folder::new().open().unwrap();
        let status = |request: &[u8]| {
            let answer = authority.ask(request).unwrap();
            let status = TimeStampResponse::parse(&answer).unwrap().status;
            (status.status, status.fail_info)
        };
        let other_policy = request(HashAlgorithm::Sha256, Some("1.2.3")).to_der();
        assert_eq!(status(&other_policy), (PkiStatus::Rejection, vec![FailInfo::UnacceptedPolicy]));
        assert_eq!(status(b"garbage"), (PkiStatus::Rejection, vec![FailInfo::BadDataFormat]));
    }

    #[test]
    fn keys_and_certificates_that_are_missing_or_spoilt_are_refused() {
        let folder = Folder::new();
        let path = folder.0.path();
        let again = DevelopmentAuthority::make(path, path, &SystemClock, &SystemEntropy);
        assert!(
            matches!(again, Err(DevelopmentError::Secret(SecretError::Exists(p))) if p == path.join(DEVELOPMENT_CA_KEY))
        );
        std::fs::write(path.join(UNIT_CERTIFICATE), "garbage").unwrap();
        assert!(
            matches!(folder.open().err(), Some(DevelopmentError::Certificate(p)) if p == path.join(UNIT_CERTIFICATE))
        );
        std::fs::remove_file(path.join(DEVELOPMENT_TSU_KEY)).unwrap();
        assert!(matches!(folder.open().err(), Some(DevelopmentError::Secret(SecretError::Unreadable { .. }))));
    }
}
