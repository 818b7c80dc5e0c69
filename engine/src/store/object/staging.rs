//! A large object on its way to a bucket: a multipart upload whose first part, with the head, goes last.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use object_store::multipart::PartId;
use object_store::path::Path;
use object_store::{MultipartId, PutPayload};

use super::super::bounds::{PART_LEN, PARTS_MAX};
use super::Site;
use super::errors::Outcome;
use super::write::Write;
use crate::ports::{CreateError, Staging};

/// Up to two parts are kept in memory: the first, held back for its head, and the one being filled. What fits in those
/// is created with a single request instead.
pub(super) struct BucketStaging {
    site: Arc<Site>,
    path: Path,
    head_len: usize,
    length: u64,
    first: Part,
    current: Part,
    /// Set as soon as a part has been sent, until the upload is completed.
    upload: Option<MultipartId>,
    /// The parts sent, from the second on.
    sent: Vec<PartId>,
    outcome: Result<(), CreateError>,
}

#[derive(Default)]
struct Part {
    chunks: Vec<Bytes>,
    length: usize,
}

impl Part {
    /// Takes what still fits, up to `limit` bytes in all.
    fn fill(&mut self, bytes: &mut Bytes, limit: usize) {
        let taken = bytes.split_to(bytes.len().min(limit - self.length));
        if !taken.is_empty() {
            self.length += taken.len();
            self.chunks.push(taken);
        }
    }
}

impl BucketStaging {
    pub(super) fn new(site: Arc<Site>, path: Path, head_len: usize) -> Self {
        let (first, current) = (Part::default(), Part::default());
        Self {
            site,
            path,
            head_len,
            length: head_len as u64,
            first,
            current,
            upload: None,
            sent: vec![],
            outcome: Ok(()),
        }
    }

    fn take(&mut self, mut bytes: Bytes) -> Result<(), CreateError> {
        self.length += bytes.len() as u64;
        self.first.fill(&mut bytes, PART_LEN - self.head_len);
        while !bytes.is_empty() {
            if self.current.length == PART_LEN {
                self.send_current()?;
            }
            self.current.fill(&mut bytes, PART_LEN);
        }
        Ok(())
    }

    /// Sends the part being filled. Nobody sees parts, so that whatever fails here, nothing changed.
    fn send_current(&mut self) -> Result<(), CreateError> {
        let index = self.sent.len() + 1;
        if index >= PARTS_MAX {
            return Err(CreateError::Full);
        }
        let id = self.begin_upload()?;
        let payload: PutPayload = std::mem::take(&mut self.current).chunks.into_iter().collect();
        let (site, path) = (self.site.clone(), self.path.clone());
        let sent = self.site.executor.run(async move { send_part(&site, &path, &id, index, payload).await })?;
        self.sent.push(sent);
        Ok(())
    }

    fn begin_upload(&mut self) -> Result<MultipartId, CreateError> {
        if let Some(id) = &self.upload {
            return Ok(id.clone());
        }
        let (site, path) = (self.site.clone(), self.path.clone());
        let begin = async move { unseen(&site, || site.once.create_multipart(&path)).await };
        let id = self.site.executor.run(begin)?;
        self.upload = Some(id.clone());
        Ok(id)
    }

    fn complete(&mut self, id: MultipartId, head: Bytes) -> Result<(), CreateError> {
        if self.current.length > 0 {
            self.send_current()?;
        }
        let first: PutPayload = [head].into_iter().chain(std::mem::take(&mut self.first).chunks).collect();
        let upload =
            Upload { path: self.path.clone(), id, first, sent: std::mem::take(&mut self.sent), length: self.length };
        let site = self.site.clone();
        self.site.executor.run(async move { upload.complete(&site).await })
    }
}

impl Staging for BucketStaging {
    fn append(&mut self, bytes: Bytes) -> Result<(), CreateError> {
        self.outcome?;
        self.outcome = self.take(bytes);
        self.outcome
    }

    fn publish(mut self: Box<Self>, head: Bytes) -> Result<(), CreateError> {
        assert_eq!(head.len(), self.head_len, "the head has the length that was announced");
        self.outcome?;
        if let Some(id) = self.upload.clone() {
            self.complete(id, head)?;
            self.upload = None;
            return Ok(());
        }
        let (first, current) = (std::mem::take(&mut self.first), std::mem::take(&mut self.current));
        let chunks = [head].into_iter().chain(first.chunks).chain(current.chunks);
        let payload = chunks.filter(|chunk| !chunk.is_empty()).collect();
        let (site, path) = (self.site.clone(), self.path.clone());
        self.site.executor.run(async move { Write::put(path, payload).settle(&site).await })
    }
}

impl Drop for BucketStaging {
    /// Has the server forget the parts. Where this fails, or the process ends first, the bucket's own rule for incomplete
    /// uploads must.
    fn drop(&mut self) {
        if let Some(id) = self.upload.take() {
            let (site, path) = (self.site.clone(), self.path.clone());
            self.site.executor.spawn(async move {
                if let Err(error) = site.patient.abort_multipart(&path, &id).await {
                    tracing::warn!(%path, %error, "an upload that came to nothing stays behind in the bucket");
                }
            });
        }
    }
}

/// An upload of which only the first part is missing.
struct Upload {
    path: Path,
    id: MultipartId,
    first: PutPayload,
    sent: Vec<PartId>,
    length: u64,
}

impl Upload {
    async fn complete(self, site: &Site) -> Result<(), CreateError> {
        let first = send_part(site, &self.path, &self.id, 0, self.first.clone()).await?;
        let parts: Vec<_> = [first].into_iter().chain(self.sent).collect();
        // The condition goes with the request; this look is for stores that ignore it there and keep it elsewhere. What
        // is left open there is a race for one name, and staged objects have random names.
        match site.size(&self.path).await {
            Ok(None) => {}
            Ok(Some(_)) => return Err(CreateError::Exists),
            Err(_) => return Err(CreateError::Unreachable),
        }
        Write::completion(self.path, self.id, parts, self.first, self.length).settle(site).await
    }
}

async fn send_part(
    site: &Site,
    path: &Path,
    id: &MultipartId,
    index: usize,
    payload: PutPayload,
) -> Result<PartId, CreateError> {
    unseen(site, || site.once.put_part(path, id, index, payload.clone())).await
}

/// Repeats a request whose effect no reader sees: whatever becomes of it, nothing changed.
async fn unseen<T, F>(site: &Site, attempt: impl Fn() -> F) -> Result<T, CreateError>
where
    F: Future<Output = object_store::Result<T>>,
{
    for pause in site.pauses {
        tokio::time::sleep(pause).await;
        match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) => {
                if let Outcome::Refused(refusal) = Outcome::of::<T>(Err(error)) {
                    return Err(refusal);
                }
            }
        }
    }
    Err(CreateError::Unreachable)
}
