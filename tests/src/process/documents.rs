//! What is deposited: documents that follow from the name of the transfer alone, so that whoever checks afterwards needs
//! no copy of them.

use cartulaire_engine::ports::Entropy as _;
use cartulaire_formats::hash::Sha256Digest;

use crate::sim::{Dice, SimEntropy};

/// The files of a transfer, name and content.
///
/// Of a hundred transfers about seventy have some KiB, twenty have 64 KiB, three are beyond 1 MiB and so get a container
/// of their own, and seven share an annex with all others, which is stored once. One whose name begins with `LARGE` is
/// beyond 1 MiB.
#[must_use]
pub fn of(transfer: &str) -> Vec<(String, Vec<u8>)> {
    let seed = seed(transfer);
    let mut dice = Dice::new(seed);
    let small = 1 + dice.below(8 << 10) as usize;
    let kind = if transfer.starts_with("LARGE") { 90 } else { dice.below(100) };
    match kind {
        0..70 => vec![("acte.pdf".into(), bytes(seed, small))],
        70..90 => vec![("marche.pdf".into(), bytes(seed, 64 << 10))],
        90..93 => vec![("plan.tif".into(), bytes(seed, (1 << 20) + (64 << 10) + small))],
        _ => vec![("acte.pdf".into(), bytes(seed, small)), ("annexe.pdf".into(), bytes(7, 20_000))],
    }
}

fn seed(transfer: &str) -> u64 {
    let digest = Sha256Digest::of(transfer.as_bytes());
    u64::from_be_bytes(digest.0[..8].try_into().expect("eight of 32 bytes"))
}

fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    SimEntropy::new(seed).fill(&mut bytes);
    bytes
}
