//! Opening an archive: the index follows the store to its end by the same code as the normal path, then whatever a
//! crash left undone is done.
//!
//! The store is the truth. A store that ends before what the index knows was rolled back, and is refused. What the
//! index knows is on every required copy, for it only ever follows what was written everywhere; what lies beyond it is
//! copied from the deciding site as it is followed.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use cartulaire_formats::aip::AipDescriptor;
use cartulaire_formats::checkpoint::SignedCheckpoint;
use cartulaire_formats::commit::Commit;
use cartulaire_formats::container::Scanner;
use cartulaire_formats::journal::{EventType, Outcome, TenantId, leaf_hash};
use cartulaire_formats::layout::{self, CommitNumber, EvidenceAlgorithm, ObjectName, SealNumber, SequenceNumber};
use cartulaire_formats::tiles::{TILE_WIDTH, TreeEdge};

use crate::archive::{Archive, PendingCommit, Progress};
use crate::bounds::COMMIT_CONTAINER_BYTES_MAX;
use crate::commit::{Committer, Event, Submission};
use crate::fault::{Damage, DamageKind, Fault, must_read};
use crate::index::{CommitHead, CommitRecord, SealRecord};
use crate::ports::{Child, Store};
use crate::seal::{grow, write_leaves, write_tiles};

/// Largest checkpoint, key or text object that is read back, in bytes.
const SMALL_OBJECT_BYTES_MAX: u64 = 1 << 20;

/// How far back, in milliseconds, an opening looks for orphans: longer than any deposit takes from its first byte to its
/// commit, so that opening stays fast however many containers there are.
const SWEEP_MILLIS: i64 = 2 * 24 * 3_600 * 1_000;

/// Brings the index to the store's end and completes the copies.
pub(crate) fn recover(archive: &Archive, progress: &mut dyn FnMut(Progress)) -> Result<(), Fault> {
    check_log_key(archive)?;
    follow_commits(archive, progress)?;
    follow_seals(archive, progress)?;
    complete_certificates(archive)
}

/// Refuses a key that the log was not begun with, before it signs anything.
fn check_log_key(archive: &Archive) -> Result<(), Fault> {
    // What is wrong with that commit itself is for who follows it, and for the audit, to say.
    let Ok(Some((first, _))) = read_commit(archive, CommitNumber(0)) else { return Ok(()) };
    let begun = first.entries.first().and_then(|(entry, _)| entry.facts.get("log_key"));
    if begun == Some(&archive.key().to_string()) {
        return Ok(());
    }
    Err(Damage::new(layout::commit(CommitNumber(0)), DamageKind::LogKey).into())
}

/// Writes what a new archive begins with, or journals that the old one was opened; then sweeps.
pub(crate) fn begin(archive: &Archive, committer: &mut Committer) -> Result<(), Fault> {
    let key = archive.key();
    let texts = [
        (layout::readme(), README.to_owned()),
        (layout::log_vkey(u32::from_be_bytes(key.id().0)), format!("{key}\n")),
        (layout::log_pem(u32::from_be_bytes(key.id().0)), key.to_pem()),
    ];
    for (name, text) in texts {
        match archive.sites().create_derived(&name, &[Bytes::from(text)]) {
            Ok(()) => {}
            // Nothing trusts it, and an earlier release may have said it in other words.
            Err(Fault::Damaged(_)) if name == layout::readme() => {}
            Err(fault) => return Err(fault),
        }
    }
    let is_new = archive.index().commit_head()?.is_none();
    let event = if is_new { EventType::ServiceCreated } else { EventType::ServiceStarted };
    let event = Event::of_service(event, "journal", Outcome::Success)
        .with_fact("origin", key.name().as_str())
        .with_fact("log_key", key);
    committer.commit(vec![Submission::Event(event)])?;
    // That commit fences off every earlier writer: whatever it has not committed by now it never will, so only from here
    // on is a container that no commit names nobody's.
    sweep_containers(archive)
}

/// Reads a commit and checks its form and its own commitments.
pub(crate) fn read_commit(archive: &Archive, number: CommitNumber) -> Result<Option<(Commit, Bytes)>, Fault> {
    let name = layout::commit(number);
    let bytes = must_read(&name, archive.sites().read_whole(&name, COMMIT_CONTAINER_BYTES_MAX))?;
    let Some(bytes) = bytes else { return Ok(None) };
    let commit = Commit::parse(&bytes).map_err(|error| Damage::new(&name, DamageKind::Commit(error)))?;
    if commit.trailer.commit != number {
        return Err(Damage::new(&name, DamageKind::Chain).into());
    }
    Ok(Some((commit, bytes)))
}

