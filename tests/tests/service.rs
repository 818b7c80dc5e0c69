//! The engine running on its threads: everybody is answered once, with the truth, whatever ends first.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cartulaire_engine::archive::Archive;
use cartulaire_engine::bounds::{COMMIT_SUBMISSIONS_MAX, QUEUE_SUBMISSIONS_MAX};
use cartulaire_engine::commit::{Committed, Event, Submission};
use cartulaire_engine::fault::{Fault, Retry};
use cartulaire_engine::ports::{Child, CreateError, Prepared, ReadError, Staging, Store};
use cartulaire_engine::service::{Milestones, Service};
use cartulaire_formats::journal::{EventType, Outcome};
use cartulaire_formats::layout::{EvidenceAlgorithm, ObjectName, SealNumber, SequenceNumber};
use cartulaire_tests::rig::{Rig, World, tenant};
use cartulaire_tests::sim::{AuthorityFault, SimAuthority, SimStore};

/// Long enough for the slowest machine; nothing waits as long unless it fails.
const PATIENCE: Duration = Duration::from_secs(60);
const PERIOD: Duration = Duration::from_millis(20);

/// A site whose commits get their names when the test says so, or not.
#[derive(Clone)]
struct Gated {
    store: SimStore,
    gate: Arc<(Mutex<Gate>, Condvar)>,
}

#[derive(Default)]
struct Gate {
    is_closed: bool,
    /// How many commits have come to the gate.
    came: usize,
    fails: Option<CreateError>,
}

impl Gated {
    fn new(world: &World) -> Self {
        Self { store: world.store.clone(), gate: Arc::default() }
    }

    fn close(&self) {
        self.gate.0.lock().unwrap().is_closed = true;
    }

    /// Opens the gate; the next commit fails if told.
    fn open(&self, fails: Option<CreateError>) {
        let mut gate = self.gate.0.lock().unwrap();
        (gate.is_closed, gate.fails) = (false, fails);
        self.gate.1.notify_all();
    }

    /// Waits until one more commit than before stands at the gate.
    fn wait_for(&self, came: usize) {
        let gate = self.gate.0.lock().unwrap();
        let waited = self.gate.1.wait_timeout_while(gate, PATIENCE, |gate| gate.came < came).unwrap();
        assert!(!waited.1.timed_out(), "no commit came");
    }

    fn came(&self) -> usize {
        self.gate.0.lock().unwrap().came
    }
}

struct AtTheGate {
    site: Gated,
    prepared: Box<dyn Prepared>,
}

impl Prepared for AtTheGate {
    fn publish(self: Box<Self>) -> Result<(), CreateError> {
        let Self { site, prepared } = *self;
        let (gate, moved) = &*site.gate;
        let mut gate = gate.lock().unwrap();
        gate.came += 1;
        moved.notify_all();
        let mut gate = moved.wait_timeout_while(gate, PATIENCE, |gate| gate.is_closed).unwrap().0;
        gate.fails.take().map_or_else(|| prepared.publish(), Err)
    }
}

impl Store for Gated {
    fn prepare(&self, name: &ObjectName, parts: &[Bytes]) -> Result<Box<dyn Prepared>, CreateError> {
        let prepared = self.store.prepare(name, parts)?;
        if !name.as_str().starts_with("commits/") {
            return Ok(prepared);
        }
        Ok(Box::new(AtTheGate { site: self.clone(), prepared }))
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
        self.store.children(folder)
    }

    fn delete(&self, name: &ObjectName) -> Result<(), CreateError> {
        self.store.delete(name)
    }
}

/// What a reply said, with the fault in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Answer {
    Done(SequenceNumber),
    Retry(&'static str),
    Poisoned,
    Other,
}

fn answer(outcome: Result<Committed, Fault>) -> Answer {
    match outcome {
        Ok(Committed::Event(seq)) => Answer::Done(seq),
        Err(Fault::Retry(Retry::Busy)) => Answer::Retry("busy"),
        Err(Fault::Retry(Retry::Unreachable)) => Answer::Retry("unreachable"),
        Err(Fault::Poisoned) => Answer::Poisoned,
        _ => Answer::Other,
    }
}

