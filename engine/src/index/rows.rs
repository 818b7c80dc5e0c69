//! Keys and rows of the index: one letter for each kind, big-endian numbers so that order is numeric order.

use cartulaire_formats::aip::ArchiveId;
use cartulaire_formats::hash::{Blind, Sha256Digest, Sha512Digest};
use cartulaire_formats::journal::TenantId;
use cartulaire_formats::layout::{CommitNumber, EvidenceAlgorithm, SealNumber, SequenceNumber};
use cartulaire_formats::merkle::LeafHash;
use cartulaire_formats::time::Timestamp;

/// A row's key.
pub(super) struct Key(Vec<u8>);

impl Key {
    fn new(kind: u8, parts: &[&[u8]]) -> Self {
        let mut bytes = vec![kind];
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        Self(bytes)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn with(&self, tail: &[u8]) -> Self {
        Self([&self.0, tail].concat())
    }

    pub(super) fn commit_head() -> Self {
        Self::new(b'C', &[])
    }

    pub(super) fn seal_head() -> Self {
        Self::new(b'S', &[])
    }

    pub(super) fn tenant(tenant: &TenantId) -> Self {
        Self::new(b't', &[tenant.as_str().as_bytes()])
    }

    pub(super) fn detail(subject: &str) -> Self {
        Self::new(b'd', &[subject.as_bytes()])
    }

    pub(super) fn object(tenant: &TenantId, sha256: &Sha256Digest) -> Self {
        Self::new(b'o', &[tenant.as_str().as_bytes(), b"\0", &sha256.0])
    }

    pub(super) fn archives(tenant: &TenantId) -> Self {
        Self::new(b'a', &[tenant.as_str().as_bytes(), b"\0"])
    }

    pub(super) fn archive(tenant: &TenantId, archive: &ArchiveId) -> Self {
        Self::archives(tenant).with(&archive.0)
    }

    pub(super) fn transfer(tenant: &TenantId, transfer: &str) -> Self {
        let digest = Sha256Digest::of(transfer.as_bytes());
        Self::new(b'i', &[tenant.as_str().as_bytes(), b"\0", &digest.0])
    }

    pub(super) fn journal(tenant: &TenantId) -> Self {
        Self::new(b'j', &[tenant.as_str().as_bytes(), b"\0"])
    }

    pub(super) fn subject(subject: &str) -> Self {
        Self::new(b's', &[&Sha256Digest::of(subject.as_bytes()).0[..16]])
    }

    pub(super) fn first_entry(seq: SequenceNumber) -> Self {
        Self::new(b'q', &[&seq.0.to_be_bytes()])
    }

    pub(super) fn sealed_size(size: u64) -> Self {
        Self::new(b'm', &[&size.to_be_bytes()])
    }

    pub(super) fn seal_size(seal: SealNumber) -> Self {
        Self::new(b'l', &[&seal.0.to_be_bytes()])
    }

    pub(super) fn unattested_all() -> Self {
        Self::new(b'u', &[])
    }

    /// The algorithm before the seal: an authority that is down for one tree must not hide the other tree's seals.
    pub(super) fn unattested_of(algorithm: EvidenceAlgorithm) -> Self {
        Self::new(b'u', &[&[algorithm_byte(algorithm)]])
    }

    pub(super) fn unattested(seal: SealNumber, algorithm: EvidenceAlgorithm) -> Self {
        Self::unattested_of(algorithm).with(&seal.0.to_be_bytes())
    }

    pub(super) fn attested(seal: SealNumber, algorithm: EvidenceAlgorithm) -> Self {
        let unattested = Self::unattested(seal, algorithm);
        Self::new(b'A', &[&unattested.0[1..]])
    }

    pub(super) fn container(name: &str) -> Self {
        Self::new(b'x', &[name.as_bytes()])
    }
}

fn algorithm_byte(algorithm: EvidenceAlgorithm) -> u8 {
    match algorithm {
        EvidenceAlgorithm::Sha256 => 0,
        EvidenceAlgorithm::Sha512 => 1,
    }
}

pub(super) fn parse_unattested(rest: &[u8]) -> Option<(SealNumber, EvidenceAlgorithm)> {
    let (algorithm, seal) = rest.split_first()?;
    let seal = SealNumber(u64::from_be_bytes(seal.try_into().ok()?));
    match algorithm {
        0 => Some((seal, EvidenceAlgorithm::Sha256)),
        1 => Some((seal, EvidenceAlgorithm::Sha512)),
        _ => None,
    }
}

/// A value of the index.
pub(super) trait Row: Sized {
    fn encode(&self) -> Vec<u8>;
    fn decode(bytes: &[u8]) -> Option<Self>;
}

/// Reads fields off the front of a row.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    fn rest(self) -> &'a [u8] {
        self.0
    }

    fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

macro_rules! number_row {
    ($($name:ty => $make:expr, $value:expr);* $(;)?) => {
        $(impl Row for $name {
            fn encode(&self) -> Vec<u8> {
                let value: fn(&$name) -> u64 = $value;
                value(self).to_be_bytes().to_vec()
            }

            fn decode(bytes: &[u8]) -> Option<Self> {
                let make: fn(u64) -> $name = $make;
                bytes.try_into().ok().map(u64::from_be_bytes).map(make)
            }
        })*
    };
}

number_row! {
    u64 => |n| n, |n| *n;
    CommitNumber => CommitNumber, |n| n.0;
    SealNumber => SealNumber, |n| n.0;
}

/// Where the chain of commits stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitHead {
    /// The last commit.
    pub commit: CommitNumber,
    /// SHA-256 of its trailer.
    pub trailer: Sha256Digest,
    /// The entry that will come next.
    pub next: SequenceNumber,
    /// Time of the last entry.
    pub time: Timestamp,
}

