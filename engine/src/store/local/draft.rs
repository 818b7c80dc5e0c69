//! A file being written that is no object yet.
//!
//! It has no name at all where the file system and `/proc` allow that, and then a crash leaves nothing to clean.
//! Elsewhere it has a name in [`FOLDER`], which opening the site empties.

use std::fs::File;
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

use super::{before_writing, unknown};
use crate::ports::CreateError;

/// Where drafts with a name are; no object's name starts with a dot.
pub(super) const FOLDER: &str = ".drafts";

const MODE: Mode = Mode::from_raw_mode(0o644);

/// Where drafts come from.
#[derive(Debug)]
pub(super) struct Drafts {
    folder: Arc<File>,
    nameless: bool,
    next: AtomicU64,
}

#[derive(Debug)]
pub(super) struct Draft {
    file: File,
    /// Its name in the drafts' folder, if it has one.
    named: Option<(Arc<File>, String)>,
}

impl Drafts {
    /// - `folder`: the site's [`FOLDER`], empty.
    pub(super) fn new(folder: File, nameless: Nameless) -> Self {
        let folder = Arc::new(folder);
        let nameless = nameless == Nameless::IfPossible && can_link_nameless(&folder);
        Self { folder, nameless, next: AtomicU64::new(0) }
    }

    /// A new draft, near the objects of the folder where it will be linked.
    pub(super) fn begin(&self, near: &File) -> Result<Draft, CreateError> {
        let draft = if self.nameless { self.begin_nameless(near) } else { self.begin_named() };
        draft.map_err(|errno| before_writing("open of a draft", errno))
    }

    fn begin_nameless(&self, near: &File) -> Result<Draft, Errno> {
        Ok(Draft { file: open_nameless(near)?, named: None })
    }

    fn begin_named(&self) -> Result<Draft, Errno> {
        let leaf = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.folder, &leaf, flags, MODE)?.into();
        Ok(Draft { file, named: Some((self.folder.clone(), leaf)) })
    }
}

/// Whether drafts without a name are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nameless {
    IfPossible,
    Never,
}

fn open_nameless(folder: &File) -> Result<File, Errno> {
    let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
    rustix::fs::openat(folder, ".", flags, MODE).map(File::from)
}

/// Linking a descriptor itself (`AT_EMPTY_PATH`) wants a capability that no archive should run with; its entry in
/// `/proc` can be linked by anybody who holds it.
fn link_nameless(file: &File, folder: &File, leaf: &str) -> Result<(), Errno> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::linkat(CWD, path, folder, leaf, AtFlags::SYMLINK_FOLLOW)
}

/// Tries it, because file systems without it (NFS, overlays) and processes without `/proc` are not told apart by asking.
fn can_link_nameless(folder: &File) -> bool {
    const TRIAL: &str = "trial";
    let linked = open_nameless(folder).and_then(|file| link_nameless(&file, folder, TRIAL));
    linked.is_ok() && rustix::fs::unlinkat(folder, TRIAL, AtFlags::empty()).is_ok()
}

impl Draft {
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Writes the parts one after another, in as few system calls as the kernel allows.
    pub(super) fn write(&mut self, parts: &[Bytes]) -> Result<(), CreateError> {
        let mut slices: Vec<_> = parts.iter().filter(|p| !p.is_empty()).map(|p| IoSlice::new(p)).collect();
        let mut rest = &mut slices[..];
        while !rest.is_empty() {
            match self.file.write_vectored(rest) {
                Ok(0) => return Err(while_writing(&io::ErrorKind::WriteZero.into())),
                Ok(written) => IoSlice::advance_slices(&mut rest, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(while_writing(&error)),
            }
        }
        Ok(())
    }

    /// Leaves room for the head.
    pub(super) fn skip(&mut self, head_len: usize) -> Result<(), CreateError> {
        self.file.seek(SeekFrom::Start(head_len as u64)).map_err(|e| while_writing(&e))?;
        Ok(())
    }

    /// Fills the room that [`Self::skip`] left.
    pub(super) fn write_head(&mut self, head: &[u8]) -> Result<(), CreateError> {
        self.file.write_all_at(head, 0).map_err(|e| while_writing(&e))
    }

    /// Makes contents and length durable.
    pub(super) fn sync(&self) -> Result<(), CreateError> {
        rustix::fs::fdatasync(&self.file).map_err(|e| unknown("fdatasync", e))
    }

    /// Gives the file its name, unless there is one of that name.
    pub(super) fn link(&self, folder: &File, leaf: &str) -> Result<(), Errno> {
        match &self.named {
            None => link_nameless(&self.file, folder, leaf),
            Some((drafts, draft)) => rustix::fs::linkat(drafts, draft, folder, leaf, AtFlags::empty()),
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some((folder, leaf)) = &self.named {
            // What stays behind is swept when the site is next opened.
            _ = rustix::fs::unlinkat(folder, leaf, AtFlags::empty());
        }
    }
}

fn while_writing(error: &io::Error) -> CreateError {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(errno @ (Errno::NOSPC | Errno::DQUOT)) => {
            tracing::warn!(%errno, "the directory has no room for a new object");
            CreateError::Full
        }
        _ => {
            tracing::error!(%error, "the outcome of a write is unknown");
            CreateError::Unknown
        }
    }
}