fn event() -> Submission {
    Submission::Event(Event::of_service(EventType::List, "journal", Outcome::Success))
}

/// Hands over events; the receiver gets each one's number and answer, and ends when no reply is left to be given.
fn submit(service: &Service, count: usize) -> Receiver<(usize, Answer)> {
    let (sender, receiver) = channel();
    for number in 0..count {
        let sender = sender.clone();
        service.submit(event(), Box::new(move |outcome| sender.send((number, answer(outcome))).unwrap()));
    }
    receiver
}

/// Every answer in the order of the questions; fails unless each was given exactly once.
fn collect(replies: &Receiver<(usize, Answer)>, count: usize) -> Vec<Answer> {
    let mut answers = BTreeMap::new();
    while let Ok((number, answer)) = replies.recv_timeout(PATIENCE) {
        assert_eq!(answers.insert(number, answer), None, "submission {number} was answered twice");
    }
    assert_eq!(answers.len(), count);
    answers.into_values().collect()
}

fn start(world: &World, period: Duration) -> (Service, Gated) {
    let site = Gated::new(world);
    let (archive, writers) =
        Archive::open(world.ports(Arc::new(site.clone())), world.index.path(), &mut |_| ()).unwrap();
    (Service::start(archive, writers, period), site)
}

/// A world without authorities, in which only what a test submits is journaled.
fn quiet(seed: u64) -> World {
    World { stampers: Vec::new(), stampers_sha512: Vec::new(), ..World::new(seed) }
}

/// Never seals twice within a test.
const NEVER: Duration = Duration::from_secs(3_600);

#[test]
fn many_depositors_are_all_kept_while_seals_and_tokens_are_made() {
    const THREADS: usize = 8;
    const EACH: usize = 15;
    let world = World::new(31);
    let mut rig = world.open().unwrap();
    rig.create_tenant("kerlouan").unwrap();
    let Rig { archive, writers } = rig;
    // Threads only admit through it; the service has the writers.
    let service = Service::start(Arc::clone(&archive), writers, PERIOD);
    let deposit = |thread: usize, i: usize| {
        let large = vec![thread as u8; 1_100_000];
        let content = if i == 0 { large } else { format!("{thread} {}", i / 2).into_bytes() };
        let admitted = admit(&archive, &format!("T-{thread}-{i}"), &content);
        match service.submit_and_wait(Submission::Deposit(Box::new(admitted))) {
            Ok(Committed::Deposit(deposit)) => (deposit.entry.seq, deposit.descriptor.archive),
            outcome => panic!("{outcome:?}"),
        }
    };
    let kept: BTreeSet<_> = std::thread::scope(|scope| {
        let depositors: Vec<_> = (0..THREADS)
            .map(|thread| scope.spawn(move || (0..EACH).map(|i| deposit(thread, i)).collect::<Vec<_>>()))
            .collect();
        depositors.into_iter().flat_map(|d| d.join().unwrap()).collect()
    });
    assert_eq!(kept.len(), THREADS * EACH);
    let last = kept.last().unwrap().0;
    assert!(service.wait_until(PATIENCE, |m| m.sealed_size > last.0));
    let (seal, _) = archive.index().seal_of(last).unwrap().unwrap();
    assert!(service.wait_until(PATIENCE, |m| m.attested_seals > seal.0));
    drop((service, archive));
    let rig = world.open().unwrap();
    let found = rig.archive.index().archives(&tenant("kerlouan"), None, usize::MAX).unwrap();
    let found: BTreeSet<_> = found.into_iter().map(|(id, row)| (row.seq, id)).collect();
    assert_eq!(found, kept);
}

fn admit(archive: &Arc<Archive>, transfer: &str, content: &[u8]) -> cartulaire_engine::admit::Admitted {
    cartulaire_tests::rig::admit(archive, "kerlouan", transfer, &[("a.bin", content)], |_| ()).unwrap().unwrap()
}

