//! A deposit's way through the engine, and back out of a store whose index was lost.

use bytes::Bytes;
use cartulaire_engine::archive::Progress;
use cartulaire_engine::commit::{Committed, Event, Submission};
use cartulaire_engine::fault::{DamageKind, Fault, Retry};
use cartulaire_engine::ports::Clock as _;
use cartulaire_formats::journal::{EventType, Outcome};
use cartulaire_formats::layout::{self, CommitNumber, ObjectName, SealNumber};
use cartulaire_formats::time::Timestamp;
use cartulaire_tests::rig::{World, tenant};
use cartulaire_tests::sim::{AuthorityFault, SimStore};

#[test]
fn a_deposit_is_durable_read_back_and_found_again_without_its_index() {
    let mut world = World::new(1);
    let mut rig = world.open().unwrap();
    rig.create_tenant("kerlouan").unwrap();
    let large: Vec<u8> = (0..3_000_000u32).map(|i| (i / 7) as u8).collect();
    let outcome = rig.deposit("kerlouan", "T-1", &[("acte.txt", b"deliberation"), ("plan.bin", &large)]).unwrap();
    let Committed::Deposit(deposit) = outcome else { panic!("{outcome:?}") };
    let receipt = rig.archive.receipt(&deposit).unwrap();
    let sealed = rig.writers.sealer.seal().unwrap().unwrap();
    assert_eq!(sealed.size.0, deposit.entry.seq.0 + 1);
    drop(rig);

    world.store = world.store.crash();
    world.drop_index();
    let rig = world.open().unwrap();
    let kerlouan = tenant("kerlouan");
    let found = rig.archive.find(&kerlouan, &deposit.descriptor.archive).unwrap().unwrap();
    assert_eq!(found.descriptor, deposit.descriptor);
    let reader = rig.archive.open_file(&kerlouan, &found.descriptor.files[1]).unwrap();
    let mut read = Vec::new();
    reader
        .stream(&found.descriptor.files[1].blake3, |piece| {
            read.extend_from_slice(&piece);
            true
        })
        .unwrap();
    assert!(read == large);
    assert_eq!(rig.archive.receipt_of(&kerlouan, &deposit.descriptor.archive).unwrap(), Some(receipt));
}

#[test]
fn an_index_rebuilt_from_the_store_alone_says_the_same_as_one_that_followed() {
    let mut world = World::new(3);
    let mut rig = world.open().unwrap();
    rig.create_tenant("kerlouan").unwrap();
    for i in 0..300 {
        let content = format!("document {}", i / 2);
        rig.deposit("kerlouan", &format!("T-{i}"), &[("a.txt", content.as_bytes())]).unwrap();
        if i % 50 == 0 {
            rig.writers.sealer.seal().unwrap().unwrap();
        }
    }
    drop(rig);
    let image = world.store.durable();
    let followed = world.open().unwrap().archive.index().digest().unwrap();
    world.store = SimStore::from_image(image, 3);
    world.drop_index();
    let rebuilt = world.open().unwrap().archive.index().digest().unwrap();
    assert_eq!(rebuilt, followed);
}

#[test]
fn the_same_bytes_give_the_same_archive_and_other_bytes_a_conflict() {
    let world = World::new(2);
    let mut rig = world.open().unwrap();
    rig.create_tenant("kerlouan").unwrap();
    let first = rig.deposit("kerlouan", "T-1", &[("a.txt", b"alpha")]).unwrap();
    let Committed::Deposit(first) = first else { panic!("{first:?}") };
    let again = rig.deposit("kerlouan", "T-1", &[("a.txt", b"alpha")]).unwrap();
    assert!(matches!(again, Committed::Replayed(archive) if archive == first.descriptor.archive));
    let other = rig.deposit("kerlouan", "T-1", &[("a.txt", b"bravo")]).unwrap();
    assert!(matches!(other, Committed::Conflict(archive) if archive == first.descriptor.archive));
}

#[test]
fn an_authority_that_fails_or_lies_gives_no_token_and_an_honest_one_does() {
    let world = World::new(4);
    let mut rig = world.open().unwrap();
    rig.writers.sealer.seal().unwrap().unwrap();
    for fault in AuthorityFault::ALL {
        world.stampers.iter().for_each(|stamper| stamper.set_fault(Some(fault)));
        assert!(matches!(rig.attest(), Err(Fault::Retry(Retry::Authority))), "{fault:?}");
        assert!(!world.store.live().keys().any(|name| name.as_str().ends_with(".tst")), "{fault:?}");
    }
    // The second authority is asked where the first gives nothing.
    world.stampers[1].set_fault(None);
    assert!(rig.attest().unwrap());
    assert!(rig.attest().unwrap());
    assert!(!rig.attest().unwrap());
}

