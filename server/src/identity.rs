//! Who calls: API keys, their roles, and which role opens which door.
//!
//! A key's text is `cart_<12 hex>_<43 base64url>`: its public identifier and 32 random bytes. Only the SHA-256 of those
//! bytes is kept, in the detail object of the journal's `key-created` entry, so the set of keys is rebuilt from the
//! journal like everything else. A hash without salt or stretching is enough: nobody guesses 256 random bits.
//!
//! Invariant: a key acts in its own tenant alone, save that administrators, whose keys live in the tenant `service`,
//! administer every tenant. This module decides; it does not speak HTTP and does not wait for anything.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use cartulaire_engine::commit::Event;
use cartulaire_engine::index::{Index, IndexError};
use cartulaire_engine::ports::Entropy;
use cartulaire_formats::hash::Sha256Digest;
use cartulaire_formats::jcs;
use cartulaire_formats::journal::{EventType, Outcome, TenantId};
use cartulaire_formats::time::Timestamp;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

/// What every key begins with, so that secret scanners and people recognise one.
pub const KEY_PREFIX: &str = "cart_";

/// Longest label of a key and longest name of a tenant, in bytes: what a screen shows on a line or two.
pub const LABEL_BYTES_MAX: usize = 200;

/// A key's public identifier: 6 random bytes, 12 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId([u8; 6]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for KeyId {
    type Err = MalformedKey;

    fn from_str(text: &str) -> Result<Self, MalformedKey> {
        let mut bytes = [0; 6];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| MalformedKey)?;
        let id = Self(bytes);
        (id.to_string() == text).then_some(id).ok_or(MalformedKey)
    }
}

impl TryFrom<String> for KeyId {
    type Error = MalformedKey;

    fn try_from(text: String) -> Result<Self, MalformedKey> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_string()
    }
}

/// The text is not a key, or not a key's identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key is cart_, 12 hex digits, _, 43 characters of base64url")]
pub struct MalformedKey;

/// A whole key, as its bearer has it. It can be shown once, and neither printed by accident nor compared in variable time.
pub struct ApiKey {
    id: KeyId,
    secret: [u8; 32],
}

impl ApiKey {
    /// Draws a new key.
    #[must_use]
    pub fn draw(entropy: &dyn Entropy) -> Self {
        let (mut id, mut secret) = ([0; 6], [0; 32]);
        entropy.fill(&mut id);
        entropy.fill(&mut secret);
        Self { id: KeyId(id), secret }
    }

    /// Its public part.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The text to hand to its bearer, once.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{KEY_PREFIX}{}_{}", self.id, URL_SAFE_NO_PAD.encode(self.secret))
    }

    fn digest(&self) -> Sha256Digest {
        Sha256Digest::of(&self.secret)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", self.id)
    }
}

impl FromStr for ApiKey {
    type Err = MalformedKey;

    fn from_str(text: &str) -> Result<Self, MalformedKey> {
        let (id, secret) = text.strip_prefix(KEY_PREFIX).and_then(|rest| rest.split_once('_')).ok_or(MalformedKey)?;
        let secret = URL_SAFE_NO_PAD.decode(secret).map_err(|_| MalformedKey)?;
        Ok(Self { id: id.parse()?, secret: secret.try_into().map_err(|_| MalformedKey)? })
    }
}

/// What a key's bearer may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Creates tenants, creates and revokes keys; only in the tenant `service`.
    Administrator,
    /// Reads everything of a tenant, checks it, and asks for destructions.
    #[doc(alias = "archiviste")]
    Archivist,
    /// Reads journals and the log, checks integrity; reads no document.
    #[doc(alias = "auditeur")]
    Auditor,
    /// Deposits, and asks for the receipts and proofs.
    #[doc(alias = "versant")]
    Depositor,
    /// Reads documents and their proofs.
    #[doc(alias = "lecteur")]
    Reader,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Administrator, Self::Archivist, Self::Auditor, Self::Depositor, Self::Reader];

    /// The role's name, as in JSON and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Archivist => "archivist",
            Self::Auditor => "auditor",
            Self::Depositor => "depositor",
            Self::Reader => "reader",
        }
    }
}

/// The text names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the roles are administrator, archivist, auditor, depositor and reader")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.name() == text).ok_or(UnknownRole)
    }
}

