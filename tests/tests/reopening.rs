//! What opening an archive refuses, completes, keeps and leaves alone.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cartulaire_engine::archive::{Archive, Progress};
use cartulaire_engine::commit::{Committed, Event, Submission};
use cartulaire_engine::fault::{Damage, DamageKind, Fault, Retry};
use cartulaire_engine::ports::{Child, CreateError, Prepared, ReadError, Staging, Store};
use cartulaire_formats::journal::{EventType, Outcome};
use cartulaire_formats::layout::{self, CommitNumber, EvidenceAlgorithm, ObjectName, SealNumber};
use cartulaire_tests::rig::{ORIGIN, Rig, World, index_folder, tenant};
use cartulaire_tests::sim::{ReadFault, SimSigner, SimStore};

fn large() -> Vec<u8> {
    (0..1_200_000_u32).map(|i| (i / 7) as u8).collect()
}

fn containers(store: &SimStore) -> usize {
    store.live().keys().filter(|name| name.as_str().starts_with("containers/")).count()
}

fn damage<T>(outcome: Result<T, Fault>) -> Damage {
    match outcome {
        Err(Fault::Damaged(damage)) => damage,
        Err(fault) => panic!("{fault:?}"),
        Ok(_) => panic!("it was accepted"),
    }
}

/// An archive with a tenant, two deposits and two seals.
fn furnished(world: &World) -> Rig {
    let mut rig = world.open().unwrap();
    rig.create_tenant("kerlouan").unwrap();
    rig.deposit("kerlouan", "T-1", &[("acte.txt", b"deliberation")]).unwrap();
    rig.writers.sealer.seal().unwrap().unwrap();
    rig.deposit("kerlouan", "T-2", &[("plan.bin", &large())]).unwrap();
    rig.writers.sealer.seal().unwrap().unwrap();
    rig
}

