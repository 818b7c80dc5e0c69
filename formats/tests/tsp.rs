//! Time-stamps: every check and every error, openssl as a foreign judge in both directions, and hostile bytes.

use std::path::{Path, PathBuf};
use std::process::Command;

use cartulaire_formats::bounds::{
    CMS_SET_MEMBERS_MAX, NONCE_OCTETS_MAX, TIME_STAMP_REQUEST_BYTES_MAX, TOKEN_BYTES_MAX,
};
use cartulaire_formats::cms::{CmsError, HashAlgorithm, SignedData};
use cartulaire_formats::der::{
    self, DerError, NormaliseError, ObjectIdentifier, Tag, normalise_token, octet_string, sequence, set_of, tlv,
};
use cartulaire_formats::hash::Sha256Digest;
use cartulaire_formats::tsp::{
    Accuracy, AccuracyError, Algorithm, AlgorithmPolicy, AlgorithmRule, AuditContext, Check, CheckError, FailInfo,
    IngestContext, IngestFailure, IssueError, MessageImprint, Nonce, NonceError, NotApplicable, Outcome, PkiStatus,
    QualifiedService, QualifiedStatus, RequestError, ResponseError, TimeStampRequest, TimeStampResponse,
    TimeStampToken, TokenError, TokenSigner, TokenTerms, Trust, TrustAnchorError, TrustAnchors, VerifiedToken,
    audit_token, issue, reject, verify_response,
};
use cartulaire_formats::x509::{
    Certificate, DistinguishedName, KeyUsage, NameError, PublicKey, RevocationReason, SerialError, SerialNumber,
    SignatureError, SignatureFamily, SignatureScheme, X509Error, certificate_to_pem, certificates_from_pem,
};
use jiff::SignedDuration;
use proptest::prelude::*;

mod authority;

use authority::{Authority, Forgery, POLICY, attribute, extension, instant, key, serial, sign};

const AT: &str = "2026-01-01T00:00:00Z";

fn imprint() -> MessageImprint {
    MessageImprint::Sha256(Sha256Digest::of(b"act no. 12"))
}

fn vector(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Ingests an answer received at [`AT`], with what `change` makes of the usual context.
fn ingest_with(
    authority: &Authority,
    response: &[u8],
    change: impl for<'a> FnOnce(&mut IngestContext<'a>),
) -> Result<VerifiedToken, IngestFailure> {
    let anchors = authority.anchors();
    let algorithms = AlgorithmPolicy::ets_119_312();
    let request = authority.request(imprint());
    let mut context = IngestContext {
        trust: authority.trust(&anchors, &algorithms),
        request: &request,
        sent_at: instant(AT),
        received_at: instant(AT),
        window: SignedDuration::from_secs(60),
        clock_tolerance: SignedDuration::from_secs(2),
    };
    change(&mut context);
    verify_response(response, &context)
}

fn ingest(authority: &Authority, response: &[u8]) -> Result<VerifiedToken, IngestFailure> {
    ingest_with(authority, response, |_| {})
}

fn fails(authority: &Authority, forgery: &Forgery, check: Check, error: CheckError) {
    assert_eq!(ingest(authority, &forgery.response()), Err(IngestFailure { check, error }));
}

/// Forges a token and changes one thing about it.
fn forged(authority: &Authority, change: impl FnOnce(&mut Forgery)) -> Forgery {
    let mut forgery = Forgery::new(authority, &imprint(), AT);
    change(&mut forgery);
    forgery
}

#[test]
fn our_own_token_passes_every_check() {
    let authority = Authority::new();
    let response = authority.response(&authority.request(imprint()), AT);
    let list = [authority.revocation_list("2026-01-01T00:00:00Z", &[])];
    let verified = ingest_with(&authority, &response, |context| {
        // The list lives as long as the authority of this test.
        context.trust.revocation_lists = Box::leak(Box::new(list));
    });
    let verified = verified.expect("a sound answer");
    assert_eq!(verified.gen_time(), instant(AT));
    assert_eq!(verified.path(), [authority.unit.clone(), authority.root.clone()]);
    assert_eq!(verified.not_applicable(), [(Check::Qualified, NotApplicable::NoTrustedList)]);
    assert_eq!(verified.qualified(), QualifiedStatus::Unknown);
    let token = verified.token().as_bytes();
    assert_eq!(normalise_token(token), Ok(token.to_vec()), "issued in strict DER");
    assert_eq!(token, authority.token(imprint(), AT), "issuing is deterministic");
}

#[test]
fn a_sound_forgery_passes_so_that_each_change_alone_is_judged() {
    let authority = Authority::new();
    assert!(ingest(&authority, &forged(&authority, |_| {}).response()).is_ok());
}

#[test]
fn check_1_granted() {
    let authority = Authority::new();
    let failure = |error| Err(IngestFailure { check: Check::Granted, error });
    let refused = reject(FailInfo::BadAlg, "non");
    let parsed = TimeStampResponse::parse(&refused).expect("a response");
    assert_eq!(parsed.status.fail_info, [FailInfo::BadAlg]);
    assert_eq!(parsed.status.text, ["non"]);
    let not_granted = CheckError::NotGranted { status: PkiStatus::Rejection };
    assert_eq!(ingest(&authority, &refused), failure(not_granted));
    let granted = sequence(&[&sequence(&[&der::integer(&[0])])]);
    assert_eq!(ingest(&authority, &granted), failure(CheckError::TokenAbsent));
    let unknown = sequence(&[&sequence(&[&der::integer(&[9])])]);
    let error = CheckError::Response(ResponseError::Status { found: 9 });
    assert_eq!(ingest(&authority, &unknown), failure(error));
    let size = TOKEN_BYTES_MAX + 1;
    let error = CheckError::Response(ResponseError::TooLarge { size });
    assert_eq!(ingest(&authority, &vec![0; size]), failure(error));
    let error = CheckError::Response(ResponseError::Der(DerError::Missing { offset: 0, expected: Tag::SEQUENCE }));
    assert_eq!(ingest(&authority, &[]), failure(error));
    for info in FailInfo::ALL {
        let bytes = reject(info, "x");
        assert_eq!(TimeStampResponse::parse(&bytes).map(|r| r.status.fail_info), Ok(vec![info]), "{}", info.name());
    }
}

