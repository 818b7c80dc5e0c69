//! The configuration: one TOML file, environment variables over it, checked whole before anything is opened.
//!
//! Values here are valid by construction: [`Config::load`] is the only way to have one, and whatever it refuses it names
//! with the key, what was found, what is expected and an example ([`ConfigError`]). The keys are those that an operator
//! must choose; everything else is a named constant. `docs/reference/configuration.md` gives each key its reason.
//!
//! Deliberately absent: secrets. They are files of their own ([`crate::secrets`]) or environment variables named here.

mod environment;
mod error;
mod keys;
mod section;
mod template;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cartulaire_formats::layout::EvidenceAlgorithm;

pub use error::{ConfigError, Origin, Place};
use section::{Section, Source};
pub use template::template;

/// The file's name where a folder is all that is known.
pub const FILE_NAME: &str = "cartulaire.toml";

/// Where the service listens unless told otherwise: this machine alone can reach it.
pub const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8440);

/// A valid configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The log's name: a schema-less URL, part of every checkpoint and never to be changed.
    pub origin: String,
    /// The door.
    pub listen: Listen,
    /// Folder of the index.
    pub index: PathBuf,
    /// Folder of the private keys.
    pub secrets: PathBuf,
    /// Folder of what is handed to verifiers: the log's public key, the development authority's root.
    pub trust: PathBuf,
    /// The site that decides what is committed.
    pub site: SiteConfig,
    /// The sites that must have every object before a depositor is answered.
    pub copies: Vec<SiteConfig>,
    /// How often what was committed is sealed.
    pub seal_period: Duration,
    /// Who time-stamps.
    pub time_stamping: TimeStamping,
    /// What a client may ask for at most.
    pub limits: Limits,
    /// How the service speaks of itself.
    pub log: Log,
    /// Whether `/metrics` is served.
    pub metrics: bool,
}

/// Where the service listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Address and port.
    pub address: SocketAddr,
    /// The certificate and key; without them plain HTTP is spoken.
    pub tls: Option<Tls>,
}

/// The server's TLS identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// PEM file with the certificate, then those of its issuers.
    pub certificate: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}

/// One site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteConfig {
    /// Its name in logs and reports.
    pub name: String,
    /// What it is.
    pub place: SitePlace,
}

/// Where a site's objects lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SitePlace {
    /// A directory.
    Directory(PathBuf),
    /// A bucket.
    Bucket(Bucket),
}

/// A bucket of an S3-compatible service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// `https://host` (or `http://` on a private network).
    pub endpoint: String,
    /// The bucket.
    pub bucket: String,
    /// The region; most services of one's own take any.
    pub region: String,
    /// The folder of the bucket that is the site; empty for the whole bucket.
    pub prefix: String,
    /// Environment variable with the access key's identifier.
    pub access_key_env: String,
    /// Environment variable with the secret key.
    pub secret_key_env: String,
}

/// Who time-stamps each evidence tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeStamping {
    /// Whether the embedded development authority stamps the SHA-256 tree. Never qualified.
    pub development_sha256: bool,
    /// Whether the embedded development authority stamps a SHA-512 tree. Never qualified.
    pub development_sha512: bool,
    /// Authorities for the SHA-256 tree, in the order in which they are asked.
    pub sha256: Vec<Authority>,
    /// Authorities for the SHA-512 tree; without any there is no such tree.
    pub sha512: Vec<Authority>,
}

impl TimeStamping {
    /// Whether the embedded development authority is used at all.
    #[must_use]
    pub fn has_development(&self) -> bool {
        self.development_sha256 || self.development_sha512
    }

    /// The authorities of a tree.
    #[must_use]
    pub fn authorities(&self, algorithm: EvidenceAlgorithm) -> &[Authority] {
        match algorithm {
            EvidenceAlgorithm::Sha256 => &self.sha256,
            EvidenceAlgorithm::Sha512 => &self.sha512,
        }
    }
}

/// A time-stamp authority over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// A short name for journal, logs and screens.
    pub name: String,
    /// Where it is asked.
    pub url: String,
    /// Policies that are accepted, as dotted decimals; at least one.
    pub policies: Vec<String>,
    /// PEM file with the root, or roots, that its certificates must lead to.
    pub trust_root: PathBuf,
    /// How long an answer may take.
    pub timeout: Duration,
    /// The entry of the trusted list that makes it a qualified one, as the operator declares it.
    pub qualified: Option<String>,
}