/// A site on which something happens when its containers are listed.
struct Watched {
    store: SimStore,
    listing: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Store for Watched {
    fn prepare(&self, name: &ObjectName, parts: &[Bytes]) -> Result<Box<dyn Prepared>, CreateError> {
        self.store.prepare(name, parts)
    }

    fn stage(&self, name: &ObjectName, head_len: usize) -> Result<Box<dyn Staging>, CreateError> {
        self.store.stage(name, head_len)
    }

    fn read(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes, ReadError> {
        self.store.read(name, range)
    }

    fn size(&self, name: &ObjectName) -> Result<Option<u64>, ReadError> {
        self.store.size(name)
    }

    fn children(&self, folder: &str) -> Result<Vec<Child>, ReadError> {
        let happening = self.listing.lock().unwrap().take_if(|_| folder == layout::DIRECT_CONTAINERS);
        happening.into_iter().for_each(|happen| happen());
        self.store.children(folder)
    }

    fn delete(&self, name: &ObjectName) -> Result<(), CreateError> {
        self.store.delete(name)
    }
}

#[test]
fn a_second_writer_never_sweeps_what_the_first_commits_meanwhile() {
    let world = World::new(5);
    let mut first = world.open().unwrap();
    first.create_tenant("kerlouan").unwrap();
    let admitted = first.admit("kerlouan", "T-1", &[("plan.bin", &large())]).unwrap().unwrap();
    let answer = Arc::new(Mutex::new(None));
    let happening = {
        let answer = Arc::clone(&answer);
        move || {
            let outcome = first.writers.committer.commit(vec![Submission::Deposit(Box::new(admitted))]);
            *answer.lock().unwrap() = Some(outcome.is_ok());
        }
    };
    let watched = Watched { store: world.store.clone(), listing: Mutex::new(Some(Box::new(happening))) };
    let elsewhere = index_folder();
    let second = Archive::open(world.ports(Arc::new(watched)), elsewhere.path(), &mut |_| ());
    let acknowledged = answer.lock().unwrap().expect("the listing came");
    assert_eq!((acknowledged, containers(&world.store), second.is_ok()), (false, 0, true));
}

#[test]
fn a_text_that_nothing_trusts_stops_nobody_and_a_key_that_was_edited_is_named() {
    let world = World::with_copies(6, 1);
    drop(furnished(&world));
    world.sites().for_each(|site| site.edit(&layout::readme(), Some(Bytes::from_static(b"an older release's text"))));
    let rig = world.open().unwrap();
    let name = layout::log_vkey(u32::from_be_bytes(rig.archive.key().id().0));
    drop(rig);
    for (site, place) in world.sites().zip(["", " on the site copy-0"]) {
        let sound = site.live()[&name].clone();
        site.edit(&name, Some(Bytes::from_static(b"another key\n")));
        assert_eq!(damage(world.open()), Damage { object: format!("{name}{place}"), kind: DamageKind::Digest });
        site.edit(&name, Some(sound));
    }
    assert!(world.open().is_ok());
}

#[test]
fn an_event_whose_details_the_tenant_has_already_is_rebuilt_like_any_other() {
    let mut world = World::new(7);
    let mut rig = world.open().unwrap();
    rig.create_tenant("kerlouan").unwrap();
    let event = |event, details: &'static [u8]| {
        Submission::Event(Event {
            tenant: tenant("kerlouan"),
            agent: "operator".into(),
            subject: "key:portal".into(),
            event,
            outcome: Outcome::Success,
            facts: BTreeMap::new(),
            details: vec![Bytes::from_static(details)],
        })
    };
    let changes = [
        (EventType::KeyCreated, &b"valid"[..]),
        (EventType::KeyRevoked, b"revoked"),
        (EventType::KeyCreated, b"valid"),
    ];
    for (kind, details) in changes {
        rig.writers.committer.commit(vec![event(kind, details)]).unwrap();
    }
    let followed = rig.archive.index().detail("key:portal").unwrap();
    assert_eq!(followed.as_deref(), Some(&b"valid"[..]));
    drop(rig);
    world.drop_index();
    assert_eq!(world.open().unwrap().archive.index().detail("key:portal").unwrap(), followed);
}

#[test]
fn what_the_deciding_site_lost_is_not_written_over() {
    let mut world = World::with_copies(8, 1);
    let rig = furnished(&world);
    let last = rig.archive.index().commit_head().unwrap().unwrap().commit;
    drop(rig);
    let before = world.store.live();
    let lost = [
        layout::commit(last),
        layout::commit(CommitNumber(1)),
        layout::checkpoint(SealNumber(1)),
        layout::checkpoint(SealNumber(0)),
    ];
    for name in lost {
        world.drop_index();
        world.store.edit(&name, None);
        assert_eq!(damage(world.open()), Damage { object: name.to_string(), kind: DamageKind::Missing });
        world.store.roll_back(&before);
    }
    world.drop_index();
    assert!(world.open().is_ok());
}

#[test]
fn a_rolled_back_site_is_refused_and_the_right_object_named() {
    let world = World::new(9);
    drop(furnished(&world));
    let before = world.store.live();
    let mut rig = world.open().unwrap();
    rig.deposit("kerlouan", "T-3", &[("a.txt", b"alpha")]).unwrap();
    let head = rig.archive.index().commit_head().unwrap().unwrap();
    rig.writers.sealer.seal().unwrap().unwrap();
    drop(rig);
    let after = world.store.live();
    world.store.roll_back(&before);
    let refused = Damage { object: layout::commit(head.commit).to_string(), kind: DamageKind::RolledBack };
    assert_eq!(damage(world.open()), refused);

    // Other bytes under the same number, as a fork of the backup would make them.
    world.store.roll_back(&after);
    let other = before[&layout::commit(head.commit.previous().unwrap().previous().unwrap())].clone();
    world.store.edit(&layout::commit(head.commit), Some(other));
    let wrong = Damage { object: layout::commit(head.commit).to_string(), kind: DamageKind::Chain };
    assert_eq!(damage(world.open()), wrong);

    world.store.roll_back(&after);
    world.store.edit(&layout::checkpoint(SealNumber(2)), None);
    let unsealed = Damage { object: layout::checkpoint(SealNumber(2)).to_string(), kind: DamageKind::RolledBack };
    assert_eq!(damage(world.open()), unsealed);
    world.store.roll_back(&after);
    assert!(world.open().is_ok());
}

#[test]
fn a_checkpoint_that_is_not_this_logs_is_refused_with_and_without_an_index() {
    let mut world = World::new(10);
    drop(furnished(&world));
    let sound = world.store.live();
    let name = layout::checkpoint(SealNumber(1));
    let first = sound[&layout::checkpoint(SealNumber(0))].clone();
    let mut unsigned = sound[&name].to_vec();
    *unsigned.last_mut().unwrap() ^= 1;
    let forged = String::from_utf8(sound[&name].to_vec()).unwrap().replacen('\n', "\n1", 1);
    let wrongs = [first, unsigned.into(), Bytes::from(forged), Bytes::new()];
    for forgets in [false, true] {
        for wrong in &wrongs {
            if forgets {
                world.drop_index();
            }
            world.store.edit(&name, Some(wrong.clone()));
            assert_eq!(damage(world.open()), Damage { object: name.to_string(), kind: DamageKind::Checkpoint });
        }
    }
    world.store.roll_back(&sound);
    assert!(world.open().is_ok());
}

#[test]
fn leaves_that_are_misread_are_not_stamped() {
    let world = World::new(11);
    let mut rig = furnished(&world);
    world.store.script_read(world.store.reads(), ReadFault::FlippedBit);
    let name = layout::evidence_leaves(SealNumber(0), EvidenceAlgorithm::Sha256);
    assert_eq!(damage(rig.attest()), Damage { object: name.to_string(), kind: DamageKind::Digest });
    let mut attested = 0;
    while rig.attest().unwrap() {
        attested += 1;
    }
    assert_eq!(attested, 4);
}

#[test]
fn a_second_tree_begun_or_ended_in_mid_life_is_rebuilt_as_it_was() {
    let mut world = World::new(12);
    let stampers = std::mem::take(&mut world.stampers_sha512);
    drop(furnished(&world));
    world.stampers_sha512.clone_from(&stampers);
    let mut rig = world.open().unwrap();
    rig.writers.sealer.seal().unwrap().unwrap();
    rig.deposit("kerlouan", "T-3", &[("a.txt", b"alpha")]).unwrap();
    rig.writers.sealer.seal().unwrap().unwrap();
    while rig.attest().unwrap() {}
    drop(rig);
    world.stampers_sha512.clear();
    let mut rig = world.open().unwrap();
    rig.writers.sealer.seal().unwrap().unwrap();
    drop(rig);
    for configured in [stampers, Vec::new()] {
        world.stampers_sha512 = configured;
        let rig = world.open().unwrap();
        let followed = rig.archive.index().seal_head().unwrap();
        drop(rig);
        let before = world.store.live();
        world.drop_index();
        let rig = world.open().unwrap();
        assert_eq!(rig.archive.index().seal_head().unwrap(), followed);
        let made = world.store.live().into_keys().filter(|name| !before.contains_key(name)).collect::<Vec<_>>();
        assert_eq!(made, [layout::commit(rig.archive.index().commit_head().unwrap().unwrap().commit)]);
    }
}

#[test]
fn a_copy_put_in_the_place_of_a_broken_one_is_completed_by_a_rebuild() {
    let mut world = World::with_copies(13, 1);
    let mut rig = furnished(&world);
    while rig.attest().unwrap() {}
    drop(rig);
    world.copies = vec![SimStore::new(99)];
    world.drop_index();
    drop(world.open().unwrap());
    let names = |store: &SimStore| store.live().into_keys().collect::<Vec<_>>();
    assert_eq!(names(&world.copies[0]), names(&world.store));
    assert!(world.copies[0].live() == world.store.live());
}

#[test]
fn a_rebuild_holds_one_period_in_memory_not_all_of_them() {
    let mut world = World::new(14);
    let mut rig = world.open().unwrap();
    rig.create_tenant("kerlouan").unwrap();
    for i in 0..20 {
        rig.deposit("kerlouan", &format!("T-{i}"), &[("a.txt", format!("document {i}").as_bytes())]).unwrap();
        rig.writers.sealer.seal().unwrap().unwrap();
    }
    drop(rig);
    world.drop_index();
    let store = world.store.clone();
    let mut reads = Vec::new();
    let mut watch = |progress| reads.push((progress, store.reads()));
    drop(world.open_watched(&mut watch).unwrap());
    let at = |wanted| reads.iter().find(|(progress, _)| *progress == wanted).unwrap().1;
    let before_first_seal = at(Progress::Seal(SealNumber(0))) - at(Progress::Commit(CommitNumber(21)));
    assert!(before_first_seal < 10, "{before_first_seal} readings for a seal of three commits");
}

#[test]
fn a_copy_that_cannot_be_reached_stops_the_writer_and_is_completed_first() {
    let world = World::with_copies(15, 2);
    let mut rig = furnished(&world);
    for files in [&[("a.txt", &b"alpha"[..])][..], &[("b.bin", &large()[..1_100_000])]] {
        let transfer = format!("T-{}", files[0].0);
        let admitted = rig.admit("kerlouan", &transfer, files).unwrap().unwrap();
        world.copies[1].set_reachable(false);
        let batch = vec![Submission::Deposit(Box::new(admitted))];
        assert!(matches!(rig.writers.committer.commit(batch), Err(Fault::Poisoned)));
        assert!(rig.writers.committer.is_poisoned());
        assert!(matches!(rig.writers.committer.commit(Vec::new()), Err(Fault::Poisoned)));
        drop(rig);
        assert!(matches!(world.open(), Err(Fault::Retry(Retry::Unreachable))));
        world.copies[1].set_reachable(true);
        rig = world.open().unwrap();
        // It was decided, so it stands; who asks again is told.
        let again = rig.deposit("kerlouan", &transfer, files).unwrap();
        assert!(matches!(again, Committed::Replayed(_)), "{again:?}");
        assert!(world.copies.iter().all(|copy| copy.live() == world.store.live()));
    }
}

#[test]
fn a_step_of_the_clock_whose_commit_came_to_nothing_is_journaled_with_the_next() {
    let world = World::new(16);
    let mut rig = furnished(&world);
    world.clock.step(-60_000);
    let event = || vec![Submission::Event(Event::of_service(EventType::List, "journal", Outcome::Success))];
    let staged = rig.writers.committer.stage(event()).unwrap();
    world.store.set_reachable(false);
    let outcome = staged.publish(&rig.archive);
    assert!(matches!(outcome, Err(Fault::Retry(Retry::Unreachable))));
    rig.writers.committer.settle(outcome.as_ref().err()).unwrap();
    world.store.set_reachable(true);
    rig.writers.committer.commit(event()).unwrap();
    let head = rig.archive.index().commit_head().unwrap().unwrap();
    let bytes = world.store.live()[&layout::commit(head.commit)].clone();
    let commit = cartulaire_formats::commit::Commit::parse(&bytes).unwrap();
    let events: Vec<_> = commit.entries.iter().map(|(entry, _)| entry.event).collect();
    assert_eq!(events, [EventType::ClockAnomaly, EventType::List]);
}

#[test]
fn the_container_of_a_conflict_goes_though_nothing_is_committed() {
    let world = World::new(17);
    let mut rig = furnished(&world);
    let kept = world.store.live();
    let outcome = rig.deposit("kerlouan", "T-1", &[("other.bin", &large()[..1_100_000])]).unwrap();
    assert!(matches!(outcome, Committed::Conflict(_)));
    assert_eq!(world.store.live().into_keys().collect::<Vec<_>>(), kept.into_keys().collect::<Vec<_>>());
}

#[test]
fn an_orphan_made_while_the_clock_was_behind_is_swept() {
    let world = World::new(18);
    let rig = furnished(&world);
    world.clock.step(-30 * 24 * 3_600_000);
    let orphan = layout::direct_container("2026-10-25", &"0".repeat(32));
    world.store.edit(&orphan, Some(Bytes::from_static(b"a crash")));
    drop(rig);
    drop(world.open().unwrap());
    assert_eq!(world.store.live().get(&orphan), None);
}

#[test]
fn a_log_is_never_continued_with_another_key() {
    let world = World::new(19);
    let mut rig = world.open().unwrap();
    rig.create_tenant("kerlouan").unwrap();
    drop(rig);
    let before = world.store.live();
    let mut ports = world.ports(Arc::new(world.store.clone()));
    ports.signer = Arc::new(SimSigner::new(ORIGIN, [8; 32]));
    let refused = Archive::open(ports, world.index.path(), &mut |_| ());
    let expected = Damage { object: "commits/000.tar".into(), kind: DamageKind::LogKey };
    assert_eq!(damage(refused), expected);
    assert_eq!(world.store.live(), before);
}
