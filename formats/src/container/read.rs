//! The strict reader, over a container in memory or over parts of one fetched by offset.

use std::collections::HashSet;
use std::convert::Infallible;

use super::head::{EXTENDED, REGULAR, checksum};
use super::{BLOCK, MemberName, NameError, STREAMED_HEAD, member_head, padding, streamed_head};
use crate::bounds::{CONTAINER_MEMBERS_MAX, MEMBER_SIZE_MAX};

/// The rule of containers that a byte breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The container ends inside a head, a member's data or the two zero blocks.
    #[error("the container ends early")]
    Truncated,
    /// Something follows the two zero blocks.
    #[error("bytes after the end of the container")]
    TrailingGarbage,
    /// A single zero block, or a second one that is not zero.
    #[error("the end of the container is not two zero blocks")]
    End,
    /// The padding of the member before is not zeros.
    #[error("padding that is not zero")]
    Padding,
    /// The header's checksum is wrong: the header is damaged, or this is no header.
    #[error("wrong header checksum")]
    Checksum,
    /// A link, device, directory or any other type than a regular file.
    #[error("a member of type {flag:#04x}: only regular files belong in a container")]
    NotRegular {
        /// The header's type flag.
        flag: u8,
    },
    /// The name breaks a rule: absolute, `..`, other characters.
    #[error(transparent)]
    Name(NameError),
    /// The size or the time is not octal digits.
    #[error("a size or time that is not eleven octal digits")]
    Number,
    /// A pax extended header that is not the one `size` record, or that does not stand before a regular file.
    #[error("a pax extended header other than one size record")]
    Extended,
    /// A sound header, but not to the byte what we write: another mode, owner, magic, prefix.
    #[error("a header that is not of our own form")]
    Form,
    /// A size beyond 2^62.
    #[error("a member of {size} bytes")]
    Size {
        /// The size claimed.
        size: u64,
    },
    /// A second member of the same name.
    #[error("a second member of the same name")]
    DuplicateName,
    /// More than [`CONTAINER_MEMBERS_MAX`] members.
    #[error("more than {CONTAINER_MEMBERS_MAX} members")]
    TooManyMembers,
}

/// A fault and where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at offset {offset}")]
pub struct ContainerError {
    /// Byte offset of the head, padding or end concerned; for [`Fault::Truncated`], the container's length.
    pub offset: u64,
    /// The rule broken.
    pub fault: Fault,
}

/// Why a scan stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError<E> {
    /// The container is at fault.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// The bytes could not be read.
    #[error("the container could not be read: {0}")]
    Read(E),
}

/// What a member's head says, and where its data lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberHead {
    /// The member's name.
    pub name: String,
    /// Byte offset of its head.
    pub head_offset: u64,
    /// Byte offset of its data.
    pub data_offset: u64,
    /// Bytes of data.
    pub size: u64,
    /// Modification time, in seconds since the Unix epoch.
    pub mtime: u64,
}

/// A member of a container in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    /// The member's name.
    pub name: &'a str,
    /// Byte offset of its data in the container.
    pub offset: u64,
    /// Its data.
    pub data: &'a [u8],
}

/// Iterates over the members of a container in memory.
///
/// - Ends after the first error. A container is sound only if the iteration reaches its end without one: the end blocks
///   and what might follow them are judged last.
pub fn members(container: &[u8]) -> impl Iterator<Item = Result<Member<'_>, ContainerError>> {
    let read = |offset: u64, length: usize| {
        let start = usize::try_from(offset).expect("the scanner stays inside the container");
        Ok::<_, Infallible>(container[start..start + length].to_vec())
    };
    Scanner::new(container.len() as u64, read).map(|head| {
        let MemberHead { head_offset, data_offset, size, .. } = head.map_err(|error| match error {
            ReadError::Container(error) => error,
            ReadError::Read(never) => match never {},
        })?;
        let data = &container[data_offset as usize..(data_offset + size) as usize];
        // The name stands in the last block of the head; the scanner has judged it.
        let header = &container[data_offset as usize - BLOCK..data_offset as usize];
        let name = text_field(header, 0..100).ok_or(ContainerError { offset: head_offset, fault: Fault::Form })?;
        Ok(Member { name, offset: data_offset, data })
    })
}

/// Iterates over the heads of a container of any size, reading nothing but heads and padding.
///
/// - Reads up to 1,023 bytes for a plain member and 1,024 more for a streamed one; memory holds the names seen.
/// - Ends after the first error. A container is sound only if the iteration reaches its end without one.
pub struct Scanner<F> {
    length: u64,
    read: F,
    /// Where the data of the last member ended.
    position: u64,
    names: HashSet<String>,
    done: bool,
}