/// What a client may ask for at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one deposit.
    pub deposit_bytes_max: NonZeroU64,
    /// Connections at one time.
    pub connections_max: NonZeroU64,
}

impl Default for Limits {
    /// Several GiB a deposit (design.md, the scale to serve), and as many connections as a small server's descriptors.
    fn default() -> Self {
        let some = |n| NonZeroU64::new(n).expect("not zero as written");
        Self { deposit_bytes_max: some(64 << 30), connections_max: some(512) }
    }
}

/// How the service speaks of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Form.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`.
    pub level: tracing::Level,
}

/// Form of the logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

impl Config {
    /// Reads a file, lays the process's environment over it and checks the whole.
    ///
    /// Relative paths are taken from the file's folder.
    ///
    /// # Errors
    /// [`ConfigError`], the first in the order of the file's reference; nothing is opened or made.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let variables = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        let unreadable = |source| ConfigError::Unreadable { file: file.to_owned(), source };
        let text = std::fs::read_to_string(file).map_err(unreadable)?;
        Self::parse(file, &text, variables)
    }

    /// Checks a file's text with the variables given.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse(
        file: &Path,
        text: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut table = text.parse::<toml::Table>().map_err(|error| ConfigError::syntax(file, text, &error))?;
        let overlaid = environment::overlay(&mut table, variables)?;
        let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let source = Source { file, folder, overlaid: &overlaid };
        let config = read(Section::root(&source, &table))?;
        config.judge(&source)?;
        Ok(config)
    }

    /// What holds between keys rather than within one.
    fn judge(&self, source: &Source<'_>) -> Result<(), ConfigError> {
        let stamps = &self.time_stamping;
        let both = [
            (stamps.development_sha256 && !stamps.sha256.is_empty(), "time_stamping.sha256"),
            (stamps.development_sha512 && !stamps.sha512.is_empty(), "time_stamping.sha512"),
        ];
        if let Some((_, key)) = both.iter().find(|(wrong, _)| *wrong) {
            return Err(ConfigError::DevelopmentBesideReal(source.place(key)));
        }
        if !stamps.development_sha256 && stamps.sha256.is_empty() {
            return Err(ConfigError::NoAuthority(source.place("time_stamping.sha256")));
        }
        let sites = std::iter::once(&self.site).chain(&self.copies).map(|site| site.name.as_str());
        if let Some(name) = twice(sites) {
            return Err(ConfigError::NameTwice { place: source.place("copies"), name });
        }
        for (key, list) in [("time_stamping.sha256", &stamps.sha256), ("time_stamping.sha512", &stamps.sha512)] {
            if let Some(name) = twice(list.iter().map(|authority| authority.name.as_str())) {
                return Err(ConfigError::NameTwice { place: source.place(key), name });
            }
        }
        Ok(())
    }
}

fn twice<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut seen = std::collections::HashSet::new();
    names.into_iter().find(|name| !seen.insert(*name)).map(str::to_owned)
}

fn read(mut root: Section<'_>) -> Result<Config, ConfigError> {
    let config = Config {
        origin: root.need(&keys::ORIGIN, keys::origin)?,
        listen: listen(root.table(&keys::LISTEN)?)?,
        site: site(root.need_table(&keys::SITE)?, Some("principal"))?,
        copies: root.tables(&keys::COPIES)?.into_iter().map(|copy| site(copy, None)).collect::<Result<_, _>>()?,
        index: root.read(&keys::INDEX, keys::path)?.map_or_else(|| root.path("index"), |p| root.path(&p)),
        secrets: root.read(&keys::SECRETS, keys::path)?.map_or_else(|| root.path("secrets"), |p| root.path(&p)),
        trust: root.path("trust"),
        seal_period: root.read(&keys::SEAL_PERIOD, keys::millis)?.unwrap_or(Duration::from_secs(1)),
        time_stamping: time_stamping(root.need_table(&keys::TIME_STAMPING)?)?,
        limits: limits(root.table(&keys::LIMITS)?)?,
        log: log(root.table(&keys::LOG)?)?,
        metrics: root.read(&keys::METRICS, keys::boolean)?.unwrap_or(true),
    };
    root.finish().map(|()| config)
}

