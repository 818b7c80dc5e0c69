//! One identifier, one archive: whatever was sent under it, however often, whenever the second one comes.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use cartulaire_engine::commit::{Committed, Submission};
use cartulaire_formats::aip::ArchiveId;
use cartulaire_tests::rig::{Rig, World, tenant};

/// What became of a second transfer under the identifier of the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Second {
    Replayed,
    Conflict,
}

/// When the second transfer comes.
#[derive(Debug, Clone, Copy)]
enum When {
    SameBatch,
    InFlight,
    Committed,
    Reopened,
    Rebuilt,
}

const WHENS: [When; 5] = [When::SameBatch, When::InFlight, When::Committed, When::Reopened, When::Rebuilt];

fn content(size: usize, salt: u8) -> Vec<u8> {
    (0..size).map(|i| (i / 7) as u8 ^ salt).collect()
}

fn submission(rig: &Rig, owner: &str, content: &[u8]) -> Submission {
    Submission::Deposit(Box::new(rig.admit(owner, "T-1", &[("a.bin", content)]).unwrap().unwrap()))
}

fn deposited(outcome: &Committed) -> ArchiveId {
    match outcome {
        Committed::Deposit(deposit) => deposit.descriptor.archive,
        outcome => panic!("{outcome:?}"),
    }
}

fn second(outcome: &Committed) -> (ArchiveId, Second) {
    match outcome {
        Committed::Replayed(archive) => (*archive, Second::Replayed),
        Committed::Conflict(archive) => (*archive, Second::Conflict),
        outcome => panic!("{outcome:?}"),
    }
}

/// Sends two transfers under one identifier and returns what the first gave and what became of the second.
fn send(world: &mut World, when: When, one: &[u8], other: &[u8]) -> (ArchiveId, (ArchiveId, Second)) {
    let mut rig = world.open().unwrap();
    rig.create_tenant("kerlouan").unwrap();
    let first = submission(&rig, "kerlouan", one);
    match when {
        When::SameBatch => {
            let batch = vec![first, submission(&rig, "kerlouan", other)];
            let outcomes = rig.writers.committer.commit(batch).unwrap();
            (deposited(&outcomes[0]), second(&outcomes[1]))
        }
        When::InFlight => {
            let again = submission(&rig, "kerlouan", other);
            let staged = rig.writers.committer.stage(vec![first]).unwrap();
            let next = rig.writers.committer.stage(vec![again]).unwrap();
            let outcomes = [staged, next].map(|staged| staged.publish(&rig.archive).unwrap());
            (deposited(&outcomes[0][0]), second(&outcomes[1][0]))
        }
        When::Committed | When::Reopened | When::Rebuilt => {
            let outcomes = rig.writers.committer.commit(vec![first]).unwrap();
            if matches!(when, When::Reopened | When::Rebuilt) {
                drop(rig);
                if matches!(when, When::Rebuilt) {
                    world.drop_index();
                }
                rig = world.open().unwrap();
            }
            let again = submission(&rig, "kerlouan", other);
            let again = rig.writers.committer.commit(vec![again]).unwrap();
            (deposited(&outcomes[0]), second(&again[0]))
        }
    }
}

/// The archive reads as it was deposited, and no container is there that no commit names.
fn check_kept(world: &World, archive: &ArchiveId, content: &[u8]) {
    let containers = world.store.live().keys().filter(|name| name.as_str().starts_with("containers/")).count();
    assert_eq!(containers, usize::from(content.len() > 1 << 20));
    let rig = world.open().unwrap();
    let found = rig.archive.find(&tenant("kerlouan"), archive).unwrap().unwrap();
    let file = &found.descriptor.files[0];
    let mut read = Vec::new();
    let take = |piece: bytes::Bytes| {
        read.extend_from_slice(&piece);
        true
    };
    rig.archive.open_file(&tenant("kerlouan"), file).unwrap().stream(&file.blake3, take).unwrap();
    assert!(read == content);
}

#[test]
fn the_second_transfer_is_answered_with_the_first_archive_whenever_it_comes() {
    for when in WHENS {
        for size in [10, 1_100_000] {
            for (salt, expected) in [(0, Second::Replayed), (1, Second::Conflict)] {
                let mut world = World::new(51);
                let (one, other) = (content(size, 0), content(size, salt));
                let (archive, found) = send(&mut world, when, &one, &other);
                assert_eq!(found, (archive, expected), "{when:?} {size}");
                check_kept(&world, &archive, &one);
            }
        }
    }
}

