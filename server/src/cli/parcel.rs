//! What is to be deposited: files and their description, from a folder with a `deposit.json` or from the command line.
//!
//! Both doors keep the description to the byte under the same name, so the same parcel gives the same archive content
//! through either.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cartulaire_formats::hash::{Sha256Digest, Sha512Digest};
use serde::{Deserialize, Serialize};

use super::arguments;
use super::exit::{Failure, ParcelReason};

/// The description's name in a folder.
pub(super) const DESCRIPTION: &str = "deposit.json";

/// The description's name in the archive.
pub(super) const MANIFEST: &str = "description.json";

/// Bytes of a description: the server's own limit.
const DESCRIPTION_BYTES_MAX: usize = 1 << 20;

/// A description, as in `deposit.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Description {
    #[serde(default)]
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<String>,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    #[serde(default)]
    pub files: Vec<DescribedFile>,
}

/// A file of a description.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DescribedFile {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha512: Option<Sha512Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// Where a file's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Path(PathBuf, u64),
    Embedded(&'static [u8]),
}

impl Content {
    pub fn size(&self) -> u64 {
        match self {
            Self::Path(_, size) => *size,
            Self::Embedded(bytes) => bytes.len() as u64,
        }
    }
}

/// A deposit ready to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parcel {
    pub description: Description,
    pub transfer: String,
    /// The description as it is kept.
    pub manifest: Vec<u8>,
    /// One for each file of the description, in its order.
    pub contents: Vec<Content>,
}

impl Parcel {
    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.contents.iter().map(Content::size).sum()
    }

    /// Gathers what the command line names.
    pub fn gather(arguments: &arguments::Deposit) -> Result<Self, Failure> {
        match &arguments.paths[..] {
            [folder] if folder.is_dir() => Self::of_folder(folder, arguments),
            paths => match paths.iter().find(|path| path.is_dir()) {
                Some(folder) => Err(refused(folder, ParcelReason::Mixed)),
                None => Self::of_files(paths, arguments),
            },
        }
    }

    fn of_folder(folder: &Path, arguments: &arguments::Deposit) -> Result<Self, Failure> {
        let path = folder.join(DESCRIPTION);
        if !path.is_file() {
            return Err(refused(folder, ParcelReason::NoDescription));
        }
        let bytes = std::fs::read(&path).map_err(Failure::file(&path))?;
        let described = parse(&path, &bytes)?;
        let changed = arguments.changes(described.clone());
        // Untouched, the description is kept as its author wrote it.
        let manifest = if changed == described { bytes } else { encode(&changed) };
        let content = |file: &DescribedFile| {
            if Path::new(&file.name).file_name().is_none_or(|name| name != file.name.as_str()) {
                return Err(refused(&path, ParcelReason::Name(file.name.clone())));
            }
            content(&folder.join(&file.name))
        };
        let contents = changed.files.iter().map(content).collect::<Result<_, _>>()?;
        Self::new(changed, manifest, contents, folder)
    }

    fn of_files(paths: &[PathBuf], arguments: &arguments::Deposit) -> Result<Self, Failure> {
        let mut described = arguments.changes(Description::default());
        for path in paths {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            let name = name.ok_or_else(|| refused(path, ParcelReason::Name(path.display().to_string())))?;
            let media_type = Some(media_type(&name).to_owned());
            described.files.push(DescribedFile { name, media_type, ..DescribedFile::default() });
        }
        let contents = paths.iter().map(|path| content(path)).collect::<Result<_, _>>()?;
        let manifest = encode(&described);
        Self::new(described, manifest, contents, &paths[0])
    }

    /// A sample that is part of the program.
    pub fn embedded(manifest: &'static [u8], files: &[(&str, &'static [u8])]) -> Result<Self, Failure> {
        let place = Path::new(DESCRIPTION);
        let description = parse(place, manifest)?;
        let content = |file: &DescribedFile| {
            let found = files.iter().find(|(name, _)| *name == file.name);
            let found = found.map(|(_, bytes)| Content::Embedded(bytes));
            found.ok_or_else(|| refused(place, ParcelReason::Name(file.name.clone())))
        };
        let contents = description.files.iter().map(content).collect::<Result<_, _>>()?;
        Self::new(description, manifest.to_vec(), contents, place)
    }

    fn new(description: Description, manifest: Vec<u8>, contents: Vec<Content>, place: &Path) -> Result<Self, Failure> {
        match description.transfer.clone() {
            Some(transfer) => Ok(Self { description, transfer, manifest, contents }),
            None => Err(refused(place, ParcelReason::NoTransfer)),
        }
    }
}

impl arguments::Deposit {
    /// The description with what the command line says over it.
    fn changes(&self, mut description: Description) -> Description {
        if let Some(title) = &self.title {
            description.title.clone_from(title);
        }
        if self.transfer.is_some() {
            description.transfer.clone_from(&self.transfer);
        }
        description.metadata.extend(self.metadata.iter().cloned());
        description
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Description, Failure> {
    let text = &bytes[..bytes.len().min(DESCRIPTION_BYTES_MAX)];
    serde_json::from_slice(text).map_err(|error| refused(path, ParcelReason::Description(error)))
}

fn encode(description: &Description) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(description).expect("text keys and memory: nothing can fail");
    bytes.push(b'\n');
    bytes
}

fn content(path: &Path) -> Result<Content, Failure> {
    let metadata = std::fs::metadata(path).map_err(Failure::file(path))?;
    Ok(Content::Path(path.to_owned(), metadata.len()))
}

fn refused(path: &Path, reason: ParcelReason) -> Failure {
    Failure::Parcel { path: path.to_owned(), reason }
}

/// The media type that a name's ending suggests; the depositor's own word, never verified here.
fn media_type(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref() {
        Some("pdf") => "application/pdf",
        Some("xml") => "application/xml",
        Some("json") => "application/json",
        Some("txt") => "text/plain",
        Some("csv") => "text/csv",
        Some("zip") => "application/zip",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("odt") => "application/vnd.oasis.opendocument.text",
        Some("docx") => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        _ => "application/octet-stream",
    }
}
