//! Every key: its name, what it takes, an example; and the parsers of their values.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::time::Duration;

use cartulaire_formats::layout::EvidenceAlgorithm;
use toml::Value;

use super::LogFormat;
use super::environment::PREFIX;

/// A key of the file and what an operator is told when its value will not do.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name in its table.
    pub name: &'static str,
    /// What it takes, in French.
    pub expected: &'static str,
    /// The line as it may be written.
    pub example: &'static str,
}

macro_rules! keys {
    ($($constant:ident = $name:literal, $expected:literal, $example:literal;)*) => {
        $(pub(super) static $constant: Key = Key { name: $name, expected: $expected, example: $example };)*
    };
}

keys! {
    ORIGIN = "origin", "le nom du journal : une URL sans « https:// », sans espace ni « + », de 1 à 200 caractères",
        "origin = \"archives.exemple.fr/journal\"";
    LISTEN = "listen", "une table", "[listen]";
    ADDRESS = "address", "une adresse IP et un port", "address = \"127.0.0.1:8440\"";
    CERTIFICATE = "certificate", "le fichier PEM du certificat du serveur (avec « key »)", "certificate = \"tls/certificat.pem\"";
    KEY = "key", "le fichier PEM de la clé du serveur (avec « certificate »)", "key = \"tls/cle.pem\"";
    SITE = "site", "une table : le site qui fait foi", "[site]\n            kind = \"directory\"\n            path = \"site\"";
    COPIES = "copies", "une liste de tables : les copies obligatoires",
        "[[copies]]\n            name = \"copie\"\n            kind = \"directory\"\n            path = \"/mnt/copie\"";
    SITE_NAME = "name", "un nom court : lettres, chiffres, « . », « _ » et « - », 64 au plus", "name = \"copie-rennes\"";
    KIND = "kind", "\"directory\" (un dossier) ou \"s3\" (un compartiment S3)", "kind = \"directory\"";
    SITE_PATH = "path", "le chemin d’un dossier", "path = \"site\"";
    ENDPOINT = "endpoint", "l’adresse http(s) du service S3", "endpoint = \"https://s3.exemple.fr\"";
    BUCKET = "bucket", "le nom d’un compartiment : lettres, chiffres, « . », « _ » et « - », 64 au plus", "bucket = \"cartulaire\"";
    REGION = "region", "le nom d’une région : lettres, chiffres, « . », « _ » et « - », 64 au plus", "region = \"fr-par\"";
    PREFIX_FOLDER = "prefix", "un dossier du compartiment : des noms (lettres, chiffres, « . », « _ », « - ») séparés par « / »", "prefix = \"archive/site-b\"";
    ACCESS_KEY_ENV = "access_key_env", "le nom de la variable d’environnement qui porte l’identifiant de la clé S3",
        "access_key_env = \"AWS_ACCESS_KEY_ID\"";
    SECRET_KEY_ENV = "secret_key_env", "le nom de la variable d’environnement qui porte le secret de la clé S3",
        "secret_key_env = \"AWS_SECRET_ACCESS_KEY\"";
    INDEX = "index", "le chemin d’un dossier local", "index = \"index\"";
    SECRETS = "secrets", "le chemin d’un dossier local", "secrets = \"secrets\"";
    SEAL_PERIOD = "seal_period_ms", "un nombre de millisecondes, de 50 à 86 400 000", "seal_period_ms = 1000";
    TIME_STAMPING = "time_stamping", "une table : qui horodate", "[time_stamping]\n            development = [\"sha256\"]";
    DEVELOPMENT = "development", "la liste des arbres que l’autorité de développement (non qualifiée) horodate : \"sha256\", \"sha512\" ; vide en production",
        "development = [\"sha256\"]";
    SHA256 = "sha256", "une liste de tables : les autorités de l’arbre SHA-256, dans l’ordre", "[[time_stamping.sha256]]";
    SHA512 = "sha512", "une liste de tables : les autorités de l’arbre SHA-512, dans l’ordre", "[[time_stamping.sha512]]";
    AUTHORITY_NAME = "name", "un nom court : lettres, chiffres, « . », « _ » et « - », 64 au plus", "name = \"autorite-a\"";
    URL = "url", "l’adresse http(s) de l’autorité (RFC 3161)", "url = \"https://horodatage.exemple.fr/tsa\"";
    POLICIES = "policies", "la liste, non vide, des politiques acceptées, en notation pointée", "policies = [\"1.2.250.1.999.1\"]";
    TRUST_ROOT = "trust_root", "le fichier PEM de la racine de confiance de l’autorité", "trust_root = \"trust/autorite-a.pem\"";
    TIMEOUT = "timeout_ms", "un nombre de millisecondes, de 50 à 86 400 000", "timeout_ms = 10000";
    QUALIFIED = "qualified", "si l’autorité est qualifiée (eIDAS) : la référence de son service dans la liste de confiance",
        "qualified = \"FR, Exemple SA, service d’horodatage n° 3, QTST granted\"";
    LIMITS = "limits", "une table", "[limits]";
    DEPOSIT_BYTES = "deposit_bytes_max", "un nombre d’octets, au moins 1", "deposit_bytes_max = 68719476736";
    CONNECTIONS = "connections_max", "un nombre de connexions, au moins 1", "connections_max = 512";
    LOG = "log", "une table", "[log]";
    FORMAT = "format", "\"text\" (pour les personnes) ou \"json\" (pour les machines)", "format = \"text\"";
    LEVEL = "level", "\"error\", \"warn\", \"info\", \"debug\" ou \"trace\"", "level = \"info\"";
    METRICS = "metrics", "true ou false", "metrics = true";
}