impl<F, E> Scanner<F>
where
    F: FnMut(u64, usize) -> Result<Vec<u8>, E>,
{
    /// Scans a container of `length` bytes.
    ///
    /// - `read`: returns exactly as many bytes (second) as asked from an offset (first), always inside `length`; a
    ///   shorter answer counts as a truncated container.
    pub fn new(length: u64, read: F) -> Self {
        Self { length, read, position: 0, names: HashSet::new(), done: false }
    }

    fn bytes(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, ReadError<E>> {
        let truncated = ContainerError { offset: self.length, fault: Fault::Truncated };
        let end = offset.checked_add(length as u64).ok_or(truncated)?;
        if end > self.length {
            return Err(truncated.into());
        }
        let bytes = (self.read)(offset, length).map_err(ReadError::Read)?;
        if bytes.len() == length { Ok(bytes) } else { Err(truncated.into()) }
    }

    fn step(&mut self) -> Result<Option<MemberHead>, ReadError<E>> {
        // Padding and header in one read: a request to an object store costs more than its bytes.
        let pad = padding(self.position);
        let offset = self.position + pad as u64;
        let bytes = self.bytes(self.position, pad + BLOCK)?;
        let (zeros, block) = bytes.split_last_chunk::<BLOCK>().expect("a block was asked for");
        if zeros.iter().any(|&b| b != 0) {
            return Err(ContainerError { offset: self.position, fault: Fault::Padding }.into());
        }
        if *block == [0; BLOCK] {
            return self.end(offset).map(|()| None);
        }
        let mut head = block.to_vec();
        if sound_flag(block).map_err(|fault| ContainerError { offset, fault })? == EXTENDED {
            head.extend(self.bytes(offset + BLOCK as u64, STREAMED_HEAD - BLOCK)?);
        }
        let member = parse_head(&head, offset).map_err(|fault| ContainerError { offset, fault })?;
        self.admit(&member)?;
        Ok(Some(member))
    }

    fn admit(&mut self, member: &MemberHead) -> Result<(), ContainerError> {
        let at = |offset, fault| ContainerError { offset, fault };
        if self.names.len() == CONTAINER_MEMBERS_MAX {
            return Err(at(member.head_offset, Fault::TooManyMembers));
        }
        if !self.names.insert(member.name.clone()) {
            return Err(at(member.head_offset, Fault::DuplicateName));
        }
        let end = member.data_offset.checked_add(member.size).filter(|&end| end <= self.length);
        self.position = end.ok_or(at(self.length, Fault::Truncated))?;
        Ok(())
    }

    fn end(&mut self, offset: u64) -> Result<(), ReadError<E>> {
        let second = self.bytes(offset + BLOCK as u64, BLOCK)?;
        if second.iter().any(|&b| b != 0) {
            return Err(ContainerError { offset, fault: Fault::End }.into());
        }
        let end = offset + 2 * BLOCK as u64;
        if end != self.length {
            return Err(ContainerError { offset: end, fault: Fault::TrailingGarbage }.into());
        }
        Ok(())
    }
}

impl<F, E> Iterator for Scanner<F>
where
    F: FnMut(u64, usize) -> Result<Vec<u8>, E>,
{
    type Item = Result<MemberHead, ReadError<E>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let step = self.step().transpose();
        self.done = !matches!(step, Some(Ok(_)));
        step
    }
}

/// The type flag of a header whose checksum is right.
fn sound_flag(block: &[u8; BLOCK]) -> Result<u8, Fault> {
    let expected = format!("{:06o}\0 ", checksum(block));
    if block[148..156] != *expected.as_bytes() {
        return Err(Fault::Checksum);
    }
    match block[156] {
        flag @ (REGULAR | EXTENDED) => Ok(flag),
        flag => Err(Fault::NotRegular { flag }),
    }
}

/// Reads a head of one or three blocks whose first checksum and type flag are sound.
///
/// What the fields say is written anew and compared: only our own form passes.
fn parse_head(head: &[u8], head_offset: u64) -> Result<MemberHead, Fault> {
    let (before, header) = head.split_last_chunk::<BLOCK>().expect("a head has whole blocks");
    if !before.is_empty() {
        match sound_flag(header)? {
            REGULAR => {}
            _ => return Err(Fault::Extended),
        }
    }
    let name = text_field(header, 0..100).ok_or(Fault::Form)?;
    MemberName::new(name).map_err(Fault::Name)?;
    let mtime = octal(&header[136..148]).ok_or(Fault::Number)?;
    let plain_size = octal(&header[124..136]).ok_or(Fault::Number)?;
    let size = if before.is_empty() { plain_size } else { recorded_size(&before[BLOCK..])? };
    if size > MEMBER_SIZE_MAX {
        return Err(Fault::Size { size });
    }
    let ours = if before.is_empty() {
        member_head(name, size, mtime).map(|head| head.to_vec())
    } else {
        streamed_head(name, size, mtime).map(|head| head.to_vec())
    };
    if ours.is_ok_and(|ours| ours == head) {
        let data_offset = head_offset + head.len() as u64;
        return Ok(MemberHead { name: name.to_owned(), head_offset, data_offset, size, mtime });
    }
    Err(Fault::Form)
}

/// The text of a field up to its first zero; nothing else may follow.
fn text_field(header: &[u8], field: std::ops::Range<usize>) -> Option<&str> {
    let text = std::str::from_utf8(&header[field]).ok()?;
    let text = text.trim_end_matches('\0');
    (!text.contains('\0')).then_some(text)
}

/// Eleven octal digits and a zero byte.
fn octal(field: &[u8]) -> Option<u64> {
    let (digits, end) = field.split_at(11);
    if end != [0] || !digits.iter().all(|b| (b'0'..=b'7').contains(b)) {
        return None;
    }
    Some(digits.iter().fold(0, |n, b| n << 3 | u64::from(b - b'0')))
}

/// The size in a block of pax records that holds nothing else; spelling and padding are compared by the caller.
fn recorded_size(records: &[u8]) -> Result<u64, Fault> {
    let text = text_field(records, 0..BLOCK).ok_or(Fault::Extended)?;
    let (_, value) = text.split_once(" size=").ok_or(Fault::Extended)?;
    let digits = value.strip_suffix('\n').ok_or(Fault::Extended)?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Fault::Extended);
    }
    digits.parse().map_err(|_| Fault::Size { size: u64::MAX })
}
