//! The index: a RocksDB that follows the commits and seals and can be thrown away.
//!
//! Invariant: everything here is a function of the objects at rest, so rebuilding from the store alone gives the same
//! bytes. It is never asked for evidence, and it is never synced: after a crash it may be behind, never ahead of what a
//! replay of the store gives. `apply_commit` and `apply_seal` are the only writers, on the normal path and in recovery.

mod apply;
mod rows;

use std::path::Path;

use cartulaire_formats::aip::ArchiveId;
use cartulaire_formats::hash::Sha256Digest;
use cartulaire_formats::journal::TenantId;
use cartulaire_formats::layout::{CommitNumber, EvidenceAlgorithm, SealNumber, SequenceNumber};
use rocksdb::{BlockBasedOptions, Cache, DB, Direction, IteratorMode, Options};

pub use apply::{CommitRecord, SealRecord};
pub use rows::{ArchiveRow, CommitHead, ObjectPlace, ObjectRow, SealHead, TenantRow, TransferRow};
use rows::{Key, Row};

/// The index cannot be used: its files are damaged, locked by another process, or on a failing disk.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Another process has it open.
    #[error("the index is open in another process; stop it, or ask the running server instead")]
    Locked,
    /// RocksDB failed; `cartulaire rebuild` makes the index anew from the store.
    #[error("the index cannot be read or written ({0}); run `cartulaire rebuild`")]
    Database(rocksdb::Error),
    /// A row does not have its form; `cartulaire rebuild` makes the index anew from the store.
    #[error("the index holds a malformed row; run `cartulaire rebuild`")]
    Malformed,
}

impl From<rocksdb::Error> for IndexError {
    fn from(error: rocksdb::Error) -> Self {
        let locked = error.kind() == rocksdb::ErrorKind::IOError && error.as_ref().contains("lock");
        if locked { Self::Locked } else { Self::Database(error) }
    }
}

/// Memory that RocksDB's block cache may take, in bytes: the index lives on disk, the cache only speeds it up.
const BLOCK_CACHE_BYTES: usize = 32 << 20;
/// Size of a write buffer in bytes; three of them at most.
const WRITE_BUFFER_BYTES: usize = 16 << 20;

/// The index of one archive.
pub struct Index {
    db: DB,
}

