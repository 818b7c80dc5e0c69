//! Attesting: RFC 3161 tokens over the evidence roots.
//!
//! A token is kept only after every check of RFC 3161 passed; it is normalised to DER once and never touched again. What
//! an authority does wrong is journaled and the next in the list is asked; deposits are never delayed.

use std::collections::HashSet;
use std::num::NonZeroU64;
use std::sync::Arc;

use bytes::Bytes;
use cartulaire_formats::der::ObjectIdentifier;
use cartulaire_formats::hash::{Sha256Digest, Sha512Digest};
use cartulaire_formats::journal::{EventType, Outcome};
use cartulaire_formats::layout::{self, EvidenceAlgorithm, ObjectName, SealNumber};
use cartulaire_formats::tsp::{
    AlgorithmPolicy, AuditContext, IngestContext, IngestFailure, MessageImprint, Nonce, TimeStampRequest,
    TimeStampToken, Trust, TrustAnchors, audit_token, verify_response,
};
use cartulaire_formats::x509::certificate_to_pem;
use jiff::SignedDuration;

use crate::archive::Archive;
use crate::bounds::{LEAVES_BYTES_MAX, TOKEN_CLOCK_AHEAD_SECONDS_MAX, TOKEN_WINDOW_SECONDS_MAX};
use crate::commit::Event;
use crate::evidence::{self, EvidenceDigest};
use crate::fault::{Damage, DamageKind, Fault, Retry, must_read};
use crate::ports::{AuthorityError, Store, TimeStampAuthority};

/// One authority and what is trusted of it.
#[derive(Clone)]
pub struct Authority {
    /// How it is reached.
    pub port: Arc<dyn TimeStampAuthority>,
    /// The roots that its certificate must lead to.
    pub anchors: Arc<TrustAnchors>,
    /// The policies that its tokens may name; none means any.
    pub policies: Vec<ObjectIdentifier>,
    /// Whether the operator declares it qualified (eIDAS, article 42). Never for the development authority.
    pub qualified: bool,
}

impl Authority {
    fn trust<'a>(&'a self, algorithms: &'a AlgorithmPolicy) -> Trust<'a> {
        Trust {
            anchors: &self.anchors,
            certificates: &[],
            revocation_lists: &[],
            policies: (!self.policies.is_empty()).then_some(&self.policies[..]),
            algorithms,
            trusted_list: None,
        }
    }
}

/// Who time-stamps the evidence trees, in the order in which they are asked.
#[derive(Clone, Default)]
pub struct Authorities {
    /// For the SHA-256 tree.
    pub sha256: Vec<Authority>,
    /// For the SHA-512 tree; none means that there is no such tree.
    pub sha512: Vec<Authority>,
}

/// Why one authority gave no token.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Port(AuthorityError),
    #[error(transparent)]
    Check(Box<IngestFailure>),
}

impl Refusal {
    /// A stable word for the journal.
    fn code(&self) -> String {
        match self {
            Self::Port(AuthorityError::Unreachable) => "unreachable".into(),
            Self::Port(AuthorityError::Status(status)) => format!("http-{status}"),
            Self::Port(AuthorityError::ContentType) => "content-type".into(),
            Self::Port(AuthorityError::TooLong) => "too-long".into(),
            Self::Check(failure) => format!("check-{}", failure.check.number()),
        }
    }
}

/// The one who asks for tokens.
pub struct Attester {
    archive: Arc<Archive>,
    authorities: Authorities,
    /// Authorities whose last answer was no token: journaled once until they answer again.
    failing: HashSet<String>,
    events: Vec<Event>,
}

/// The root of the tree whose leaves a site holds.
fn root_at<D: EvidenceDigest>(store: &dyn Store, name: &ObjectName) -> Result<D, Fault> {
    let malformed = || Fault::from(Damage::new(name, DamageKind::Malformed));
    let size = must_read(name, store.size(name))?.ok_or_else(|| Damage::new(name, DamageKind::Missing))?;
    if size > LEAVES_BYTES_MAX {
        return Err(malformed());
    }
    let bytes = must_read(name, store.read(name, 0..size))?;
    evidence::decode::<D>(&bytes).map(|leaves| evidence::tree(leaves).root()).ok_or_else(malformed)
}

