//! Depositing: a description and any number of files as `multipart/form-data`, or one file as the body itself.
//!
//! Bytes stream through; nothing of a refused deposit stays. The deposit is its own journal entry; a replay is journaled
//! as a receipt issued again, every refusal as a deposit rejected, with the rule and the place.

mod answer;
mod parts;

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cartulaire_engine::admit::{Presented, PresentedFile};
use cartulaire_engine::commit::{Committed, CommittedDeposit, Submission};
use cartulaire_formats::journal::EventType;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;
use utoipa::{IntoParams, ToSchema};

use super::body::{WatchedBody, compare};
use super::caller::{Caller, Done, Grant};
use super::intake::{Intake, Taken};
use super::multipart::{Multipart, boundary};
use super::problem::{Problem, ProblemDocument, ProblemKind};
use super::proofs;
use super::structured::{DeclaredDigests, Disposition, idempotency_key, preferred_wait};
use crate::identity::Function;

pub use answer::{DepositAnswer, ReceivedFile};
pub use parts::{Description, FileDescription};

/// The header field that names a transfer.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
const CONTENT_DIGEST: &str = "content-digest";
const REPR_DIGEST: &str = "repr-digest";

/// What is assumed of a file whose media type nobody gives (RFC 9110 §8.3).
const UNKNOWN_MEDIA_TYPE: &str = "application/octet-stream";

/// Name and title of a file that is the body itself.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DepositQuery {
    /// The file's name, unless `Content-Disposition` gives it.
    name: Option<String>,
    /// The archive's title.
    title: Option<String>,
}

/// How a multipart deposit looks, for the OpenAPI document.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body; the parts are read as a stream")]
pub struct MultipartDeposit {
    /// First part, JSON.
    description: Description,
    /// Then one part per file, each with its file name.
    #[schema(value_type = Vec<String>, format = Binary)]
    file: Vec<Vec<u8>>,
}

/// Deposits an archive.
///
/// Answered when the deposit is durable on every required site. The same bytes under the same transfer identifier give
/// the same receipt; other bytes a conflict.
#[utoipa::path(
    post, path = "/v1/tenants/{tenant}/archives", tag = "archives", operation_id = "deposit",
    params(
        ("tenant" = String, Path, description = "Tenant"), DepositQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "The depositor's identifier of the transfer"),
        ("Content-Digest" = Option<String>, Header, description = "RFC 9530; on the body, and on each part"),
        ("Repr-Digest" = Option<String>, Header, description = "RFC 9530; on the body, and on each part"),
        ("Content-Disposition" = Option<String>, Header, description = "File name of a body that is the file itself"),
        ("Prefer" = Option<String>, Header, description = "`wait=<seconds>`: wait for the proof (RFC 7240)"),
    ),
    request_body(content((MultipartDeposit = "multipart/form-data"), (Vec<u8> = "*/*"))),
    responses(
        (status = 201, description = "Deposited", body = DepositAnswer,
            headers(("Location" = String, description = "The archive"))),
        (status = 200, description = "Deposited before: the same receipt", body = DepositAnswer),
        (status = 409, description = "`transfer-conflict`", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 422, description = "`deposit-rejected`, with `rule` and `place`", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []))
)]
pub async fn deposit(
    caller: Caller,
    Path(tenant): Path<String>,
    query: Result<Query<DepositQuery>, QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let grant = caller.may(Function::Deposit, &tenant).await?;
    let preference = Preference::of(&grant, request.headers());
    let _turn = match grant.state().turn().await {
        Ok(turn) => turn,
        Err(busy) => return reject(&grant, busy).await,
    };
    match commit(&grant, query, request).await {
        Ok(Committed::Deposit(deposit)) => created(&grant, *deposit, preference).await,
        Ok(Committed::Replayed(archive)) => replayed(grant, &archive.to_string(), preference).await,
        Ok(Committed::Conflict(archive)) => {
            let conflict = Problem::new(ProblemKind::TransferConflict).with("archive", archive.to_string());
            reject(&grant.about(&archive.to_string()), conflict).await
        }
        Ok(Committed::Event(_)) => Err(ProblemKind::Internal.into()),
        Err(problem) => reject(&grant, problem).await,
    }
}

async fn reject(grant: &Grant, problem: Problem) -> Result<Response, Problem> {
    if !problem.kind().is_fault() {
        grant.state().metrics.rejections.add(1);
    }
    grant.perform(EventType::DepositRejected, async { Err(problem) }).await
}