#[test]
fn dropping_the_service_answers_everything_that_is_queued() {
    let (service, site) = start(&quiet(32), NEVER);
    site.close();
    let replies = submit(&service, 3_000);
    let opener = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        site.open(None);
    });
    drop(service);
    opener.join().unwrap();
    // Entry 0 is the creation of the service.
    let expected: Vec<_> = (1..=3_000).map(|seq| Answer::Done(SequenceNumber(seq))).collect();
    assert_eq!(collect(&replies, 3_000), expected);
}

#[test]
fn a_full_queue_is_answered_at_once_and_what_was_taken_is_done() {
    let (service, site) = start(&quiet(33), NEVER);
    site.close();
    let total = QUEUE_SUBMISSIONS_MAX + 4 * COMMIT_SUBMISSIONS_MAX;
    let replies = submit(&service, total);
    let at_once: Vec<_> = replies.try_iter().collect();
    assert!(at_once.iter().all(|(_, answer)| *answer == Answer::Retry("busy")));
    let refused = at_once.len();
    assert!((COMMIT_SUBMISSIONS_MAX..=4 * COMMIT_SUBMISSIONS_MAX).contains(&refused), "{refused} refused");
    site.open(None);
    drop(service);
    let done: Vec<_> = collect(&replies, total - refused);
    let expected: Vec<_> = (1..=(total - refused) as u64).map(|seq| Answer::Done(SequenceNumber(seq))).collect();
    assert_eq!(done, expected);
}

#[test]
fn what_was_drafted_on_a_commit_that_came_to_nothing_is_void_too() {
    let (service, site) = start(&quiet(34), NEVER);
    site.close();
    let before = site.came();
    let first = submit(&service, 1);
    site.wait_for(before + 1);
    let second = submit(&service, 5);
    // Enough for the second commit to be drafted with at least the first of them.
    std::thread::sleep(Duration::from_millis(200));
    site.open(Some(CreateError::Unreachable));
    assert_eq!(collect(&first, 1), [Answer::Retry("unreachable")]);
    let answers = collect(&second, 5);
    let voided = answers.iter().filter(|answer| **answer == Answer::Retry("unreachable")).count();
    let committed = (1..).map(|seq| Answer::Done(SequenceNumber(seq)));
    let expected = std::iter::repeat_n(Answer::Retry("unreachable"), voided).chain(committed).take(5);
    assert_eq!((voided > 0, answers), (true, expected.collect::<Vec<_>>()));
    let next = SequenceNumber(6 - voided as u64);
    assert_eq!(collect(&submit(&service, 1), 1), [Answer::Done(next)]);
}

#[test]
fn a_fault_of_yesterday_does_not_void_the_deposit_of_today() {
    let (service, site) = start(&quiet(35), NEVER);
    site.open(Some(CreateError::Unreachable));
    assert_eq!(answer(service.submit_and_wait(event())), Answer::Retry("unreachable"));
    assert_eq!(answer(service.submit_and_wait(event())), Answer::Done(SequenceNumber(1)));
}

#[test]
fn an_unknown_outcome_stops_everybody_and_each_is_told() {
    let (service, site) = start(&quiet(36), NEVER);
    site.close();
    let before = site.came();
    let first = submit(&service, 1);
    site.wait_for(before + 1);
    let queued = submit(&service, 2_000);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let begun = Instant::now();
            (service.wait_until(2 * PATIENCE, |_| false), begun.elapsed() < PATIENCE)
        });
        std::thread::sleep(Duration::from_millis(50));
        site.open(Some(CreateError::Unknown));
        assert_eq!(collect(&first, 1), [Answer::Poisoned]);
        assert_eq!(collect(&queued, 2_000), vec![Answer::Poisoned; 2_000]);
        assert_eq!(waiter.join().unwrap(), (false, true));
    });
    assert!(service.is_poisoned());
    assert_eq!(collect(&submit(&service, 3), 3), [Answer::Poisoned; 3]);
}

