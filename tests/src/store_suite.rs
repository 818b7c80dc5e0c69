//! The one suite that every adapter of [`Store`], real or simulated, passes.
//!
//! Each scenario gets an empty site and is named for the clause of the port's contract that it judges.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::sync::{Arc, Barrier};
use std::thread;

use bytes::Bytes;
use cartulaire_engine::ports::{Child, CreateError, HEAD_LEN_MAX, ReadError, Store};
use cartulaire_formats::layout::ObjectName;

type Scenario = (&'static str, fn(&Arc<dyn Store>));

const SCENARIOS: &[Scenario] = &[
    ("an object is created once and keeps its bytes", created_once),
    ("of concurrent creators one wins", one_winner),
    ("folders made by concurrent creators are shared", concurrent_folders),
    ("an empty object is an object", empty_object),
    ("parts are joined in order, however many", many_parts),
    ("a preparation is seen by nobody", preparation_unseen),
    ("a dropped preparation leaves nothing", preparation_dropped),
    ("prepared objects are published in any order", preparations_overlap),
    ("a range is read exactly or not at all", exact_ranges),
    ("a missing object is missing to every reading", missing),
    ("children are sorted, one level deep", children_sorted),
    ("a folder is not the prefix of its neighbour", prefix_look_alikes),
    ("text that is no name has no children", no_such_folder),
    ("a staging is unseen until published", staging_unseen),
    ("a dropped staging leaves nothing", staging_dropped),
    ("a staging does not replace an object", staging_exists),
    ("a staging without a body has its head", staging_head_alone),
    ("a staging without a head has its body", staging_body_alone),
    ("the longest head is accepted", staging_longest_head),
    ("40 MiB are staged in uneven pieces", staging_large),
    ("a deleted object is gone and its name free", delete_frees),
    ("deleting what is not there is no error", delete_missing),
    ("the longest and deepest names work", names_at_the_limit),
];

/// Runs every scenario, each on a site of its own.
///
/// - `make`: gives a new, empty site.
///
/// # Panics
/// At the first clause that the store breaks; the scenario's name is printed before.
pub fn store_conformance(make: impl Fn() -> Arc<dyn Store>) {
    for (clause, scenario) in SCENARIOS {
        println!("store suite: {clause}");
        scenario(&make());
    }
}

/// Judges that a site outlives its adapter.
///
/// - `open`: opens the one site, empty at first; called again once the store that it gave is dropped.
///
/// # Panics
/// If anything created is missing or changed after reopening.
pub fn store_persistence(open: impl Fn() -> Arc<dyn Store>) {
    let store = open();
    store.create(&name("kept/a"), &[Bytes::from_static(b"alpha")]).unwrap();
    store.create(&name("kept/deleted"), &[Bytes::from_static(b"beta")]).unwrap();
    let mut staging = store.stage(&name("kept/staged"), 2).unwrap();
    staging.append(Bytes::from_static(b"body")).unwrap();
    staging.publish(Bytes::from_static(b"h:")).unwrap();
    store.delete(&name("kept/deleted")).unwrap();
    drop(store);
    let store = open();
    assert_eq!(
        store.children("kept").unwrap(),
        [Child::Object(name("kept/a"), 5), Child::Object(name("kept/staged"), 6)]
    );
    assert_eq!(whole(&store, "kept/a"), b"alpha");
    assert_eq!(whole(&store, "kept/staged"), b"h:body");
    assert_eq!(store.create(&name("kept/a"), &[Bytes::from_static(b"other")]), Err(CreateError::Exists));
}

/// Parses a name that the test knows to be one.
///
/// # Panics
/// If it is none.
#[must_use]
pub fn name(text: &str) -> ObjectName {
    text.parse().unwrap_or_else(|e| panic!("{text:?}: {e}"))
}

fn whole(store: &Arc<dyn Store>, text: &str) -> Vec<u8> {
    let size = store.size(&name(text)).unwrap().unwrap();
    store.read(&name(text), 0..size).unwrap().to_vec()
}

fn put(store: &Arc<dyn Store>, text: &str, bytes: &'static [u8]) {
    store.create(&name(text), &[Bytes::from_static(bytes)]).unwrap();
}

fn created_once(store: &Arc<dyn Store>) {
    put(store, "a/b", b"first");
    assert_eq!(store.create(&name("a/b"), &[Bytes::from_static(b"second!")]), Err(CreateError::Exists));
    assert_eq!(store.create(&name("a/b"), &[Bytes::from_static(b"first")]), Err(CreateError::Exists));
    assert_eq!((store.size(&name("a/b")), whole(store, "a/b")), (Ok(Some(5)), b"first".to_vec()));
}

fn one_winner(store: &Arc<dyn Store>) {
    const CREATORS: usize = 8;
    let start = Arc::new(Barrier::new(CREATORS));
    let creators: Vec<_> = (0..CREATORS)
        .map(|i| {
            let (store, start) = (store.clone(), start.clone());
            thread::spawn(move || {
                let bytes = Bytes::from(vec![u8::try_from(i).unwrap(); 1000]);
                start.wait();
                store.create(&name("won/by-one"), &[bytes])
            })
        })
        .collect();
    let outcomes: Vec<_> = creators.into_iter().map(|c| c.join().unwrap()).collect();
    let winners: Vec<_> = (0..CREATORS).filter(|i| outcomes[*i].is_ok()).collect();
    let [winner] = winners[..] else { panic!("not one winner: {outcomes:?}") };
    let losers = outcomes.iter().filter(|o| **o == Err(CreateError::Exists)).count();
    assert_eq!(losers, CREATORS - 1, "{outcomes:?}");
    assert_eq!(whole(store, "won/by-one"), vec![u8::try_from(winner).unwrap(); 1000]);
}

fn concurrent_folders(store: &Arc<dyn Store>) {
    thread::scope(|scope| {
        for i in 0..4 {
            scope.spawn(move || put(store, &format!("deep/er/and/deeper/{i}"), b"x"));
        }
    });
    let expected: Vec<_> = (0..4).map(|i| Child::Object(name(&format!("deep/er/and/deeper/{i}")), 1)).collect();
    assert_eq!(store.children("deep/er/and/deeper").unwrap(), expected);
}

fn empty_object(store: &Arc<dyn Store>) {
    store.create(&name("empty/none"), &[]).unwrap();
    store.create(&name("empty/blank"), &[Bytes::new(), Bytes::new()]).unwrap();
    for text in ["empty/none", "empty/blank"] {
        assert_eq!(store.size(&name(text)), Ok(Some(0)));
        assert_eq!(store.read(&name(text), 0..0), Ok(Bytes::new()));
        assert_eq!(store.read(&name(text), 0..1), Err(ReadError::Short { size: 0 }));
        assert_eq!(store.create(&name(text), &[]), Err(CreateError::Exists));
    }
}

fn many_parts(store: &Arc<dyn Store>) {
    // More than one vectored write takes (1,024 on Linux), with empty ones between.
    let parts: Vec<_> = (0..3000_u32)
        .flat_map(|i| [Bytes::new(), Bytes::copy_from_slice(&i.to_be_bytes()[..(i % 5).min(4) as usize])])
        .collect();
    store.create(&name("parts"), &parts).unwrap();
    assert_eq!(whole(store, "parts"), parts.concat());
}

fn preparation_unseen(store: &Arc<dyn Store>) {
    let prepared = store.prepare(&name("p/x"), &[Bytes::from_static(b"ready")]).unwrap();
    assert_eq!(store.size(&name("p/x")), Ok(None));
    assert_eq!(store.read(&name("p/x"), 0..1), Err(ReadError::Missing));
    assert_eq!(objects(store, "p"), Vec::<String>::new());
    prepared.publish().unwrap();
    assert_eq!(whole(store, "p/x"), b"ready");
}

fn preparation_dropped(store: &Arc<dyn Store>) {
    drop(store.prepare(&name("p/x"), &[Bytes::from_static(b"ready")]).unwrap());
    assert_eq!(store.size(&name("p/x")), Ok(None));
    put(store, "p/x", b"later");
    assert_eq!(whole(store, "p/x"), b"later");
}

fn preparations_overlap(store: &Arc<dyn Store>) {
    let first = store.prepare(&name("o/1"), &[Bytes::from_static(b"one")]).unwrap();
    let second = store.prepare(&name("o/2"), &[Bytes::from_static(b"two")]).unwrap();
    let rival = store.prepare(&name("o/1"), &[Bytes::from_static(b"rival")]).unwrap();
    second.publish().unwrap();
    first.publish().unwrap();
    assert_eq!(rival.publish(), Err(CreateError::Exists));
    assert_eq!((whole(store, "o/1"), whole(store, "o/2")), (b"one".to_vec(), b"two".to_vec()));
}

fn exact_ranges(store: &Arc<dyn Store>) {
    put(store, "r", b"0123456789");
    let read = |range| store.read(&name("r"), range).map(|b| b.to_vec());
    assert_eq!(read(0..10), Ok(b"0123456789".to_vec()));
    assert_eq!(read(3..5), Ok(b"34".to_vec()));
    assert_eq!(read(9..10), Ok(b"9".to_vec()));
    assert_eq!(read(4..4), Ok(vec![]));
    assert_eq!(read(10..10), Ok(vec![]));
    assert_eq!(read(9..11), Err(ReadError::Short { size: 10 }));
    assert_eq!(read(11..11), Err(ReadError::Short { size: 10 }));
    assert_eq!(read(11..12), Err(ReadError::Short { size: 10 }));
    assert_eq!(read(0..u64::MAX), Err(ReadError::Short { size: 10 }));
}

fn missing(store: &Arc<dyn Store>) {
    put(store, "m/here", b"x");
    for absent in ["n", "m/there", "m", "n/x/y"] {
        assert_eq!(store.size(&name(absent)), Ok(None), "{absent}");
        assert_eq!(store.read(&name(absent), 0..1), Err(ReadError::Missing), "{absent}");
        assert_eq!(store.read(&name(absent), 0..0), Err(ReadError::Missing), "{absent}");
    }
}

fn children_sorted(store: &Arc<dyn Store>) {
    let placed: [(&str, &[u8]); 5] =
        [("c/b", b"22"), ("c/a/1", b"1"), ("c/d/x/y", b"1"), ("c/c", b"333"), ("top", b"")];
    for (text, bytes) in placed {
        put(store, text, bytes);
    }
    let folder = |path: &str| Child::Folder(path.into());
    let object = |path: &str, size| Child::Object(name(path), size);
    assert_eq!(store.children("").unwrap(), [folder("c"), object("top", 0)]);
    assert_eq!(store.children("c").unwrap(), [folder("c/a"), object("c/b", 2), object("c/c", 3), folder("c/d")]);
    assert_eq!(store.children("c/d").unwrap(), [folder("c/d/x")]);
    assert_eq!(store.children("c/d/x").unwrap(), [object("c/d/x/y", 1)]);
}

fn prefix_look_alikes(store: &Arc<dyn Store>) {
    for text in ["log/1", "log-old/2", "log.x/3", "logs/4", "lo"] {
        put(store, text, b"x");
    }
    assert_eq!(objects(store, "log"), ["log/1"]);
    assert_eq!(objects(store, "lo"), Vec::<String>::new());
    let all: Vec<_> = store.children("").unwrap().iter().map(|c| c.path().to_owned()).collect();
    assert_eq!(all, ["lo", "log", "log-old", "log.x", "logs"]);
}

fn no_such_folder(store: &Arc<dyn Store>) {
    put(store, "a/b", b"x");
    for folder in ["nowhere", "a/b", "a/", "/a", "..", "a/../a", ".", "a//b"] {
        assert_eq!(store.children(folder), Ok(vec![]), "{folder:?}");
    }
}

fn staging_unseen(store: &Arc<dyn Store>) {
    let mut staging = store.stage(&name("s/x"), 4).unwrap();
    staging.append(Bytes::from_static(b"body ")).unwrap();
    staging.append(Bytes::new()).unwrap();
    staging.append(Bytes::from_static(b"and more")).unwrap();
    assert_eq!(store.size(&name("s/x")), Ok(None));
    assert_eq!(objects(store, "s"), Vec::<String>::new());
    staging.publish(Bytes::from_static(b"head")).unwrap();
    assert_eq!(whole(store, "s/x"), b"headbody and more");
}

fn staging_dropped(store: &Arc<dyn Store>) {
    let mut staging = store.stage(&name("s/x"), 4).unwrap();
    staging.append(Bytes::from(vec![7; 20 << 20])).unwrap();
    drop(staging);
    assert_eq!(store.size(&name("s/x")), Ok(None));
    assert_eq!(objects(store, "s"), Vec::<String>::new());
    put(store, "s/x", b"free");
}

fn staging_exists(store: &Arc<dyn Store>) {
    // One small enough for a single request to a bucket, one that needs several.
    for size in [10, 20 << 20] {
        let text = format!("s/{size}");
        let mut staging = store.stage(&name(&text), 1).unwrap();
        staging.append(Bytes::from(vec![1; size])).unwrap();
        put(store, &text, b"sooner");
        assert_eq!(staging.publish(Bytes::from_static(b"h")), Err(CreateError::Exists), "{size}");
        assert_eq!(whole(store, &text), b"sooner", "{size}");
    }
}

fn staging_head_alone(store: &Arc<dyn Store>) {
    store.stage(&name("s/h"), 4).unwrap().publish(Bytes::from_static(b"head")).unwrap();
    store.stage(&name("s/nothing"), 0).unwrap().publish(Bytes::new()).unwrap();
    assert_eq!((whole(store, "s/h"), whole(store, "s/nothing")), (b"head".to_vec(), vec![]));
}

fn staging_body_alone(store: &Arc<dyn Store>) {
    let mut staging = store.stage(&name("s/b"), 0).unwrap();
    staging.append(Bytes::from_static(b"body")).unwrap();
    staging.publish(Bytes::new()).unwrap();
    assert_eq!(whole(store, "s/b"), b"body");
}

fn staging_longest_head(store: &Arc<dyn Store>) {
    let mut staging = store.stage(&name("s/long"), HEAD_LEN_MAX).unwrap();
    staging.append(Bytes::from(vec![2; 9 << 20])).unwrap();
    staging.publish(Bytes::from(vec![1; HEAD_LEN_MAX])).unwrap();
    let joined = [vec![1; HEAD_LEN_MAX], vec![2; 9 << 20]].concat();
    assert!(whole(store, "s/long") == joined);
}

fn staging_large(store: &Arc<dyn Store>) {
    let body: Vec<u8> = (0..40_u32 << 18).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let body = Bytes::from(body);
    let mut staging = store.stage(&name("s/large"), 7).unwrap();
    let mut start = 0;
    for length in [1, 4096, 3 << 20, 77_777, 8 << 20, 1 << 20].into_iter().cycle() {
        let end = body.len().min(start + length);
        staging.append(body.slice(start..end)).unwrap();
        start = end;
        if start == body.len() {
            break;
        }
    }
    staging.publish(Bytes::from_static(b"7 bytes")).unwrap();
    assert_eq!(store.size(&name("s/large")), Ok(Some(7 + body.len() as u64)));
    let stored = whole(store, "s/large");
    assert!(stored[..7] == *b"7 bytes" && stored[7..] == body[..]);
    let middle = 7 + (21 << 20);
    assert!(store.read(&name("s/large"), middle..middle + 9).unwrap() == body.slice(21 << 20..(21 << 20) + 9));
}

fn delete_frees(store: &Arc<dyn Store>) {
    put(store, "d/x", b"old");
    put(store, "d/y", b"kept");
    store.delete(&name("d/x")).unwrap();
    assert_eq!(store.size(&name("d/x")), Ok(None));
    assert_eq!(objects(store, "d"), ["d/y"]);
    put(store, "d/x", b"new");
    assert_eq!(whole(store, "d/x"), b"new");
}

fn delete_missing(store: &Arc<dyn Store>) {
    assert_eq!(store.delete(&name("nowhere/x")), Ok(()));
    put(store, "d/x", b"x");
    assert_eq!((store.delete(&name("d/x")), store.delete(&name("d/x"))), (Ok(()), Ok(())));
}

fn names_at_the_limit(store: &Arc<dyn Store>) {
    let long = "n".repeat(ObjectName::LEN_MAX);
    let deep = vec!["d"; ObjectName::LEN_MAX / 2].join("/");
    let plain = "Az09._-/A.z_0-9..tar";
    for text in [&long[..], &deep[..], plain] {
        put(store, text, b"x");
        assert_eq!(whole(store, text), b"x");
        let folder = text.rsplit_once('/').map_or("", |(folder, _)| folder);
        assert!(store.children(folder).unwrap().contains(&Child::Object(name(text), 1)), "{text}");
    }
}

fn objects(store: &Arc<dyn Store>, folder: &str) -> Vec<String> {
    store.children(folder).unwrap().iter().map(|c| c.path().to_owned()).collect()
}