#[test]
fn check_2_structure() {
    let authority = Authority::new();
    fails(&authority, &forged(&authority, |f| f.signers = 2), Check::Structure, CheckError::SignerCount { found: 2 });
    fails(&authority, &forged(&authority, |f| f.signers = 0), Check::Structure, CheckError::SignerCount { found: 0 });
    let other = forged(&authority, |f| f.content_type = ObjectIdentifier::SIGNED_DATA);
    fails(&authority, &other, Check::Structure, CheckError::Token(TokenError::NotTstInfo));
    let time = forged(&authority, |f| f.gen_time = tlv(Tag::GENERALIZED_TIME, b"2026"));
    let offset = match ingest(&authority, &time.response()) {
        Err(IngestFailure { error: CheckError::Token(TokenError::TstInfo(DerError::Time { offset })), .. }) => offset,
        other => panic!("{other:?}"),
    };
    assert!(time.tst_info()[offset..].starts_with(&time.gen_time), "the offset is where the time is");
    let not_signed = sequence(&[
        &sequence(&[&der::integer(&[0])]),
        &sequence(&[&ObjectIdentifier::TST_INFO.to_der(), &tlv(Tag::context(0), &der::null())]),
    ]);
    let error = CheckError::Normalise(NormaliseError::NotSignedData);
    assert_eq!(ingest(&authority, &not_signed), Err(IngestFailure { check: Check::Structure, error }));
    let parse = |bytes: &[u8]| TimeStampToken::parse(bytes).map(drop);
    let size = TOKEN_BYTES_MAX + 1;
    assert_eq!(parse(&vec![0; size]), Err(TokenError::TooLarge { size }));
    let plain = sequence(&[&ObjectIdentifier::TST_INFO.to_der(), &tlv(Tag::context(0), &der::null())]);
    assert_eq!(parse(&plain), Err(TokenError::Cms(CmsError::NotSignedData)));
    let detached = sequence(&[
        &ObjectIdentifier::SIGNED_DATA.to_der(),
        &tlv(
            Tag::context(0),
            &sequence(&[
                &der::integer(&[3]),
                &tlv(Tag::SET, &[]),
                &sequence(&[&ObjectIdentifier::TST_INFO.to_der()]),
                &tlv(Tag::SET, &[]),
            ]),
        ),
    ]);
    assert_eq!(parse(&detached), Err(TokenError::Cms(CmsError::ContentAbsent)));
}

#[test]
fn check_3_policy() {
    let authority = Authority::new();
    fails(&authority, &forged(&authority, |f| f.version = 2), Check::Policy, CheckError::Version { found: 2 });
    let found: ObjectIdentifier = POLICY.parse().expect("an identifier");
    let response = forged(&authority, |_| {}).response();
    let outcome = ingest_with(&authority, &response, |context| context.trust.policies = Some(&[]));
    let error = CheckError::PolicyNotAccepted { found: found.clone() };
    assert_eq!(outcome, Err(IngestFailure { check: Check::Policy, error }));
    let mut request = authority.request(imprint());
    request.policy = Some(ObjectIdentifier::TST_INFO);
    let request: &'static TimeStampRequest = Box::leak(Box::new(request));
    let outcome = ingest_with(&authority, &response, |context| context.request = request);
    let error = CheckError::PolicyDiffers { found };
    assert_eq!(outcome, Err(IngestFailure { check: Check::Policy, error }));
}

#[test]
fn check_4_imprint() {
    let authority = Authority::new();
    let digest = |bytes: &[u8]| octet_string(&HashAlgorithm::Sha256.digest(&[bytes]));
    let other = forged(&authority, |f| f.imprint = sequence(&[&HashAlgorithm::Sha256.to_der(), &digest(b"other")]));
    fails(&authority, &other, Check::Imprint, CheckError::ImprintDiffers);
    let algorithm = forged(&authority, |f| f.imprint = sequence(&[&HashAlgorithm::Sha512.to_der(), &digest(b"x")]));
    let found = ObjectIdentifier::SHA512;
    let error = CheckError::ImprintAlgorithm { expected: HashAlgorithm::Sha256, found };
    fails(&authority, &algorithm, Check::Imprint, error);
    let short = forged(&authority, |f| f.imprint = sequence(&[&HashAlgorithm::Sha256.to_der(), &octet_string(&[1])]));
    fails(&authority, &short, Check::Imprint, CheckError::ImprintLength { expected: 32, found: 1 });
    let null = sequence(&[&ObjectIdentifier::SHA256.to_der(), &der::null()]);
    let with_null = forged(&authority, |f| f.imprint = sequence(&[&null, &octet_string(imprint().digest())]));
    assert!(ingest(&authority, &with_null.response()).is_ok(), "NULL parameters are as good as none");
}

#[test]
fn check_5_nonce() {
    let authority = Authority::new();
    fails(&authority, &forged(&authority, |f| f.nonce = None), Check::Nonce, CheckError::NonceAbsent);
    let other = forged(&authority, |f| f.nonce = Some(der::integer(&[1])));
    fails(&authority, &other, Check::Nonce, CheckError::NonceDiffers);
}

#[test]
fn check_6_time() {
    let authority = Authority::new();
    let gen_time = instant("2026-01-01T00:01:02Z");
    let late = forged(&authority, |f| f.gen_time = der::generalized_time(gen_time));
    fails(&authority, &late, Check::Time, CheckError::OutsideWindow { gen_time, local: instant(AT) });
    let response = forged(&authority, |_| {}).response();
    let sent = instant("2026-01-01T00:00:04Z");
    let outcome = ingest_with(&authority, &response, |context| context.sent_at = sent);
    let error = CheckError::BeforeRequest { gen_time: instant(AT), sent };
    assert_eq!(outcome, Err(IngestFailure { check: Check::Time, error }));
    let known = instant("2025-12-31T00:00:00Z");
    let outcome = audit(&authority, &forged(&authority, |_| {}).token(), Some("2025-12-31T00:00:00Z"), Check::Time);
    assert_eq!(outcome, Outcome::Failed(CheckError::FromTheFuture { gen_time: instant(AT), known }));
}

#[test]
fn check_7_signed_attributes() {
    let authority = Authority::new();
    let check = Check::SignedAttributes;
    let none = forged(&authority, |f| f.attributes_present = false);
    fails(&authority, &none, check, CheckError::SignedAttributesAbsent);
    let id = ObjectIdentifier::CONTENT_TYPE;
    let twice = forged(&authority, |f| {
        f.more_attributes = vec![attribute(id.clone(), vec![ObjectIdentifier::TST_INFO.to_der()])];
    });
    fails(&authority, &twice, check, CheckError::DuplicateAttribute { attribute: id.clone() });
    let wrong = forged(&authority, |f| f.content_type_attribute = vec![ObjectIdentifier::SIGNED_DATA.to_der()]);
    fails(&authority, &wrong, check, CheckError::ContentTypeDiffers);
    let empty = forged(&authority, |f| f.content_type_attribute = Vec::new());
    fails(&authority, &empty, check, CheckError::AttributeValues { attribute: id, found: 0 });
    let digest = forged(&authority, |f| f.message_digest = Some(octet_string(&[0; 32])));
    fails(&authority, &digest, check, CheckError::MessageDigestDiffers);
    let sha1: ObjectIdentifier = "1.3.14.3.2.26".parse().expect("an identifier");
    let algorithm = forged(&authority, |f| f.digest_algorithm = sequence(&[&sha1.to_der()]));
    fails(&authority, &algorithm, check, CheckError::DigestAlgorithm { found: sha1 });
}