/// A commit that must be there.
pub(crate) fn existing_commit(archive: &Archive, number: CommitNumber) -> Result<(Commit, Bytes), Fault> {
    let missing = || Damage::new(layout::commit(number), DamageKind::Missing).into();
    read_commit(archive, number)?.ok_or_else(missing)
}

fn follow_commits(archive: &Archive, progress: &mut dyn FnMut(Progress)) -> Result<(), Fault> {
    let mut head = archive.index().commit_head()?;
    if let Some(head) = &head {
        check_not_rolled_back(archive, head)?;
    }
    let mut chains: Chains = HashMap::new();
    loop {
        let number = head.map_or(CommitNumber(0), |h| h.commit.next());
        let Some((commit, bytes)) = read_commit(archive, number)? else {
            if is_end(archive, &layout::commit(number), &layout::commit(number.next()))? {
                return Ok(());
            }
            continue;
        };
        check_chain(archive, &commit, head.as_ref(), &mut chains)?;
        archive.sites().complete(&layout::commit(number))?;
        let record = record_of(archive, commit, &bytes)?;
        archive.index().apply_commit(&record)?;
        head = archive.index().commit_head()?;
        progress(Progress::Commit(number));
    }
}

/// Whether a sequence ends before `end`, which was missing. If its successor is there, or a copy has it, it was there
/// once: the deciding site lost it or was rolled back, and going on would fork the archive.
///
/// `false` if it has appeared meanwhile: another writer is still at work, and is followed until it is fenced off.
fn is_end(archive: &Archive, end: &ObjectName, next: &ObjectName) -> Result<bool, Fault> {
    let mut was_there = false;
    for site in archive.sites().iter() {
        for name in [end, next] {
            was_there |= must_read(name, site.store.size(name))?.is_some();
        }
    }
    let is_there = was_there && must_read(end, archive.sites().deciding().size(end))?.is_some();
    match (was_there, is_there) {
        (false, _) => Ok(true),
        (true, true) => Ok(false),
        (true, false) => Err(Damage::new(end, DamageKind::Missing).into()),
    }
}

fn check_not_rolled_back(archive: &Archive, head: &CommitHead) -> Result<(), Fault> {
    let rolled_back = || Damage::new(layout::commit(head.commit), DamageKind::RolledBack);
    let (commit, _) = read_commit(archive, head.commit)?.ok_or_else(rolled_back)?;
    if commit.trailer_digest != head.trailer {
        return Err(rolled_back().into());
    }
    Ok(())
}

type Chains = HashMap<TenantId, Option<cartulaire_formats::merkle::LeafHash>>;

fn check_chain(
    archive: &Archive,
    commit: &Commit,
    head: Option<&CommitHead>,
    chains: &mut Chains,
) -> Result<(), Fault> {
    let trailer = &commit.trailer;
    let broken = || Fault::from(Damage::new(layout::commit(trailer.commit), DamageKind::Chain));
    let first = head.map_or(SequenceNumber(0), |h| h.next);
    if trailer.first != first || trailer.previous != head.map(|h| h.trailer) {
        return Err(broken());
    }
    for (entry, line) in &commit.entries {
        let known = match chains.get(&entry.tenant) {
            Some(last) => *last,
            None => archive.index().tenant(&entry.tenant)?.and_then(|row| row.last),
        };
        if entry.prev != known {
            return Err(broken());
        }
        chains.insert(entry.tenant.clone(), Some(leaf_hash(line)));
    }
    Ok(())
}

/// Reads from a commit's own objects what the index follows.
fn record_of(archive: &Archive, commit: Commit, bytes: &Bytes) -> Result<CommitRecord, Fault> {
    let name = layout::commit(commit.trailer.commit);
    let (mut descriptors, mut details) = (HashMap::new(), HashMap::new());
    for (entry, _) in &commit.entries {
        let Some(opening) = commit.openings_of(entry.seq).next() else { continue };
        let content = match commit.object(&entry.tenant, &opening.sha256) {
            Some(member) => bytes.slice(member.offset as usize..(member.offset + member.size) as usize),
            // Its tenant had the same bytes before: they lie in an earlier commit, or were erased since.
            None => match archive.stored(&entry.tenant, &opening.sha256)? {
                Some(content) => content,
                None => continue,
            },
        };
        if entry.event == EventType::Deposit {
            let descriptor = AipDescriptor::parse(&content);
            let descriptor = descriptor.map_err(|_| Damage::new(&name, DamageKind::Malformed))?;
            descriptors.insert(entry.seq, descriptor);
        } else {
            details.insert(entry.seq, content.to_vec());
        }
    }
    let mut direct_sizes = HashMap::new();
    for direct in &commit.trailer.containers {
        let size = direct_size(archive, &direct.container)?;
        direct_sizes.insert(direct.container.clone(), size);
    }
    Ok(CommitRecord { commit, descriptors, details, direct_sizes })
}

