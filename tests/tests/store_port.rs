//! Every adapter of the `Store` port before the one suite, and what each promises beyond it.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cartulaire_engine::store::{BucketConfig, LocalStore, ObjectLock, ObjectStoreSite, probe};
use cartulaire_tests::seaweed::SeaweedFs;
use cartulaire_tests::sim::SimEntropy;
use cartulaire_tests::store_suite::{store_conformance, store_persistence};

/// Gives each scenario a folder of its own in one that lives as long as the test.
fn numbered(folder: &tempfile::TempDir) -> impl Fn() -> std::path::PathBuf {
    let next = AtomicU64::new(0);
    let path = folder.path().to_owned();
    move || path.join(next.fetch_add(1, Ordering::Relaxed).to_string())
}

#[test]
fn a_directory_passes_the_suite() {
    let folder = tempfile::tempdir().unwrap();
    let path = numbered(&folder);
    store_conformance(|| Arc::new(LocalStore::make(&path()).unwrap()));
}

#[test]
fn a_directory_without_nameless_files_passes_the_suite() {
    let folder = tempfile::tempdir().unwrap();
    let path = numbered(&folder);
    store_conformance(|| {
        let path = path();
        std::fs::create_dir(&path).unwrap();
        Arc::new(LocalStore::open_with_named_drafts(&path).unwrap())
    });
}

#[test]
fn a_directory_outlives_its_adapter() {
    let folder = tempfile::tempdir().unwrap();
    store_persistence(|| Arc::new(LocalStore::open(folder.path()).unwrap()));
}

#[test]
fn object_stores_memory_passes_the_suite() {
    store_conformance(|| Arc::new(ObjectStoreSite::in_memory()));
}

#[test]
fn a_bucket_passes_the_suite_outlives_its_adapter_and_may_decide() {
    let Some(server) = SeaweedFs::start() else { return };
    let whole = server.bucket("plain", false);
    let next = AtomicU64::new(0);
    let site = |prefix: String| ObjectStoreSite::bucket(&BucketConfig { prefix, ..whole.clone() }).unwrap();
    store_conformance(|| Arc::new(site(format!("site/{}", next.fetch_add(1, Ordering::Relaxed)))));
    store_persistence(|| Arc::new(site("kept/".into())));
    assert_eq!(probe(&site(String::new()), &SimEntropy::new(1)), Ok(()));
    let locked = ObjectStoreSite::bucket(&server.bucket("locked", true)).unwrap();
    assert_eq!(probe(&locked, &SimEntropy::new(1)), Ok(()));
    assert_eq!([site(String::new()).object_lock(), locked.object_lock()], [ObjectLock::Disabled, ObjectLock::Enabled]);
}
