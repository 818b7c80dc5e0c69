//! The real adapters of the [`Store`](crate::ports::Store) port.
