//! The arithmetic under the proofs: the log grown and proven in memory.

use std::collections::HashMap;
use std::time::Instant;

use cartulaire_formats::merkle::{LeafIndex, inclusion_proof, leaf_hash};
use cartulaire_formats::tiles::{TileNodes, TreeEdge};

use crate::options::Options;
use crate::report::{Promise, Report, Row};
use crate::statistics::Figure;

/// Appends a second, then inclusion proofs made and verified a second, on one core.
pub fn run(options: &Options, report: &mut Report) {
    let size: u64 = if options.quick { 10_000 } else { 1_000_000 };
    let case = format!("{size} entries");
    let (mut edge, mut tiles) = (TreeEdge::empty(), HashMap::new());
    let began = Instant::now();
    for number in 0..size {
        for tile in edge.append(leaf_hash(&number.to_be_bytes())) {
            tiles.insert((tile.level, tile.number), tile.to_bytes());
        }
    }
    let rate = size as f64 / began.elapsed().as_secs_f64();
    report.row(&Row::new("log appends", case.clone(), "entries/s", Figure::of([rate]), Promise::NONE));
    let rounds = (0..options.rounds()).map(|_| {
        let (began, mut count) = (Instant::now(), 0_u64);
        while began.elapsed() < options.round() {
            // A stride prime to the size visits entries all over the log.
            let index = count.wrapping_mul(7_919) % size;
            let read = |level: u8, number: u64| tiles.get(&(level, number)).cloned().ok_or(());
            let proof = inclusion_proof(&mut TileNodes::new(&edge, read), LeafIndex(index), edge.size());
            let proof = proof.expect("every tile is in memory");
            assert!(proof.verify(&leaf_hash(&index.to_be_bytes()), &edge.root()).is_ok(), "a proof of our own holds");
            count += 1;
        }
        count as f64 / began.elapsed().as_secs_f64()
    });
    report.row(&Row::new("inclusion proofs", case, "proofs/s", Figure::of(rounds), Promise::NONE));
}
