//! A multipart deposit: a description, then the files that it lists.

use std::collections::BTreeMap;

use axum::http::header;
use bytes::Bytes;
use cartulaire_engine::admit::{PresentedFile, Rule};
use cartulaire_formats::hash::{Sha256Digest, Sha512Digest};
use cartulaire_formats::jcs;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;

use super::super::caller::Grant;
use super::super::intake::Taken;
use super::super::multipart::{Multipart, PartHead};
use super::super::problem::{Problem, ProblemKind};
use super::{Declared, Whole, intake, present, presented};

/// Under what name the description is kept, to the byte.
const MANIFEST_NAME: &str = "description.json";

/// The first part of a multipart deposit, named `description`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Title.
    #[serde(default)]
    pub title: String,
    /// The depositor's identifier of the transfer, unless `Idempotency-Key` gives it; both must agree.
    pub transfer: Option<String>,
    /// Descriptive metadata.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// The files, in their order in the archive; without it the parts are taken as they come.
    pub files: Option<Vec<FileDescription>>,
}

/// A file of a description. The part with this file name holds its bytes.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FileDescription {
    /// Name without folders.
    pub name: String,
    /// Media type; else the part's `Content-Type`.
    pub media_type: Option<String>,
    /// SHA-256 that the bytes must have, in hex.
    #[schema(value_type = Option<String>)]
    pub sha256: Option<Sha256Digest>,
    /// SHA-512 that the bytes must have, in hex.
    #[schema(value_type = Option<String>)]
    pub sha512: Option<Sha512Digest>,
    /// Length that the bytes must have.
    pub size: Option<u64>,
}

/// Receives the description and the files of a multipart deposit.
///
/// - `key`: the transfer identifier of the header fields.
///
/// # Errors
/// Every problem of a body, a multipart, a description; rejections of files that are missing, not described, or other
/// than declared.
pub(super) async fn receive_parts(
    grant: &Grant,
    key: Option<String>,
    mut multipart: Multipart<'_>,
) -> Result<Whole, Problem> {
    let first = multipart.next_part().await?;
    if first.is_none_or(|head| head.disposition.name.as_deref() != Some("description")) {
        return Err(Problem::new(ProblemKind::MultipartMalformed).with("place", "description"));
    }
    let bytes = description_bytes(grant, &mut multipart).await?;
    let mut description = parse_description(&bytes)?;
    match (&description.transfer, key) {
        (Some(described), Some(key)) if *described != key => return Err(ProblemKind::TransferDisagrees.into()),
        (None, Some(key)) => description.transfer = Some(key),
        _ => {}
    }
    let mut gathered = Gathered::new(description.files.take());
    while let Some(head) = multipart.next_part().await? {
        gathered.take_part(grant, head, &mut multipart).await?;
    }
    let mut manifest = intake(grant, false);
    manifest.write(bytes).await?;
    let manifest_file = FileDescription {
        name: MANIFEST_NAME.into(),
        media_type: Some("application/json".into()),
        ..FileDescription::default()
    };
    let (files, mut rooms) = gathered.files()?;
    let manifest = present(manifest_file, None, manifest.finish().await?, &mut rooms);
    Ok(Whole { presented: presented(grant, description, files, Some(manifest)), rooms })
}

async fn description_bytes(grant: &Grant, multipart: &mut Multipart<'_>) -> Result<Bytes, Problem> {
    let limit = grant.state().limits.description_bytes_max;
    let mut bytes = Vec::new();
    while let Some(piece) = multipart.next_piece().await? {
        if bytes.len() + piece.len() > limit {
            return Err(Problem::new(ProblemKind::BodyTooLarge).with("limit", limit));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Bytes::from(bytes))
}

fn parse_description(bytes: &[u8]) -> Result<Description, Problem> {
    let parsed = serde_json::from_slice(bytes).map_err(|error| {
        let problem = Problem::new(ProblemKind::DescriptionMalformed);
        problem.with("line", error.line()).with("column", error.column())
    })?;
    // A name given twice would mean one thing here and another to the next reader.
    jcs::parse_strict(bytes)
        .map_err(|_| Problem::new(ProblemKind::DescriptionMalformed).with("place", "name-twice"))?;
    Ok(parsed)
}

/// The files of a multipart deposit as their parts come in.
struct Gathered {
    /// Whether the description lists the files, so that no others may come.
    is_listed: bool,
    described: Vec<FileDescription>,
    taken: Vec<Option<(Taken, Option<String>)>>,
}

impl Gathered {
    fn new(listed: Option<Vec<FileDescription>>) -> Self {
        let is_listed = listed.is_some();
        let described = listed.unwrap_or_default();
        let taken = described.iter().map(|_| None).collect();
        Self { is_listed, described, taken }
    }

    async fn take_part(&mut self, grant: &Grant, head: PartHead, multipart: &mut Multipart<'_>) -> Result<(), Problem> {
        let declared = Declared::of(&head.headers)?;
        let name = head.disposition.filename.unwrap_or_default();
        let index = self.place_of(name)?;
        let mut intake = intake(grant, declared.want_sha512() || self.described[index].sha512.is_some());
        while let Some(piece) = multipart.next_piece().await? {
            intake.write(piece).await?;
        }
        let taken = intake.finish().await?;
        declared.check(&taken, &format!("files[{index}]"))?;
        let media_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        self.taken[index] = Some((taken, media_type.map(str::to_owned)));
        Ok(())
    }

    fn place_of(&mut self, name: String) -> Result<usize, Problem> {
        let found = self.described.iter().position(|file| file.name == name);
        match found {
            Some(index) if self.taken[index].is_none() => Ok(index),
            Some(index) => Err(Problem::rejected(Rule::FileNameTwice.name(), &format!("files[{index}].name"))),
            None if self.is_listed => Err(Problem::rejected("file-not-described", "files")),
            None => {
                self.described.push(FileDescription { name, ..FileDescription::default() });
                self.taken.push(None);
                Ok(self.taken.len() - 1)
            }
        }
    }

    fn files(self) -> Result<(Vec<PresentedFile>, Vec<OwnedSemaphorePermit>), Problem> {
        let (mut files, mut rooms) = (Vec::new(), Vec::new());
        for (index, (described, taken)) in self.described.into_iter().zip(self.taken).enumerate() {
            let missing = || Problem::rejected("file-missing", &format!("files[{index}]"));
            let (taken, media_type) = taken.ok_or_else(missing)?;
            files.push(present(described, media_type, taken, &mut rooms));
        }
        Ok((files, rooms))
    }
}
