//! Reading back: every object is checked against its digest before it counts as read.

use std::ops::Range;

use bytes::Bytes;
use cartulaire_formats::aip::{AipDescriptor, ArchiveId, DescribedFile};
use cartulaire_formats::container::STREAMED_HEAD;
use cartulaire_formats::hash::{Blake3Digest, Sha256Digest};
use cartulaire_formats::journal::TenantId;
use cartulaire_formats::layout::{self, ObjectName};

use crate::archive::Archive;
use crate::bounds::{INLINE_BYTES_MAX, STREAM_CHUNK_BYTES};
use crate::fault::{Damage, DamageKind, Fault, must_read};
use crate::index::{ArchiveRow, IndexError, ObjectPlace, ObjectRow};

/// An archive as found: its row and its descriptor, whose digest was checked.
#[derive(Debug, Clone)]
pub struct FoundArchive {
    /// Its place in the journal.
    pub row: ArchiveRow,
    /// What it is made of.
    pub descriptor: AipDescriptor,
}

/// Reads one object from its start to its end, or a part of it.
pub struct ObjectReader<'a> {
    archive: &'a Archive,
    container: ObjectName,
    start: u64,
    size: u64,
}

impl Archive {
    /// Finds an archive of a tenant; `None` if the tenant has none of that identifier.
    ///
    /// # Errors
    /// [`Fault::Damaged`] if its descriptor is not what it was.
    pub fn find(&self, tenant: &TenantId, archive: &ArchiveId) -> Result<Option<FoundArchive>, Fault> {
        let Some(row) = self.index().archive(tenant, archive)? else { return Ok(None) };
        let object = self.object_row(tenant, &row.descriptor)?;
        let reader = self.reader(&object)?;
        let bytes = reader.whole(&row.descriptor)?;
        let malformed = |_| Damage::new(&reader.container, DamageKind::Malformed);
        Ok(Some(FoundArchive { row, descriptor: AipDescriptor::parse(&bytes).map_err(malformed)? }))
    }

    /// Opens a file of an archive for reading.
    ///
    /// # Errors
    /// [`Fault::Damaged`] if its container is missing.
    pub fn open_file(&self, tenant: &TenantId, file: &DescribedFile) -> Result<ObjectReader<'_>, Fault> {
        let row = self.object_row(tenant, &file.sha256)?;
        self.reader(&row)
    }

    /// A small object that the tenant has; `None` if it has no such object.
    pub(crate) fn known_object(&self, tenant: &TenantId, sha256: &Sha256Digest) -> Result<Option<Bytes>, Fault> {
        let Some(row) = self.index().object(tenant, sha256)? else { return Ok(None) };
        self.reader(&row)?.whole(sha256).map(Some)
    }

    fn object_row(&self, tenant: &TenantId, sha256: &Sha256Digest) -> Result<ObjectRow, Fault> {
        Ok(self.index().object(tenant, sha256)?.ok_or(IndexError::Malformed)?)
    }

    fn reader(&self, row: &ObjectRow) -> Result<ObjectReader<'_>, Fault> {
        let (container, start) = match &row.place {
            ObjectPlace::Commit { commit, offset } => (layout::commit(*commit), *offset),
            ObjectPlace::Direct { container } => {
                let name = container.parse().map_err(|_| IndexError::Malformed)?;
                (name, STREAMED_HEAD as u64)
            }
        };
        Ok(ObjectReader { archive: self, container, start, size: row.size })
    }
}

impl ObjectReader<'_> {
    /// The object's length in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads a range of the object, without checking it against the object's digest.
    ///
    /// # Errors
    /// [`Fault::Damaged`], [`Fault::Retry`].
    ///
    /// # Panics
    /// If the range ends beyond the object.
    pub fn range(&self, range: Range<u64>) -> Result<Bytes, Fault> {
        assert!(range.end <= self.size, "a range was cut to the object's size before");
        let range = self.start + range.start..self.start + range.end;
        must_read(&self.container, self.archive.sites().read(&self.container, range))
    }

    /// Whether the object is small enough to be read and checked as a whole before its first byte is given out.
    #[must_use]
    pub fn is_small(&self) -> bool {
        self.size <= INLINE_BYTES_MAX as u64
    }

    /// Reads the whole of a small object and checks its address.
    ///
    /// # Errors
    /// [`Fault::Damaged`] if no site has the bytes that the digest names.
    pub fn whole(&self, sha256: &Sha256Digest) -> Result<Bytes, Fault> {
        self.first_sound(|bytes| Sha256Digest::of(bytes) == *sha256)
    }

    /// Reads the whole of a small object and checks its working digest.
    ///
    /// # Errors
    /// [`Fault::Damaged`] if no site has the bytes that the digest names.
    pub fn whole_checked(&self, blake3: &Blake3Digest) -> Result<Bytes, Fault> {
        self.first_sound(|bytes| Blake3Digest::of(bytes) == *blake3)
    }

    /// The bytes of the first site where they are what they must be.
    fn first_sound(&self, is_sound: impl Fn(&[u8]) -> bool) -> Result<Bytes, Fault> {
        let range = self.start..self.start + self.size;
        let mut last = Err(Damage::new(&self.container, DamageKind::Missing).into());
        for site in self.archive.sites().iter() {
            last = must_read(&self.container, site.store.read(&self.container, range.clone()));
            match &last {
                Ok(bytes) if is_sound(bytes) => return last,
                _ => tracing::error!(site = site.name, object = %self.container, "damaged or unreadable at rest"),
            }
        }
        last.and(Err(Damage::new(&self.container, DamageKind::Digest).into()))
    }

    /// Reads the object from start to end in pieces, checking the working digest before the last piece is given out.
    ///
    /// - `take`: takes each piece, at most [`STREAM_CHUNK_BYTES`]; `false` stops the reading without an error.
    ///
    /// # Errors
    /// [`Fault::Damaged`]: what was given out so far must not be used; its last piece never was.
    pub fn stream(&self, blake3: &Blake3Digest, mut take: impl FnMut(Bytes) -> bool) -> Result<(), Fault> {
        let mut hasher = cartulaire_formats::hash::Blake3Hasher::default();
        let mut offset = 0;
        loop {
            let end = self.size.min(offset + STREAM_CHUNK_BYTES as u64);
            let piece = self.range(offset..end)?;
            hasher.update(&piece);
            offset = end;
            let is_last = offset == self.size;
            if is_last && hasher.finish() != *blake3 {
                return Err(Damage::new(&self.container, DamageKind::Digest).into());
            }
            if !take(piece) || is_last {
                return Ok(());
            }
        }
    }
}