#[test]
fn check_8_signing_certificate() {
    let authority = Authority::new();
    let check = Check::SigningCertificate;
    let id = ObjectIdentifier::SIGNING_CERTIFICATE_V2;
    let none = forged(&authority, |f| f.certificate_hash = None);
    fails(&authority, &none, check, CheckError::AttributeAbsent { attribute: id.clone() });
    let named = |parts: &[&[u8]]| sequence(&[&sequence(&[&sequence(parts)])]);
    let wrong = forged(&authority, |f| f.certificate_hash = Some(named(&[&octet_string(&[0; 32])])));
    fails(&authority, &wrong, check, CheckError::CertificateHashDiffers);
    let malformed = forged(&authority, |f| f.certificate_hash = Some(named(&[&der::null()])));
    let outcome = ingest(&authority, &malformed.response());
    let error = DerError::UnexpectedTag { offset: 6, expected: Tag::OCTET_STRING, found: Tag::NULL };
    let error = CheckError::AttributeMalformed { attribute: id, error };
    assert_eq!(outcome, Err(IngestFailure { check, error }));
    let sha1: ObjectIdentifier = "1.3.14.3.2.26".parse().expect("an identifier");
    let algorithm = forged(&authority, |f| {
        f.certificate_hash = Some(named(&[&sequence(&[&sha1.to_der()]), &octet_string(&[0; 20])]));
    });
    fails(&authority, &algorithm, check, CheckError::CertificateHashAlgorithm { found: sha1 });
    let hash = HashAlgorithm::Sha512.digest(&[&authority.unit]);
    let unit = Certificate::parse(&authority.unit).expect("a certificate");
    let named_by = |number: u8| {
        let names = sequence(&[&tlv(Tag::context(4), unit.issuer)]);
        let pair = sequence(&[&names, &der::integer(&[number])]);
        named(&[&HashAlgorithm::Sha512.to_der(), &octet_string(&hash), &pair])
    };
    let serial = forged(&authority, |f| f.certificate_hash = Some(named_by(3)));
    fails(&authority, &serial, check, CheckError::IssuerSerialDiffers);
    let sound = forged(&authority, |f| f.certificate_hash = Some(named_by(2)));
    assert!(ingest(&authority, &sound.response()).is_ok(), "SHA-512 may name the certificate");
}

#[test]
fn check_9_signer_identifier() {
    let authority = Authority::new();
    let nowhere = forged(&authority, |f| f.signer_serial = vec![99]);
    fails(&authority, &nowhere, Check::SignerIdentifier, CheckError::SignerCertificateAbsent);
    let outcome = audit(&authority, &nowhere.token(), None, Check::Signature);
    assert_eq!(outcome, Outcome::NotApplicable(NotApplicable::DependsOn(Check::SignerIdentifier)));
}

#[test]
fn check_10_signature() {
    let authority = Authority::new();
    let check = Check::Signature;
    let stranger = forged(&authority, |f| f.signer_key = key(9));
    fails(&authority, &stranger, check, CheckError::Signature(SignatureError::Invalid));
    let rsa = sequence(&[&ObjectIdentifier::RSA_SHA256.to_der()]);
    let mismatch = forged(&authority, |f| f.signature_algorithm = rsa);
    fails(&authority, &mismatch, check, CheckError::Signature(SignatureError::KeyMismatch));
    let disagree = sequence(&[&ObjectIdentifier::ECDSA_SHA512.to_der()]);
    let disagree = forged(&authority, |f| f.signature_algorithm = disagree);
    fails(&authority, &disagree, check, CheckError::Signature(SignatureError::Algorithm));
}

#[test]
fn check_11_certificate_purpose() {
    let authority = Authority::new();
    let purpose = |critical, purposes: &[ObjectIdentifier]| {
        let purposes: Vec<u8> = purposes.iter().flat_map(ObjectIdentifier::to_der).collect();
        extension(ObjectIdentifier::EXTENDED_KEY_USAGE, critical, &sequence(&[&purposes]))
    };
    let stamping = ObjectIdentifier::TIME_STAMPING;
    let server: ObjectIdentifier = "1.3.6.1.5.5.7.3.1".parse().expect("an identifier");
    let usage = |octet: u8| extension(ObjectIdentifier::KEY_USAGE, true, &der::bit_string(&[octet], 0));
    let ca = extension(ObjectIdentifier::BASIC_CONSTRAINTS, true, &sequence(&[&der::boolean(true)]));
    let malformed = extension(ObjectIdentifier::EXTENDED_KEY_USAGE, true, &der::null());
    let wrong = DerError::UnexpectedTag { offset: 0, expected: Tag::SEQUENCE, found: Tag::NULL };
    let good = purpose(true, std::slice::from_ref(&stamping));
    for (extensions, error) in [
        (vec![malformed], CheckError::Certificate(X509Error::Der(wrong))),
        (vec![usage(0x80)], CheckError::ExtendedKeyUsageAbsent),
        (vec![purpose(false, std::slice::from_ref(&stamping))], CheckError::ExtendedKeyUsageNotCritical),
        (vec![purpose(true, std::slice::from_ref(&server))], CheckError::NotForTimeStamping),
        (vec![purpose(true, &[stamping, server])], CheckError::ExtendedKeyUsageNotExclusive { found: 2 }),
        (vec![good.clone(), usage(0xa0)], CheckError::KeyUsage { bits: 0xa000 }),
        (vec![good.clone(), usage(0x04)], CheckError::KeyUsage { bits: KeyUsage::CERTIFICATE_SIGN }),
        (vec![good, ca], CheckError::IsAuthority),
    ] {
        let unit = authority.unit_with(&extensions);
        let forgery = Forgery::by(&authority, &unit, &imprint(), AT);
        fails(&authority, &forgery, Check::CertificatePurpose, error);
    }
}

