//! The service in a process of its own, to be killed: an archive as `cartulaire init` makes it, the programs that
//! deposit into it, what they were told, and what must hold of it afterwards.
//!
//! The faults here are the operating system's own: SIGKILL at random moments, and errors that strace injects. What a
//! kill cannot show, writes lost with the power, is the simulation's matter ([`crate::sim`]).

pub mod acknowledged;
pub mod client;
pub mod documents;
pub mod judge;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cartulaire_engine::archive::{Archive, Ports};
use cartulaire_engine::attest::Authorities;
use cartulaire_engine::commit::{Event, Submission};
use cartulaire_engine::service::Service;
use cartulaire_engine::sites::{Site, Sites};
use cartulaire_engine::store::LocalStore;
use cartulaire_formats::hash::Sha256Digest;
use cartulaire_formats::time::Timestamp;
use cartulaire_server::config::Config;
use cartulaire_server::identity::{ApiKey, KeyRecord, Role, TenantRecord};
use cartulaire_server::open;
use cartulaire_server::secrets::{LOG_KEY, LogKey};

use crate::rig::tenant;
use crate::sim::{SimClock, SimEntropy};

/// The tenants that are deposited into.
pub const TENANTS: [&str; 2] = ["kerlouan", "plouneour"];

/// The log's origin.
const ORIGIN: &str = "archives.example/killed";

/// Seals and tokens in quick succession, so that kills hit them too.
pub const SEAL_PERIOD_QUICK: Duration = Duration::from_millis(50);

/// The time that both indexes are opened at when they are compared: after every entry, and before the ends of the times that tar can write (2242).
const COMPARED_AT: &str = "2199-01-01T00:00:00.000Z";

/// An archive's folder: configuration, keys, site and index.
#[derive(Debug, Clone)]
pub struct Home {
    folder: PathBuf,
    seal_period: Duration,
}

impl Home {
    /// Makes a new archive with `cartulaire init`, and in it [`TENANTS`].
    ///
    /// - `program`: the service's own program.
    /// - Returns the home and a key that may deposit and read for the first tenant.
    ///
    /// # Panics
    /// If the archive cannot be made: nothing can be tested then.
    #[must_use]
    pub fn make(program: &Path, folder: &Path) -> (Self, String) {
        let mut init = Command::new(program);
        without_variables(&mut init).arg("init").arg(folder).args(["--origin", ORIGIN, "--json"]);
        let made = init.stdin(Stdio::null()).output().expect("the service's program starts");
        assert!(made.status.success(), "init: {}", String::from_utf8_lossy(&made.stderr));
        let home = Self::at(folder);
        let service = home.service();
        let journal = |event: Event| service.submit_and_wait(Submission::Event(event)).expect("a sound site");
        for id in TENANTS {
            let record = TenantRecord::new(tenant(id), format!("Commune de {id}"), Timestamp::MIN);
            journal(record.expect("a tenant's name").created_event("operator"));
        }
        let key = ApiKey::draw(service.archive().entropy());
        let roles = [Role::Depositor, Role::Reader].into_iter().collect();
        let record = KeyRecord::new(&key, tenant(TENANTS[0]), roles, "portail".into(), Timestamp::MIN);
        journal(record.expect("a label").created_event("operator"));
        (home, key.reveal())
    }

    /// An archive that was made before.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), seal_period: SEAL_PERIOD_QUICK }
    }

    /// The configuration, with the quick seal period; the environment has no say.
    ///
    /// # Panics
    /// If the file is not what `init` wrote.
    #[must_use]
    pub fn config(&self) -> Config {
        let file = self.config_file();
        let text = fs::read_to_string(&file).expect("init wrote the configuration");
        Config::parse(&file, &text, self.variables()).expect("a configuration as init writes it")
    }

    fn config_file(&self) -> PathBuf {
        self.folder.join("cartulaire.toml")
    }

    fn variables(&self) -> [(String, String); 2] {
        let millis = self.seal_period.as_millis().to_string();
        [("CARTULAIRE_SEAL_PERIOD_MS".into(), millis), ("CARTULAIRE_LISTEN__ADDRESS".into(), "127.0.0.1:0".into())]
    }

    /// The deciding site's folder.
    #[must_use]
    pub fn site(&self) -> PathBuf {
        self.folder.join("site")
    }

    /// Opens the archive in this process, which recovers, and starts its writers.
    ///
    /// # Panics
    /// If it does not open: whatever was killed before, it must.
    #[must_use]
    pub fn service(&self) -> Service {
        open::service(&self.config(), &mut |_| ()).unwrap_or_else(|error| panic!("the archive does not open: {error}"))
    }

    /// Starts `cartulaire serve` on a free port.
    ///
    /// # Errors
    /// Those of starting a program.
    pub fn serve(&self, program: &Path, log: &Path) -> io::Result<Child> {
        let mut command = Command::new(program);
        without_variables(&mut command).arg("--config").arg(self.config_file()).arg("serve");
        let log = fs::File::create(log)?;
        command.envs(self.variables()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()
    }

    /// Digests of the index that followed and of one rebuilt from the store alone, both brought to the same end.
    ///
    /// Each is opened on a copy of the site of its own, at the same time and with the same randomness, for opening
    /// writes a commit. The archive itself must not be open, and is not changed.
    ///
    /// # Panics
    /// If either does not open.
    #[must_use]
    pub fn index_digests(&self) -> [Sha256Digest; 2] {
        let scratch = tempfile::tempdir_in(&self.folder).expect("room for a copy");
        let followed = scratch.path().join("followed");
        copy(&self.config().index, &followed, |from, to| fs::copy(from, to).map(|_| ())).expect("a closed index");
        let rebuilt = scratch.path().join("rebuilt");
        [&followed, &rebuilt].map(|index| {
            let site = index.with_extension("site");
            // Objects are never modified, so that a second name is as good as a copy.
            copy(&self.site(), &site, |from, to| fs::hard_link(from, to)).expect("a second name for each object");
            self.digest_once_opened(&site, index)
        })
    }

    fn digest_once_opened(&self, site: &Path, index: &Path) -> Sha256Digest {
        let config = self.config();
        let signer = LogKey::open(&config.secrets.join(LOG_KEY), &config.origin).expect("the key that init made");
        let store = LocalStore::make(site).expect("a copied site");
        let ports = Ports {
            sites: Sites::new(Site { name: "copy".into(), store: std::sync::Arc::new(store) }, Vec::new()),
            clock: std::sync::Arc::new(SimClock::new(COMPARED_AT.parse().expect("a time"))),
            entropy: std::sync::Arc::new(SimEntropy::new(1)),
            signer: std::sync::Arc::new(signer),
            authorities: Authorities::default(),
        };
        let (archive, _writers) = Archive::open(ports, index, &mut |_| ()).expect("the copied site opens");
        archive.index().digest().expect("a sound index")
    }
}

/// Test switches of ours would be read as configuration, which they are not.
fn without_variables(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARTULAIRE_")) {
        command.env_remove(name);
    }
    command
}

/// Gives everything below `from` a place below `to`, but what is hidden: locks and drafts.
fn copy(from: &Path, to: &Path, each: impl Fn(&Path, &Path) -> io::Result<()> + Copy) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() { copy(&entry.path(), &target, each)? } else { each(&entry.path(), &target)? }
    }
    Ok(())
}
