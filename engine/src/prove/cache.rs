//! What proofs keep in memory between them: the last seals and commits that were read and checked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use cartulaire_formats::commit::Commit;
use cartulaire_formats::layout::{CommitNumber, SealNumber};

use super::seal::SealEvidence;
use crate::bounds::{PROOF_COMMITS_BYTES_MAX, PROOF_SEALS_BYTES_MAX};

/// What is kept between proofs.
pub(crate) struct ProofCache {
    pub(super) seals: Recent<SealNumber, SealEvidence>,
    pub(super) commits: Recent<CommitNumber, Commit>,
}

impl Default for ProofCache {
    fn default() -> Self {
        Self { seals: Recent::new(PROOF_SEALS_BYTES_MAX), commits: Recent::new(PROOF_COMMITS_BYTES_MAX) }
    }
}

/// The values used last, as many as weigh no more than a limit together; the very last one always.
pub(super) struct Recent<K, V> {
    weight_max: usize,
    kept: Mutex<VecDeque<(K, Arc<V>, usize)>>,
}

impl<K: PartialEq, V> Recent<K, V> {
    fn new(weight_max: usize) -> Self {
        Self { weight_max, kept: Mutex::default() }
    }

    /// The value of a key, made if it is not kept. Two threads may make one value at once; either is right.
    pub(super) fn of<E>(
        &self,
        key: K,
        make: impl FnOnce() -> Result<Option<(V, usize)>, E>,
    ) -> Result<Option<Arc<V>>, E> {
        if let Some(found) = self.take_up(&key) {
            return Ok(Some(found));
        }
        let Some((value, weight)) = make()? else { return Ok(None) };
        let value = Arc::new(value);
        self.keep(key, Arc::clone(&value), weight);
        Ok(Some(value))
    }

    fn take_up(&self, key: &K) -> Option<Arc<V>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let position = kept.iter().rposition(|(k, ..)| k == key)?;
        let entry = kept.remove(position)?;
        let value = Arc::clone(&entry.1);
        kept.push_back(entry);
        Some(value)
    }

    fn keep(&self, key: K, value: Arc<V>, weight: usize) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(k, ..)| *k != key);
        kept.push_back((key, value, weight));
        while kept.len() > 1 && kept.iter().map(|(.., weight)| weight).sum::<usize>() > self.weight_max {
            kept.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_gives_way() {
        let recent = Recent::new(10);
        let mut made = Vec::new();
        let mut ask = |key: u8, weight: usize| {
            let make = || {
                made.push(key);
                Ok::<_, ()>(Some((key, weight)))
            };
            assert_eq!(recent.of(key, make).map(|v| v.map(|v| *v)), Ok(Some(key)));
        };
        for (key, weight) in [(1, 5), (2, 5), (1, 5), (3, 5), (1, 5), (2, 5), (4, 99), (4, 99)] {
            ask(key, weight);
        }
        assert_eq!(made, [1, 2, 3, 2, 4]);
        assert_eq!(recent.of(9, || Ok::<_, ()>(None)), Ok(None));
    }
}
