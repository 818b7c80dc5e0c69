//! Receipts: the service's signed word, derived from what is at rest, so always the same bytes.

use cartulaire_formats::aip::{AipDescriptor, ArchiveId};
use cartulaire_formats::hash::Sha256Digest;
use cartulaire_formats::journal::{JournalEntry, TenantId, leaf_hash};
use cartulaire_formats::layout::CommitNumber;
use cartulaire_formats::merkle::LeafHash;
use cartulaire_formats::note::Note;
use cartulaire_formats::receipt::{Receipt, ReceivedFile};

use crate::archive::Archive;
use crate::commit::CommittedDeposit;
use crate::fault::Fault;
use crate::recover::existing_commit;

impl Archive {
    /// Signs the receipt of a deposit that was just committed.
    ///
    /// # Errors
    /// [`Fault::Retry`] if the key cannot be used; the deposit stands, and the receipt can be asked for later.
    pub fn receipt(&self, deposit: &CommittedDeposit) -> Result<String, Fault> {
        self.sign(&deposit.descriptor, deposit.descriptor_digest, &deposit.entry, deposit.leaf, deposit.commit)
    }

    /// Signs again the receipt of an archive: byte for byte the first one. `None` if the tenant has no such archive.
    ///
    /// # Errors
    /// [`Fault::Damaged`] if what the receipt derives from is not what it was.
    pub fn receipt_of(&self, tenant: &TenantId, archive: &ArchiveId) -> Result<Option<String>, Fault> {
        let Some(found) = self.find(tenant, archive)? else { return Ok(None) };
        let (commit, _) = existing_commit(self, found.row.commit)?;
        let index = (found.row.seq.0 - commit.trailer.first.0) as usize;
        let (entry, line) = &commit.entries[index];
        let leaf = leaf_hash(line);
        self.sign(&found.descriptor, found.row.descriptor, entry, leaf, found.row.commit).map(Some)
    }

    fn sign(
        &self,
        descriptor: &AipDescriptor,
        descriptor_digest: Sha256Digest,
        entry: &JournalEntry,
        leaf: LeafHash,
        commit: CommitNumber,
    ) -> Result<String, Fault> {
        let file = |f: &cartulaire_formats::aip::DescribedFile| ReceivedFile {
            name: f.name.clone(),
            sha256: f.sha256,
            size: f.size,
        };
        let receipt = Receipt {
            archive: descriptor.archive,
            commit,
            descriptor: descriptor_digest,
            entry: leaf,
            files: descriptor.files.iter().map(file).collect(),
            log: self.key().name().as_str().to_owned(),
            seq: entry.seq,
            tenant: descriptor.tenant.clone(),
            time: entry.time,
            transfer: descriptor.transfer.clone(),
        };
        let text = receipt.text();
        let signature = self.signer().sign(text.as_bytes())?;
        let note = Note::of_signed(text, self.key(), signature).expect("admission keeps control characters out");
        Ok(note.to_string())
    }
}
