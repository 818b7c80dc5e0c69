//! A staging needs the same memory whatever the object's length. Alone in its process, whose memory it measures.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use bytes::Bytes;
use cartulaire_engine::ports::Store;
use cartulaire_engine::store::{LocalStore, ObjectStoreSite};
use cartulaire_tests::seaweed::SeaweedFs;
use cartulaire_tests::store_suite::name;

const OBJECT_LEN: u64 = 256 << 20;

/// Two parts of 8 MiB in memory, what HTTP and the allocator add, and the piece being appended; an eighth of the object.
const GROWTH_MAX_KIB: u64 = 32 << 10;

/// The most memory that the process has had so far, in KiB (`VmHWM`, proc(5)).
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn stage(store: &dyn Store, text: &str, length: u64) {
    const PIECE: usize = 64 << 10;
    let mut staging = store.stage(&name(text), 512).unwrap();
    for i in 0..length / PIECE as u64 {
        let byte = u8::try_from(i % 251).unwrap();
        staging.append(Bytes::from(vec![byte; PIECE])).unwrap();
    }
    staging.publish(Bytes::from(vec![0; 512])).unwrap();
    assert_eq!(store.size(&name(text)), Ok(Some(512 + length)));
}

fn growth_kib(store: &dyn Store) -> u64 {
    // The first, smaller one pays for what is allocated once.
    stage(store, "small", 24 << 20);
    let before = peak_kib();
    stage(store, "large", OBJECT_LEN);
    peak_kib() - before
}

#[test]
fn a_staging_is_bounded_whatever_its_length() {
    let folder = tempfile::tempdir().unwrap();
    let local = growth_kib(&LocalStore::open(folder.path()).unwrap());
    assert!(local < GROWTH_MAX_KIB, "the directory's staging grew by {local} KiB");
    let Some(server) = SeaweedFs::start() else { return };
    let bucket = growth_kib(&ObjectStoreSite::bucket(&server.bucket("large", false)).unwrap());
    assert!(bucket < GROWTH_MAX_KIB, "the bucket's staging grew by {bucket} KiB");
    println!("growth over {} MiB: directory {local} KiB, bucket {bucket} KiB", OBJECT_LEN >> 20);
}
