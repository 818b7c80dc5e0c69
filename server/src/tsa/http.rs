//! Any RFC 3161 authority, asked over HTTP (RFC 3161 §3.4).
//!
//! One request, one answer, no redirect: an authority's address is the operator's to choose, and a redirect would send
//! the request, as a GET, to a place that nobody chose. Blocking; called from the attester's own thread.

use std::io::Read;
use std::time::{Duration, Instant};

use cartulaire_engine::ports::{AuthorityError, TimeStampAuthority};
use reqwest::blocking::{Client, Response};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{StatusCode, redirect};

/// Longest answer in bytes: a token with a whole path and revocation lists takes 5 to 30 KiB.
pub const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// Bytes of the answer that are read between two looks at the clock.
const READ_BYTES: usize = 8 << 10;

/// Part of the time allowed that the connection itself may take.
const CONNECT_SHARE: u32 = 2;

const QUERY_TYPE: &str = "application/timestamp-query";
const REPLY_TYPE: &str = "application/timestamp-reply";

/// The HTTP client cannot be made: the system's TLS roots cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client for the authority {name} cannot be made: {source}")]
pub struct HttpAuthorityError {
    /// The authority.
    pub name: String,
    /// The client's reason.
    pub source: reqwest::Error,
}

/// An authority over HTTP.
pub struct HttpAuthority {
    name: String,
    url: String,
    timeout: Duration,
    client: Client,
}

impl HttpAuthority {
    /// Prepares to ask an authority; nothing is sent yet.
    ///
    /// - `timeout`: what the answer's head may take, and again its body; no authority is waited for longer than twice that.
    ///
    /// # Errors
    /// [`HttpAuthorityError`].
    pub fn new(name: &str, url: &str, timeout: Duration) -> Result<Self, HttpAuthorityError> {
        let client = Client::builder()
            .timeout(timeout)
            .connect_timeout(timeout / CONNECT_SHARE)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("cartulaire/", env!("CARGO_PKG_VERSION")));
        let client = client.build().map_err(|source| HttpAuthorityError { name: name.to_owned(), source })?;
        Ok(Self { name: name.to_owned(), url: url.to_owned(), timeout, client })
    }
}

impl TimeStampAuthority for HttpAuthority {
    fn name(&self) -> &str {
        &self.name
    }

    fn ask(&self, request: &[u8]) -> Result<Vec<u8>, AuthorityError> {
        let request = self.client.post(&self.url).header(CONTENT_TYPE, QUERY_TYPE).body(request.to_vec());
        let response = request.send().map_err(|error| {
            tracing::debug!(authority = self.name, %error, "no answer");
            AuthorityError::Unreachable
        })?;
        match response.status() {
            StatusCode::OK => answer(response, self.timeout),
            status => Err(AuthorityError::Status(status.as_u16())),
        }
    }
}

fn answer(response: Response, timeout: Duration) -> Result<Vec<u8>, AuthorityError> {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let essence = header(CONTENT_TYPE).and_then(|text| text.split(';').next()).map(str::trim);
    if !essence.is_some_and(|essence| essence.eq_ignore_ascii_case(REPLY_TYPE)) {
        return Err(AuthorityError::ContentType);
    }
    let declared = header(CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
    if declared.is_some_and(|length| length > ANSWER_BYTES_MAX) {
        return Err(AuthorityError::TooLong);
    }
    read_body(response, timeout)
}

/// The client's own time limit starts anew with every read, so that an authority could drip for ever: this one does not.
fn read_body(mut response: Response, timeout: Duration) -> Result<Vec<u8>, AuthorityError> {
    let (started, mut bytes, mut piece) = (Instant::now(), Vec::new(), [0; READ_BYTES]);
    loop {
        let read = response.read(&mut piece).map_err(|_| AuthorityError::Unreachable)?;
        bytes.extend_from_slice(&piece[..read]);
        if read == 0 {
            return Ok(bytes);
        }
        if bytes.len() as u64 > ANSWER_BYTES_MAX {
            return Err(AuthorityError::TooLong);
        }
        if started.elapsed() > timeout {
            return Err(AuthorityError::Unreachable);
        }
    }
}

#[cfg(test)]
mod tests;
