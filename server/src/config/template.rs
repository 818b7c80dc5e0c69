//! The file that `cartulaire init` writes.

/// The commented file with its defaults.
///
/// - `origin`: the log's name; the caller has checked that it is one.
#[must_use]
pub fn template(origin: &str) -> String {
    include_str!("template.toml").replace("@ORIGIN@", origin)
}
