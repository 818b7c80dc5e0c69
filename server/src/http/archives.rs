//! Five of the eight functions: destroy, read technical metadata, check, list, count.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use cartulaire_engine::archive::Archive;
use cartulaire_engine::fault::Fault;
use cartulaire_engine::read::FoundArchive;
use cartulaire_formats::aip::{ArchiveId, DescribedFile, FileRole};
use cartulaire_formats::hash::MultiHasher;
use cartulaire_formats::journal::{EventType, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::{Caller, Done, Grant};
use super::problem::{Problem, ProblemDocument, ProblemKind};
use crate::identity::Function;

/// Bytes that a check reads at a time.
const CHECK_CHUNK_BYTES: u64 = cartulaire_engine::bounds::STREAM_CHUNK_BYTES as u64;

/// Technical metadata of an archive (NF Z42-020: object identifier, depositor, date of deposit, size, algorithm, digest).
#[derive(Debug, Serialize, ToSchema)]
pub struct TechnicalMetadata {
    /// The archive's identifier.
    #[schema(format = "uuid")]
    pub archive: String,
    /// Whose archive it is.
    pub tenant: String,
    /// Who deposited: `key:<id>` or `operator`.
    pub depositor: String,
    /// When the deposit was received.
    #[schema(format = "date-time")]
    pub deposited: String,
    /// The depositor's identifier of the transfer.
    pub transfer: String,
    /// Title as declared.
    pub title: String,
    /// Bytes of all files.
    pub size: u64,
    /// Place of the deposit in the journal.
    pub seq: u64,
    /// SHA-256 of the archive's descriptor, which names all its files' digests.
    pub descriptor_sha256: String,
    /// The files, the manifest last.
    pub files: Vec<FileMetadata>,
}

/// Technical metadata of a file.
#[derive(Debug, Serialize, ToSchema)]
pub struct FileMetadata {
    /// Its place among the archive's files, from 0: `…/files/{position}` reads it.
    pub position: usize,
    /// Name as declared.
    pub name: String,
    /// Media type as declared.
    pub media_type: String,
    /// `content`, or `manifest` for the description as received.
    #[schema(example = "content")]
    pub role: &'static str,
    /// Length in bytes.
    pub size: u64,
    /// The algorithm of `hash`.
    #[schema(example = "SHA-256")]
    pub hash_algorithm: &'static str,
    /// Its digest, in hex.
    pub hash: String,
    /// Its SHA-512, in hex, where it was computed at reception.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha512: Option<String>,
}

impl FileMetadata {
    fn new((position, file): (usize, &DescribedFile)) -> Self {
        Self {
            position,
            name: file.name.clone(),
            media_type: file.media_type.clone(),
            role: match file.role {
                FileRole::Content => "content",
                FileRole::Manifest => "manifest",
            },
            size: file.size,
            hash_algorithm: "SHA-256",
            hash: file.sha256.to_string(),
            sha512: file.sha512.map(|digest| digest.to_string()),
        }
    }
}

impl From<FoundArchive> for TechnicalMetadata {
    fn from(found: FoundArchive) -> Self {
        let FoundArchive { row, descriptor } = found;
        Self {
            archive: descriptor.archive.to_string(),
            tenant: descriptor.tenant.to_string(),
            depositor: descriptor.depositor,
            deposited: descriptor.received.to_string(),
            transfer: descriptor.transfer,
            title: descriptor.title,
            size: descriptor.files.iter().map(|file| file.size).sum(),
            seq: row.seq.0,
            descriptor_sha256: row.descriptor.to_string(),
            files: descriptor.files.iter().enumerate().map(FileMetadata::new).collect(),
        }
    }
}

/// Finds the archive that a path names, among the tenant's.
///
/// # Errors
/// [`ProblemKind::ArchiveUnknown`], and the engine's.
pub async fn find(grant: &Grant, archive: &str) -> Result<FoundArchive, Problem> {
    let (id, tenant) = (archive_id(archive)?, grant.tenant().clone());
    let found = grant.state().ask(move |archive| archive.find(&tenant, &id)).await?;
    found.ok_or_else(|| ProblemKind::ArchiveUnknown.into())
}

/// The identifier that a path's segment spells.
///
/// # Errors
/// [`ProblemKind::ArchiveUnknown`]: no archive has another kind of identifier.
pub fn archive_id(text: &str) -> Result<ArchiveId, Problem> {
    text.parse().map_err(|_| ProblemKind::ArchiveUnknown.into())
}

/// Reads an archive's technical metadata.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/archives/{archive}", tag = "archives", operation_id = "metadata",
    params(("tenant" = String, Path, description = "Tenant"), ("archive" = String, Path, description = "Archive")),
    responses(
        (status = 200, body = TechnicalMetadata),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []))
)]
pub async fn metadata(
    caller: Caller,
    Path((tenant, archive)): Path<(String, String)>,
) -> Result<Json<TechnicalMetadata>, Problem> {
    let grant = caller.may(Function::ReadMetadata, &tenant).await?.about(&archive);
    let work = async { Ok(Done::new(Json(find(&grant, &archive).await?.into()))) };
    grant.perform(EventType::MetadataRead, work).await
}