/// What a caller may ask for: the eight functions of NF Z42-020, the proofs, the log, administration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    /// Deposit.
    Deposit,
    /// Read a file.
    Read,
    /// Destroy an archive.
    Destroy,
    /// Read an archive's technical metadata.
    ReadMetadata,
    /// Check an archive's integrity.
    Check,
    /// Read the journal.
    ReadJournal,
    /// List archives.
    List,
    /// Count archives.
    Count,
    /// Have a receipt issued again.
    IssueReceipt,
    /// Have a proof's summary issued.
    IssueProof,
    /// Have a proof bundle issued: it holds the documents.
    IssueBundle,
    /// Read the Merkle log, which is the whole service's.
    ReadLog,
    /// Create and list tenants.
    AdministerTenants,
    /// Create, list and revoke keys.
    AdministerKeys,
}

impl Function {
    /// Every function.
    pub const ALL: [Self; 14] = [
        Self::Deposit,
        Self::Read,
        Self::Destroy,
        Self::ReadMetadata,
        Self::Check,
        Self::ReadJournal,
        Self::List,
        Self::Count,
        Self::IssueReceipt,
        Self::IssueProof,
        Self::IssueBundle,
        Self::ReadLog,
        Self::AdministerTenants,
        Self::AdministerKeys,
    ];

    /// The roles that open this door; any of them is enough. The only place that says so.
    #[must_use]
    pub fn roles(self) -> &'static [Role] {
        use Role::{Administrator, Archivist, Auditor, Depositor, Reader};
        match self {
            Self::Deposit => &[Depositor],
            Self::Read | Self::IssueBundle => &[Reader, Archivist],
            Self::Destroy => &[Archivist],
            Self::ReadMetadata | Self::IssueReceipt | Self::IssueProof => &[Depositor, Reader, Archivist, Auditor],
            Self::Check | Self::ReadJournal => &[Archivist, Auditor],
            Self::List | Self::Count => &[Reader, Archivist, Auditor],
            Self::ReadLog => &[Auditor],
            Self::AdministerTenants | Self::AdministerKeys => &[Administrator],
        }
    }

    /// Its stable name, as in the journal's facts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Deposit => "deposit",
            Self::Read => "read",
            Self::Destroy => "destroy",
            Self::ReadMetadata => "read-metadata",
            Self::Check => "check",
            Self::ReadJournal => "read-journal",
            Self::List => "list",
            Self::Count => "count",
            Self::IssueReceipt => "issue-receipt",
            Self::IssueProof => "issue-proof",
            Self::IssueBundle => "issue-bundle",
            Self::ReadLog => "read-log",
            Self::AdministerTenants => "administer-tenants",
            Self::AdministerKeys => "administer-keys",
        }
    }

    fn reaches_every_tenant(self) -> bool {
        matches!(self, Self::ReadLog | Self::AdministerTenants | Self::AdministerKeys)
    }
}

/// A key as the journal knows it. Fields in the order of their names: serialising yields canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRecord {
    /// When it was created.
    pub created: Timestamp,
    /// Its public identifier.
    pub id: KeyId,
    /// What its creator calls it; may hold personal data, which is why it is in a detail object.
    pub label: String,
    /// When it was revoked, if it was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revoked: Option<Timestamp>,
    /// What its bearer may do.
    pub roles: BTreeSet<Role>,
    /// SHA-256 of its 32 secret bytes.
    pub secret_sha256: Sha256Digest,
    /// Whose it is.
    pub tenant: TenantId,
}

/// A tenant as the journal knows it. Fields in the order of their names: serialising yields canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantRecord {
    /// When it was created.
    pub created: Timestamp,
    /// Its identifier.
    pub id: TenantId,
    /// What it is called.
    pub name: String,
}

/// Why a key or a tenant cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// A key without a role can do nothing.
    #[error("a key needs at least one role")]
    NoRole,
    /// Administrators live in the tenant `service`; nobody deposits or reads there.
    #[error("in the tenant `service` the roles are administrator and auditor; elsewhere, all but administrator")]
    RoleOutOfPlace,
    /// Too long, empty, or with control characters.
    #[error("a label or name has 1 to {LABEL_BYTES_MAX} bytes and no control characters")]
    Label,
    /// The tenant `service` is there from the beginning.
    #[error("`service` is the service's own tenant")]
    Service,
}

impl KeyRecord {
    /// Describes a new key.
    ///
    /// # Errors
    /// [`IdentityError::NoRole`], [`IdentityError::RoleOutOfPlace`], [`IdentityError::Label`].
    pub fn new(
        key: &ApiKey,
        tenant: TenantId,
        roles: BTreeSet<Role>,
        label: String,
        created: Timestamp,
    ) -> Result<Self, IdentityError> {
        if roles.is_empty() {
            return Err(IdentityError::NoRole);
        }
        let in_place = |role: &Role| match role {
            Role::Administrator => tenant.is_service(),
            Role::Auditor => true,
            Role::Archivist | Role::Depositor | Role::Reader => !tenant.is_service(),
        };
        if !roles.iter().all(in_place) {
            return Err(IdentityError::RoleOutOfPlace);
        }
        check_label(&label)?;
        Ok(Self { created, id: key.id, label, revoked: None, roles, secret_sha256: key.digest(), tenant })
    }