#[test]
fn check_12_path() {
    let expired = Authority::valid("2020-01-01T00:00:00Z", "2025-01-01T00:00:00Z");
    let failure = |error| Err(IngestFailure { check: Check::Path, error });
    let at = instant(AT);
    let response = forged(&expired, |_| {}).response();
    assert_eq!(ingest(&expired, &response), failure(CheckError::Expired { at }));
    let early = Authority::valid("2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z");
    assert_eq!(ingest(&early, &forged(&early, |_| {}).response()), failure(CheckError::NotYetValid { at }));
    let authority = Authority::new();
    let none: &'static TrustAnchors = Box::leak(Box::default());
    let response = forged(&authority, |_| {}).response();
    let outcome = ingest_with(&authority, &response, |context| context.trust.anchors = none);
    assert_eq!(outcome, failure(CheckError::NoPath));
    let later = audit(&authority, &forged(&authority, |_| {}).token(), Some("2036-01-01T00:00:00Z"), Check::Path);
    assert_eq!(later, Outcome::Failed(CheckError::Expired { at: instant("2036-01-01T00:00:00Z") }));
    let unknown: ObjectIdentifier = "1.2.3.4".parse().expect("an identifier");
    let stamping = sequence(&[&ObjectIdentifier::TIME_STAMPING.to_der()]);
    let unit = authority.unit_with(&[
        extension(ObjectIdentifier::EXTENDED_KEY_USAGE, true, &stamping),
        extension(unknown, true, &der::null()),
    ]);
    let forgery = Forgery::by(&authority, &unit, &imprint(), AT);
    let error = CheckError::PathInvalid(webpki::Error::UnsupportedCriticalExtension);
    fails(&authority, &forgery, Check::Path, error);
    let wrong = DerError::UnexpectedTag { offset: 0, expected: Tag::SEQUENCE, found: Tag(b'x') };
    let error = TrustAnchorError::Certificate(X509Error::Der(wrong));
    assert_eq!(TrustAnchors::new([b"x"]).map(drop), Err(error));
    // The algorithm named beside the signature differs from the one inside what is signed.
    let mut disagreeing = authority.root.clone();
    let ecdsa = ObjectIdentifier::ECDSA_SHA256;
    let at = disagreeing.windows(8).rposition(|w| w == ecdsa.contents()).expect("named twice");
    disagreeing[at + 7] += 1;
    let error = TrustAnchorError::Anchor(webpki::Error::SignatureAlgorithmMismatch);
    assert_eq!(TrustAnchors::new([&disagreeing]).map(drop), Err(error));
}

#[test]
fn check_13_revocation() {
    let authority = Authority::new();
    let late = "2026-02-01T00:00:00Z";
    let revoked = |at: &str, reason| {
        let error = CheckError::Revoked { at: instant(at), reason: Option::map(reason, RevocationReason) };
        Outcome::Failed(error)
    };
    let (before, after) = ("2025-12-01T00:00:00Z", "2026-01-15T00:00:00Z");
    let (much_later, between) = ("2026-06-01T00:00:00Z", "2026-01-10T00:00:00Z");
    for (entries, known_at, expected) in [
        (&[][..], much_later, Outcome::Passed),
        (&[(7, before, None)], much_later, Outcome::Passed),
        // Superseded after the token: it keeps its value. Before it: void.
        (&[(2, after, Some(4))], much_later, Outcome::Passed),
        (&[(2, before, Some(4))], much_later, revoked(before, Some(4))),
        // Key compromise, or no reason given: void, unless the token is known to be older than the revocation.
        (&[(2, after, Some(1))], much_later, revoked(after, Some(1))),
        (&[(2, after, None)], much_later, revoked(after, None)),
        (&[(2, after, Some(1))], between, Outcome::Passed),
    ] {
        let list = authority.revocation_list(late, entries);
        let token = forged(&authority, |f| f.revocation_lists = vec![list]).token();
        assert_eq!(audit(&authority, &token, Some(known_at), Check::Revocation), expected, "{entries:?}");
    }
    let early = authority.revocation_list("2025-12-31T00:00:00Z", &[]);
    let token = forged(&authority, |f| f.revocation_lists = vec![early]).token();
    let too_early = Outcome::NotApplicable(NotApplicable::RevocationDataTooEarly);
    assert_eq!(audit(&authority, &token, None, Check::Revocation), too_early);
    let token = forged(&authority, |_| {}).token();
    let none = Outcome::NotApplicable(NotApplicable::NoRevocationData);
    assert_eq!(audit(&authority, &token, None, Check::Revocation), none);

    let mut unsigned = authority.revocation_list(late, &[]);
    let last = unsigned.len() - 1;
    unsigned[last] ^= 1;
    let token = forged(&authority, |f| f.revocation_lists = vec![unsigned]).token();
    let error = CheckError::RevocationListSignature(SignatureError::Invalid);
    assert_eq!(audit(&authority, &token, None, Check::Revocation), Outcome::Failed(error));
    let token = forged(&authority, |f| f.revocation_lists = vec![sequence(&[])]).token();
    let missing = DerError::Missing { offset: 2, expected: Tag::SEQUENCE };
    let error = CheckError::RevocationList(X509Error::Der(missing));
    assert_eq!(audit(&authority, &token, None, Check::Revocation), Outcome::Failed(error));
}

#[test]
fn check_14_algorithms() {
    let policy = AlgorithmPolicy::ets_119_312();
    let (before, after) = (instant("2028-12-31T23:59:59Z"), instant("2029-01-01T00:00:00Z"));
    let rsa = Algorithm::Signature(SignatureFamily::RsaPkcs1);
    assert_eq!(policy.check(rsa, 3072, before), Ok(()));
    let expired = CheckError::AlgorithmExpired { algorithm: rsa, bits: 3072, until: after, at: after };
    assert_eq!(policy.check(rsa, 3072, after), Err(expired));
    let pss = Algorithm::Signature(SignatureFamily::RsaPss);
    assert_eq!(policy.check(pss, 3072, after), Ok(()));

    let authority = Authority::new();
    let sha256 = Algorithm::Hash(HashAlgorithm::Sha256);
    let rules = vec![AlgorithmRule { algorithm: sha256, bits_min: 256, until: None }];
    let hash_only: &'static AlgorithmPolicy = Box::leak(Box::new(AlgorithmPolicy::new(rules)));
    let response = forged(&authority, |_| {}).response();
    let outcome = ingest_with(&authority, &response, |context| context.trust.algorithms = hash_only);
    let algorithm = Algorithm::Signature(SignatureFamily::Ecdsa);
    let error = CheckError::AlgorithmNotAccepted { algorithm, bits: 256 };
    assert_eq!(outcome, Err(IngestFailure { check: Check::Algorithms, error }));
}

#[test]
fn check_15_qualified() {
    let authority = Authority::new();
    let response = forged(&authority, |_| {}).response();
    let service = |from: &str, until: Option<&str>| QualifiedService {
        certificate: Sha256Digest::of(&authority.root),
        granted_from: instant(from),
        withdrawn_at: until.map(instant),
    };
    for (service, expected) in [
        (service("2025-01-01T00:00:00Z", None), QualifiedStatus::Qualified),
        (service("2026-01-02T00:00:00Z", None), QualifiedStatus::NotQualified),
        (service("2025-01-01T00:00:00Z", Some(AT)), QualifiedStatus::NotQualified),
    ] {
        let list: &'static [QualifiedService] = Box::leak(Box::new([service]));
        let outcome = ingest_with(&authority, &response, |context| context.trust.trusted_list = Some(list));
        assert_eq!(outcome.map(|verified| verified.qualified()), Ok(expected));
    }
    let anchors = authority.anchors();
    let algorithms = AlgorithmPolicy::ets_119_312();
    let trust = Trust { trusted_list: Some(&[]), ..authority.trust(&anchors, &algorithms) };
    let context = AuditContext { trust, imprint: imprint(), known_at: None };
    let report = audit_token(&forged(&authority, |_| {}).token(), &context);
    assert_eq!(report.outcome(Check::Qualified), &Outcome::Failed(CheckError::NotQualified));
    assert_eq!(report.verified().map(VerifiedToken::qualified), Some(QualifiedStatus::NotQualified));
}

