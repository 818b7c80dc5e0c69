//! A bundle as a ZIP of stored files, read so that no other reader can see other files in it.
//!
//! Central directory and local headers must tell the same, files must follow one another without a gap from the first
//! byte to the directory, and every name must be plain. A compressed file is refused: our bundles have none, and
//! whoever packed one anew can have it judged as a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Mutex;

use ::zip::{CompressionMethod, ZipArchive};

use super::{Child, ChildKind, Source, SourceError, is_safe_name};
use crate::bounds::BUNDLE_FILES_MAX;

/// Why a file is no ZIP that a bundle may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZipFault {
    /// It could not be read.
    #[error(transparent)]
    Read(#[from] SourceError),
    /// Not a ZIP, or a truncated one.
    #[error("not a ZIP, or a damaged one")]
    Unreadable,
    /// More than [`BUNDLE_FILES_MAX`] entries.
    #[error("{found} entries, at most {BUNDLE_FILES_MAX} belong in a bundle")]
    TooManyEntries {
        /// How many.
        found: usize,
    },
    /// An absolute name, `..`, a backslash, or text that is not UTF-8.
    #[error("entry {index} has an unsafe name")]
    Name {
        /// Its place in the directory, from 0.
        index: usize,
    },
    /// Two entries whose names are equal, or equal on systems that ignore case.
    #[error("two entries are called {name}")]
    Duplicate {
        /// The second one's name.
        name: String,
    },
    /// A compressed or encrypted file, a link, a folder with bytes.
    #[error("{name} is not a plain stored file")]
    Entry {
        /// Its name.
        name: String,
    },
    /// The header beside the bytes tells otherwise than the directory, or bytes belong to no entry.
    #[error("bytes that the directory does not show, before or in {name}")]
    Hidden {
        /// The entry where readers would part.
        name: String,
    },
    /// Not exactly one top folder.
    #[error("not exactly one top folder")]
    TopFolder,
}

/// What is read from: a file, or bytes in memory.
pub trait ReadSeek: Read + Seek + Send {}
impl<T: Read + Seek + Send> ReadSeek for T {}

/// A bundle in a ZIP; names are those below its only top folder.
pub struct Zip {
    reader: Mutex<Box<dyn ReadSeek>>,
    top: String,
    files: BTreeMap<String, Range<u64>>,
}

struct Entry {
    name: String,
    is_folder: bool,
    header: u64,
    size: u64,
}

const LOCAL_HEADER_BYTES: usize = 30;
/// Lengths that a data descriptor may have: with or without its mark, with 32 or 64 bit sizes.
const DATA_DESCRIPTOR_BYTES: [u64; 4] = [12, 16, 20, 24];

impl Zip {
    /// Reads the directory and every local header; no content.
    ///
    /// # Errors
    /// [`ZipFault`].
    pub fn open(mut reader: impl ReadSeek + 'static) -> Result<Self, ZipFault> {
        let archive = ZipArchive::new(&mut reader).map_err(|_| ZipFault::Unreadable)?;
        if archive.len() > BUNDLE_FILES_MAX {
            return Err(ZipFault::TooManyEntries { found: archive.len() });
        }
        let end = archive.central_directory_start();
        if archive.offset() != 0 || !archive.comment().is_empty() {
            return Err(ZipFault::Hidden { name: String::new() });
        }
        let mut entries = directory(&archive)?;
        drop(archive);
        entries.sort_by_key(|entry| entry.header);
        let files = lay_out(&mut reader, &entries, end)?;
        let (top, files) = below_top(files, &entries)?;
        Ok(Self { reader: Mutex::new(Box::new(reader)), top, files })
    }

    /// Name of the only top folder.
    #[must_use]
    pub fn top(&self) -> &str {
        &self.top
    }
}

fn directory<R: Read + Seek>(archive: &ZipArchive<R>) -> Result<Vec<Entry>, ZipFault> {
    let mut seen = BTreeSet::new();
    let mut entries = Vec::with_capacity(archive.len());
    for index in 0..archive.len() {
        let data = archive.by_index_data(index).map_err(|_| ZipFault::Unreadable)?;
        let name = std::str::from_utf8(data.name_raw()).map_err(|_| ZipFault::Name { index })?.to_owned();
        let bare = name.strip_suffix('/').unwrap_or(&name);
        if !is_safe_name(bare) {
            return Err(ZipFault::Name { index });
        }
        if !seen.insert(bare.to_lowercase()) {
            return Err(ZipFault::Duplicate { name });
        }
        let is_folder = name.ends_with('/');
        let stored = data.compression() == CompressionMethod::Stored && !data.encrypted();
        let sound = stored && !data.is_symlink() && data.size() == data.compressed_size();
        if !sound || (is_folder && data.size() != 0) {
            return Err(ZipFault::Entry { name });
        }
        entries.push(Entry { name, is_folder, header: data.header_start(), size: data.size() });
    }
    Ok(entries)
}

