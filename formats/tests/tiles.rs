//! Tiles and the right edge against the recursive tree and the crate `tlog_tiles`.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::HashMap;
use std::convert::Infallible;

use cartulaire_formats::merkle::*;
use cartulaire_formats::tiles::*;
use proptest::prelude::*;

fn leaf(index: u64) -> LeafHash {
    leaf_hash(format!("entry {index}\n").as_bytes())
}

/// A log in memory: what a store holds after `size` appends.
#[derive(Default)]
struct Log {
    leaves: Vec<LeafHash>,
    edge: TreeEdge,
    full: HashMap<(u8, u64), Vec<u8>>,
}

impl Log {
    fn grow(&mut self, size: u64) {
        for index in self.leaves.len() as u64..size {
            self.leaves.push(leaf(index));
            for tile in self.edge.append(leaf(index)) {
                assert_eq!(self.full.insert((tile.level, tile.number), tile.to_bytes()), None);
            }
        }
    }

    fn nodes(&self) -> TileNodes<'_, impl FnMut(u8, u64) -> Result<Vec<u8>, Missing>> {
        TileNodes::new(&self.edge, |level, number| {
            self.full.get(&(level, number)).cloned().ok_or(Missing(level, number))
        })
    }

    /// Everything that can be said of the edge and the tiles at the present size.
    fn check(&self) {
        let size = self.leaves.len() as u64;
        let (root_now, of) = (root_of(&self.leaves), TreeSize(size));
        assert_eq!(self.edge.size(), of);
        assert_eq!(self.edge.root(), root_now, "size {size}");
        assert_eq!(root(&mut self.nodes(), of), Ok(root_now), "size {size}");
        for level in 0..=8u8 {
            let hashes = size.checked_shr(8 * u32::from(level)).unwrap_or(0);
            assert_eq!(self.edge.partial(level).len() as u64, hashes % 256, "level {level} of {size}");
            let full = self.full.keys().filter(|(l, _)| *l == level).count();
            assert_eq!(full as u64, hashes / 256, "level {level} of {size}");
        }
        assert_eq!(TreeEdge::decode(&self.edge.encode()), Ok(self.edge.clone()));
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no tile {1} at level {0}")]
struct Missing(u8, u64);

#[test]
fn every_size_to_600() {
    let mut log = Log::default();
    log.check();
    for size in 1..=600 {
        log.grow(size);
        log.check();
    }
}

#[test]
fn sampled_sizes_to_70_000() {
    let mut log = Log::default();
    for size in [255, 256, 257, 4095, 5000, 65_279, 65_280, 65_535, 65_536, 65_537, 65_792, 69_999, 70_000] {
        log.grow(size);
        log.check();
    }
    // The example of the standard.
    let widths: Vec<usize> = (0..4).map(|level| log.edge.partial(level).len()).collect();
    assert_eq!(widths, [112, 17, 1, 0]);
    assert_eq!(log.full.len(), 274);

    let (root_now, size) = (log.edge.root(), TreeSize(70_000));
    let mut nodes = log.nodes();
    for index in (0..70_000).step_by(997).chain([65_535, 65_536, 69_887, 69_888, 69_999]) {
        let proof = inclusion_proof(&mut nodes, LeafIndex(index), size).unwrap();
        assert_eq!(proof.verify(&log.leaves[index as usize], &root_now), Ok(()), "{index}");
    }
    for old in [1, 2, 255, 256, 257, 65_535, 65_536, 65_537, 69_888, 69_999, 70_000] {
        let old_root = root_of(&log.leaves[..old as usize]);
        let proof = consistency_proof(&mut nodes, TreeSize(old), size).unwrap();
        assert_eq!(proof.verify(&old_root, &root_now), Ok(()), "{old}");
        // A log that has grown still proves about its past.
        let past = inclusion_proof(&mut nodes, LeafIndex(old - 1), TreeSize(old)).unwrap();
        assert_eq!(past.verify(&log.leaves[old as usize - 1], &old_root), Ok(()), "{old}");
    }
}

#[test]
fn every_inclusion_proof_to_size_300_from_tiles() {
    let mut log = Log::default();
    for size in 1..=300 {
        log.grow(size);
        let (root_now, mut nodes) = (log.edge.root(), log.nodes());
        for index in 0..size {
            let proof = inclusion_proof(&mut nodes, LeafIndex(index), TreeSize(size)).unwrap();
            assert_eq!(proof.verify(&log.leaves[index as usize], &root_now), Ok(()), "{index} of {size}");
        }
    }
}

#[test]
fn tiles_equal_those_of_tlog_tiles() {
    use tlog_tiles::tlog::{self, Hash, HashReader};
    struct Stored(Vec<Hash>);
    impl HashReader for Stored {
        fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog::Error> {
            Ok(indexes.iter().map(|&i| self.0[i as usize]).collect())
        }
    }

    let (mut log, mut stored) = (Log::default(), Stored(Vec::new()));
    log.grow(700);
    for n in 0..700 {
        let new = tlog::stored_hashes(n, format!("entry {n}\n").as_bytes(), &stored).unwrap();
        stored.0.extend(new);
    }
    let theirs = tlog_tiles::Tile::new_tiles(8, 0, 700);
    assert_eq!(theirs.len(), 4);
    for tile in theirs {
        let (level, number, width) = (tile.level(), tile.level_index(), tile.width());
        let ours = match width {
            256 => log.full[&(level, number)].clone(),
            _ => tile_bytes(log.edge.partial(level)),
        };
        assert_eq!(ours, tile.read_data(&stored).unwrap(), "{}", tile.path());
    }
}

#[test]
fn names_follow_the_standard() {
    let partial = |path: TilePath, width| path.partial(width).unwrap();
    let names = [
        (TilePath::hashes(0, 0), "tile/0/000"),
        (TilePath::hashes(63, 1_234_067), "tile/63/x001/x234/067"),
        (TilePath::entries(1000), "tile/entries/x001/000"),
        (partial(TilePath::entries(999), 255), "tile/entries/999.p/255"),
        (partial(TilePath::hashes(2, 273), 1), "tile/2/273.p/1"),
        (TilePath::hashes(1, u64::MAX), "tile/1/x018/x446/x744/x073/x709/x551/615"),
    ];
    for (path, name) in names {
        assert_eq!(path.to_string(), name);
        assert_eq!(name.parse(), Ok(path));
    }
    assert_eq!(partial(TilePath::hashes(2, 273), 17).width(), 17);
    assert_eq!(TilePath::entries(4).width(), 256);
    assert_eq!((TilePath::entries(4).kind(), TilePath::entries(4).number()), (TileKind::Entries, 4));
}

#[test]
fn other_names_are_refused() {
    let refused = [
        ("", TilePathError::Prefix),
        ("/tile/0/000", TilePathError::Prefix),
        ("tile/0", TilePathError::Level),
        ("tile/00/000", TilePathError::Level),
        ("tile/64/000", TilePathError::Level),
        ("tile/+1/000", TilePathError::Level),
        ("tile/data/000", TilePathError::Level),
        ("tile/0/0", TilePathError::Number { element: 0 }),
        ("tile/0/x001", TilePathError::Number { element: 0 }),
        ("tile/0/001/002", TilePathError::Number { element: 0 }),
        ("tile/0/x001/x002", TilePathError::Number { element: 1 }),
        ("tile/0/x001/", TilePathError::Number { element: 1 }),
        ("tile/0/x001/../003", TilePathError::Number { element: 1 }),
        ("tile/0/x000/001", TilePathError::NumberPadded),
        ("tile/1/x018/x446/x744/x073/x709/x551/616", TilePathError::NumberTooLarge),
        ("tile/0/000.p/0", TilePathError::Width),
        ("tile/0/000.p/256", TilePathError::Width),
        ("tile/0/000.p/07", TilePathError::Width),
        ("tile/0/000.p/1.p/1", TilePathError::Width),
    ];
    for (name, error) in refused {
        assert_eq!(name.parse::<TilePath>(), Err(error), "{name}");
    }
    assert_eq!(TilePath::entries(0).partial(0), Err(TilePathError::Width));
}

#[test]
fn bundles_are_strict() {
    let long = vec![0; 65_536];
    assert_eq!(encode_bundle::<&[u8]>(&[]), Err(BundleError::Empty));
    assert_eq!(encode_bundle(&vec![b""; 257]), Err(BundleError::TooManyEntries));
    assert_eq!(encode_bundle(&[&long[..5], &long[..]]), Err(BundleError::EntryTooLong { entry: 1, bytes: 65_536 }));
    let bundle = encode_bundle(&[&b"one"[..], b"", b"three"]).unwrap();
    assert_eq!(bundle, b"\x00\x03one\x00\x00\x00\x05three");
    assert_eq!(decode_bundle(&bundle), Ok(vec![&b"one"[..], b"", b"three"]));
    assert_eq!(decode_bundle(b""), Err(BundleError::Empty));
    assert_eq!(decode_bundle(&[0; 514]), Err(BundleError::TooManyEntries));
    assert_eq!(decode_bundle(&bundle[..6]), Err(BundleError::Truncated { offset: 5 }));
    assert_eq!(decode_bundle(&bundle[..11]), Err(BundleError::Truncated { offset: 7 }));
    assert_eq!(encode_bundle(&[&long[1..]]).map(|bundle| bundle.len()), Ok(65_537));
}

#[test]
fn a_damaged_edge_is_refused() {
    let mut log = Log::default();
    log.grow(300);
    let bytes = log.edge.encode();
    let head = b"cartulaire-edge/v1\n".len() + 8;
    assert_eq!(bytes.len(), head + 45 * 32);
    assert_eq!(TreeEdge::decode(b"cartulaire-edge/v2\n"), Err(EdgeError::Version));
    assert_eq!(TreeEdge::decode(&bytes[..head - 1]), Err(EdgeError::Length { expected: head, found: head - 1 }));
    let (expected, short, long) = (bytes.len(), &bytes[..bytes.len() - 32], [&bytes[..], &[0]].concat());
    assert_eq!(TreeEdge::decode(short), Err(EdgeError::Length { expected, found: expected - 32 }));
    assert_eq!(TreeEdge::decode(&long), Err(EdgeError::Length { expected, found: expected + 1 }));
    let mut resized = bytes.clone();
    resized[head - 1] ^= 1;
    assert_eq!(TreeEdge::decode(&resized), Err(EdgeError::Length { expected: expected + 32, found: expected }));
    let mut huge = bytes;
    huge[head - 8] = 0x80;
    let size = TreeSize((1 << 63) + 300);
    assert_eq!(TreeEdge::decode(&huge), Err(EdgeError::SizeTooLarge { size }));
    let read = |_| Ok::<_, EdgeError>(vec![NodeHash([0; 32]); 44]);
    let width = EdgeError::Width { level: 1, expected: 1, found: 44 };
    assert_eq!(TreeEdge::from_partials(TreeSize(300), read), Err(width));
    assert_eq!(TreeEdge::from_partials(size, read), Err(EdgeError::SizeTooLarge { size }));
}

#[test]
fn an_edge_is_rebuilt_from_its_partial_tiles() {
    let mut log = Log::default();
    log.grow(70_000);
    let mut asked = Vec::new();
    let rebuilt = TreeEdge::from_partials(TreeSize(70_000), |path| {
        asked.push(path.to_string());
        let TileKind::Hashes { level } = path.kind() else { panic!("an edge has no entries") };
        Ok::<_, EdgeError>(log.edge.partial(level).to_vec())
    });
    assert_eq!(rebuilt, Ok(log.edge.clone()));
    assert_eq!(asked, ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]);
}

