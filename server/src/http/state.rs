//! What every request shares.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cartulaire_engine::archive::Archive;
use cartulaire_engine::commit::{Committed, Event, Submission};
use cartulaire_engine::fault::Fault;
use cartulaire_engine::index::IndexError;
use cartulaire_engine::service::Service;
use cartulaire_formats::layout::SequenceNumber;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::spawn_blocking;

use super::intake::InlineMemory;
use super::limits::Limits;
use super::metrics::Metrics;
use super::problem::{Problem, ProblemKind};

/// How the doors are to be.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// What one caller may cost.
    pub limits: Limits,
    /// Whether `/metrics` is answered; it says how much is deposited, to anybody who reaches the listener.
    pub with_metrics: bool,
}

/// What every request shares; cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Shared>);

/// See [`AppState`].
pub struct Shared {
    /// The running engine.
    pub service: Arc<Service>,
    /// What one caller may cost.
    pub limits: Limits,
    /// What has been counted since the start.
    pub metrics: Metrics,
    /// Whether `/metrics` is answered.
    pub with_metrics: bool,
    /// Memory for small bodies.
    pub memory: InlineMemory,
    /// Held while a tenant or key is looked up and then created, so that none is created twice.
    pub administration: Mutex<()>,
    deposits: Arc<Semaphore>,
    bundles: Arc<Semaphore>,
    stopping: AtomicBool,
}

/// How often a waiter looks whether its proof is there; far below what anybody notices.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl AppState {
    /// Puts doors before a running engine.
    #[must_use]
    pub fn new(service: Arc<Service>, options: Options) -> Self {
        let limits = options.limits;
        Self(Arc::new(Shared {
            service,
            limits,
            metrics: Metrics::default(),
            with_metrics: options.with_metrics,
            memory: InlineMemory::new(limits.inline_bytes_max),
            administration: Mutex::new(()),
            deposits: Arc::new(Semaphore::new(limits.deposits_max)),
            bundles: Arc::new(Semaphore::new(limits.bundles_max)),
            stopping: AtomicBool::new(false),
        }))
    }

    /// The archive.
    #[must_use]
    pub fn archive(&self) -> &Arc<Archive> {
        self.service.archive()
    }

    /// Says that the service is about to stop: `/readyz` answers no from now on.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Whether the service is about to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Waits for a deposit's turn.
    ///
    /// # Errors
    /// [`ProblemKind::Busy`] if it does not come in time.
    pub async fn turn(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.turn_of(&self.deposits).await
    }

    /// Waits for a bundle's turn.
    ///
    /// # Errors
    /// As [`Self::turn`].
    pub async fn bundle_turn(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.turn_of(&self.bundles).await
    }

    async fn turn_of(&self, slots: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Problem> {
        match tokio::time::timeout(self.limits.turn, Arc::clone(slots).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(ProblemKind::Busy.into()),
        }
    }

    /// Hands something to the committer and waits until it is durable.
    ///
    /// # Errors
    /// As of [`Service::submit`].
    pub async fn submit(&self, submission: Submission) -> Result<Committed, Fault> {
        let (sender, receiver) = oneshot::channel();
        let begun = Instant::now();
        let _queued = self.metrics.queue.hold();
        self.service.submit(submission, Box::new(move |outcome| drop(sender.send(outcome))));
        let outcome = receiver.await.unwrap_or(Err(Fault::Poisoned));
        self.metrics.commits.observe(begun.elapsed());
        outcome
    }

    /// Journals an event and waits until it is durable.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub async fn journal(&self, event: Event) -> Result<(), Fault> {
        self.submit(Submission::Event(event)).await.map(|_| ())
    }

    /// Asks the archive something that may touch the disk, on a thread that may block.
    ///
    /// # Errors
    /// The question's own, and [`ProblemKind::Internal`] if it panics.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Archive) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Problem> {
        let archive = Arc::clone(self.archive());
        Ok(spawn_blocking(move || question(&archive)).await??)
    }

    /// Waits until an entry's seal has every token, at most that long; returns whether it has.
    ///
    /// # Errors
    /// [`IndexError`].
    pub async fn attested(&self, seq: SequenceNumber, longest: Duration) -> Result<bool, IndexError> {
        let until = Instant::now() + longest;
        loop {
            let milestones = self.service.milestones();
            let seal = if milestones.sealed_size > seq.0 { self.archive().index().seal_of(seq)? } else { None };
            if seal.is_some_and(|(seal, _)| seal.0 < milestones.attested_seals) {
                return Ok(true);
            }
            if Instant::now() >= until || self.is_stopping() || self.service.is_poisoned() {
                return Ok(false);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
