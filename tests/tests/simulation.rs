//! Lives of an archive, from seeds: see [`cartulaire_tests::simulation`].
//!
//! `CARTULAIRE_SEEDS` lives of `CARTULAIRE_STEPS` steps each, from seed `CARTULAIRE_SEED` on; the defaults suit a
//! continuous integration.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use cartulaire_tests::simulation::{Happening, Life, run};

const SEEDS: u64 = 10;
const STEPS: usize = 100;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

fn steps() -> usize {
    number("CARTULAIRE_STEPS", STEPS as u64) as usize
}

#[test]
fn every_life_keeps_every_promise() {
    let first = number("CARTULAIRE_SEED", 1);
    let seeds = number("CARTULAIRE_SEEDS", SEEDS);
    let next = AtomicU64::new(first);
    let worker = || {
        let mut lives = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + seeds {
                return lives;
            }
            lives.push(run(seed, steps()));
        }
    };
    let lives: Vec<_> = std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|w| w.join().expect("a life panicked")).collect()
    });
    let failures: Vec<_> = lives.iter().filter_map(|life| life.as_ref().err()).map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{} of {seeds} lives failed:\n{}", failures.len(), failures.join("\n"));
    let lives: Vec<_> = lives.into_iter().flatten().collect();
    if seeds >= SEEDS && steps() >= STEPS {
        everything_happened(&lives);
    }
}

/// A simulation in which nothing happens proves nothing.
fn everything_happened(lives: &[Life]) {
    let mut counts: BTreeMap<Happening, usize> = BTreeMap::new();
    lives.iter().flat_map(|life| &life.happenings).for_each(|happening| *counts.entry(*happening).or_default() += 1);
    let never: Vec<_> = Happening::SHARES.iter().filter(|(h, _)| !counts.contains_key(h)).collect();
    assert!(never.is_empty(), "never happened: {never:?}");
    let total = |of: fn(&Life) -> usize| lives.iter().map(of).sum::<usize>();
    let (receipts, seals, poisonings) = (total(|l| l.receipts), total(|l| l.seals), total(|l| l.poisonings));
    assert!(receipts > 15 * lives.len() && seals > 4 * lives.len() && poisonings > lives.len() / 2);
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let [once, again] = [(); 2].map(|()| run(7, 60).unwrap_or_else(|failure| panic!("{failure}")));
    assert!(once == again, "two lives of one seed differ");
    let other = run(8, 60).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(once.images != other.images, "two seeds give one life");
}

#[test]
fn replay() {
    let Ok(seed) = std::env::var("CARTULAIRE_SEED") else { return };
    let life = run(seed.parse().expect("a seed"), steps()).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(!life.images.is_empty());
}
