//! Documents that do not compress and never repeat, at no cost to what is measured.

use std::sync::atomic::{AtomicU64, Ordering};

/// A source of distinct documents of one size, shared by all depositors.
pub struct Payloads {
    base: Vec<u8>,
    next: AtomicU64,
}

/// Bytes at the front that make each document unlike the others.
const STAMP: usize = 8;

impl Payloads {
    /// - `size`: bytes of each document, at least 8.
    pub fn new(size: usize) -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut word = || {
            // Xorshift64: noise enough that no layer below can compress it.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        };
        let base = std::iter::repeat_with(&mut word).flatten().take(size).collect();
        Self { base, next: AtomicU64::new(0) }
    }

    /// A document: its stamp, then the rest of it.
    pub fn next(&self) -> ([u8; STAMP], &[u8]) {
        (self.next.fetch_add(1, Ordering::Relaxed).to_le_bytes(), &self.base[STAMP..])
    }

    /// Bytes of each document.
    pub fn size(&self) -> usize {
        self.base.len()
    }
}
