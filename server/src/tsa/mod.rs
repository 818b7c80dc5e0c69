//! Adapters of the engine's [`TimeStampAuthority`](cartulaire_engine::ports::TimeStampAuthority) port: any RFC 3161
//! authority over HTTP, and the embedded development authority.
//!
//! They carry bytes; whether an answer is worth anything is judged by the engine, with every check, whoever gave it.

mod development;
mod http;

pub use cartulaire_formats::bundle::DEVELOPMENT_POLICY;
pub use development::{DevelopmentAuthority, DevelopmentError, ROOT_CERTIFICATE};
pub use http::{HttpAuthority, HttpAuthorityError};
