//! Writing a proof as a bundle: a BagIt bag (`docs/format.md` §9), as a ZIP or as a folder.
//!
//! The bundle follows from the archive and its seal alone: the same request gives the same bytes, for ever. Memory is
//! bounded whatever the documents' size: they stream, twice, because a ZIP's checksum stands before its data, and so no
//! byte of a damaged document ever leaves.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use cartulaire_formats::aip::DescribedFile;
use cartulaire_formats::bundle;
use cartulaire_formats::hash::{MultiHasher, Sha512Digest};
use cartulaire_formats::layout::{self, EvidenceAlgorithm};
use cartulaire_formats::x509::certificate_to_pem;
use cartulaire_formats::zip::{ZipDirectory, ZipEntry};

use super::bag::Manifests;
use super::{Proof, Stage, at_rest, readme, subject};
use crate::archive::Archive;
use crate::fault::{Damage, DamageKind, Fault};

/// The check that needs nothing of ours.
const VERIFIER: &str = include_str!("verifier.sh");

/// Why no whole bundle was written; what was written of it must be thrown away.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A token is still awaited; nothing was written.
    #[error("the proof is not complete yet: a time-stamp is awaited")]
    NotAttested,
    /// Something at rest is not what it must be, or cannot be reached.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The bundle's reader or the disk failed.
    #[error("the bundle could not be written: {0}")]
    Write(#[from] io::Error),
}

/// A file of the bundle, by where its bytes come from.
enum Content<'a> {
    Bytes(Bytes),
    /// Made when its turn comes: five hundred of them would be megabytes.
    Record(usize, EvidenceAlgorithm),
    Document(&'a DescribedFile),
}

/// Where a bundle goes.
trait Sink {
    /// Begins a file; exactly `entry.size` bytes follow.
    fn begin(&mut self, entry: &ZipEntry) -> io::Result<()>;
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    fn finish(&mut self) -> io::Result<()>;
}

impl Archive {
    /// Writes the bundle of a complete proof as a ZIP whose only top folder is the archive's identifier.
    ///
    /// - The same proof gives the same bytes, whenever and on whatever machine it is asked for.
    /// - Memory: one piece of a document, and the evidence records' text once.
    ///
    /// # Errors
    /// [`BundleError`].
    ///
    /// # Standard
    /// RFC 8493 (BagIt 1.0); PKWARE APPNOTE 6.3.10, with ZIP64 where sizes ask for it.
    pub fn write_bundle(&self, proof: &Proof, out: &mut dyn Write) -> Result<(), BundleError> {
        self.write_bag(proof, &mut ZipSink { out, directory: ZipDirectory::default() })
    }

