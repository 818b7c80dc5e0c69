//! Reading a file: whole or a range of it, streamed, checked before its last byte is given out.

use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use cartulaire_engine::archive::Archive;
use cartulaire_engine::bounds::{INLINE_BYTES_MAX, STREAM_CHUNK_BYTES};
use cartulaire_engine::fault::Fault;
use cartulaire_formats::aip::DescribedFile;
use cartulaire_formats::hash::{Blake3Hasher, Sha256Digest};
use cartulaire_formats::journal::{EventType, TenantId};
use futures_util::stream;
use serde::Deserialize;
use tokio::task::spawn_blocking;
use utoipa::IntoParams;

use super::archives::find;
use super::caller::{Caller, Done, Grant};
use super::problem::{Problem, ProblemDocument, ProblemKind};
use super::structured::{Wanted, attachment, sha256_field, wanted};
use crate::identity::Function;

/// Which file, by name.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FileQuery {
    /// The file's name as declared.
    name: String,
}

/// How a path or a query names a file.
enum Named {
    Position(usize),
    Name(String),
}

/// Reads a file by its place among the archive's files.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/archives/{archive}/files/{position}", tag = "archives", operation_id = "read",
    params(
        ("tenant" = String, Path, description = "Tenant"),
        ("archive" = String, Path, description = "Archive"),
        ("position" = usize, Path, description = "Place among the archive's files, from 0"),
        ("Range" = Option<String>, Header, description = "One byte range (RFC 9110 §14)"),
        ("If-Range" = Option<String>, Header, description = "ETag that the range is of"),
        ("If-None-Match" = Option<String>, Header, description = "ETag that the client has already"),
    ),
    responses(
        (status = 200, description = "The file; `ETag` is its SHA-256, `Repr-Digest` too",
            content_type = "application/octet-stream", body = Vec<u8>),
        (status = 206, description = "A part of the file", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 304, description = "The client has the file already"),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []))
)]
pub async fn read(
    caller: Caller,
    Path((tenant, archive, position)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let position = position.parse().map_err(|_| ProblemKind::FileUnknown.into());
    give(caller, &tenant, &archive, position.map(Named::Position), &headers).await
}

/// Reads a file by its name.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/archives/{archive}/files", tag = "archives", operation_id = "read_named",
    params(
        ("tenant" = String, Path, description = "Tenant"), ("archive" = String, Path, description = "Archive"), FileQuery,
        ("Range" = Option<String>, Header, description = "One byte range (RFC 9110 §14)"),
    ),
    responses(
        (status = 200, description = "The file", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 206, description = "A part of the file", content_type = "application/octet-stream", body = Vec<u8>),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []))
)]
pub async fn read_named(
    caller: Caller,
    Path((tenant, archive)): Path<(String, String)>,
    query: Result<Query<FileQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name = query.map(|Query(query)| Named::Name(query.name)).map_err(|_| ProblemKind::QueryMalformed.into());
    give(caller, &tenant, &archive, name, &headers).await
}

async fn give(
    caller: Caller,
    tenant: &str,
    archive: &str,
    named: Result<Named, Problem>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let grant = caller.may(Function::Read, tenant).await?.about(archive);
    let work = async {
        let found = find(&grant, archive).await?;
        let files = found.descriptor.files;
        let position = match named? {
            Named::Position(position) => (position < files.len()).then_some(position),
            Named::Name(name) => files.iter().position(|file| file.name == name),
        };
        let position = position.ok_or(ProblemKind::FileUnknown)?;
        let answer = answer(&grant, &files[position], headers).await?;
        Ok(Done::new(answer).with_fact("file", position))
    };
    grant.perform(EventType::Read, work).await
}

/// `"<sha256>"`: content addresses make strong entity tags.
fn entity_tag(file: &DescribedFile) -> String {
    format!("\"{}\"", file.sha256)
}

async fn answer(grant: &Grant, file: &DescribedFile, headers: &HeaderMap) -> Result<Response, Problem> {
    let tag = entity_tag(file);
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if text(header::IF_NONE_MATCH).is_some_and(|tags| has_tag(tags, &tag)) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let is_same = text(header::IF_RANGE).is_none_or(|condition| condition.trim() == tag);
    let wanted = match text(header::RANGE) {
        Some(range) if is_same => wanted(range, file.size),
        _ => Wanted::Whole,
    };
    let (status, body, range) = match wanted {
        Wanted::Beyond => return Err(beyond(file.size)),
        Wanted::Whole => (StatusCode::OK, whole(grant, file).await?, None),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, part(grant, file, range.clone()).await?, Some(range)),
    };
    let mut response = (status, body.content).into_response();
    describe(response.headers_mut(), file, range, body.digest);
    Ok(response)
}

/// Weak comparison (RFC 9110 §8.8.3.2) of the tags in an `If-None-Match`.
fn has_tag(tags: &str, tag: &str) -> bool {
    tags.trim() == "*" || tags.split(',').any(|one| one.trim().trim_start_matches("W/") == tag)
}

