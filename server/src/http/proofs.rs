//! Receipts, proofs and bundles: the evidence, assembled from what is at rest.

use std::io::{self, Write};

use axum::Json;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use cartulaire_engine::prove::{self, BundleError, Proof};
use cartulaire_formats::journal::EventType;
use futures_util::stream;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
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
    /// What this service can say of the authority's standing.
    pub standing: Standing,
}

/// What this service can say of an authority's standing; only the European trusted list makes a time-stamp qualified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// The embedded development authority: not qualified, and worth nothing to a third party.
    DevelopmentNotQualified,
    /// An outside authority, whose qualification the verifier looks up.
    ToBeVerified,
    /// An outside authority that the operator declared qualified; the verifier looks it up all the same.
    DeclaredQualified,
}

impl From<prove::Stage> for Stage {
    fn from(stage: prove::Stage) -> Self {
        match stage {
            prove::Stage::Committed => Self::Committed,
            prove::Stage::Sealed => Self::Sealed,
            prove::Stage::Attested => Self::Attested,
        }
    }
}

impl ProofSummary {
    fn new(proof: &Proof) -> Self {
        let stamped = proof.algorithms().filter_map(|algorithm| Some((algorithm, proof.token(algorithm)?)));
        let tokens = stamped.map(|(algorithm, token)| TokenSummary {
            algorithm: algorithm.to_string(),
            time: token.gen_time().to_string(),
            authority: token.authority().to_owned(),
            standing: match token.standing() {
                prove::Standing::Development => Standing::DevelopmentNotQualified,
                prove::Standing::Unestablished => Standing::ToBeVerified,
                prove::Standing::DeclaredQualified => Standing::DeclaredQualified,
            },
        });
        Self {
            archive: proof.descriptor().archive.to_string(),
            stage: proof.stage().into(),
            seal: proof.seal().map(|seal| seal.0),
            tree_size: proof.tree_size().map(|size| size.0),
            tokens: tokens.collect(),
        }
    }
}

/// How far an archive's proof is.
///
/// # Errors
/// [`ProblemKind::ArchiveUnknown`], and the engine's.
pub async fn summary(grant: &Grant, archive: &str) -> Result<ProofSummary, Problem> {
    assembled(grant, archive).await.map(|proof| ProofSummary::new(&proof))
}

async fn assembled(grant: &Grant, archive: &str) -> Result<Proof, Problem> {
    let (id, tenant) = (archive_id(archive)?, grant.tenant().clone());
    let proof = grant.state().ask(move |archive| archive.proof(&tenant, &id)).await?;
    proof.ok_or_else(|| ProblemKind::ArchiveUnknown.into())
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
        let summary = summary(&grant, &archive).await?;
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
        let proof = assembled(&grant, &archive).await?;
        let name = format!("attachment; filename=\"{}.zip\"", proof.descriptor().archive);
        let mut response = written(&grant, proof).await?.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        let name = HeaderValue::from_str(&name).expect("archives have plain identifiers");
        headers.insert(header::CONTENT_DISPOSITION, name);
        Ok(Done::new(response))
    };
    grant.perform(EventType::BundleIssued, work).await
}

/// Pieces of a bundle that wait for the client; with the one being written, all that a bundle takes in memory.
const BUNDLE_PIECES: usize = 2;
/// Bytes of a piece.
const BUNDLE_PIECE_BYTES: usize = 256 << 10;

/// Begins to write a bundle, and answers once its first piece is there: what goes wrong before is a problem, what goes
/// wrong later breaks the answer off.
async fn written(grant: &Grant, proof: Proof) -> Result<Body, Problem> {
    let turn = grant.state().bundle_turn().await?;
    let (sender, mut pieces) = mpsc::channel(BUNDLE_PIECES);
    let archive = std::sync::Arc::clone(grant.state().archive());
    spawn_blocking(move || {
        // Held while a thread is: a client that reads slowly keeps one until the connection gives it up.
        let _turn = turn;
        let mut out = Pieces { buffer: Vec::new(), sender };
        if let Err(error) = archive.write_bundle(&proof, &mut out).and_then(|()| Ok(out.flush()?)) {
            // If nobody listens any more there is nobody to tell.
            drop(out.sender.blocking_send(Err(error)));
        }
    });
    let first = pieces.recv().await.ok_or(ProblemKind::Internal)?.map_err(Problem::from)?;
    let rest = stream::unfold((Some(Ok(first)), pieces), |(first, mut pieces)| async {
        let next = match first {
            Some(first) => Some(first),
            None => pieces.recv().await,
        };
        next.map(|piece| (piece, (None, pieces)))
    });
    Ok(Body::from_stream(rest))
}

/// A writer whose bytes go to the client in pieces.
struct Pieces {
    buffer: Vec<u8>,
    sender: mpsc::Sender<Result<Bytes, BundleError>>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUNDLE_PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::take(&mut self.buffer));
        self.sender.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl From<BundleError> for Problem {
    fn from(error: BundleError) -> Self {
        match error {
            BundleError::NotAttested => ProblemKind::ProofPending.into(),
            BundleError::Fault(fault) => fault.into(),
            // Memory is its only writer until the first piece is out.
            BundleError::Write(_) => ProblemKind::Internal.into(),
        }
    }
}
