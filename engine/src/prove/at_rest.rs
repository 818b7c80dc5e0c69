//! Reading what proofs are made of. Each piece is checked as it is read, and the first site where it is sound serves.

use std::sync::Arc;

use cartulaire_formats::commit::Commit;
use cartulaire_formats::journal::JournalEntry;
use cartulaire_formats::layout::{self, CommitNumber, ObjectName, SequenceNumber};
use cartulaire_formats::merkle::{self, NodeHash};
use cartulaire_formats::tiles::{self, TILE_BYTES, TILE_WIDTH, TreeEdge};

use crate::archive::Archive;
use crate::bounds::COMMIT_CONTAINER_BYTES_MAX;
use crate::fault::{Damage, DamageKind, Fault, must_read};
use crate::index::IndexError;
use crate::ports::{ReadError, Store};

/// Reads an object from the first site where `check` accepts it; `None` if no site has it.
pub(super) fn first_sound<T>(
    archive: &Archive,
    name: &ObjectName,
    limit: u64,
    check: impl Fn(&[u8]) -> Result<T, DamageKind>,
) -> Result<Option<T>, Fault> {
    let mut first_fault = None;
    for site in archive.sites().iter() {
        let outcome = match must_read(name, whole(&*site.store, name, limit)) {
            Ok(None) => continue,
            Ok(Some(bytes)) => check(&bytes).map_err(|kind| Damage::new(name, kind).into()),
            Err(fault) => Err(fault),
        };
        match outcome {
            Ok(value) => return Ok(Some(value)),
            Err(fault) => {
                tracing::error!(site = site.name, object = %name, %fault, "damaged or unreadable at rest");
                first_fault.get_or_insert(fault);
            }
        }
    }
    first_fault.map_or(Ok(None), Err)
}

fn whole(store: &dyn Store, name: &ObjectName, limit: u64) -> Result<Option<bytes::Bytes>, ReadError> {
    let Some(size) = store.size(name)? else { return Ok(None) };
    if size > limit {
        return Err(ReadError::Short { size });
    }
    store.read(name, 0..size).map(Some)
}

/// The journal and openings of a commit that must be there.
pub(super) fn commit(archive: &Archive, number: CommitNumber) -> Result<Arc<Commit>, Fault> {
    let name = layout::commit(number);
    let check = |bytes: &[u8]| {
        let commit = Commit::parse(bytes).map_err(DamageKind::Commit)?;
        if commit.trailer.commit == number { Ok(commit) } else { Err(DamageKind::Chain) }
    };
    let read = || {
        let commit = first_sound(archive, &name, COMMIT_CONTAINER_BYTES_MAX, check)?;
        Ok::<_, Fault>(commit.map(|commit| {
            let weight = weight(&commit);
            (commit, weight)
        }))
    };
    let missing = || Damage::new(&name, DamageKind::Missing).into();
    archive.proofs().commits.of(number, read)?.ok_or_else(missing)
}

/// An entry of a commit with its line; the index said that it is there.
pub(super) fn entry(commit: &Commit, seq: SequenceNumber) -> Result<(&JournalEntry, &[u8]), Fault> {
    let index = seq.0.checked_sub(commit.trailer.first.0).and_then(|i| usize::try_from(i).ok());
    let (entry, line) = index.and_then(|i| commit.entries.get(i)).ok_or(IndexError::Malformed)?;
    Ok((entry, line))
}

/// About how many bytes of memory a commit takes: an entry is kept as a line and as a value.
fn weight(commit: &Commit) -> usize {
    let entries: usize = commit.entries.iter().map(|(_, line)| 3 * line.len()).sum();
    entries + size_of_val(&*commit.openings) + size_of_val(&*commit.objects)
}

/// The hashes of a full tile below an edge, checked up to that edge, so that a wrong tile is named and not served.
///
/// - `edge`: of a log whose root was checked against a signed checkpoint.
pub(super) fn full_tile(archive: &Archive, edge: &TreeEdge, level: u8, number: u64) -> Result<Vec<u8>, Fault> {
    let (parent, slot) = (number / TILE_WIDTH as u64, (number % TILE_WIDTH as u64) as usize);
    let above = edge.size().0 >> (tiles::TILE_HEIGHT * (u32::from(level) + 2));
    let expected = if parent == above {
        edge.partial(level + 1).get(slot).copied()
    } else {
        tiles::tile_hashes(&full_tile(archive, edge, level + 1, parent)?, TILE_WIDTH).map(|hashes| hashes[slot])
    };
    let name = layout::tile(level, number);
    let check = |bytes: &[u8]| match tiles::tile_hashes(bytes, TILE_WIDTH) {
        None => Err(DamageKind::Malformed),
        Some(hashes) if Some(merkle::complete_root(&hashes)) != expected => Err(DamageKind::Digest),
        Some(_) => Ok(bytes.to_vec()),
    };
    let tile = first_sound(archive, &name, TILE_BYTES as u64, check)?;
    tile.ok_or_else(|| Damage::new(&name, DamageKind::Missing).into())
}

/// The log's right edge at an earlier size, from the tiles that have become full since and today's edge.
///
/// Says nothing of its truth: the caller compares the root with a signed checkpoint, site by site.
pub(super) fn edge_at(archive: &Archive, store: &dyn Store, size: merkle::TreeSize) -> Result<TreeEdge, Fault> {
    let now = archive.edge();
    let mut level = 0;
    TreeEdge::from_partials(size, |path| {
        while tiles::partial_path(size, level) != Some(path) {
            level += 1;
        }
        partial(store, &now, level, path.number(), path.width())
    })
}

fn partial(store: &dyn Store, now: &TreeEdge, level: u8, number: u64, width: usize) -> Result<Vec<NodeHash>, Fault> {
    if number == now.size().0 >> (tiles::TILE_HEIGHT * (u32::from(level) + 1)) {
        return Ok(now.partial(level).iter().take(width).copied().collect());
    }
    let name = layout::tile(level, number);
    let bytes = must_read(&name, store.read(&name, 0..(width * NodeHash::LEN) as u64))?;
    tiles::tile_hashes(&bytes, width).ok_or_else(|| Damage::new(&name, DamageKind::Malformed).into())
}

impl From<tiles::EdgeError> for Fault {
    /// A wrong width is a malformed tile of today's edge, which the index keeps.
    fn from(_: tiles::EdgeError) -> Self {
        IndexError::Malformed.into()
    }
}
