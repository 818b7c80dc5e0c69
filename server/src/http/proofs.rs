//! Receipts, proofs and bundles: the evidence, assembled from what is at rest.

use axum::Json;
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use cartulaire_formats::journal::EventType;
use serde::Serialize;
use utoipa::ToSchema;

use super::archives::archive_id;
use super::caller::{Caller, Done, Grant};
use super::problem::{Problem, ProblemDocument, ProblemKind};
use crate::identity::Function;

/// How far a proof is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProofSummary {
    /// The archive's identifier.
    pub archive: String,
    /// How far the proof is.
    pub stage: Stage,
    /// The seal that covers the deposit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seal: Option<u64>,
    /// The log's size at that seal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tree_size: Option<u64>,
    /// The time-stamp tokens over the seal.
    pub tokens: Vec<TokenSummary>,
}

/// The stages of a proof, each standing on the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Durable, with a signed receipt.
    Committed,
    /// Under a signed checkpoint of the log.
    Sealed,
    /// Under time-stamp tokens: the bundle can be had.
    Attested,
}

/// A time-stamp token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TokenSummary {
    /// The evidence tree's algorithm.
    #[schema(example = "sha256")]
    pub algorithm: String,
    /// When the authority stamped it.
    #[schema(format = "date-time")]
    pub time: String,
    /// Subject of the authority's certificate.
    pub authority: String,
    /// Whether the authority is configured as qualified; the embedded development authority never is.
    pub qualified: bool,
}

/// How far an archive's proof is; `None` if the tenant has no such archive.
///
/// # Errors
/// The engine's.
pub async fn summary(grant: &Grant, archive: &str) -> Result<Option<ProofSummary>, Problem> {
    let (id, tenant) = (archive_id(archive)?, grant.tenant().clone());
    let summarise = move |archive: &cartulaire_engine::archive::Archive| {
        let Some(row) = archive.index().archive(&tenant, &id)? else { return Ok(None) };
        let seal = archive.index().seal_of(row.seq)?;
        Ok(Some(ProofSummary {
            archive: id.to_string(),
            stage: if seal.is_some() { Stage::Sealed } else { Stage::Committed },
            seal: seal.map(|(seal, _)| seal.0),
            tree_size: seal.map(|(_, size)| size),
            tokens: Vec::new(),
        }))
    };
    grant.state().ask(summarise).await
}

/// Signs an archive's receipt again.
///
/// # Errors
/// [`ProblemKind::ArchiveUnknown`], and the engine's.
pub async fn signed_receipt(grant: &Grant, archive: &str) -> Result<String, Problem> {
    let (id, tenant) = (archive_id(archive)?, grant.tenant().clone());
    let receipt = grant.state().ask(move |archive| archive.receipt_of(&tenant, &id)).await?;
    receipt.ok_or_else(|| ProblemKind::ArchiveUnknown.into())
}

/// Issues the receipt again: byte for byte the first one.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/archives/{archive}/receipt", tag = "proofs", operation_id = "receipt",
    params(("tenant" = String, Path, description = "Tenant"), ("archive" = String, Path, description = "Archive")),
    responses(
        (status = 200, description = "A signed note (docs/format.md §8)", body = String, content_type = "text/plain"),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []))
)]
pub async fn receipt(caller: Caller, Path((tenant, archive)): Path<(String, String)>) -> Result<Response, Problem> {
    let grant = caller.may(Function::IssueReceipt, &tenant).await?.about(&archive);
    let work = async {
        let note = signed_receipt(&grant, &archive).await?;
        let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
        Ok(Done::new((headers, note).into_response()))
    };
    grant.perform(EventType::ReceiptIssued, work).await
}

/// Says how far the proof is.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/archives/{archive}/proof", tag = "proofs", operation_id = "proof",
    params(("tenant" = String, Path, description = "Tenant"), ("archive" = String, Path, description = "Archive")),
    responses(
        (status = 200, body = ProofSummary),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []))
)]
pub async fn proof(
    caller: Caller,
    Path((tenant, archive)): Path<(String, String)>,
) -> Result<Json<ProofSummary>, Problem> {
    let grant = caller.may(Function::IssueProof, &tenant).await?.about(&archive);
    let work = async {
        let summary = summary(&grant, &archive).await?.ok_or(ProblemKind::ArchiveUnknown)?;
        Ok(Done::new(Json(summary)))
    };
    grant.perform(EventType::ProofIssued, work).await
}

/// Issues the proof bundle: the documents with everything that proves them (docs/format.md §9).
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/archives/{archive}/bundle", tag = "proofs", operation_id = "bundle",
    params(("tenant" = String, Path, description = "Tenant"), ("archive" = String, Path, description = "Archive")),
    responses(
        (status = 200, description = "The same bytes every time", body = Vec<u8>, content_type = "application/zip"),
        (status = 409, description = "`proof-pending`", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []))
)]
pub async fn bundle(caller: Caller, Path((tenant, archive)): Path<(String, String)>) -> Result<Response, Problem> {
    let grant = caller.may(Function::IssueBundle, &tenant).await?.about(&archive);
    let work = async {
        summary(&grant, &archive).await?.ok_or(ProblemKind::ArchiveUnknown)?;
        Err(ProblemKind::ProofPending.into())
    };
    grant.perform(EventType::BundleIssued, work).await
}
