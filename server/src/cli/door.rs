//! The two ways to an archive: opened in this process, or through a running server.

use std::io::Write;
use std::time::Duration;

use cartulaire_formats::aip::ArchiveId;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};

use super::arguments::Common;
use super::exit::Failure;
use super::local::Local;
use super::parcel::Parcel;
use super::remote::Remote;
use super::screen::Screen;
use crate::config::Config;
use crate::identity::Role;

/// A tenant, as both doors show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TenantView {
    pub id: String,
    pub name: String,
    pub created: String,
}

/// A key without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeyView {
    pub id: String,
    pub tenant: String,
    pub roles: Vec<Role>,
    pub label: String,
    pub created: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<String>,
}

/// A key just created, with the secret that is shown this once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct NewKeyView {
    #[serde(flatten)]
    pub key: KeyView,
    pub secret: String,
}

/// A deposit that is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Deposited {
    pub archive: String,
    pub tenant: String,
    pub transfer: String,
    pub seq: u64,
    pub commit: u64,
    pub time: String,
    /// Whether it had been deposited before.
    #[serde(default)]
    pub replayed: bool,
    /// The signed receipt.
    pub receipt: String,
}

/// What is asked of an archive before its files are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ArchiveView {
    pub archive: String,
    pub title: String,
    pub files: Vec<FileView>,
}

/// A file of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileView {
    pub position: usize,
    pub name: String,
    pub role: String,
    pub size: u64,
    /// SHA-256.
    pub hash: String,
}

/// A way to an archive.
pub(super) trait Door {
    fn create_tenant(&self, id: &str, name: &str) -> Result<TenantView, Failure>;

    fn tenants(&self) -> Result<Vec<TenantView>, Failure>;

    fn create_key(&self, tenant: &str, roles: &[Role], label: &str) -> Result<NewKeyView, Failure>;

    fn keys(&self, tenant: &str) -> Result<Vec<KeyView>, Failure>;

    fn revoke_key(&self, tenant: &str, id: &str) -> Result<KeyView, Failure>;

    /// Deposits; the bar moves by the bytes given over.
    fn deposit(&self, tenant: &str, parcel: &Parcel, bar: &ProgressBar) -> Result<Deposited, Failure>;

    fn describe(&self, tenant: &str, archive: &ArchiveId) -> Result<ArchiveView, Failure>;

    /// Reads a file, checked against its digest before its last byte is given out.
    fn read(
        &self,
        tenant: &str,
        archive: &ArchiveId,
        file: &FileView,
        out: &mut dyn Write,
        bar: &ProgressBar,
    ) -> Result<(), Failure>;

    /// Writes the proof bundle once it is complete, waiting at most that long.
    fn bundle(&self, tenant: &str, archive: &ArchiveId, wait: Duration, out: &mut dyn Write) -> Result<(), Failure>;

    /// Lines of the journal, at most `limit`, after an entry.
    fn journal(
        &self,
        tenant: &str,
        archive: Option<&ArchiveId>,
        after: Option<u64>,
        limit: u64,
    ) -> Result<Vec<String>, Failure>;
}

/// Opens the door that the arguments ask for.
pub(super) fn open(common: &Common, screen: &Screen) -> Result<Box<dyn Door>, Failure> {
    match &common.server {
        Some(url) => Ok(Box::new(Remote::new(url, common.key.as_deref())?)),
        None => Ok(Box::new(Local::open(&Config::load(&common.config)?, screen)?)),
    }
}

/// The tenant that was named, or the only one that there is.
pub(super) fn tenant_of(door: &dyn Door, named: Option<&str>) -> Result<String, Failure> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    // Whoever may not list the tenants must name one.
    let tenants = door.tenants().map_err(|_| Failure::TenantAmbiguous)?;
    match &tenants[..] {
        [only] => Ok(only.id.clone()),
        _ => Err(Failure::TenantAmbiguous),
    }
}
