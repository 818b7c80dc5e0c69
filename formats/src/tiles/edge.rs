//! The right edge of a log, and the nodes of a log whose full tiles lie elsewhere.

use std::collections::VecDeque;

use super::{FullTile, TILE_HEIGHT, TILE_LEVELS, TILE_WIDTH, TilePath, partial_path, tile_hashes};
use crate::bounds::{TILES_CACHED_MAX, TREE_SIZE_MAX};
use crate::merkle::{self, LeafHash, NodeHash, Nodes, RootHash, TreeSize};

/// Bytes or hashes that are no right edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EdgeError {
    /// The bytes do not begin with the version line.
    #[error("not a tree edge of version 1")]
    Version,
    /// The tree is larger than [`TREE_SIZE_MAX`].
    #[error("tree size {size} is above 2^63 - 1")]
    SizeTooLarge {
        /// The size claimed.
        size: TreeSize,
    },
    /// The bytes have another length than the size asks for.
    #[error("an edge of this size has {expected} bytes, found {found}")]
    Length {
        /// Bytes needed.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// A level has another number of hashes than the size asks for.
    #[error("level {level} of this size has {expected} hashes, found {found}")]
    Width {
        /// Tile level.
        level: u8,
        /// Hashes needed.
        expected: usize,
        /// Hashes given.
        found: usize,
    },
}

/// First bytes of an encoded edge.
const EDGE_VERSION: &[u8] = b"cartulaire-edge/v1\n";

/// The partial tiles of a log, one a level, at most 255 hashes each: all that is needed to append and to know the root.
///
/// The width of each follows from the size, so only sizes and hashes are ever stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEdge {
    size: u64,
    partials: [Vec<NodeHash>; TILE_LEVELS as usize],
}

impl Default for TreeEdge {
    fn default() -> Self {
        Self::empty()
    }
}

impl TreeEdge {
    /// The edge of the empty log.
    #[must_use]
    pub fn empty() -> Self {
        Self { size: 0, partials: Default::default() }
    }

    /// Takes the partial tiles of a log as read from its store.
    ///
    /// - `read`: asked once for each level whose partial tile is not empty, with its name.
    /// - Says nothing of the hashes: compare [`Self::root`] with a checkpoint.
    ///
    /// # Errors
    /// [`EdgeError::SizeTooLarge`] and [`EdgeError::Width`], or the reader's own.
    pub fn from_partials<E: From<EdgeError>>(
        size: TreeSize,
        mut read: impl FnMut(TilePath) -> Result<Vec<NodeHash>, E>,
    ) -> Result<Self, E> {
        if size.0 > TREE_SIZE_MAX {
            return Err(EdgeError::SizeTooLarge { size }.into());
        }
        let mut edge = Self { size: size.0, partials: Default::default() };
        for level in 0..TILE_LEVELS {
            let Some(path) = partial_path(size, level) else {
                continue;
            };
            let hashes = read(path)?;
            let (expected, found) = (path.width(), hashes.len());
            if expected != found {
                return Err(EdgeError::Width { level, expected, found }.into());
            }
            edge.partials[usize::from(level)] = hashes;
        }
        Ok(edge)
    }

    /// Entries in the log.
    #[must_use]
    pub fn size(&self) -> TreeSize {
        TreeSize(self.size)
    }

    /// Hashes of the partial tile of `level`, leftmost first; empty where the size leaves none.
    #[must_use]
    pub fn partial(&self, level: u8) -> &[NodeHash] {
        self.partials.get(usize::from(level)).map_or(&[], Vec::as_slice)
    }

