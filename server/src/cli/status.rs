//! `cartulaire status`: where the archive stands.

use cartulaire_engine::archive::Archive;
use cartulaire_engine::service::Service;
use cartulaire_formats::journal::TenantId;
use cartulaire_formats::layout::{self, EvidenceAlgorithm, SealNumber};
use serde::Serialize;

use super::arguments::Common;
use super::exit::{Exit, Failure};
use super::local::Local;
use super::remote::Remote;
use super::screen::{Ink, Screen, bytes};
use crate::config::{Authority, Config, SiteConfig, SitePlace};
use crate::identity;

/// Seals without a token that are looked for; more than this is an outage, and its exact length is no matter.
const UNATTESTED_SHOWN: usize = 1_000;

/// Where an archive stands, for machines.
#[derive(Debug, Serialize)]
struct Status {
    origin: String,
    log_key: String,
    sites: Vec<SiteStatus>,
    commits: u64,
    entries: u64,
    last_commit: Option<String>,
    sealed_entries: u64,
    seals: u64,
    attested_seals: u64,
    unattested: Vec<Unattested>,
    authorities: Vec<AuthorityStatus>,
    tenants: u64,
    archives: u64,
    objects: u64,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct SiteStatus {
    name: String,
    place: String,
    decides: bool,
    /// Whether the last commit is there.
    complete: bool,
}

#[derive(Debug, Serialize)]
struct Unattested {
    seal: u64,
    algorithm: EvidenceAlgorithm,
}

#[derive(Debug, Serialize)]
struct AuthorityStatus {
    algorithm: EvidenceAlgorithm,
    name: String,
    qualified: bool,
}

pub(super) fn run(common: &Common, screen: &Screen) -> Result<Exit, Failure> {
    if let Some(url) = &common.server {
        return Remote::new(url, Some(common.key.as_deref().unwrap_or_default()))?.status(screen);
    }
    let config = Config::load(&common.config)?;
    let local = Local::open(&config, screen)?;
    let status = read(&config, local.service())?;
    show(&status, screen);
    screen.json(&status);
    Ok(Exit::Success)
}

fn read(config: &Config, service: &Service) -> Result<Status, Failure> {
    let archive = service.archive();
    let index = archive.index();
    let (commit, seal, milestones) = (index.commit_head()?, index.seal_head()?, service.milestones());
    let mut status = Status {
        origin: config.origin.clone(),
        log_key: archive.key().to_string(),
        sites: sites(config, archive),
        commits: commit.map_or(0, |head| head.commit.0 + 1),
        entries: commit.map_or(0, |head| head.next.0),
        last_commit: commit.map(|head| head.time.to_string()),
        sealed_entries: milestones.sealed_size,
        seals: seal.map_or(0, |head| head.seal.0 + 1),
        attested_seals: milestones.attested_seals,
        unattested: index.unattested(UNATTESTED_SHOWN)?.into_iter().map(unattested).collect(),
        authorities: authorities(config),
        tenants: 0,
        archives: 0,
        objects: 0,
        bytes: 0,
    };
    let tenants = identity::tenants(index)?.into_iter().map(|tenant| tenant.id);
    for tenant in tenants.chain([TenantId::service()]) {
        let row = index.tenant(&tenant)?.unwrap_or_default();
        status.tenants += u64::from(!tenant.is_service());
        status.archives += row.archives;
        status.objects += row.objects;
        status.bytes += row.bytes;
    }
    Ok(status)
}

fn unattested((seal, algorithm): (SealNumber, EvidenceAlgorithm)) -> Unattested {
    Unattested { seal: seal.0, algorithm }
}

fn sites(config: &Config, archive: &Archive) -> Vec<SiteStatus> {
    let last = archive.index().commit_head().ok().flatten().map(|head| layout::commit(head.commit));
    let configured = std::iter::once(&config.site).chain(&config.copies);
    let status = |(i, (site, open)): (usize, (&SiteConfig, &cartulaire_engine::sites::Site))| SiteStatus {
        name: site.name.clone(),
        place: place(site),
        decides: i == 0,
        complete: last.as_ref().is_none_or(|last| matches!(open.store.size(last), Ok(Some(_)))),
    };
    configured.zip(archive.sites().iter()).enumerate().map(status).collect()
}

fn place(site: &SiteConfig) -> String {
    match &site.place {
        SitePlace::Directory(path) => path.display().to_string(),
        SitePlace::Bucket(bucket) => format!("{}/{}/{}", bucket.endpoint, bucket.bucket, bucket.prefix),
    }
}

fn authorities(config: &Config) -> Vec<AuthorityStatus> {
    let stamps = &config.time_stamping;
    let development = |algorithm| AuthorityStatus {
        algorithm,
        name: crate::tsa::DevelopmentAuthority::NAME.to_owned(),
        qualified: false,
    };
    let real = |algorithm| {
        move |authority: &Authority| AuthorityStatus {
            algorithm,
            name: authority.name.clone(),
            qualified: authority.qualified.is_some(),
        }
    };
    let mut all: Vec<AuthorityStatus> = Vec::new();
    for (algorithm, embedded) in
        [(EvidenceAlgorithm::Sha256, stamps.development_sha256), (EvidenceAlgorithm::Sha512, stamps.development_sha512)]
    {
        all.extend(embedded.then(|| development(algorithm)));
        all.extend(stamps.authorities(algorithm).iter().map(real(algorithm)));
    }
    all
}

fn show(status: &Status, screen: &Screen) {
    screen.line(screen.ink(Ink::Bold, &status.origin));
    screen.row("clé du journal", &status.log_key);
    for site in &status.sites {
        let role = if site.decides { "fait foi" } else { "copie" };
        let state = match site.complete {
            true => screen.ink(Ink::Green, "à jour"),
            false => screen.ink(Ink::Red, "en retard ou injoignable"),
        };
        screen.row("site", format_args!("{} ({role}), {state}  {}", site.name, site.place));
    }
    for authority in &status.authorities {
        let standing = match authority.qualified {
            true => "déclarée qualifiée par l’exploitant".to_owned(),
            false => screen.ink(Ink::Yellow, "NON QUALIFIÉE"),
        };
        screen.row("horodatage", format_args!("{} : {}, {standing}", authority.algorithm, authority.name));
    }
    let last = status.last_commit.as_deref().unwrap_or("aucun");
    screen.row("engagements", format_args!("{}, le dernier : {last}", status.commits));
    screen.row("journal", format_args!("{} écritures, {} scellées", status.entries, status.sealed_entries));
    screen.row("sceaux", format_args!("{}, {} horodatés", status.seals, status.attested_seals));
    if let Some(oldest) = status.unattested.first() {
        let count = status.unattested.len();
        let text =
            format!("{count} jeton{} en attente, depuis le sceau {}", if count > 1 { "s" } else { "" }, oldest.seal);
        screen.row("", screen.ink(Ink::Yellow, text));
    }
    screen.row(
        "contenu",
        format_args!(
            "{} archives de {} entités, {} objets, {}",
            status.archives,
            status.tenants,
            status.objects,
            bytes(status.bytes)
        ),
    );
}
