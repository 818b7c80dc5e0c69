//! Admission: the only place where the rules of a deposit are judged.
//!
//! What passes is [`Admitted`], with every byte that needs a container of its own already durable in it; what does not
//! is a [`Rejection`] naming the rule and where. Nothing of a refused deposit stays.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use bytes::Bytes;
use cartulaire_formats::aip::{self, AipDescriptor, ArchiveId, DescribedFile, FileRole};
use cartulaire_formats::container;
use cartulaire_formats::hash::{Blind, Digests, MultiHasher, Sha256Digest, Sha512Digest};
use cartulaire_formats::journal::TenantId;

use crate::archive::Archive;
use crate::bounds::{
    DEPOSIT_FILES_MAX, DEPOSIT_INLINE_BYTES_MAX, FILE_NAME_BYTES_MAX, MEDIA_TYPE_BYTES_MAX, METADATA_BYTES_MAX,
    METADATA_ENTRIES_MAX, METADATA_NAME_BYTES_MAX, TITLE_BYTES_MAX, TRANSFER_BYTES_MAX,
};
use crate::fault::Fault;
use crate::receive::{Received, ReceivedContent};

/// A file as the depositor presents it.
pub struct PresentedFile {
    /// Name without folders.
    pub name: String,
    /// Media type, not verified.
    pub media_type: String,
    /// SHA-256 that the depositor declares.
    pub declared_sha256: Option<Sha256Digest>,
    /// SHA-512 that the depositor declares.
    pub declared_sha512: Option<Sha512Digest>,
    /// Length in bytes that the depositor declares.
    pub declared_size: Option<u64>,
    /// The bytes.
    pub received: Received,
}

/// A deposit as presented, before it is judged.
pub struct Presented {
    /// Whose archive it is to be.
    pub tenant: TenantId,
    /// Who deposits: `key:<id>` or `operator`.
    pub agent: String,
    /// The depositor's own identifier of the transfer.
    pub transfer: String,
    /// Title.
    pub title: String,
    /// Descriptive metadata.
    pub metadata: BTreeMap<String, String>,
    /// The documents.
    pub files: Vec<PresentedFile>,
    /// The description as received, kept to the byte, if the deposit came with one.
    pub manifest: Option<PresentedFile>,
}

/// A rule of admission. Its name is stable: clients may rely on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// There is no such tenant.
    TenantUnknown,
    /// The transfer identifier is missing, too long, or has control characters.
    TransferIdentifier,
    /// The title is too long or has control characters.
    Title,
    /// There are no files, or too many.
    FileCount,
    /// A file name is empty, too long, names a folder, or has control characters.
    FileName,
    /// Two files have names that some file systems take for the same.
    FileNameTwice,
    /// A media type is malformed.
    MediaType,
    /// The metadata are too many or too long, or one of them has control characters; a value may have several lines.
    Metadata,
    /// The bytes received are not as many as declared.
    Size,
    /// The bytes received do not have the SHA-256 declared.
    Sha256,
    /// The bytes received do not have the SHA-512 declared.
    Sha512,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 11] = [
        Self::TenantUnknown,
        Self::TransferIdentifier,
        Self::Title,
        Self::FileCount,
        Self::FileName,
        Self::FileNameTwice,
        Self::MediaType,
        Self::Metadata,
        Self::Size,
        Self::Sha256,
        Self::Sha512,
    ];

    /// The rule's stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TenantUnknown => "tenant-unknown",
            Self::TransferIdentifier => "transfer-identifier",
            Self::Title => "title",
            Self::FileCount => "file-count",
            Self::FileName => "file-name",
            Self::FileNameTwice => "file-name-twice",
            Self::MediaType => "media-type",
            Self::Metadata => "metadata",
            Self::Size => "size-mismatch",
            Self::Sha256 => "sha256-mismatch",
            Self::Sha512 => "sha512-mismatch",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a deposit is refused: a domain outcome, journaled and answered, not an error.
#[doc(alias = "rejet")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The rule broken.
    pub rule: Rule,
    /// Where: `transfer`, `files[3].name`…
    pub place: String,
}

/// A deposit that passed every rule and waits for its commit.
pub struct Admitted {
    pub(crate) descriptor: AipDescriptor,
    pub(crate) fingerprint: Sha256Digest,
    /// The descriptor, then the files in its order.
    pub(crate) objects: Vec<AdmittedObject>,
}

pub(crate) struct AdmittedObject {
    pub digests: Digests,
    /// Used unless the tenant has the object already.
    pub blind: Blind,
    pub content: AdmittedContent,
}

pub(crate) enum AdmittedContent {
    Inline(Bytes),
    Direct {
        container: String,
    },
    /// The tenant has these bytes already, in a container of their own.
    Known,
}

impl Admitted {
    /// The archive that the deposit will be.
    #[must_use]
    pub fn archive(&self) -> ArchiveId {
        self.descriptor.archive
    }

