//! `cartulaire demo`: everything once, on an empty folder, from a deposit to a proof that openssl verifies.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cartulaire_audit::source::{self, Zip};
use cartulaire_audit::{Language, Report, Trust, Verdict, bundle};
use cartulaire_formats::bundle::VERIFIER;
use cartulaire_formats::layout::SequenceNumber;
use cartulaire_formats::note::VerifierKey;
use indicatif::ProgressBar;
use jiff::Timestamp;
use serde::Serialize;

use super::door::{Deposited, Door as _};
use super::exit::{self, Exit, Failure};
use super::init::{self, New};
use super::local::Local;
use super::prove::write_bundle;
use super::samples::{SAMPLES, TENANT};
use super::screen::{Ink, Screen, bytes};
use super::{arguments, verify};
use crate::identity::Role;
use crate::tsa::ROOT_CERTIFICATE;

/// The demonstration's log: nobody's address (RFC 6761 §6.5).
const ORIGIN: &str = "demonstration.cartulaire.example/journal";

/// How long the proofs may take; they take about two seconds.
const PROOF_WAIT: Duration = Duration::from_secs(30);

/// Programs that the openssl-only check needs.
const CHECK_NEEDS: [&str; 4] = ["sh", "openssl", "xxd", "sha256sum"];

/// Folders within folders of a bundle (`data/preuve/objets/000`).
const BUNDLE_DEPTH: usize = 8;

/// Bytes of a file of a sample's bundle.
const SAMPLE_BYTES_MAX: u64 = 16 << 20;

/// A sample's way, for machines.
#[derive(Debug, Serialize)]
struct Proven {
    sample: &'static str,
    archive: String,
    bundle: PathBuf,
    verifier: Verdict,
    /// Absent where the machine lacks what the check needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    openssl: Option<bool>,
}

/// What the demonstration works with.
struct Stage<'a> {
    screen: &'a Screen,
    new: New,
    local: Local,
    bundles: PathBuf,
}

pub(super) fn run(arguments: &arguments::Demo, screen: &Screen) -> Result<Exit, Failure> {
    let started = Instant::now();
    let new = init::make(&arguments.folder, ORIGIN)?;
    screen.line(screen.ink(Ink::Bold, "Cartulaire, démonstration"));
    let bundles = arguments.folder.join("bundles");
    fs::create_dir(&bundles).map_err(Failure::file(&bundles))?;
    let local = Local::open(&new.config, screen)?;
    let stage = Stage { screen, new, local, bundles };
    let keys = stage.prepare()?;
    let deposited = stage.deposit()?;
    stage.wait(&deposited)?;
    let proven = stage.prove(&deposited)?;
    let sound = proven.iter().all(|p| p.verifier != Verdict::NotProven && p.openssl != Some(false));
    stage.say_what_next(&keys, started.elapsed());
    proven.iter().for_each(|p| screen.json(p));
    Ok(if sound { Exit::Success } else { Exit::Failure })
}

/// The secrets of the keys made for the demonstration.
struct Keys {
    administrator: String,
    portal: String,
}

