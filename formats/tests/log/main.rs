//! Notes, checkpoints and tlog-proofs: the worked example, the crate `signed_note`, openssl, and every refusal.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod checkpoint;
mod note;
mod tlog_proof;

use cartulaire_formats::note::*;
use ed25519_dalek::{Signer, SigningKey};

/// The worked example: three entries, the log's seed 01×32, the witness's seed 02×32, time 1793000000.
pub(crate) const EXAMPLE: &str = "archives.example/sae1\n3\nw9rvk04cp3mBKEavSrdZJhlKlB1q+B7YCDBqSQD2qsI=\n\n\
    — archives.example/sae1 4994lXHX9ZongB/Ny1BLJnXBQSaKhlkY44sSu+SPXS6f+U7Fx8mW0n+v9DlORnMFrn6n/QPiKcoG0JN8aFBM9ahHEwo=\n\
    — voisine.example/temoin1 0n6FxQAAAABq3wJADwlok2Y9MDqzeaWh3Vg+XoqbyF2oHwnHpTuiBuLHd3PfxKIHaLax5PYyn2e6P4lXTqglZoCJG6WaWncOGR4VBA==\n";
pub(crate) const LOG_VKEY: &str = "archives.example/sae1+e3df7895+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";
pub(crate) const WITNESS_VKEY: &str = "voisine.example/temoin1+d27e85c5+BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU";
pub(crate) const TIME: u64 = 1_793_000_000;

pub(crate) fn key(name: &str, kind: KeyKind, seed: u8) -> VerifierKey {
    let public = SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes();
    VerifierKey::new(KeyName::new(name).unwrap(), kind, &public).unwrap()
}

pub(crate) fn log_key() -> VerifierKey {
    key("archives.example/sae1", KeyKind::Ed25519, 1)
}

pub(crate) fn witness_key() -> VerifierKey {
    key("voisine.example/temoin1", KeyKind::CosignatureV1, 2)
}

/// Signs as the holder of the key made from `seed`.
pub(crate) fn signer(seed: u8) -> impl FnOnce(&[u8]) -> [u8; 64] {
    move |message| SigningKey::from_bytes(&[seed; 32]).sign(message).to_bytes()
}
