//! The limit: hashing, one sequential write and the sync, with nothing of an archive around them.
//!
//! The same depositors hash the same documents in the same way; one thread appends whatever waits to one file, syncs it
//! once, and answers. No names, no journal, no signature, no index, no second sync.

use std::fs::File;
use std::io::{IoSlice, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use bytes::Bytes;
use cartulaire_formats::hash::MultiHasher;

use crate::closed_loop::closed_loop;
use crate::payload::Payloads;
use crate::statistics::Round;
use crate::workspace::{BenchError, Workspace};
use cartulaire_engine::bounds::{COMMIT_BYTES_MAX, COMMIT_SUBMISSIONS_MAX, QUEUE_SUBMISSIONS_MAX};

type Waiting = (Bytes, SyncSender<()>);

/// One round at the limit.
pub fn round(place: &Workspace, payloads: &Payloads, depositors: usize, length: Duration) -> Result<Round, BenchError> {
    let folder = place.folder()?;
    let file = File::create(folder.path().join("raw"))?;
    let (queue, waiting) = sync_channel(QUEUE_SUBMISSIONS_MAX);
    let writer = std::thread::spawn(move || write_all(file, &waiting));
    let round = closed_loop(depositors, length, || {
        let (stamp, rest) = payloads.next();
        let mut hasher = MultiHasher::new(false);
        hasher.update(&stamp);
        hasher.update(rest);
        let digests = hasher.finish();
        let mut body = Vec::with_capacity(payloads.size());
        body.extend_from_slice(&stamp);
        body.extend_from_slice(rest);
        assert_eq!(digests.size, body.len() as u64);
        let (answer, answered) = sync_channel(1);
        let lost = || BenchError::Io(std::io::ErrorKind::BrokenPipe.into());
        queue.send((body.into(), answer)).map_err(|_| lost())?;
        answered.recv().map_err(|_| lost())
    });
    drop(queue);
    writer.join().expect("the raw writer does not panic")?;
    round
}

fn write_all(mut file: File, waiting: &Receiver<Waiting>) -> Result<(), BenchError> {
    while let Ok(first) = waiting.recv() {
        let mut bytes = first.0.len();
        let mut batch = vec![first];
        while batch.len() < COMMIT_SUBMISSIONS_MAX && bytes < COMMIT_BYTES_MAX {
            let Ok(next) = waiting.try_recv() else { break };
            bytes += next.0.len();
            batch.push(next);
        }
        let mut slices: Vec<_> = batch.iter().map(|(body, _)| IoSlice::new(body)).collect();
        let mut rest = &mut slices[..];
        while !rest.is_empty() {
            let written = file.write_vectored(rest)?;
            IoSlice::advance_slices(&mut rest, written);
        }
        file.sync_data()?;
        batch.into_iter().for_each(|(_, answer)| answer.send(()).unwrap_or(()));
    }
    Ok(())
}
