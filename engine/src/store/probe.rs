//! Whether a site keeps the promise that every commit stands on: of several creations of one name, one succeeds.
//!
//! Asked at start of every bucket that is to decide. Some S3 servers answer 200 to a conditional write and ignore the
//! condition (Garage 2.5); such a store may hold copies but never decides, because two writers could both believe
//! that they made the same commit.
//!
//! A probe that is passed proves no more than that the server kept the promise this time. It is a check of the
//! configuration, not of the server's code.

use std::sync::Barrier;
use std::thread;

use bytes::Bytes;
use cartulaire_formats::layout::{self, ObjectName};

use super::bounds::CANARY_CREATORS;
use crate::ports::{CreateError, Entropy, ReadError, Store};

/// Why a site must not decide commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The canary could not be created at all.
    #[error("a test object could not be created: {0}")]
    NotWritable(#[source] CreateError),
    /// A second creation of the same name was reported as done.
    #[error(
        "the store answers a conditional write with success and ignores the condition: two writers could make the same \
         commit. It may hold copies; choose another site to decide"
    )]
    IgnoresCondition,
    /// The second creation was refused, and replaced the object all the same.
    #[error("the store refuses a conditional write and carries it out all the same")]
    ReplacesAnyway,
    /// Of several creations at the same time not exactly one succeeded.
    #[error("of {CANARY_CREATORS} creations of one name at the same time, {winners} were reported as successful")]
    NotOneWinner {
        /// How many were.
        winners: usize,
    },
    /// A creation that should have been refused gave no clear answer.
    #[error("a creation that should have been refused gave no clear answer: {0}")]
    NoClearAnswer(#[source] CreateError),
    /// What was just created could not be read.
    #[error("a test object that was just created could not be read: {0}")]
    NotReadable(#[source] ReadError),
}

/// Probes create-if-absent with two canaries of random names, and deletes them.
///
/// - `store`: a site that nobody relies on yet; its other objects are not touched.
/// - Cost: about a dozen requests.
///
/// # Errors
/// See [`ProbeError`]: the site must not decide commits. Canaries may stay behind; they are no harm.
pub fn probe(store: &dyn Store, entropy: &dyn Entropy) -> Result<(), ProbeError> {
    let canaries = [canary(entropy), canary(entropy)];
    let verdict = in_turn(store, &canaries[0]).and_then(|()| at_once(store, &canaries[1]));
    for canary in &canaries {
        // A store that does not delete, because it locks, is no liar.
        _ = store.delete(canary);
    }
    verdict
}

fn canary(entropy: &dyn Entropy) -> ObjectName {
    let mut id = [0; 16];
    entropy.fill(&mut id);
    layout::canary(&hex::encode(id))
}

fn in_turn(store: &dyn Store, name: &ObjectName) -> Result<(), ProbeError> {
    const FIRST: &[u8] = b"the first";
    store.create(name, &[Bytes::from_static(FIRST)]).map_err(ProbeError::NotWritable)?;
    match store.create(name, &[Bytes::from_static(b"another")]) {
        Err(CreateError::Exists) => {}
        Ok(()) => return Err(ProbeError::IgnoresCondition),
        Err(error) => return Err(ProbeError::NoClearAnswer(error)),
    }
    match store.read(name, 0..FIRST.len() as u64) {
        Ok(bytes) if bytes == FIRST => Ok(()),
        Ok(_) | Err(ReadError::Short { .. }) => Err(ProbeError::ReplacesAnyway),
        Err(error) => Err(ProbeError::NotReadable(error)),
    }
}

fn at_once(store: &dyn Store, name: &ObjectName) -> Result<(), ProbeError> {
    let start = Barrier::new(CANARY_CREATORS);
    let create = |creator: usize| {
        // Different bytes, so that an answer that was lost and settled by reading back has one owner.
        let bytes = Bytes::from(format!("creator {creator}"));
        start.wait();
        store.create(name, &[bytes])
    };
    let outcomes: Vec<_> = thread::scope(|scope| {
        let create = &create;
        let creators: Vec<_> = (0..CANARY_CREATORS).map(|i| scope.spawn(move || create(i))).collect();
        creators.into_iter().map(|c| c.join().expect("creating does not panic")).collect()
    });
    let winners = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let unclear = outcomes.iter().find_map(|o| o.err().filter(|e| *e != CreateError::Exists));
    match (winners, unclear) {
        (1, None) => Ok(()),
        (0 | 1, Some(error)) => Err(ProbeError::NoClearAnswer(error)),
        (winners, _) => Err(ProbeError::NotOneWinner { winners }),
    }
}
