//! The records of a ZIP file whose entries are stored as they are (PKWARE APPNOTE 6.3.10), written only.
//!
//! Every byte follows from names, sizes and checksums: no clock, no library version, so that the same content gives the
//! same file decades later. Checksum and size stand in each entry's own header, never after its data, because some readers
//! refuse stored entries whose length comes last. Names are UTF-8.

use crate::bounds::ZIP_NAME_BYTES_MAX;

/// Version needed: 4.5, for ZIP64; made by the same on Unix, so that the mode counts.
const VERSION: u16 = 45;
const MADE_BY_UNIX: u16 = 3 << 8 | VERSION;
/// General purpose bit 11: the name is UTF-8.
const UTF8: u16 = 1 << 11;
/// 1980-01-01, the first date that a ZIP can say: files in a proof have no date of their own.
const DATE: u16 = 1 << 5 | 1;
/// A regular file, readable by all, in the upper half as Unix has it.
const MODE: u32 = 0o100_644 << 16;
/// In place of a 32-bit value that stands in the ZIP64 field.
const IN_ZIP64: u32 = u32::MAX;

/// One entry, before its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZipEntry {
    /// Path with `/`, at most [`ZIP_NAME_BYTES_MAX`] bytes.
    pub name: String,
    /// CRC-32 (ISO 3309) of the data.
    pub crc32: u32,
    /// Length of the data in bytes.
    pub size: u64,
}

/// The central directory as it grows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ZipDirectory {
    offset: u64,
    entries: u64,
    central: Vec<u8>,
}

impl ZipDirectory {
    /// Adds the next entry and returns its header, to be followed by exactly `size` bytes of data.
    ///
    /// # Panics
    /// If the name is longer than [`ZIP_NAME_BYTES_MAX`].
    pub fn add(&mut self, entry: &ZipEntry) -> Vec<u8> {
        assert!(entry.name.len() <= ZIP_NAME_BYTES_MAX, "callers bound their names");
        let large = entry.size >= u64::from(IN_ZIP64);
        let mut extra = Vec::new();
        if large {
            zip64_extra(&mut extra, &[entry.size, entry.size]);
        }
        let mut header = Vec::with_capacity(30 + entry.name.len() + extra.len());
        header.extend_from_slice(b"PK\x03\x04");
        common(&mut header, entry, &extra);
        header.extend_from_slice(entry.name.as_bytes());
        header.extend_from_slice(&extra);
        self.add_central(entry, large);
        self.entries += 1;
        self.offset += header.len() as u64 + entry.size;
        header
    }

    fn add_central(&mut self, entry: &ZipEntry, large: bool) {
        let far = self.offset >= u64::from(IN_ZIP64);
        let mut values = if large { vec![entry.size, entry.size] } else { Vec::new() };
        values.extend(far.then_some(self.offset));
        let mut extra = Vec::new();
        if !values.is_empty() {
            zip64_extra(&mut extra, &values);
        }
        let out = &mut self.central;
        out.extend_from_slice(b"PK\x01\x02");
        out.extend_from_slice(&MADE_BY_UNIX.to_le_bytes());
        common(out, entry, &extra);
        // Comment length, disk number, internal attributes.
        out.extend_from_slice(&[0; 6]);
        out.extend_from_slice(&MODE.to_le_bytes());
        out.extend_from_slice(&clamped(self.offset).to_le_bytes());
        out.extend_from_slice(entry.name.as_bytes());
        out.extend_from_slice(&extra);
    }

    /// What ends the file: the central directory and the end records.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let (start, length, entries) = (self.offset, self.central.len() as u64, self.entries);
        let mut out = self.central;
        let needs_zip64 = start >= u64::from(IN_ZIP64) || length >= u64::from(IN_ZIP64) || entries >= 0xffff;
        if needs_zip64 {
            zip64_end(&mut out, start, length, entries);
        }
        let count = u16::try_from(entries).unwrap_or(u16::MAX);
        out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
        out.extend_from_slice(&count.to_le_bytes());
        out.extend_from_slice(&count.to_le_bytes());
        out.extend_from_slice(&clamped(length).to_le_bytes());
        out.extend_from_slice(&clamped(start).to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out
    }
}