fn beyond(size: u64) -> Problem {
    let value = HeaderValue::from_str(&format!("bytes */{size}")).expect("digits and ASCII");
    Problem::new(ProblemKind::RangeNotSatisfiable).with_header(header::CONTENT_RANGE, value)
}

/// Content, and its own digest where it is at hand before the first byte.
struct Content {
    content: Body,
    digest: Option<Sha256Digest>,
}

async fn whole(grant: &Grant, file: &DescribedFile) -> Result<Content, Problem> {
    if is_small(file) {
        return Ok(Content { content: small(grant, file).await?.into(), digest: Some(file.sha256) });
    }
    let content = streamed(grant, file, 0..file.size, Some(Blake3Hasher::default()));
    Ok(Content { content, digest: Some(file.sha256) })
}

async fn part(grant: &Grant, file: &DescribedFile, range: Range<u64>) -> Result<Content, Problem> {
    if is_small(file) {
        let bytes = small(grant, file).await?.slice(range.start as usize..range.end as usize);
        return Ok(Content { digest: Some(Sha256Digest::of(&bytes)), content: bytes.into() });
    }
    Ok(Content { content: streamed(grant, file, range, None), digest: None })
}

fn is_small(file: &DescribedFile) -> bool {
    file.size <= INLINE_BYTES_MAX as u64
}

/// A small file is checked before its first byte is given out.
async fn small(grant: &Grant, file: &DescribedFile) -> Result<Bytes, Problem> {
    let (tenant, file) = (grant.tenant().clone(), file.clone());
    grant.state().ask(move |archive| archive.open_file(&tenant, &file)?.whole_checked(&file.blake3)).await
}

/// A file being given out piece by piece.
struct Streaming {
    archive: Arc<Archive>,
    tenant: TenantId,
    file: DescribedFile,
    rest: Range<u64>,
    /// Of a whole file: its working digest so far.
    hasher: Option<Blake3Hasher>,
}

/// Streams bytes as the client takes them, one piece in memory. Of a whole file the last piece is held back unless the
/// digest is right: a damaged file arrives truncated, never whole. A part cannot be checked alone; the client that needs
/// to be sure compares `Repr-Digest`.
fn streamed(grant: &Grant, file: &DescribedFile, rest: Range<u64>, hasher: Option<Blake3Hasher>) -> Body {
    let archive = Arc::clone(grant.state().archive());
    let streaming = Streaming { archive, tenant: grant.tenant().clone(), file: file.clone(), rest, hasher };
    Body::from_stream(stream::try_unfold(streaming, |streaming| async {
        if streaming.rest.is_empty() {
            return Ok(None);
        }
        let piece = spawn_blocking(move || streaming.piece()).await;
        match piece {
            Ok(Ok(piece)) => Ok(Some(piece)),
            Ok(Err(fault)) => {
                tracing::error!(%fault, "a file could not be given out whole");
                Err(Cut)
            }
            Err(error) => {
                tracing::error!(%error, "reading a piece panicked");
                Err(Cut)
            }
        }
    }))
}

/// An answer was cut off; the client sees the connection break.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the answer was cut off")]
struct Cut;

impl Streaming {
    fn piece(mut self) -> Result<(Bytes, Self), Fault> {
        let end = self.rest.end.min(self.rest.start + STREAM_CHUNK_BYTES as u64);
        let piece = self.archive.open_file(&self.tenant, &self.file)?.range(self.rest.start..end)?;
        self.rest.start = end;
        if let Some(mut hasher) = self.hasher.take() {
            hasher.update(&piece);
            if !self.rest.is_empty() {
                self.hasher = Some(hasher);
            } else if hasher.finish() != self.file.blake3 {
                return Err(damaged(&self.file));
            }
        }
        Ok((piece, self))
    }
}

fn damaged(file: &DescribedFile) -> Fault {
    use cartulaire_engine::fault::{Damage, DamageKind};
    Damage { object: format!("object {}", file.sha256), kind: DamageKind::Digest }.into()
}

fn describe(headers: &mut HeaderMap, file: &DescribedFile, range: Option<Range<u64>>, digest: Option<Sha256Digest>) {
    let mut put = |name, value: &str| {
        // Names and media types passed admission: one line each. What HTTP cannot carry is left out.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    let length = range.as_ref().map_or(file.size, |range| range.end - range.start);
    put(header::CONTENT_TYPE, &file.media_type);
    put(header::CONTENT_LENGTH, &length.to_string());
    put(header::ETAG, &entity_tag(file));
    put(header::ACCEPT_RANGES, "bytes");
    put(header::CONTENT_DISPOSITION, &attachment(&file.name));
    put(header::CACHE_CONTROL, "private, no-store");
    // The depositor chose the media type: no browser may run what it says, nor guess another.
    put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'");
    put(header::HeaderName::from_static("repr-digest"), &sha256_field(&file.sha256));
    if let Some(digest) = digest {
        put(header::HeaderName::from_static("content-digest"), &sha256_field(&digest));
    }
    if let Some(range) = range {
        put(header::CONTENT_RANGE, &format!("bytes {}-{}/{}", range.start, range.end - 1, file.size));
    }
}