/// The size of the one object in a direct container, from its head.
fn direct_size(archive: &Archive, container: &str) -> Result<u64, Fault> {
    let malformed = || Fault::from(Damage::new(container, DamageKind::Malformed));
    let name: ObjectName = container.parse().map_err(|_| malformed())?;
    archive.sites().complete(&name)?;
    let missing = || Fault::from(Damage::new(container, DamageKind::Missing));
    let length = must_read(&name, archive.sites().deciding().size(&name))?.ok_or_else(missing)?;
    let read = |offset, len: usize| archive.sites().read(&name, offset..offset + len as u64).map(|b| b.to_vec());
    let first = Scanner::new(length, read).next();
    first.and_then(Result::ok).map(|member| member.size).ok_or_else(malformed)
}

fn follow_seals(archive: &Archive, progress: &mut dyn FnMut(Progress)) -> Result<(), Fault> {
    let mut head = archive.index().seal_head()?;
    let mut edge = match &head {
        Some(head) => TreeEdge::decode(&head.edge).map_err(|_| crate::index::IndexError::Malformed)?,
        None => TreeEdge::empty(),
    };
    if let Some(head) = &head {
        // This key must never sign what is not consistent with the last checkpoint that it signed.
        let name = layout::checkpoint(head.seal);
        let signed = read_checkpoint(archive, head.seal)?.ok_or_else(|| Damage::new(&name, DamageKind::RolledBack))?;
        if signed.checkpoint().size() != edge.size() || signed.checkpoint().root() != edge.root() {
            return Err(Damage::new(&name, DamageKind::Checkpoint).into());
        }
    }
    let committed = archive.index().commit_head()?.map_or(0, |h| h.next.0);
    let mut lines = None;
    loop {
        let seal = head.as_ref().map_or(SealNumber(0), |h| h.seal.next());
        let name = layout::checkpoint(seal);
        let Some(signed) = read_checkpoint(archive, seal)? else {
            if is_end(archive, &name, &layout::checkpoint(seal.next()))? {
                break;
            }
            continue;
        };
        let wrong = || Fault::from(Damage::new(&name, DamageKind::Checkpoint));
        let size = signed.checkpoint().size().0;
        if size > committed {
            return Err(wrong());
        }
        // One period at a time: a rebuild must not hold the whole journal in memory.
        let sealed = load_commits(archive, edge.size().0, size)?;
        if sealed.last().is_none_or(|last| last.end() != size) {
            return Err(wrong());
        }
        let before = match lines.take() {
            Some(lines) => lines,
            None => lines_since_bundle(archive, edge.size().0)?,
        };
        let grown = grow(&edge, before, &sealed);
        if grown.edge().root() != signed.checkpoint().root() {
            return Err(wrong());
        }
        archive.sites().complete(&name)?;
        write_tiles(archive, &grown)?;
        let has_sha512_tree = has_sha512_tree(archive, seal)?;
        let next = write_leaves(archive, seal, signed.text(), has_sha512_tree, head.as_ref(), &grown)?;
        complete_tokens(archive, seal)?;
        archive.index().apply_seal(&SealRecord { head: next.clone(), size: grown.edge().size().0 })?;
        let (grown_edge, grown_lines) = grown.into_edge_and_lines();
        (edge, lines) = (grown_edge, Some(grown_lines));
        head = Some(next);
        progress(Progress::Seal(seal));
    }
    let pending = load_commits(archive, edge.size().0, committed)?;
    archive.publish_edge(edge);
    archive.pending().extend(pending);
    Ok(())
}

/// Copies what authorities gave for a seal, which a copy put in another's place has not got.
fn complete_tokens(archive: &Archive, seal: SealNumber) -> Result<(), Fault> {
    for algorithm in [EvidenceAlgorithm::Sha256, EvidenceAlgorithm::Sha512] {
        let name = layout::token(seal, algorithm);
        if !archive.sites().copies().is_empty() && must_read(&name, archive.sites().deciding().size(&name))?.is_some() {
            archive.sites().complete(&name)?;
        }
    }
    Ok(())
}

