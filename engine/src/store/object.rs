//! A bucket as a site, through `object_store`.
//!
//! Creating an object is one conditional PUT (`If-None-Match: *`), or for a large one a multipart upload whose completion
//! carries the condition. Requests that decide are never repeated by the client library: a repetition whose first
//! try arrived would be told "exists" about its own object. They are repeated here, where a refusal after a try in
//! doubt is settled by reading back: the object with our bytes is ours.
//!
//! Two writers that create one name with the same bytes may thus both be told that they did, if the first answer to one
//! of them was lost. That is harmless: the object is what both say, and the next name that they differ in has one winner.
//!
//! The adapter has its own small runtime, so that callers may be on any thread, a runtime's included.

mod bucket;
mod errors;
mod run;
mod staging;
mod write;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cartulaire_formats::layout::ObjectName;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutPayload};

pub use self::bucket::{BucketConfig, BucketError, ObjectLock};
use self::errors::{Outcome, read_error};
use self::run::Executor;
use self::staging::BucketStaging;
use self::write::Write;
use super::bounds::CREATE_PAUSES;
use crate::ports::{Child, CreateError, Prepared, ReadError, Staging, Store};

/// A bucket, or any other store of the crate `object_store`, as a site: see [`Store`] for what it promises.
///
/// It keeps the promise of create-if-absent only if the server does: probe it before trusting it
/// ([`probe`](super::probe)).
#[derive(Debug, Clone)]
pub struct ObjectStoreSite(Arc<Site>);

/// What a store of the crate `object_store` must offer.
trait Backend: ObjectStore + MultipartStore {}

impl<T: ObjectStore + MultipartStore> Backend for T {}

#[derive(Debug)]
struct Site {
    /// Sends each request once: for those that decide.
    once: Arc<dyn Backend>,
    /// Repeats requests that are harmless to repeat.
    patient: Arc<dyn Backend>,
    prefix: String,
    pauses: [Duration; CREATE_PAUSES.len()],
    executor: Executor,
    bucket: Option<bucket::Bucket>,
}

impl ObjectStoreSite {
    /// A site in the memory of this process, for tests and trials.
    #[must_use]
    pub fn in_memory() -> Self {
        let memory = Arc::new(object_store::memory::InMemory::new());
        Self(Arc::new(Site {
            once: memory.clone(),
            patient: memory,
            prefix: String::new(),
            pauses: CREATE_PAUSES,
            executor: Executor::new(),
            bucket: None,
        }))
    }

    /// A site in an S3-compatible bucket. Nothing is asked of the server yet.
    ///
    /// # Errors
    /// [`BucketError`]: the configuration cannot be right.
    pub fn bucket(config: &BucketConfig) -> Result<Self, BucketError> {
        config.check_endpoint()?;
        let (once, patient) = (config.client(false)?, config.client(true)?);
        Ok(Self(Arc::new(Site {
            once,
            patient: patient.clone(),
            prefix: config.prefix_folder()?,
            pauses: CREATE_PAUSES,
            executor: Executor::new(),
            bucket: Some(bucket::Bucket::new(config, patient)?),
        })))
    }

    /// Whether the bucket says that it locks objects.
    ///
    /// What it says binds nobody: some servers accept locks and ignore them.
    #[must_use]
    pub fn object_lock(&self) -> ObjectLock {
        let site = self.0.clone();
        self.0.executor.run(async move {
            match &site.bucket {
                Some(bucket) => bucket.object_lock().await,
                None => ObjectLock::Unsupported,
            }
        })
    }
}

impl Site {
    fn path(&self, name: &str) -> Path {
        Path::from(format!("{}{name}", self.prefix))
    }