impl Attester {
    pub(crate) fn new(archive: Arc<Archive>, authorities: Authorities) -> Self {
        Self { archive, authorities, failing: HashSet::new(), events: Vec::new() }
    }

    /// Obtains a token over the root of an evidence tree and makes it durable on every required site.
    ///
    /// - Returns the event to journal; once it is committed the tree counts as attested. A token that is at rest already
    ///   is not asked for again.
    ///
    /// # Errors
    /// - [`Fault::Retry`]: no authority gave a sound token, or no site took it; nothing changed.
    /// - [`Fault::Poisoned`]: unknown whether the token is at rest; open the archive again.
    /// - [`Fault::Damaged`]: the leaves or the token at rest are not what they must be.
    pub fn attest(&mut self, seal: SealNumber, algorithm: EvidenceAlgorithm) -> Result<Event, Fault> {
        let imprint = match algorithm {
            EvidenceAlgorithm::Sha256 => self.root::<Sha256Digest>(seal, algorithm)?,
            EvidenceAlgorithm::Sha512 => self.root::<Sha512Digest>(seal, algorithm)?,
        };
        let name = layout::token(seal, algorithm);
        let at_rest = must_read(&name, self.archive.sites().read_whole(&name, LEAVES_BYTES_MAX))?;
        if let Some(bytes) = at_rest {
            self.archive.sites().complete(&name)?;
            return self.describe(seal, algorithm, &imprint, &bytes);
        }
        let authorities = match algorithm {
            EvidenceAlgorithm::Sha256 => self.authorities.sha256.clone(),
            EvidenceAlgorithm::Sha512 => self.authorities.sha512.clone(),
        };
        for authority in &authorities {
            match self.ask(authority, imprint) {
                Ok(token) => {
                    self.failing.remove(authority.port.name());
                    self.keep_certificates(&token)?;
                    let bytes = Bytes::copy_from_slice(token.as_bytes());
                    self.archive.sites().create(&name, &[bytes])?;
                    return self.describe(seal, algorithm, &imprint, token.as_bytes());
                }
                Err(refusal) => self.note_refusal(authority, seal, &refusal),
            }
        }
        Err(Fault::Retry(Retry::Authority))
    }

    /// The events to journal since the last call: authorities that began to fail.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// The tree's root by its leaves at rest, on the first site where they are those that were sealed.
    fn root<D: EvidenceDigest>(&self, seal: SealNumber, algorithm: EvidenceAlgorithm) -> Result<MessageImprint, Fault> {
        let name = layout::evidence_leaves(seal, algorithm);
        let sealed = self.archive.index().unattested_root(seal, algorithm)?;
        let mut found = Err(Damage::new(&name, DamageKind::Missing).into());
        for site in self.archive.sites().iter() {
            found = root_at::<D>(&*site.store, &name).and_then(|root| {
                // A token over anything else would stand for ever in the place of the seal's own.
                let is_sealed = sealed.as_ref().is_none_or(|sealed| *sealed == root.bytes());
                if is_sealed { Ok(root) } else { Err(Damage::new(&name, DamageKind::Digest).into()) }
            });
            if found.is_ok() {
                break;
            }
            tracing::error!(site = site.name, object = %name, "damaged or unreadable at rest");
        }
        let root = found?;
        Ok(MessageImprint::new(D::ALGORITHM, root.bytes()).expect("a root has the length of its algorithm"))
    }