    /// Appends one leaf.
    ///
    /// - Returns the tiles that this leaf completed, lowest level first: mostly none, at most 8.
    ///
    /// # Panics
    /// If the log has [`TREE_SIZE_MAX`] entries.
    pub fn append(&mut self, leaf: LeafHash) -> Vec<FullTile> {
        assert!(self.size < TREE_SIZE_MAX, "a log ends at 2^63 - 1 entries");
        self.size += 1;
        let (mut completed, mut hash) = (Vec::new(), NodeHash::from(leaf));
        for (level, partial) in (0u8..).zip(&mut self.partials) {
            partial.push(hash);
            if partial.len() < TILE_WIDTH {
                break;
            }
            let number = (self.size >> (TILE_HEIGHT * (u32::from(level) + 1))) - 1;
            let tile = FullTile { level, number, hashes: std::mem::take(partial) };
            hash = tile.root();
            completed.push(tile);
        }
        completed
    }

    /// Root of the log.
    #[must_use]
    pub fn root(&self) -> RootHash {
        let size = self.size();
        merkle::root(&mut EdgeNodes(self), size).expect("the binary digits of the size are all in the partial tiles")
    }

    /// Hash of a complete subtree that lies in a partial tile, or `None` where it lies in a full one or beyond the log.
    #[must_use]
    pub fn node(&self, level: u32, index: u64) -> Option<NodeHash> {
        let slot = Slot::of(level, index)?;
        if slot.number != self.partial_number(slot.tile_level) {
            return None;
        }
        self.partial(slot.tile_level).get(slot.first..slot.first + slot.count).map(merkle::complete_root)
    }

    /// Position of the partial tile of a level: how many full ones stand left of it.
    fn partial_number(&self, tile_level: u8) -> u64 {
        self.size.checked_shr(TILE_HEIGHT * (u32::from(tile_level) + 1)).unwrap_or(0)
    }

    /// The one encoding: version line, size as eight big-endian bytes, then the hashes of each level, lowest first.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = EDGE_VERSION.to_vec();
        bytes.extend_from_slice(&self.size.to_be_bytes());
        bytes.extend(self.partials.iter().flatten().flat_map(|hash| hash.0));
        bytes
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// [`EdgeError::Version`], [`EdgeError::SizeTooLarge`] and [`EdgeError::Length`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EdgeError> {
        let rest = bytes.strip_prefix(EDGE_VERSION).ok_or(EdgeError::Version)?;
        let head = EDGE_VERSION.len() + size_of::<u64>();
        let short = EdgeError::Length { expected: head, found: bytes.len() };
        let (size, hashes) = rest.split_first_chunk::<8>().ok_or(short)?;
        let size = TreeSize(u64::from_be_bytes(*size));
        if size.0 > TREE_SIZE_MAX {
            return Err(EdgeError::SizeTooLarge { size });
        }
        let width = |level| partial_path(size, level).map_or(0, TilePath::width);
        let total: usize = (0..TILE_LEVELS).map(width).sum();
        let mut hashes = tile_hashes(hashes, total)
            .ok_or(EdgeError::Length { expected: head + total * NodeHash::LEN, found: bytes.len() })?
            .into_iter();
        Self::from_partials(size, |path| Ok(hashes.by_ref().take(path.width()).collect()))
    }
}

struct EdgeNodes<'a>(&'a TreeEdge);

impl Nodes for EdgeNodes<'_> {
    type Error = ();

    fn node(&mut self, level: u32, index: u64) -> Result<NodeHash, ()> {
        self.0.node(level, index).ok_or(())
    }
}

/// Where a complete subtree lies: `count` hashes of one tile.
struct Slot {
    tile_level: u8,
    number: u64,
    first: usize,
    count: usize,
    /// Level above the tile's own hashes.
    height: u32,
}

impl Slot {
    /// `None` if the subtree reaches beyond every possible log.
    fn of(level: u32, index: u64) -> Option<Self> {
        let end = index.checked_add(1)?;
        if level >= 63 || end > TREE_SIZE_MAX >> level {
            return None;
        }
        let height = level % TILE_HEIGHT;
        let first = index << height;
        Some(Self {
            tile_level: (level / TILE_HEIGHT) as u8,
            number: first >> TILE_HEIGHT,
            first: (first % TILE_WIDTH as u64) as usize,
            count: 1 << height,
            height,
        })
    }
}