/// Copies the authorities' certificates.
fn complete_certificates(archive: &Archive) -> Result<(), Fault> {
    let deciding = archive.sites().deciding();
    for child in must_read(layout::AUTHORITY_CERTIFICATES, deciding.children(layout::AUTHORITY_CERTIFICATES))? {
        if let Child::Object(name, _) = child {
            archive.sites().complete(&name)?;
        }
    }
    Ok(())
}

/// Whether a seal has a SHA-512 tree. What is configured now says so only of a seal that a crash left without leaves:
/// the trees of later seals have grown from those that there were.
fn has_sha512_tree(archive: &Archive, seal: SealNumber) -> Result<bool, Fault> {
    let is_at_rest = |algorithm| {
        let name = layout::evidence_leaves(seal, algorithm);
        must_read(&name, archive.sites().deciding().size(&name)).map(|size| size.is_some())
    };
    let is_whole = is_at_rest(EvidenceAlgorithm::Sha256)?;
    Ok(is_at_rest(EvidenceAlgorithm::Sha512)? || (!is_whole && archive.has_sha512_tree()))
}

/// Reads a checkpoint and verifies the log's signature; `None` if there is no such seal.
fn read_checkpoint(archive: &Archive, seal: SealNumber) -> Result<Option<SignedCheckpoint>, Fault> {
    let name = layout::checkpoint(seal);
    let note = must_read(&name, archive.sites().read_whole(&name, SMALL_OBJECT_BYTES_MAX))?;
    let Some(note) = note else { return Ok(None) };
    let signed = SignedCheckpoint::open(&note, archive.key(), &[]);
    signed.map(Some).map_err(|_| Damage::new(&name, DamageKind::Checkpoint).into())
}

/// The commits that hold entries `[from, to)`; `from` is a bound of commits, and so is `to` unless a checkpoint lies.
fn load_commits(archive: &Archive, from: u64, to: u64) -> Result<Vec<Arc<PendingCommit>>, Fault> {
    let mut pending = Vec::new();
    let mut next = from;
    while next < to {
        let number = archive.index().commit_of(SequenceNumber(next))?.ok_or(crate::index::IndexError::Malformed)?;
        let (commit, _) = existing_commit(archive, number)?;
        let commit = PendingCommit::new(commit);
        next = commit.end();
        pending.push(Arc::new(commit));
    }
    Ok(pending)
}

/// The lines of the entries between the last full entry bundle and the end of a log of that size.
pub(crate) fn lines_since_bundle(archive: &Archive, size: u64) -> Result<Vec<Vec<u8>>, Fault> {
    let mut lines = Vec::new();
    let mut next = size - size % TILE_WIDTH as u64;
    while next < size {
        let number = archive.index().commit_of(SequenceNumber(next))?.ok_or(crate::index::IndexError::Malformed)?;
        let (commit, _) = existing_commit(archive, number)?;
        let skip = (next - commit.trailer.first.0) as usize;
        let take = (size - next) as usize;
        let found = commit.entries.into_iter().skip(skip).take(take).map(|(_, line)| line);
        let before = lines.len();
        lines.extend(found);
        next += (lines.len() - before) as u64;
    }
    Ok(lines)
}

/// Deletes the large objects of the last days that no commit names: deposits that a crash cut short.
///
/// Only after [`begin`]: its commit fences off whoever wrote before, so that nobody can commit any more what is deleted.
pub(crate) fn sweep_containers(archive: &Archive) -> Result<(), Fault> {
    let Some(head) = archive.index().commit_head()? else { return Ok(()) };
    // Containers are named by the clock's day, which is before the last entry's while the clock is behind.
    let last = head.time.min(archive.clock().now());
    let since = last.checked_add_millis(-SWEEP_MILLIS).unwrap_or(last);
    let since = format!("{}/{}", layout::DIRECT_CONTAINERS, since.date());
    for site in archive.sites().iter() {
        for day in must_read(layout::DIRECT_CONTAINERS, site.store.children(layout::DIRECT_CONTAINERS))? {
            match day {
                Child::Folder(day) if day >= since => sweep_day(archive, &*site.store, &day)?,
                _ => {}
            }
        }
    }
    Ok(())
}

fn sweep_day(archive: &Archive, store: &dyn Store, day: &str) -> Result<(), Fault> {
    for child in must_read(day, store.children(day))? {
        let Child::Object(name, _) = child else { continue };
        if !archive.index().knows_container(name.as_str())? {
            tracing::info!(container = %name, "deleting an orphan of an unfinished deposit");
            store.delete(&name)?;
        }
    }
    Ok(())
}

/// What lies at the root of every site, for whoever finds it without us.
const README: &str = include_str!("CARTULAIRE.txt");
