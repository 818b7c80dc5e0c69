//! Who calls, whether they may, and the one journal entry of each call.
//!
//! A [`Grant`] exists only if the key is known and its roles open the door. [`Grant::perform`] is the only way to a
//! handler's answer: it journals what was done, or refused, before the answer leaves.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use cartulaire_engine::commit::Event;
use cartulaire_formats::aip::ArchiveId;
use cartulaire_formats::journal::{EventType, Outcome, TenantId};

use super::problem::{Problem, ProblemKind};
use super::state::AppState;
use crate::identity::{self, ApiKey, Function, KeyId, KeyRecord};

/// A request with a valid key; what it may do is not known yet.
pub struct Caller {
    state: AppState,
    key: Arc<KeyRecord>,
}

/// Where the request's log line finds whose key it was.
#[derive(Debug, Clone, Default)]
pub struct SeenKey(pub Arc<OnceLock<KeyId>>);

impl FromRequestParts<AppState> for Caller {
    type Rejection = Problem;

    /// Unknown keys are counted, not journaled: otherwise anybody could make the journal grow.
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let Some(key) = bearer(parts) else {
            state.metrics.unknown_keys.add(1);
            return Err(ProblemKind::KeyRequired.into());
        };
        let Some(record) = identity::authenticate(state.archive().index(), &key)? else {
            tracing::warn!(key = %key.id(), "an unknown or revoked key was presented");
            state.metrics.unknown_keys.add(1);
            return Err(ProblemKind::KeyRequired.into());
        };
        if let Some(seen) = parts.extensions.get::<SeenKey>() {
            seen.0.get_or_init(|| record.id);
        }
        Ok(Self { state: state.clone(), key: Arc::new(record) })
    }
}

/// The key of `Authorization: Bearer` (RFC 6750 §2.1); exactly one such field.
fn bearer(parts: &Parts) -> Option<ApiKey> {
    let mut fields = parts.headers.get_all(AUTHORIZATION).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return None };
    let (scheme, token) = field.to_str().ok()?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") { token.trim().parse().ok() } else { None }
}

impl Caller {
    /// Asks to do something to a tenant.
    ///
    /// # Errors
    /// [`ProblemKind::AccessDenied`], journaled in the key's own tenant; whether the other tenant exists stays unsaid.
    pub async fn may(self, function: Function, tenant: &str) -> Result<Grant, Problem> {
        let tenant: Option<TenantId> = tenant.parse().ok();
        match tenant {
            Some(tenant) if self.key.may(function, &tenant) => {
                Ok(Grant { state: self.state, key: self.key, subject: format!("tenant:{tenant}"), tenant })
            }
            _ => Err(self.deny(function).await),
        }
    }

    /// Asks for something of the whole service, journaled in the key's own tenant.
    ///
    /// # Errors
    /// As [`Self::may`].
    pub async fn may_in_own(self, function: Function) -> Result<Grant, Problem> {
        let tenant = self.key.tenant.to_string();
        self.may(function, &tenant).await
    }

    async fn deny(self, function: Function) -> Problem {
        let event = Event {
            tenant: self.key.tenant.clone(),
            agent: self.key.agent(),
            subject: self.key.agent(),
            event: EventType::AccessDenied,
            outcome: Outcome::Refused,
            facts: BTreeMap::from([("function".to_owned(), function.name().to_owned())]),
            details: Vec::new(),
        };
        match self.state.journal(event).await {
            Ok(()) => ProblemKind::AccessDenied.into(),
            Err(fault) => fault.into(),
        }
    }
}

/// A known key whose roles open one door of one tenant.
pub struct Grant {
    state: AppState,
    key: Arc<KeyRecord>,
    tenant: TenantId,
    subject: String,
}

/// What came of a call, and what its journal entry says beside.
pub struct Done<T> {
    value: T,
    outcome: Outcome,
    facts: BTreeMap<String, String>,
}

impl<T> Done<T> {
    /// A success.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self { value, outcome: Outcome::Success, facts: BTreeMap::new() }
    }

    /// Adds a fact, which holds neither personal data nor the digest of a document.
    #[must_use]
    pub fn with_fact(mut self, name: &str, value: impl ToString) -> Self {
        self.facts.insert(name.into(), value.to_string());
        self
    }

    /// Makes another value of the value.
    #[must_use]
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Done<U> {
        Done { value: make(self.value), outcome: self.outcome, facts: self.facts }
    }

    /// Says that the call was carried out and found something wrong.
    #[must_use]
    pub fn but_failure(mut self) -> Self {
        self.outcome = Outcome::Failure;
        self
    }
}

impl Grant {
    /// Whose archives the call is about.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Who the caller is in the journal.
    #[must_use]
    pub fn agent(&self) -> String {
        self.key.agent()
    }

    /// What every request shares.
    #[must_use]
    pub fn state(&self) -> &AppState {
        &self.state
    }

    /// Names the archive that the call is about, if the text is an archive's identifier.
    #[must_use]
    pub fn about(mut self, archive: &str) -> Self {
        if let Ok(id) = archive.parse::<ArchiveId>() {
            self.subject = format!("archive:{id}");
        }
        self
    }

    /// Names the key that the call is about, if the text is a key's identifier.
    #[must_use]
    pub fn about_key(mut self, key: &str) -> Self {
        if let Ok(id) = key.parse::<KeyId>() {
            self.subject = format!("key:{id}");
        }
        self
    }

    /// Names the log, or the tenant's journal, as what the call is about.
    #[must_use]
    pub fn about_journal(mut self) -> Self {
        self.subject = "journal".into();
        self
    }

    /// Does the call and journals it as `event`, exactly once, before its answer is given out.
    ///
    /// # Errors
    /// The work's own, journaled as refused or failed with the problem's code; the journal's own, in which case nothing
    /// of the answer is given out.
    pub async fn perform<T>(
        &self,
        event: EventType,
        work: impl Future<Output = Result<Done<T>, Problem>>,
    ) -> Result<T, Problem> {
        let (outcome, facts, answer) = match work.await {
            Ok(done) => (done.outcome, done.facts, Ok(done.value)),
            Err(problem) => {
                let outcome = if problem.kind().is_fault() { Outcome::Failure } else { Outcome::Refused };
                (outcome, facts_of(&problem), Err(problem))
            }
        };
        self.journal(event, outcome, facts).await?;
        answer
    }

    /// Journals the call.
    ///
    /// # Errors
    /// The committer's.
    pub async fn journal(
        &self,
        event: EventType,
        outcome: Outcome,
        facts: BTreeMap<String, String>,
    ) -> Result<(), Problem> {
        // A tenant that does not exist has no journal; asking for one must not begin it.
        let exists = self.state.archive().index().tenant(&self.tenant)?.is_some();
        let tenant = if exists { self.tenant.clone() } else { self.key.tenant.clone() };
        let (agent, subject) = (self.key.agent(), self.subject.clone());
        let event = Event { tenant, agent, subject, event, outcome, facts, details: Vec::new() };
        Ok(self.state.journal(event).await?)
    }
}

/// What the journal keeps of a problem: fixed words and places, nothing that the client wrote.
#[must_use]
pub fn facts_of(problem: &Problem) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::from([("problem".to_owned(), problem.kind().code().to_owned())]);
    for name in ["rule", "place"] {
        if let Some(value) = problem.member(name) {
            facts.insert(name.to_owned(), value.to_owned());
        }
    }
    facts
}