    /// Who the key's bearer is in the journal: `key:<id>`.
    #[must_use]
    pub fn agent(&self) -> String {
        subject_of_key(&self.id)
    }

    /// Whether the bearer may call `function` on a tenant.
    #[must_use]
    pub fn may(&self, function: Function, tenant: &TenantId) -> bool {
        let in_reach = self.tenant == *tenant || function.reaches_every_tenant();
        in_reach && function.roles().iter().any(|role| self.roles.contains(role))
    }

    /// The journal entry that creates the key, in its tenant's journal.
    #[must_use]
    pub fn created_event(&self, agent: &str) -> Event {
        let roles: Vec<&str> = self.roles.iter().map(|role| role.name()).collect();
        self.event(EventType::KeyCreated, agent).with_fact("roles", roles.join(" "))
    }

    /// The journal entry that revokes the key from `time` on.
    #[must_use]
    pub fn revoked_event(mut self, agent: &str, time: Timestamp) -> Event {
        self.revoked = Some(time);
        self.event(EventType::KeyRevoked, agent)
    }

    fn event(&self, event: EventType, agent: &str) -> Event {
        detailed_event(&self.tenant, agent, self.agent(), event, self)
    }
}

impl TenantRecord {
    /// Describes a new tenant.
    ///
    /// # Errors
    /// [`IdentityError::Service`], [`IdentityError::Label`].
    pub fn new(id: TenantId, name: String, created: Timestamp) -> Result<Self, IdentityError> {
        if id.is_service() {
            return Err(IdentityError::Service);
        }
        check_label(&name)?;
        Ok(Self { created, id, name })
    }

    /// The journal entry that creates the tenant: the first of its own journal.
    #[must_use]
    pub fn created_event(&self, agent: &str) -> Event {
        detailed_event(&self.id, agent, format!("tenant:{}", self.id), EventType::TenantCreated, self)
    }
}

fn detailed_event<T: Serialize>(
    tenant: &TenantId,
    agent: &str,
    subject: String,
    event: EventType,
    detail: &T,
) -> Event {
    let detail = jcs::to_canonical(detail).expect("records have text keys and no numbers but times");
    Event {
        tenant: tenant.clone(),
        agent: agent.to_owned(),
        subject,
        event,
        outcome: Outcome::Success,
        facts: Default::default(),
        details: vec![Bytes::from(detail)],
    }
}

