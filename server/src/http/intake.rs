//! One body on its way into the engine: hashed and written on threads that may block, within the memory that all
//! deposits share.

use std::sync::Arc;

use bytes::Bytes;
use cartulaire_engine::archive::Archive;
use cartulaire_engine::bounds::INLINE_BYTES_MAX;
use cartulaire_engine::ports::CreateError;
use cartulaire_engine::receive::{Received, Reception};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinHandle, spawn_blocking};

use super::limits::BODY_PIECE_BYTES;
use super::problem::{Problem, ProblemKind};

/// Memory for small bodies, shared by all deposits; counted in KiB.
#[derive(Clone)]
pub struct InlineMemory(Arc<Semaphore>);

impl InlineMemory {
    /// Memory of that many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes >> 10)))
    }

    /// Room for that many bytes, if there is some now. Waiting for it could leave all waiting for one another.
    fn reserve(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let kib = u32::try_from(bytes.div_ceil(1 << 10)).ok()?;
        Arc::clone(&self.0).try_acquire_many_owned(kib).ok()
    }
}

/// A whole body, and the room that it takes in memory for as long as this lives.
pub struct Taken {
    /// The body.
    pub received: Received,
    /// Given back when the deposit is committed or refused.
    pub room: Option<OwnedSemaphorePermit>,
}

/// One body being taken in.
pub struct Intake {
    memory: InlineMemory,
    room: Option<OwnedSemaphorePermit>,
    waiting: Vec<Bytes>,
    waiting_bytes: usize,
    size: u64,
    work: Work,
}

/// Hashing one piece while the next arrives.
enum Work {
    Idle(Box<Reception>),
    Busy(JoinHandle<Result<Box<Reception>, CreateError>>),
    Failed,
}

impl Intake {
    /// Begins a body.
    ///
    /// - `with_sha512`: as for [`Reception::new`].
    #[must_use]
    pub fn new(archive: &Arc<Archive>, memory: &InlineMemory, with_sha512: bool) -> Self {
        let work = Work::Idle(Box::new(Reception::new(Arc::clone(archive), with_sha512)));
        Self { memory: memory.clone(), room: None, waiting: Vec::new(), waiting_bytes: 0, size: 0, work }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// The storage's problems, [`ProblemKind::Internal`]; the intake is then of no more use.
    pub async fn write(&mut self, piece: Bytes) -> Result<(), Problem> {
        self.waiting_bytes += piece.len();
        self.size += piece.len() as u64;
        self.waiting.push(piece);
        if self.waiting_bytes < BODY_PIECE_BYTES {
            return Ok(());
        }
        let (reception, pieces) = self.prepare().await?;
        self.work = Work::Busy(spawn_blocking(move || write_all(reception, pieces)));
        Ok(())
    }

    /// Ends the body.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn finish(mut self) -> Result<Taken, Problem> {
        let (reception, pieces) = self.prepare().await?;
        let finish = move || write_all(reception, pieces)?.finish();
        // A body that was never worth a piece of its own is hashed here: sooner done than handed over.
        let received = if self.size < BODY_PIECE_BYTES as u64 { finish() } else { spawn_blocking(finish).await? };
        Ok(Taken { received: received?, room: self.room })
    }

    /// Waits for the piece before, and finds room for this one or sends the body out of memory.
    async fn prepare(&mut self) -> Result<(Box<Reception>, Vec<Bytes>), Problem> {
        let mut reception = match std::mem::replace(&mut self.work, Work::Failed) {
            Work::Idle(reception) => reception,
            Work::Busy(task) => task.await??,
            Work::Failed => return Err(ProblemKind::Internal.into()),
        };
        let will_stay = reception.is_inline() && self.size <= INLINE_BYTES_MAX as u64;
        let room = if will_stay { self.memory.reserve(self.waiting_bytes) } else { None };
        match (room, &mut self.room) {
            (Some(room), Some(all)) => all.merge(room),
            (Some(room), all @ None) => *all = Some(room),
            (None, all) => {
                *all = None;
                if reception.is_inline() {
                    reception = spawn_blocking(move || reception.leave_memory().map(|()| reception)).await??;
                }
            }
        }
        self.waiting_bytes = 0;
        Ok((reception, std::mem::take(&mut self.waiting)))
    }
}

fn write_all(mut reception: Box<Reception>, pieces: Vec<Bytes>) -> Result<Box<Reception>, CreateError> {
    pieces.iter().try_for_each(|piece| reception.write(piece))?;
    Ok(reception)
}
