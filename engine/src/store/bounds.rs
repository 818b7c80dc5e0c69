//! Every limit of the adapters, with its reason.

/// Folders kept open for writing. The engine writes to a handful at a time (the current commit folder, tiles, seals,
/// the day's direct containers); more would only hold file descriptors.
pub(super) const FOLDERS_OPEN_MAX: usize = 64;

/// Bytes appended to a staging after which the kernel is asked to begin writing them out: enough for the disk to work
/// at its full rate, little enough that publishing finds next to nothing left to write.
pub(super) const WRITEBACK_STEP: u64 = 8 << 20;
