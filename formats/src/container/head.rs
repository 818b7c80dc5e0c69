//! Heads of members: the writer's half, and what the reader compares with.

use std::fmt;

use super::{BLOCK, STREAMED_HEAD};
use crate::bounds::{MEMBER_NAME_BYTES_MAX, MEMBER_SIZE_MAX, USTAR_SIZE_LIMIT};
use crate::time::Timestamp;

/// A name that no member may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name is empty.
    #[error("a member's name is not empty")]
    Empty,
    /// The name has more than 100 bytes.
    #[error("a member's name has at most {MEMBER_NAME_BYTES_MAX} bytes, found {bytes}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A character other than ASCII letters, digits and `-._/`.
    #[error("a member's name has only ASCII letters, digits and -._/: byte {position} of the name")]
    Character {
        /// Byte offset in the name.
        position: usize,
    },
    /// The name begins with `/`.
    #[error("a member's name is relative")]
    Absolute,
    /// An element of the path is empty, `.` or `..`.
    #[error("an element of a member's name is empty, `.` or `..`")]
    Element,
}

/// Name of a member: a relative path of ASCII letters, digits and `-._/`, at most 100 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberName<'a>(&'a str);

impl<'a> MemberName<'a> {
    /// Checks a name.
    ///
    /// # Errors
    /// One variant of [`NameError`] for each rule.
    pub fn new(name: &'a str) -> Result<Self, NameError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._/".contains(&b);
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > MEMBER_NAME_BYTES_MAX {
            return Err(NameError::TooLong { bytes: name.len() });
        }
        if let Some(position) = name.bytes().position(|b| !allowed(b)) {
            return Err(NameError::Character { position });
        }
        if name.starts_with('/') {
            return Err(NameError::Absolute);
        }
        if name.split('/').any(|element| matches!(element, "" | "." | "..")) {
            return Err(NameError::Element);
        }
        Ok(Self(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

impl fmt::Display for MemberName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A head that cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// The name breaks a rule.
    #[error(transparent)]
    Name(#[from] NameError),
    /// 8 GiB or more in a plain head, or more than any member may have.
    #[error("a member of {size} bytes does not fit this head")]
    Size {
        /// The size.
        size: u64,
    },
    /// After the year 2242, which eleven octal digits cannot say.
    #[error("modification time {mtime} does not fit eleven octal digits")]
    Mtime {
        /// The time, in seconds since the Unix epoch.
        mtime: u64,
    },
}

/// The modification time that members made at `time` bear: its second since the Unix epoch, or the last second that an
/// ustar head can write (2242-03-16T12:56:31Z) if that is earlier. Entries and trailers bear the time itself.
#[must_use]
pub fn mtime(time: Timestamp) -> u64 {
    u64::try_from(time.unix_seconds()).map_or(0, |seconds| seconds.min(OCTAL_11_MAX))
}

/// Largest value of an ustar number field of eleven octal digits.
const OCTAL_11_MAX: u64 = (1 << 33) - 1;

/// Type flag of a regular file.
pub(super) const REGULAR: u8 = b'0';

/// Type flag of a pax extended header for the next member.
pub(super) const EXTENDED: u8 = b'x';

/// Name of every pax extended header; readers show the member's own name instead.
pub(super) const EXTENDED_NAME: &str = "PaxHeaders/member";

/// The ustar header of a member of less than 8 GiB.
///
/// - `name`: see [`MemberName`]. `size`: bytes of data that follow. `mtime`: seconds since the Unix epoch.
///
/// # Errors
/// All of [`HeadError`].
///
/// # Standard
/// POSIX.1-2001 pax, "ustar Interchange Format".
pub fn member_head(name: &str, size: u64, mtime: u64) -> Result<[u8; BLOCK], HeadError> {
    if size >= USTAR_SIZE_LIMIT {
        return Err(HeadError::Size { size });
    }
    block(MemberName::new(name)?.as_str(), size, mtime, REGULAR)
}

/// The head of a member of any size, whose length never depends on that size.
///
/// So a writer may leave room for it, stream the data, and fill the head in afterwards.
/// - `name`, `size`, `mtime`: as for [`member_head`], `size` up to 2^62.
///
/// # Errors
/// All of [`HeadError`].
///
/// # Standard
/// POSIX.1-2001 pax, "pax Header Block" and "pax Extended Header", keyword `size`.
pub fn streamed_head(name: &str, size: u64, mtime: u64) -> Result<[u8; STREAMED_HEAD], HeadError> {
    if size > MEMBER_SIZE_MAX {
        return Err(HeadError::Size { size });
    }
    let record = size_record(size);
    // The record rules; readers that know no pax records still read members below 8 GiB by the plain field.
    let plain_size = if size < USTAR_SIZE_LIMIT { size } else { 0 };
    let mut head = [0; STREAMED_HEAD];
    let (extended, rest) = head.split_at_mut(BLOCK);
    let (records, own) = rest.split_at_mut(BLOCK);
    extended.copy_from_slice(&block(EXTENDED_NAME, record.len() as u64, mtime, EXTENDED)?);
    records[..record.len()].copy_from_slice(record.as_bytes());
    own.copy_from_slice(&block(MemberName::new(name)?.as_str(), plain_size, mtime, REGULAR)?);
    Ok(head)
}

/// `<length> size=<size>` and a newline, where the length counts itself.
fn size_record(size: u64) -> String {
    let tail = format!(" size={size}\n");
    // The tail has 8 to 26 bytes, so the length has one digit (8) or two.
    let length = if tail.len() + 1 < 10 { tail.len() + 1 } else { tail.len() + 2 };
    format!("{length}{tail}")
}

/// One ustar header block.
fn block(name: &str, size: u64, mtime: u64, flag: u8) -> Result<[u8; BLOCK], HeadError> {
    if mtime > OCTAL_11_MAX {
        return Err(HeadError::Mtime { mtime });
    }
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000444");
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{size:011o}"));
    put(136, &format!("{mtime:011o}"));
    put(257, "ustar");
    put(263, "00");
    put(329, "0000000");
    put(337, "0000000");
    block[156] = flag;
    let sum = checksum(&block);
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Ok(block)
}

/// Sum of a header's bytes with the checksum field taken as eight spaces.
pub(super) fn checksum(block: &[u8; BLOCK]) -> u32 {
    let sum = |bytes: &[u8]| bytes.iter().copied().map(u32::from).sum::<u32>();
    sum(&block[..148]) + 8 * u32::from(b' ') + sum(&block[156..])
}
