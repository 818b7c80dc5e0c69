//! What an error of `object_store` says about the object: the only place that interprets them.

use std::error::Error as _;

use object_store::Error;
use object_store::client::{HttpError, HttpErrorKind};

use crate::ports::{CreateError, ReadError};

/// What is known after a deciding request that was sent at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The server did it.
    Done,
    /// The server says that the name is taken, or that somebody is taking it.
    Taken,
    /// No connection: the server has not heard of it.
    NotSent,
    /// The server refused it for good.
    Refused(CreateError),
    /// It may have been done.
    InDoubt,
}

impl Outcome {
    pub(super) fn of<T>(answer: object_store::Result<T>) -> Self {
        let error = match answer {
            Ok(_) => return Self::Done,
            Err(error) => error,
        };
        tracing::warn!(%error, "a request to the bucket failed");
        match &error {
            Error::AlreadyExists { .. } | Error::Precondition { .. } => Self::Taken,
            Error::Generic { .. } => match transport_failure(&error) {
                Some(HttpErrorKind::Connect) => Self::NotSent,
                Some(_) => Self::InDoubt,
                None => of_status(status(&error.to_string())),
            },
            Error::JoinError { .. } => Self::InDoubt,
            _ => Self::Refused(CreateError::Unreachable),
        }
    }
}

fn of_status(status: Option<u16>) -> Outcome {
    match status {
        // RFC 4918 §11.5, Insufficient Storage: the method could not be performed.
        Some(507) => Outcome::Refused(CreateError::Full),
        // Timeouts and throttling are answered before or after the work: nothing is known.
        Some(408 | 429) => Outcome::InDoubt,
        Some(300..=499) => Outcome::Refused(CreateError::Unreachable),
        _ => Outcome::InDoubt,
    }
}

pub(super) fn read_error(error: &Error) -> ReadError {
    tracing::warn!(%error, "reading from the bucket failed");
    match error {
        Error::NotFound { .. } => ReadError::Missing,
        Error::Generic { .. } if transport_failure(error) == Some(HttpErrorKind::Decode) => ReadError::Failed,
        _ => ReadError::Unreachable,
    }
}

/// How the transport failed, if it was the transport.
fn transport_failure(error: &Error) -> Option<HttpErrorKind> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(http) = error.downcast_ref::<HttpError>() {
            return Some(http.kind());
        }
        cause = error.source();
    }
    None
}

/// The HTTP status in an error's text, which is the only place where `object_store` 0.14 gives it to its users.
fn status(text: &str) -> Option<u16> {
    const BEFORE: &str = "status code: ";
    let start = text.find(BEFORE)? + BEFORE.len();
    text.get(start..start + 3)?.parse().ok()
}
