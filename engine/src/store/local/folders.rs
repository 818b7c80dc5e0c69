//! The folders of a site that objects are created in, each known to be durable.

use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::super::bounds::FOLDERS_OPEN_MAX;
use super::{before_writing, sync_folder};
use crate::ports::CreateError;

/// Folders kept open by path; a folder in here has had its parent synced in this process.
#[derive(Debug)]
pub(super) struct Folders {
    root: Arc<File>,
    open: Mutex<HashMap<String, Arc<File>>>,
}

/// A name's folder (`""` for the root) and last segment.
pub(super) fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('/').unwrap_or(("", name))
}

impl Folders {
    pub(super) fn new(root: Arc<File>) -> Self {
        Self { root, open: Mutex::default() }
    }

    /// The folder, made if need be, with every folder above it durable.
    pub(super) fn for_writing(&self, path: &str) -> Result<Arc<File>, CreateError> {
        // Held while folders are made, so that nobody uses one whose parent another thread has yet to sync.
        let mut open = self.lock();
        let mut folder = self.root.clone();
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        if let Some(known) = open.get(path) {
            return Ok(known.clone());
        }
        for end in ends.filter(|end| *end > 0) {
            folder = match open.get(&path[..end]) {
                Some(known) => known.clone(),
                None => {
                    let made = make_durably(&folder, split(&path[..end]).1)?;
                    remember(&mut open, &path[..end], made)
                }
            };
        }
        Ok(folder)
    }

    /// The folder if it is there.
    pub(super) fn existing(&self, path: &str) -> Result<Option<Arc<File>>, CreateError> {
        if path.is_empty() {
            return Ok(Some(self.root.clone()));
        }
        if let Some(known) = self.lock().get(path) {
            return Ok(Some(known.clone()));
        }
        match open_folder(&self.root, path) {
            Ok(folder) => Ok(Some(Arc::new(folder))),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(before_writing("open of the folder", errno)),
        }
    }

    /// Looks at the folder afresh next time: somebody may have removed it.
    pub(super) fn forget(&self, path: &str) {
        self.lock().remove(path);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<File>>> {
        // Whoever panicked left the map whole: each change is one insert, remove or clear.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remember(open: &mut HashMap<String, Arc<File>>, path: &str, folder: File) -> Arc<File> {
    if open.len() >= FOLDERS_OPEN_MAX {
        // What is forgotten costs one open and one sync of its parent when next used.
        open.clear();
    }
    let folder = Arc::new(folder);
    open.insert(path.to_owned(), folder.clone());
    folder
}

/// A folder that exists already is synced into its parent all the same: who made it may have been killed before.
fn make_durably(parent: &File, leaf: &str) -> Result<File, CreateError> {
    match rustix::fs::mkdirat(parent, leaf, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(before_writing("mkdir", errno)),
    }
    let folder = open_folder(parent, leaf).map_err(|e| before_writing("open of the folder", e))?;
    sync_folder(parent)?;
    Ok(folder)
}

fn open_folder(parent: &File, path: &str) -> Result<File, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::openat(parent, path, flags, Mode::empty()).map(File::from)
}
