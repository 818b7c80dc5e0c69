//! A store that lies about create-if-absent is refused as the deciding site, by name of its lie.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use cartulaire_engine::ports::{Child, CreateError, Prepared, ReadError, Staging, Store};
use cartulaire_engine::store::{LocalStore, ObjectLock, ObjectStoreSite, ProbeError, probe};
use cartulaire_formats::layout::ObjectName;
use cartulaire_tests::scripted_s3::{Reply, ScriptedS3};
use cartulaire_tests::sim::{Image, ReadFault, SimEntropy, SimStore, Then, WriteFault};

/// How a store lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    /// Reports success and replaces the object, as Garage 2.5.
    IgnoresCondition,
    /// Refuses, and replaces the object.
    ReplacesAnyway,
    /// Keeps the condition for creations in turn, and not for those at once: it checks before it writes.
    ChecksBefore,
}

struct Liar {
    honest: SimStore,
    lie: Lie,
    creations: AtomicUsize,
}

impl Liar {
    fn new(lie: Lie) -> Self {
        Self { honest: SimStore::new(1), lie, creations: AtomicUsize::new(0) }
    }
}

impl Store for Liar {
    fn prepare(&self, _: &ObjectName, _: &[Bytes]) -> Result<Box<dyn Prepared>, CreateError> {
        Err(CreateError::Unreachable)
    }

    fn create(&self, name: &ObjectName, parts: &[Bytes]) -> Result<(), CreateError> {
        let number = self.creations.fetch_add(1, Ordering::SeqCst);
        let honest = self.honest.create(name, parts);
        match self.lie {
            _ if honest.is_ok() => Ok(()),
            Lie::ChecksBefore if number < 2 => honest,
            Lie::IgnoresCondition | Lie::ChecksBefore => {
                self.honest.edit(name, Some(parts.concat().into()));
                Ok(())
            }
            Lie::ReplacesAnyway => {
                self.honest.edit(name, Some(parts.concat().into()));
                honest
            }
        }
    }

    fn stage(&self, name: &ObjectName, head_len: usize) -> Result<Box<dyn Staging>, CreateError> {
        self.honest.stage(name, head_len)
    }

    fn read(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes, ReadError> {
        self.honest.read(name, range)
    }

    fn size(&self, name: &ObjectName) -> Result<Option<u64>, ReadError> {
        self.honest.size(name)
    }

    fn children(&self, folder: &str) -> Result<Vec<Child>, ReadError> {
        self.honest.children(folder)
    }

    fn delete(&self, name: &ObjectName) -> Result<(), CreateError> {
        self.honest.delete(name)
    }
}

fn probed(store: &dyn Store) -> Result<(), ProbeError> {
    probe(store, &SimEntropy::new(1))
}

#[test]
fn honest_stores_pass_and_keep_no_canary() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(probed(&LocalStore::open(folder.path()).unwrap()), Ok(()));
    assert_eq!(probed(&ObjectStoreSite::in_memory()), Ok(()));
    let store = SimStore::new(1);
    assert_eq!((probed(&store), store.live()), (Ok(()), Image::new()));
}

#[test]
fn each_lie_is_named() {
    let expected = [
        (Lie::IgnoresCondition, ProbeError::IgnoresCondition),
        (Lie::ReplacesAnyway, ProbeError::ReplacesAnyway),
        (Lie::ChecksBefore, ProbeError::NotOneWinner { winners: 4 }),
    ];
    for (lie, error) in expected {
        assert_eq!(probed(&Liar::new(lie)), Err(error), "{lie:?}");
    }
}

#[test]
fn a_store_that_gives_no_clear_answer_is_refused() {
    let on_write = |number, fault| {
        let store = SimStore::new(1);
        store.script_write(number, fault, Then::GoOn);
        probed(&store)
    };
    assert_eq!(on_write(0, WriteFault::Full), Err(ProbeError::NotWritable(CreateError::Full)));
    assert_eq!(on_write(1, WriteFault::Unreachable), Err(ProbeError::NoClearAnswer(CreateError::Unreachable)));
    assert_eq!(on_write(4, WriteFault::Eio), Err(ProbeError::NoClearAnswer(CreateError::Unknown)));
    let store = SimStore::new(1);
    store.script_read(0, ReadFault::Failed);
    assert_eq!(probed(&store), Err(ProbeError::NotReadable(ReadError::Failed)));
}

#[test]
fn a_server_that_accepts_the_condition_and_ignores_it_is_refused() {
    let server = ScriptedS3::start(&[Reply::Status(200, ""), Reply::Status(200, ""), Reply::Status(204, "")]);
    let site = ObjectStoreSite::bucket(&server.config()).unwrap();
    assert_eq!(probed(&site), Err(ProbeError::IgnoresCondition));
    let sent: Vec<_> = server.requests().into_iter().take(2).map(|r| r.if_none_match).collect();
    assert_eq!(sent, [Some("*".to_owned()), Some("*".to_owned())]);
}

#[test]
fn what_a_bucket_says_of_object_lock_is_told_apart() {
    let enabled = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>";
    let disabled = "<Error><Code>ObjectLockConfigurationNotFoundError</Code></Error>";
    let expected = [
        (Reply::Status(200, enabled), ObjectLock::Enabled),
        (Reply::Status(404, disabled), ObjectLock::Disabled),
        (Reply::Status(200, "<ObjectLockConfiguration/>"), ObjectLock::Disabled),
        (Reply::Status(501, ""), ObjectLock::Unsupported),
        (Reply::Status(403, ""), ObjectLock::Unknown),
        (Reply::Lost, ObjectLock::Unknown),
    ];
    for (reply, said) in expected {
        let server = ScriptedS3::start(&[reply]);
        assert_eq!(ObjectStoreSite::bucket(&server.config()).unwrap().object_lock(), said, "{reply:?}");
    }
    assert_eq!(ObjectStoreSite::in_memory().object_lock(), ObjectLock::Unsupported);
}