// ---- Nodes of a tiled log ----

/// Why a node of a tiled log could not be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TileNodesError<E> {
    /// The subtree is not complete in this log.
    #[error("no complete subtree {index} of level {level} in a log of {size} entries")]
    OutsideTree {
        /// Level asked for.
        level: u32,
        /// Index asked for.
        index: u64,
        /// Size of the log.
        size: TreeSize,
    },
    /// A full tile does not have 8,192 bytes.
    #[error("full tile {number} of level {level} has {found} bytes, expected 8192")]
    TileLength {
        /// Tile level.
        level: u8,
        /// Position within the level.
        number: u64,
        /// Bytes read.
        found: usize,
    },
    /// The reader of tiles failed.
    #[error(transparent)]
    Read(#[from] E),
}

/// [`Nodes`] of a log whose full tiles are read through a closure and whose right edge is at hand.
///
/// Keeps up to [`TILES_CACHED_MAX`] tiles with all their inner nodes, so that neighbouring proofs cost neither reads nor
/// hashes. Says nothing of the truth of what it reads: whoever needs that verifies the proof against a checkpoint.
pub struct TileNodes<'a, F> {
    edge: &'a TreeEdge,
    read: F,
    /// Most recently used last.
    cache: VecDeque<(u8, u64, Layers)>,
}

/// A tile's hashes and all nodes above them: `layers[h][i]` covers `2^h` hashes.
struct Layers(Vec<Vec<NodeHash>>);

impl Layers {
    fn of(hashes: Vec<NodeHash>) -> Self {
        let mut layers = vec![hashes];
        for height in 0..TILE_HEIGHT as usize {
            layers.push(merkle::parents(&layers[height]));
        }
        Self(layers)
    }
}

impl<'a, F, E> TileNodes<'a, F>
where
    F: FnMut(u8, u64) -> Result<Vec<u8>, E>,
{
    /// Joins the edge of a log with its full tiles.
    ///
    /// - `read`: returns the bytes of the full tile of a level (first) and number (second).
    pub fn new(edge: &'a TreeEdge, read: F) -> Self {
        Self { edge, read, cache: VecDeque::new() }
    }

    fn layers(&mut self, level: u8, number: u64) -> Result<&Layers, TileNodesError<E>> {
        let cached = self.cache.iter().rposition(|(l, n, _)| (*l, *n) == (level, number));
        let entry = match cached.and_then(|position| self.cache.remove(position)) {
            Some(entry) => entry,
            None => (level, number, Layers::of(self.load(level, number)?)),
        };
        if self.cache.len() == TILES_CACHED_MAX {
            self.cache.pop_front();
        }
        self.cache.push_back(entry);
        Ok(&self.cache.back().expect("just pushed").2)
    }

    fn load(&mut self, level: u8, number: u64) -> Result<Vec<NodeHash>, TileNodesError<E>> {
        if number == self.edge.partial_number(level) {
            return Ok(self.edge.partial(level).to_vec());
        }
        let bytes = (self.read)(level, number)?;
        tile_hashes(&bytes, TILE_WIDTH).ok_or(TileNodesError::TileLength { level, number, found: bytes.len() })
    }
}

impl<F, E> Nodes for TileNodes<'_, F>
where
    F: FnMut(u8, u64) -> Result<Vec<u8>, E>,
{
    type Error = TileNodesError<E>;

    fn node(&mut self, level: u32, index: u64) -> Result<NodeHash, Self::Error> {
        let size = self.edge.size();
        let outside = || TileNodesError::OutsideTree { level, index, size };
        let slot = Slot::of(level, index).ok_or_else(outside)?;
        if index + 1 > size.0 >> level {
            return Err(outside());
        }
        let layers = self.layers(slot.tile_level, slot.number)?;
        let layer = &layers.0[slot.height as usize];
        Ok(*layer.get(slot.first >> slot.height).expect("a complete subtree of the log lies inside its tile"))
    }
}
