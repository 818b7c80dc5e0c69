//! Opening a directory as a site.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::draft::{self, Drafts, Nameless};
use super::folders::Folders;
use super::{LocalStore, Writer};

const LOCK: &str = ".lock";

/// Why a directory was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no such folder: a wrong path, or a disk that is not mounted. It is not made here, because an archive
    /// must not begin anew by itself on an empty mount point.
    #[error("there is no folder {}: mount its disk, correct the path, or make it with `cartulaire init`", .0.display())]
    Missing(PathBuf),
    /// Another process holds the directory's lock.
    #[error(
        "another process writes to {path}: stop it first (`fuser {path}/.lock` names it), or open it read only",
        path = .0.display()
    )]
    Locked(PathBuf),
    /// The system refuses something that a site needs.
    #[error("the folder {} cannot be used as a site: {step}", .path.display())]
    System {
        /// The site's directory.
        path: PathBuf,
        /// What was refused.
        step: &'static str,
        /// The system's reason.
        source: io::Error,
    },
}

impl LocalStore {
    /// Makes the folder and those above it, durably, if there is none, then opens it for writing.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn make(path: &Path) -> Result<Self, OpenError> {
        let refused = |source| OpenError::System { path: path.to_owned(), step: "making it", source };
        let missing: Vec<_> = path.ancestors().take_while(|p| !p.as_os_str().is_empty() && !p.exists()).collect();
        for folder in missing.into_iter().rev() {
            std::fs::create_dir(folder).map_err(refused)?;
            let parent = folder.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(parent).and_then(|p| p.sync_all()).map_err(refused)?;
        }
        Self::open(path)
    }

    /// Opens an existing folder for writing, alone.
    ///
    /// On return everything visible in it is durable, and drafts that a crash left behind are gone.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing was changed but the lock file made.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_with(path, Nameless::IfPossible)
    }

    /// Opens an existing folder to read, whoever may write it; every creation is refused as unreachable.
    ///
    /// # Errors
    /// See [`OpenError`], never [`OpenError::Locked`].
    pub fn open_read_only(path: &Path) -> Result<Self, OpenError> {
        Ok(Self { root: Arc::new(open_root(path)?), writer: None })
    }

    /// As [`Self::open`], as if neither the file system nor `/proc` allowed files without a name.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_with_named_drafts(path: &Path) -> Result<Self, OpenError> {
        Self::open_with(path, Nameless::Never)
    }

    fn open_with(path: &Path, nameless: Nameless) -> Result<Self, OpenError> {
        let system = |step| move |e: Errno| OpenError::System { path: path.to_owned(), step, source: e.into() };
        let root = Arc::new(open_root(path)?);
        let lock = take_lock(&root, path)?;
        let drafts = swept_drafts(&root).map_err(system("making and emptying its drafts folder"))?;
        rustix::fs::syncfs(&root).map_err(system("syncing its file system"))?;
        let drafts = Arc::new(Drafts::new(drafts, nameless));
        let folders = Folders::new(root.clone());
        Ok(Self { root, writer: Some(Writer { folders, drafts, _lock: lock }) })
    }
}

fn open_root(path: &Path) -> Result<File, OpenError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => Ok(fd.into()),
        Err(Errno::NOENT) => Err(OpenError::Missing(path.to_owned())),
        Err(e) => Err(OpenError::System { path: path.to_owned(), step: "opening it", source: e.into() }),
    }
}

fn take_lock(root: &File, path: &Path) -> Result<File, OpenError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
    let system = |step| move |e: Errno| OpenError::System { path: path.to_owned(), step, source: e.into() };
    let lock = rustix::fs::openat(root, LOCK, flags, Mode::from_raw_mode(0o644)).map_err(system("making its lock"))?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock.into()),
        Err(Errno::WOULDBLOCK) => Err(OpenError::Locked(path.to_owned())),
        Err(errno) => Err(system("locking it")(errno)),
    }
}

fn swept_drafts(root: &File) -> Result<File, Errno> {
    match rustix::fs::mkdirat(root, draft::FOLDER, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let folder: File = rustix::fs::openat(root, draft::FOLDER, flags, Mode::empty())?.into();
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        let leaf = entry.file_name();
        if leaf.to_bytes() != b"." && leaf.to_bytes() != b".." {
            rustix::fs::unlinkat(&folder, leaf, AtFlags::empty())?;
        }
    }
    Ok(folder)
}
