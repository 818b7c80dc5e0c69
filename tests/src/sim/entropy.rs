//! Randomness that a seed repeats.

use std::sync::{Mutex, PoisonError};

use cartulaire_engine::ports::Entropy;

/// A stream of numbers wholly determined by its seed (SplitMix64): for choosing faults, not for secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dice(u64);

impl Dice {
    /// The stream of that seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `bound` - 1; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The bias of the remainder is immaterial for bounds far under 2^64.
        self.roll().checked_rem(bound).unwrap_or(0)
    }
}

/// [`Entropy`] that a seed repeats: one seed, one sequence of blinds and identifiers.
#[derive(Debug)]
pub struct SimEntropy(Mutex<Dice>);

impl SimEntropy {
    /// The sequence of that seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(Dice::new(seed)))
    }
}

impl Entropy for SimEntropy {
    fn fill(&self, out: &mut [u8]) {
        let mut dice = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in out.chunks_mut(8) {
            chunk.copy_from_slice(&dice.roll().to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dice_are_splitmix64() {
        // The reference generator's first outputs for seed 1234567, as published with its C source.
        let mut dice = Dice::new(1_234_567);
        let rolls = [dice.roll(), dice.roll(), dice.roll()];
        assert_eq!(rolls, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn a_seed_repeats_its_bytes() {
        let bytes = |seed, lengths: &[usize]| -> Vec<u8> {
            let entropy = SimEntropy::new(seed);
            let mut all = Vec::new();
            for length in lengths {
                let mut out = vec![0; *length];
                entropy.fill(&mut out);
                all.extend(out);
            }
            all
        };
        assert_eq!(bytes(7, &[32, 5]), bytes(7, &[32, 5]));
        assert_ne!(bytes(7, &[32]), bytes(8, &[32]));
        let twice = bytes(7, &[32, 32]);
        assert_ne!(twice[..32], twice[32..]);
    }
}
