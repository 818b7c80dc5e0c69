//! A directory as a site.
//!
//! An object is written to a file that has no name, synced, linked to its name and made durable there by syncing the
//! folder. The link is the decision: the kernel refuses it if the name is taken, so an object is never replaced and
//! never seen in part. Once a folder is known, creating an object is exactly open, write, fdatasync, linkat, fsync of
//! the folder.
//!
//! What is visible in a site that was opened for writing is durable, save what is being created at that moment: opening
//! syncs the file system, because a process that was killed may have linked an object and not lived to sync the folder.
//!
//! Symbolic links, devices and everything whose name is no [`ObjectName`] are no objects here.

mod draft;
mod folders;
mod open;

use std::fs::File;
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use cartulaire_formats::layout::ObjectName;
use rustix::fs::{Advice, AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use self::draft::{Draft, Drafts};
use self::folders::{Folders, split};
pub use self::open::OpenError;
use super::bounds::WRITEBACK_STEP;
use crate::ports::{Child, CreateError, Prepared, ReadError, Staging, Store};

/// A directory as a site: see [`Store`] for what it promises.
///
/// One process at a time may write a directory: `open` takes a lock that the kernel releases when the process ends,
/// however it ends. Any number may read.
#[derive(Debug)]
pub struct LocalStore {
    root: Arc<File>,
    writer: Option<Writer>,
}

/// What only the process that holds the directory's lock has.
#[derive(Debug)]
struct Writer {
    folders: Folders,
    drafts: Arc<Drafts>,
    /// Held for as long as the store lives.
    _lock: File,
}

impl LocalStore {
    fn writer(&self) -> Result<&Writer, CreateError> {
        self.writer.as_ref().ok_or(CreateError::Unreachable)
    }

    fn begin(&self, name: &ObjectName) -> Result<Pending, CreateError> {
        let writer = self.writer()?;
        let (folder, leaf) = split(name.as_str());
        let folder_file = writer.folders.for_writing(folder)?;
        let draft = writer.drafts.begin(&folder_file).inspect_err(|_| writer.folders.forget(folder))?;
        Ok(Pending { draft, folder: folder_file, leaf: leaf.to_owned() })
    }

    /// Opens an object for reading: `None` where there is none.
    fn open_object(&self, name: &ObjectName) -> Result<Option<(File, u64)>, ReadError> {
        // Without NONBLOCK, opening a FIFO that somebody put in an object's place would hang its reader.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = match rustix::fs::openat(&self.root, name.as_str(), flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            // LOOP: a symbolic link; NXIO: a socket.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO) => return Ok(None),
            Err(errno) => return Err(read_error("open", errno)),
        };
        let stat = rustix::fs::fstat(&file).map_err(|e| read_error("stat", e))?;
        Ok(is_object(&stat).then(|| (file, length(&stat))))
    }
}

impl Store for LocalStore {
    fn prepare(&self, name: &ObjectName, parts: &[Bytes]) -> Result<Box<dyn Prepared>, CreateError> {
        let mut pending = self.begin(name)?;
        pending.draft.write(parts)?;
        pending.draft.sync()?;
        Ok(Box::new(pending))
    }

    fn stage(&self, name: &ObjectName, head_len: usize) -> Result<Box<dyn Staging>, CreateError> {
        let mut pending = self.begin(name)?;
        pending.draft.skip(head_len)?;
        let length = head_len as u64;
        Ok(Box::new(LocalStaging { pending, head_len, length, written_out: 0, outcome: Ok(()) }))
    }