    pub(crate) fn inline_bytes(&self) -> usize {
        let inline = |object: &AdmittedObject| match &object.content {
            AdmittedContent::Inline(bytes) => bytes.len(),
            _ => 0,
        };
        self.objects.iter().map(inline).sum()
    }
}

/// Digest of what a depositor deposited under one transfer identifier: the same exactly for the same bytes.
#[must_use]
pub fn fingerprint(descriptor: &AipDescriptor) -> Sha256Digest {
    let mut hasher = MultiHasher::new(false);
    let mut field = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    field(descriptor.title.as_bytes());
    field(&(descriptor.metadata.len() as u64).to_be_bytes());
    for (name, value) in &descriptor.metadata {
        field(name.as_bytes());
        field(value.as_bytes());
    }
    for file in &descriptor.files {
        field(file.name.as_bytes());
        field(file.media_type.as_bytes());
        field(&[u8::from(file.role == FileRole::Manifest)]);
        field(&file.sha256.0);
    }
    hasher.finish().sha256
}

impl Archive {
    /// Judges a deposit.
    ///
    /// On return of an [`Admitted`], every large object of it is durable in a container of its own on every required
    /// site, though not committed; dropping it leaves an orphan that the next opening sweeps.
    ///
    /// # Errors
    /// [`Fault`] if a site or the index failed; nothing changed.
    pub fn admit(&self, presented: Presented) -> Result<Result<Admitted, Rejection>, Fault> {
        if presented.tenant.is_service() || self.index().tenant(&presented.tenant)?.is_none() {
            return Ok(Err(Rejection { rule: Rule::TenantUnknown, place: "tenant".into() }));
        }
        if let Err(rejection) = judge(&presented) {
            return Ok(Err(rejection));
        }
        self.describe(presented).map(Ok)
    }

    fn describe(&self, presented: Presented) -> Result<Admitted, Fault> {
        let received = self.clock().now();
        let mut random = [0; 10];
        self.entropy().fill(&mut random);
        let contents = presented.files.into_iter().map(|f| (f, FileRole::Content));
        let manifest = presented.manifest.into_iter().map(|f| (f, FileRole::Manifest));
        let (mut files, mut bodies) = (Vec::new(), Vec::new());
        for (file, role) in contents.chain(manifest) {
            let digests = file.received.digests;
            files.push(DescribedFile {
                blake3: digests.blake3,
                media_type: file.media_type,
                name: file.name,
                role,
                sha256: digests.sha256,
                sha512: digests.sha512,
                size: digests.size,
            });
            bodies.push(file.received);
        }
        let descriptor = AipDescriptor {
            archive: ArchiveId::new(received, random),
            depositor: presented.agent,
            files,
            metadata: presented.metadata,
            received,
            tenant: presented.tenant,
            title: presented.title,
            transfer: presented.transfer,
            v: aip::VERSION,
        };
        let mut objects = vec![self.inline_object(Bytes::from(descriptor.encode()))];
        let mut inline_left = DEPOSIT_INLINE_BYTES_MAX;
        for body in bodies {
            objects.push(self.place(&descriptor.tenant, body, &mut inline_left)?);
        }
        Ok(Admitted { fingerprint: fingerprint(&descriptor), descriptor, objects })
    }

    pub(crate) fn inline_object(&self, bytes: Bytes) -> AdmittedObject {
        let mut hasher = MultiHasher::new(self.has_sha512_tree());
        hasher.update(&bytes);
        AdmittedObject { digests: hasher.finish(), blind: self.draw_blind(), content: AdmittedContent::Inline(bytes) }
    }

    fn draw_blind(&self) -> Blind {
        let mut blind = Blind([0; 32]);
        self.entropy().fill(&mut blind.0);
        blind
    }

    /// Publishes a large body's container, unless the tenant has the very same bytes already.
    fn place(&self, tenant: &TenantId, body: Received, inline_left: &mut usize) -> Result<AdmittedObject, Fault> {
        let digests = body.digests;
        let content = match body.spill_beyond(self, inline_left).map_err(Fault::before_commit)? {
            ReceivedContent::Inline(bytes) => AdmittedContent::Inline(bytes),
            ReceivedContent::Staged(_) if self.index().object(tenant, &digests.sha256)?.is_some() => {
                AdmittedContent::Known
            }
            ReceivedContent::Staged(staging) => {
                let member = cartulaire_formats::commit::object_member(tenant, &digests.sha256);
                let mtime = container::mtime(self.clock().now());
                let head = container::streamed_head(&member, digests.size, mtime);
                let head = head.expect("tenant and digest make a member's name, and no body outgrows a tar member");
                let container = staging.name().to_string();
                staging.publish(&Bytes::copy_from_slice(&head)).map_err(Fault::before_commit)?;
                AdmittedContent::Direct { container }
            }
        };
        Ok(AdmittedObject { digests, blind: self.draw_blind(), content })
    }
}