    fn ask(&self, authority: &Authority, imprint: MessageImprint) -> Result<TimeStampToken, Refusal> {
        let mut random = [0; 8];
        self.archive.entropy().fill(&mut random);
        let random = u64::from_be_bytes(random) >> 1;
        let nonce = Nonce::new(NonZeroU64::new(random).unwrap_or(NonZeroU64::MIN));
        let request = TimeStampRequest::new(imprint, None, nonce);
        let sent_at = self.now();
        let response = authority.port.ask(&request.to_der()).map_err(Refusal::Port)?;
        let policy = AlgorithmPolicy::ets_119_312();
        let context = IngestContext {
            trust: authority.trust(&policy),
            request: &request,
            sent_at,
            received_at: self.now(),
            window: SignedDuration::from_secs(TOKEN_WINDOW_SECONDS_MAX),
            clock_tolerance: SignedDuration::from_secs(TOKEN_CLOCK_AHEAD_SECONDS_MAX),
        };
        let verified = verify_response(&response, &context).map_err(|failure| Refusal::Check(Box::new(failure)))?;
        Ok(verified.token().clone())
    }

    fn now(&self) -> jiff::Timestamp {
        let millis = self.archive.clock().now().unix_millis();
        jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX)
    }

    /// Keeps the certificates where whoever reads the archive without us looks for them.
    fn keep_certificates(&self, token: &TimeStampToken) -> Result<(), Fault> {
        let certificates = token.certificates().expect("a token that passed every check can be read");
        for certificate in certificates {
            let name = layout::authority_certificate(&Sha256Digest::of(certificate));
            let pem = Bytes::from(certificate_to_pem(certificate));
            self.archive.sites().create_derived(&name, &[pem])?;
        }
        Ok(())
    }

    fn note_refusal(&mut self, authority: &Authority, seal: SealNumber, refusal: &Refusal) {
        let name = authority.port.name();
        tracing::warn!(authority = name, %seal, error = %refusal, "no time-stamp from this authority");
        if self.failing.insert(name.to_owned()) {
            let event = Event::of_service(EventType::AttestFailed, &format!("seal:{seal}"), Outcome::Failure);
            self.events.push(event.with_fact("authority", name).with_fact("reason", refusal.code()));
        }
    }

    /// The event that makes the log older than the token and the token older than the next log.
    fn describe(
        &self,
        seal: SealNumber,
        algorithm: EvidenceAlgorithm,
        imprint: &MessageImprint,
        token: &[u8],
    ) -> Result<Event, Fault> {
        let name = layout::token(seal, algorithm);
        let malformed = || Damage::new(&name, DamageKind::Malformed);
        let parsed = TimeStampToken::parse(token).map_err(|_| malformed())?;
        let info = parsed.tst_info();
        if info.imprint.message_imprint().as_ref() != Some(imprint) {
            return Err(malformed().into());
        }
        let (authority, qualified) = self.authority_of(token, algorithm, *imprint);
        Ok(Event::of_service(EventType::SealAttested, &format!("seal:{seal}"), Outcome::Success)
            .with_fact("seal", seal)
            .with_fact("algorithm", algorithm)
            .with_fact("token", Sha256Digest::of(token))
            .with_fact("time", info.gen_time)
            .with_fact("authority", authority)
            .with_fact("qualified", qualified))
    }

    /// The configured authority whose roots the token leads to; a token from earlier times may lead to none.
    fn authority_of(&self, token: &[u8], algorithm: EvidenceAlgorithm, imprint: MessageImprint) -> (String, bool) {
        let authorities = match algorithm {
            EvidenceAlgorithm::Sha256 => &self.authorities.sha256,
            EvidenceAlgorithm::Sha512 => &self.authorities.sha512,
        };
        let policy = AlgorithmPolicy::ets_119_312();
        let issued = |authority: &&Authority| {
            let context = AuditContext { trust: authority.trust(&policy), imprint, known_at: None };
            audit_token(token, &context).verified().is_some()
        };
        let known = authorities.iter().find(issued);
        known.map_or(("unknown".into(), false), |a| (a.port.name().to_owned(), a.qualified))
    }
}