    /// Writes the same files into `folder`, which must not exist: what unpacking the ZIP gives inside its top folder.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn write_bundle_folder(&self, proof: &Proof, folder: &Path) -> Result<(), BundleError> {
        fs::create_dir(folder)?;
        self.write_bag(proof, &mut FolderSink { root: folder.to_owned(), file: None })
    }

    fn write_bag(&self, proof: &Proof, sink: &mut dyn Sink) -> Result<(), BundleError> {
        if proof.stage() != Stage::Attested {
            return Err(BundleError::NotAttested);
        }
        let payload = self.payload(proof)?;
        let bag_info = bag_info(proof, &payload);
        let top = proof.descriptor.archive.to_string();
        let mut bag = Bag { archive: self, proof, top, sink, manifests: Manifests::default() };
        bag.tag(bundle::BAGIT, bundle::BAGIT_TEXT)?;
        bag.tag(bundle::BAG_INFO, &bag_info)?;
        for (path, content) in payload {
            bag.payload(&path, content)?;
        }
        for (path, text) in std::mem::take(&mut bag.manifests).finish(&bag_info) {
            bag.tag(path, &text)?;
        }
        Ok(bag.sink.finish()?)
    }

    /// Every payload file, in the order of the bundle.
    fn payload<'a>(&self, proof: &'a Proof) -> Result<Vec<(String, Content<'a>)>, Fault> {
        let receipt = self.receipt_of(&proof.descriptor.tenant, &proof.descriptor.archive)?;
        let (extract, proofs) = self.journal_extract(proof)?;
        let mut files = Vec::new();
        let mut text = |path: &str, text: Vec<u8>| files.push((path.to_owned(), Content::Bytes(Bytes::from(text))));
        let key = self.key();
        text(bundle::README, readme::text(proof, key).into_bytes());
        text(bundle::VERIFIER, VERIFIER.as_bytes().to_vec());
        text(bundle::DESCRIPTOR, proof.descriptor_bytes.clone());
        text(bundle::LEAF, proof.line.clone());
        text(bundle::LOG_PROOF, proof.tlog_proof().unwrap_or_default().into_bytes());
        text(bundle::POLICY, format!("log {key}\nquorum none\n").into_bytes());
        text(bundle::CHECKPOINT, proof.checkpoint().unwrap_or_default().into_bytes());
        text(bundle::CHECKPOINT_BODY, proof.checkpoint_text().unwrap_or_default().as_bytes().to_vec());
        text(bundle::RECEIPT, receipt.unwrap_or_default().into_bytes());
        text(bundle::JOURNAL_EXTRACT, extract.into_bytes());
        text(bundle::JOURNAL_PROOFS, proofs.into_bytes());
        text(bundle::LOG_KEY_PEM, key.to_pem().into_bytes());
        for tree in proof.trees() {
            let (Some(token), Some(record)) = (tree.token(), proof.checkpoint_record(tree.algorithm)) else { continue };
            let pem: String = token.certificates().iter().map(|der| certificate_to_pem(der)).collect();
            text(&bundle::checkpoint_record(tree.algorithm), record);
            text(&bundle::token(tree.algorithm), token.bytes().to_vec());
            text(&bundle::token_certificates(tree.algorithm), pem.into_bytes());
        }
        for (position, opening) in proof.openings.iter().enumerate() {
            let blind = Bytes::from(format!("{}\n", opening.blind));
            files.push((bundle::blind(position), Content::Bytes(blind)));
            for tree in proof.trees() {
                if tree.holds(&opening.sha256, opening.sha512.as_ref(), &opening.blind) {
                    let record = Content::Record(position, tree.algorithm);
                    files.push((bundle::record(position, tree.algorithm), record));
                }
            }
        }
        let documents = proof.descriptor.files.iter();
        files.extend(documents.map(|file| (bundle::document(&file.name), Content::Document(file))));
        Ok(files)
    }

    /// Every entry about the archive that the seal covers, one a line, and their inclusion proofs, one a line.
    fn journal_extract(&self, proof: &Proof) -> Result<(String, String), Fault> {
        let Some(sealed) = &proof.sealed else { return Ok(Default::default()) };
        let subject = subject(&proof.descriptor.archive);
        let (mut lines, mut proofs) = (String::new(), String::new());
        for (seq, commit) in self.index().entries_about(&subject)? {
            if seq.0 >= sealed.evidence.edge.size().0 {
                break;
            }
            let found = at_rest::commit(self, commit)?;
            let disagree = || Fault::from(Damage::new(layout::commit(commit), DamageKind::Entry));
            let (entry, line) = at_rest::entry(&found, seq)?;
            if entry.subject != subject || entry.tenant != proof.descriptor.tenant {
                return Err(disagree());
            }
            let inclusion = self.inclusion(&sealed.evidence, seq, line)?;
            let path: Vec<String> = inclusion.path().iter().map(|hash| format!("\"{hash}\"")).collect();
            lines.push_str(std::str::from_utf8(line).map_err(|_| disagree())?);
            lines.push('\n');
            proofs.push_str(&format!("{{\"proof\":[{}],\"seq\":{seq}}}\n", path.join(",")));
        }
        Ok((lines, proofs))
    }
}