/// Places every entry's bytes; nothing may lie between, before or after them.
fn lay_out(reader: &mut impl ReadSeek, entries: &[Entry], directory: u64) -> Result<Vec<Range<u64>>, ZipFault> {
    let mut ranges = Vec::with_capacity(entries.len());
    let mut position = 0;
    for (index, entry) in entries.iter().enumerate() {
        let hidden = || ZipFault::Hidden { name: entry.name.clone() };
        if entry.header != position {
            return Err(hidden());
        }
        let (start, streamed) = local_header(reader, entry)?;
        let end = start.checked_add(entry.size).ok_or_else(hidden)?;
        let next = entries.get(index + 1).map_or(directory, |next| next.header);
        let gap = next.checked_sub(end).ok_or_else(hidden)?;
        if gap != 0 && !(streamed && DATA_DESCRIPTOR_BYTES.contains(&gap)) {
            return Err(hidden());
        }
        ranges.push(start..end);
        position = next;
    }
    if position == directory { Ok(ranges) } else { Err(ZipFault::Hidden { name: String::new() }) }
}

/// Reads the header beside an entry's bytes: where they start, and whether a data descriptor follows them.
fn local_header(reader: &mut impl ReadSeek, entry: &Entry) -> Result<(u64, bool), ZipFault> {
    let hidden = || ZipFault::Hidden { name: entry.name.clone() };
    let mut header = [0; LOCAL_HEADER_BYTES];
    reader.seek(SeekFrom::Start(entry.header)).map_err(SourceError::from)?;
    reader.read_exact(&mut header).map_err(|_| hidden())?;
    let two = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    let four = |at: usize| u64::from(u32::from(two(at)) | u32::from(two(at + 2)) << 16);
    let (name_len, extra_len) = (two(26), two(28));
    let mut name = vec![0; usize::from(name_len)];
    reader.read_exact(&mut name).map_err(|_| hidden())?;
    let streamed = two(6) & 0x0008 != 0;
    let size = four(18);
    // A streamed entry's size stands after its bytes; one of 4 GiB or more stands in the extra field.
    let size_told = size == entry.size || size == u64::from(u32::MAX) || (streamed && size == 0);
    let marked = header[..4] == *b"PK\x03\x04";
    if !marked || name != entry.name.as_bytes() || two(8) != 0 || two(6) & 1 != 0 || !size_told {
        return Err(hidden());
    }
    let start = entry.header + LOCAL_HEADER_BYTES as u64 + u64::from(name_len) + u64::from(extra_len);
    Ok((start, streamed))
}

type Files = BTreeMap<String, Range<u64>>;

fn below_top(ranges: Vec<Range<u64>>, entries: &[Entry]) -> Result<(String, Files), ZipFault> {
    let first = entries.first().ok_or(ZipFault::TopFolder)?;
    let (top, _) = first.name.split_once('/').ok_or(ZipFault::TopFolder)?;
    let mut files = Files::new();
    for (entry, range) in entries.iter().zip(ranges) {
        let rest = entry.name.strip_prefix(top).and_then(|rest| rest.strip_prefix('/')).ok_or(ZipFault::TopFolder)?;
        if !entry.is_folder {
            files.insert(rest.to_owned(), range);
        }
    }
    Ok((top.to_owned(), files))
}

impl Source for Zip {
    fn size(&self, name: &str) -> Result<Option<u64>, SourceError> {
        Ok(self.files.get(name).map(|range| range.end - range.start))
    }

    fn read(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>, SourceError> {
        let file = self.files.get(name).ok_or(SourceError::Missing)?;
        if range.end > file.end - file.start || range.start > range.end {
            return Err(SourceError::Short);
        }
        let mut reader = self.reader.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        reader.seek(SeekFrom::Start(file.start + range.start))?;
        let mut bytes = vec![0; (range.end - range.start) as usize];
        reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn children(&self, folder: &str) -> Result<Vec<Child>, SourceError> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let below = self.files.range(prefix.clone()..).take_while(|(name, _)| name.starts_with(&prefix));
        let children = below.map(|(name, _)| match name[prefix.len()..].split_once('/') {
            Some((folder, _)) => Child { name: folder.to_owned(), kind: ChildKind::Folder },
            None => Child { name: name[prefix.len()..].to_owned(), kind: ChildKind::File },
        });
        Ok(children.collect::<BTreeSet<_>>().into_iter().collect())
    }
}