#[test]
fn nodes_that_cannot_be_had_are_named() {
    let mut log = Log::default();
    log.grow(600);
    let size = TreeSize(600);
    let outside = |level, index| Err(TileNodesError::OutsideTree { level, index, size });
    assert_eq!(log.nodes().node(0, 600), outside(0, 600));
    assert_eq!(log.nodes().node(8, 2), outside(8, 2));
    assert_eq!(log.nodes().node(64, 0), outside(64, 0));
    assert_eq!(log.nodes().node(0, u64::MAX), outside(0, u64::MAX));
    assert_eq!(log.edge.node(0, 600), None);
    assert_eq!(log.edge.node(0, 511), None);
    assert_eq!(log.edge.node(0, 512), Some(leaf(512).into()));
    log.full.remove(&(0, 1));
    assert_eq!(log.nodes().node(0, 256), Err(TileNodesError::Read(Missing(0, 1))));
    log.full.insert((0, 0), vec![0; 8191]);
    let length = TileNodesError::TileLength { level: 0, number: 0, found: 8191 };
    assert_eq!(log.nodes().node(3, 0), Err(length));
}

#[test]
fn a_tile_is_read_once_while_it_is_cached() {
    let mut log = Log::default();
    log.grow(3000);
    let mut reads = 0;
    let mut nodes = TileNodes::new(&log.edge, |level, number| {
        reads += 1;
        Ok::<_, Infallible>(log.full[&(level, number)].clone())
    });
    for index in 0..2816 {
        inclusion_proof(&mut nodes, LeafIndex(index), TreeSize(3000)).unwrap();
    }
    assert_eq!(reads, 11);
}

