//! Proving.
