//! From a configuration to an open archive: the adapters are chosen and made here, and nowhere else.
//!
//! Order: keys first (a wrong key must be noticed before anything is written), then authorities, then sites; a bucket
//! that is to decide commits is probed before anything relies on it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cartulaire_engine::archive::{Archive, Ports, Progress, Writers};
use cartulaire_engine::attest::{Authorities, Authority};
use cartulaire_engine::fault::Fault;
use cartulaire_engine::ports::{Clock, Entropy, Store};
use cartulaire_engine::service::Service;
use cartulaire_engine::sites::{Site, Sites};
use cartulaire_engine::store::{BucketConfig, BucketError, LocalStore, ObjectStoreSite, OpenError, ProbeError, probe};
use cartulaire_engine::system::{SystemClock, SystemEntropy};
use cartulaire_formats::layout::EvidenceAlgorithm;
use cartulaire_formats::tsp::TrustAnchors;
use cartulaire_formats::x509::certificates_from_pem;

use crate::config::{self, Bucket, Config, SiteConfig, SitePlace};
use crate::secrets::{LOG_KEY, LogKey, SecretError};
use crate::tsa::{DEVELOPMENT_POLICY, DevelopmentAuthority, DevelopmentError, HttpAuthority, HttpAuthorityError};

/// Why an archive was not opened. French: operators read it.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The log's key cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The development authority cannot be used.
    #[error(transparent)]
    Development(#[from] DevelopmentError),
    /// An authority's trust root cannot be used.
    #[error("{} : racine de confiance de l’autorité « {authority} » illisible ou sans certificat.\n  Obtenez-la auprès de l’autorité, en PEM, et vérifiez son empreinte par une autre voie.", .path.display())]
    TrustRoot {
        /// The authority.
        authority: String,
        /// The file.
        path: PathBuf,
    },
    /// An authority's client cannot be made.
    #[error(transparent)]
    Authority(#[from] HttpAuthorityError),
    /// Another process writes to the archive.
    #[error(
        "l’archive est tenue par un autre processus, sans doute « cartulaire serve ».\n  Passez par lui : ajoutez --server http://ADRESSE --key CLÉ (ou CARTULAIRE_SERVER et CARTULAIRE_KEY),\n  ou arrêtez-le d’abord."
    )]
    Held,
    /// A directory cannot be a site.
    #[error("site « {site} » : {source}")]
    Directory {
        /// The site.
        site: String,
        /// Why.
        source: OpenError,
    },
    /// A variable that must hold a bucket's key is not set.
    #[error(
        "site « {site} » : la variable d’environnement {variable} n’est pas définie.\n  Elle doit porter une clé d’accès au compartiment."
    )]
    BucketKey {
        /// The site.
        site: String,
        /// The variable.
        variable: String,
    },
    /// A bucket's configuration cannot be right.
    #[error("site « {site} » : {source}")]
    Bucket {
        /// The site.
        site: String,
        /// Why.
        source: BucketError,
    },
    /// A bucket must not decide commits.
    #[error(
        "site « {site} » : ce compartiment ne peut pas faire foi ({source}).\n  Il peut porter une copie ([[copies]]) ; choisissez un autre site pour [site]."
    )]
    Probe {
        /// The site.
        site: String,
        /// Why.
        source: ProbeError,
    },
    /// Recovery failed.
    #[error(transparent)]
    Engine(#[from] Fault),
}

/// The clock and entropy of the system, shared by the engine and the development authority.
struct System {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// Opens the archive that a configuration describes, recovering what a crash left.
///
/// - `index`: folder of the index; the configuration's own, save in a rebuild.
/// - `progress`: see [`Archive::open`].
///
/// # Errors
/// [`ArchiveError`].
pub fn archive(
    config: &Config,
    index: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Arc<Archive>, Writers), ArchiveError> {
    let system = System { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy) };
    let signer = LogKey::open(&config.secrets.join(LOG_KEY), &config.origin)?;
    let authorities = authorities(config, &system)?;
    let sites = sites(config, &*system.entropy)?;
    let ports = Ports { sites, clock: system.clock, entropy: system.entropy, signer: Arc::new(signer), authorities };
    Archive::open(ports, index, progress).map_err(|fault| match fault {
        Fault::Index(cartulaire_engine::index::IndexError::Locked) => ArchiveError::Held,
        fault => fault.into(),
    })
}

/// Opens the archive and starts its writers.
///
/// # Errors
/// [`ArchiveError`].
pub fn service(config: &Config, progress: &mut dyn FnMut(Progress)) -> Result<Service, ArchiveError> {
    let (archive, writers) = archive(config, &config.index, progress)?;
    Ok(Service::start(archive, writers, config.seal_period))
}