/// Audits a token as if known at some time, and returns one outcome.
fn audit(authority: &Authority, token: &[u8], known_at: Option<&str>, check: Check) -> Outcome {
    let anchors = authority.anchors();
    let algorithms = AlgorithmPolicy::ets_119_312();
    let trust = authority.trust(&anchors, &algorithms);
    let context = AuditContext { trust, imprint: imprint(), known_at: known_at.map(instant) };
    audit_token(token, &context).outcome(check).clone()
}

#[test]
fn an_audit_reports_every_check_of_a_token_with_many_faults() {
    let authority = Authority::new();
    let token = forged(&authority, |f| {
        f.version = 2;
        f.message_digest = Some(octet_string(&[0; 32]));
        f.certificate_hash = None;
    });
    let anchors = TrustAnchors::default();
    let algorithms = AlgorithmPolicy::ets_119_312();
    let trust = authority.trust(&anchors, &algorithms);
    let context = AuditContext { trust, imprint: imprint(), known_at: None };
    let report = audit_token(&token.token(), &context);
    assert_eq!(report.checks().iter().map(|c| c.check).collect::<Vec<_>>(), Check::ALL);
    let id = ObjectIdentifier::SIGNING_CERTIFICATE_V2;
    let expected = [
        (Check::Policy, &CheckError::Version { found: 2 }),
        (Check::SignedAttributes, &CheckError::MessageDigestDiffers),
        (Check::SigningCertificate, &CheckError::AttributeAbsent { attribute: id }),
        (Check::Path, &CheckError::NoPath),
    ];
    assert_eq!(report.failures().collect::<Vec<_>>(), expected);
    assert_eq!(report.verified(), None);
    let unreadable = audit_token(&[], &context);
    let missing = TokenError::Cms(CmsError::Der(DerError::Missing { offset: 0, expected: Tag::SEQUENCE }));
    assert_eq!(unreadable.failures().collect::<Vec<_>>(), [(Check::Structure, &CheckError::Token(missing))]);
}

#[test]
fn numbers_and_names_of_checks_are_stable() {
    let names = Check::ALL.map(|check| format!("{} {}", check.number(), check.name())).join("\n");
    let expected = "1 granted\n2 structure\n3 policy\n4 imprint\n5 nonce\n6 time\n7 signed-attributes\n\
        8 signing-certificate\n9 signer-identifier\n10 signature\n11 certificate-purpose\n12 path\n13 revocation\n\
        14 algorithms\n15 qualified";
    assert_eq!(names, expected);
}

#[test]
fn requests_are_read_as_written_and_refused_by_rule() {
    let authority = Authority::new();
    let request = authority.request(imprint());
    assert_eq!(TimeStampRequest::parse(&request.to_der()), Ok(request.clone()));
    let foreign = TimeStampRequest::parse(&vector("doc.tsq")).expect("openssl's request");
    assert!(foreign.certificates_wanted && foreign.nonce.is_some());

    let read = |bytes: &[u8]| TimeStampRequest::parse(bytes).map(drop);
    let size = TIME_STAMP_REQUEST_BYTES_MAX + 1;
    let body = |version: u8, algorithm: &ObjectIdentifier, digest: &[u8], rest: &[u8]| {
        let imprint = sequence(&[&sequence(&[&algorithm.to_der()]), &octet_string(digest)]);
        sequence(&[&der::integer(&[version]), &imprint, rest])
    };
    let sha256 = ObjectIdentifier::SHA256;
    for (bytes, error, info) in [
        (vec![0; size], RequestError::TooLarge { size }, FailInfo::BadRequest),
        (body(2, &sha256, &[0; 32], &[]), RequestError::Version { found: 2 }, FailInfo::BadRequest),
        (body(1, &ObjectIdentifier::MGF1, &[0; 32], &[]), RequestError::Algorithm, FailInfo::BadAlg),
        (
            body(1, &sha256, &[0; 31], &[]),
            RequestError::ImprintLength { expected: 32, found: 31 },
            FailInfo::BadDataFormat,
        ),
        (
            body(1, &sha256, &[0; 32], &der::integer(&[1; NONCE_OCTETS_MAX + 1])),
            RequestError::Nonce(NonceError::TooLong),
            FailInfo::BadRequest,
        ),
        (
            body(1, &sha256, &[0; 32], &tlv(Tag::context(0), &[])),
            RequestError::Extensions,
            FailInfo::UnacceptedExtension,
        ),
        (
            Vec::new(),
            RequestError::Der(DerError::Missing { offset: 0, expected: Tag::SEQUENCE }),
            FailInfo::BadDataFormat,
        ),
    ] {
        assert_eq!(read(&bytes), Err(error));
        assert_eq!(error.fail_info(), info);
    }
    assert_eq!(Accuracy::new(0, 1000, 0), Err(AccuracyError::Range));
}

#[test]
fn nothing_is_issued_for_another_policy_or_without_a_certificate() {
    let authority = Authority::new();
    let terms = TokenTerms {
        policy: POLICY.parse().expect("an identifier"),
        serial: serial(1),
        gen_time: instant(AT),
        accuracy: None,
    };
    let signer = TokenSigner { certificate: &authority.unit, issuers: &[] };
    let mut request = authority.request(imprint());
    request.policy = Some(ObjectIdentifier::MGF1);
    let outcome = issue(&request, &terms, &signer, sign(&authority.unit_key));
    assert_eq!(outcome, Err(IssueError::Policy));
    request.policy = None;
    let broken = issue(&request, &terms, &signer, |_| Err::<Vec<u8>, &str>("no key"));
    assert_eq!(broken, Err(IssueError::Sign("no key")));
    let nobody = TokenSigner { certificate: &[], issuers: &[] };
    let missing = X509Error::Der(DerError::Missing { offset: 0, expected: Tag::SEQUENCE });
    let outcome = issue(&request, &terms, &nobody, sign(&authority.unit_key));
    assert_eq!(outcome, Err(IssueError::Certificate(missing)));

    request.certificates_wanted = false;
    let response = issue(&request, &terms, &signer, sign(&authority.unit_key)).expect("issued");
    let token = TimeStampResponse::parse(&response).expect("a response").token.expect("a token");
    assert_eq!(SignedData::parse(token).map(|s| s.certificates), Ok(Vec::new()));
}

#[test]
fn names_and_serial_numbers_are_checked() {
    let name = |country, organization| DistinguishedName::new(country, organization, "x").map(drop);
    assert_eq!(name("fr", "x"), Err(NameError::Country));
    assert_eq!(name("FR", ""), Err(NameError::Length));
    assert_eq!(name("FR", &"x".repeat(65)), Err(NameError::Length));
    assert_eq!(SerialNumber::from_magnitude(&[0]), Err(SerialError::NotPositive));
    assert_eq!(SerialNumber::from_contents(&[0x80]), Err(SerialError::NotPositive));
    assert_eq!(SerialNumber::from_magnitude(&[1; 21]), Err(SerialError::TooLong));
}

