//! The tag files of a BagIt bag (RFC 8493), written once the payload has gone by.

use std::fmt::Write as _;

use cartulaire_formats::bundle;
use cartulaire_formats::hash::{Sha256Digest, Sha512Digest};

/// What the manifests say of the payload so far.
#[derive(Default)]
pub(super) struct Manifests {
    sha256: String,
    sha512: String,
}

impl Manifests {
    pub(super) fn add(&mut self, path: &str, sha256: &Sha256Digest, sha512: &Sha512Digest) {
        let path = bundle::manifest_path(path);
        writeln!(self.sha256, "{sha256}  {path}").expect("a String takes all");
        writeln!(self.sha512, "{sha512}  {path}").expect("a String takes all");
    }

    /// The tag files that come after the payload, in order.
    ///
    /// - `bag_info`: as written before the payload.
    pub(super) fn finish(self, bag_info: &str) -> [(&'static str, String); 3] {
        let tags = [
            (bundle::BAGIT, bundle::BAGIT_TEXT),
            (bundle::BAG_INFO, bag_info),
            (bundle::MANIFEST_SHA256, &self.sha256),
            (bundle::MANIFEST_SHA512, &self.sha512),
        ];
        let mut tag_manifest = String::new();
        for (path, text) in tags {
            let digest = Sha256Digest::of(text.as_bytes());
            writeln!(tag_manifest, "{digest}  {path}").expect("a String takes all");
        }
        [
            (bundle::MANIFEST_SHA256, self.sha256),
            (bundle::MANIFEST_SHA512, self.sha512),
            (bundle::TAG_MANIFEST_SHA256, tag_manifest),
        ]
    }
}