impl Stage<'_> {
    fn prepare(&self) -> Result<Keys, Failure> {
        let (id, name) = TENANT;
        let administrator =
            self.local.create_key("service", &[Role::Administrator], "Administration de la démonstration")?;
        self.local.create_tenant(id, name)?;
        let roles = [Role::Depositor, Role::Reader, Role::Auditor];
        let portal = self.local.create_key(id, &roles, "Portail de la démonstration")?;
        self.screen.heading("1. Une archive neuve");
        self.screen.row("dossier", self.new.file.parent().unwrap_or(Path::new(".")).display());
        self.screen.row("journal", ORIGIN);
        self.screen.row(
            "horodatage",
            self.screen.ink(Ink::Yellow, "autorité de développement, NON QUALIFIÉE / not qualified"),
        );
        self.screen.row("entité", format_args!("{id}, {name}"));
        Ok(Keys { administrator: administrator.secret, portal: portal.secret })
    }

    fn deposit(&self) -> Result<Vec<Deposited>, Failure> {
        self.screen.heading("2. Quatre versements, chacun acquis sur disque avant d’être acquitté");
        let mut all = Vec::new();
        for sample in SAMPLES {
            let parcel = sample.parcel()?;
            let deposited = self.local.deposit(TENANT.0, &parcel, &ProgressBar::hidden())?;
            let size = bytes(parcel.size());
            self.screen
                .row(sample.name, format_args!("{}  {size:>9}  {}", deposited.archive, parcel.description.title));
            all.push(deposited);
        }
        Ok(all)
    }

    /// One seal and one token cover them all.
    fn wait(&self, deposited: &[Deposited]) -> Result<(), Failure> {
        self.screen.heading("3. Le scellement, puis l’horodatage");
        let bar = self.screen.spinner("attente");
        let started = Instant::now();
        for one in deposited {
            let left = PROOF_WAIT.saturating_sub(started.elapsed());
            if !self.local.attested(SequenceNumber(one.seq), left)? {
                bar.finish_and_clear();
                return Err(Failure::ProofPending(one.archive.clone()));
            }
        }
        bar.finish_and_clear();
        let seconds = started.elapsed().as_secs_f32();
        let milestones = self.local.service().milestones();
        let (entries, seals) = (milestones.sealed_size, milestones.attested_seals);
        let text = format!("{entries} écritures scellées, {seals} sceaux horodatés, en {seconds:.1} s");
        self.screen.row("journal", text.replace('.', ","));
        Ok(())
    }

    fn prove(&self, deposited: &[Deposited]) -> Result<Vec<Proven>, Failure> {
        self.screen.heading("4. Les preuves, vérifiées deux fois");
        let missing = missing_programs();
        let trust = self.trust()?;
        let mut all = Vec::new();
        for (sample, one) in SAMPLES.iter().zip(deposited) {
            let archive = exit::archive_id(&one.archive)?;
            let path = self.bundles.join(format!("{}-{archive}.zip", sample.name));
            let tenant = TENANT.0;
            let size = write_bundle(&path, &mut |out| self.local.bundle(tenant, &archive, PROOF_WAIT, out))?;
            let file = fs::File::open(&path).map_err(Failure::file(&path))?;
            let report = bundle::verify_zip(file, &trust);
            let openssl = if missing.is_empty() { Some(self.check_with_openssl(&path)?) } else { None };
            self.screen.row(sample.name, format_args!("{} ({})", path.display(), bytes(size)));
            self.show(&report, openssl.as_ref());
            all.push(Proven {
                sample: sample.name,
                archive: one.archive.clone(),
                bundle: path,
                verifier: report.result,
                openssl: openssl.map(|outcome| outcome.sound),
            });
        }
        if !missing.is_empty() {
            let names = missing.join(", ");
            self.screen.row(
                "openssl",
                self.screen.ink(Ink::Yellow, format_args!("contrôle non fait : il manque {names} sur cette machine")),
            );
        }
        Ok(all)
    }

    fn trust(&self) -> Result<Trust, Failure> {
        let mut trust = Trust::none(Timestamp::now());
        trust.anchors = Some(verify::anchors(&[self.new.config.trust.join(ROOT_CERTIFICATE)])?);
        trust.log_key = self.new.log_key.parse::<VerifierKey>().ok();
        Ok(trust)
    }

    fn show(&self, report: &Report, openssl: Option<&OpensslOutcome>) {
        let screen = self.screen;
        let verdict = match report.result {
            Verdict::Proven => screen.ink(Ink::Green, "prouvé"),
            Verdict::Reserved => screen.ink(Ink::Green, "prouvé, sous réserves"),
            Verdict::NotProven | Verdict::NotExamined => screen.ink(Ink::Red, "NON PROUVÉ"),
        };
        let stamps = report.facts.time_stamps.iter().map(|stamp| stamp.time.clone()).collect::<Vec<_>>();
        screen.row(
            "  vérificateur",
            format_args!("{verdict}, existait au plus tard le {} (jeton NON QUALIFIÉ)", stamps.join(" et ")),
        );
        for finding in &report.findings {
            screen.row("", screen.ink(Ink::Dim, finding.fault.french()));
        }
        if report.result == Verdict::NotProven {
            screen.line(report.to_text(Language::French));
        }
        if let Some(outcome) = openssl {
            let verdict = match outcome.sound {
                true => screen.ink(Ink::Green, "conforme"),
                false => screen.ink(Ink::Red, "NON CONFORME"),
            };
            screen.row("  openssl seul", format_args!("{verdict}, {}", outcome.verdict));
            outcome.failed.iter().for_each(|line| screen.row("", line));
        }
    }

    fn check_with_openssl(&self, zip: &Path) -> Result<OpensslOutcome, Failure> {
        let folder = self.bundles.join(".verification");
        fs::create_dir(&folder).map_err(Failure::file(&folder))?;
        let outcome = self.unpack_and_check(zip, &folder);
        fs::remove_dir_all(&folder).map_err(Failure::file(&folder))?;
        outcome
    }

    fn unpack_and_check(&self, zip: &Path, folder: &Path) -> Result<OpensslOutcome, Failure> {
        if let Err(source) = unpack(zip, folder) {
            let verdict = format!("dossier de preuve illisible : {source}");
            return Ok(OpensslOutcome { sound: false, verdict, failed: Vec::new() });
        }
        let absolute = |name: &str| fs::canonicalize(self.new.config.trust.join(name)).map_err(Failure::file(folder));
        let script = folder.join(VERIFIER);
        let mut check = Command::new("sh");
        check.arg(fs::canonicalize(&script).map_err(Failure::file(&script))?);
        check.arg(absolute(ROOT_CERTIFICATE)?).arg(absolute(init::LOG_PEM)?);
        let output = check.current_dir(folder).stdin(Stdio::null()).output().map_err(Failure::file(&script))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let verdict = text.lines().rev().find(|line| line.starts_with("VERDICT")).unwrap_or("aucun verdict");
        Ok(OpensslOutcome {
            // A script that says nothing has checked nothing.
            sound: output.status.success() && verdict.starts_with("VERDICT"),
            // French, then English: the demonstration speaks French.
            verdict: verdict.split(" / ").next().unwrap_or(verdict).to_owned(),
            failed: text.lines().filter(|line| line.starts_with("ECHEC")).map(str::to_owned).collect(),
        })
    }

    fn say_what_next(&self, keys: &Keys, took: Duration) {
        let screen = self.screen;
        let config = self.new.file.display();
        let address = self.new.config.listen.address;
        let seconds = format!("{:.1}", took.as_secs_f32()).replace('.', ",");
        screen.line(format_args!("\nTout cela en {seconds} s. Ensuite :"));
        screen.heading("Servir cette archive");
        screen.line(format_args!("  cartulaire -c {config} serve"));
        screen.row("API", format_args!("http://{address}/v1   (sa description : http://{address}/v1/openapi.json)"));
        screen.row("clé du portail", &keys.portal);
        screen.row("clé d’admin.", &keys.administrator);
        screen.heading("Y verser un fichier, le serveur étant lancé");
        screen.line(format_args!("  curl -sS -H 'Authorization: Bearer {}' \\", keys.portal));
        screen.line("       -H 'Content-Type: text/plain' -H 'Idempotency-Key: ESSAI-1' -H 'Prefer: wait=10' \\");
        screen.line(format_args!(
            "       --data-binary 'Bonjour' 'http://{address}/v1/tenants/{}/archives?name=bonjour.txt'",
            TENANT.0
        ));
        screen.heading("Vérifier une preuve sur une autre machine");
        let trust = self.new.config.trust.display();
        screen.line(format_args!(
            "  cartulaire-verify DOSSIER.zip --trust {trust}/{ROOT_CERTIFICATE} --log-key {trust}/{}",
            init::LOG_VKEY
        ));
    }
}

