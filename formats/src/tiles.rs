//! Tiles and entry bundles of C2SP tlog-tiles, and the right edge from which a log grows.
//!
//! Owns names, bundle bytes and the split of a tree into tiles of height 8. A tree of size *s* is its full tiles, which
//! never change, and one partial tile a level, [`TreeEdge`], which is all that appending needs. [`TileNodes`] joins
//! both into the [`merkle::Nodes`] that proofs are made from. Reading and writing tiles is the caller's.

mod edge;

use std::fmt;
use std::str::FromStr;

use crate::bounds::ENTRY_BYTES_MAX;
use crate::merkle::{self, NodeHash, TreeSize};
pub use edge::{EdgeError, TileNodes, TileNodesError, TreeEdge};

/// Levels of the tree that one tile holds.
pub const TILE_HEIGHT: u32 = 8;

/// Hashes of a full tile, entries of a full bundle.
pub const TILE_WIDTH: usize = 1 << TILE_HEIGHT;

/// Bytes of a full tile.
pub const TILE_BYTES: usize = TILE_WIDTH * NodeHash::LEN;

/// Tile levels that a tree of [`crate::bounds::TREE_SIZE_MAX`] entries has.
pub const TILE_LEVELS: u8 = 8;

// ---- Names ----

/// A tile name that C2SP tlog-tiles does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TilePathError {
    /// The name does not begin with `tile/`.
    #[error("the name does not begin with tile/")]
    Prefix,
    /// The level is neither `entries` nor a decimal from 0 to 63 without leading zeros.
    #[error("the level is neither `entries` nor 0 to 63")]
    Level,
    /// An element of the number is not three digits, or lacks or wrongly has its `x`.
    #[error("element {element} of the tile number is malformed")]
    Number {
        /// Zero-based position among the elements of the number.
        element: usize,
    },
    /// The number begins with an element `x000`, so it has a shorter name.
    #[error("the tile number has a shorter name")]
    NumberPadded,
    /// The number does not fit 64 bits.
    #[error("the tile number is above 2^64 - 1")]
    NumberTooLarge,
    /// The width is not a decimal from 1 to 255 without leading zeros.
    #[error("the width of a partial tile is not 1 to 255")]
    Width,
}

/// Spells a number in path elements of three digits, all but the last with an `x`: 1234067 is `x001/x234/067`.
///
/// # Standard
/// C2SP tlog-tiles, "Merkle Tree".
#[must_use]
pub fn tile_number(number: u64) -> String {
    let (mut name, mut rest) = (format!("{:03}", number % 1000), number / 1000);
    while rest > 0 {
        name = format!("x{:03}/{name}", rest % 1000);
        rest /= 1000;
    }
    name
}

/// Reads a number as [`tile_number`] spells it, and no other spelling.
///
/// # Errors
/// [`TilePathError::Number`], [`TilePathError::NumberPadded`] and [`TilePathError::NumberTooLarge`].
pub fn parse_tile_number(name: &str) -> Result<u64, TilePathError> {
    let last = name.split('/').count() - 1;
    let mut number = 0u64;
    for (element, text) in name.split('/').enumerate() {
        let malformed = TilePathError::Number { element };
        let digits = if element < last { text.strip_prefix('x').ok_or(malformed)? } else { text };
        if digits.len() != 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(malformed);
        }
        if element == 0 && last > 0 && digits == "000" {
            return Err(TilePathError::NumberPadded);
        }
        let value = digits.bytes().fold(0, |n, b| n * 10 + u64::from(b - b'0'));
        let shifted = number.checked_mul(1000).and_then(|n| n.checked_add(value));
        number = shifted.ok_or(TilePathError::NumberTooLarge)?;
    }
    Ok(number)
}

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes of subtrees of `256^level` entries, `level` from 0 to 63.
    Hashes {
        /// Tile level.
        level: u8,
    },
    /// The entries themselves, as a bundle.
    Entries,
}

