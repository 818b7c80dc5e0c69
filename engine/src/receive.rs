//! Receiving: the body streams by once, hashed with every algorithm in the same pass.
//!
//! Small bodies stay in memory and go into their commit; a large one goes straight into a container of its own, which
//! nobody sees until it is published by [`crate::admit`]. Dropping a reception leaves nothing behind.

use std::sync::Arc;

use bytes::Bytes;
use cartulaire_formats::container;
use cartulaire_formats::hash::{Digests, MultiHasher};
use cartulaire_formats::layout;

use crate::archive::Archive;
use crate::bounds::{INLINE_BYTES_MAX, STREAM_CHUNK_BYTES};
use crate::ports::CreateError;
use crate::sites::SitesStaging;

/// One body being received.
pub struct Reception {
    archive: Arc<Archive>,
    hasher: MultiHasher,
    buffer: Vec<u8>,
    staging: Option<SitesStaging>,
}

/// One body, whole, with its digests; not yet judged.
pub struct Received {
    /// Its digests and length.
    pub digests: Digests,
    pub(crate) content: ReceivedContent,
}

pub(crate) enum ReceivedContent {
    Inline(Bytes),
    Staged(SitesStaging),
}

impl Reception {
    /// Begins to receive a body.
    ///
    /// - `with_sha512`: a declared SHA-512 is to be checked; it is computed anyway where a second evidence tree is kept.
    #[must_use]
    pub fn new(archive: Arc<Archive>, with_sha512: bool) -> Self {
        let hasher = MultiHasher::new(with_sha512 || archive.has_sha512_tree());
        Self { archive, hasher, buffer: Vec::new(), staging: None }
    }

    /// Takes the next bytes, of any length.
    ///
    /// # Errors
    /// [`CreateError`] if the site cannot take a large body; nothing is left behind.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), CreateError> {
        self.hasher.update(bytes);
        self.buffer.extend_from_slice(bytes);
        let limit = if self.staging.is_some() { STREAM_CHUNK_BYTES } else { INLINE_BYTES_MAX + 1 };
        if self.buffer.len() < limit {
            return Ok(());
        }
        self.spill()
    }

    /// Moves what is in memory to a container of its own now, however small, because the caller's memory is short.
    ///
    /// # Errors
    /// As [`Reception::write`].
    pub fn leave_memory(&mut self) -> Result<(), CreateError> {
        if self.staging.is_some() { Ok(()) } else { self.spill() }
    }

    /// Whether the body is still in memory.
    #[must_use]
    pub fn is_inline(&self) -> bool {
        self.staging.is_none()
    }

    fn spill(&mut self) -> Result<(), CreateError> {
        let chunk = Bytes::from(std::mem::take(&mut self.buffer));
        if self.staging.is_none() {
            self.staging = Some(begin_container(&self.archive)?);
        }
        self.staging.as_mut().expect("staged above").append(&chunk)
    }

    /// Bytes received so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.hasher.size()
    }

    /// Ends the body.
    ///
    /// # Errors
    /// As [`Reception::write`].
    pub fn finish(mut self) -> Result<Received, CreateError> {
        if self.staging.is_some() {
            end_container(&mut self.buffer, self.hasher.size());
            self.spill()?;
        }
        let content = match self.staging {
            Some(staging) => ReceivedContent::Staged(staging),
            None => ReceivedContent::Inline(Bytes::from(self.buffer)),
        };
        Ok(Received { digests: self.hasher.finish(), content })
    }
}

impl Received {
    /// Keeps the body inline while there is room for it, else moves it into a container of its own.
    pub(crate) fn spill_beyond(self, archive: &Archive, room: &mut usize) -> Result<ReceivedContent, CreateError> {
        let bytes = match self.content {
            ReceivedContent::Inline(bytes) => bytes,
            staged @ ReceivedContent::Staged(_) => return Ok(staged),
        };
        if let Some(left) = room.checked_sub(bytes.len()) {
            *room = left;
            return Ok(ReceivedContent::Inline(bytes));
        }
        let mut staging = begin_container(archive)?;
        let mut end = Vec::new();
        end_container(&mut end, bytes.len() as u64);
        staging.append(&bytes)?;
        staging.append(&Bytes::from(end))?;
        Ok(ReceivedContent::Staged(staging))
    }
}

/// A container under a name that nobody else has.
fn begin_container(archive: &Archive) -> Result<SitesStaging, CreateError> {
    let mut id = [0; 16];
    archive.entropy().fill(&mut id);
    let day = archive.clock().now().date();
    let name = layout::direct_container(&day, &hex::encode(id));
    archive.sites().stage(&name, container::STREAMED_HEAD)
}

/// What follows the one member of a container: its padding and the end.
fn end_container(out: &mut Vec<u8>, size: u64) {
    out.resize(out.len() + container::padding(size), 0);
    out.extend_from_slice(&container::END);
}
