//! `cartulaire prove`: an archive's proof bundle in a file.

use std::fs::{self, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::arguments::{self, Common};
use super::door;
use super::exit::{self, Exit, Failure};
use super::screen::{Screen, bytes};

/// A bundle written, for machines.
#[derive(Debug, Serialize)]
struct Written {
    archive: String,
    bundle: PathBuf,
    size: u64,
}

pub(super) fn run(arguments: &arguments::Prove, common: &Common, screen: &Screen) -> Result<Exit, Failure> {
    let archive = exit::archive_id(&arguments.archive)?;
    let path = arguments.output.clone().unwrap_or_else(|| format!("{archive}.zip").into());
    let door = door::open(common, screen)?;
    let tenant = door::tenant_of(&*door, arguments.tenant.as_deref())?;
    let bar = screen.spinner("horodatage");
    let wait = Duration::from_secs(arguments.wait);
    let size = write_bundle(&path, &mut |out| door.bundle(&tenant, &archive, wait, out));
    bar.finish_and_clear();
    let size = size?;
    screen.line(format_args!("Dossier de preuve : {} ({})", path.display(), bytes(size)));
    screen.line(format_args!("\nÀ vérifier ici : cartulaire verify {} --trust racine.pem", path.display()));
    screen.line("Ou sans Cartulaire, une fois décompressé : sh data/verifier.sh racine.pem journal.pub.pem");
    screen.json(&Written { archive: archive.to_string(), bundle: path, size });
    Ok(Exit::Success)
}

/// Writes a bundle to a new file, complete or not at all; returns its length in bytes.
pub(super) fn write_bundle(
    path: &Path,
    write: &mut dyn FnMut(&mut dyn Write) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(Failure::file(path))?;
    let mut out = BufWriter::new(file);
    let outcome = write(&mut out).and_then(|()| out.flush().map_err(Failure::file(path)));
    if outcome.is_err() {
        // What is there is a part: nobody must take it for a proof.
        _ = fs::remove_file(path);
    }
    outcome?;
    fs::metadata(path).map(|metadata| metadata.len()).map_err(Failure::file(path))
}