#[test]
fn a_detail_that_was_there_before_is_found_again_by_a_rebuild() {
    let mut world = World::new(5);
    let mut rig = world.open().unwrap();
    for (subject, detail) in [("key:a", "one"), ("key:a", "two"), ("key:a", "one"), ("key:b", "one")] {
        let mut event = Event::of_service(EventType::KeyCreated, subject, Outcome::Success);
        event.details = vec![Bytes::from_static(detail.as_bytes())];
        rig.writers.committer.commit(vec![Submission::Event(event)]).unwrap();
    }
    let followed = rig.archive.index().details("key:").unwrap();
    assert_eq!(followed, [("key:a".to_owned(), b"one".to_vec()), ("key:b".to_owned(), b"one".to_vec())]);
    drop(rig);
    world.crash();
    world.drop_index();
    assert_eq!(world.open().unwrap().archive.index().details("key:").unwrap(), followed);
}

#[test]
fn a_second_writer_sweeps_nothing_that_the_first_may_still_commit() {
    let mut world = World::new(6);
    let mut first = world.open().unwrap();
    first.create_tenant("kerlouan").unwrap();
    first.writers.sealer.seal().unwrap().unwrap();
    let large = vec![7; 2_000_000];
    let mut admitted = Some(first.admit("kerlouan", "T-1", &[("plan.bin", &large)]).unwrap().unwrap());
    let archive = admitted.as_ref().unwrap().archive();
    world.drop_index();
    // The first writer commits between the second one's look at the store and its first write.
    let second = world.open_watched(&mut |progress| {
        if matches!(progress, Progress::Seal(_)) {
            let admitted = admitted.take().expect("there is one seal to follow");
            let committed = first.writers.committer.commit(vec![Submission::Deposit(Box::new(admitted))]);
            assert!(matches!(committed.as_deref(), Ok([Committed::Deposit(_)])));
        }
    });
    assert!(admitted.is_none());
    let second = second.map(drop);
    assert!(matches!(second, Err(Fault::Poisoned)), "{second:?}");
    drop(first);
    world.kill();
    let rig = world.open().unwrap();
    let kerlouan = tenant("kerlouan");
    let found = rig.archive.find(&kerlouan, &archive).unwrap().unwrap();
    let file = &found.descriptor.files[0];
    let mut read = Vec::new();
    let take = |piece: Bytes| {
        read.extend_from_slice(&piece);
        true
    };
    rig.archive.open_file(&kerlouan, file).unwrap().stream(&file.blake3, take).unwrap();
    assert!(read == large);
}

#[test]
fn a_store_that_lost_its_middle_or_is_older_than_its_copy_is_refused() {
    let mut world = World::with_copies(7, 1);
    let mut rig = world.open().unwrap();
    rig.create_tenant("kerlouan").unwrap();
    for i in 0..3 {
        rig.deposit("kerlouan", &format!("T-{i}"), &[("a.txt", b"alpha")]).unwrap();
        rig.writers.sealer.seal().unwrap().unwrap();
    }
    drop(rig);
    world.kill();
    let image = world.store.live();
    let refused = |world: &mut World, gone: &[ObjectName]| {
        world.store.roll_back(&image);
        gone.iter().for_each(|name| world.store.edit(name, None));
        world.drop_index();
        let Err(Fault::Damaged(damage)) = world.open().map(drop) else { panic!("{gone:?}: opened") };
        assert_eq!((damage.object, damage.kind), (gone[0].to_string(), DamageKind::Missing));
    };
    let commit = |n| layout::commit(CommitNumber(n));
    let checkpoint = |n| layout::checkpoint(SealNumber(n));
    refused(&mut world, &[commit(3)]);
    refused(&mut world, &[commit(4)]);
    refused(&mut world, &[checkpoint(1)]);
    refused(&mut world, &[checkpoint(2)]);
}

#[test]
fn what_a_conflict_brought_is_swept_at_once() {
    let world = World::new(8);
    let mut rig = world.open().unwrap();
    rig.create_tenant("kerlouan").unwrap();
    rig.deposit("kerlouan", "T-1", &[("a.txt", b"alpha")]).unwrap();
    let conflict = rig.deposit("kerlouan", "T-1", &[("plan.bin", &vec![1; 2_000_000])]).unwrap();
    assert!(matches!(conflict, Committed::Conflict(_)));
    let image = world.store.live();
    let left: Vec<_> = image.keys().filter(|name| name.as_str().starts_with("containers/")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_clock_at_the_end_of_all_time_keeps_no_deposit_from_being_made_and_read() {
    let world = World::new(5);
    world.pass(Timestamp::MAX.unix_millis() - world.clock.now().unix_millis());
    let mut rig = world.open().unwrap();
    rig.create_tenant("kerlouan").unwrap();
    let large = vec![7; 2_000_000];
    let outcome = rig.deposit("kerlouan", "T-1", &[("acte.txt", b"deliberation"), ("plan.bin", &large)]).unwrap();
    let Committed::Deposit(deposit) = outcome else { panic!("{outcome:?}") };
    assert_eq!(deposit.entry.time, Timestamp::MAX);
    rig.writers.sealer.seal().unwrap().unwrap();
    drop(rig);
    let rig = world.open().unwrap();
    let kerlouan = tenant("kerlouan");
    for (file, content) in deposit.descriptor.files.iter().zip([&b"deliberation"[..], &large]) {
        let read = rig.archive.open_file(&kerlouan, file).unwrap().range(0..content.len() as u64).unwrap();
        assert!(read == content, "{}", file.name);
    }
}