/// `bag-info.txt`: who made the bag of what, without anything that depends on when it was asked for.
fn bag_info(proof: &Proof, payload: &[(String, Content<'_>)]) -> String {
    let size = |content: &Content<'_>| match content {
        Content::Bytes(bytes) => bytes.len() as u64,
        Content::Record(position, algorithm) => {
            proof.evidence_record(*position, *algorithm).map_or(0, |record| record.len() as u64)
        }
        Content::Document(file) => file.size,
    };
    let bytes: u64 = payload.iter().map(|(_, content)| size(content)).sum();
    let (descriptor, count) = (&proof.descriptor, payload.len());
    let date = proof.entry.time.date();
    format!(
        "Bag-Software-Agent: Cartulaire\nBagging-Date: {date}\nExternal-Identifier: {}\nPayload-Oxum: {bytes}.{count}\n",
        descriptor.archive
    )
}

/// A bundle being written.
struct Bag<'a> {
    archive: &'a Archive,
    proof: &'a Proof,
    top: String,
    sink: &'a mut dyn Sink,
    manifests: Manifests,
}

impl Bag<'_> {
    fn tag(&mut self, path: &str, text: &str) -> Result<(), BundleError> {
        self.whole(path, text.as_bytes())
    }

    fn payload(&mut self, path: &str, content: Content<'_>) -> Result<(), BundleError> {
        let bytes = match content {
            Content::Bytes(bytes) => bytes,
            Content::Record(position, algorithm) => {
                let record = self.proof.evidence_record(position, algorithm);
                Bytes::from(record.expect("the tree holds the object and has its token"))
            }
            Content::Document(file) => return self.document(path, file),
        };
        let mut hasher = MultiHasher::new(true);
        hasher.update(&bytes);
        let digests = hasher.finish();
        let sha512 = digests.sha512.expect("asked for above");
        self.manifests.add(path, &digests.sha256, &sha512);
        self.whole(path, &bytes)
    }

    fn document(&mut self, path: &str, file: &DescribedFile) -> Result<(), BundleError> {
        let reader = self.archive.open_file(&self.proof.descriptor.tenant, file)?;
        let mut hasher = MultiHasher::new(file.sha512.is_none());
        let mut crc = crc32fast::Hasher::new();
        let mut small = Bytes::new();
        reader.stream(&file.blake3, |piece| {
            hasher.update(&piece);
            crc.update(&piece);
            small = piece;
            true
        })?;
        let digests = hasher.finish();
        if digests.sha256 != file.sha256 || digests.size != file.size {
            return Err(Fault::from(Damage::new(format!("object {}", file.sha256), DamageKind::Digest)).into());
        }
        // What is streamed from here on was just found to be what the descriptor says.
        let sha512: Sha512Digest = file.sha512.or(digests.sha512).expect("computed where the descriptor has none");
        self.manifests.add(path, &file.sha256, &sha512);
        self.sink.begin(&self.entry(path, crc.finalize(), file.size))?;
        if small.len() as u64 == file.size {
            return Ok(self.sink.write(&small)?);
        }
        let mut written = Ok(());
        reader.stream(&file.blake3, |piece| {
            written = self.sink.write(&piece);
            written.is_ok()
        })?;
        Ok(written?)
    }

    fn whole(&mut self, path: &str, bytes: &[u8]) -> Result<(), BundleError> {
        self.sink.begin(&self.entry(path, crc32fast::hash(bytes), bytes.len() as u64))?;
        Ok(self.sink.write(bytes)?)
    }

    fn entry(&self, path: &str, crc32: u32, size: u64) -> ZipEntry {
        ZipEntry { name: format!("{}/{path}", self.top), crc32, size }
    }
}

struct ZipSink<'a> {
    out: &'a mut dyn Write,
    directory: ZipDirectory,
}

impl Sink for ZipSink<'_> {
    fn begin(&mut self, entry: &ZipEntry) -> io::Result<()> {
        self.out.write_all(&self.directory.add(entry))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.write_all(&std::mem::take(&mut self.directory).finish())?;
        self.out.flush()
    }
}

struct FolderSink {
    root: PathBuf,
    file: Option<fs::File>,
}

impl Sink for FolderSink {
    fn begin(&mut self, entry: &ZipEntry) -> io::Result<()> {
        let inside = entry.name.split_once('/').map_or(entry.name.as_str(), |(_, inside)| inside);
        let path = self.root.join(inside);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        // Whatever of the last file could not be flushed shows here, not silently at its drop.
        self.finish()?;
        self.file = Some(fs::File::create_new(path)?);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.as_mut().expect("a file is begun before its bytes").write_all(bytes)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.file.take().map_or(Ok(()), |file| file.sync_all())
    }
}
