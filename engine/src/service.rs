//! The engine running: one committer thread clocked by itself, one sealer thread, one attester thread.
//!
//! The committer has no timer: whatever arrived while the last sync ran goes into the next commit. Queues are bounded;
//! when one is full the caller is told to come back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cartulaire_formats::layout::{EvidenceAlgorithm, SealNumber};

use crate::archive::{Archive, Writers};
use crate::attest::Attester;
use crate::bounds::{COMMIT_BYTES_MAX, COMMIT_SUBMISSIONS_MAX, QUEUE_SUBMISSIONS_MAX};
use crate::commit::{Committed, Committer, Event, Staged, Submission};
use crate::fault::{Fault, Retry};
use crate::seal::Sealer;

/// Takes the outcome of a submission, on the committer's thread: it must be quick.
pub type Reply = Box<dyn FnOnce(Result<Committed, Fault>) + Send>;

type Waiting = (Submission, Owed);

/// A reply that is surely given: to whoever loses it on the way, by a panic or a thread's end, the outcome is unknown.
struct Owed(Option<Reply>);

impl Owed {
    fn give(mut self, outcome: Result<Committed, Fault>) {
        if let Some(reply) = self.0.take() {
            reply(outcome);
        }
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if let Some(reply) = self.0.take() {
            reply(Err(Fault::Poisoned));
        }
    }
}

/// How far sealing and attesting have come; what waiters watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Milestones {
    /// Entries below this are sealed.
    pub sealed_size: u64,
    /// Seals below this are attested in every tree.
    pub attested_seals: u64,
}

/// The running engine. Dropping it stops the threads after what is queued is done.
pub struct Service {
    archive: Arc<Archive>,
    queue: Option<SyncSender<Waiting>>,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    stopping: AtomicBool,
    poisoned: AtomicBool,
    milestones: Mutex<Milestones>,
    changed: Condvar,
}

impl Shared {
    fn milestones(&self) -> MutexGuard<'_, Milestones> {
        self.milestones.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn advance(&self, change: impl FnOnce(&mut Milestones)) {
        change(&mut self.milestones());
        self.changed.notify_all();
    }

    /// Sleeps until something changes, at most that long.
    fn pause(&self, longest: Duration) {
        let guard = self.milestones();
        if !self.stopping.load(Ordering::Acquire) {
            drop(self.changed.wait_timeout(guard, longest));
        }
    }

    fn poison(&self, fault: &Fault) {
        if !self.raise(&self.poisoned) {
            tracing::error!(%fault, "the writer has stopped");
        }
    }

    /// Raises a flag that sleepers watch, and wakes them; returns whether it was up already.
    fn raise(&self, flag: &AtomicBool) -> bool {
        // Raised while a sleeper is between looking at the flag and falling asleep, it would not wake it.
        let held = self.milestones();
        let was_raised = flag.swap(true, Ordering::AcqRel);
        drop(held);
        self.changed.notify_all();
        was_raised
    }
}

/// A thread that ends by a panic must not leave callers waiting for ever.
struct OnPanic<'a>(&'a Shared);

impl Drop for OnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.poison(&Fault::Poisoned);
        }
    }
}

impl Service {
    /// Starts the threads.
    ///
    /// - `seal_period`: a seal is made this often while something is committed.
    #[must_use]
    pub fn start(archive: Arc<Archive>, writers: Writers, seal_period: Duration) -> Self {
        let (queue, waiting) = sync_channel(QUEUE_SUBMISSIONS_MAX);
        let shared = Arc::new(Shared {
            stopping: AtomicBool::new(false),
            poisoned: AtomicBool::new(false),
            milestones: Mutex::new(initial_milestones(&archive)),
            changed: Condvar::new(),
        });
        let Writers { committer, sealer, attester } = writers;
        let threads = vec![
            spawn("committer", &shared, {
                let archive = Arc::clone(&archive);
                move |shared| run_committer(committer, &archive, &waiting, shared)
            }),
            spawn("sealer", &shared, move |shared| run_sealer(sealer, seal_period, shared)),
            spawn("attester", &shared, {
                let queue = queue.clone();
                let archive = Arc::clone(&archive);
                move |shared| run_attester(attester, &archive, &queue, shared)
            }),
        ];
        Self { archive, queue: Some(queue), shared, threads }
    }

