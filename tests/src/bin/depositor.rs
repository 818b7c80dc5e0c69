//! A program that deposits until it is killed, and says what it was told, one line each; see
//! `cartulaire_tests::process::acknowledged`.
//!
//! - `depositor run FOLDER RUN THREADS [TRANSFER…]`: deposits the given transfers, then without end.
//! - `depositor once FOLDER TRANSFER`: opens, comes to rest, prints `BEGIN`, waits for a line, deposits once, and ends
//!   without closing anything.
//! - `depositor make FOLDER PROGRAM`: makes an archive with the service's own program.
//! - `depositor check FOLDER TRANSFER`: judges the archive by such lines on the standard input, says whether that transfer
//!   is there, and deposits it again.

use std::io::{self, BufRead as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use cartulaire_engine::service::Service;
use cartulaire_tests::process::acknowledged::Told;
use cartulaire_tests::process::{Home, TENANTS, client, judge};
use cartulaire_tests::rig::tenant;

/// As the service exits when the outcome of a write is unknown.
const POISONED: u8 = 75;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["run", folder, run, threads, ref again @ ..] => {
            run_until_killed(Path::new(folder), run, threads.parse().expect("a number of threads"), again)
        }
        ["once", folder, transfer] => once(Path::new(folder), transfer),
        ["make", folder, program] => drop(Home::make(&PathBuf::from(program), Path::new(folder))),
        ["check", folder, transfer] => check(Path::new(folder), transfer),
        _ => panic!("see the head of this program's source"),
    }
    ExitCode::SUCCESS
}

fn say(told: &Told) {
    println!("{told}");
    if *told == Told::Poisoned {
        std::process::exit(POISONED.into());
    }
}

fn run_until_killed(folder: &Path, run: &str, threads: usize, again: &[&str]) {
    let service = Home::at(folder).service();
    println!("OPEN");
    let again = Mutex::new(again.iter());
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (service, again) = (&service, &again);
            scope.spawn(move || {
                let next = || again.lock().expect("nobody panics while choosing").next();
                while let Some(transfer) = next() {
                    say(&client::deposit(service, &tenant(tenant_of(transfer)), transfer));
                }
                for number in 0.. {
                    let transfer = format!("R{run}-T{thread}-{number}");
                    say(&client::deposit(service, &tenant(tenant_of(&transfer)), &transfer));
                }
            });
        }
    });
}

/// Threads of even numbers deposit for the first tenant.
fn tenant_of(transfer: &str) -> &'static str {
    let thread = transfer.split("-T").nth(1).and_then(|rest| rest.split('-').next()?.parse::<usize>().ok());
    TENANTS[thread.unwrap_or(0) % TENANTS.len()]
}

fn once(folder: &Path, transfer: &str) {
    let service = Home::at(folder).service();
    come_to_rest(&service);
    println!("BEGIN");
    io::stdin().lock().read_line(&mut String::new()).expect("a line");
    say(&client::deposit(&service, &tenant(TENANTS[0]), transfer));
    // Nothing is closed in good order: what was said must not depend on it.
    std::process::exit(0);
}

/// What opening journaled is sealed and attested, and the token journaled, so that only the deposit is to come.
fn come_to_rest(service: &Service) {
    let head = service.archive().index().commit_head().expect("a sound index").expect("opening commits");
    judge::wait_attested(service, head.next.0 - 1);
    std::thread::sleep(Duration::from_millis(100));
}

fn check(folder: &Path, transfer: &str) {
    let told: Vec<Told> = io::stdin().lines().filter_map(|line| line.expect("text").parse().ok()).collect();
    let mut acknowledged = Vec::new();
    let home = Home::at(folder);
    let [followed, rebuilt] = home.index_digests();
    assert_eq!(rebuilt, followed, "the rebuilt index is the one that followed");
    let service = home.service();
    for line in told {
        match line {
            Told::Acknowledged(deposit) => acknowledged.push(deposit),
            Told::Refused(tenant, transfer) => judge::nothing_of(service.archive(), &tenant, &transfer),
            Told::Poisoned => {}
        }
    }
    let found = service.archive().index().transfer(&tenant(TENANTS[0]), transfer).expect("a sound index");
    let Told::Acknowledged(again) = client::deposit(&service, &tenant(TENANTS[0]), transfer) else {
        panic!("{transfer} cannot be deposited again");
    };
    assert!(found.is_none_or(|row| row.archive == again.archive), "{transfer}: the archive that was there");
    acknowledged.push(again);
    let receipts = judge::deposits_stand(service.archive(), &acknowledged);
    let proofs = judge::proofs_hold(&home, &service, &acknowledged);
    let trust = judge::trust(&home, service.archive());
    drop(service);
    let _: (u64, u64) = judge::journal_has_no_gap(&home.site());
    let report = judge::site_is_accepted(&home, &trust, receipts);
    let found = if found.is_some() { "there" } else { "absent" };
    println!("{found}, {proofs} proven, site {:?}", report.result);
}
