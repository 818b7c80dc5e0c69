//! `cartulaire get`: the files of an archive, each checked against its digest before it has its name.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use cartulaire_formats::aip::ArchiveId;
use serde::Serialize;

use super::arguments::{self, Common};
use super::door::{self, Door, FileView};
use super::exit::{self, Exit, Failure};
use super::screen::{Screen, bytes};

/// A file written, for machines.
#[derive(Debug, Serialize)]
struct Written<'a> {
    path: PathBuf,
    sha256: &'a str,
    size: u64,
}

pub(super) fn run(arguments: &arguments::Get, common: &Common, screen: &Screen) -> Result<Exit, Failure> {
    let archive = exit::archive_id(&arguments.archive)?;
    let door = door::open(common, screen)?;
    let tenant = door::tenant_of(&*door, arguments.tenant.as_deref())?;
    let found = door.describe(&tenant, &archive)?;
    for name in &arguments.files {
        if !found.files.iter().any(|file| file.name == *name) {
            return Err(Failure::FileUnknown(name.clone()));
        }
    }
    fs::create_dir_all(&arguments.output).map_err(Failure::file(&arguments.output))?;
    let wanted = |file: &&FileView| arguments.files.is_empty() || arguments.files.contains(&file.name);
    for file in found.files.iter().filter(wanted) {
        let bar = screen.bytes(file.size, "lecture");
        let target = Target { folder: &arguments.output, file };
        let written = target.write(&*door, &tenant, &archive, &bar);
        bar.finish_and_clear();
        let path = written?;
        screen.line(format_args!("{}  {}  {}", file.hash, path.display(), bytes(file.size)));
        screen.json(&Written { path, sha256: &file.hash, size: file.size });
    }
    Ok(Exit::Success)
}

/// Where a file goes.
struct Target<'a> {
    folder: &'a Path,
    file: &'a FileView,
}

impl Target<'_> {
    /// Writes under another name first: what has the file's name is whole and checked.
    fn write(
        &self,
        door: &dyn Door,
        tenant: &str,
        archive: &ArchiveId,
        bar: &indicatif::ProgressBar,
    ) -> Result<PathBuf, Failure> {
        // Admission lets no folders into a name; a server that lies must not write elsewhere either.
        let plain = Path::new(&self.file.name).file_name().is_some_and(|name| name == self.file.name.as_str());
        if !plain {
            return Err(Failure::FileUnknown(self.file.name.clone()));
        }
        let path = self.folder.join(&self.file.name);
        let draft = self.folder.join(format!(".cartulaire-{archive}-{}", self.file.position));
        let mut out = OpenOptions::new().write(true).create_new(true).open(&draft).map_err(Failure::file(&draft))?;
        let outcome = door
            .read(tenant, archive, self.file, &mut out, bar)
            .and_then(|()| out.flush().map_err(Failure::file(&draft)))
            // Linking, unlike renaming, refuses to replace.
            .and_then(|()| fs::hard_link(&draft, &path).map_err(Failure::file(&path)));
        let removed = fs::remove_file(&draft).map_err(Failure::file(&draft));
        outcome.and(removed).map(|()| path)
    }
}