    /// The archive that this serves.
    #[must_use]
    pub fn archive(&self) -> &Arc<Archive> {
        &self.archive
    }

    /// Hands over a submission; `reply` is called exactly once with its outcome, after it is durable. It must neither
    /// panic nor drop the service: it runs on the service's own threads.
    ///
    /// Never blocks: a full queue is answered at once with [`Retry::Busy`].
    pub fn submit(&self, submission: Submission, reply: Reply) {
        if self.is_poisoned() {
            return reply(Err(Fault::Poisoned));
        }
        let queue = self.queue.as_ref().expect("the queue is there until the service is dropped");
        match queue.try_send((submission, Owed(Some(reply)))) {
            Ok(()) => {}
            Err(TrySendError::Full((_, reply))) => reply.give(Err(Retry::Busy.into())),
            Err(TrySendError::Disconnected((_, reply))) => reply.give(Err(Fault::Poisoned)),
        }
    }

    /// Hands over a submission and waits for its outcome.
    ///
    /// # Errors
    /// As [`Committer::commit`], and [`Retry::Busy`].
    pub fn submit_and_wait(&self, submission: Submission) -> Result<Committed, Fault> {
        let (sender, receiver) = sync_channel(1);
        self.submit(submission, Box::new(move |outcome| drop(sender.send(outcome))));
        receiver.recv().unwrap_or(Err(Fault::Poisoned))
    }

    /// Whether writing has stopped for good; the process must be started again.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.shared.poisoned.load(Ordering::Acquire)
    }

    /// How far sealing and attesting have come.
    #[must_use]
    pub fn milestones(&self) -> Milestones {
        *self.shared.milestones()
    }

    /// Waits until `reached` holds, at most that long, or until writing stops; returns whether it holds.
    pub fn wait_until(&self, longest: Duration, reached: impl Fn(&Milestones) -> bool) -> bool {
        let guard = self.shared.milestones();
        let waiting = |m: &mut Milestones| !reached(m) && !self.is_poisoned();
        let waited = self.shared.changed.wait_timeout_while(guard, longest, waiting);
        reached(&waited.unwrap_or_else(PoisonError::into_inner).0)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.shared.raise(&self.shared.stopping);
        self.queue = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a writer thread panicked");
            }
        }
    }
}

fn initial_milestones(archive: &Archive) -> Milestones {
    let sealed_size = archive.edge().size().0;
    let seals = archive.index().seal_head().ok().flatten().map_or(0, |head| head.seal.0 + 1);
    Milestones { sealed_size, attested_seals: oldest_unattested(archive).map_or(seals, |seal| seal.0) }
}

fn spawn(name: &str, shared: &Arc<Shared>, run: impl FnOnce(&Shared) + Send + 'static) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    let guarded = move || {
        let _guard = OnPanic(&shared);
        run(&shared);
    };
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(guarded);
    thread.expect("the system can start three threads when the service starts")
}

/// Drafts and prepares each commit while the one before is being published.
fn run_committer(mut committer: Committer, archive: &Archive, waiting: &Receiver<Waiting>, shared: &Shared) {
    let (to_publish, staged) = sync_channel::<(Staged, Vec<Owed>)>(0);
    let (published, outcomes) = sync_channel(1);
    std::thread::scope(|scope| {
        scope.spawn(move || publish_all(archive, &staged, &published, shared));
        let mut in_flight = false;
        while let Ok(first) = waiting.recv() {
            let (batch, replies) = take_batch(first, waiting);
            // What ended while nothing waited is no concern of this batch, but of the chain that it continues.
            if in_flight && let Some(ended) = ended(&outcomes) {
                in_flight = false;
                // A committer that had to stop says so when it is asked to stage.
                drop(committer.settle(ended.as_ref()));
            }
            let next = committer.stage(batch);
            let before =
                if std::mem::take(&mut in_flight) { outcomes.recv().unwrap_or(Some(Fault::Poisoned)) } else { None };
            let outcome = committer.settle(before.as_ref()).and(next);
            match (outcome, before) {
                (Ok(_), Some(before)) => answer(Err(before), replies),
                (Ok(next), None) => {
                    in_flight = to_publish.send((next, replies)).is_ok();
                    if !in_flight {
                        drop(committer.settle(Some(&Fault::Poisoned)));
                    }
                }
                (Err(fault), _) => answer(Err(fault), replies),
            }
            if committer.is_poisoned() {
                shared.poison(&Fault::Poisoned);
            }
        }
        drop(to_publish);
    });
}

