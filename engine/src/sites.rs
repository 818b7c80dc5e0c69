//! The sites of an archive: one decides what is committed, the others hold copies.
//!
//! Creating an object on the deciding site, if absent, is the only commit point. A required copy that cannot be written
//! after that leaves the outcome unknown to the caller; recovery then completes the copy before anything else happens.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use cartulaire_formats::layout::ObjectName;

use crate::bounds::STREAM_CHUNK_BYTES;
use crate::fault::{Damage, DamageKind, Fault};
use crate::ports::{CreateError, Prepared, ReadError, Staging, Store};

/// One place that holds the whole archive.
#[derive(Clone)]
pub struct Site {
    /// Its name in configuration, logs and reports.
    pub name: String,
    /// Its objects.
    pub store: Arc<dyn Store>,
}

/// The deciding site and its required copies.
#[derive(Clone)]
pub struct Sites {
    deciding: Site,
    copies: Vec<Site>,
}

impl Sites {
    /// Takes the deciding site and the copies that must have an object before anybody is answered.
    #[must_use]
    pub fn new(deciding: Site, copies: Vec<Site>) -> Self {
        Self { deciding, copies }
    }

    /// The deciding site first, then the copies.
    pub fn iter(&self) -> impl Iterator<Item = &Site> {
        std::iter::once(&self.deciding).chain(&self.copies)
    }

    /// The required copies.
    #[must_use]
    pub fn copies(&self) -> &[Site] {
        &self.copies
    }

    /// The deciding site's objects.
    #[must_use]
    pub fn deciding(&self) -> &dyn Store {
        &*self.deciding.store
    }

    /// Creates an object on the deciding site, then on every copy.
    ///
    /// # Errors
    /// The deciding site's [`CreateError`] as its [`Fault`]; after the decision [`Fault::Poisoned`] if a copy failed, or
    /// [`Fault::Damaged`] if it has other bytes under that name.
    pub fn create(&self, name: &ObjectName, parts: &[Bytes]) -> Result<(), Fault> {
        self.prepare(name, parts.to_vec())?.publish(self)
    }

    /// Brings an object's bytes to the deciding site under no name yet; nobody sees it before it is published.
    ///
    /// # Errors
    /// As [`Store::prepare`](crate::ports::Store::prepare): nothing changed.
    pub fn prepare(&self, name: &ObjectName, parts: Vec<Bytes>) -> Result<PreparedObject, CreateError> {
        let deciding = self.deciding.store.prepare(name, &parts)?;
        Ok(PreparedObject { name: name.clone(), parts, deciding })
    }

    /// Creates an object whose bytes follow from others: finding the same bytes there already is success.
    ///
    /// # Errors
    /// [`Fault::Damaged`] if other bytes are there; else as [`Sites::create`].
    pub fn create_derived(&self, name: &ObjectName, parts: &[Bytes]) -> Result<(), Fault> {
        match create_or_same(&*self.deciding.store, name, parts) {
            Err(CreateError::Exists) => return Err(Damage::new(name, DamageKind::Digest).into()),
            outcome => outcome?,
        }
        self.create_copies(name, parts)
    }

    fn create_copies(&self, name: &ObjectName, parts: &[Bytes]) -> Result<(), Fault> {
        let mut outcome = Ok(());
        for copy in &self.copies {
            match create_or_same(&*copy.store, name, parts) {
                Ok(()) => {}
                Err(CreateError::Exists) => outcome = Err(damaged_copy(copy, name)),
                Err(error) => {
                    tracing::error!(site = copy.name, object = %name, %error, "a required copy was not written");
                    return Err(Fault::Poisoned);
                }
            }
        }
        outcome
    }

    /// Copies an object of the deciding site to every copy that has not got it.
    ///
    /// # Errors
    /// [`Fault::Damaged`] if a copy has an object of another length; else that of the copy, or [`Fault::Retry`] if a
    /// site cannot be read.
    pub fn complete(&self, name: &ObjectName) -> Result<(), Fault> {
        for site in &self.copies {
            match copy(&*self.deciding.store, &*site.store, name) {
                Err(CreateError::Exists) => return Err(damaged_copy(site, name)),
                outcome => outcome?,
            }
        }
        Ok(())
    }

    /// Begins a large object on every site.
    ///
    /// # Errors
    /// As [`Store::stage`].
    pub fn stage(&self, name: &ObjectName, head_len: usize) -> Result<SitesStaging, CreateError> {
        let stagings: Result<Vec<_>, _> = self.iter().map(|site| site.store.stage(name, head_len)).collect();
        Ok(SitesStaging { name: name.clone(), stagings: stagings? })
    }

