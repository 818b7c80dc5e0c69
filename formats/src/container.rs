//! Containers: plain POSIX tar, the same bytes for the same members, and a reader that takes nothing else.
//!
//! Owns the 512-byte blocks. A member is an ustar header and its data padded with zeros; a member of 8 GiB or more, or
//! one whose size is known only when all its data is written, has a *streamed head* instead: a pax extended header that
//! holds the `size` record, then the ustar header, always 1,536 bytes. Owner 0, group 0, mode 0444; two zero blocks end
//! the container and nothing follows them. GNU tar, bsdtar and Python read it.
//!
//! The reader accepts exactly what the writer makes. Links, devices, foreign records, other modes or spellings and
//! duplicate names are errors with their byte offset, so that no two readers can see different members in one container.

mod head;
mod read;

pub use head::{HeadError, MemberName, NameError, member_head, mtime, streamed_head};
pub use read::{ContainerError, Fault, Member, MemberHead, ReadError, Scanner, members};

/// Bytes of a tar block.
pub const BLOCK: usize = 512;

/// Bytes of the head that [`streamed_head`] makes.
pub const STREAMED_HEAD: usize = 3 * BLOCK;

/// What ends a container: two zero blocks.
pub const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// Zero bytes that follow a member's data of `size` bytes, 0 to 511.
#[must_use]
pub fn padding(size: u64) -> usize {
    (size.wrapping_neg() % BLOCK as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_fills_the_last_block() {
        let paddings = [0, 1, 511, 512, 513, u64::MAX].map(padding);
        assert_eq!(paddings, [0, 511, 1, 0, 511, 1]);
    }
}
