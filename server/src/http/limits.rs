//! Every limit of the HTTP doors, with its reason.

use std::time::Duration;

/// What one caller may cost. The defaults suit one machine; an operator behind slow lines lengthens the times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; further ones wait in the kernel's queue. Each may hold [`Self::header_bytes_max`] of buffer.
    pub connections_max: usize,
    /// Header fields of a request; browsers and portals send fewer than 40.
    pub headers_max: usize,
    /// Bytes of a request's head, all fields together; the same buffer is what HTTP/1 reads bodies with.
    pub header_bytes_max: usize,
    /// Time to send a request's head, and to be idle between requests; slower is an attack or a dead peer.
    pub header_read: Duration,
    /// Time to complete a TLS handshake.
    pub handshake: Duration,
    /// Silence within a body, or of a reader of an answer, after which the connection is given up.
    pub idle: Duration,
    /// Bytes a second that a body must bring on average once [`Self::rate_grace`] has gone by: a modem's speed.
    pub body_rate_min: u64,
    /// Time that a body has before its rate counts.
    pub rate_grace: Duration,
    /// Bytes of a deposit's body: what no present flow exceeds, and what still fits a tar member and a site.
    pub body_bytes_max: u64,
    /// Bytes of a deposit's description: it is parsed in memory, and becomes an object of the archive.
    pub description_bytes_max: usize,
    /// Bytes of an administrative request's JSON.
    pub json_bytes_max: usize,
    /// Parts of a multipart body: the description, and as many files as an archive may have.
    pub parts_max: usize,
    /// Bytes of one part's header fields.
    pub part_header_bytes_max: usize,
    /// Deposits in flight; further ones wait up to [`Self::turn`]. Each may hold two pieces of
    /// [`BODY_PIECE_BYTES`] besides what it keeps inline.
    pub deposits_max: usize,
    /// Bytes of small bodies kept in memory, all deposits together; what finds no room streams to a container.
    pub inline_bytes_max: usize,
    /// Bundles being written at once: each holds a thread for as long as its client reads.
    pub bundles_max: usize,
    /// Time that a deposit or a bundle waits for its turn before its client is told to come back.
    pub turn: Duration,
    /// Longest `Prefer: wait`; a proof takes about two seconds, and proxies cut silence after sixty.
    pub wait_max: Duration,
    /// Time that requests in flight have to finish when the service stops.
    pub shutdown: Duration,
    /// Archives or entries on one page of a list.
    pub page_max: usize,
    /// Archives or entries on a page whose length was not asked for.
    pub page_default: usize,
}

/// Bytes of a body that are hashed and written at a time, so that no thread of the executor is held for long.
pub const BODY_PIECE_BYTES: usize = 128 << 10;

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 512,
            headers_max: 100,
            header_bytes_max: 128 << 10,
            header_read: Duration::from_secs(10),
            handshake: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            body_rate_min: 1 << 10,
            rate_grace: Duration::from_secs(10),
            body_bytes_max: 64 << 30,
            description_bytes_max: 1 << 20,
            json_bytes_max: 16 << 10,
            parts_max: 1 + cartulaire_engine::bounds::DEPOSIT_FILES_MAX,
            part_header_bytes_max: 8 << 10,
            deposits_max: 128,
            inline_bytes_max: 32 << 20,
            bundles_max: 32,
            turn: Duration::from_secs(5),
            wait_max: Duration::from_secs(30),
            shutdown: Duration::from_secs(30),
            page_max: 1_000,
            page_default: 100,
        }
    }
}

const _: () = {
    // Deposits in flight stay within 64 MiB: inline bodies, and two pieces each on their way.
    let pieces = 128 * 2 * BODY_PIECE_BYTES;
    assert!(pieces + (32 << 20) <= 64 << 20);
};
