//! Around every request: an identifier, a log line, a count, and a check of path and header fields.
//!
//! The log line says what was asked of which route, by which key, and how it ended; never a body, a secret, a path or a
//! query, which may hold names of persons.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::caller::SeenKey;
use super::limits::Limits;
use super::problem::{Problem, ProblemKind};
use super::state::AppState;
use super::structured::percent_decoded;

/// The header field that names a request, in the answer and in the log.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest identifier that a client may give its request; longer ones are replaced by ours.
const REQUEST_ID_CHARS_MAX: usize = 64;

/// Watches one request.
///
/// It runs as a task of its own: a client that goes away cannot stop it between the engine and the journal.
pub async fn watch(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = request_id(request.headers());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("none", |path| path.as_str()).to_owned();
    let seen = SeenKey::default();
    request.extensions_mut().insert(seen.clone());
    let limits = state.limits;
    let task = tokio::spawn(async move {
        match check(request.uri(), request.headers(), &limits) {
            Ok(()) => next.run(request).await,
            Err(problem) => problem.into_response(),
        }
    });
    let mut response =
        task.await.unwrap_or_else(|error| Problem::from(error).with("request", id.clone()).into_response());
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let status = response.status().as_u16();
    state.metrics.request(&route, status);
    let key = seen.0.get().map(ToString::to_string).unwrap_or_default();
    let problem = response.extensions().get::<ProblemKind>().map_or("", |kind| kind.code());
    let ms = begun.elapsed().as_secs_f64() * 1e3;
    tracing::info!(request = id, %method, route, status, ms, key, problem, "answered");
    response
}

fn request_id(headers: &HeaderMap) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let plain = |text: &&str| {
        (1..=REQUEST_ID_CHARS_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(plain);
    given.map_or_else(|| format!("r{}", NEXT.fetch_add(1, Ordering::Relaxed)), str::to_owned)
}

fn check(uri: &Uri, headers: &HeaderMap, limits: &Limits) -> Result<(), Problem> {
    if headers.len() > limits.headers_max {
        return Err(Problem::new(ProblemKind::HeadersTooLarge).with("limit", limits.headers_max));
    }
    let segment_is_sound = |segment: &str| {
        percent_decoded(segment).is_ok_and(|text| !matches!(text.as_str(), "." | "..") && !text.contains(['/', '\\']))
    };
    let query_is_sound = uri.query().is_none_or(|query| percent_decoded(query).is_ok());
    if uri.path().split('/').all(segment_is_sound) && query_is_sound {
        Ok(())
    } else {
        Err(ProblemKind::PathMalformed.into())
    }
}
