//! Some depositors who each wait for an answer before they deposit again, for a while.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::statistics::{Round, cpu_used};
use crate::workspace::BenchError;

/// Runs `operation` from `depositors` threads for about `length`.
///
/// - `operation`: one operation, from its start to its answer.
/// - Returns the rate and every latency. A first tenth of the time is not counted.
///
/// # Errors
/// The first of an operation.
pub fn closed_loop(
    depositors: usize,
    length: Duration,
    operation: impl Fn() -> Result<(), BenchError> + Sync,
) -> Result<Round, BenchError> {
    let (start, stop, counting) = (Barrier::new(depositors + 1), AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let depositor = || {
            start.wait();
            let mut latencies = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let counted = counting.load(Ordering::Relaxed);
                let began = Instant::now();
                operation()?;
                if counted {
                    latencies.push(began.elapsed());
                }
            }
            Ok(latencies)
        };
        let threads: Vec<_> = (0..depositors).map(|_| scope.spawn(depositor)).collect();
        start.wait();
        std::thread::sleep(length / 10);
        counting.store(true, Ordering::Relaxed);
        let (began, cpu) = (Instant::now(), cpu_used());
        std::thread::sleep(length);
        stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for thread in threads {
            let latencies: Result<_, BenchError> = thread.join().expect("depositors do not panic");
            all.extend::<Vec<Duration>>(latencies?);
        }
        Ok(Round::new(all, began.elapsed(), cpu_used().saturating_sub(cpu)))
    })
}