/// How long the client wants to wait for the proof, within what the service grants.
#[derive(Clone, Copy)]
struct Preference(Option<std::time::Duration>);

impl Preference {
    fn of(grant: &Grant, headers: &HeaderMap) -> Self {
        let fields = headers.get_all("prefer").iter().filter_map(|field| field.to_str().ok());
        let wait = fields.filter_map(preferred_wait).next();
        Self(wait.map(|wait| wait.min(grant.state().limits.wait_max)))
    }

    /// Waits, adds how far the proof is, and says so.
    async fn answer(self, grant: &Grant, status: StatusCode, mut answer: DepositAnswer) -> Result<Response, Problem> {
        if let Some(wait) = self.0 {
            grant.state().attested(cartulaire_formats::layout::SequenceNumber(answer.seq), wait).await?;
            answer.proof = Some(proofs::summary(grant, &answer.archive).await?);
        }
        let location = format!("/v1/tenants/{}/archives/{}", answer.tenant, answer.archive);
        let mut response = (status, [(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response();
        let headers = response.headers_mut();
        let location = HeaderValue::from_str(&location).expect("tenants and archives have plain identifiers");
        headers.insert(header::LOCATION, location);
        if let Some(wait) = self.0 {
            let applied = HeaderValue::from_str(&format!("wait={}", wait.as_secs())).expect("digits and ASCII");
            headers.insert(HeaderName::from_static("preference-applied"), applied);
        }
        Ok(response)
    }
}

async fn created(grant: &Grant, deposit: CommittedDeposit, preference: Preference) -> Result<Response, Problem> {
    let metrics = &grant.state().metrics;
    metrics.deposits.add(1);
    metrics.bytes.add(deposit.descriptor.files.iter().map(|file| file.size).sum());
    let answer = DepositAnswer::new(grant.state().archive().receipt(&deposit)?)?;
    preference.answer(grant, StatusCode::CREATED, answer).await
}

async fn replayed(grant: Grant, archive: &str, preference: Preference) -> Result<Response, Problem> {
    grant.state().metrics.replays.add(1);
    let grant = grant.about(archive);
    let work = async {
        let answer = DepositAnswer::new(proofs::signed_receipt(&grant, archive).await?)?;
        let response = preference.answer(&grant, StatusCode::OK, answer).await?;
        Ok(Done::new(response).with_fact("replay", true))
    };
    grant.perform(EventType::ReceiptIssued, work).await
}

/// A deposit whose bytes are all here, and the memory that they take.
struct Whole {
    presented: Presented,
    rooms: Vec<OwnedSemaphorePermit>,
}

async fn commit(
    grant: &Grant,
    query: Result<Query<DepositQuery>, QueryRejection>,
    request: Request,
) -> Result<Committed, Problem> {
    let (parts, body) = request.into_parts();
    let headers = parts.headers;
    let limits = &grant.state().limits;
    let declared = Declared::of(&headers)?;
    let mut body = WatchedBody::new(body, &headers, limits, limits.body_bytes_max, &declared.content);
    let Whole { presented, rooms } = match receive(grant, query, &headers, &declared, &mut body).await {
        Ok(whole) => whole,
        Err(problem) => {
            body.drain().await;
            return Err(problem);
        }
    };
    let archive = std::sync::Arc::clone(grant.state().archive());
    let admitted = spawn_blocking(move || archive.admit(presented)).await???;
    let committed = grant.state().submit(Submission::Deposit(Box::new(admitted))).await?;
    drop(rooms);
    Ok(committed)
}

async fn receive(
    grant: &Grant,
    query: Result<Query<DepositQuery>, QueryRejection>,
    headers: &HeaderMap,
    declared: &Declared,
    body: &mut WatchedBody,
) -> Result<Whole, Problem> {
    let Query(query) = query.map_err(|_| ProblemKind::QueryMalformed)?;
    let key = headers.get(IDEMPOTENCY_KEY).map(|value| value.to_str().ok().and_then(|t| idempotency_key(t).ok()));
    let key = key.map(|key| key.ok_or_else(|| Problem::header(IDEMPOTENCY_KEY))).transpose()?;
    let content_type = headers.get(header::CONTENT_TYPE).map_or(Ok(UNKNOWN_MEDIA_TYPE), |value| value.to_str());
    let content_type = content_type.map_err(|_| Problem::header("content-type"))?;
    match boundary(content_type) {
        None => receive_raw(grant, query, headers, declared, key, body).await,
        Some(boundary) => {
            let limits = &grant.state().limits;
            let multipart = Multipart::new(&mut *body, &boundary?, limits.parts_max, limits.part_header_bytes_max);
            let whole = parts::receive_parts(grant, key, multipart).await?;
            body.check_digest(&declared.content).await?;
            Ok(whole)
        }
    }
}

/// What the digest fields of a body or a part say.
#[derive(Default)]
struct Declared {
    content: DeclaredDigests,
    repr: DeclaredDigests,
}

impl Declared {
    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        Ok(Self { content: digests(headers, CONTENT_DIGEST)?, repr: digests(headers, REPR_DIGEST)? })
    }

    fn want_sha512(&self) -> bool {
        self.content.sha512.is_some() || self.repr.sha512.is_some()
    }

    fn check(&self, taken: &Taken, place: &str) -> Result<(), Problem> {
        compare(&self.content, &taken.received.digests, &format!("{place}.{CONTENT_DIGEST}"))?;
        compare(&self.repr, &taken.received.digests, &format!("{place}.{REPR_DIGEST}"))
    }
}

/// A digest field; several of the same name are one list (RFC 9110 §5.3).
fn digests(headers: &HeaderMap, name: &str) -> Result<DeclaredDigests, Problem> {
    let malformed = || Problem::new(ProblemKind::DigestFieldMalformed).with("field", name);
    let fields: Result<Vec<&str>, _> = headers.get_all(name).iter().map(|value| value.to_str()).collect();
    DeclaredDigests::parse(&fields.map_err(|_| malformed())?.join(", ")).map_err(|_| malformed())
}

async fn receive_raw(
    grant: &Grant,
    query: DepositQuery,
    headers: &HeaderMap,
    declared: &Declared,
    key: Option<String>,
    body: &mut WatchedBody,
) -> Result<Whole, Problem> {
    let disposition = headers.get(header::CONTENT_DISPOSITION).map(|value| value.to_str().ok().map(Disposition::parse));
    let disposition = match disposition {
        None => Disposition::default(),
        Some(Some(Ok(disposition))) => disposition,
        Some(_) => return Err(Problem::header("content-disposition")),
    };
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let mut intake = intake(grant, declared.want_sha512());
    while let Some(piece) = body.next().await? {
        intake.write(piece).await?;
    }
    let taken = intake.finish().await?;
    declared.check(&taken, "files[0]")?;
    let described = FileDescription {
        name: disposition.filename.or(query.name).unwrap_or_default(),
        media_type: Some(media_type.unwrap_or(UNKNOWN_MEDIA_TYPE).to_owned()),
        ..FileDescription::default()
    };
    let mut rooms = Vec::new();
    let file = present(described, None, taken, &mut rooms);
    let description =
        Description { title: query.title.unwrap_or_default(), transfer: key, metadata: BTreeMap::new(), files: None };
    Ok(Whole { presented: presented(grant, description, vec![file], None), rooms })
}

fn intake(grant: &Grant, with_sha512: bool) -> Intake {
    Intake::new(grant.state().archive(), &grant.state().memory, with_sha512)
}

fn present(
    described: FileDescription,
    part_type: Option<String>,
    taken: Taken,
    rooms: &mut Vec<OwnedSemaphorePermit>,
) -> PresentedFile {
    rooms.extend(taken.room);
    PresentedFile {
        name: described.name,
        media_type: described.media_type.or(part_type).unwrap_or_else(|| UNKNOWN_MEDIA_TYPE.to_owned()),
        declared_sha256: described.sha256,
        declared_sha512: described.sha512,
        declared_size: described.size,
        received: taken.received,
    }
}

fn presented(
    grant: &Grant,
    description: Description,
    files: Vec<PresentedFile>,
    manifest: Option<PresentedFile>,
) -> Presented {
    Presented {
        tenant: grant.tenant().clone(),
        agent: grant.agent(),
        // A transfer without an identifier breaks a rule of admission, where it is judged like the others.
        transfer: description.transfer.unwrap_or_default(),
        title: description.title,
        metadata: description.metadata,
        files,
        manifest,
    }
}
