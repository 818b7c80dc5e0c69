//! A depositing process is killed with SIGKILL at random moments, again and again: while it recovers, deposits, seals and
//! has seals stamped. After each kill the archive is opened again and everything that was ever acknowledged must be there.
//!
//! A run without settings kills a few times. `CARTULAIRE_KILLS=300` asks for as many, `CARTULAIRE_KILL_SEED` for the
//! moments of an earlier run: each prints its seed. Moments are exact to what the scheduler makes of them.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cartulaire_tests::process::acknowledged::{Acknowledged, Told};
use cartulaire_tests::process::client::Client;
use cartulaire_tests::process::{Home, TENANTS, judge};
use cartulaire_tests::rig::tenant;
use cartulaire_tests::sim::Dice;

const DEPOSITOR: &str = env!("CARGO_BIN_EXE_depositor");
const SERVICE: &str = env!("CARGO_BIN_EXE_service");

/// Kills of each test without settings.
const KILLS: u64 = 12;
/// An archive is killed this often before it is proven and audited as a whole and the next begins: every check after a
/// kill looks at everything that was acknowledged since the archive began.
const KILLS_OF_AN_ARCHIVE: u64 = 20;
/// Depositors at once.
const THREADS: usize = 6;
/// One kill in three comes this soon after the process was started, so that it may hit recovery.
const SOON: Duration = Duration::from_millis(120);
/// The others come this soon after the first deposits.
const LATER: Duration = Duration::from_millis(400);
/// A process that says nothing for so long is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn what_a_killed_depositor_was_told_stands() {
    kill_again_and_again("in process", |folder, home, _key, run, moment| {
        let mut command = Command::new(DEPOSITOR);
        command.arg("run").arg(folder).args([run.number.to_string(), THREADS.to_string()]).args(run.again);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let output = child.stdout.take().unwrap();
        let told = Mutex::new(Vec::new());
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                for line in BufReader::new(output).lines() {
                    // A line that the kill cut short is no acknowledgement, and parses as none.
                    told.lock().unwrap().extend(line.unwrap().parse::<Told>());
                }
            });
            let has_begun = || told.lock().unwrap().iter().any(|told| matches!(told, Told::Acknowledged(_)));
            kill(&mut child, moment, has_begun);
            reader.join().unwrap();
        });
        let acknowledged = |told| match told {
            Told::Acknowledged(deposit) => deposit,
            other => panic!("run {} in {}: {other}", run.number, home.site().display()),
        };
        told.into_inner().unwrap().into_iter().map(acknowledged).collect()
    });
}

#[test]
fn what_a_killed_server_answered_stands() {
    kill_again_and_again("over HTTP", |folder, home, key, run, moment| {
        let log = folder.join("serve.log");
        let mut child = home.serve(Path::new(SERVICE), &log).unwrap();
        let address = Mutex::new(None::<SocketAddr>);
        let (told, is_over) = (Mutex::new(Vec::new()), AtomicBool::new(false));
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (address, told, is_over) = (&address, &told, &is_over);
                let again = run.again.iter().skip(thread).step_by(THREADS).cloned();
                let new = (0..).map(move |number| format!("R{}-T{thread}-{number}", run.number));
                scope.spawn(move || {
                    let over = || is_over.load(Ordering::Acquire);
                    let Some(address) = listening(address, &log_of(folder), over) else { return };
                    let client = Client { address, key: key.to_owned() };
                    for transfer in again.chain(new) {
                        match client.deposit(&tenant(TENANTS[0]), &transfer) {
                            Ok(acknowledged) => told.lock().unwrap().push(acknowledged),
                            Err(_) if over() => return,
                            // The kill comes before anybody is told that it came.
                            Err(_) => thread::sleep(Duration::from_millis(5)),
                        }
                    }
                });
            }
            kill(&mut child, moment, || !told.lock().unwrap().is_empty());
            is_over.store(true, Ordering::Release);
        });
        told.into_inner().unwrap()
    });
}

fn log_of(folder: &Path) -> std::path::PathBuf {
    folder.join("serve.log")
}

/// Where the service says that it listens; `None` once it is over.
fn listening(known: &Mutex<Option<SocketAddr>>, log: &Path, over: impl Fn() -> bool) -> Option<SocketAddr> {
    while !over() {
        let mut known = known.lock().unwrap();
        if known.is_none() {
            let text = std::fs::read_to_string(log).unwrap_or_default();
            let said = text.split("http://").nth(1).and_then(|rest| rest.split_once('/'));
            *known = said.and_then(|(address, _)| address.parse().ok());
        }
        if known.is_some() {
            return *known;
        }
        drop(known);
        thread::sleep(Duration::from_millis(2));
    }
    None
}

/// One life of the process.
struct Run<'a> {
    number: u64,
    /// Transfers that were under way when the one before was killed.
    again: &'a [String],
}

