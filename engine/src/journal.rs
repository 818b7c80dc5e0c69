//! Reading the journal back: the lines of its entries, as they are at rest.
//!
//! Old entries come from the log's full entry bundles, 256 at a time; what is right of these from the commits.

use bytes::Bytes;
use cartulaire_formats::journal::JournalEntry;
use cartulaire_formats::layout::{self, CommitNumber, ObjectName, SequenceNumber};
use cartulaire_formats::tiles::{TILE_WIDTH, decode_bundle};

use crate::archive::Archive;
use crate::fault::{Damage, DamageKind, Fault, must_read};
use crate::recover::existing_commit;

/// Longest full entry bundle in bytes: 256 entries, each behind its 16-bit length.
const BUNDLE_BYTES_MAX: u64 = (TILE_WIDTH * (2 + u16::MAX as usize)) as u64;

/// The lines of some neighbouring entries.
struct Run {
    first: u64,
    lines: Vec<Vec<u8>>,
}

impl Run {
    fn line(&self, seq: SequenceNumber) -> Option<&Vec<u8>> {
        seq.0.checked_sub(self.first).and_then(|at| self.lines.get(at as usize))
    }
}

impl Archive {
    /// Reads entries of the journal, each as its line without the line feed.
    ///
    /// - `places`: entries and the commits that hold them, as the index lists them; best in order, since neighbours
    ///   share one read.
    ///
    /// # Errors
    /// [`Fault::Damaged`] if an entry is not where it must be; [`Fault::Retry`].
    pub fn entry_lines(&self, places: &[(SequenceNumber, CommitNumber)]) -> Result<Vec<Vec<u8>>, Fault> {
        let bundled = self.edge().size().0 / TILE_WIDTH as u64 * TILE_WIDTH as u64;
        let mut run: Option<Run> = None;
        let mut lines = Vec::with_capacity(places.len());
        for (seq, commit) in places {
            if run.as_ref().is_none_or(|run| run.line(*seq).is_none()) {
                run = Some(if seq.0 < bundled { self.bundle_run(*seq)? } else { self.commit_run(*commit)? });
            }
            let line = run.as_ref().and_then(|run| run.line(*seq));
            let misplaced = || Damage::new(layout::commit(*commit), DamageKind::Malformed);
            let line = line.ok_or_else(misplaced)?;
            let entry = JournalEntry::parse(line).map_err(|_| misplaced())?;
            if entry.seq != *seq {
                return Err(misplaced().into());
            }
            lines.push(line.clone());
        }
        Ok(lines)
    }

    /// Reads a whole object of the log: a checkpoint, a full tile, a full entry bundle.
    ///
    /// - `limit`: its longest length in bytes.
    ///
    /// # Errors
    /// [`Fault::Damaged`] if it is missing or cannot be read on any site; [`Fault::Retry`].
    pub fn log_object(&self, name: &ObjectName, limit: u64) -> Result<Bytes, Fault> {
        let bytes = must_read(name, self.sites().read_whole(name, limit))?;
        Ok(bytes.ok_or_else(|| Damage::new(name, DamageKind::Missing))?)
    }

    fn bundle_run(&self, seq: SequenceNumber) -> Result<Run, Fault> {
        let number = seq.0 / TILE_WIDTH as u64;
        let name = layout::entry_bundle(number);
        let bytes = self.log_object(&name, BUNDLE_BYTES_MAX)?;
        let lines = decode_bundle(&bytes).map_err(|_| Damage::new(&name, DamageKind::Malformed))?;
        let lines = lines.into_iter().map(<[u8]>::to_vec).collect();
        Ok(Run { first: number * TILE_WIDTH as u64, lines })
    }

    fn commit_run(&self, number: CommitNumber) -> Result<Run, Fault> {
        let (commit, _) = existing_commit(self, number)?;
        let lines = commit.entries.into_iter().map(|(_, line)| line).collect();
        Ok(Run { first: commit.trailer.first.0, lines })
    }
}