fn check_label(text: &str) -> Result<(), IdentityError> {
    let sound = (1..=LABEL_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
    sound.then_some(()).ok_or(IdentityError::Label)
}

fn subject_of_key(id: &KeyId) -> String {
    format!("key:{id}")
}

/// Finds a key by its identifier, revoked or not.
///
/// # Errors
/// [`IndexError`].
pub fn find_key(index: &Index, id: &KeyId) -> Result<Option<KeyRecord>, IndexError> {
    let detail = index.detail(&subject_of_key(id))?;
    detail.map(|bytes| parse_record(&bytes)).transpose()
}

/// Every key of a tenant, sorted by identifier, revoked ones too.
///
/// # Errors
/// [`IndexError`].
pub fn keys_of(index: &Index, tenant: &TenantId) -> Result<Vec<KeyRecord>, IndexError> {
    let all = index.details("key:")?.into_iter().map(|(_, bytes)| parse_record::<KeyRecord>(&bytes));
    all.filter(|key| key.as_ref().map_or(true, |key| key.tenant == *tenant)).collect()
}

/// Every tenant but `service`, sorted by identifier.
///
/// # Errors
/// [`IndexError`].
pub fn tenants(index: &Index) -> Result<Vec<TenantRecord>, IndexError> {
    index.details("tenant:")?.into_iter().map(|(_, bytes)| parse_record(&bytes)).collect()
}

fn parse_record<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, IndexError> {
    serde_json::from_slice(bytes).map_err(|_| IndexError::Malformed)
}

/// Finds whose key this is: `None` if it is nobody's, revoked, or its secret is another.
///
/// # Errors
/// [`IndexError`].
pub fn authenticate(index: &Index, key: &ApiKey) -> Result<Option<KeyRecord>, IndexError> {
    let Some(record) = find_key(index, &key.id)? else { return Ok(None) };
    let same: bool = record.secret_sha256.0.ct_eq(&key.digest().0).into();
    Ok((same && record.revoked.is_none()).then_some(record))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that count up, so that texts are known.
    struct Counting;

    impl Entropy for Counting {
        fn fill(&self, out: &mut [u8]) {
            out.iter_mut().zip(1..).for_each(|(byte, n)| *byte = n);
        }
    }

    fn tenant(id: &str) -> TenantId {
        id.parse().unwrap()
    }

    fn record(tenant_id: &str, roles: &[Role]) -> Result<KeyRecord, IdentityError> {
        let roles = roles.iter().copied().collect();
        KeyRecord::new(&ApiKey::draw(&Counting), tenant(tenant_id), roles, "portail".into(), Timestamp::MIN)
    }

    #[test]
    fn a_key_has_one_text() {
        let text = ApiKey::draw(&Counting).reveal();
        assert_eq!(text, "cart_010203040506_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA");
        assert_eq!(text.parse::<ApiKey>().unwrap().reveal(), text);
        assert_eq!(format!("{:?}", text.parse::<ApiKey>().unwrap()), "ApiKey(010203040506)");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let sound = ApiKey::draw(&Counting).reveal();
        let spoilt = [
            String::new(),
            sound.replace("cart_", "card_"),
            sound.replace("010203040506", "01020304050"),
            sound.replace("010203040506", "01020304050A"),
            format!("{sound}A"),
            sound[..sound.len() - 1].to_owned(),
            sound.replace("AQID", "AQ+D"),
        ];
        for text in spoilt {
            assert_eq!(text.parse::<ApiKey>().map(|key| key.reveal()), Err(MalformedKey), "{text}");
        }
    }

    #[test]
    fn a_record_is_canonical_json() {
        let record = record("kerlouan", &[Role::Reader, Role::Depositor]).unwrap();
        let event = record.created_event("operator");
        let expected = concat!(
            r#"{"created":"1970-01-01T00:00:00.000Z","id":"010203040506","label":"portail","roles":["depositor","reader"],"#,
            r#""secret_sha256":"ae216c2ef5247a3782c135efa279a3e4cdc61094270f5d2be58c6204b7a612c9","tenant":"kerlouan"}"#
        );
        assert_eq!(event.details, [Bytes::from(expected)]);
        assert_eq!(event.facts["roles"], "depositor reader");
    }

    #[test]
    fn roles_stay_in_their_place() {
        for role in Role::ALL {
            let is_administrator = role == Role::Administrator;
            let elsewhere = record("kerlouan", &[role]).err();
            assert_eq!(elsewhere, is_administrator.then_some(IdentityError::RoleOutOfPlace), "{role:?}");
            let serves = matches!(role, Role::Administrator | Role::Auditor);
            let in_service = record("service", &[role]).err();
            assert_eq!(in_service, (!serves).then_some(IdentityError::RoleOutOfPlace), "{role:?}");
        }
        assert_eq!(record("kerlouan", &[]), Err(IdentityError::NoRole));
    }

    #[test]
    fn names_are_one_line() {
        let named = |name: &str| TenantRecord::new(tenant("kerlouan"), name.into(), Timestamp::MIN).map(|t| t.name);
        assert_eq!(named("Commune de Kerlouan"), Ok("Commune de Kerlouan".into()));
        for name in ["", "a\nb", &"x".repeat(LABEL_BYTES_MAX + 1)] {
            assert_eq!(named(name), Err(IdentityError::Label));
        }
        let service = TenantRecord::new(TenantId::service(), "x".into(), Timestamp::MIN);
        assert_eq!(service, Err(IdentityError::Service));
    }

    #[test]
    fn only_the_log_and_administration_reach_beyond_the_own_tenant() {
        let everything = |tenant_id: &str, roles: &[Role], of: &str| {
            let record = record(tenant_id, roles).unwrap();
            let may = Function::ALL.into_iter().filter(|f| record.may(*f, &tenant(of)));
            may.collect::<Vec<_>>()
        };
        let roles = [Role::Archivist, Role::Auditor, Role::Depositor, Role::Reader];
        assert_eq!(everything("kerlouan", &roles, "brest"), [Function::ReadLog]);
        assert_eq!(everything("kerlouan", &roles, "kerlouan").len(), 12);
        let administration = [Function::AdministerTenants, Function::AdministerKeys];
        assert_eq!(everything("service", &[Role::Administrator], "brest"), administration);
    }

    #[test]
    fn every_role_and_function_has_its_own_name() {
        for role in Role::ALL {
            assert_eq!(role.name().parse::<Role>(), Ok(role));
        }
        assert_eq!("root".parse::<Role>(), Err(UnknownRole));
        let names: BTreeSet<&str> = Function::ALL.iter().map(|f| f.name()).collect();
        assert_eq!(names.len(), Function::ALL.len());
    }
}