/// How the commit in flight ended, if it has.
fn ended(outcomes: &Receiver<Option<Fault>>) -> Option<Option<Fault>> {
    match outcomes.try_recv() {
        Ok(outcome) => Some(outcome),
        Err(TryRecvError::Empty) => None,
        Err(TryRecvError::Disconnected) => Some(Some(Fault::Poisoned)),
    }
}

/// Publishes what is staged, answers its depositors, and says how it ended.
fn publish_all(
    archive: &Archive,
    staged: &Receiver<(Staged, Vec<Owed>)>,
    published: &SyncSender<Option<Fault>>,
    shared: &Shared,
) {
    let _guard = OnPanic(shared);
    for (staged, replies) in staged {
        let outcome = staged.publish(archive);
        let fault = outcome.as_ref().err().map(Fault::class);
        if let Some(Fault::Poisoned) = fault {
            shared.poison(&Fault::Poisoned);
        }
        // The committer may go on before the depositors are told: what they are told is durable already.
        drop(published.send(fault));
        answer(outcome, replies);
    }
}

/// Everything that waits already, within the limits of a commit.
fn take_batch(first: Waiting, waiting: &Receiver<Waiting>) -> (Vec<Submission>, Vec<Owed>) {
    let mut bytes = first.0.inline_bytes();
    let (mut batch, mut replies) = (vec![first.0], vec![first.1]);
    while batch.len() < COMMIT_SUBMISSIONS_MAX && bytes < COMMIT_BYTES_MAX {
        match waiting.try_recv() {
            Ok((submission, reply)) => {
                bytes += submission.inline_bytes();
                batch.push(submission);
                replies.push(reply);
            }
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
        }
    }
    (batch, replies)
}

fn answer(outcome: Result<Vec<Committed>, Fault>, replies: Vec<Owed>) {
    match outcome {
        Ok(results) => replies.into_iter().zip(results).for_each(|(reply, result)| reply.give(Ok(result))),
        Err(Fault::Retry(retry)) => replies.into_iter().for_each(|reply| reply.give(Err(retry.into()))),
        Err(_) => replies.into_iter().for_each(|reply| reply.give(Err(Fault::Poisoned))),
    }
}

fn run_sealer(mut sealer: Sealer, period: Duration, shared: &Shared) {
    while !shared.poisoned.load(Ordering::Acquire) {
        let stopping = shared.stopping.load(Ordering::Acquire);
        if sealer.is_due() {
            match sealer.seal() {
                Ok(Some(sealed)) => shared.advance(|m| m.sealed_size = sealed.size.0),
                Ok(None) => {}
                Err(Fault::Retry(retry)) => tracing::warn!(%retry, "sealing is delayed"),
                Err(fault) => return shared.poison(&fault),
            }
        }
        if stopping {
            return;
        }
        sleep_unless_stopping(shared, period);
    }
}

/// Sleeps that long whatever the other threads report, but not beyond a stop.
fn sleep_unless_stopping(shared: &Shared, longest: Duration) {
    let stopped = |_: &mut Milestones| !shared.stopping.load(Ordering::Acquire);
    drop(shared.changed.wait_timeout_while(shared.milestones(), longest, stopped));
}

/// The evidence trees that may have to be attested.
const ALGORITHMS: [EvidenceAlgorithm; 2] = [EvidenceAlgorithm::Sha256, EvidenceAlgorithm::Sha512];

/// The pause after an authority failed, doubled each time up to the longest.
const ATTEST_PAUSE: Duration = Duration::from_millis(500);
/// An authority that is down for hours is asked again this often.
const ATTEST_PAUSE_MAX: Duration = Duration::from_secs(60);
/// How long the attester sleeps when it has nothing to do and nobody wakes it.
const ATTEST_IDLE: Duration = Duration::from_millis(250);