/// What `verifier.sh` found.
struct OpensslOutcome {
    sound: bool,
    verdict: String,
    /// Its lines on what does not hold.
    failed: Vec<String>,
}

/// Writes the files of a bundle into a folder, as unzipping would.
fn unpack(zip: &Path, folder: &Path) -> io::Result<()> {
    let other = |error: &dyn std::fmt::Display| io::Error::other(error.to_string());
    let zip = Zip::open(fs::File::open(zip)?).map_err(|error| other(&error))?;
    let mut names = Vec::new();
    source::walk(&zip, "", BUNDLE_DEPTH, &mut |name, _| names.push(name.to_owned())).map_err(|error| other(&error))?;
    for name in names {
        let path = folder.join(&name);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        let bytes = source::read_whole(&zip, &name, SAMPLE_BYTES_MAX).map_err(|error| other(&error))?;
        fs::write(&path, bytes)?;
    }
    Ok(())
}

fn missing_programs() -> Vec<&'static str> {
    let folders: Vec<PathBuf> =
        std::env::var_os("PATH").map(|p| std::env::split_paths(&p).collect()).unwrap_or_default();
    let is_there = |name: &&str| folders.iter().any(|folder| folder.join(name).is_file());
    CHECK_NEEDS.into_iter().filter(|name| !is_there(name)).collect()
}
