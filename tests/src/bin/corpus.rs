//! Deposits every file of a corpus, seals, attests, exports, verifies, and says whether each came out as expected.
//!
//! `corpus DIR [FAMILY…]`: DIR holds `INDEX.tsv` (family, file, size, sha256, expect, …, with a head line) and a folder
//! for each family. Exit code 0: all as expected; 1: some are not; 2: the corpus cannot be read or the archive not made.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cartulaire_audit::{Trust, Verdict, bundle};
use cartulaire_engine::admit::Rule;
use cartulaire_engine::ports::Clock as _;
use cartulaire_engine::prove::{Proof, Stage};
use cartulaire_engine::receive::Reception;
use cartulaire_engine::store::LocalStore;
use cartulaire_engine::system::SystemClock;
use cartulaire_formats::aip::ArchiveId;
use cartulaire_formats::hash::Sha256Digest;
use cartulaire_formats::tsp::TrustAnchors;
use cartulaire_formats::x509::certificate_to_pem;
use cartulaire_tests::corpus_archive::{CorpusArchive, CorpusError};
use indicatif::{ProgressBar, ProgressStyle};

/// A line of the corpus's index.
struct IndexRow {
    family: String,
    file: String,
    sha256: Sha256Digest,
}

/// What becomes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    /// Archived, sealed, attested, proven to the library and to foreign tools, and read back identical.
    Kept,
    /// Refused by a rule of admission.
    Rejected(Rule),
    /// The corpus does not hold what its index says.
    NotOfIndex,
    /// There is no complete proof.
    NotAttested,
    /// The audit does not take the bundle for proof.
    NotProven,
    /// The bundle's own script, with openssl, found this fault first.
    ScriptFailed(String),
    /// The bytes read back are others.
    Differs,
    /// The engine failed.
    Failed(String),
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept => f.write_str("kept"),
            Self::Rejected(rule) => write!(f, "rejected: {rule}"),
            Self::NotOfIndex => f.write_str("not what the index says"),
            Self::NotAttested => f.write_str("not attested"),
            Self::NotProven => f.write_str("not proven"),
            Self::ScriptFailed(line) => write!(f, "verifier.sh: {line}"),
            Self::Differs => f.write_str("reads back differently"),
            Self::Failed(why) => write!(f, "failed: {why}"),
        }
    }
}

/// What a family's files mean to the archive, beyond being bytes.
trait Family: Sync {
    /// What must become of a file.
    fn expects(&self, row: &IndexRow) -> Fate;
}

/// Files that are archived as they are, whatever is in them.
struct PlainFiles;

impl Family for PlainFiles {
    fn expects(&self, _: &IndexRow) -> Fate {
        Fate::Kept
    }
}

fn family(_name: &str) -> &'static dyn Family {
    &PlainFiles
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(folder) = arguments.next() else {
        eprintln!("usage: corpus DIR [FAMILY...]");
        return ExitCode::from(2);
    };
    let families: Vec<String> = arguments.map(|a| a.to_string_lossy().into_owned()).collect();
    match run(Path::new(&folder), &families) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("corpus: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(folder: &Path, families: &[String]) -> Result<bool, CorpusError> {
    let rows = read_index(folder, families)?;
    let place = tempfile::tempdir()?;
    let mut archive = CorpusArchive::open(place.path(), LocalStore::make(&place.path().join("site"))?)?;
    let bar = progress(rows.len(), "depositing");
    let mut deposits = Vec::with_capacity(rows.len());
    for row in &rows {
        deposits.push(deposit(&mut archive, folder, row));
        bar.inc(1);
    }
    archive.seal_and_attest()?;
    bar.finish_and_clear();
    let fates = examine(&archive, place.path(), &rows, &deposits)?;
    let mut agreeing = 0;
    for (row, fate) in rows.iter().zip(&fates) {
        let expected = family(&row.family).expects(row);
        let agrees = expected == *fate;
        agreeing += usize::from(agrees);
        println!("{}/{}\t{expected}\t{fate}\t{}", row.family, row.file, if agrees { "agrees" } else { "DISAGREES" });
    }
    println!("{} files, {agreeing} as expected, {} not", rows.len(), rows.len() - agreeing);
    Ok(agreeing == rows.len())
}

fn read_index(folder: &Path, families: &[String]) -> Result<Vec<IndexRow>, CorpusError> {
    let text = std::fs::read_to_string(folder.join("INDEX.tsv"))?;
    let parse = |(number, line): (usize, &str)| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [family, file, _size, sha256, ..] = fields[..] else { return Err(CorpusError::Index(number + 2)) };
        let sha256 = sha256.parse().map_err(|_| CorpusError::Index(number + 2))?;
        Ok(IndexRow { family: family.to_owned(), file: file.to_owned(), sha256 })
    };
    let rows: Result<Vec<_>, _> = text.lines().skip(1).enumerate().map(parse).collect();
    let wanted = |row: &IndexRow| families.is_empty() || families.contains(&row.family);
    Ok(rows?.into_iter().filter(wanted).collect())
}

fn progress(length: usize, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
    let bar = ProgressBar::new(length as u64).with_message(what);
    style.map_or_else(|_| bar.clone(), |style| bar.clone().with_style(style))
}

