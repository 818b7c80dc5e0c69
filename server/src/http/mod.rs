//! The native HTTP API under `/v1`: the eight functions of NF Z42-020, receipts, proofs, the log, administration.
//!
//! A request goes [`serve()`](serve::serve) → [`watch`] (identifier, log, metrics) → [`router`] → [`caller`] (who, and
//! may they) → one handler → the engine. Every authenticated call journals exactly one entry before its result is given
//! out; a deposit's is the deposit itself.
//!
//! Only this module knows HTTP and the JSON on the wire. Nothing here decides what is true or admissible: the engine
//! does. Engine calls that may touch the disk run on threads that may block.

pub mod administration;
pub mod archives;
pub mod body;
pub mod caller;
pub mod deposit;
pub mod files;
pub mod intake;
pub mod journal;
pub mod limits;
pub mod log;
pub mod metrics;
pub mod multipart;
pub mod operations;
pub mod problem;
pub mod proofs;
mod refusal;
pub mod router;
pub mod serve;
pub mod state;
pub mod structured;
pub mod watch;

pub use limits::Limits;
pub use router::{openapi, router};
pub use serve::{Listener, TlsConfig, serve};
pub use state::{AppState, Options};
