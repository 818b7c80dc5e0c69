//! What the directory adapter promises beyond the port: one writer, no leftovers, nothing but regular files.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::os::unix::fs::symlink;
use std::path::Path;

use bytes::Bytes;
use cartulaire_engine::ports::{Child, CreateError, ReadError, Store};
use cartulaire_engine::store::{LocalStore, OpenError};
use cartulaire_tests::store_suite::name;

fn create(store: &LocalStore, text: &str) -> Result<(), CreateError> {
    store.create(&name(text), &[Bytes::from_static(b"x")])
}

fn entries(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_folder_has_one_writer_and_any_number_of_readers() {
    let folder = tempfile::tempdir().unwrap();
    let writer = LocalStore::open(folder.path()).unwrap();
    create(&writer, "a/b").unwrap();
    let Err(refused) = LocalStore::open(folder.path()) else { panic!("a second writer was let in") };
    assert!(matches!(&refused, OpenError::Locked(path) if path == folder.path()));
    let way_out = format!(
        "another process writes to {0}: stop it first (`fuser {0}/.lock` names it), or open it read only",
        folder.path().display()
    );
    assert_eq!(refused.to_string(), way_out);
    let reader = LocalStore::open_read_only(folder.path()).unwrap();
    assert_eq!(reader.read(&name("a/b"), 0..1), Ok(Bytes::from_static(b"x")));
    assert_eq!(create(&reader, "a/c"), Err(CreateError::Unreachable));
    assert_eq!(reader.stage(&name("a/c"), 0).err(), Some(CreateError::Unreachable));
    assert_eq!(reader.delete(&name("a/b")), Err(CreateError::Unreachable));
    drop(writer);
    assert!(LocalStore::open(folder.path()).is_ok());
}

#[test]
fn a_site_does_not_begin_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("not/mounted");
    assert!(matches!(LocalStore::open(&absent), Err(OpenError::Missing(path)) if path == absent));
    assert!(matches!(LocalStore::open_read_only(&absent), Err(OpenError::Missing(_))));
    create(&LocalStore::make(&absent).unwrap(), "a").unwrap();
    let file = absent.join("a");
    assert!(matches!(LocalStore::open(&file), Err(OpenError::System { .. })));
}

#[test]
fn drafts_that_a_crash_left_are_swept() {
    let folder = tempfile::tempdir().unwrap();
    drop(LocalStore::open(folder.path()).unwrap());
    let drafts = folder.path().join(".drafts");
    std::fs::write(drafts.join("0"), "half").unwrap();
    let store = LocalStore::open_with_named_drafts(folder.path()).unwrap();
    assert_eq!(entries(&drafts), Vec::<String>::new());
    let mut staging = store.stage(&name("a"), 0).unwrap();
    staging.append(Bytes::from_static(b"x")).unwrap();
    assert_eq!(entries(&drafts), ["0"]);
    drop(staging);
    assert_eq!(entries(&drafts), Vec::<String>::new());
    create(&store, "b").unwrap();
    assert_eq!((entries(&drafts), store.children("").unwrap()), (vec![], vec![Child::Object(name("b"), 1)]));
}

#[test]
fn what_is_no_regular_file_is_no_object() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    let store = LocalStore::open(folder.path()).unwrap();
    create(&store, "a/object").unwrap();
    symlink(outside.path().join("secret"), folder.path().join("a/link")).unwrap();
    symlink(outside.path(), folder.path().join("a/linked-folder")).unwrap();
    let fifo = std::process::Command::new("mkfifo").arg(folder.path().join("a/fifo")).status().unwrap();
    assert!(fifo.success());
    std::fs::write(folder.path().join("a/not a name"), "").unwrap();
    assert_eq!(store.children("a").unwrap(), [Child::Object(name("a/object"), 1)]);
    for no_object in ["a/link", "a/fifo", "a/linked-folder", "a"] {
        assert_eq!(store.size(&name(no_object)), Ok(None), "{no_object}");
        assert_eq!(store.read(&name(no_object), 0..1), Err(ReadError::Missing), "{no_object}");
    }
    assert_eq!(store.children("a/linked-folder"), Ok(vec![]));
    assert_eq!(create(&store, "a/link"), Err(CreateError::Exists));
}

#[test]
fn a_folder_that_somebody_removed_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(folder.path()).unwrap();
    create(&store, "a/b/1").unwrap();
    std::fs::remove_dir_all(folder.path().join("a/b")).unwrap();
    // The first attempt meets the folder that is gone, writes nothing and says so.
    assert_eq!(create(&store, "a/b/2"), Err(CreateError::Unreachable));
    assert_eq!(create(&store, "a/b/2"), Ok(()));
    assert_eq!(store.children("a/b").unwrap(), [Child::Object(name("a/b/2"), 1)]);
}

#[test]
fn more_folders_than_are_kept_open_work() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(folder.path()).unwrap();
    for i in 0..200 {
        create(&store, &format!("f/{}/{i}", i % 100)).unwrap();
    }
    let found: usize = (0..100).map(|i| store.children(&format!("f/{i}")).unwrap().len()).sum();
    assert_eq!(found, 200);
}
