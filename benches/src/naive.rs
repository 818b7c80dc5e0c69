//! The naive peer: what a careful team writes in a week. Each document is a file, synced and renamed into place, its
//! folder synced; then a row in PostgreSQL whose hash covers the row before, in a transaction that locks the chain's head.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use cartulaire_formats::hash::Sha256Digest;
use postgres::{Client, Config, NoTls};

use crate::closed_loop::closed_loop;
use crate::deposits;
use crate::options::Options;
use crate::payload::Payloads;
use crate::report::{Promise, Report, Row};
use crate::statistics::Figure;
use crate::workspace::{BenchError, Workspace};

/// Depositors that the peer is measured with: beyond 64 its chain only waits longer.
const DEPOSITORS: [usize; 4] = [1, 8, 32, 64];
/// Size of its documents: the mean of small flows.
const KIB: usize = 64;

/// The chain: one head row that every insert locks.
const SCHEMA: &str = "
    CREATE TABLE head (single boolean PRIMARY KEY DEFAULT true, hash bytea NOT NULL);
    CREATE TABLE journal (seq bigserial PRIMARY KEY, at timestamptz DEFAULT now(), digest bytea, prev bytea, hash bytea);
    INSERT INTO head (hash) VALUES (''::bytea);
    CREATE FUNCTION deposit(d bytea) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE p bytea; h bytea;
    BEGIN
        SELECT hash INTO p FROM head FOR UPDATE;
        h := sha256(p || d);
        INSERT INTO journal (digest, prev, hash) VALUES (d, p, h);
        UPDATE head SET hash = h;
    END $$;";

/// Measures the peer and, interleaved, ours with the same depositors and documents.
pub fn run(options: &Options, place: &Workspace, report: &mut Report) -> Result<(), BenchError> {
    let Some(binaries) = binaries() else {
        report.note("naive peer: skipped, PostgreSQL is not installed");
        return Ok(());
    };
    let server = Server::start(&binaries, place)?;
    let depositors: &[usize] = if options.quick { &DEPOSITORS[3..] } else { &DEPOSITORS };
    for depositors in depositors {
        let (mut naive, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..options.rounds() {
            let payloads = Payloads::new(KIB << 10);
            let folder = place.folder()?;
            let files = AtomicU64::new(0);
            let one = || deposit(&server, folder.path(), &files, &payloads);
            naive.push(closed_loop(*depositors, options.round(), one)?);
            ours.push(deposits::round(place, &payloads, *depositors, options.round())?);
        }
        let case = format!("{depositors} x {KIB} KiB");
        let rate = Figure::of(naive.iter().map(|r| r.rate));
        report.row(&Row::new("naive peer", case.clone(), "deposits/s", rate, Promise::COMMITTED));
        let ratio = Figure::of(ours.iter().zip(&naive).map(|(o, n)| o.rate / n.rate));
        let value = Figure::of(ours.iter().map(|r| r.rate));
        let row = Row::new("in process/naive", case.clone(), "deposits/s", value, Promise::COMMITTED);
        report.row(&row.against(rate.value, ratio.value));
        let p99 = |rounds: &[crate::statistics::Round]| Figure::of(rounds.iter().map(|r| r.percentile_ms(99.0)));
        let (value, limit) = (p99(&ours), p99(&naive));
        let row = Row::new("p99/naive p99", case, "ms", value, Promise::COMMITTED);
        report.row(&row.against(limit.value, value.value / limit.value));
    }
    Ok(())
}

fn deposit(server: &Server, folder: &Path, files: &AtomicU64, payloads: &Payloads) -> Result<(), BenchError> {
    let (stamp, rest) = payloads.next();
    let body = [&stamp, rest].concat();
    let digest = Sha256Digest::of(&body);
    let number = files.fetch_add(1, Ordering::Relaxed);
    let draft = folder.join(format!("{number}.tmp"));
    let mut file = File::create(&draft)?;
    file.write_all(&body)?;
    file.sync_all()?;
    std::fs::rename(&draft, folder.join(digest.to_string()))?;
    File::open(folder)?.sync_all()?;
    let mut client = server.borrow()?;
    client.execute("SELECT deposit($1)", &[&&digest.0[..]]).map_err(failed)?;
    server.give_back(client);
    Ok(())
}

fn failed(error: postgres::Error) -> BenchError {
    let told = error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
    BenchError::Answer(format!("PostgreSQL: {told}"))
}

/// Where PostgreSQL's programs are, if it is installed.
fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<PathBuf> = versions.flatten().map(|v| v.path().join("bin")).collect();
    found.retain(|bin| bin.join("initdb").exists() && bin.join("postgres").exists());
    found.sort();
    found.pop()
}

/// A PostgreSQL of the bench's own, on a socket in its own folder, with every setting that matters at its safe default.
struct Server {
    socket: PathBuf,
    /// Connections that nobody uses: as many as there were depositors at once.
    idle: Mutex<Vec<Client>>,
    child: std::process::Child,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start(binaries: &Path, place: &Workspace) -> Result<Self, BenchError> {
        let folder = place.folder()?;
        let data = folder.path().join("data");
        open_to_all(place.path())?;
        open_to_all(folder.path())?;
        let initdb = as_postgres(&binaries.join("initdb"), folder.path(), &["-A", "trust", "-U", "postgres", "-D"])
            .arg(&data)
            .output()?;
        if !initdb.status.success() {
            return Err(BenchError::Answer(String::from_utf8_lossy(&initdb.stderr).into_owned()));
        }
        let child = as_postgres(&binaries.join("postgres"), folder.path(), &["-c", "listen_addresses=", "-c"])
            .arg("max_connections=100")
            .arg("-k")
            .arg(folder.path())
            .arg("-D")
            .arg(&data)
            .stderr(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .spawn()?;
        let server = Self { socket: folder.path().to_owned(), idle: Mutex::default(), child, _folder: folder };
        let mut client = server.wait()?;
        client.batch_execute(SCHEMA).map_err(failed)?;
        Ok(server)
    }

    fn wait(&self) -> Result<Client, BenchError> {
        let mut last = None;
        for _ in 0..100 {
            match self.connect() {
                Ok(client) => return Ok(client),
                Err(error) => last = Some(error),
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        Err(last.expect("a hundred failures"))
    }

    fn borrow(&self) -> Result<Client, BenchError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| self.connect(), Ok)
    }

    fn give_back(&self, client: Client) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(client);
    }

    fn connect(&self) -> Result<Client, BenchError> {
        Config::new().host_path(&self.socket).user("postgres").dbname("postgres").connect(NoTls).map_err(failed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What it holds is thrown away with its folder.
        drop(self.child.kill());
        drop(Command::new("pkill").args(["-9", "-f"]).arg(self.socket.join("data")).status());
        drop(self.child.wait());
    }
}

/// PostgreSQL refuses to run as root: there it runs as its own user.
fn as_postgres(program: &Path, folder: &Path, arguments: &[&str]) -> Command {
    let is_root = rustix::process::geteuid().is_root();
    let mut command = if is_root { Command::new("runuser") } else { Command::new(program) };
    if is_root {
        command.args(["-u", "postgres", "--"]).arg(program);
    }
    command.current_dir(folder).args(arguments);
    command
}

fn open_to_all(folder: &Path) -> Result<(), BenchError> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777))?)
}