#[test]
fn certificates_break_by_rule() {
    let authority = Authority::new();
    let twice = extension(ObjectIdentifier::KEY_USAGE, true, &der::bit_string(&[0x80], 7));
    let twice = authority.unit_with(&[twice.clone(), twice]);
    assert_eq!(Certificate::parse(&twice).map(drop), Err(X509Error::DuplicateExtension));
    let without_version = sequence(&[
        &sequence(&[&der::integer(&[1])]),
        &sequence(&[&ObjectIdentifier::ECDSA_SHA256.to_der()]),
        &der::bit_string(&[1], 0),
    ]);
    assert_eq!(Certificate::parse(&without_version).map(drop), Err(X509Error::Version));
}

#[test]
fn keys_break_by_rule() {
    let key = |algorithm: &[&[u8]], bits: &[u8]| {
        let info = sequence(&[&sequence(algorithm), &der::bit_string(bits, 0)]);
        PublicKey::parse(&info).map(drop)
    };
    let ec = ObjectIdentifier::EC_PUBLIC_KEY.to_der();
    assert_eq!(key(&[&ec, &ObjectIdentifier::P256.to_der()], &[4; 65]), Err(SignatureError::KeyValue));
    assert_eq!(key(&[&ec, &ObjectIdentifier::MGF1.to_der()], &[4; 65]), Err(SignatureError::KeyAlgorithm));
    let rsa = ObjectIdentifier::RSA_ENCRYPTION.to_der();
    let modulus = der::integer(&[0xff; 128]);
    let short = sequence(&[&modulus, &der::integer(&[1, 0, 1])]);
    assert_eq!(key(&[&rsa, &der::null()], &short), Err(SignatureError::KeyTooShort { bits: 1024 }));
    let missing = DerError::Missing { offset: 0, expected: Tag::SEQUENCE };
    assert_eq!(key(&[&rsa], &[]), Err(SignatureError::Key(missing)));
}

// ---- Normalisation ------------------------------------------------------------------------------------------------

#[test]
fn the_golden_token_is_normalised_as_expected_and_again_unchanged() {
    let normalised = normalise_token(&vector("doc.tst")).expect("a token");
    assert_eq!(normalised, vector("doc_n.tst"));
    assert_eq!(normalise_token(&normalised), Ok(normalised.clone()));
    let with_list = vector("doc_ltv.tst");
    let once = normalise_token(&with_list).expect("a token");
    assert_eq!(normalise_token(&once), Ok(once));
    // Sorted already, the token reads the same in rasn and comes back the same.
    let theirs: rasn_cms::ContentInfo = rasn::der::decode(&normalised).expect("rasn reads it");
    let signed: rasn_cms::SignedData = rasn::der::decode(theirs.content.as_bytes()).expect("rasn reads it");
    assert_eq!(rasn::der::encode(&signed).expect("rasn writes it"), theirs.content.as_bytes());
}

/// Writes a token's wrapping in BER: indefinite lengths, a segmented content, members of sets reversed.
fn in_ber(forgery: &Forgery) -> Vec<u8> {
    let token = forgery.token();
    let signed = SignedData::parse(&token).expect("a token");
    let indefinite = |tag: u8, contents: &[u8]| [&[tag, 0x80], contents, &[0, 0]].concat();
    let (first, second) = signed.content.split_at(10);
    let segments = [octet_string(first), octet_string(second)].concat();
    let content = indefinite(0xa0, &indefinite(0x24, &segments));
    let content = indefinite(0x30, &[ObjectIdentifier::TST_INFO.to_der(), content].concat());
    let certificates: Vec<u8> = signed.certificates.iter().rev().flat_map(|c| c.to_vec()).collect();
    // The last element of SignedData is the set of signers: everything after the certificates.
    let start = token.windows(8).rposition(|w| w == &signed.certificates.last().expect("some")[..8]).expect("there");
    let signers = &token[start + signed.certificates.last().expect("some").len()..];
    let algorithms = tlv(Tag::SET, &HashAlgorithm::Sha256.to_der());
    let parts = [der::integer(&[3]), algorithms, content, indefinite(0xa0, &certificates), signers.to_vec()].concat();
    let body = indefinite(0xa0, &indefinite(0x30, &parts));
    indefinite(0x30, &[ObjectIdentifier::SIGNED_DATA.to_der(), body].concat())
}

#[test]
fn a_token_in_ber_becomes_the_same_token_in_der() {
    let authority = Authority::new();
    let forgery = forged(&authority, |_| {});
    let ber = in_ber(&forgery);
    assert_eq!(normalise_token(&ber), Ok(forgery.token()));
    let response = sequence(&[&sequence(&[&der::integer(&[0])]), &ber]);
    let verified = ingest(&authority, &response).expect("the signature survives");
    assert_eq!(verified.token().as_bytes(), forgery.token());
    let error = DerError::IndefiniteLength { offset: 0 };
    assert_eq!(TimeStampToken::parse(&ber), Err(TokenError::Cms(CmsError::Der(error))));
}

#[test]
fn what_cannot_be_normalised_is_named() {
    let size = TOKEN_BYTES_MAX + 1;
    assert_eq!(normalise_token(&vec![0; size]), Err(NormaliseError::TooLarge { size }));
    let mut token = vector("doc_n.tst");
    token.push(0);
    let offset = token.len() - 1;
    assert_eq!(normalise_token(&token), Err(NormaliseError::Wrapping(DerError::TrailingBytes { offset })));
    let members = vec![HashAlgorithm::Sha256.to_der(); CMS_SET_MEMBERS_MAX + 1];
    let crowded = sequence(&[
        &ObjectIdentifier::SIGNED_DATA.to_der(),
        &tlv(Tag::context(0), &sequence(&[&der::integer(&[3]), &set_of(Tag::SET, members)])),
    ]);
    let outcome = normalise_token(&crowded);
    let limit = CMS_SET_MEMBERS_MAX;
    assert!(
        matches!(outcome, Err(NormaliseError::Wrapping(DerError::TooMany { limit: l, .. })) if l == limit),
        "{outcome:?}"
    );
    let signed_in_ber = sequence(&[
        &ObjectIdentifier::SIGNED_DATA.to_der(),
        &tlv(Tag::context(0), &sequence(&[&der::integer(&[3]), &tlv(Tag::SET, &[0x30, 0x80, 0, 0])])),
    ]);
    let offset = signed_in_ber.len() - 4;
    let error = NormaliseError::SignedPart(DerError::IndefiniteLength { offset });
    assert_eq!(normalise_token(&signed_in_ber), Err(error));
}

// ---- Foreign tools and tokens -------------------------------------------------------------------------------------

