//! `cartulaire init`: a new archive in an empty folder, ready to be served.

use std::path::{Path, PathBuf};

use cartulaire_engine::ports::Signer as _;
use cartulaire_engine::store::LocalStore;
use cartulaire_engine::system::{SystemClock, SystemEntropy};
use cartulaire_formats::note::{KeyKind, KeyName, VerifierKey};
use serde::Serialize;

use super::arguments;
use super::door::Door as _;
use super::exit::{Exit, Failure};
use super::local::Local;
use super::screen::{Ink, Screen};
use crate::config::{Config, FILE_NAME, SitePlace, template};
use crate::identity::Role;
use crate::open::ArchiveError;
use crate::secrets::{LOG_KEY, LogKey, write_durably};
use crate::tsa::DevelopmentAuthority;

/// The log's public key in the trust folder, as a C2SP verifier key.
pub(super) const LOG_VKEY: &str = "log.vkey";
/// The log's public key in the trust folder, for openssl.
pub(super) const LOG_PEM: &str = "log.pub.pem";

/// What the first administrator's key is called.
const ADMINISTRATOR: &str = "Administration, créée à l’initialisation";

/// What was made, for machines.
#[derive(Debug, Serialize)]
struct Made {
    config: PathBuf,
    trust_root: PathBuf,
    log_key: String,
    administrator_key: String,
    qualified: bool,
}

/// A new archive.
pub(super) struct New {
    pub config: Config,
    pub file: PathBuf,
    pub log_key: String,
}

pub(super) fn run(arguments: &arguments::Init, screen: &Screen) -> Result<Exit, Failure> {
    let new = make(&arguments.folder, &arguments.origin)?;
    let local = Local::open(&new.config, screen)?;
    let key = local.create_key("service", &[Role::Administrator], ADMINISTRATOR)?;
    let trust_root = new.config.trust.join(crate::tsa::ROOT_CERTIFICATE);
    let file = new.file.display();
    screen.line(format_args!("Archive créée dans {}", arguments.folder.display()));
    screen.heading("Ce qu’elle contient");
    screen.row("réglages", &file);
    screen.row(
        "clés privées",
        format_args!("{}  (gardez-en une copie hors de cette machine)", new.config.secrets.display()),
    );
    screen.row("clé du journal", &new.log_key);
    screen.row(
        "racine",
        format_args!(
            "{}  {}",
            trust_root.display(),
            screen.ink(Ink::Yellow, "autorité de développement, NON QUALIFIÉE")
        ),
    );
    screen.heading("Clé d’administration, montrée cette seule fois");
    screen.line(format_args!("  {}", screen.ink(Ink::Bold, &key.secret)));
    screen.heading("Ensuite");
    screen.line(format_args!("  cartulaire -c {file} tenant create kerlouan --name \"Commune de Kerlouan-sur-Mer\""));
    screen.line(format_args!("  cartulaire -c {file} serve"));
    screen.json(&Made {
        config: new.file,
        trust_root,
        log_key: new.log_key,
        administrator_key: key.secret,
        qualified: false,
    });
    Ok(Exit::Success)
}

/// Makes configuration, keys and folders in an empty folder; the archive itself begins when it is first opened.
pub(super) fn make(folder: &Path, origin: &str) -> Result<New, Failure> {
    let text = template(origin);
    let file = folder.join(FILE_NAME);
    // Refused before anything is made if the origin is no origin; the environment has no say in a new file.
    let config = Config::parse(&file, &text, [])?;
    make_empty(folder)?;
    for inner in [&config.secrets, &config.trust] {
        std::fs::create_dir(inner).map_err(Failure::file(inner))?;
    }
    restrict(&config.secrets)?;
    let signer = LogKey::make(&config.secrets.join(LOG_KEY), &config.origin, &SystemEntropy)?;
    let log_key = publish(&signer, &config)?;
    DevelopmentAuthority::make(&config.secrets, &config.trust, &SystemClock, &SystemEntropy)?;
    if let SitePlace::Directory(path) = &config.site.place {
        let refused = |source| ArchiveError::Directory { site: config.site.name.clone(), source };
        LocalStore::make(path).map_err(refused)?;
    }
    // The file comes last: a folder that has one is complete.
    write_durably(&file, text.as_bytes(), 0o644).map_err(Failure::file(&file))?;
    Ok(New { config, file, log_key })
}

fn make_empty(folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(Failure::file(folder))?;
    let mut entries = std::fs::read_dir(folder).map_err(Failure::file(folder))?;
    if entries.next().is_some() { Err(Failure::NotEmpty(folder.to_owned())) } else { Ok(()) }
}

fn restrict(folder: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).map_err(Failure::file(folder))
}

/// Writes what verifiers need of the log's key, in both forms; returns the verifier key.
fn publish(signer: &LogKey, config: &Config) -> Result<String, Failure> {
    let name = KeyName::new(&config.origin).expect("the configuration takes key names only");
    let key = VerifierKey::new(name, KeyKind::Ed25519, &signer.public_key()).expect("an Ed25519 key has 32 bytes");
    for (file, text) in [(LOG_VKEY, format!("{key}\n")), (LOG_PEM, signer.public_pem())] {
        let path = config.trust.join(file);
        write_durably(&path, text.as_bytes(), 0o644).map_err(Failure::file(&path))?;
    }
    Ok(key.to_string())
}