    fn read(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes, ReadError> {
        let (file, size) = self.open_object(name)?.ok_or(ReadError::Missing)?;
        if range.end > size {
            return Err(ReadError::Short { size });
        }
        read_range(&file, range)
    }

    fn size(&self, name: &ObjectName) -> Result<Option<u64>, ReadError> {
        match rustix::fs::statat(&self.root, name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(is_object(&stat).then(|| length(&stat))),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(read_error("stat", errno)),
        }
    }

    fn children(&self, folder: &str) -> Result<Vec<Child>, ReadError> {
        if !folder.is_empty() && folder.parse::<ObjectName>().is_err() {
            return Ok(Vec::new());
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let path = if folder.is_empty() { "." } else { folder };
        let fd = match rustix::fs::openat(&self.root, path, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(Vec::new()),
            Err(errno) => return Err(read_error("open", errno)),
        };
        list(fd, folder)
    }

    fn delete(&self, name: &ObjectName) -> Result<(), CreateError> {
        let (folder, leaf) = split(name.as_str());
        let Some(folder) = self.writer()?.folders.existing(folder)? else { return Ok(()) };
        match rustix::fs::unlinkat(&folder, leaf, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => sync_folder(&folder),
            Err(errno @ (Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::ISDIR)) => {
                tracing::warn!(%name, %errno, "the directory refuses to delete an object");
                Err(CreateError::Unreachable)
            }
            Err(errno) => Err(unknown("unlink", errno)),
        }
    }
}

/// An object that is written, wholly or in part, and has no name yet.
#[derive(Debug)]
struct Pending {
    draft: Draft,
    folder: Arc<File>,
    leaf: String,
}

impl Pending {
    /// The draft is durable before this is called.
    fn link(self) -> Result<(), CreateError> {
        match self.draft.link(&self.folder, &self.leaf) {
            // Visible now; durable once the folder is synced.
            Ok(()) => sync_folder(&self.folder),
            Err(Errno::EXIST) => {
                // Whoever is told so may build on it, and its creator may not have synced the folder yet.
                sync_folder(&self.folder)?;
                Err(CreateError::Exists)
            }
            Err(errno) => Err(unknown("link", errno)),
        }
    }
}

impl Prepared for Pending {
    fn publish(self: Box<Self>) -> Result<(), CreateError> {
        self.link()
    }
}

struct LocalStaging {
    pending: Pending,
    head_len: usize,
    length: u64,
    written_out: u64,
    /// The first failure, repeated for whoever goes on in spite of it.
    outcome: Result<(), CreateError>,
}

impl LocalStaging {
    /// Has the kernel write out what was appended, without waiting, and forget what it has written.
    fn begin_writeback(&mut self) {
        if let Some(step) = NonZeroU64::new(self.length - self.written_out)
            && step.get() >= WRITEBACK_STEP
        {
            // DONTNEED starts writing dirty pages and drops clean ones: hence the step before this one as well. Advice
            // changes nothing but speed, so its failure is of no interest.
            let start = self.written_out.saturating_sub(WRITEBACK_STEP);
            let length = NonZeroU64::new(self.length - start);
            _ = rustix::fs::fadvise(self.pending.draft.file(), start, length, Advice::DontNeed);
            self.written_out = self.length;
        }
    }

    fn write_appended(&mut self, bytes: Bytes) -> Result<(), CreateError> {
        self.length += bytes.len() as u64;
        self.pending.draft.write(&[bytes])
    }
}

impl Staging for LocalStaging {
    fn append(&mut self, bytes: Bytes) -> Result<(), CreateError> {
        self.outcome?;
        self.outcome = self.write_appended(bytes);
        self.begin_writeback();
        self.outcome
    }

    fn publish(mut self: Box<Self>, head: Bytes) -> Result<(), CreateError> {
        assert_eq!(head.len(), self.head_len, "the head has the length that was announced");
        self.outcome?;
        self.pending.draft.write_head(&head)?;
        self.pending.draft.sync()?;
        self.pending.link()
    }
}

fn read_range(file: &File, range: Range<u64>) -> Result<Bytes, ReadError> {
    let length = usize::try_from(range.end.saturating_sub(range.start)).map_err(|_| ReadError::Failed)?;
    let mut bytes = vec![0; length];
    match file.read_exact_at(&mut bytes, range.start) {
        Ok(()) => Ok(bytes.into()),
        Err(error) => {
            tracing::error!(%error, "reading an object failed");
            Err(ReadError::Failed)
        }
    }
}

fn list(fd: impl AsFd, folder: &str) -> Result<Vec<Child>, ReadError> {
    let mut children = Vec::new();
    for entry in Dir::read_from(&fd).map_err(|e| read_error("list", e))? {
        let entry = entry.map_err(|e| read_error("list", e))?;
        let Ok(leaf) = entry.file_name().to_str() else { continue };
        let path = if folder.is_empty() { leaf.to_owned() } else { format!("{folder}/{leaf}") };
        let Ok(name) = path.parse::<ObjectName>() else { continue };
        if let Some(child) = child(&fd, leaf, name)? {
            children.push(child);
        }
    }
    children.sort_unstable_by(|a, b| a.path().cmp(b.path()));
    Ok(children)
}

fn child(folder: impl AsFd, leaf: &str, name: ObjectName) -> Result<Option<Child>, ReadError> {
    let stat = match rustix::fs::statat(folder, leaf, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(read_error("stat", errno)),
    };
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Some(Child::Folder(name.to_string())),
        FileType::RegularFile => Some(Child::Object(name, length(&stat))),
        _ => None,
    })
}

fn is_object(stat: &rustix::fs::Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

fn length(stat: &rustix::fs::Stat) -> u64 {
    u64::try_from(stat.st_size).expect("the kernel gives no negative length")
}

fn sync_folder(folder: &File) -> Result<(), CreateError> {
    rustix::fs::fsync(folder).map_err(|e| unknown("fsync of the folder", e))
}

/// Nothing of the object was written: the system refused before.
fn before_writing(step: &'static str, errno: Errno) -> CreateError {
    tracing::warn!(step, %errno, "the directory refuses a new object");
    match errno {
        Errno::NOSPC | Errno::DQUOT => CreateError::Full,
        _ => CreateError::Unreachable,
    }
}

/// From the sync on, no error says what the medium holds.
fn unknown(step: &'static str, errno: Errno) -> CreateError {
    tracing::error!(step, %errno, "the outcome of a write is unknown");
    CreateError::Unknown
}

fn read_error(step: &'static str, errno: Errno) -> ReadError {
    tracing::error!(step, %errno, "the directory cannot be read");
    match errno {
        Errno::IO => ReadError::Failed,
        _ => ReadError::Unreachable,
    }
}