impl Index {
    /// Opens the index in a folder, making an empty one if there is none.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn open(folder: &Path) -> Result<Self, IndexError> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_compression_type(rocksdb::DBCompressionType::Lz4);
        options.set_write_buffer_size(WRITE_BUFFER_BYTES);
        options.set_max_write_buffer_number(3);
        // Almost every look-up of a deposit is for what is not there: new objects, new transfers.
        options.set_memtable_whole_key_filtering(true);
        options.set_memtable_prefix_bloom_ratio(0.1);
        options.set_max_open_files(256);
        options.set_keep_log_file_num(4);
        let mut table = BlockBasedOptions::default();
        table.set_bloom_filter(10.0, false);
        table.set_block_cache(&Cache::new_lru_cache(BLOCK_CACHE_BYTES));
        table.set_cache_index_and_filter_blocks(true);
        options.set_block_based_table_factory(&table);
        Ok(Self { db: DB::open(&options, folder)? })
    }

    fn row<R: Row>(&self, key: &Key) -> Result<Option<R>, IndexError> {
        let Some(value) = self.db.get_pinned(key.as_bytes())? else { return Ok(None) };
        R::decode(&value).map(Some).ok_or(IndexError::Malformed)
    }

    /// Where the chain of commits stands; `None` in an empty index.
    ///
    /// # Errors
    /// [`IndexError`], as of every method here.
    pub fn commit_head(&self) -> Result<Option<CommitHead>, IndexError> {
        self.row(&Key::commit_head())
    }

    /// Where the chain of seals stands; `None` before the first.
    pub fn seal_head(&self) -> Result<Option<SealHead>, IndexError> {
        self.row(&Key::seal_head())
    }

    /// A tenant's chain and counts; `None` while its journal is empty.
    pub fn tenant(&self, tenant: &TenantId) -> Result<Option<TenantRow>, IndexError> {
        self.row(&Key::tenant(tenant))
    }

    /// The detail object that describes a tenant or a key, as `(kind, id)` such as `("tenant", "kerlouan")`.
    pub fn detail(&self, subject: &str) -> Result<Option<Vec<u8>>, IndexError> {
        Ok(self.db.get(Key::detail(subject).as_bytes())?)
    }

    /// Every detail object whose subject starts with `prefix`, sorted by subject.
    pub fn details(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, IndexError> {
        let start = Key::detail(prefix);
        let mut found = Vec::new();
        for item in self.db.iterator(IteratorMode::From(start.as_bytes(), Direction::Forward)) {
            let (key, value) = item?;
            if !key.starts_with(start.as_bytes()) {
                break;
            }
            let subject = std::str::from_utf8(&key[1..]).map_err(|_| IndexError::Malformed)?;
            found.push((subject.to_owned(), value.into_vec()));
        }
        Ok(found)
    }

    /// Where an object of a tenant lies.
    pub fn object(&self, tenant: &TenantId, sha256: &Sha256Digest) -> Result<Option<ObjectRow>, IndexError> {
        self.row(&Key::object(tenant, sha256))
    }

    /// What is known of an archive.
    pub fn archive(&self, tenant: &TenantId, archive: &ArchiveId) -> Result<Option<ArchiveRow>, IndexError> {
        self.row(&Key::archive(tenant, archive))
    }

    /// The archive that a transfer identifier led to.
    pub fn transfer(&self, tenant: &TenantId, transfer: &str) -> Result<Option<TransferRow>, IndexError> {
        self.row(&Key::transfer(tenant, transfer))
    }

    /// A tenant's archives after `after`, in the order of their identifiers (thus of their reception), at most `limit`.
    pub fn archives(
        &self,
        tenant: &TenantId,
        after: Option<ArchiveId>,
        limit: usize,
    ) -> Result<Vec<(ArchiveId, ArchiveRow)>, IndexError> {
        let prefix = Key::archives(tenant);
        let mut start = prefix.as_bytes().to_vec();
        if let Some(after) = after {
            start.extend_from_slice(&after.0);
            start.push(0);
        }
        let mut found = Vec::new();
        for item in self.db.iterator(IteratorMode::From(&start, Direction::Forward)).take(limit) {
            let (key, value) = item?;
            let Some(id) = key.strip_prefix(prefix.as_bytes()) else { break };
            let id = id.try_into().map_err(|_| IndexError::Malformed)?;
            found.push((ArchiveId(id), ArchiveRow::decode(&value).ok_or(IndexError::Malformed)?));
        }
        Ok(found)
    }

    /// The commit that holds an entry.
    pub fn commit_of(&self, seq: SequenceNumber) -> Result<Option<CommitNumber>, IndexError> {
        let key = Key::first_entry(seq);
        let mut items = self.db.iterator(IteratorMode::From(key.as_bytes(), Direction::Reverse));
        let Some(item) = items.next() else { return Ok(None) };
        let (found, value) = item?;
        if found[0] != key.as_bytes()[0] {
            return Ok(None);
        }
        CommitNumber::decode(&value).map(Some).ok_or(IndexError::Malformed)
    }

    /// The entries about a subject, in order: `(entry, commit)`.
    pub fn entries_about(&self, subject: &str) -> Result<Vec<(SequenceNumber, CommitNumber)>, IndexError> {
        self.numbered(&Key::subject(subject), None, usize::MAX)
    }

    /// A tenant's entries from `from` on, at most `limit`.
    pub fn entries_of(
        &self,
        tenant: &TenantId,
        from: SequenceNumber,
        limit: usize,
    ) -> Result<Vec<(SequenceNumber, CommitNumber)>, IndexError> {
        self.numbered(&Key::journal(tenant), Some(from), limit)
    }

    fn numbered(
        &self,
        prefix: &Key,
        from: Option<SequenceNumber>,
        limit: usize,
    ) -> Result<Vec<(SequenceNumber, CommitNumber)>, IndexError> {
        let mut start = prefix.as_bytes().to_vec();
        start.extend_from_slice(&from.map_or(0, |s| s.0).to_be_bytes());
        let mut found = Vec::new();
        for item in self.db.iterator(IteratorMode::From(&start, Direction::Forward)).take(limit) {
            let (key, value) = item?;
            let Some(seq) = key.strip_prefix(prefix.as_bytes()) else { break };
            let seq = SequenceNumber(u64::from_be_bytes(seq.try_into().map_err(|_| IndexError::Malformed)?));
            found.push((seq, CommitNumber::decode(&value).ok_or(IndexError::Malformed)?));
        }
        Ok(found)
    }

    /// The seal that covers an entry and its tree size, if it is sealed.
    pub fn seal_of(&self, seq: SequenceNumber) -> Result<Option<(SealNumber, u64)>, IndexError> {
        let key = Key::sealed_size(seq.0 + 1);
        let mut items = self.db.iterator(IteratorMode::From(key.as_bytes(), Direction::Forward));
        let Some(item) = items.next() else { return Ok(None) };
        let (found, value) = item?;
        let Some(size) = found.strip_prefix(&key.as_bytes()[..1]) else { return Ok(None) };
        let size = u64::from_be_bytes(size.try_into().map_err(|_| IndexError::Malformed)?);
        let seal = SealNumber::decode(&value).ok_or(IndexError::Malformed)?;
        Ok(Some((seal, size)))
    }

    /// A seal's tree size.
    pub fn seal_size(&self, seal: SealNumber) -> Result<Option<u64>, IndexError> {
        self.row(&Key::seal_size(seal))
    }

    /// The oldest seal from `from` on whose evidence tree of that algorithm has no journaled token.
    pub fn oldest_unattested(
        &self,
        algorithm: EvidenceAlgorithm,
        from: SealNumber,
    ) -> Result<Option<SealNumber>, IndexError> {
        let prefix = Key::unattested_of(algorithm);
        let start = Key::unattested(from, algorithm);
        let mut items = self.db.iterator(IteratorMode::From(start.as_bytes(), Direction::Forward));
        let Some(item) = items.next() else { return Ok(None) };
        let (key, _) = item?;
        let Some(seal) = key.strip_prefix(prefix.as_bytes()) else { return Ok(None) };
        let seal = seal.try_into().map_err(|_| IndexError::Malformed)?;
        Ok(Some(SealNumber(u64::from_be_bytes(seal))))
    }

    /// Evidence trees whose token is not journaled yet, by algorithm and then by age, at most `limit`.
    pub fn unattested(&self, limit: usize) -> Result<Vec<(SealNumber, EvidenceAlgorithm)>, IndexError> {
        let prefix = Key::unattested_all();
        let mut found = Vec::new();
        for item in self.db.iterator(IteratorMode::From(prefix.as_bytes(), Direction::Forward)).take(limit) {
            let (key, _) = item?;
            let Some(rest) = key.strip_prefix(prefix.as_bytes()) else { break };
            found.push(rows::parse_unattested(rest).ok_or(IndexError::Malformed)?);
        }
        Ok(found)
    }

    /// The root of an evidence tree whose token is not journaled yet, raw; `None` if it is.
    pub fn unattested_root(
        &self,
        seal: SealNumber,
        algorithm: EvidenceAlgorithm,
    ) -> Result<Option<Vec<u8>>, IndexError> {
        Ok(self.db.get(Key::unattested(seal, algorithm).as_bytes())?)
    }

    /// Whether an evidence tree's token is journaled.
    pub fn is_attested(&self, seal: SealNumber, algorithm: EvidenceAlgorithm) -> Result<bool, IndexError> {
        Ok(self.db.get_pinned(Key::attested(seal, algorithm).as_bytes())?.is_some())
    }

    /// Whether a commit refers to a direct container.
    pub fn knows_container(&self, name: &str) -> Result<bool, IndexError> {
        Ok(self.db.get_pinned(Key::container(name).as_bytes())?.is_some())
    }

    /// SHA-256 over every row in key order: equal for two indexes exactly if they say the same.
    pub fn digest(&self) -> Result<Sha256Digest, IndexError> {
        let mut hasher = cartulaire_formats::hash::MultiHasher::new(false);
        for item in self.db.iterator(IteratorMode::Start) {
            let (key, value) = item?;
            for part in [&key, &value] {
                hasher.update(&(part.len() as u64).to_be_bytes());
                hasher.update(part);
            }
        }
        Ok(hasher.finish().sha256)
    }
}
