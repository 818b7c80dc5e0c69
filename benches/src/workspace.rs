//! The folder on the disk that is measured.

use std::path::Path;

use cartulaire_engine::fault::Fault;
use cartulaire_engine::store::OpenError;

/// Why a bench could not run.
#[derive(Debug)]
pub enum BenchError {
    /// The folder or a file in it.
    Io(std::io::Error),
    /// The folder is in memory, where a sync costs nothing and means nothing.
    InMemory,
    /// The site.
    Site(OpenError),
    /// The engine.
    Engine(Fault),
    /// Somebody answered something else than what was measured for.
    Answer(String),
}

impl std::fmt::Display for BenchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::InMemory => f.write_str("the folder lies in memory; choose one on a disk with --dir"),
            Self::Site(error) => error.fmt(f),
            Self::Engine(fault) => fault.fmt(f),
            Self::Answer(text) => f.write_str(text),
        }
    }
}

impl From<std::io::Error> for BenchError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<OpenError> for BenchError {
    fn from(error: OpenError) -> Self {
        Self::Site(error)
    }
}

impl From<Fault> for BenchError {
    fn from(fault: Fault) -> Self {
        Self::Engine(fault)
    }
}

/// A folder that is gone when the run ends.
pub struct Workspace {
    root: tempfile::TempDir,
    file_system: String,
}

impl Workspace {
    /// - `parent`: where to make it; the current folder by default.
    pub fn new(parent: Option<&Path>) -> Result<Self, BenchError> {
        let parent = parent.unwrap_or(Path::new("."));
        let root = tempfile::Builder::new().prefix("cartulaire-bench-").tempdir_in(parent)?;
        let file_system = file_system_of(root.path())?;
        if matches!(file_system.as_str(), "tmpfs" | "ramfs") {
            return Err(BenchError::InMemory);
        }
        Ok(Self { root, file_system })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// The type of its file system.
    pub fn file_system(&self) -> &str {
        &self.file_system
    }

    /// A new empty folder in it.
    pub fn folder(&self) -> Result<tempfile::TempDir, BenchError> {
        Ok(tempfile::tempdir_in(self.root.path())?)
    }
}

/// The type of the mount that holds `path`, as the kernel names it.
fn file_system_of(path: &Path) -> Result<String, BenchError> {
    let path = path.canonicalize()?;
    let mounts = std::fs::read_to_string("/proc/self/mounts")?;
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let holding = fields.filter(|f| f.len() > 2 && path.starts_with(f[1]));
    let deepest = holding.max_by_key(|f| f[1].len());
    Ok(deepest.map_or_else(|| "unknown".to_owned(), |f| f[2].to_owned()))
}
