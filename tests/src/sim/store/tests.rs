//! Every fault of the model, planted and seen.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::sync::Arc;

use super::*;
use crate::store_suite::{name, store_conformance, store_persistence};

fn one(text: &str) -> ObjectName {
    name(text)
}

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn image(objects: &[(&str, &'static str)]) -> Image {
    objects.iter().map(|(n, b)| (one(n), bytes(b))).collect()
}

#[test]
fn without_faults_it_passes_the_suite() {
    store_conformance(|| Arc::new(SimStore::new(1)));
}

#[test]
fn without_faults_it_outlives_crash_and_kill() {
    let first = SimStore::new(1);
    let current = Mutex::new(None::<SimStore>);
    for reopen in [SimStore::crash, SimStore::kill] {
        store_persistence(|| {
            let mut current = current.lock().unwrap();
            let next = current.as_ref().map_or_else(|| first.clone(), reopen);
            *current = Some(next.clone());
            Arc::new(next)
        });
        *current.lock().unwrap() = None;
        first.roll_back(&Image::new());
        first.set_reachable(true);
    }
}

/// What one faulty creation of `a` answers, and what is live, durable and left after another write follows.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    answer: Result<(), CreateError>,
    live: Image,
    durable: Image,
    after_the_next_write: Image,
}

fn creation_under(fault: WriteFault) -> Seen {
    let store = SimStore::new(1);
    store.script_write(0, fault, Then::GoOn);
    let answer = store.create(&one("a"), &[bytes("al"), bytes("pha")]);
    let (live, durable) = (store.live(), store.durable());
    store.create(&one("b"), &[]).unwrap();
    store.delete(&one("b")).unwrap();
    Seen { answer, live, durable, after_the_next_write: store.live() }
}

#[test]
fn each_write_fault_has_its_answer_and_its_truth() {
    let (none, whole, torn) = (image(&[]), image(&[("a", "alpha")]), image(&[("a", "alp")]));
    let seen = |answer, live: &Image, durable: &Image, later: &Image| Seen {
        answer,
        live: live.clone(),
        durable: durable.clone(),
        after_the_next_write: later.clone(),
    };
    let unknown = Err(CreateError::Unknown);
    let expected = [
        (WriteFault::Full, seen(Err(CreateError::Full), &none, &none, &none)),
        (WriteFault::Unreachable, seen(Err(CreateError::Unreachable), &none, &none, &none)),
        (WriteFault::Eio, seen(unknown, &none, &none, &none)),
        (WriteFault::Lost, seen(unknown, &none, &none, &none)),
        (WriteFault::Persisted, seen(unknown, &whole, &whole, &whole)),
        (WriteFault::Volatile, seen(unknown, &whole, &none, &whole)),
        (WriteFault::Late, seen(unknown, &none, &none, &whole)),
        (WriteFault::Torn { kept: 3 }, seen(unknown, &whole, &torn, &whole)),
        (WriteFault::Torn { kept: 99 }, seen(unknown, &whole, &whole, &whole)),
        (WriteFault::Forgotten, seen(Ok(()), &whole, &none, &whole)),
    ];
    for (fault, expected) in expected {
        assert_eq!(creation_under(fault), expected, "{fault:?}");
    }
}

#[test]
fn faults_of_a_staging_come_where_its_work_fails() {
    let store = SimStore::new(1);
    store.script_write(0, WriteFault::Full, Then::GoOn);
    store.script_write(1, WriteFault::Volatile, Then::GoOn);
    assert_eq!(store.stage(&one("s"), 1).err(), Some(CreateError::Full));
    let mut staging = store.stage(&one("s"), 1).unwrap();
    staging.append(bytes("body")).unwrap();
    assert_eq!(staging.publish(bytes("h")), Err(CreateError::Unknown));
    assert_eq!((store.live(), store.durable()), (image(&[("s", "hbody")]), image(&[])));
}

#[test]
fn faults_of_a_deletion() {
    let (kept, gone) = (image(&[("a", "x")]), image(&[]));
    let unknown = Err(CreateError::Unknown);
    let expected = [
        (WriteFault::Full, (Err(CreateError::Unreachable), &kept, &kept)),
        (WriteFault::Unreachable, (Err(CreateError::Unreachable), &kept, &kept)),
        (WriteFault::Eio, (unknown, &kept, &kept)),
        (WriteFault::Lost, (unknown, &kept, &kept)),
        (WriteFault::Persisted, (unknown, &gone, &gone)),
        (WriteFault::Volatile, (unknown, &gone, &kept)),
        (WriteFault::Late, (unknown, &kept, &kept)),
        (WriteFault::Torn { kept: 0 }, (unknown, &gone, &kept)),
        (WriteFault::Forgotten, (Ok(()), &gone, &kept)),
    ];
    for (fault, (answer, live, durable)) in expected {
        let store = SimStore::from_image(kept.clone(), 1);
        store.script_write(0, fault, Then::GoOn);
        assert_eq!(store.delete(&one("a")), answer, "{fault:?}");
        assert_eq!((&store.live(), &store.durable()), (live, durable), "{fault:?}");
    }
}

#[test]
fn crash_keeps_what_is_durable_and_kill_what_is_live() {
    let store = SimStore::new(1);
    store.create(&one("sound"), &[bytes("1")]).unwrap();
    store.script_write(1, WriteFault::Volatile, Then::GoOn);
    store.script_write(2, WriteFault::Late, Then::GoOn);
    assert_eq!(store.create(&one("volatile"), &[bytes("2")]), Err(CreateError::Unknown));
    assert_eq!(store.create(&one("late"), &[bytes("3")]), Err(CreateError::Unknown));
    let crashed = store.crash();
    assert_eq!((crashed.live(), crashed.durable()), {
        let left = image(&[("sound", "1"), ("late", "3")]);
        (left.clone(), left)
    });
    let killed = store.kill();
    assert_eq!(killed.durable(), image(&[("sound", "1"), ("volatile", "2"), ("late", "3")]));
    assert_eq!(store.create(&one("x"), &[]), Err(CreateError::Unreachable));
    assert_eq!(crashed.create(&one("x"), &[]), Ok(()));
}

#[test]
fn a_late_creation_loses_to_who_came_first() {
    let store = SimStore::new(1);
    store.script_write(0, WriteFault::Late, Then::GoOn);
    let first = store.prepare(&one("a"), &[bytes("late")]).unwrap();
    let second = store.prepare(&one("a"), &[bytes("first")]).unwrap();
    assert_eq!(first.publish(), Err(CreateError::Unknown));
    assert_eq!(second.publish(), Ok(()));
    assert_eq!(store.crash().live(), image(&[("a", "first")]));
}

#[test]
fn power_off_ends_everything_until_the_crash() {
    for fault in [WriteFault::Eio, WriteFault::Persisted] {
        let store = SimStore::from_image(image(&[("a", "x")]), 1);
        let waiting = store.prepare(&one("waiting"), &[]).unwrap();
        store.script_write(1, fault, Then::PowerOff);
        assert_eq!(store.create(&one("b"), &[bytes("y")]), Err(CreateError::Unknown));
        assert_eq!(waiting.publish(), Err(CreateError::Unreachable));
        assert_eq!(store.read(&one("a"), 0..1), Err(ReadError::Unreachable));
        assert_eq!(store.size(&one("a")), Err(ReadError::Unreachable));
        assert_eq!(store.children(""), Err(ReadError::Unreachable));
        assert_eq!(store.delete(&one("a")), Err(CreateError::Unreachable));
        let left = if fault == WriteFault::Persisted { image(&[("a", "x"), ("b", "y")]) } else { image(&[("a", "x")]) };
        assert_eq!(store.crash().live(), left);
    }
}

#[test]
fn read_faults_come_as_scripted() {
    let store = SimStore::from_image(image(&[("a", "alpha")]), 1);
    store.script_read(0, ReadFault::Unreachable);
    store.script_read(1, ReadFault::Failed);
    store.script_read(2, ReadFault::FlippedBit);
    let read = || store.read(&one("a"), 0..5);
    assert_eq!((read(), read()), (Err(ReadError::Unreachable), Err(ReadError::Failed)));
    let flipped = read().unwrap();
    let differing: u32 = flipped.iter().zip(b"alpha").map(|(a, b)| (a ^ b).count_ones()).sum();
    assert_eq!(differing, 1);
    assert_eq!((read(), store.reads()), (Ok(bytes("alpha")), 4));
}

#[test]
fn the_medium_rots_misleads_is_edited_and_rolled_back() {
    let start = image(&[("a", "alpha"), ("b", "beta")]);
    let store = SimStore::from_image(start.clone(), 1);
    store.rot(&one("a"), 1, 0x01);
    assert_eq!((store.live(), store.durable()), {
        let rotten = image(&[("a", "ampha"), ("b", "beta")]);
        (rotten.clone(), rotten)
    });
    store.misdirect(&one("b"), Some(&one("a")));
    assert_eq!((store.read(&one("b"), 0..5), store.size(&one("b"))), (Ok(bytes("ampha")), Ok(Some(5))));
    store.misdirect(&one("b"), None);
    assert_eq!(store.read(&one("b"), 0..4), Ok(bytes("beta")));
    store.edit(&one("b"), Some(bytes("forged")));
    store.edit(&one("a"), None);
    assert_eq!(store.crash().live(), image(&[("b", "forged")]));
    store.roll_back(&start);
    assert_eq!((store.live(), store.durable()), (start.clone(), start));
}

#[test]
#[should_panic(expected = "there is no byte 5 in a to rot")]
fn rot_that_changes_nothing_is_a_broken_test() {
    SimStore::from_image(image(&[("a", "alpha")]), 1).rot(&one("a"), 5, 1);
}

/// A hundred writes, deletions and readings under every chance; what was drawn, answered and left.
fn under_chances(seed: u64) -> (Vec<WriteRecord>, Vec<String>, Image, Image) {
    let store = SimStore::new(seed);
    let chances =
        Chances { torn: 500, forgotten: 500, read_failed: 500, read_flipped: 500, ..Chances::within_contract(500) };
    store.set_chances(chances);
    let mut answers = Vec::new();
    for i in 0..400 {
        let name = one(&format!("n/{}", i % 50));
        answers.push(match i % 4 {
            0 => format!("{:?}", store.delete(&name)),
            1 => format!("{:?}", store.read(&name, 0..4)),
            _ => format!("{:?}", store.create(&name, &[bytes("contents")])),
        });
    }
    (store.writes(), answers, store.live(), store.durable())
}

#[test]
fn a_seed_repeats_everything_and_chances_bring_every_fault() {
    let (writes, answers, live, durable) = under_chances(7);
    assert_eq!((writes.clone(), answers.clone(), live, durable), under_chances(7));
    assert_ne!(writes, under_chances(8).0);
    let drawn = |pattern: fn(&WriteFault) -> bool| writes.iter().filter_map(|w| w.fault).any(|f| pattern(&f));
    let each: [fn(&WriteFault) -> bool; 9] = [
        |f| matches!(f, WriteFault::Full),
        |f| matches!(f, WriteFault::Unreachable),
        |f| matches!(f, WriteFault::Eio),
        |f| matches!(f, WriteFault::Lost),
        |f| matches!(f, WriteFault::Persisted),
        |f| matches!(f, WriteFault::Volatile),
        |f| matches!(f, WriteFault::Late),
        |f| matches!(f, WriteFault::Torn { .. }),
        |f| matches!(f, WriteFault::Forgotten),
    ];
    assert_eq!(each.map(drawn), [true; 9]);
    assert!(answers.contains(&"Err(Failed)".to_owned()) && answers.contains(&"Err(Unreachable)".to_owned()));
}

#[test]
fn writes_are_recorded_in_order() {
    let store = SimStore::new(1);
    store.script_write(2, WriteFault::Lost, Then::GoOn);
    store.create(&one("a"), &[]).unwrap();
    drop(store.stage(&one("b"), 0).unwrap());
    assert_eq!(store.delete(&one("a")), Err(CreateError::Unknown));
    let record = |operation, text, fault| WriteRecord { operation, name: one(text), fault };
    let expected = [
        record(Operation::Create, "a", None),
        record(Operation::Stage, "b", None),
        record(Operation::Delete, "a", Some(WriteFault::Lost)),
    ];
    assert_eq!(store.writes(), expected);
}

#[test]
fn an_unreachable_site_comes_back_unchanged() {
    let store = SimStore::from_image(image(&[("a", "x")]), 1);
    let mut staging = store.stage(&one("s"), 0).unwrap();
    store.set_reachable(false);
    assert_eq!(store.create(&one("b"), &[]), Err(CreateError::Unreachable));
    assert_eq!(staging.append(bytes("y")), Err(CreateError::Unreachable));
    store.set_reachable(true);
    assert_eq!(store.live(), image(&[("a", "x")]));
}