fn golden_trust() -> (TrustAnchors, AlgorithmPolicy) {
    let root = String::from_utf8(vector("ca.pem")).expect("text");
    let anchors = TrustAnchors::new(certificates_from_pem(&root).expect("PEM")).expect("anchors");
    (anchors, AlgorithmPolicy::ets_119_312())
}

#[test]
fn golden_tokens_of_openssl_pass() {
    let (anchors, algorithms) = golden_trust();
    let trust = Trust {
        anchors: &anchors,
        certificates: &[],
        revocation_lists: &[],
        policies: None,
        algorithms: &algorithms,
        trusted_list: None,
    };
    for name in ["doc.tst", "doc_n.tst", "doc_ltv.tst", "root.tst"] {
        let token = vector(name);
        let imprint = TimeStampToken::parse(&token).expect("a token").tst_info().imprint.message_imprint();
        let context = AuditContext { trust, imprint: imprint.expect("SHA-2"), known_at: None };
        let report = audit_token(&token, &context);
        assert_eq!(report.failures().collect::<Vec<_>>(), [], "{name}");
        assert!(report.verified().is_some(), "{name}");
        let expected = if name == "doc_ltv.tst" {
            Outcome::Passed
        } else {
            Outcome::NotApplicable(NotApplicable::NoRevocationData)
        };
        assert_eq!(report.outcome(Check::Revocation), &expected, "{name}");
    }
}

#[test]
fn the_golden_response_answers_the_golden_request() {
    let (anchors, algorithms) = golden_trust();
    let request = TimeStampRequest::parse(&vector("doc.tsq")).expect("a request");
    let response = vector("doc.tsr");
    let parsed = TimeStampResponse::parse(&response).expect("a response");
    let gen_time = TimeStampToken::parse(parsed.token.expect("a token")).expect("a token").tst_info().gen_time;
    let context = IngestContext {
        trust: Trust {
            anchors: &anchors,
            certificates: &[],
            revocation_lists: &[],
            policies: None,
            algorithms: &algorithms,
            trusted_list: None,
        },
        request: &request,
        sent_at: gen_time,
        received_at: gen_time,
        window: SignedDuration::from_secs(1),
        clock_tolerance: SignedDuration::ZERO,
    };
    let verified = verify_response(&response, &context).expect("a sound answer");
    assert_eq!(verified.token().as_bytes(), vector("doc_n.tst"));
}

