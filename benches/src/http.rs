//! Deposits through the HTTP door, over loopback, against the limit of the machine.
//!
//! The client is as small as a client can be (one kept connection a depositor, a request written at once, the answer's
//! length read from its head), so that what is measured is the server; it still takes its share of the same cores.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cartulaire_engine::attest::Authorities;
use cartulaire_engine::commit::Submission;
use cartulaire_engine::ports::Clock as _;
use cartulaire_engine::system::{SystemClock, SystemEntropy};
use cartulaire_server::http::{AppState, Limits, Listener, Options as HttpOptions, serve};
use cartulaire_server::identity::{ApiKey, KeyRecord, Role};
use tokio::sync::oneshot;

use crate::closed_loop::closed_loop;
use crate::deposits::{Bench, TENANT};
use crate::options::Options;
use crate::payload::Payloads;
use crate::raw;
use crate::report::{Promise, Report, Row};
use crate::statistics::Figure;
use crate::workspace::{BenchError, Workspace};

/// Measures every number of depositors with every size.
pub fn run(options: &Options, place: &Workspace, report: &mut Report) -> Result<(), BenchError> {
    for size_kib in options.sizes_kib() {
        for depositors in options.depositors() {
            measure(options, place, report, *depositors, *size_kib)?;
        }
    }
    Ok(())
}

fn measure(
    options: &Options,
    place: &Workspace,
    report: &mut Report,
    depositors: usize,
    size_kib: usize,
) -> Result<(), BenchError> {
    let (mut limits, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds() {
        let payloads = Payloads::new(size_kib << 10);
        limits.push(raw::round(place, &payloads, depositors, options.round())?);
        let folder = place.folder()?;
        let door = Door::open(folder.path())?;
        ours.push(closed_loop(depositors, options.round(), || door.deposit(&payloads))?);
    }
    let case = format!("{depositors} x {size_kib} KiB");
    let limit = Figure::of(limits.iter().map(|r| r.rate));
    let ratio = Figure::of(ours.iter().zip(&limits).map(|(o, l)| o.rate / l.rate));
    let rate = Figure::of(ours.iter().map(|r| r.rate));
    let row = Row::new("http", case.clone(), "deposits/s", rate, Promise::COMMITTED);
    report.row(&row.against(limit.value, ratio.value));
    for (bench, percent) in [("http p50", 50.0), ("http p99", 99.0)] {
        let value = Figure::of(ours.iter().map(|r| r.percentile_ms(percent)));
        report.row(&Row::new(bench, case.clone(), "ms", value, Promise::COMMITTED));
    }
    Ok(())
}

/// A server on loopback over a new archive. Dropping it stops the server.
struct Door {
    address: SocketAddr,
    head: String,
    next: AtomicU64,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<std::thread::JoinHandle<()>>,
}

thread_local! {
    /// Each depositor's connection, with the address that it leads to.
    static CONNECTION: RefCell<Option<(SocketAddr, TcpStream)>> = const { RefCell::new(None) };
}

impl Door {
    fn open(folder: &std::path::Path) -> Result<Self, BenchError> {
        let bench = Bench::open(folder, Authorities::default(), Duration::from_secs(3600))?;
        let key = ApiKey::draw(&SystemEntropy);
        let tenant = TENANT.parse().expect("a tenant's identifier");
        let roles = BTreeSet::from([Role::Depositor]);
        let record = KeyRecord::new(&key, tenant, roles, "bench".into(), SystemClock.now()).expect("a sound key");
        bench.service.submit_and_wait(Submission::Event(record.created_event("operator")))?;
        let state =
            AppState::new(Arc::clone(&bench.service), HttpOptions { limits: Limits::default(), with_metrics: false });
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let serving = std::thread::spawn(move || {
            runtime.block_on(async {
                let listener = Listener::from_std(listener).expect("a listener that was just made");
                serve(vec![listener], None, state, async { drop(stopped.await) }).await;
            });
        });
        let head = format!(
            "POST /v1/tenants/{TENANT}/archives?name=document.pdf HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/pdf\r\n",
            key.reveal()
        );
        Ok(Self { address, head, next: AtomicU64::new(0), stop: Some(stop), serving: Some(serving) })
    }

    /// One deposit, from the first byte sent to the last byte of the answer, on this thread's connection.
    fn deposit(&self, payloads: &Payloads) -> Result<(), BenchError> {
        CONNECTION.with_borrow_mut(|kept| {
            let mut stream = match kept.take().filter(|(address, _)| *address == self.address) {
                Some((_, stream)) => stream,
                None => {
                    let stream = TcpStream::connect(self.address)?;
                    stream.set_nodelay(true)?;
                    stream
                }
            };
            let (stamp, rest) = payloads.next();
            let transfer = self.next.fetch_add(1, Ordering::Relaxed);
            let mut request = Vec::with_capacity(payloads.size() + 512);
            write!(
                request,
                "{}Idempotency-Key: T-{transfer}\r\nContent-Length: {}\r\n\r\n",
                self.head,
                payloads.size()
            )?;
            request.extend_from_slice(&stamp);
            request.extend_from_slice(rest);
            stream.write_all(&request)?;
            expect_created(&mut stream)?;
            *kept = Some((self.address, stream));
            Ok(())
        })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // A server that has ended by itself hears nothing.
            stop.send(()).unwrap_or(());
        }
        if let Some(serving) = self.serving.take() {
            drop(serving.join());
        }
    }
}

/// Reads one answer whole; anything but `201` with a length ends the bench.
fn expect_created(stream: &mut TcpStream) -> Result<(), BenchError> {
    let odd = |text: &[u8]| BenchError::Answer(String::from_utf8_lossy(text).into_owned());
    let mut answer = Vec::with_capacity(4096);
    let mut piece = [0; 8192];
    let head_end = loop {
        let read = stream.read(&mut piece)?;
        answer.extend_from_slice(&piece[..read]);
        if let Some(at) = answer.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        if read == 0 {
            return Err(odd(&answer));
        }
    };
    let head = String::from_utf8_lossy(&answer[..head_end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
    let (true, Some(length)) = (head.starts_with("http/1.1 201"), length) else { return Err(odd(&answer)) };
    while answer.len() < head_end + length {
        match stream.read(&mut piece)? {
            0 => return Err(odd(&answer)),
            read => answer.extend_from_slice(&piece[..read]),
        }
    }
    Ok(())
}
