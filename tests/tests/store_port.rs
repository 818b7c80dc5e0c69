//! Every adapter of the `Store` port before the one suite, and what each promises beyond it.

use std::sync::Arc;

use cartulaire_engine::store::LocalStore;
use cartulaire_tests::store_suite::{store_conformance, store_persistence};

/// Gives each scenario a folder of its own in one that lives as long as the test.
fn numbered(folder: &tempfile::TempDir) -> impl Fn() -> std::path::PathBuf {
    let next = std::sync::atomic::AtomicU64::new(0);
    let path = folder.path().to_owned();
    move || path.join(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string())
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
