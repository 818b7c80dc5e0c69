//! The adapter's own runtime: the one place of the engine where something runs asynchronously.

use std::future::Future;
use std::sync::mpsc;

use tokio::runtime::{Builder, Runtime};

/// Runs requests for callers that wait, whatever thread they are on.
#[derive(Debug)]
pub(super) struct Executor(Option<Runtime>);

impl Executor {
    pub(super) fn new() -> Self {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).thread_name("object-store").enable_all();
        // As std::thread::spawn: a process that cannot have one more thread at its start cannot work.
        Self(Some(builder.build().expect("the system gives a thread to a process that starts")))
    }

    /// Waits for `work`, which runs elsewhere: blocking on a runtime from within another one would panic.
    pub(super) fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.spawn(async move {
            // The receiver is there as long as its caller waits.
            _ = sender.send(work.await);
        });
        receiver.recv().expect("the work ends by itself and does not panic")
    }

    /// Starts `work` and does not wait for it.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.as_ref().expect("taken only when dropped").spawn(work);
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // The last holder may be a task of this runtime or of another, where waiting for its end would panic.
            runtime.shutdown_background();
        }
    }
}
