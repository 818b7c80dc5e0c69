//! The Merkle log for auditors: checkpoint, tiles and entry bundles (C2SP tlog-tiles).
//!
//! Full tiles and bundles are read from the store as they are. What is right of them is computed from the last seal, so
//! that a partial tile is always one that the published checkpoint covers.

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use cartulaire_engine::archive::Archive;
use cartulaire_engine::fault::Fault;
use cartulaire_engine::index::IndexError;
use cartulaire_formats::journal::EventType;
use cartulaire_formats::layout::{self, SequenceNumber};
use cartulaire_formats::tiles::{TILE_WIDTH, TileKind, TilePath, TreeEdge, encode_bundle, tile_bytes};

use super::caller::{Caller, Done};
use super::problem::{Problem, ProblemDocument, ProblemKind};
use crate::identity::Function;

/// Longest checkpoint, tile or bundle that is read, in bytes.
const LOG_OBJECT_BYTES_MAX: u64 = (TILE_WIDTH * (2 + u16::MAX as usize)) as u64;

const WIDTH: u64 = TILE_WIDTH as u64;

/// Reads the last checkpoint.
#[utoipa::path(
    get, path = "/v1/log/checkpoint", tag = "log", operation_id = "checkpoint",
    responses(
        (status = 200, description = "A signed note (C2SP tlog-checkpoint)", body = String, content_type = "text/plain"),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []))
)]
pub async fn checkpoint(caller: Caller) -> Result<Response, Problem> {
    let grant = caller.may_in_own(Function::ReadLog).await?.about_journal();
    let work = async {
        let note = grant.state().ask(last_checkpoint).await?.ok_or(ProblemKind::TileUnknown)?;
        Ok(Done::new(as_text(note)).with_fact("log", "checkpoint"))
    };
    grant.perform(EventType::JournalRead, work).await
}

fn last_checkpoint(archive: &Archive) -> Result<Option<Bytes>, Fault> {
    let Some(head) = archive.index().seal_head()? else { return Ok(None) };
    archive.log_object(&layout::checkpoint(head.seal), LOG_OBJECT_BYTES_MAX).map(Some)
}

fn as_text(note: Bytes) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    (headers, note).into_response()
}

/// Reads a tile or an entry bundle, full or partial.
#[utoipa::path(
    get, path = "/v1/log/tile/{*tile}", tag = "log", operation_id = "tile",
    params(("tile" = String, Path, description = "`<level>/<n>[.p/<width>]` or `entries/<n>[.p/<width>]`")),
    responses(
        (status = 200, description = "Hashes, or entries each behind its 16-bit length", body = Vec<u8>,
            content_type = "application/octet-stream"),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []))
)]
pub async fn tile(caller: Caller, Path(path): Path<String>) -> Result<Response, Problem> {
    let grant = caller.may_in_own(Function::ReadLog).await?.about_journal();
    let work = async {
        let name = format!("tile/{path}");
        let path: TilePath = name.parse().map_err(|_| ProblemKind::TileUnknown)?;
        let bytes = grant.state().ask(move |archive| read_tile(archive, path)).await?;
        let bytes = bytes.ok_or(ProblemKind::TileUnknown)?;
        let headers = [
            (header::CONTENT_TYPE, "application/octet-stream"),
            (header::CACHE_CONTROL, "private, max-age=604800, immutable"),
        ];
        Ok(Done::new((headers, bytes).into_response()).with_fact("log", name))
    };
    grant.perform(EventType::JournalRead, work).await
}

fn read_tile(archive: &Archive, path: TilePath) -> Result<Option<Bytes>, Fault> {
    let Some(head) = archive.index().seal_head()? else { return Ok(None) };
    let edge = TreeEdge::decode(&head.edge).map_err(|_| IndexError::Malformed)?;
    match path.kind() {
        TileKind::Hashes { level } => read_hashes(archive, &edge, level, path),
        TileKind::Entries => read_entries(archive, &edge, path),
    }
}

/// Nodes of the tree at a tile level: whole subtrees of `256^level` entries.
fn nodes_at(edge: &TreeEdge, level: u8) -> u64 {
    edge.size().0.checked_shr(8 * u32::from(level)).unwrap_or(0)
}

fn read_hashes(archive: &Archive, edge: &TreeEdge, level: u8, path: TilePath) -> Result<Option<Bytes>, Fault> {
    let nodes = nodes_at(edge, level);
    let width = path.width();
    if path.number() < nodes / WIDTH {
        let tile = archive.log_object(&layout::tile(level, path.number()), LOG_OBJECT_BYTES_MAX)?;
        return Ok(Some(tile.slice(..tile.len().min(width * 32))));
    }
    let hashes = if path.number() == nodes / WIDTH { edge.partial(level) } else { &[] };
    Ok(hashes.get(..width).map(|hashes| Bytes::from(tile_bytes(hashes))))
}

fn read_entries(archive: &Archive, edge: &TreeEdge, path: TilePath) -> Result<Option<Bytes>, Fault> {
    let size = edge.size().0;
    let width = path.width() as u64;
    if path.number() < size / WIDTH && width == WIDTH {
        return archive.log_object(&layout::entry_bundle(path.number()), LOG_OBJECT_BYTES_MAX).map(Some);
    }
    let Some(first) = path.number().checked_mul(WIDTH).filter(|first| first.saturating_add(width) <= size) else {
        return Ok(None);
    };
    let mut places = Vec::new();
    for seq in (first..first + width).map(SequenceNumber) {
        places.push((seq, archive.index().commit_of(seq)?.ok_or(IndexError::Malformed)?));
    }
    let bundle = encode_bundle(&archive.entry_lines(&places)?);
    Ok(Some(Bytes::from(bundle.expect("entries within their length, at most 256"))))
}
