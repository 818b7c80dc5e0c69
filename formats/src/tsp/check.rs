//! The fifteen checks by name, and one error for each rule that a token can break.

use jiff::Timestamp;

use super::{Algorithm, PkiStatus, ResponseError, TokenError};
use crate::cms::HashAlgorithm;
use crate::der::{DerError, NormaliseError, ObjectIdentifier};
use crate::x509::{RevocationReason, SignatureError, X509Error};

macro_rules! checks {
    ($($(#[$doc:meta])* $check:ident = $number:literal, $name:literal, $english:literal, $french:literal;)*) => {
        /// A check on a time-stamp. Numbers and names are stable: reports and proofs quote them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Check {
            $($(#[$doc])* $check = $number,)*
        }

        impl Check {
            /// All checks, in the order in which they run.
            pub const ALL: [Self; 15] = [$(Self::$check),*];

            /// The stable name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$check => $name,)* }
            }

            /// What it establishes, in English.
            #[must_use]
            pub const fn english(self) -> &'static str {
                match self { $(Self::$check => $english,)* }
            }

            /// What it establishes, in French.
            #[must_use]
            pub const fn french(self) -> &'static str {
                match self { $(Self::$check => $french,)* }
            }
        }
    };
}

checks! {
    /// The authority granted the request and sent a token.
    Granted = 1, "granted", "the authority granted the request",
        "l'autorité a accordé la demande";
    /// SignedData over TSTInfo with exactly one signer.
    Structure = 2, "structure", "the token is signed data over a time-stamp, with one signer",
        "le jeton est une donnée signée portant un horodatage, avec un seul signataire";
    /// TSTInfo version 1 under an accepted policy.
    Policy = 3, "policy", "the time-stamp was issued under an accepted policy",
        "l'horodatage a été émis selon une politique acceptée";
    /// Imprint algorithm and value are ours.
    Imprint = 4, "imprint", "the token stamps exactly this digest",
        "le jeton horodate exactement cette empreinte";
    /// The nonce is the request's.
    Nonce = 5, "nonce", "the token answers this very request",
        "le jeton répond à cette demande précise";
    /// The time agrees with what is known from elsewhere.
    Time = 6, "time", "the time is plausible", "la date est plausible";
    /// Signed attributes: content type, message digest, no duplicates.
    SignedAttributes = 7, "signed-attributes", "the signed attributes bind the signature to the time-stamp",
        "les attributs signés lient la signature à l'horodatage";
    /// SigningCertificateV2 names the signer's certificate by its hash.
    SigningCertificate = 8, "signing-certificate", "the signature covers the identity of its certificate",
        "la signature couvre l'identité de son certificat";
    /// Issuer and serial number select the same certificate.
    SignerIdentifier = 9, "signer-identifier", "the signer's identifier selects that same certificate",
        "l'identifiant du signataire désigne ce même certificat";
    /// The signature holds.
    Signature = 10, "signature", "the signature holds", "la signature est valide";
    /// The certificate is for time-stamping and nothing else.
    CertificatePurpose = 11, "certificate-purpose", "the certificate is for time-stamping and nothing else",
        "le certificat sert à l'horodatage et à rien d'autre";
    /// A path to a trust anchor, valid when stamped and when existence is otherwise proven.
    Path = 12, "path", "a valid certification path leads to a trusted root",
        "un chemin de certification valide mène à une racine de confiance";
    /// Nothing on the path was revoked in a way that voids the token.
    Revocation = 13, "revocation", "no certificate on the path was revoked in a way that voids the token",
        "aucun certificat du chemin n'a été révoqué d'une manière qui annule le jeton";
    /// Algorithms were accepted at both times.
    Algorithms = 14, "algorithms", "hash and signature algorithms were strong enough",
        "les algorithmes de hachage et de signature étaient assez forts";
    /// The authority was a qualified one at that time.
    Qualified = 15, "qualified", "the authority was qualified (eIDAS) at that time",
        "l'autorité était qualifiée (eIDAS) à cette date";
}