    /// Reads from the first site that has the bytes.
    ///
    /// # Errors
    /// The deciding site's [`ReadError`] if no site has them.
    pub fn read(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes, ReadError> {
        let first = match self.deciding.store.read(name, range.clone()) {
            Ok(bytes) => return Ok(bytes),
            Err(error) => error,
        };
        let mut copies = self.copies.iter();
        copies.find_map(|copy| copy.store.read(name, range.clone()).ok()).ok_or(first)
    }

    /// Reads a whole object of at most `limit` bytes; `None` if there is none of that name on the deciding site.
    ///
    /// # Errors
    /// [`ReadError::Short`] if it is longer than `limit`; else as [`Sites::read`].
    pub fn read_whole(&self, name: &ObjectName, limit: u64) -> Result<Option<Bytes>, ReadError> {
        let Some(size) = self.deciding.store.size(name)? else { return Ok(None) };
        if size > limit {
            return Err(ReadError::Short { size });
        }
        self.read(name, 0..size).map(Some)
    }

    /// Deletes an orphan on every site.
    ///
    /// # Errors
    /// As [`Store::delete`].
    pub fn delete(&self, name: &ObjectName) -> Result<(), CreateError> {
        self.iter().try_for_each(|site| site.store.delete(name))
    }
}

/// An object whose bytes are at the deciding site, under no name yet.
pub struct PreparedObject {
    name: ObjectName,
    parts: Vec<Bytes>,
    deciding: Box<dyn Prepared>,
}

impl PreparedObject {
    /// Gives the object its name on the deciding site, then creates it on every copy.
    ///
    /// # Errors
    /// As [`Sites::create`].
    pub fn publish(self, sites: &Sites) -> Result<(), Fault> {
        self.deciding.publish()?;
        sites.create_copies(&self.name, &self.parts)
    }
}

/// An object being written on every site.
pub struct SitesStaging {
    name: ObjectName,
    stagings: Vec<Box<dyn Staging>>,
}

impl SitesStaging {
    /// The name that it will be published under.
    #[must_use]
    pub fn name(&self) -> &ObjectName {
        &self.name
    }

    /// Appends bytes on every site.
    ///
    /// # Errors
    /// As [`Staging::append`].
    pub fn append(&mut self, bytes: &Bytes) -> Result<(), CreateError> {
        self.stagings.iter_mut().try_for_each(|staging| staging.append(bytes.clone()))
    }

    /// Publishes on every site, the deciding one first.
    ///
    /// # Errors
    /// As [`Staging::publish`]; what was published before the error is an orphan, swept when the archive is next opened.
    pub fn publish(self, head: &Bytes) -> Result<(), CreateError> {
        self.stagings.into_iter().try_for_each(|staging| staging.publish(head.clone()))
    }
}

fn damaged_copy(site: &Site, name: &ObjectName) -> Fault {
    Damage::new(format!("{name} on the site {}", site.name), DamageKind::Digest).into()
}

/// Creates an object unless the very same bytes are there already.
fn create_or_same(store: &dyn Store, name: &ObjectName, parts: &[Bytes]) -> Result<(), CreateError> {
    match store.create(name, parts) {
        Err(CreateError::Exists) => match is_same(store, name, parts) {
            Ok(true) => Ok(()),
            Ok(false) => Err(CreateError::Exists),
            // What cannot be read now is not known to differ.
            Err(_) => Err(CreateError::Unreachable),
        },
        other => other,
    }
}

fn is_same(store: &dyn Store, name: &ObjectName, parts: &[Bytes]) -> Result<bool, ReadError> {
    let length = parts.iter().map(|part| part.len() as u64).sum();
    if store.size(name)? != Some(length) {
        return Ok(false);
    }
    let mut offset = 0;
    for part in parts {
        let end = offset + part.len() as u64;
        if store.read(name, offset..end)? != *part {
            return Ok(false);
        }
        offset = end;
    }
    Ok(true)
}

/// Copies one object from a site to another in pieces, unless it is there with its whole length.
fn copy(from: &dyn Store, to: &dyn Store, name: &ObjectName) -> Result<(), CreateError> {
    let size = from.size(name).ok().flatten().ok_or(CreateError::Unreachable)?;
    match to.size(name).map_err(|_| CreateError::Unreachable)? {
        Some(there) if there == size => return Ok(()),
        Some(_) => return Err(CreateError::Exists),
        None => {}
    }
    let mut staging = to.stage(name, 0)?;
    let mut offset = 0;
    while offset < size {
        let end = size.min(offset + STREAM_CHUNK_BYTES as u64);
        let bytes = from.read(name, offset..end).map_err(|_| CreateError::Unreachable)?;
        staging.append(bytes)?;
        offset = end;
    }
    staging.publish(Bytes::new())
}
