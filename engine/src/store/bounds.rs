//! Every limit of the adapters, with its reason.

use std::time::Duration;

/// Folders kept open for writing. The engine writes to a handful at a time (the current commit folder, tiles, seals,
/// the day's direct containers); more would only hold file descriptors.
pub(super) const FOLDERS_OPEN_MAX: usize = 64;

/// Bytes appended to a staging after which the kernel is asked to begin writing them out: enough for the disk to work
/// at its full rate, little enough that publishing finds next to nothing left to write.
pub(super) const WRITEBACK_STEP: u64 = 8 << 20;

/// Bytes of one part of a large object on its way to a bucket: above the 5 MiB that S3 asks for, the same for every part
/// but the last as some servers ask for. Two parts at most are in memory for each staging.
pub(super) const PART_LEN: usize = 8 << 20;

/// Parts that S3 takes for one object; with [`PART_LEN`], 78 GiB.
pub(super) const PARTS_MAX: usize = 10_000;

/// Pauses before each try to write to a bucket. Four tries outlast a server's restart behind a balancer; a longer
/// outage is the engine's to wait for.
pub(super) const CREATE_PAUSES: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(100), Duration::from_millis(500), Duration::from_secs(2)];

/// Time for a bucket to accept a connection.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Time for one request to a bucket, bodies included: a part at 80 KiB a second still passes.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(100);

/// Time spent on repeating a request that is harmless to repeat.
pub(super) const RETRY_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes compared at a time when an object is read back to see whose it is.
pub(super) const COMPARE_LEN: u64 = 8 << 20;

/// Threads that race to create the second canary: enough that a server that checks before it writes, but not in one
/// step, is caught.
pub(super) const CANARY_CREATORS: usize = 4;

const _: () = {
    assert!(crate::ports::HEAD_LEN_MAX < PART_LEN, "the head goes into the first part");
    assert!(PART_LEN >= 5 << 20, "S3 refuses smaller parts");
};