proptest! {
    #[test]
    fn numbers_have_one_name(number: u64) {
        prop_assert_eq!(parse_tile_number(&tile_number(number)), Ok(number));
    }

    #[test]
    fn a_parsed_name_is_written_the_same(name in "tile/([0-9]{1,2}|entries)/(x[0-9]{3}/){0,3}[0-9]{3}(\\.p/[0-9]{1,3})?") {
        if let Ok(path) = name.parse::<TilePath>() {
            prop_assert_eq!(path.to_string(), name);
        }
    }

    #[test]
    fn names_agree_with_tlog_tiles(level in 0u8..8, number in 0u64..1 << 40, width in 1u8..=255) {
        let ours = TilePath::hashes(level, number).partial(width).unwrap().to_string();
        let theirs = tlog_tiles::Tile::new(8, level, number, u32::from(width), false).path();
        // The crate follows Go, which puts the tile height first: tile/8/<L>/… .
        prop_assert_eq!(ours.replacen("tile/", "tile/8/", 1), theirs);
    }

    #[test]
    fn bundles_come_back(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 1..20)) {
        let bundle = encode_bundle(&entries).unwrap();
        let back: Vec<Vec<u8>> = decode_bundle(&bundle).unwrap().into_iter().map(Vec::from).collect();
        prop_assert_eq!(back, entries);
    }

    #[test]
    fn a_decoded_bundle_is_encoded_the_same(bytes in prop::collection::vec(0u8..3, 0..60)) {
        if let Ok(entries) = decode_bundle(&bytes) {
            prop_assert_eq!(encode_bundle(&entries), Ok(bytes.clone()));
        }
    }

    #[test]
    fn no_bytes_panic_an_edge(size in 0u64..2000, tail in prop::collection::vec(any::<u8>(), 0..200)) {
        let bytes = [b"cartulaire-edge/v1\n", &size.to_be_bytes()[..], &tail].concat();
        if let Ok(edge) = TreeEdge::decode(&bytes) {
            prop_assert_eq!(edge.encode(), bytes);
        }
    }
}
