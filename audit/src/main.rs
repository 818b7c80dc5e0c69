//! `cartulaire-verify`: judges a proof bundle or a whole site, with nothing of ours but the bytes.
//!
//! Builds sources and trust from files, calls the library, prints the report. The reference is `docs/reference/verify.md`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cartulaire_audit::source::Directory;
use cartulaire_audit::{Language, Report, Trust, bundle, site};
use cartulaire_formats::bundle::BAGIT;
use cartulaire_formats::note::{KeyError, VerifierKey};
use cartulaire_formats::tsp::{TrustAnchorError, TrustAnchors};
use cartulaire_formats::x509::{PemError, certificates_from_pem};
use clap::{Parser, ValueEnum};
use jiff::Timestamp;

/// Vérifie un dossier de preuve (ZIP ou dossier) ou un site d'archives entier. Verifies a proof bundle or a whole site.
///
/// Code de retour / exit code: 0 prouvé, proven · 1 non prouvé, not proven · 2 erreur d'usage, usage error ·
/// 3 prouvé sous réserve, proven with reservations.
#[derive(Parser)]
#[command(name = "cartulaire-verify", version)]
struct Arguments {
    /// Dossier de preuve (ZIP ou dossier), ou site. Bundle (ZIP or folder), or site.
    #[arg(value_name = "BUNDLE|SITE")]
    path: PathBuf,
    /// Racines de confiance des autorités d'horodatage, en PEM. Trust roots, PEM; may be repeated.
    #[arg(long, value_name = "root.pem")]
    trust: Vec<PathBuf>,
    /// Clé du registre : texte ou fichier. The log's verifier key (C2SP), or a file holding it.
    #[arg(long, value_name = "VKEY|FILE")]
    log_key: Option<String>,
    /// Liste de révocation, en DER. Revocation list, DER; may be repeated.
    #[arg(long, value_name = "FILE")]
    crl: Vec<PathBuf>,
    /// État du registre connu par ailleurs (site). Checkpoint known from elsewhere (site); may be repeated.
    #[arg(long, value_name = "FILE")]
    known_checkpoint: Vec<PathBuf>,
    /// Accusé de dépôt connu par ailleurs (site). Receipt known from elsewhere (site); may be repeated.
    #[arg(long, value_name = "FILE")]
    receipt: Vec<PathBuf>,
    /// Date du contrôle, RFC 3339. Time of the check; the present if absent.
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Langue du rapport. Language of the report.
    #[arg(long, value_enum, default_value_t = Lang::Fr)]
    lang: Lang,
    /// Rapport en JSON. Report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Lang {
    Fr,
    En,
}

/// What keeps the verifier from starting; nothing was judged.
#[derive(Debug, thiserror::Error)]
enum UsageError {
    #[error("{path} : lecture impossible / cannot be read: {error}")]
    Read { path: PathBuf, error: std::io::Error },
    #[error("{path} : certificat PEM attendu / not PEM certificates: {error}")]
    Pem { path: PathBuf, error: PemError },
    #[error("{path} : pas de certificat / no certificate")]
    NoCertificate { path: PathBuf },
    #[error("racine inutilisable / unusable root: {0}")]
    Root(#[from] TrustAnchorError),
    #[error("clé du registre illisible / not a verifier key: {0}")]
    LogKey(#[from] KeyError),
    #[error("{path} : ni dossier de preuve ni site / neither a proof bundle nor a site")]
    NeitherBundleNorSite { path: PathBuf },
    #[error("--known-checkpoint et --receipt ne valent que pour un site / are for sites only")]
    KnownForBundle,
    #[error("rapport impossible à écrire / the report cannot be written: {0}")]
    Write(std::io::Error),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("cartulaire-verify: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<u8, UsageError> {
    let trust = trust(arguments)?;
    let report = judge(arguments, &trust)?;
    let language = match arguments.lang {
        Lang::Fr => Language::French,
        Lang::En => Language::English,
    };
    let text = if arguments.json { report.to_json() } else { report.to_text(language) };
    std::io::stdout().write_all(text.as_bytes()).map_err(UsageError::Write)?;
    Ok(report.exit_code())
}

fn judge(arguments: &Arguments, trust: &Trust) -> Result<Report, UsageError> {
    let path = &arguments.path;
    let metadata = fs::metadata(path).map_err(|error| UsageError::Read { path: path.clone(), error })?;
    let known =
        site::Known { checkpoints: labelled(&arguments.known_checkpoint)?, receipts: labelled(&arguments.receipt)? };
    let anything_known = !known.checkpoints.is_empty() || !known.receipts.is_empty();
    if metadata.is_dir() && !path.join(BAGIT).exists() {
        let source = Directory::new(path);
        if !site::is_site(&source) {
            return Err(UsageError::NeitherBundleNorSite { path: path.clone() });
        }
        return Ok(site::audit(&source, trust, &known, &mut |_| {}));
    }
    if anything_known {
        return Err(UsageError::KnownForBundle);
    }
    if metadata.is_dir() {
        return Ok(bundle::verify(&Directory::new(path), None, trust));
    }
    let file = fs::File::open(path).map_err(|error| UsageError::Read { path: path.clone(), error })?;
    Ok(bundle::verify_zip(file, trust))
}

fn trust(arguments: &Arguments) -> Result<Trust, UsageError> {
    let mut trust = Trust::none(arguments.at.unwrap_or_else(Timestamp::now));
    if !arguments.trust.is_empty() {
        let mut roots = Vec::new();
        for path in &arguments.trust {
            roots.extend(certificates(path)?);
        }
        trust.anchors = Some(TrustAnchors::new(roots)?);
    }
    trust.log_key = arguments.log_key.as_deref().map(log_key).transpose()?;
    for path in &arguments.crl {
        trust.revocation_lists.push(read(path)?);
    }
    Ok(trust)
}

fn certificates(path: &Path) -> Result<Vec<Vec<u8>>, UsageError> {
    let text = String::from_utf8_lossy(&read(path)?).into_owned();
    let certificates =
        certificates_from_pem(&text).map_err(|error| UsageError::Pem { path: path.to_owned(), error })?;
    if certificates.is_empty() {
        return Err(UsageError::NoCertificate { path: path.to_owned() });
    }
    Ok(certificates)
}

/// A verifier key as text, else the file of that name.
fn log_key(argument: &str) -> Result<VerifierKey, UsageError> {
    if let Ok(key) = argument.parse() {
        return Ok(key);
    }
    let text = read(Path::new(argument))?;
    Ok(String::from_utf8_lossy(&text).trim_end().parse()?)
}

fn labelled(paths: &[PathBuf]) -> Result<Vec<(String, Vec<u8>)>, UsageError> {
    paths.iter().map(|path| Ok((path.display().to_string(), read(path)?))).collect()
}

fn read(path: &Path) -> Result<Vec<u8>, UsageError> {
    fs::read(path).map_err(|error| UsageError::Read { path: path.to_owned(), error })
}