fn listen(section: Option<Section<'_>>) -> Result<Listen, ConfigError> {
    let Some(mut section) = section else { return Ok(Listen { address: LISTEN_DEFAULT, tls: None }) };
    let address = section.read(&keys::ADDRESS, keys::address)?.unwrap_or(LISTEN_DEFAULT);
    let certificate = section.read(&keys::CERTIFICATE, keys::path)?;
    let key = section.read(&keys::KEY, keys::path)?;
    let tls = match (certificate, key) {
        (None, None) => None,
        (Some(certificate), Some(key)) => {
            Some(Tls { certificate: section.path(&certificate), key: section.path(&key) })
        }
        (Some(_), None) => return Err(section.missing(&keys::KEY)),
        (None, Some(_)) => return Err(section.missing(&keys::CERTIFICATE)),
    };
    section.finish().map(|()| Listen { address, tls })
}

fn site(mut section: Section<'_>, default_name: Option<&str>) -> Result<SiteConfig, ConfigError> {
    let name = match (section.read(&keys::SITE_NAME, keys::name)?, default_name) {
        (Some(name), _) => name,
        (None, Some(name)) => name.to_owned(),
        (None, None) => return Err(section.missing(&keys::SITE_NAME)),
    };
    let place = match section.need(&keys::KIND, keys::kind)? {
        keys::Kind::Directory => {
            let path = section.need(&keys::SITE_PATH, keys::path)?;
            SitePlace::Directory(section.path(&path))
        }
        keys::Kind::S3 => SitePlace::Bucket(Bucket {
            endpoint: section.need(&keys::ENDPOINT, keys::http_url)?,
            bucket: section.need(&keys::BUCKET, keys::name)?,
            region: section.read(&keys::REGION, keys::name)?.unwrap_or_else(|| "us-east-1".to_owned()),
            prefix: section.read(&keys::PREFIX_FOLDER, keys::folder)?.unwrap_or_default(),
            access_key_env: section.need(&keys::ACCESS_KEY_ENV, keys::variable)?,
            secret_key_env: section.need(&keys::SECRET_KEY_ENV, keys::variable)?,
        }),
    };
    section.finish().map(|()| SiteConfig { name, place })
}

fn time_stamping(mut section: Section<'_>) -> Result<TimeStamping, ConfigError> {
    let development = section.read(&keys::DEVELOPMENT, keys::trees)?.unwrap_or_default();
    let mut list = |key| section.tables(key)?.into_iter().map(authority).collect::<Result<Vec<_>, _>>();
    let stamps = TimeStamping {
        development_sha256: development.contains(&EvidenceAlgorithm::Sha256),
        development_sha512: development.contains(&EvidenceAlgorithm::Sha512),
        sha256: list(&keys::SHA256)?,
        sha512: list(&keys::SHA512)?,
    };
    section.finish().map(|()| stamps)
}

fn authority(mut section: Section<'_>) -> Result<Authority, ConfigError> {
    let trust_root = section.need(&keys::TRUST_ROOT, keys::path)?;
    let authority = Authority {
        name: section.need(&keys::AUTHORITY_NAME, keys::name)?,
        url: section.need(&keys::URL, keys::http_url)?,
        policies: section.need(&keys::POLICIES, keys::oids)?,
        trust_root: section.path(&trust_root),
        timeout: section.read(&keys::TIMEOUT, keys::millis)?.unwrap_or(Duration::from_secs(10)),
        qualified: section.read(&keys::QUALIFIED, keys::sentence)?,
    };
    section.finish().map(|()| authority)
}

fn limits(section: Option<Section<'_>>) -> Result<Limits, ConfigError> {
    let Some(mut section) = section else { return Ok(Limits::default()) };
    let default = Limits::default();
    let limits = Limits {
        deposit_bytes_max: section.read(&keys::DEPOSIT_BYTES, keys::positive)?.unwrap_or(default.deposit_bytes_max),
        connections_max: section.read(&keys::CONNECTIONS, keys::positive)?.unwrap_or(default.connections_max),
    };
    section.finish().map(|()| limits)
}

fn log(section: Option<Section<'_>>) -> Result<Log, ConfigError> {
    let default = Log { format: LogFormat::Text, level: tracing::Level::INFO };
    let Some(mut section) = section else { return Ok(default) };
    let log = Log {
        format: section.read(&keys::FORMAT, keys::log_format)?.unwrap_or(default.format),
        level: section.read(&keys::LEVEL, keys::level)?.unwrap_or(default.level),
    };
    section.finish().map(|()| log)
}

#[cfg(test)]
mod tests;