fn openssl(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("openssl").current_dir(folder).args(arguments).output().expect("openssl runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// A folder for one test's files, or nothing where openssl is not installed.
fn openssl_folder(name: &str) -> Option<PathBuf> {
    if Command::new("openssl").arg("version").output().is_err() {
        println!("skipped: openssl is not installed");
        return None;
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    Some(folder)
}

#[test]
fn openssl_accepts_what_we_issue_and_reads_what_we_refuse() {
    let Some(folder) = openssl_folder("issued") else {
        return;
    };
    let authority = Authority::new();
    let request = authority.request(imprint());
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).expect("written");
    write("document", b"act no. 12");
    write("request.tsq", &request.to_der());
    write("response.tsr", &authority.response(&request, AT));
    write("token.tst", &authority.token(imprint(), AT));
    write("root.pem", certificate_to_pem(&authority.root).as_bytes());
    write("refused.tsr", &reject(FailInfo::UnacceptedPolicy, "autre politique"));
    write("crl.der", &authority.revocation_list("2026-01-01T00:00:00Z", &[(9, AT, Some(4))]));

    let epoch = instant(AT).as_second().to_string();
    let verify = ["ts", "-verify", "-CAfile", "root.pem", "-attime", &epoch];
    let with = |more: &[&'static str]| [&verify[..], more].concat();
    let (accepted, text) = openssl(&folder, &with(&["-in", "response.tsr", "-queryfile", "request.tsq"]));
    assert!(accepted, "{text}");
    let (accepted, text) = openssl(&folder, &with(&["-in", "token.tst", "-token_in", "-data", "document"]));
    assert!(accepted, "{text}");
    let (_, text) = openssl(&folder, &["ts", "-reply", "-in", "refused.tsr", "-text"]);
    assert!(text.contains("autre politique") && text.contains("policy"), "{text}");
    let (read, text) = openssl(&folder, &["crl", "-inform", "DER", "-in", "crl.der", "-noout", "-text"]);
    assert!(read && text.contains("Superseded"), "{text}");
    let (holds, text) = openssl(&folder, &["crl", "-inform", "DER", "-in", "crl.der", "-noout", "-CAfile", "root.pem"]);
    assert!(holds && text.contains("verify OK"), "{text}");
    let (_, text) = openssl(&folder, &["ts", "-query", "-in", "request.tsq", "-text"]);
    assert!(text.contains("Certificate required: yes"), "{text}");
}

const OPENSSL_CONFIGURATION: &str = "\
[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nC=FR\nO=Essai\nCN=Racine\n\
[ca]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n\
[tsu]\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n\
extendedKeyUsage=critical,timeStamping\n\
[tsa]\ndefault_tsa=one\n[one]\nserial=serial\ndefault_policy=1.2.3.4.1\ndigests=sha256,sha384,sha512\n\
accuracy=secs:1\nordering=no\ntsa_name=no\ness_cert_id_chain=no\ness_cert_id_alg=sha256\n";

/// Makes an authority with openssl, has it answer our request, and takes the answer in.
fn openssl_authority_answers(
    name: &str,
    key: &[&str],
    certificate_options: &[&str],
    signer_digest: &str,
    imprint: MessageImprint,
) {
    let Some(folder) = openssl_folder(name) else {
        return;
    };
    let run = |arguments: &[&str]| {
        let (good, text) = openssl(&folder, arguments);
        assert!(good, "openssl {arguments:?}: {text}");
    };
    std::fs::write(folder.join("conf"), OPENSSL_CONFIGURATION).expect("written");
    std::fs::write(folder.join("serial"), "01\n").expect("written");
    for file in ["root.key", "tsu.key"] {
        run(&[&["genpkey", "-out", file][..], key].concat());
    }
    let request_root = ["req", "-x509", "-new", "-key", "root.key", "-config", "conf", "-extensions", "ca"];
    run(&[&request_root[..], certificate_options, &["-days", "30", "-out", "root.pem"]].concat());
    let subject = "/C=FR/O=Essai/CN=Unite";
    run(&["req", "-new", "-key", "tsu.key", "-config", "conf", "-subj", subject, "-out", "tsu.csr"]);
    let sign_unit = ["x509", "-req", "-in", "tsu.csr", "-CA", "root.pem", "-CAkey", "root.key", "-set_serial", "2"];
    run(&[
        &sign_unit[..],
        certificate_options,
        &["-extfile", "conf", "-extensions", "tsu", "-days", "30", "-out", "tsu.pem"],
    ]
    .concat());

    let nonce = Nonce::new(std::num::NonZeroU64::new(0x8000_0000_0000_0001).expect("not zero"));
    let request = TimeStampRequest::new(imprint, None, nonce);
    std::fs::write(folder.join("request.tsq"), request.to_der()).expect("written");
    let reply = ["ts", "-reply", "-config", "conf", "-section", "one", "-queryfile", "request.tsq", "-signer"];
    let rest = ["tsu.pem", "-inkey", "tsu.key", "-chain", "root.pem", "-out", "response.tsr"];
    run(&[&reply[..], &rest, &[&format!("-{signer_digest}")]].concat());

    let response = std::fs::read(folder.join("response.tsr")).expect("a response");
    let root = std::fs::read_to_string(folder.join("root.pem")).expect("a root");
    let anchors = TrustAnchors::new(certificates_from_pem(&root).expect("PEM")).expect("anchors");
    let algorithms = AlgorithmPolicy::ets_119_312();
    let now = jiff::Timestamp::now();
    let policies = ["1.2.3.4.1".parse().expect("an identifier")];
    let context = IngestContext {
        trust: Trust {
            anchors: &anchors,
            certificates: &[],
            revocation_lists: &[],
            policies: Some(&policies),
            algorithms: &algorithms,
            trusted_list: None,
        },
        request: &request,
        sent_at: now,
        received_at: now,
        window: SignedDuration::from_secs(60),
        clock_tolerance: SignedDuration::from_secs(5),
    };
    let verified = verify_response(&response, &context).unwrap_or_else(|failure| panic!("{name}: {failure}"));
    std::fs::write(folder.join("token.tst"), verified.token().as_bytes()).expect("written");
    let digest = hex::encode(imprint.digest());
    run(&["ts", "-verify", "-digest", &digest, "-in", "token.tst", "-token_in", "-CAfile", "root.pem"]);
}

#[test]
fn openssl_authorities_of_every_kind_are_understood() {
    let sha512 = MessageImprint::new(HashAlgorithm::Sha512, &HashAlgorithm::Sha512.digest(&[b"x"])).expect("a digest");
    let sha384 = MessageImprint::new(HashAlgorithm::Sha384, &HashAlgorithm::Sha384.digest(&[b"x"])).expect("a digest");
    let p256 = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let p384 = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"];
    let rsa = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"];
    openssl_authority_answers("p256", &p256, &[], "sha256", imprint());
    openssl_authority_answers("p384", &p384, &[], "sha384", sha384);
    openssl_authority_answers("rsa", &rsa, &[], "sha512", sha512);
    let pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32", "-sha256"];
    openssl_authority_answers("pss-path", &rsa, &pss, "sha256", imprint());
}

/// PSS signatures made by openssl over a plain file, since `openssl ts` signs tokens with PKCS#1 v1.5 only.
#[test]
fn pss_signatures_of_openssl_hold() {
    let Some(folder) = openssl_folder("pss") else {
        return;
    };
    let run = |arguments: &[&str]| {
        let (good, text) = openssl(&folder, arguments);
        assert!(good, "openssl {arguments:?}: {text}");
    };
    run(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072", "-out", "key.pem"]);
    run(&["pkey", "-in", "key.pem", "-pubout", "-outform", "DER", "-out", "public.der"]);
    std::fs::write(folder.join("message"), b"act no. 12").expect("written");
    let key = PublicKey::parse(&std::fs::read(folder.join("public.der")).expect("a key")).expect("RSA");
    assert_eq!(key.bits(), 3072);
    for hash in HashAlgorithm::ALL {
        let digest = format!("-sha{}", hash.digest_len() * 8);
        let padding = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"];
        let sign = ["dgst", &digest, "-sign", "key.pem", "-out", "signature"];
        run(&[&sign[..], &padding, &["message"]].concat());
        let signature = std::fs::read(folder.join("signature")).expect("a signature");
        let scheme = SignatureScheme { family: SignatureFamily::RsaPss, hash };
        assert_eq!(key.verify(scheme, b"act no. 12", &signature), Ok(()));
        assert_eq!(key.verify(scheme, b"act no. 13", &signature), Err(SignatureError::Invalid));
    }
}

#[test]
fn a_qualified_authoritys_token_of_2018_is_read() {
    let root = std::env::var_os("CARTULAIRE_DATA").map(PathBuf::from);
    let root = root.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"));
    let path = root.join("evidence/rfc3161/d-trust.tsr");
    let Ok(bytes) = std::fs::read(&path) else {
        println!("skipped: no {} (set CARTULAIRE_DATA)", path.display());
        return;
    };
    let normalised = normalise_token(&bytes).expect("a token");
    let token = TimeStampToken::parse(&normalised).expect("a token");
    assert_eq!(token.tst_info().gen_time, instant("2018-05-23T13:18:29Z"));
    let anchors = TrustAnchors::default();
    let algorithms = AlgorithmPolicy::ets_119_312();
    let trust = Trust {
        anchors: &anchors,
        certificates: &[],
        revocation_lists: &[],
        policies: None,
        algorithms: &algorithms,
        trusted_list: None,
    };
    let imprint = token.tst_info().imprint.message_imprint().expect("SHA-2");
    let report = audit_token(&normalised, &AuditContext { trust, imprint, known_at: None });
    assert_eq!(report.outcome(Check::Signature), &Outcome::Passed);
    assert_eq!(report.outcome(Check::CertificatePurpose), &Outcome::Passed);
    assert_eq!(report.outcome(Check::Path), &Outcome::Failed(CheckError::NoPath));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = normalise_token(&bytes);
        let _ = TimeStampToken::parse(&bytes);
        let _ = TimeStampRequest::parse(&bytes);
        let _ = TimeStampResponse::parse(&bytes);
        let _ = Certificate::parse(&bytes);
        let _ = cartulaire_formats::x509::RevocationList::parse(&bytes);
        let _ = PublicKey::parse(&bytes);
    }

    #[test]
    fn a_changed_token_never_panics_and_never_says_something_else(
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
    ) {
        let authority = Authority::new();
        let sound = authority.token(imprint(), AT);
        let mut token = sound.clone();
        let at = at.index(token.len());
        token[at] = value;
        let _ = normalise_token(&token);
        let anchors = authority.anchors();
        let algorithms = AlgorithmPolicy::ets_119_312();
        let trust = authority.trust(&anchors, &algorithms);
        let report = audit_token(&token, &AuditContext { trust, imprint: imprint(), known_at: None });
        if let Some(verified) = report.verified() {
            let original = TimeStampToken::parse(&sound).expect("a token");
            prop_assert_eq!(verified.token().tst_info(), original.tst_info());
        }
    }

    #[test]
    fn normalising_twice_is_normalising_once(at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let mut token = vector("doc_ltv.tst");
        let at = at.index(token.len());
        token[at] = value;
        if let Ok(once) = normalise_token(&token) {
            prop_assert_eq!(normalise_token(&once), Ok(once));
        }
    }
}
