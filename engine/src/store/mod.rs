//! The real adapters of the [`Store`](crate::ports::Store) port: a directory and a bucket.
//!
//! They know objects by name and nothing of what is in them. Which sites there are, which of them decides and what is
//! done when one is away is decided by the engine, not here.

mod bounds;
mod local;
mod object;
mod probe;

pub use local::{LocalStore, OpenError};
pub use object::{BucketConfig, BucketError, ObjectLock, ObjectStoreSite};
pub use probe::{ProbeError, probe};
