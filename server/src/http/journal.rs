//! Reading the journal: a tenant's, or what concerns one archive.
//!
//! Entries are given out as their own lines, byte for byte, so that whoever keeps them can hash them again.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use cartulaire_formats::journal::EventType;
use cartulaire_formats::layout::SequenceNumber;
use serde::Deserialize;
use utoipa::IntoParams;

use super::archives::find;
use super::caller::{Caller, Done, Grant};
use super::problem::{Problem, ProblemDocument, ProblemKind};
use crate::identity::Function;

/// Where the next page begins, in lines mode.
pub const NEXT_AFTER: HeaderName = HeaderName::from_static("cartulaire-next-after");

/// The media type of one JSON value a line.
const LINES: &str = "application/jsonl";

/// Which page of a journal.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JournalQuery {
    /// Entries after this sequence number: the `next` of the page before.
    after: Option<u64>,
    /// At most this many; longer pages are cut to the service's limit.
    limit: Option<usize>,
}

/// Reads a tenant's journal.
///
/// With `Accept: application/jsonl` the entries come one a line, else as `{"entries":[…],"next":n}`.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/journal", tag = "archives", operation_id = "journal",
    params(("tenant" = String, Path, description = "Tenant"), JournalQuery),
    responses(
        (status = 200, description = "Journal entries (docs/format.md §4) in order", content(
            (Object = "application/json"), (String = "application/jsonl"))),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []))
)]
pub async fn of_tenant(
    caller: Caller,
    Path(tenant): Path<String>,
    query: Result<Query<JournalQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let grant = caller.may(Function::ReadJournal, &tenant).await?.about_journal();
    let work = async {
        let page = Page::of(&grant, query)?;
        let tenant = grant.tenant().clone();
        let (from, limit) = (page.from, page.limit);
        let read = move |archive: &cartulaire_engine::archive::Archive| {
            let places = archive.index().entries_of(&tenant, from, limit)?;
            archive.entry_lines(&places)
        };
        let lines = grant.state().ask(read).await?;
        Ok(page.answer(lines, &headers))
    };
    grant.perform(EventType::JournalRead, work).await
}

/// Reads the journal's entries about one archive.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/archives/{archive}/journal", tag = "archives",
    operation_id = "archive_journal",
    params(
        ("tenant" = String, Path, description = "Tenant"), ("archive" = String, Path, description = "Archive"), JournalQuery
    ),
    responses(
        (status = 200, description = "Journal entries (docs/format.md §4) in order", content(
            (Object = "application/json"), (String = "application/jsonl"))),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []))
)]
pub async fn of_archive(
    caller: Caller,
    Path((tenant, archive)): Path<(String, String)>,
    query: Result<Query<JournalQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let grant = caller.may(Function::ReadJournal, &tenant).await?.about(&archive);
    let work = async {
        let page = Page::of(&grant, query)?;
        let subject = format!("archive:{}", find(&grant, &archive).await?.descriptor.archive);
        let (from, limit) = (page.from, page.limit);
        let read = move |archive: &cartulaire_engine::archive::Archive| {
            let places = archive.index().entries_about(&subject)?;
            let wanted: Vec<_> = places.into_iter().filter(|(seq, _)| *seq >= from).take(limit).collect();
            archive.entry_lines(&wanted)
        };
        let lines = grant.state().ask(read).await?;
        Ok(page.answer(lines, &headers))
    };
    grant.perform(EventType::JournalRead, work).await
}

struct Page {
    from: SequenceNumber,
    limit: usize,
}

impl Page {
    fn of(grant: &Grant, query: Result<Query<JournalQuery>, QueryRejection>) -> Result<Self, Problem> {
        let Query(query) = query.map_err(|_| ProblemKind::QueryMalformed)?;
        let limits = &grant.state().limits;
        let from = query.after.map_or(Some(0), |after| after.checked_add(1)).ok_or(ProblemKind::QueryMalformed)?;
        let limit = query.limit.unwrap_or(limits.page_default).clamp(1, limits.page_max);
        Ok(Self { from: SequenceNumber(from), limit })
    }

    fn answer(&self, lines: Vec<Vec<u8>>, headers: &HeaderMap) -> Done<Response> {
        let next = if lines.len() == self.limit { lines.last().and_then(|line| seq_of(line)) } else { None };
        let count = lines.len();
        let response = if accepts_lines(headers) { as_lines(&lines, next) } else { as_array(&lines, next) };
        Done::new(response).with_fact("entries", count)
    }
}

fn seq_of(line: &[u8]) -> Option<u64> {
    cartulaire_formats::journal::JournalEntry::parse(line).ok().map(|entry| entry.seq.0)
}

fn accepts_lines(headers: &HeaderMap) -> bool {
    let fields = headers.get_all(header::ACCEPT).iter().filter_map(|field| field.to_str().ok());
    let types = fields.flat_map(|field| field.split(',')).map(|one| one.split(';').next().unwrap_or("").trim());
    types.into_iter().any(|one| matches!(one, LINES | "application/x-ndjson"))
}

fn as_lines(lines: &[Vec<u8>], next: Option<u64>) -> Response {
    let mut body = lines.join(&b'\n');
    if !body.is_empty() {
        body.push(b'\n');
    }
    let mut response = ([(header::CONTENT_TYPE, LINES), (header::CACHE_CONTROL, "no-store")], body).into_response();
    if let Some(next) = next {
        response.headers_mut().insert(NEXT_AFTER, HeaderValue::from(next));
    }
    response
}

/// Canonical JSON is JSON: the lines go into the array as they are.
fn as_array(lines: &[Vec<u8>], next: Option<u64>) -> Response {
    let mut body = b"{\"entries\":[".to_vec();
    body.extend(lines.join(&b','));
    body.push(b']');
    if let Some(next) = next {
        body.extend(format!(",\"next\":{next}").into_bytes());
    }
    body.push(b'}');
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], body).into_response()
}