fn clamped(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(IN_ZIP64)
}

/// What local and central headers have in common, from "version needed" to "extra field length".
fn common(out: &mut Vec<u8>, entry: &ZipEntry, extra: &[u8]) {
    let size = clamped(entry.size).to_le_bytes();
    let (name, extra) = (entry.name.len() as u16, extra.len() as u16);
    // Method 0 (stored), midnight.
    for half in [VERSION, UTF8, 0, 0, DATE] {
        out.extend_from_slice(&half.to_le_bytes());
    }
    out.extend_from_slice(&entry.crc32.to_le_bytes());
    out.extend_from_slice(&size);
    out.extend_from_slice(&size);
    out.extend_from_slice(&name.to_le_bytes());
    out.extend_from_slice(&extra.to_le_bytes());
}

/// The ZIP64 extended information field (APPNOTE 4.5.3).
fn zip64_extra(out: &mut Vec<u8>, values: &[u64]) {
    out.extend_from_slice(&1u16.to_le_bytes());
    out.extend_from_slice(&(values.len() as u16 * 8).to_le_bytes());
    values.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
}

/// ZIP64 end of central directory record and its locator (APPNOTE 4.3.14, 4.3.15).
fn zip64_end(out: &mut Vec<u8>, start: u64, length: u64, entries: u64) {
    out.extend_from_slice(b"PK\x06\x06");
    out.extend_from_slice(&44u64.to_le_bytes());
    out.extend_from_slice(&MADE_BY_UNIX.to_le_bytes());
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&[0; 8]);
    for value in [entries, entries, length, start] {
        out.extend_from_slice(&value.to_le_bytes());
    }
    out.extend_from_slice(b"PK\x06\x07\0\0\0\0");
    out.extend_from_slice(&(start + length).to_le_bytes());
    out.extend_from_slice(&1u32.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_file_has_these_bytes() {
        let mut directory = ZipDirectory::default();
        let entry = ZipEntry { name: "a".into(), crc32: 0x0403_0201, size: 2 };
        let mut file = directory.add(&entry);
        file.extend_from_slice(b"hi");
        file.extend_from_slice(&directory.finish());
        let expected = [
            &b"PK\x03\x04\x2d\0\0\x08\0\0\0\0\x21\0\x01\x02\x03\x04\x02\0\0\0\x02\0\0\0\x01\0\0\0a"[..],
            b"hi",
            b"PK\x01\x02\x2d\x03\x2d\0\0\x08\0\0\0\0\x21\0\x01\x02\x03\x04\x02\0\0\0\x02\0\0\0\x01\0\0\0",
            b"\0\0\0\0\0\0\0\0\xa4\x81\0\0\0\0a",
            b"PK\x05\x06\0\0\0\0\x01\0\x01\0\x2f\0\0\0\x21\0\0\0\0\0",
        ]
        .concat();
        assert_eq!(file, expected);
    }

    #[test]
    fn what_needs_64_bits_says_so_in_64_bits() {
        let mut directory = ZipDirectory::default();
        let size = 5 << 30;
        let header = directory.add(&ZipEntry { name: "big".into(), crc32: 0, size });
        assert_eq!(header[18..26], [0xff; 8], "both sizes are in the ZIP64 field");
        let field = [&b"\x01\0\x10\0"[..], &size.to_le_bytes(), &size.to_le_bytes()].concat();
        assert_eq!(header[header.len() - field.len()..], field);
        let offset = header.len() as u64 + size;
        directory.add(&ZipEntry { name: "after".into(), crc32: 0, size: 0 });
        let end = directory.finish();
        let field = [&b"\x01\0\x08\0"[..], &offset.to_le_bytes()].concat();
        assert!(end.windows(field.len()).any(|window| window == field), "the second entry's offset");
        assert!(end.windows(4).any(|window| window == b"PK\x06\x06"), "a ZIP64 end record");
        assert_eq!(&end[end.len() - 6..], b"\xff\xff\xff\xff\0\0");
    }
}
