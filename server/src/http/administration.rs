//! Administration: tenants and keys.

use std::collections::BTreeSet;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request};
use axum::http::{HeaderMap, StatusCode};
use cartulaire_formats::journal::{EventType, TenantId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::WatchedBody;
use super::caller::{Caller, Done, Grant};
use super::problem::{Problem, ProblemDocument, ProblemKind};
use super::structured::DeclaredDigests;
use crate::identity::{self, ApiKey, Function, IdentityError, KeyRecord, Role, TenantRecord};

/// A tenant to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTenant {
    /// 1 to 32 characters of `a-z`, `0-9`, `-`, not starting with `-`.
    #[schema(example = "kerlouan")]
    id: String,
    /// What it is called.
    #[schema(example = "Commune de Kerlouan")]
    name: String,
}

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tenant {
    /// Its identifier.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// When it was created.
    #[schema(format = "date-time")]
    pub created: String,
}

impl From<TenantRecord> for Tenant {
    fn from(record: TenantRecord) -> Self {
        Self { id: record.id.to_string(), name: record.name, created: record.created.to_string() }
    }
}

/// Every tenant.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantList {
    /// Tenants by identifier.
    pub tenants: Vec<Tenant>,
}

/// A key to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// What its bearer may do.
    roles: BTreeSet<Role>,
    /// What it is called.
    #[schema(example = "Portail de la région")]
    label: String,
}

/// A key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct Key {
    /// Its public identifier.
    pub id: String,
    /// Whose it is.
    pub tenant: String,
    /// What its bearer may do.
    pub roles: BTreeSet<Role>,
    /// What it is called.
    pub label: String,
    /// When it was created.
    #[schema(format = "date-time")]
    pub created: String,
    /// When it was revoked, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    pub revoked: Option<String>,
}

impl From<KeyRecord> for Key {
    fn from(record: KeyRecord) -> Self {
        Self {
            id: record.id.to_string(),
            tenant: record.tenant.to_string(),
            roles: record.roles,
            label: record.label,
            created: record.created.to_string(),
            revoked: record.revoked.map(|time| time.to_string()),
        }
    }
}

/// A key just created.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedKey {
    /// The key as it will be listed.
    #[serde(flatten)]
    pub key: Key,
    /// The key's whole text, shown this once.
    pub secret: String,
}

/// A tenant's keys.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyList {
    /// Keys by identifier, revoked ones too.
    pub keys: Vec<Key>,
}

impl From<IdentityError> for Problem {
    fn from(error: IdentityError) -> Self {
        let rule = match error {
            IdentityError::NoRole => "no-role",
            IdentityError::RoleOutOfPlace => "role-out-of-place",
            IdentityError::Label => "label",
            IdentityError::Service => "service",
        };
        Self::new(ProblemKind::IdentityRejected).with("rule", rule)
    }
}

/// Creates a tenant.
#[utoipa::path(
    post, path = "/v1/tenants", tag = "administration", operation_id = "create_tenant", request_body = NewTenant,
    responses(
        (status = 201, body = Tenant),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []))
)]
pub async fn create_tenant(caller: Caller, request: Request) -> Result<(StatusCode, Json<Tenant>), Problem> {
    let grant = caller.may(Function::AdministerTenants, TenantId::service().as_str()).await?;
    match new_tenant(&grant, request).await {
        // The tenant's creation is itself the call's entry, the first of the tenant's journal.
        Ok(tenant) => Ok((StatusCode::CREATED, Json(tenant))),
        Err(problem) => grant.perform(EventType::TenantCreated, async { Err(problem) }).await,
    }
}

async fn new_tenant(grant: &Grant, request: Request) -> Result<Tenant, Problem> {
    let new: NewTenant = json(grant, request).await?;
    let id: TenantId =
        new.id.parse().map_err(|_| Problem::new(ProblemKind::IdentityRejected).with("rule", "tenant-id"))?;
    let state = grant.state();
    let record = TenantRecord::new(id, new.name, state.archive().clock().now())?;
    let _alone = state.administration.lock().await;
    if state.archive().index().tenant(&record.id)?.is_some() {
        return Err(ProblemKind::TenantExists.into());
    }
    state.journal(record.created_event(&grant.agent())).await?;
    Ok(record.into())
}

/// Lists every tenant.
#[utoipa::path(
    get, path = "/v1/tenants", tag = "administration", operation_id = "list_tenants",
    responses(
        (status = 200, body = TenantList),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []))
)]
pub async fn list_tenants(caller: Caller) -> Result<Json<TenantList>, Problem> {
    let grant = caller.may(Function::AdministerTenants, TenantId::service().as_str()).await?;
    let work = async {
        let tenants = grant.state().ask(|archive| Ok(identity::tenants(archive.index())?)).await?;
        let tenants = tenants.into_iter().map(Tenant::from).collect();
        Ok(Done::new(Json(TenantList { tenants })).with_fact("of", "tenants"))
    };
    grant.perform(EventType::List, work).await
}