impl Check {
    /// Its number, 1 to 15.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// The rule that a token breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// 1: the response cannot be read.
    #[error("unreadable response: {0}")]
    Response(#[from] ResponseError),
    /// 1: the status is neither granted nor grantedWithMods.
    #[error("the authority answered {status:?}")]
    NotGranted {
        /// The status.
        status: PkiStatus,
    },
    /// 1: granted, but no token.
    #[error("the authority granted the request but sent no token")]
    TokenAbsent,
    /// 2: the token cannot be brought to DER.
    #[error("token cannot be normalised: {0}")]
    Normalise(#[from] NormaliseError),
    /// 2: the token cannot be read.
    #[error("unreadable token: {0}")]
    Token(#[from] TokenError),
    /// 2: no signer or several.
    #[error("{found} signers instead of one")]
    SignerCount {
        /// How many.
        found: usize,
    },
    /// 3: TSTInfo is not version 1.
    #[error("TSTInfo version {found}, not 1")]
    Version {
        /// The version.
        found: u32,
    },
    /// 3: a policy that was not accepted beforehand.
    #[error("policy {found} is not accepted")]
    PolicyNotAccepted {
        /// The policy.
        found: ObjectIdentifier,
    },
    /// 3: a policy other than the one asked for.
    #[error("policy {found} is not the one asked for")]
    PolicyDiffers {
        /// The policy.
        found: ObjectIdentifier,
    },
    /// 4: another hash algorithm than ours.
    #[error("imprint algorithm {found}, not {expected}")]
    ImprintAlgorithm {
        /// Ours.
        expected: HashAlgorithm,
        /// The token's.
        found: ObjectIdentifier,
    },
    /// 4: a digest whose length is not its algorithm's.
    #[error("imprint of {found} bytes, not {expected}")]
    ImprintLength {
        /// The algorithm's length in bytes.
        expected: usize,
        /// The token's.
        found: usize,
    },
    /// 4: another digest.
    #[error("the token stamps another digest")]
    ImprintDiffers,
    /// 5: a nonce was sent, none came back.
    #[error("the nonce is missing")]
    NonceAbsent,
    /// 5: another nonce.
    #[error("the nonce is not the request's")]
    NonceDiffers,
    /// 6: too far from the local clock.
    #[error("time {gen_time} is too far from {local}, the local time of receipt")]
    OutsideWindow {
        /// The token's time.
        gen_time: Timestamp,
        /// When it was received.
        local: Timestamp,
    },
    /// 6: before the request was even sent.
    #[error("time {gen_time} is before {sent}, when the request was sent")]
    BeforeRequest {
        /// The token's time.
        gen_time: Timestamp,
        /// When the request was sent.
        sent: Timestamp,
    },
    /// 6: after a time at which the token is known to have existed.
    #[error("time {gen_time} is after {known}, when the token already existed")]
    FromTheFuture {
        /// The token's time.
        gen_time: Timestamp,
        /// When it is known to have existed.
        known: Timestamp,
    },
    /// 7: no signed attributes, so that the signature would cover the content directly.
    #[error("there are no signed attributes")]
    SignedAttributesAbsent,
    /// 7: the same attribute twice.
    #[error("signed attribute {attribute} occurs twice")]
    DuplicateAttribute {
        /// Which.
        attribute: ObjectIdentifier,
    },
    /// 7 or 8: a required attribute is not there.
    #[error("signed attribute {attribute} is missing")]
    AttributeAbsent {
        /// Which.
        attribute: ObjectIdentifier,
    },
    /// 7 or 8: an attribute with no value or several.
    #[error("signed attribute {attribute} has {found} values instead of one")]
    AttributeValues {
        /// Which.
        attribute: ObjectIdentifier,
        /// How many.
        found: usize,
    },
    /// 7 or 8: an attribute whose value is malformed.
    #[error("signed attribute {attribute}: {error}")]
    AttributeMalformed {
        /// Which.
        attribute: ObjectIdentifier,
        /// How.
        error: DerError,
    },
    /// 7: the content type attribute is not TSTInfo.
    #[error("the signed content type is not TSTInfo")]
    ContentTypeDiffers,
    /// 7: an unsupported digest algorithm of the signer.
    #[error("digest algorithm {found} of the signer is not supported")]
    DigestAlgorithm {
        /// Which.
        found: ObjectIdentifier,
    },
    /// 7: the message digest attribute is not the digest of the content.
    #[error("the signed digest is not the content's")]
    MessageDigestDiffers,
    /// 8: a certificate hash by an unsupported algorithm.
    #[error("certificate hash algorithm {found} is not supported")]
    CertificateHashAlgorithm {
        /// Which.
        found: ObjectIdentifier,
    },
    /// 8: the first certificate hash is not the signer's certificate's.
    #[error("the signed certificate hash is not the signer's certificate's")]
    CertificateHashDiffers,
    /// 8: issuer or serial number beside the hash are not the certificate's.
    #[error("the signed issuer and serial number are not the signer's certificate's")]
    IssuerSerialDiffers,
    /// 9: no certificate matches the signer's identifier.
    #[error("the signer's certificate is nowhere")]
    SignerCertificateAbsent,
    /// 9: a certificate that cannot be read.
    #[error("unreadable certificate: {0}")]
    Certificate(X509Error),
    /// 10: key or algorithm unsupported, or the signature does not hold.
    #[error("{0}")]
    Signature(SignatureError),
    /// 11: no extended key usage.
    #[error("the certificate has no extended key usage")]
    ExtendedKeyUsageAbsent,
    /// 11: extended key usage is not critical.
    #[error("the certificate's extended key usage is not critical")]
    ExtendedKeyUsageNotCritical,
    /// 11: extended key usage without time-stamping.
    #[error("the certificate is not for time-stamping")]
    NotForTimeStamping,
    /// 11: other purposes beside time-stamping.
    #[error("the certificate has {found} purposes, not only time-stamping")]
    ExtendedKeyUsageNotExclusive {
        /// How many purposes.
        found: usize,
    },
    /// 11: key usage bits other than digitalSignature and nonRepudiation, or neither of these.
    #[error("the certificate's key usage {bits:#06x} is not for signatures alone")]
    KeyUsage {
        /// The bits.
        bits: u16,
    },
    /// 11: an authority's certificate.
    #[error("the certificate is an authority's")]
    IsAuthority,
    /// 12: no path to an anchor.
    #[error("no certification path to a trust anchor")]
    NoPath,
    /// 12: a certificate on the path was not yet valid.
    #[error("a certificate was not yet valid at {at}")]
    NotYetValid {
        /// The time judged.
        at: Timestamp,
    },
    /// 12: a certificate on the path had expired.
    #[error("a certificate had expired at {at}")]
    Expired {
        /// The time judged.
        at: Timestamp,
    },
    /// 12: the path breaks another rule.
    #[error("certification path: {0}")]
    PathInvalid(webpki::Error),
    /// 13: a certificate on the path was revoked in a way that voids the token.
    #[error("a certificate was revoked at {at} ({reason:?})")]
    Revoked {
        /// Since when.
        at: Timestamp,
        /// Why, if it is said.
        reason: Option<RevocationReason>,
    },
    /// 13: a list in the issuer's name that the issuer did not sign.
    #[error("revocation list not signed by its issuer: {0}")]
    RevocationListSignature(SignatureError),
    /// 13: a list that cannot be read.
    #[error("unreadable revocation list: {0}")]
    RevocationList(X509Error),
    /// 14: an algorithm that the policy does not know.
    #[error("{algorithm:?} of {bits} bits is not accepted")]
    AlgorithmNotAccepted {
        /// Which.
        algorithm: Algorithm,
        /// Its length in bits.
        bits: usize,
    },
    /// 14: an algorithm whose time was over.
    #[error("{algorithm:?} of {bits} bits was accepted until {until}, not at {at}")]
    AlgorithmExpired {
        /// Which.
        algorithm: Algorithm,
        /// Its length in bits.
        bits: usize,
        /// Until when.
        until: Timestamp,
        /// The time judged.
        at: Timestamp,
    },
    /// 15: the service is not in the trusted list, or not granted at that time.
    #[error("the authority was not qualified at that time")]
    NotQualified,
}

/// Why a check was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotApplicable {
    /// A bare token was judged, without the response around it.
    NoResponse,
    /// The request is not at hand, or had no nonce.
    NoNonceSent,
    /// An earlier check failed on which this one rests.
    DependsOn(Check),
    /// No list covers every certificate of the path.
    NoRevocationData,
    /// The lists at hand were made before the token: only later ones settle the question.
    RevocationDataTooEarly,
    /// No trusted list was given.
    NoTrustedList,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It was not made.
    NotApplicable(NotApplicable),
    /// It fails.
    Failed(CheckError),
}
