//! Request bodies under watch: length, silence and rate.
//!
//! Whatever goes wrong with a body ends here as a [`Problem`]; what was received of it is dropped by its taker.

use std::time::{Duration, Instant};

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use cartulaire_formats::hash::{Digests, MultiHasher};
use futures_util::StreamExt as _;

use super::limits::Limits;
use super::problem::{Problem, ProblemKind};
use super::structured::DeclaredDigests;

/// Bytes of a refused body that are read and thrown away, so that the client is still there to read the answer.
const DRAIN_BYTES_MAX: u64 = 1 << 20;
/// Time that throwing away may take.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(1);

/// A request's body, piece by piece.
pub struct WatchedBody {
    stream: BodyDataStream,
    limits: Limits,
    bytes_max: u64,
    /// What `Content-Length` says, 0 without one.
    announced: u64,
    received: u64,
    /// Time spent waiting for the client; what we take to write does not count against it.
    waited: Duration,
    hasher: Option<MultiHasher>,
    ended: bool,
}

impl WatchedBody {
    /// Takes a body of at most `bytes_max` bytes.
    ///
    /// - `digest`: what the whole body is declared to be; computed along the way and compared by [`Self::check_digest`].
    ///
    #[must_use]
    pub fn new(body: Body, headers: &HeaderMap, limits: &Limits, bytes_max: u64, digest: &DeclaredDigests) -> Self {
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
        Self {
            stream: body.into_data_stream(),
            announced: announced.unwrap_or(0),
            limits: *limits,
            bytes_max,
            received: 0,
            waited: Duration::ZERO,
            hasher: (!digest.is_empty()).then(|| MultiHasher::new(digest.sha512.is_some())),
            ended: false,
        }
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// [`ProblemKind::BodyTooLarge`], [`ProblemKind::BodyTooSlow`], [`ProblemKind::BodyTruncated`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        if self.ended {
            return Ok(None);
        }
        if self.announced > self.bytes_max {
            return Err(too_large(self.bytes_max));
        }
        let asked = Instant::now();
        let piece = tokio::time::timeout(self.limits.idle, self.stream.next()).await;
        self.waited += asked.elapsed();
        let Some(piece) = piece.map_err(|_| ProblemKind::BodyTooSlow)? else {
            self.ended = true;
            return Ok(None);
        };
        let piece = piece.map_err(|error| {
            tracing::debug!(%error, "a body broke off");
            ProblemKind::BodyTruncated
        })?;
        self.received += piece.len() as u64;
        if self.received > self.bytes_max {
            return Err(too_large(self.bytes_max));
        }
        if self.is_too_slow() {
            return Err(ProblemKind::BodyTooSlow.into());
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&piece);
        }
        Ok(Some(piece))
    }

    fn is_too_slow(&self) -> bool {
        let counted = self.waited.saturating_sub(self.limits.rate_grace);
        self.received < counted.as_secs() * self.limits.body_rate_min
    }

    /// Reads what follows the last byte that mattered, and compares the whole body's digest with what was declared.
    ///
    /// # Errors
    /// A rejection by the rules `sha256-mismatch` or `sha512-mismatch`; else as [`Self::next`].
    pub async fn check_digest(&mut self, declared: &DeclaredDigests) -> Result<(), Problem> {
        while self.next().await?.is_some() {}
        match self.hasher.take() {
            Some(hasher) => compare(declared, &hasher.finish(), "content-digest"),
            None => Ok(()),
        }
    }

    /// Reads a small body as a whole.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub async fn whole(mut self) -> Result<Bytes, Problem> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.next().await? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    /// Throws away a little of what is still coming before a refusal is answered: a client that is told so while it
    /// still writes would otherwise meet a broken connection instead of the answer.
    pub async fn drain(&mut self) {
        let until = self.received.saturating_add(DRAIN_BYTES_MAX);
        let reading = async {
            while !self.ended && self.received < until {
                match self.stream.next().await {
                    Some(Ok(piece)) => self.received += piece.len() as u64,
                    _ => return,
                }
            }
        };
        // Running out of time is no error: the connection then ends the hard way.
        drop(tokio::time::timeout(DRAIN_TIME_MAX, reading).await);
    }
}

/// Compares digests received with digests declared.
///
/// - `place`: where they were declared.
///
/// # Errors
/// A rejection by the rules `sha256-mismatch` or `sha512-mismatch`.
pub fn compare(declared: &DeclaredDigests, received: &Digests, place: &str) -> Result<(), Problem> {
    if declared.sha256.is_some_and(|digest| digest != received.sha256) {
        return Err(Problem::rejected("sha256-mismatch", place));
    }
    if declared.sha512.is_some() && declared.sha512 != received.sha512 {
        return Err(Problem::rejected("sha512-mismatch", place));
    }
    Ok(())
}

fn too_large(limit: u64) -> Problem {
    Problem::new(ProblemKind::BodyTooLarge).with("limit", limit)
}