/// What a site is.
pub(super) enum Kind {
    Directory,
    S3,
}

/// Shortest and longest period or delay, in milliseconds: below, a seal would hold nothing; above, a day has gone by
/// without one, which the journals' rule of 24 hours forbids.
const MILLIS: std::ops::RangeInclusive<i64> = 50..=86_400_000;

/// Longest origin: a key name's own limit leaves room for it in every note.
const ORIGIN_BYTES_MAX: usize = 200;

/// Longest name of a site, authority, bucket or region: it is printed in a column.
const NAME_BYTES_MAX: usize = 64;

/// Longest free sentence.
const SENTENCE_BYTES_MAX: usize = 500;

pub(super) fn origin(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '+';
    let sound = (1..=ORIGIN_BYTES_MAX).contains(&text.len()) && text.chars().all(plain) && !text.contains("://");
    sound.then(|| text.to_owned())
}

pub(super) fn address(value: &Value) -> Option<SocketAddr> {
    value.as_str()?.parse().ok()
}

pub(super) fn path(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let sound = !text.is_empty() && !text.contains('\0');
    sound.then(|| text.to_owned())
}

pub(super) fn name(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let sound = (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(plain);
    sound.then(|| text.to_owned())
}

pub(super) fn folder(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    text.parse::<cartulaire_formats::layout::ObjectName>().ok().map(|name| name.to_string())
}

pub(super) fn sentence(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let sound = (1..=SENTENCE_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control);
    sound.then(|| text.to_owned())
}

/// A name of a variable that is not taken for a key of the configuration itself.
pub(super) fn variable(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let own = text.starts_with(PREFIX) && !text.starts_with("CARTULAIRE_SECRET_");
    let sound = !text.is_empty() && text.bytes().all(plain) && !own;
    sound.then(|| text.to_owned())
}

pub(super) fn kind(value: &Value) -> Option<Kind> {
    match value.as_str()? {
        "directory" => Some(Kind::Directory),
        "s3" => Some(Kind::S3),
        _ => None,
    }
}

pub(super) fn http_url(value: &Value) -> Option<String> {
    let url = reqwest::Url::parse(value.as_str()?).ok()?;
    let sound = matches!(url.scheme(), "http" | "https") && url.host_str().is_some() && url.username().is_empty();
    sound.then(|| value.as_str().unwrap_or_default().to_owned())
}

pub(super) fn millis(value: &Value) -> Option<Duration> {
    let millis = value.as_integer().filter(|n| MILLIS.contains(n))?;
    u64::try_from(millis).ok().map(Duration::from_millis)
}

pub(super) fn positive(value: &Value) -> Option<NonZeroU64> {
    value.as_integer().and_then(|n| u64::try_from(n).ok()).and_then(NonZeroU64::new)
}

pub(super) fn boolean(value: &Value) -> Option<bool> {
    value.as_bool()
}

pub(super) fn log_format(value: &Value) -> Option<LogFormat> {
    match value.as_str()? {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => None,
    }
}

pub(super) fn level(value: &Value) -> Option<tracing::Level> {
    match value.as_str()? {
        "error" => Some(tracing::Level::ERROR),
        "warn" => Some(tracing::Level::WARN),
        "info" => Some(tracing::Level::INFO),
        "debug" => Some(tracing::Level::DEBUG),
        "trace" => Some(tracing::Level::TRACE),
        _ => None,
    }
}

pub(super) fn trees(value: &Value) -> Option<Vec<EvidenceAlgorithm>> {
    let tree = |value: &Value| match value.as_str()? {
        "sha256" => Some(EvidenceAlgorithm::Sha256),
        "sha512" => Some(EvidenceAlgorithm::Sha512),
        _ => None,
    };
    value.as_array()?.iter().map(tree).collect()
}

pub(super) fn oids(value: &Value) -> Option<Vec<String>> {
    let oid = |value: &Value| {
        let text = value.as_str()?;
        let arc = |arc: &str| arc.parse::<u64>().is_ok() && (arc == "0" || !arc.starts_with(['0', '+']));
        let arcs: Vec<&str> = text.split('.').collect();
        let sound = arcs.len() >= 2 && arcs.iter().all(|a| arc(a)) && matches!(arcs[0], "0" | "1" | "2");
        sound.then(|| text.to_owned())
    };
    let list: Vec<String> = value.as_array()?.iter().map(oid).collect::<Option<_>>()?;
    (!list.is_empty()).then_some(list)
}
