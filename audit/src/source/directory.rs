//! A folder of the local file system, read without following any link.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::{Child, ChildKind, Source, SourceError, is_safe_name};

/// A site or an unpacked bundle in a local folder.
#[derive(Debug, Clone)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// Reads below `root`, which may itself be reached through a link: the caller named it.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The path of a name, after every segment of it was seen to be no link.
    fn resolve(&self, name: &str) -> Result<PathBuf, SourceError> {
        if !is_safe_name(name) {
            return Err(SourceError::Special);
        }
        let mut path = self.root.clone();
        for segment in name.split('/') {
            path.push(segment);
            if fs::symlink_metadata(&path)?.is_symlink() {
                return Err(SourceError::Special);
            }
        }
        Ok(path)
    }
}

impl Source for Directory {
    fn size(&self, name: &str) -> Result<Option<u64>, SourceError> {
        let path = match self.resolve(name) {
            Ok(path) => path,
            Err(SourceError::Missing | SourceError::Failed(std::io::ErrorKind::NotADirectory)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let metadata = fs::symlink_metadata(path)?;
        if metadata.is_file() { Ok(Some(metadata.len())) } else { Err(SourceError::Special) }
    }

    fn read(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>, SourceError> {
        let length = range.end.saturating_sub(range.start);
        let mut bytes = Vec::new();
        let mut file = File::open(self.resolve(name)?)?;
        file.seek(SeekFrom::Start(range.start))?;
        file.take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 == length { Ok(bytes) } else { Err(SourceError::Short) }
    }

    fn children(&self, folder: &str) -> Result<Vec<Child>, SourceError> {
        let path = match folder {
            "" => Ok(self.root.clone()),
            folder => self.resolve(folder),
        };
        let listing = match path.and_then(|path| list(&path)) {
            Err(SourceError::Missing) => return Ok(Vec::new()),
            listing => listing?,
        };
        Ok(listing)
    }
}

fn list(folder: &Path) -> Result<Vec<Child>, SourceError> {
    let mut children = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let name = entry.file_name();
        let kind = match name.to_str() {
            Some(_) if kind.is_file() => ChildKind::File,
            Some(_) if kind.is_dir() => ChildKind::Folder,
            _ => ChildKind::Special,
        };
        children.push(Child { name: name.to_string_lossy().into_owned(), kind });
    }
    children.sort();
    Ok(children)
}
