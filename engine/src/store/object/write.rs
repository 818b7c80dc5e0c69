//! A request that decides whether an object is created, until its outcome is known.

use bytes::Bytes;
use object_store::multipart::PartId;
use object_store::path::Path;
use object_store::{MultipartId, ObjectStore, PutMode, PutPayload};

use super::super::bounds::COMPARE_LEN;
use super::Site;
use super::errors::Outcome;
use crate::ports::{CreateError, ReadError};

/// A deciding request, and what is needed to tell our object from another's.
pub(super) struct Write {
    path: Path,
    request: Request,
    /// The object's length in bytes.
    length: u64,
    /// What it begins with: all of it, save for an upload in parts, of which the rest is no longer at hand. That the
    /// lengths and the first 8 MiB agree is enough there: uploads in parts have random names.
    start: PutPayload,
}

enum Request {
    Put,
    Complete { id: MultipartId, parts: Vec<PartId> },
}

/// Whose object is found under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Ours,
    Other,
    Absent,
}

impl Write {
    /// One conditional request with the whole object.
    pub(super) fn put(path: Path, object: PutPayload) -> Self {
        Self { path, request: Request::Put, length: object.content_length() as u64, start: object }
    }

    /// The conditional completion of an upload in parts.
    pub(super) fn completion(path: Path, id: MultipartId, parts: Vec<PartId>, start: PutPayload, length: u64) -> Self {
        Self { path, request: Request::Complete { id, parts }, length, start }
    }

    /// Repeats the request until its outcome is known, or the tries are used up.
    pub(super) async fn settle(self, site: &Site) -> Result<(), CreateError> {
        let mut in_doubt = false;
        let mut refusal = CreateError::Unreachable;
        for pause in site.pauses {
            tokio::time::sleep(pause).await;
            match self.send(site).await {
                Outcome::Done => return Ok(()),
                Outcome::Taken => match self.find(site).await {
                    Ok(Found::Ours) if in_doubt => return Ok(()),
                    Ok(Found::Ours | Found::Other) => return Err(CreateError::Exists),
                    // A rival's request was under way and came to nothing: try again.
                    Ok(Found::Absent) => {}
                    Err(_) => break,
                },
                Outcome::NotSent => {}
                Outcome::InDoubt => in_doubt = true,
                Outcome::Refused(error) => {
                    refusal = error;
                    break;
                }
            }
        }
        if !in_doubt {
            return Err(refusal);
        }
        // Absence proves nothing here: what is under way may still arrive.
        if self.find(site).await == Ok(Found::Ours) { Ok(()) } else { Err(CreateError::Unknown) }
    }

    async fn send(&self, site: &Site) -> Outcome {
        match &self.request {
            Request::Put => {
                Outcome::of(site.once.put_opts(&self.path, self.start.clone(), PutMode::Create.into()).await)
            }
            Request::Complete { id, parts } => {
                Outcome::of(site.once.complete_multipart(&self.path, id, parts.clone()).await)
            }
        }
    }

    async fn find(&self, site: &Site) -> Result<Found, ReadError> {
        match site.size(&self.path).await? {
            None => return Ok(Found::Absent),
            Some(found) if found != self.length => return Ok(Found::Other),
            Some(_) => {}
        }
        let mut ours = self.start.iter().cloned();
        let mut rest = Bytes::new();
        let (mut offset, end) = (0, self.start.content_length() as u64);
        while offset < end {
            let mut theirs = site.read(&self.path, offset..end.min(offset + COMPARE_LEN)).await?;
            offset += theirs.len() as u64;
            while !theirs.is_empty() {
                if rest.is_empty() {
                    rest = ours.next().expect("the chunks have the payload's length in all");
                }
                let length = theirs.len().min(rest.len());
                if theirs.split_to(length) != rest.split_to(length) {
                    return Ok(Found::Other);
                }
            }
        }
        Ok(Found::Ours)
    }
}