impl Row for CommitHead {
    fn encode(&self) -> Vec<u8> {
        let time = self.time.unix_millis().to_be_bytes();
        [&self.commit.0.to_be_bytes()[..], &self.trailer.0, &self.next.0.to_be_bytes(), &time].concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let head = Self {
            commit: CommitNumber(fields.number()?),
            trailer: Sha256Digest(fields.take()?),
            next: SequenceNumber(fields.number()?),
            time: Timestamp::from_unix_millis(fields.take().map(i64::from_be_bytes)?).ok()?,
        };
        fields.end().map(|()| head)
    }
}

/// Where the chain of seals stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealHead {
    /// The last seal.
    pub seal: SealNumber,
    /// Root of its SHA-256 evidence tree.
    pub root_sha256: Sha256Digest,
    /// Root of its SHA-512 evidence tree, if there is one.
    pub root_sha512: Option<Sha512Digest>,
    /// The encoded right edge of the log at its size.
    pub edge: Vec<u8>,
}

impl Row for SealHead {
    fn encode(&self) -> Vec<u8> {
        let (flag, root_sha512) = match &self.root_sha512 {
            Some(root) => (1, root.0),
            None => (0, [0; 64]),
        };
        [&self.seal.0.to_be_bytes()[..], &self.root_sha256.0, &[flag], &root_sha512, &self.edge].concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let seal = SealNumber(fields.number()?);
        let root_sha256 = Sha256Digest(fields.take()?);
        let [flag] = fields.take()?;
        let root_sha512 = Sha512Digest(fields.take()?);
        let root_sha512 = (flag == 1).then_some(root_sha512);
        Some(Self { seal, root_sha256, root_sha512, edge: fields.rest().to_vec() })
    }
}

/// A tenant's chain and counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TenantRow {
    /// Leaf hash of its last entry.
    pub last: Option<LeafHash>,
    /// Journal entries.
    pub entries: u64,
    /// Archives deposited.
    pub archives: u64,
    /// Distinct objects stored.
    pub objects: u64,
    /// Bytes of these.
    pub bytes: u64,
}

impl Row for TenantRow {
    fn encode(&self) -> Vec<u8> {
        let mut out = vec![u8::from(self.last.is_some())];
        out.extend_from_slice(self.last.as_ref().map_or(&[0; 32], |h| h.as_bytes()));
        [self.entries, self.archives, self.objects, self.bytes].iter().for_each(|n| out.extend(n.to_be_bytes()));
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let [flag] = fields.take()?;
        let last = LeafHash(fields.take()?);
        let row = Self {
            last: (flag == 1).then_some(last),
            entries: fields.number()?,
            archives: fields.number()?,
            objects: fields.number()?,
            bytes: fields.number()?,
        };
        fields.end().map(|()| row)
    }
}

/// Where an object's bytes lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectPlace {
    /// In a commit, from that offset.
    Commit {
        /// The commit.
        commit: CommitNumber,
        /// Offset of the first byte in its container.
        offset: u64,
    },
    /// In a container of its own, behind its fixed head.
    Direct {
        /// The container's name.
        container: String,
    },
}

/// An object of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRow {
    /// Its blind, so that a second deposit of the same content carries the same commitment.
    pub blind: Blind,
    /// Length in bytes.
    pub size: u64,
    /// Where it lies.
    pub place: ObjectPlace,
}

impl Row for ObjectRow {
    fn encode(&self) -> Vec<u8> {
        let mut out = [&self.blind.0[..], &self.size.to_be_bytes()].concat();
        match &self.place {
            ObjectPlace::Commit { commit, offset } => {
                out.push(0);
                out.extend(commit.0.to_be_bytes());
                out.extend(offset.to_be_bytes());
            }
            ObjectPlace::Direct { container } => {
                out.push(1);
                out.extend(container.as_bytes());
            }
        }
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let blind = Blind(fields.take()?);
        let size = fields.number()?;
        let place = match fields.take()? {
            [0] => {
                let place = ObjectPlace::Commit { commit: CommitNumber(fields.number()?), offset: fields.number()? };
                fields.end()?;
                place
            }
            [1] => ObjectPlace::Direct { container: std::str::from_utf8(fields.rest()).ok()?.to_owned() },
            _ => return None,
        };
        Some(Self { blind, size, place })
    }
}

/// An archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveRow {
    /// Its deposit's journal entry.
    pub seq: SequenceNumber,
    /// The commit of that entry.
    pub commit: CommitNumber,
    /// Address of its descriptor.
    pub descriptor: Sha256Digest,
}

impl Row for ArchiveRow {
    fn encode(&self) -> Vec<u8> {
        [&self.seq.0.to_be_bytes()[..], &self.commit.0.to_be_bytes(), &self.descriptor.0].concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let row = Self {
            seq: SequenceNumber(fields.number()?),
            commit: CommitNumber(fields.number()?),
            descriptor: Sha256Digest(fields.take()?),
        };
        fields.end().map(|()| row)
    }
}

/// What a transfer identifier led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferRow {
    /// The archive.
    pub archive: ArchiveId,
    /// Digest of what was deposited under it: equal for the same bytes.
    pub fingerprint: Sha256Digest,
}

impl Row for TransferRow {
    fn encode(&self) -> Vec<u8> {
        [&self.archive.0[..], &self.fingerprint.0].concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let row = Self { archive: ArchiveId(fields.take()?), fingerprint: Sha256Digest(fields.take()?) };
        fields.end().map(|()| row)
    }
}
