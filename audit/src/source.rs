//! Where the audit reads: its own three questions, so that it shares no code with what wrote the archive.
//!
//! A source never writes, follows no link and leaves its root under no name. What it answers is untrusted bytes.

mod directory;
mod zip;

use std::ops::Range;

pub use directory::Directory;
pub use zip::{ReadSeek, Zip, ZipFault};

use crate::bounds::CHUNK_BYTES;

/// What the audit asks of a site or a bundle.
pub trait Source {
    /// Length of a file in bytes, or `None` if there is no file of that name.
    ///
    /// # Errors
    /// [`SourceError::Special`] for a link, a device or a folder; [`SourceError::Failed`].
    fn size(&self, name: &str) -> Result<Option<u64>, SourceError>;

    /// Reads exactly the bytes of `range` (offsets in bytes, end excluded).
    ///
    /// # Errors
    /// [`SourceError`]; a file that ends before `range.end` is [`SourceError::Short`].
    fn read(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>, SourceError>;

    /// What lies directly under a folder, sorted by name; empty if there is no such folder. `""` is the root.
    ///
    /// # Errors
    /// [`SourceError::Failed`].
    fn children(&self, folder: &str) -> Result<Vec<Child>, SourceError>;
}

/// One name in a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Child {
    /// Its last segment; what is not UTF-8 is replaced, and `kind` is then [`ChildKind::Special`].
    pub name: String,
    /// What it is.
    pub kind: ChildKind,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChildKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A link, a device, a name that is not text: nothing that an archive or a bundle has.
    Special,
}

/// Why bytes could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// There is no such file.
    #[error("no such file")]
    Missing,
    /// It ends before the bytes asked for.
    #[error("the file ends early")]
    Short,
    /// A link, a device or a folder where a file belongs, or a name that would leave the source.
    #[error("not a regular file")]
    Special,
    /// The file is longer than anything that may stand there.
    #[error("the file has {size} bytes, at most {max} belong there")]
    TooLarge {
        /// Its length in bytes.
        size: u64,
        /// The limit in bytes.
        max: u64,
    },
    /// The system refused.
    #[error("cannot be read: {0}")]
    Failed(std::io::ErrorKind),
}

impl From<std::io::Error> for SourceError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::Missing,
            std::io::ErrorKind::UnexpectedEof => Self::Short,
            kind => Self::Failed(kind),
        }
    }
}

/// Whether a name is relative, plain and stays inside: no empty, `.` or `..` segment, no backslash, colon or control
/// character (a colon names a drive or a stream on some systems).
#[must_use]
pub fn is_safe_name(name: &str) -> bool {
    let segment_ok = |segment: &str| {
        !matches!(segment, "" | "." | "..") && !segment.chars().any(|c| c.is_control() || matches!(c, '\\' | ':'))
    };
    name.split('/').all(segment_ok)
}

/// Reads a whole file of at most `max` bytes.
///
/// # Errors
/// [`SourceError`].
pub fn read_whole(source: &dyn Source, name: &str, max: u64) -> Result<Vec<u8>, SourceError> {
    let size = source.size(name)?.ok_or(SourceError::Missing)?;
    if size > max {
        return Err(SourceError::TooLarge { size, max });
    }
    source.read(name, 0..size)
}

/// Hands the bytes of `range` to `take`, at most [`CHUNK_BYTES`] at once.
///
/// # Errors
/// [`SourceError`].
pub fn stream(
    source: &dyn Source,
    name: &str,
    range: Range<u64>,
    mut take: impl FnMut(&[u8]),
) -> Result<(), SourceError> {
    let mut start = range.start;
    while start < range.end {
        let end = range.end.min(start + CHUNK_BYTES);
        take(&source.read(name, start..end)?);
        start = end;
    }
    Ok(())
}

/// Every file below `folder`, depth first and sorted; specials and folders deeper than `depth` are handed on too.
///
/// # Errors
/// [`SourceError::Failed`] from a folder that cannot be listed.
pub fn walk(
    source: &dyn Source,
    folder: &str,
    depth: usize,
    visit: &mut dyn FnMut(&str, ChildKind),
) -> Result<(), SourceError> {
    for child in source.children(folder)? {
        let path = if folder.is_empty() { child.name } else { format!("{folder}/{}", child.name) };
        match child.kind {
            ChildKind::Folder if depth > 0 => walk(source, &path, depth - 1, visit)?,
            kind => visit(&path, kind),
        }
    }
    Ok(())
}