/// Name of a tile or an entry bundle, without the log's prefix: `tile/0/x001/234`, `tile/entries/000.p/17`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    kind: TileKind,
    number: u64,
    width: Option<u8>,
}

impl TilePath {
    /// Names the full tile `number` of `level`.
    ///
    /// # Panics
    /// If `level` is above 63, which no tree reaches.
    #[must_use]
    pub fn hashes(level: u8, number: u64) -> Self {
        assert!(level < 64, "tile levels end at 63");
        Self { kind: TileKind::Hashes { level }, number, width: None }
    }

    /// Names the full entry bundle `number`.
    #[must_use]
    pub fn entries(number: u64) -> Self {
        Self { kind: TileKind::Entries, number, width: None }
    }

    /// The partial tile of the same kind and number, `width` hashes or entries wide.
    ///
    /// # Errors
    /// [`TilePathError::Width`] if `width` is 0: empty tiles have no name.
    pub fn partial(self, width: u8) -> Result<Self, TilePathError> {
        if width == 0 { Err(TilePathError::Width) } else { Ok(Self { width: Some(width), ..self }) }
    }

    /// What the tile holds.
    #[must_use]
    pub fn kind(self) -> TileKind {
        self.kind
    }

    /// Position of the tile within its level.
    #[must_use]
    pub fn number(self) -> u64 {
        self.number
    }

    /// Hashes or entries in the tile, 1 to 256.
    #[must_use]
    pub fn width(self) -> usize {
        self.width.map_or(TILE_WIDTH, usize::from)
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes { level } => write!(f, "tile/{level}/{}", tile_number(self.number))?,
            TileKind::Entries => write!(f, "tile/entries/{}", tile_number(self.number))?,
        }
        self.width.map_or(Ok(()), |width| write!(f, ".p/{width}"))
    }
}

impl FromStr for TilePath {
    type Err = TilePathError;

    fn from_str(name: &str) -> Result<Self, TilePathError> {
        let (kind, rest) =
            name.strip_prefix("tile/").ok_or(TilePathError::Prefix)?.split_once('/').ok_or(TilePathError::Level)?;
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, Some(width)),
            None => (rest, None),
        };
        let kind = match kind {
            "entries" => TileKind::Entries,
            level => TileKind::Hashes { level: parse_small(level, 0, 63).ok_or(TilePathError::Level)? },
        };
        let number = parse_tile_number(number)?;
        let width = width.map(|text| parse_small(text, 1, 255).ok_or(TilePathError::Width)).transpose()?;
        Ok(Self { kind, number, width })
    }
}

/// Name of the partial tile of `level` in a log of `size` entries, or `None` where there is none.
///
/// # Standard
/// C2SP tlog-tiles, "Partial Tiles".
#[must_use]
pub fn partial_path(size: TreeSize, level: u8) -> Option<TilePath> {
    let hashes = size.0.checked_shr(TILE_HEIGHT * u32::from(level))?;
    let width = hashes as u8;
    TilePath::hashes(level, hashes >> TILE_HEIGHT).partial(width).ok()
}

fn parse_small(text: &str, min: u8, max: u8) -> Option<u8> {
    let value: u8 = text.parse().ok()?;
    ((min..=max).contains(&value) && value.to_string() == text).then_some(value)
}

// ---- Entry bundles ----

/// Bytes that are no entry bundle, or entries that fit none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// A bundle holds at least one entry.
    #[error("an entry bundle holds at least one entry")]
    Empty,
    /// More than 256 entries.
    #[error("an entry bundle holds at most 256 entries")]
    TooManyEntries,
    /// An entry longer than its prefix can say.
    #[error("entry {entry} has {bytes} bytes, at most 65535 fit")]
    EntryTooLong {
        /// Zero-based position in the bundle.
        entry: usize,
        /// Its length.
        bytes: usize,
    },
    /// The bytes end inside an entry or its prefix.
    #[error("the bundle ends inside the entry that begins at offset {offset}")]
    Truncated {
        /// Byte offset of the entry's length prefix.
        offset: usize,
    },
}

