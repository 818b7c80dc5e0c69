//! Every limit of the engine, with its reason.

/// Largest object, in bytes, that is kept in memory and stored inside its commit. Larger ones stream into a container of
/// their own: at this size one more file costs less than holding up everybody else's commit.
pub const INLINE_BYTES_MAX: usize = 1 << 20;

/// Most bytes of one deposit that go into its commit; what is beyond goes into containers of its own, however small, so
/// that a deposit of many files does not make a commit of any size.
pub const DEPOSIT_INLINE_BYTES_MAX: usize = 16 << 20;

/// Most bytes of objects in one commit: what one sequential write takes a few tens of milliseconds for, so that a lone
/// small deposit never waits long behind big ones.
pub const COMMIT_BYTES_MAX: usize = 16 << 20;

/// Most submissions in one commit; with [`DEPOSIT_FILES_MAX`] openings each at worst, a commit stays readable in memory.
pub const COMMIT_SUBMISSIONS_MAX: usize = 1024;

/// Submissions that may wait for the committer; beyond it callers are told to come back, so memory stays bounded.
pub const QUEUE_SUBMISSIONS_MAX: usize = 4096;

/// Most files of a deposit: one journal entry carries a commitment of 67 bytes for each, within 65,535 bytes.
pub const DEPOSIT_FILES_MAX: usize = 512;

/// Longest file name in bytes: what every file system takes.
pub const FILE_NAME_BYTES_MAX: usize = 255;

/// Longest title, transfer identifier or media type in bytes.
pub const TITLE_BYTES_MAX: usize = 2_000;
/// Longest transfer identifier in bytes; portals use at most a hundred.
pub const TRANSFER_BYTES_MAX: usize = 200;
/// Longest media type in bytes (RFC 6838 §4.2: two names of at most 127 characters).
pub const MEDIA_TYPE_BYTES_MAX: usize = 255;

/// Most descriptive metadata of a deposit, and their total length in bytes: the descriptor stays inline.
pub const METADATA_ENTRIES_MAX: usize = 256;
/// Longest name of a metadatum in bytes: a label, not a text.
pub const METADATA_NAME_BYTES_MAX: usize = 200;
/// See [`METADATA_ENTRIES_MAX`].
pub const METADATA_BYTES_MAX: usize = 64 << 10;

/// Bytes read or written at a time when streaming: large enough for the disk, small enough for many streams at once.
pub const STREAM_CHUNK_BYTES: usize = 256 << 10;

/// Largest commit container that is read back: its objects, and journal, openings and descriptors of the worst batch.
pub const COMMIT_CONTAINER_BYTES_MAX: u64 = 256 << 20;

/// Clock steps, in milliseconds, that are journaled as an anomaly: beyond what NTP corrects by slewing.
pub const CLOCK_STEP_MILLIS_MAX: i64 = 2_000;

/// The longest time without a seal, in milliseconds, even when idle (guide GA Z42-019: at least every 24 h), with a margin.
pub const IDLE_SEAL_MILLIS_MAX: i64 = 23 * 3_600 * 1_000;

/// Largest leaves object that is read back, in bytes: 64-byte leaves of all objects that the fastest disk takes in a minute.
pub const LEAVES_BYTES_MAX: u64 = 256 << 20;

/// How far, in seconds, a fresh token's time may be from the local clock: more than any network delay, less than what
/// would let somebody choose the time.
pub const TOKEN_WINDOW_SECONDS_MAX: i64 = 300;

/// How far, in seconds, the local clock may be ahead of the authority's: what NTP keeps even when it has lost its sources.
pub const TOKEN_CLOCK_AHEAD_SECONDS_MAX: i64 = 60;

/// Memory for the evidence trees of the seals that proofs used last, in bytes: a minute of busy seals.
pub const PROOF_SEALS_BYTES_MAX: usize = 16 << 20;

/// Memory for the journals and openings of the commits that proofs used last, in bytes.
pub const PROOF_COMMITS_BYTES_MAX: usize = 16 << 20;

/// Largest checkpoint that is read back, in bytes: a note with every witness's line is far smaller.
pub const CHECKPOINT_BYTES_MAX: u64 = 64 << 10;