fn judge(presented: &Presented) -> Result<(), Rejection> {
    let reject = |rule, place: &str| Err(Rejection { rule, place: place.to_owned() });
    if !is_line(&presented.transfer, 1, TRANSFER_BYTES_MAX) {
        return reject(Rule::TransferIdentifier, "transfer");
    }
    if !is_line(&presented.title, 0, TITLE_BYTES_MAX) {
        return reject(Rule::Title, "title");
    }
    judge_metadata(&presented.metadata)?;
    if presented.files.is_empty() || presented.files.len() > DEPOSIT_FILES_MAX {
        return reject(Rule::FileCount, "files");
    }
    let mut names = HashSet::new();
    let files = presented.files.iter().enumerate().map(|(i, f)| (f, format!("files[{i}]")));
    let manifest = presented.manifest.iter().map(|f| (f, "manifest".to_owned()));
    for (file, place) in files.chain(manifest) {
        judge_file(file, &place)?;
        // Up, then down: what folds to one name in either direction is one name (ß and SS, the two small sigmas).
        if !names.insert(file.name.to_uppercase().to_lowercase()) {
            return reject(Rule::FileNameTwice, &format!("{place}.name"));
        }
    }
    Ok(())
}

fn judge_metadata(metadata: &BTreeMap<String, String>) -> Result<(), Rejection> {
    let bytes: usize = metadata.iter().map(|(k, v)| k.len() + v.len()).sum();
    let reject = |place: String| Err(Rejection { rule: Rule::Metadata, place });
    if metadata.len() > METADATA_ENTRIES_MAX || bytes > METADATA_BYTES_MAX {
        return reject("metadata".into());
    }
    match metadata.iter().position(|(name, value)| !is_line(name, 1, METADATA_NAME_BYTES_MAX) || !is_text(value)) {
        Some(index) => reject(format!("metadata[{index}]")),
        None => Ok(()),
    }
}

fn judge_file(file: &PresentedFile, place: &str) -> Result<(), Rejection> {
    let digests = &file.received.digests;
    let broken = if !is_file_name(&file.name) {
        Some((Rule::FileName, "name"))
    } else if !is_media_type(&file.media_type) {
        Some((Rule::MediaType, "media_type"))
    } else if file.declared_size.is_some_and(|size| size != digests.size) {
        Some((Rule::Size, "size"))
    } else if file.declared_sha256.is_some_and(|d| d != digests.sha256) {
        Some((Rule::Sha256, "sha256"))
    } else if file.declared_sha512.is_some() && file.declared_sha512 != digests.sha512 {
        Some((Rule::Sha512, "sha512"))
    } else {
        None
    };
    match broken {
        Some((rule, field)) => Err(Rejection { rule, place: format!("{place}.{field}") }),
        None => Ok(()),
    }
}

/// Text of one line: no control characters, not even invisible line separators.
fn is_line(text: &str, bytes_min: usize, bytes_max: usize) -> bool {
    let plain = |c: char| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}');
    (bytes_min..=bytes_max).contains(&text.len()) && text.chars().all(plain)
}

/// Text of any number of lines: no control characters but tabs and the ends of lines.
fn is_text(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
}

/// Names of devices on Windows, with any extension.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];
/// Names of devices on Windows when followed by a digit, superscript ones included.
const NUMBERED_DEVICES: [&str; 2] = ["com", "lpt"];

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_lowercase();
    let numbered = |device: &str| stem.strip_prefix(device).is_some_and(is_one_digit);
    DEVICES.contains(&stem.as_str()) || NUMBERED_DEVICES.into_iter().any(numbered)
}

fn is_one_digit(text: &str) -> bool {
    let mut chars = text.chars();
    let is_digit = chars.next().is_some_and(|c| c.is_ascii_digit() || matches!(c, '¹' | '²' | '³'));
    is_digit && chars.next().is_none()
}

/// A name that is a name on every file system that a bundle may be unpacked on, and cannot reverse how it reads.
fn is_file_name(name: &str) -> bool {
    const FORBIDDEN: [char; 9] = ['/', '\\', ':', '*', '?', '"', '<', '>', '|'];
    let bidirectional =
        |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let plain = |c: char| !FORBIDDEN.contains(&c) && !bidirectional(c);
    let edges_plain = !name.starts_with(' ') && !name.ends_with([' ', '.']) && name != "." && name != "..";
    is_line(name, 1, FILE_NAME_BYTES_MAX) && edges_plain && !is_device(name) && name.chars().all(plain)
}

/// `type/subtype`, with parameters allowed (RFC 6838 §4.2, RFC 9110 §8.3.1).
fn is_media_type(text: &str) -> bool {
    let (essence, _) = text.split_once(';').unwrap_or((text, ""));
    let name = |part: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b);
        !part.is_empty() && part.bytes().all(plain)
    };
    let sound = essence.trim_end().split_once('/').is_some_and(|(kind, sub)| name(kind) && name(sub));
    is_line(text, 3, MEDIA_TYPE_BYTES_MAX) && text.is_ascii() && sound
}
