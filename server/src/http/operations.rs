//! For whoever runs the service: liveness, readiness, metrics, and the API's own description.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use cartulaire_engine::index::IndexError;
use serde::Serialize;
use utoipa::ToSchema;

use super::metrics::Readings;
use super::problem::{Problem, ProblemDocument, ProblemKind};
use super::router;
use super::state::AppState;

/// What a person reads who tries the address in a browser.
const FRONT: &str = "\
Cartulaire, archive électronique à valeur probante / probative electronic archive

API          /v1                 Authorization: Bearer cart_…
description  /v1/openapi.json    OpenAPI 3.1
état, state  /healthz  /readyz  /metrics
";

/// Says where things are.
#[utoipa::path(get, path = "/", tag = "operations", operation_id = "front",
    responses((status = 200, description = "Where things are, for a person", body = String, content_type = "text/plain")))]
pub async fn front() -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], FRONT).into_response()
}

/// How the service is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok`, `stopping` or `recovery-needed`.
    #[schema(example = "ok")]
    pub status: &'static str,
}

/// Whether the process lives: answered as long as it can answer.
#[utoipa::path(get, path = "/healthz", tag = "operations", operation_id = "healthz",
    responses((status = 200, body = Health)))]
pub async fn healthy() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether the service takes deposits: not while it stops, nor when writing has stopped.
#[utoipa::path(get, path = "/readyz", tag = "operations", operation_id = "readyz",
    responses((status = 200, body = Health), (status = 503, body = Health)))]
pub async fn ready(State(state): State<AppState>) -> (StatusCode, Json<Health>) {
    let (code, status) = if state.service.is_poisoned() {
        (StatusCode::SERVICE_UNAVAILABLE, "recovery-needed")
    } else if state.is_stopping() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping")
    } else {
        (StatusCode::OK, "ok")
    };
    (code, Json(Health { status }))
}

/// Counters as Prometheus text; 404 unless the configuration opens it.
#[utoipa::path(get, path = "/metrics", tag = "operations", operation_id = "metrics",
    responses(
        (status = 200, body = String, content_type = "text/plain"),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn metrics(State(state): State<AppState>) -> Result<Response, Problem> {
    if !state.with_metrics {
        return Err(ProblemKind::RouteUnknown.into());
    }
    let text = state.metrics.exposition(readings(&state)?);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

fn readings(state: &AppState) -> Result<Readings, IndexError> {
    let index = state.archive().index();
    let milestones = state.service.milestones();
    let committed = index.commit_head()?.map_or(0, |head| head.next.0);
    let seals = index.seal_head()?.map_or(0, |head| head.seal.0 + 1);
    Ok(Readings {
        unsealed: committed.saturating_sub(milestones.sealed_size),
        unattested: seals.saturating_sub(milestones.attested_seals),
        poisoned: state.service.is_poisoned(),
    })
}

/// This document.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "operations", operation_id = "openapi",
    responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
pub async fn openapi_document() -> Json<utoipa::openapi::OpenApi> {
    Json(router::openapi())
}