    async fn size(&self, path: &Path) -> Result<Option<u64>, ReadError> {
        match self.patient.head(path).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(read_error(&error)),
        }
    }

    async fn read(&self, path: &Path, range: Range<u64>) -> Result<Bytes, ReadError> {
        if range.is_empty() {
            return self.sound_range(path, &range).await.map(|()| Bytes::new());
        }
        // Servers read the header's numbers as signed; no object reaches there.
        let asked = range.start..range.end.min(i64::MAX as u64);
        let options = GetOptions { range: Some(GetRange::Bounded(asked)), ..GetOptions::default() };
        let answer = match self.patient.get_opts(path, options).await {
            Ok(answer) => answer,
            Err(object_store::Error::NotFound { .. }) => return Err(ReadError::Missing),
            Err(error) => {
                // A range that begins after the end is an error of its own to every server, each in its words.
                self.sound_range(path, &range).await?;
                return Err(read_error(&error));
            }
        };
        if answer.meta.size < range.end {
            return Err(ReadError::Short { size: answer.meta.size });
        }
        let bytes = answer.bytes().await.map_err(|error| read_error(&error))?;
        if bytes.len() as u64 == range.end - range.start { Ok(bytes) } else { Err(ReadError::Failed) }
    }

    async fn sound_range(&self, path: &Path, range: &Range<u64>) -> Result<(), ReadError> {
        let size = self.size(path).await?.ok_or(ReadError::Missing)?;
        if range.end > size { Err(ReadError::Short { size }) } else { Ok(()) }
    }

    async fn children(&self, folder: &str) -> Result<Vec<Child>, ReadError> {
        let prefix = self.path(folder);
        let prefix = (!prefix.as_ref().is_empty()).then_some(&prefix);
        let listed = self.patient.list_with_delimiter(prefix).await.map_err(|error| read_error(&error))?;
        let name = |path: &Path| path.as_ref().strip_prefix(&self.prefix)?.parse::<ObjectName>().ok();
        let folders = listed.common_prefixes.iter().filter_map(|p| Some(Child::Folder(name(p)?.to_string())));
        let objects = listed.objects.iter().filter_map(|o| Some(Child::Object(name(&o.location)?, o.size)));
        let mut children: Vec<_> = folders.chain(objects).collect();
        children.sort_unstable_by(|a, b| a.path().cmp(b.path()));
        Ok(children)
    }

    async fn delete(&self, path: &Path) -> Result<(), CreateError> {
        match self.once.delete(path).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            answer => match Outcome::of(answer) {
                Outcome::Done => Ok(()),
                Outcome::NotSent | Outcome::Refused(_) => Err(CreateError::Unreachable),
                Outcome::InDoubt | Outcome::Taken => Err(CreateError::Unknown),
            },
        }
    }
}

impl Store for ObjectStoreSite {
    /// A bucket has no place for bytes without a name: they wait in memory for [`Prepared::publish`].
    fn prepare(&self, name: &ObjectName, parts: &[Bytes]) -> Result<Box<dyn Prepared>, CreateError> {
        let payload = parts.iter().filter(|part| !part.is_empty()).cloned().collect();
        Ok(Box::new(BucketPrepared { site: self.0.clone(), path: self.0.path(name.as_str()), payload }))
    }

    fn stage(&self, name: &ObjectName, head_len: usize) -> Result<Box<dyn Staging>, CreateError> {
        Ok(Box::new(BucketStaging::new(self.0.clone(), self.0.path(name.as_str()), head_len)))
    }

    fn read(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes, ReadError> {
        let (site, path) = (self.0.clone(), self.0.path(name.as_str()));
        self.0.executor.run(async move { site.read(&path, range).await })
    }

    fn size(&self, name: &ObjectName) -> Result<Option<u64>, ReadError> {
        let (site, path) = (self.0.clone(), self.0.path(name.as_str()));
        self.0.executor.run(async move { site.size(&path).await })
    }

    fn children(&self, folder: &str) -> Result<Vec<Child>, ReadError> {
        if !folder.is_empty() && folder.parse::<ObjectName>().is_err() {
            return Ok(Vec::new());
        }
        let (site, folder) = (self.0.clone(), folder.to_owned());
        self.0.executor.run(async move { site.children(&folder).await })
    }

    fn delete(&self, name: &ObjectName) -> Result<(), CreateError> {
        let (site, path) = (self.0.clone(), self.0.path(name.as_str()));
        self.0.executor.run(async move { site.delete(&path).await })
    }
}

struct BucketPrepared {
    site: Arc<Site>,
    path: Path,
    payload: PutPayload,
}

impl Prepared for BucketPrepared {
    fn publish(self: Box<Self>) -> Result<(), CreateError> {
        let Self { site, path, payload } = *self;
        let running = site.clone();
        site.executor.run(async move { Write::put(path, payload).settle(&running).await })
    }
}