/// Streams one file into the archive, under its path as transfer identifier.
fn deposit(archive: &mut CorpusArchive, folder: &Path, row: &IndexRow) -> Result<ArchiveId, Fate> {
    let failed = |why: &dyn fmt::Display| Fate::Failed(why.to_string());
    let mut reception = Reception::new(Arc::clone(archive.archive()), false);
    let path = folder.join(&row.family).join(&row.file);
    let mut file = std::fs::File::open(path).map_err(|error| failed(&error))?;
    let mut chunk = vec![0; 256 << 10];
    loop {
        match file.read(&mut chunk).map_err(|error| failed(&error))? {
            0 => break,
            read => reception.write(&chunk[..read]).map_err(|error| failed(&error))?,
        }
    }
    let received = reception.finish().map_err(|error| failed(&error))?;
    if received.digests.sha256 != row.sha256 {
        return Err(Fate::NotOfIndex);
    }
    let name = row.file.rsplit('/').next().unwrap_or("document");
    let transfer = format!("{}-{}", row.family, Sha256Digest::of(row.file.as_bytes()));
    match archive.deposit(&transfer, &row.file, name, received) {
        Ok(Ok(id)) => Ok(id),
        Ok(Err(rejection)) => Err(Fate::Rejected(rejection.rule)),
        Err(fault) => Err(failed(&fault)),
    }
}

/// Proves and checks every deposit, on all cores.
fn examine(
    archive: &CorpusArchive,
    place: &Path,
    rows: &[IndexRow],
    deposits: &[Result<ArchiveId, Fate>],
) -> Result<Vec<Fate>, CorpusError> {
    let root = place.join("root.pem");
    std::fs::write(&root, certificate_to_pem(archive.root()))?;
    let (next, bar) = (AtomicUsize::new(0), progress(rows.len(), "verifying"));
    let worker = || {
        let mut fates = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let (Some(row), Some(deposit)) = (rows.get(at), deposits.get(at)) else { return fates };
            let fate = match deposit {
                Ok(id) => check(archive, place, &root, row, id).err().unwrap_or(Fate::Kept),
                Err(fate) => fate.clone(),
            };
            fates.push((at, fate));
            bar.inc(1);
        }
    };
    let mut fates: Vec<(usize, Fate)> = std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|w| w.join().expect("checking does not panic")).collect()
    });
    bar.finish_and_clear();
    fates.sort_by_key(|(at, _)| *at);
    Ok(fates.into_iter().map(|(_, fate)| fate).collect())
}

fn check(archive: &CorpusArchive, place: &Path, root: &Path, row: &IndexRow, id: &ArchiveId) -> Result<(), Fate> {
    let failed = |why: &dyn fmt::Display| Fate::Failed(why.to_string());
    let proof = archive.archive().proof(archive.tenant(), id).map_err(|fault| failed(&fault))?;
    let proof = proof.ok_or(Fate::NotAttested)?;
    if proof.stage() != Stage::Attested {
        return Err(Fate::NotAttested);
    }
    let mut zip = Vec::new();
    archive.archive().write_bundle(&proof, &mut zip).map_err(|error| failed(&error))?;
    if bundle::verify_zip(std::io::Cursor::new(zip), &trust(archive)).result != Verdict::Proven {
        return Err(Fate::NotProven);
    }
    run_script(archive, place, root, &proof)?;
    read_back(archive, row, &proof)
}

/// The log's key and the authority's root come from outside the bundle, so nothing is left to reserve.
fn trust(archive: &CorpusArchive) -> Trust {
    let now = jiff::Timestamp::from_millisecond(SystemClock.now().unix_millis());
    Trust {
        anchors: Some(TrustAnchors::new([archive.root()]).expect("the corpus's own root")),
        log_key: Some(archive.archive().key().clone()),
        ..Trust::none(now.expect("the present"))
    }
}

/// Runs the bundle's own script: sha256sum, xxd, `openssl ts -verify`, and nothing of ours.
fn run_script(archive: &CorpusArchive, place: &Path, root: &Path, proof: &Proof) -> Result<(), Fate> {
    let failed = |why: &dyn fmt::Display| Fate::Failed(why.to_string());
    let folder: PathBuf = place.join(proof.descriptor().archive.to_string());
    archive.archive().write_bundle_folder(proof, &folder).map_err(|error| failed(&error))?;
    let mut script = Command::new("sh");
    script.arg("data/verifier.sh").arg(root).current_dir(&folder);
    let output = script.stdin(Stdio::null()).stderr(Stdio::null()).output().map_err(|error| failed(&error))?;
    std::fs::remove_dir_all(&folder).map_err(|error| failed(&error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let fault = said.lines().find(|line| line.starts_with("ECHEC")).unwrap_or("no word");
    Err(Fate::ScriptFailed(fault.to_owned()))
}

fn read_back(archive: &CorpusArchive, row: &IndexRow, proof: &Proof) -> Result<(), Fate> {
    let failed = |why: &dyn fmt::Display| Fate::Failed(why.to_string());
    let file = proof.descriptor().files.first().ok_or(Fate::Differs)?;
    let reader = archive.archive().open_file(archive.tenant(), file).map_err(|fault| failed(&fault))?;
    let mut read = Vec::new();
    let take = |piece: bytes::Bytes| {
        read.extend_from_slice(&piece);
        true
    };
    reader.stream(&file.blake3, take).map_err(|fault| failed(&fault))?;
    if Sha256Digest::of(&read) == row.sha256 { Ok(()) } else { Err(Fate::Differs) }
}