/// Asks for an archive's destruction, which is refused and journaled until retention exists.
#[utoipa::path(
    delete, path = "/v1/tenants/{tenant}/archives/{archive}", tag = "archives", operation_id = "destroy",
    params(("tenant" = String, Path, description = "Tenant"), ("archive" = String, Path, description = "Archive")),
    responses(
        (status = 403, description = "`destruction-not-authorised`", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []))
)]
pub async fn destroy(caller: Caller, Path((tenant, archive)): Path<(String, String)>) -> Result<(), Problem> {
    let grant = caller.may(Function::Destroy, &tenant).await?.about(&archive);
    let work = async {
        find(&grant, &archive).await?;
        Err(ProblemKind::DestructionNotAuthorised.into())
    };
    grant.perform(EventType::DestroyRefused, work).await
}

/// What a check found.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CheckReport {
    /// The archive's identifier.
    pub archive: String,
    /// Whether every file is what it was.
    pub sound: bool,
    /// Bytes read.
    pub bytes: u64,
    /// Each file, in order.
    pub files: Vec<CheckedFile>,
}

/// What a check found of a file.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CheckedFile {
    /// Its place among the archive's files.
    pub position: usize,
    /// Whether it was read whole and has all the digests of the descriptor.
    pub sound: bool,
}

/// Checks an archive: reads every file again and compares every digest.
#[utoipa::path(
    post, path = "/v1/tenants/{tenant}/archives/{archive}/check", tag = "archives", operation_id = "check",
    params(("tenant" = String, Path, description = "Tenant"), ("archive" = String, Path, description = "Archive")),
    responses(
        (status = 200, body = CheckReport),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []))
)]
pub async fn check(
    caller: Caller,
    Path((tenant, archive)): Path<(String, String)>,
) -> Result<Json<CheckReport>, Problem> {
    let grant = caller.may(Function::Check, &tenant).await?.about(&archive);
    let work = async {
        let found = find(&grant, &archive).await?;
        let report = grant.state().ask(move |archive| check_files(archive, &found)).await?;
        let done = Done::new(()).with_fact("files", report.files.len()).with_fact("bytes", report.bytes);
        let done = if report.sound { done } else { done.but_failure() };
        Ok(done.map(|()| Json(report)))
    };
    grant.perform(EventType::Check, work).await
}

fn check_files(archive: &Archive, found: &FoundArchive) -> Result<CheckReport, Fault> {
    let descriptor = &found.descriptor;
    let mut files = Vec::new();
    for (position, file) in descriptor.files.iter().enumerate() {
        files.push(CheckedFile { position, sound: is_sound(archive, &descriptor.tenant, file)? });
    }
    Ok(CheckReport {
        archive: descriptor.archive.to_string(),
        sound: files.iter().all(|file| file.sound),
        bytes: descriptor.files.iter().map(|file| file.size).sum(),
        files,
    })
}

fn is_sound(archive: &Archive, tenant: &TenantId, file: &DescribedFile) -> Result<bool, Fault> {
    match digest_again(archive, tenant, file) {
        Ok(sound) => Ok(sound),
        Err(Fault::Damaged(damage)) => {
            tracing::error!(%damage, "a check found damage at rest");
            Ok(false)
        }
        Err(fault) => Err(fault),
    }
}