/// When a process is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    AfterStart(Duration),
    AfterFirstDeposit(Duration),
}

impl Moment {
    fn choose(dice: &mut Dice) -> Self {
        let within = |dice: &mut Dice, longest: Duration| Duration::from_micros(dice.below(longest.as_micros() as u64));
        if dice.below(3) == 0 {
            Self::AfterStart(within(dice, SOON))
        } else {
            Self::AfterFirstDeposit(within(dice, LATER))
        }
    }
}

fn kill(child: &mut Child, moment: Moment, has_begun: impl Fn() -> bool) {
    let started = Instant::now();
    let delay = match moment {
        Moment::AfterStart(delay) => delay,
        Moment::AfterFirstDeposit(delay) => {
            while !has_begun() {
                assert_eq!(child.try_wait().unwrap(), None, "the process ended by itself");
                assert!(started.elapsed() < PATIENCE, "nothing was deposited in time");
                thread::sleep(Duration::from_micros(500));
            }
            delay
        }
    };
    thread::sleep(delay);
    assert_eq!(child.try_wait().unwrap(), None, "the process ended by itself");
    child.kill().unwrap();
    child.wait().unwrap();
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

/// What was counted, for the line that a run prints.
#[derive(Debug, Default)]
struct Count {
    kills: u64,
    while_opening: u64,
    acknowledged: usize,
    commits: u64,
    entries: u64,
    proofs: usize,
}

/// Makes archives and kills their processes until the kills are used up.
fn kill_again_and_again(what: &str, live: impl Fn(&Path, &Home, &str, &Run<'_>, Moment) -> Vec<Acknowledged>) {
    let kills = setting("CARTULAIRE_KILLS").unwrap_or(KILLS);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = setting("CARTULAIRE_KILL_SEED").unwrap_or(now.as_micros() as u64);
    println!("{what}: CARTULAIRE_KILLS={kills} CARTULAIRE_KILL_SEED={seed}");
    let (mut dice, mut count) = (Dice::new(seed), Count::default());
    while count.kills < kills {
        let archive = KILLS_OF_AN_ARCHIVE.min(kills - count.kills);
        kill_one_archive(&live, archive, &mut dice, &mut count);
        println!("{what}: {count:?}");
    }
}

fn kill_one_archive(
    live: &impl Fn(&Path, &Home, &str, &Run<'_>, Moment) -> Vec<Acknowledged>,
    kills: u64,
    dice: &mut Dice,
    count: &mut Count,
) {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("archive");
    let (home, key) = Home::make(Path::new(SERVICE), &folder);
    let (mut acknowledged, mut again) = (Vec::<Acknowledged>::new(), Vec::<String>::new());
    for number in 0..kills {
        let moment = Moment::choose(dice);
        let told = live(&folder, &home, &key, &Run { number, again: &again }, moment);
        println!("kill {number} {moment:?}: {} acknowledged", told.len());
        again = under_way(number, &again, &told);
        count.while_opening += u64::from(told.is_empty());
        acknowledged.extend(told);
        let service = home.service();
        _ = judge::deposits_stand(service.archive(), &acknowledged);
        drop(service);
        _ = judge::journal_has_no_gap(&home.site());
    }
    prove_and_audit(&home, &acknowledged, count);
    count.kills += kills;
    count.acknowledged += acknowledged.len();
}

/// The transfers that may have been under way: of each depositor the one after its last acknowledged.
fn under_way(run: u64, again: &[String], told: &[Acknowledged]) -> Vec<String> {
    let is_told = |transfer: &String| told.iter().any(|deposit| deposit.transfer == *transfer);
    let next = |thread: usize| {
        let names = (0..).map(move |number| format!("R{run}-T{thread}-{number}"));
        names.into_iter().find(|name| !is_told(name))
    };
    let before = again.iter().filter(|transfer| !is_told(transfer)).cloned();
    before.chain((0..THREADS).filter_map(next)).collect()
}

fn prove_and_audit(home: &Home, acknowledged: &[Acknowledged], count: &mut Count) {
    let [followed, rebuilt] = home.index_digests();
    assert_eq!(rebuilt, followed, "the rebuilt index is the one that followed");
    let service = home.service();
    let receipts = judge::deposits_stand(service.archive(), acknowledged);
    count.proofs += judge::proofs_hold(home, &service, acknowledged);
    let trust = judge::trust(home, service.archive());
    drop(service);
    let (commits, entries) = judge::journal_has_no_gap(&home.site());
    (count.commits, count.entries) = (count.commits + commits, count.entries + entries);
    let report = judge::site_is_accepted(home, &trust, receipts);
    let faults: Vec<_> = report.findings.iter().map(|finding| finding.fault).collect();
    println!("{commits} commits, {entries} entries, site {:?} {faults:?}", report.result);
}