/// One tree's seals, attested in their order.
struct Turn {
    algorithm: EvidenceAlgorithm,
    /// Seals before this one are done, or damaged: those are left to the audit.
    from: SealNumber,
    /// The pause after the next failure.
    pause: Duration,
    /// Not to be tried before: its authorities failed.
    not_before: Option<Instant>,
}

impl Turn {
    fn new(algorithm: EvidenceAlgorithm) -> Self {
        Self { algorithm, from: SealNumber(0), pause: ATTEST_PAUSE, not_before: None }
    }

    /// Attests the tree's oldest seal, if it has one and may try; returns whether it came further.
    fn step(&mut self, desk: &mut Desk<'_>) -> Result<bool, Fault> {
        if self.not_before.is_some_and(|instant| Instant::now() < instant) {
            return Ok(false);
        }
        let Some(seal) = desk.archive.index().oldest_unattested(self.algorithm, self.from)? else { return Ok(false) };
        let algorithm = self.algorithm;
        match desk.attest(seal, algorithm) {
            Ok(()) => {
                (self.pause, self.not_before) = (ATTEST_PAUSE, None);
                Ok(true)
            }
            Err(Fault::Damaged(damage)) => {
                tracing::error!(%seal, %algorithm, %damage, "this seal cannot be time-stamped; run the audit");
                self.from = seal.next();
                Ok(true)
            }
            Err(Fault::Retry(retry)) => {
                tracing::warn!(%seal, %algorithm, %retry, "no time-stamp yet; deposits go on");
                self.not_before = Some(Instant::now() + self.pause);
                self.pause = ATTEST_PAUSE_MAX.min(self.pause * 2);
                Ok(false)
            }
            Err(fault) => Err(fault),
        }
    }
}

/// What attesting needs at hand.
struct Desk<'a> {
    attester: Attester,
    archive: &'a Archive,
    queue: &'a SyncSender<Waiting>,
    shared: &'a Shared,
}

impl Desk<'_> {
    fn attest(&mut self, seal: SealNumber, algorithm: EvidenceAlgorithm) -> Result<(), Fault> {
        let outcome = self.attester.attest(seal, algorithm).and_then(|event| journal(self.queue, event));
        for event in self.attester.take_events() {
            // What finds the queue full is in the logs; the authority's next failure is journaled again.
            drop(self.queue.try_send((Submission::Event(event), Owed(None))));
        }
        outcome?;
        note_attested(self.archive, self.shared, seal);
        Ok(())
    }
}

/// An authority that is down for one tree, or a damaged seal, delays nothing else.
fn run_attester(attester: Attester, archive: &Archive, queue: &SyncSender<Waiting>, shared: &Shared) {
    let mut turns = ALGORITHMS.map(Turn::new);
    let mut desk = Desk { attester, archive, queue, shared };
    while !shared.stopping.load(Ordering::Acquire) && !shared.poisoned.load(Ordering::Acquire) {
        let mut progress = false;
        for turn in &mut turns {
            match turn.step(&mut desk) {
                Ok(came_further) => progress |= came_further,
                Err(fault) => return shared.poison(&fault),
            }
        }
        if !progress {
            shared.pause(ATTEST_IDLE);
        }
    }
}

/// Journals an event and waits until it is durable.
fn journal(queue: &SyncSender<Waiting>, event: Event) -> Result<(), Fault> {
    let (sender, receiver) = sync_channel(1);
    let reply: Reply = Box::new(move |outcome| drop(sender.send(outcome)));
    queue.send((Submission::Event(event), Owed(Some(reply)))).map_err(|_| Fault::Poisoned)?;
    receiver.recv().unwrap_or(Err(Fault::Poisoned)).map(|_| ())
}

fn note_attested(archive: &Archive, shared: &Shared, seal: SealNumber) {
    let attested = oldest_unattested(archive).map_or(seal.0 + 1, |oldest| oldest.0);
    shared.advance(|m| m.attested_seals = m.attested_seals.max(attested));
}

/// The oldest seal that lacks a token in any tree.
fn oldest_unattested(archive: &Archive) -> Option<SealNumber> {
    let oldest = |algorithm| archive.index().oldest_unattested(algorithm, SealNumber(0)).ok().flatten();
    ALGORITHMS.into_iter().filter_map(oldest).min()
}