/// Creates a key; its secret is in this answer alone.
#[utoipa::path(
    post, path = "/v1/tenants/{tenant}/keys", tag = "administration", operation_id = "create_key",
    params(("tenant" = String, Path, description = "Tenant")), request_body = NewKey,
    responses(
        (status = 201, body = CreatedKey),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []))
)]
pub async fn create_key(
    caller: Caller,
    Path(tenant): Path<String>,
    request: Request,
) -> Result<(StatusCode, Json<CreatedKey>), Problem> {
    let grant = caller.may(Function::AdministerKeys, &tenant).await?;
    match new_key(&grant, request).await {
        Ok(key) => Ok((StatusCode::CREATED, Json(key))),
        Err(problem) => grant.perform(EventType::KeyCreated, async { Err(problem) }).await,
    }
}

async fn new_key(grant: &Grant, request: Request) -> Result<CreatedKey, Problem> {
    let new: NewKey = json(grant, request).await?;
    let state = grant.state();
    existing_tenant(grant)?;
    let _alone = state.administration.lock().await;
    let archive = state.archive();
    let key = loop {
        let key = ApiKey::draw(archive.entropy());
        // Of 2^48 identifiers one may come again; a key must never be replaced.
        if identity::find_key(archive.index(), &key.id())?.is_none() {
            break key;
        }
    };
    let record = KeyRecord::new(&key, grant.tenant().clone(), new.roles, new.label, archive.clock().now())?;
    state.journal(record.created_event(&grant.agent())).await?;
    Ok(CreatedKey { key: record.into(), secret: key.reveal() })
}

fn existing_tenant(grant: &Grant) -> Result<(), Problem> {
    let row = grant.state().archive().index().tenant(grant.tenant())?;
    row.map(|_| ()).ok_or_else(|| ProblemKind::TenantUnknown.into())
}

/// Lists a tenant's keys.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/keys", tag = "administration", operation_id = "list_keys",
    params(("tenant" = String, Path, description = "Tenant")),
    responses(
        (status = 200, body = KeyList),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []))
)]
pub async fn list_keys(caller: Caller, Path(tenant): Path<String>) -> Result<Json<KeyList>, Problem> {
    let grant = caller.may(Function::AdministerKeys, &tenant).await?;
    let work = async {
        existing_tenant(&grant)?;
        let tenant = grant.tenant().clone();
        let keys = grant.state().ask(move |archive| Ok(identity::keys_of(archive.index(), &tenant)?)).await?;
        Ok(Done::new(Json(KeyList { keys: keys.into_iter().map(Key::from).collect() })).with_fact("of", "keys"))
    };
    grant.perform(EventType::List, work).await
}

/// Revokes a key; revoking one that is revoked already changes nothing.
#[utoipa::path(
    delete, path = "/v1/tenants/{tenant}/keys/{key}", tag = "administration", operation_id = "revoke_key",
    params(("tenant" = String, Path, description = "Tenant"), ("key" = String, Path, description = "Key identifier")),
    responses(
        (status = 200, body = Key),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []))
)]
pub async fn revoke_key(caller: Caller, Path((tenant, key)): Path<(String, String)>) -> Result<Json<Key>, Problem> {
    let grant = caller.may(Function::AdministerKeys, &tenant).await?.about_key(&key);
    match revoke(&grant, &key).await {
        Ok(Revocation::Now(record)) => Ok(Json(record.into())),
        Ok(Revocation::Earlier(record)) => {
            let work = async { Ok(Done::new(Json(record.into())).with_fact("of", "revoked-key")) };
            grant.perform(EventType::List, work).await
        }
        Err(problem) => grant.perform(EventType::KeyRevoked, async { Err(problem) }).await,
    }
}

enum Revocation {
    Now(KeyRecord),
    Earlier(KeyRecord),
}

async fn revoke(grant: &Grant, key: &str) -> Result<Revocation, Problem> {
    let id = key.parse().map_err(|_| ProblemKind::KeyUnknown)?;
    let state = grant.state();
    let _alone = state.administration.lock().await;
    let found = identity::find_key(state.archive().index(), &id)?;
    let mut record = found.filter(|record| record.tenant == *grant.tenant()).ok_or(ProblemKind::KeyUnknown)?;
    if record.revoked.is_some() {
        return Ok(Revocation::Earlier(record));
    }
    let now = state.archive().clock().now();
    state.journal(record.clone().revoked_event(&grant.agent(), now)).await?;
    record.revoked = Some(now);
    Ok(Revocation::Now(record))
}

/// Reads a small JSON body, whatever its `Content-Type` says.
async fn json<T: DeserializeOwned>(grant: &Grant, request: Request) -> Result<T, Problem> {
    let (parts, body): (_, Body) = request.into_parts();
    let headers: HeaderMap = parts.headers;
    let limits = &grant.state().limits;
    let body = WatchedBody::new(body, &headers, limits, limits.json_bytes_max as u64, &DeclaredDigests::default());
    serde_json::from_slice(&body.whole().await?).map_err(|_| ProblemKind::JsonMalformed.into())
}