/// Joins entries into a bundle, each after its length as two big-endian bytes.
///
/// - `entries`: 1 to 256, each at most 65,535 bytes.
///
/// # Errors
/// All but [`BundleError::Truncated`].
///
/// # Standard
/// C2SP tlog-tiles, "Log entries".
pub fn encode_bundle<E: AsRef<[u8]>>(entries: &[E]) -> Result<Vec<u8>, BundleError> {
    check_entry_count(entries.len())?;
    let mut bundle = Vec::with_capacity(entries.iter().map(|entry| 2 + entry.as_ref().len()).sum());
    for (position, entry) in entries.iter().enumerate() {
        let (entry, bytes) = (entry.as_ref(), entry.as_ref().len());
        let length = u16::try_from(bytes).map_err(|_| BundleError::EntryTooLong { entry: position, bytes })?;
        bundle.extend_from_slice(&length.to_be_bytes());
        bundle.extend_from_slice(entry);
    }
    Ok(bundle)
}

/// Splits a bundle into its entries.
///
/// - Returns 1 to 256 slices of `bundle`, in log order, covering it wholly.
///
/// # Errors
/// All but [`BundleError::EntryTooLong`], which a two-byte length cannot be.
pub fn decode_bundle(bundle: &[u8]) -> Result<Vec<&[u8]>, BundleError> {
    let (mut entries, mut rest) = (Vec::new(), bundle);
    while !rest.is_empty() {
        check_entry_count(entries.len() + 1)?;
        let truncated = BundleError::Truncated { offset: bundle.len() - rest.len() };
        let (length, after) = rest.split_first_chunk::<2>().ok_or(truncated)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, after) = after.split_at_checked(length).ok_or(truncated)?;
        entries.push(entry);
        rest = after;
    }
    check_entry_count(entries.len()).map(|()| entries)
}

fn check_entry_count(count: usize) -> Result<(), BundleError> {
    match count {
        0 => Err(BundleError::Empty),
        1..=TILE_WIDTH => Ok(()),
        _ => Err(BundleError::TooManyEntries),
    }
}

const _: () = assert!(ENTRY_BYTES_MAX == u16::MAX as usize, "the length prefix has two bytes");

// ---- Full tiles ----

/// A tile of 256 hashes: it never changes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullTile {
    /// Tile level.
    pub level: u8,
    /// Position within the level.
    pub number: u64,
    hashes: Vec<NodeHash>,
}

impl FullTile {
    /// The 256 hashes, leftmost first.
    #[must_use]
    pub fn hashes(&self) -> &[NodeHash] {
        &self.hashes
    }

    /// Name under the log's prefix.
    #[must_use]
    pub fn path(&self) -> TilePath {
        TilePath::hashes(self.level, self.number)
    }

    /// The 8,192 bytes at rest.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        tile_bytes(&self.hashes)
    }

    /// Hash of the whole subtree: the hash that stands for this tile one level up.
    #[must_use]
    pub fn root(&self) -> NodeHash {
        merkle::complete_root(&self.hashes)
    }
}

/// Bytes of a tile, full or partial: its hashes one after the other.
#[must_use]
pub fn tile_bytes(hashes: &[NodeHash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// Reads the hashes of a tile of known width.
///
/// - `width`: 1 to 256.
/// - Returns `None` unless `bytes` are exactly `width` hashes.
#[must_use]
pub fn tile_hashes(bytes: &[u8], width: usize) -> Option<Vec<NodeHash>> {
    let (hashes, rest) = bytes.as_chunks::<{ NodeHash::LEN }>();
    (rest.is_empty() && hashes.len() == width).then(|| hashes.iter().copied().map(NodeHash).collect())
}