#[test]
fn content_is_stored_once_in_a_tenant_and_never_across_tenants() {
    for (size, is_large) in [(100_000, false), (1_100_000, true)] {
        let world = World::new(52);
        let mut rig = world.open().unwrap();
        let bytes = content(size, 0);
        let stored = |world: &World| world.store.live().values().map(|object| object.len()).sum::<usize>() / size;
        let mut commitments = Vec::new();
        for (owner, copies) in [("kerlouan", 1), ("plouguerneau", 2)] {
            rig.create_tenant(owner).unwrap();
            // In one batch, in flight, and after: the same content, and the same commitment, each time.
            let deposit = |rig: &Rig, transfer: &str| {
                let admitted = rig.admit(owner, transfer, &[("a.bin", &bytes), ("b.bin", &bytes)]).unwrap().unwrap();
                Submission::Deposit(Box::new(admitted))
            };
            let batches = [vec![deposit(&rig, "T-1"), deposit(&rig, "T-2")], vec![deposit(&rig, "T-3")]];
            let staged = batches.map(|batch| rig.writers.committer.stage(batch).unwrap());
            let mut outcomes: Vec<_> = staged.into_iter().flat_map(|s| s.publish(&rig.archive).unwrap()).collect();
            let last = deposit(&rig, "T-4");
            outcomes.extend(rig.writers.committer.commit(vec![last]).unwrap());
            assert_eq!(stored(&world), copies, "large: {is_large}");
            let row = rig.archive.index().tenant(&tenant(owner)).unwrap().unwrap();
            // The tenant's own description, four descriptors, one content.
            assert_eq!((row.archives, row.objects), (4, 6));
            for outcome in &outcomes {
                let Committed::Deposit(deposit) = outcome else { panic!("{outcome:?}") };
                commitments.push((owner, deposit.entry.commitments[1]));
                commitments.push((owner, deposit.entry.commitments[2]));
            }
        }
        let (ours, theirs) = commitments.split_at(8);
        assert!(ours.iter().all(|c| *c == ours[0]) && theirs.iter().all(|c| *c == theirs[0]));
        assert_ne!(ours[0].1, theirs[0].1);
    }
}

#[test]
fn one_identifier_in_two_tenants_is_two_transfers() {
    let world = World::new(53);
    let mut rig = world.open().unwrap();
    rig.create_tenant("kerlouan").unwrap();
    rig.create_tenant("plouguerneau").unwrap();
    let batch = vec![submission(&rig, "kerlouan", b"alpha"), submission(&rig, "plouguerneau", b"bravo")];
    let outcomes = rig.writers.committer.commit(batch).unwrap();
    assert_ne!(deposited(&outcomes[0]), deposited(&outcomes[1]));
}

#[test]
fn a_receipt_is_the_same_bytes_now_reopened_and_rebuilt() {
    let mut world = World::new(54);
    let mut rig = world.open().unwrap();
    rig.create_tenant("kerlouan").unwrap();
    let mut receipts = Vec::new();
    for (i, size) in [0, 10, 1_100_000].into_iter().enumerate() {
        let outcome = rig.deposit("kerlouan", &format!("T-{i}"), &[("a.bin", &content(size, 0))]).unwrap();
        let Committed::Deposit(deposit) = outcome else { panic!("{outcome:?}") };
        receipts.push((deposit.descriptor.archive, rig.archive.receipt(&deposit).unwrap()));
    }
    for forgets in [false, false, true] {
        let again = |(archive, _): &(ArchiveId, String)| {
            (*archive, rig.archive.receipt_of(&tenant("kerlouan"), archive).unwrap().unwrap())
        };
        assert_eq!(receipts.iter().map(again).collect::<Vec<_>>(), receipts);
        assert_eq!(rig.archive.receipt_of(&tenant("plouguerneau"), &receipts[0].0).unwrap(), None);
        drop(rig);
        world.pass(3_600_000);
        if forgets {
            world.drop_index();
        }
        rig = world.open().unwrap();
    }
    let again = |(archive, _): &(ArchiveId, String)| {
        (*archive, rig.archive.receipt_of(&tenant("kerlouan"), archive).unwrap().unwrap())
    };
    assert_eq!(receipts.iter().map(again).collect::<Vec<_>>(), receipts);
}
