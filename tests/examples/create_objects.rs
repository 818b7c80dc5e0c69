//! Creates `commits/000.tar` and then `commits/001.tar` in a directory and prints what became of each: a process small
//! enough for `tests/foreign/local-store-strace.sh` to read every system call of.

use std::path::Path;

use bytes::Bytes;
use cartulaire_engine::ports::Store as _;
use cartulaire_engine::store::LocalStore;
use cartulaire_formats::layout::{CommitNumber, commit};

fn main() {
    let folder = std::env::args_os().nth(1).expect("usage: create_objects FOLDER");
    let store = LocalStore::open(Path::new(&folder)).expect("the folder opens");
    for number in 0..2 {
        let parts = [Bytes::from_static(b"two "), Bytes::from_static(b"parts\n")];
        match store.create(&commit(CommitNumber(number)), &parts) {
            Ok(()) => println!("{number} Created"),
            Err(error) => println!("{number} {error:?}"),
        }
    }
}