fn authorities(config: &Config, system: &System) -> Result<Authorities, ArchiveError> {
    let stamps = &config.time_stamping;
    let development = if stamps.has_development() { Some(development(config, system)?) } else { None };
    let list = |algorithm, embedded: bool| -> Result<Vec<Authority>, ArchiveError> {
        match (&development, embedded) {
            (Some(development), true) => Ok(vec![development.clone()]),
            _ => stamps.authorities(algorithm).iter().map(real).collect(),
        }
    };
    Ok(Authorities {
        sha256: list(EvidenceAlgorithm::Sha256, stamps.development_sha256)?,
        sha512: list(EvidenceAlgorithm::Sha512, stamps.development_sha512)?,
    })
}

fn development(config: &Config, system: &System) -> Result<Authority, ArchiveError> {
    let (clock, entropy) = (Arc::clone(&system.clock), Arc::clone(&system.entropy));
    let port = DevelopmentAuthority::open(&config.secrets, &config.trust, clock, entropy)?;
    let unusable = || DevelopmentError::Certificate(config.trust.join(crate::tsa::ROOT_CERTIFICATE));
    let anchors = TrustAnchors::new([port.root()]).map_err(|_| unusable())?;
    let policy = DEVELOPMENT_POLICY.parse().expect("the development policy is dotted decimal");
    Ok(Authority { port: Arc::new(port), anchors: Arc::new(anchors), policies: vec![policy], qualified: false })
}

fn real(authority: &config::Authority) -> Result<Authority, ArchiveError> {
    let config::Authority { name, url, policies, trust_root, timeout, qualified } = authority;
    let unusable = || ArchiveError::TrustRoot { authority: name.clone(), path: trust_root.clone() };
    let text = std::fs::read_to_string(trust_root).map_err(|_| unusable())?;
    let certificates = certificates_from_pem(&text).map_err(|_| unusable())?;
    let anchors = TrustAnchors::new(certificates).map_err(|_| unusable())?;
    let policy = |policy: &String| policy.parse().expect("the configuration takes dotted decimals only");
    Ok(Authority {
        port: Arc::new(HttpAuthority::new(name, url, *timeout)?),
        anchors: Arc::new(anchors),
        policies: policies.iter().map(policy).collect(),
        qualified: qualified.is_some(),
    })
}

/// Opens every site for writing.
///
/// # Errors
/// [`ArchiveError`], the deciding site's first.
pub fn sites(config: &Config, entropy: &dyn Entropy) -> Result<Sites, ArchiveError> {
    let deciding = site(&config.site)?;
    if matches!(config.site.place, SitePlace::Bucket(_)) {
        let lies = |source| ArchiveError::Probe { site: deciding.name.clone(), source };
        probe(&*deciding.store, entropy).map_err(lies)?;
    }
    let copies = config.copies.iter().map(site).collect::<Result<_, _>>()?;
    Ok(Sites::new(deciding, copies))
}

fn site(config: &SiteConfig) -> Result<Site, ArchiveError> {
    let name = config.name.clone();
    let store: Arc<dyn Store> = match &config.place {
        SitePlace::Directory(path) => Arc::new(LocalStore::open(path).map_err(|source| match source {
            OpenError::Locked(_) => ArchiveError::Held,
            source => ArchiveError::Directory { site: name.clone(), source },
        })?),
        SitePlace::Bucket(bucket) => Arc::new(open_bucket(&name, bucket)?),
    };
    Ok(Site { name, store })
}

fn open_bucket(site: &str, bucket: &Bucket) -> Result<ObjectStoreSite, ArchiveError> {
    let variable = |variable: &String| {
        let unset = |_| ArchiveError::BucketKey { site: site.to_owned(), variable: variable.clone() };
        std::env::var(variable).map_err(unset)
    };
    let config = BucketConfig {
        endpoint: Some(bucket.endpoint.clone()),
        bucket: bucket.bucket.clone(),
        region: bucket.region.clone(),
        key_id: variable(&bucket.access_key_env)?,
        secret: variable(&bucket.secret_key_env)?,
        // The operator wrote the scheme; a private network may do without TLS.
        allow_http: bucket.endpoint.starts_with("http://"),
        path_style: true,
        prefix: bucket.prefix.clone(),
    };
    ObjectStoreSite::bucket(&config).map_err(|source| ArchiveError::Bucket { site: site.to_owned(), source })
}