#[test]
fn a_reply_that_panics_stops_the_writer_and_nobody_waits_for_ever() {
    let (service, _) = start(&quiet(37), NEVER);
    service.submit(event(), Box::new(|_| panic!("a planted panic")));
    let mut last = Answer::Other;
    let begun = Instant::now();
    while last != Answer::Poisoned && begun.elapsed() < PATIENCE {
        // Until the panic is noticed commits may still succeed; they never stay unanswered.
        last = collect(&submit(&service, 1), 1)[0];
    }
    assert_eq!(last, Answer::Poisoned);
    service.wait_until(PATIENCE, |_| false);
    assert!(service.is_poisoned());
}

#[test]
fn waiting_ends_when_it_is_reached_or_when_time_is_up() {
    let world = World::new(38);
    let (service, _) = start(&world, PERIOD);
    // The service's own creation is sealed, and attested in both trees.
    assert!(service.wait_until(PATIENCE, |m| m.sealed_size >= 1 && m.attested_seals >= 1));
    let begun = Instant::now();
    assert!(!service.wait_until(Duration::from_millis(30), |m| m.sealed_size == u64::MAX));
    assert!((Duration::from_millis(30)..PATIENCE).contains(&begun.elapsed()));
    let reached = service.milestones();
    drop(service);
    // Reopened, they are where they were, or where another seal took them.
    let Rig { archive, writers } = world.open().unwrap();
    let Milestones { sealed_size, attested_seals } = Service::start(archive, writers, NEVER).milestones();
    assert!(sealed_size >= reached.sealed_size && attested_seals >= reached.attested_seals);
}

#[test]
fn a_period_is_waited_for_and_a_service_at_rest_stops_at_once() {
    let (service, _) = start(&quiet(39), NEVER);
    assert!(service.wait_until(PATIENCE, |m| m.sealed_size == 1));
    assert_eq!(answer(service.submit_and_wait(event())), Answer::Done(SequenceNumber(1)));
    assert!(!service.wait_until(Duration::from_millis(1_300), |m| m.sealed_size > 1));
    let begun = Instant::now();
    drop(service);
    assert!(begun.elapsed() < PATIENCE);
}

#[test]
fn an_authority_that_is_down_for_one_tree_delays_no_token_of_the_other() {
    let mut world = World::new(41);
    let up = Arc::new(SimAuthority::new("up", 1, world.truth.clone()));
    let down = Arc::new(SimAuthority::new("down", 2, world.truth.clone()));
    down.set_fault(Some(AuthorityFault::Down));
    (world.stampers, world.stampers_sha512) = (vec![up], vec![Arc::clone(&down)]);
    let mut rig = world.open().unwrap();
    rig.create_tenant("kerlouan").unwrap();
    for transfer in ["T-1", "T-2", "T-3"] {
        rig.deposit("kerlouan", transfer, &[("a.txt", transfer.as_bytes())]).unwrap();
        rig.writers.sealer.seal().unwrap().unwrap();
    }
    let service = Service::start(Arc::clone(&rig.archive), rig.writers, PERIOD);
    let oldest = |algorithm| rig.archive.index().oldest_unattested(algorithm, SealNumber(0)).unwrap();
    let began = Instant::now();
    while oldest(EvidenceAlgorithm::Sha256).is_some() {
        assert!(began.elapsed() < PATIENCE, "the tree whose authority answers is not attested");
        std::thread::sleep(PERIOD);
    }
    assert_eq!(oldest(EvidenceAlgorithm::Sha512), Some(SealNumber(0)));
    assert_eq!(service.milestones().attested_seals, 0, "a seal is attested once every tree of it is");
    down.set_fault(None);
    assert!(service.wait_until(PATIENCE, |m| m.attested_seals >= 3));
    assert_eq!(oldest(EvidenceAlgorithm::Sha512), None);
}
