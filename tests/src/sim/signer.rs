//! A signing key that tests know.

use cartulaire_engine::ports::{SignError, Signer};
use ed25519_dalek::{Signer as _, SigningKey};
use std::sync::atomic::{AtomicBool, Ordering};

/// [`Signer`] with a real Ed25519 key derived from a fixed seed, which can be taken away and given back.
#[derive(Debug)]
pub struct SimSigner {
    name: String,
    key: SigningKey,
    present: AtomicBool,
}

impl SimSigner {
    /// A key named `name`; the same seed gives the same key.
    #[must_use]
    pub fn new(name: &str, seed: [u8; 32]) -> Self {
        Self { name: name.to_owned(), key: SigningKey::from_bytes(&seed), present: AtomicBool::new(true) }
    }

    /// Takes the key away (`false`), as a hardware module that is unplugged, or gives it back (`true`).
    pub fn set_present(&self, present: bool) {
        self.present.store(present, Ordering::SeqCst);
    }
}

impl Signer for SimSigner {
    fn name(&self) -> &str {
        &self.name
    }

    fn public_key(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        if self.present.load(Ordering::SeqCst) { Ok(self.key.sign(message).to_bytes()) } else { Err(SignError) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use super::*;

    #[test]
    fn it_signs_as_rfc_8032_says_and_only_while_present() {
        // RFC 8032 §7.1, TEST 1: the secret key, public key and signature of the empty message.
        let seed = bytes("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let public = bytes("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        let signature = bytes(
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        );
        let signer = SimSigner::new("example.org/log", seed);
        assert_eq!((signer.name(), signer.public_key()), ("example.org/log", public));
        assert_eq!(signer.sign(b""), Ok(signature));
        signer.set_present(false);
        assert_eq!(signer.sign(b""), Err(SignError));
    }

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        std::array::from_fn(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
    }
}