fn digest_again(archive: &Archive, tenant: &TenantId, file: &DescribedFile) -> Result<bool, Fault> {
    let reader = archive.open_file(tenant, file)?;
    let mut hasher = MultiHasher::new(file.sha512.is_some());
    let mut offset = 0;
    while offset < reader.size() {
        let end = reader.size().min(offset + CHECK_CHUNK_BYTES);
        hasher.update(&reader.range(offset..end)?);
        offset = end;
    }
    let digests = hasher.finish();
    let same_sha512 = file.sha512.is_none() || file.sha512 == digests.sha512;
    let same = digests.sha256 == file.sha256 && digests.blake3 == file.blake3 && digests.size == file.size;
    Ok(same && same_sha512)
}

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// List what comes after this archive: the `next` of the page before.
    after: Option<String>,
    /// At most this many; longer pages are cut to the service's limit.
    limit: Option<usize>,
}

/// One page of a tenant's archives.
#[derive(Debug, Serialize, ToSchema)]
pub struct ArchiveList {
    /// Archives in the order of their reception.
    pub archives: Vec<ListedArchive>,
    /// Give this as `after` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// An archive in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListedArchive {
    /// The archive's identifier.
    pub archive: String,
    /// Place of its deposit in the journal.
    pub seq: u64,
}

/// Lists a tenant's archives.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/archives", tag = "archives", operation_id = "list",
    params(("tenant" = String, Path, description = "Tenant"), ListQuery),
    responses(
        (status = 200, body = ArchiveList),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []))
)]
pub async fn list(
    caller: Caller,
    Path(tenant): Path<String>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<ArchiveList>, Problem> {
    let grant = caller.may(Function::List, &tenant).await?;
    let work = async {
        let Query(query) = query.map_err(|_| ProblemKind::QueryMalformed)?;
        let page = page(&grant, query).await?;
        let listed = page.archives.len();
        Ok(Done::new(Json(page)).with_fact("listed", listed))
    };
    grant.perform(EventType::List, work).await
}

async fn page(grant: &Grant, query: ListQuery) -> Result<ArchiveList, Problem> {
    let after = query.after.map(|text| text.parse::<ArchiveId>()).transpose();
    let after = after.map_err(|_| ProblemKind::QueryMalformed)?;
    let limits = &grant.state().limits;
    let limit = query.limit.unwrap_or(limits.page_default).clamp(1, limits.page_max);
    let tenant = grant.tenant().clone();
    let found = grant.state().ask(move |archive| Ok(archive.index().archives(&tenant, after, limit)?)).await?;
    let next = (found.len() == limit).then(|| found.last().map(|(id, _)| id.to_string())).flatten();
    let archives = found.into_iter().map(|(id, row)| ListedArchive { archive: id.to_string(), seq: row.seq.0 });
    Ok(ArchiveList { archives: archives.collect(), next })
}

/// What a tenant has.
#[derive(Debug, Serialize, ToSchema)]
pub struct Counts {
    /// Archives deposited.
    pub archives: u64,
    /// Distinct objects stored: files, manifests, descriptors and details.
    pub objects: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Journal entries, before the one of this call.
    pub entries: u64,
}

/// Counts a tenant's archives, objects, bytes and journal entries.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/count", tag = "archives", operation_id = "count",
    params(("tenant" = String, Path, description = "Tenant")),
    responses(
        (status = 200, body = Counts),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("key" = []))
)]
pub async fn count(caller: Caller, Path(tenant): Path<String>) -> Result<Json<Counts>, Problem> {
    let grant = caller.may(Function::Count, &tenant).await?;
    let work = async {
        let row = grant.state().archive().index().tenant(grant.tenant())?.unwrap_or_default();
        let (archives, objects, bytes, entries) = (row.archives, row.objects, row.bytes, row.entries);
        Ok(Done::new(Json(Counts { archives, objects, bytes, entries })))
    };
    grant.perform(EventType::Count, work).await
}
