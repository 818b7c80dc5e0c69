//! How a command ends: exit codes, and the failures that lead to them.
//!
//! The codes are a contract, listed in `docs/reference/cli.md` and in `cartulaire --help`.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use cartulaire_engine::admit::Rejection;
use cartulaire_engine::fault::{Fault, Retry};
use cartulaire_engine::index::IndexError;
use cartulaire_engine::ports::CreateError;
use cartulaire_engine::prove::BundleError;
use cartulaire_formats::aip::{ArchiveId, NotAnArchiveId};

use crate::config::ConfigError;
use crate::identity::IdentityError;
use crate::open::ArchiveError;
use crate::secrets::SecretError;
use crate::tsa::DevelopmentError;

/// An exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Success = 0,
    /// Not done, for a reason that no other code names.
    Failure = 1,
    /// Verified, and proven under the reservations that the report names: `cartulaire verify` alone.
    Reserved = 3,
    /// Refused by a rule: a rejected deposit, a conflict, an invalid name, a missing right. Nothing changed.
    Refused = 4,
    /// The configuration, a key or a site must be put right first.
    Configuration = 5,
    /// Another process holds the archive.
    Held = 6,
    /// Not now: a site, an authority or the server cannot be reached, or the proof is not there yet. Try again.
    Retry = 7,
    /// Something at rest is damaged.
    Damaged = 8,
    /// Whether the last write took effect is unknown; starting again recovers (`EX_TEMPFAIL` of sysexits).
    Poisoned = 75,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what it was asked. French: people at a terminal read it.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The archive cannot be opened.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The engine could not do it.
    #[error("{}", explain(.0))]
    Engine(#[from] Fault),
    /// A key file cannot be used or made.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The development authority cannot be made.
    #[error(transparent)]
    Development(#[from] DevelopmentError),
    /// A folder that must be empty is not.
    #[error("{} : le dossier n’est pas vide ; rien n’a été fait.\n  Donnez un dossier vide ou qui n’existe pas encore.", .0.display())]
    NotEmpty(PathBuf),
    /// The system refuses a file.
    #[error("{} : {source}.", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A deposit's folder or description is not what it must be.
    #[error("{} : {reason}", .path.display())]
    Parcel {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: ParcelReason,
    },
    /// The deposit breaks a rule of admission.
    #[error("versement rejeté : règle « {} », à « {} ».\n  Le rejet est journalisé ; corrigez le versement et renvoyez-le.", .0.rule, .0.place)]
    Rejected(Rejection),
    /// Other bytes were deposited under the same transfer identifier.
    #[error(
        "conflit : l’identifiant de transfert « {transfer} » a déjà servi pour un autre contenu (archive {archive}).\n  Donnez-en un autre (--transfer), ou relisez ce versement."
    )]
    Conflict {
        /// The identifier.
        transfer: String,
        /// The archive of then.
        archive: String,
    },
    /// The tenant or key to create breaks a rule.
    #[error("{}", explain_identity(*.0))]
    Identity(#[from] IdentityError),
    /// The text is no tenant's identifier.
    #[error(
        "« {0} » n’est pas un identifiant d’entité : a-z, 0-9 et « - », 32 caractères au plus, sans « - » au début."
    )]
    TenantName(String),
    /// There is such a tenant already.
    #[error("l’entité « {0} » existe déjà.")]
    TenantExists(String),
    /// There is no such tenant.
    #[error("l’entité « {0} » n’existe pas.\n  « cartulaire tenant list » donne celles qui existent.")]
    TenantUnknown(String),
    /// Several tenants exist, and none was named.
    #[error("quelle entité ? Ajoutez --tenant IDENTIFIANT.\n  « cartulaire tenant list » donne celles qui existent.")]
    TenantAmbiguous,
    /// There is no such key.
    #[error("aucune clé « {0} » : « cartulaire key list » donne celles qui existent.")]
    KeyUnknown(String),
    /// The text is no archive's identifier.
    #[error(
        "« {0} » n’est pas un identifiant d’archive.\n  Il a la forme 0195f2b0-6c1e-7abc-8def-0123456789ab ; « cartulaire deposit » l’affiche."
    )]
    NotAnArchive(String),
    /// The tenant has no such archive.
    #[error("l’entité « {tenant} » n’a pas d’archive {archive}.")]
    ArchiveUnknown {
        /// The tenant.
        tenant: String,
        /// The archive.
        archive: String,
    },
    /// The archive has no such file.
    #[error("l’archive n’a pas de fichier « {0} ».")]
    FileUnknown(String),
    /// The bytes received are not those of the file.
    #[error("« {0} » : les octets reçus n’ont pas l’empreinte annoncée ; le fichier n’a pas été gardé.")]
    NotTheFile(String),
    /// The proof is not there yet.
    #[error(
        "la preuve de l’archive {0} n’est pas encore complète.\n  Le versement est acquis ; le scellement et l’horodatage suivent. Réessayez, ou allongez --wait."
    )]
    ProofPending(String),
    /// A server is to be asked, but no key was given.
    #[error("le serveur demande une clé.\n  Ajoutez --key CLÉ, ou mieux : CARTULAIRE_KEY=CLÉ dans l’environnement.")]
    NoKey,
    /// The server cannot be reached.
    #[error(
        "serveur {url} injoignable ({source}).\n  Est-il démarré (« cartulaire serve ») ? L’adresse est-elle la bonne ?"
    )]
    Unreachable {
        /// Its address.
        url: String,
        /// The client's reason.
        source: reqwest::Error,
    },
    /// The server answered a problem.
    #[error("le serveur répond {status} ({code}) : {detail}{members}")]
    Problem {
        /// HTTP status.
        status: u16,
        /// The problem's stable code.
        code: String,
        /// Its French detail.
        detail: String,
        /// What varies, ready to print.
        members: String,
    },
    /// The server answered something that is no answer of this API.
    #[error("le serveur {0} a répondu autre chose que l’API de Cartulaire.\n  L’adresse est-elle la bonne ?")]
    NotOurs(String),
    /// What `--server` cannot do.
    #[error("« cartulaire {0} » travaille sur l’archive elle-même : lancez-la sur sa machine, sans --server.")]
    LocalOnly(&'static str),
    /// The address to listen on cannot be had.
    #[error(
        "impossible d’écouter sur {address} ({source}).\n  Un autre programme s’en sert peut-être ; changez listen.address dans le fichier de configuration."
    )]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// TLS cannot be served.
    #[error("TLS : {0}.\n  listen.certificate et listen.key doivent être un certificat et sa clé privée, en PEM.")]
    Tls(#[from] crate::http::serve::TlsError),
    /// The runtime cannot be started.
    #[error("le système refuse de démarrer le serveur ({0}).")]
    Runtime(io::Error),
    /// The bundle could not be assembled or written.
    #[error("{}", explain_bundle(.0))]
    Bundle(BundleError),
    /// What is to be verified is neither a bundle nor a site.
    #[error("{} : ni dossier de preuve (ZIP ou dossier) ni site.", .0.display())]
    NotVerifiable(PathBuf),
    /// A trust root is no certificate.
    #[error("{} : pas de certificat utilisable comme racine (PEM).", .0.display())]
    NotARoot(PathBuf),
    /// The log's key is no verifier key.
    #[error("« {0} » n’est ni une clé de journal (vkey) ni un fichier qui en contient une.")]
    NotALogKey(String),
    /// The store ends before what the index knows.
    #[error(
        "le site s’arrête à l’engagement {store}, l’index connaît l’engagement {index} : une copie plus ancienne a pris la place du site.\n  Remettez le site d’aujourd’hui. Si la perte est comprise et assumée : cartulaire rebuild --accept-rollback"
    )]
    RolledBack {
        /// Commits in the store.
        store: u64,
        /// Commits that the index knows.
        index: u64,
    },
    /// Writing stopped.
    #[error(
        "le sort d’une écriture est inconnu ; le service a cessé d’écrire et s’est arrêté.\n  Rien de ce qui a été acquitté n’est perdu. Relancez-le : il reprend de lui-même où il en était."
    )]
    Poisoned,
}

/// What is wrong with a deposit's folder or description.
#[derive(Debug, thiserror::Error)]
pub enum ParcelReason {
    /// Neither a file nor a folder with a description.
    #[error(
        "ce dossier n’a pas de deposit.json.\n  Donnez les fichiers eux-mêmes, ou ajoutez-y un deposit.json (voir docs/reference/cli.md)."
    )]
    NoDescription,
    /// The description is not JSON of the right form.
    #[error(
        "description refusée ({0}).\n  Forme attendue : {{\"title\": \"…\", \"transfer\": \"…\", \"metadata\": {{…}}, \"files\": [{{\"name\": \"…\", \"media_type\": \"…\"}}]}}"
    )]
    Description(serde_json::Error),
    /// A name that would leave the folder.
    #[error("« {0} » n’est pas un nom de fichier simple : les fichiers d’un versement sont dans son dossier même.")]
    Name(String),
    /// No transfer identifier anywhere.
    #[error(
        "il manque l’identifiant de transfert : ajoutez --transfer IDENTIFIANT, ou \"transfer\" dans deposit.json."
    )]
    NoTransfer,
    /// Several folders, or a folder among files.
    #[error("donnez un seul dossier, ou des fichiers seulement.")]
    Mixed,
}

impl Failure {
    /// The exit code.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Config(_) | Self::Secret(_) | Self::Development(_) | Self::Tls(_) | Self::Listen { .. } => {
                Exit::Configuration
            }
            Self::Archive(ArchiveError::Held) => Exit::Held,
            Self::Archive(ArchiveError::Engine(fault)) | Self::Engine(fault) => exit_of(fault),
            Self::Archive(_) => Exit::Configuration,
            Self::Rejected(_)
            | Self::Conflict { .. }
            | Self::Identity(_)
            | Self::TenantExists(_)
            | Self::TenantName(_) => Exit::Refused,
            Self::ProofPending(_) | Self::Unreachable { .. } => Exit::Retry,
            Self::Problem { status, code, .. } => match (status, code.as_str()) {
                (503, "recovery-needed") => Exit::Poisoned,
                (503, _) | (409, "proof-pending") => Exit::Retry,
                (500, "damaged-at-rest") => Exit::Damaged,
                (400..=499, _) => Exit::Refused,
                _ => Exit::Failure,
            },
            Self::Bundle(BundleError::NotAttested) => Exit::Retry,
            Self::Bundle(BundleError::Fault(fault)) => exit_of(fault),
            Self::RolledBack { .. } | Self::NotTheFile(_) => Exit::Damaged,
            Self::Poisoned => Exit::Poisoned,
            _ => Exit::Failure,
        }
    }

    /// A file that the system refuses.
    pub(super) fn file(path: &std::path::Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

impl From<IndexError> for Failure {
    fn from(error: IndexError) -> Self {
        match error {
            IndexError::Locked => ArchiveError::Held.into(),
            error => Self::Engine(error.into()),
        }
    }
}

impl From<BundleError> for Failure {
    fn from(error: BundleError) -> Self {
        Self::Bundle(error)
    }
}

impl From<CreateError> for Failure {
    fn from(error: CreateError) -> Self {
        Self::Engine(error.into())
    }
}

fn exit_of(fault: &Fault) -> Exit {
    match fault {
        Fault::Retry(_) => Exit::Retry,
        Fault::Poisoned => Exit::Poisoned,
        Fault::Damaged(_) | Fault::Index(_) => Exit::Damaged,
    }
}

/// Reads an archive's identifier.
///
/// # Errors
/// [`Failure::NotAnArchive`].
pub(super) fn archive_id(text: &str) -> Result<ArchiveId, Failure> {
    text.parse().map_err(|_: NotAnArchiveId| Failure::NotAnArchive(text.to_owned()))
}

fn explain(fault: &Fault) -> String {
    match fault {
        Fault::Retry(retry) => format!("pas maintenant : {}. Rien n’a changé ; réessayez.", explain_retry(*retry)),
        Fault::Poisoned => Failure::Poisoned.to_string(),
        Fault::Damaged(damage) => format!(
            "altération au repos : {damage}.\n  Rien d’altéré n’a été délivré. « cartulaire verify » sur le site dit ce qui est touché."
        ),
        Fault::Index(error) => format!(
            "index inutilisable : {error}.\n  Les archives ne sont pas en cause : « cartulaire rebuild » le reconstruit."
        ),
    }
}

fn explain_bundle(error: &BundleError) -> String {
    match error {
        BundleError::NotAttested => "la preuve n’est pas encore complète : l’horodatage est attendu.".to_owned(),
        BundleError::Fault(fault) => explain(fault),
        BundleError::Write(source) => format!("le dossier de preuve n’a pas pu être écrit ({source})."),
    }
}

fn explain_retry(retry: Retry) -> &'static str {
    match retry {
        Retry::Full => "un site obligatoire est plein",
        Retry::Unreachable => "un site obligatoire est injoignable",
        Retry::Busy => "trop de versements attendent",
        Retry::Signer => "la clé de signature est indisponible",
        Retry::Authority => "aucune autorité d’horodatage ne répond",
    }
}

fn explain_identity(error: IdentityError) -> &'static str {
    match error {
        IdentityError::NoRole => "une clé doit avoir au moins un rôle : --role depositor, par exemple.",
        IdentityError::RoleOutOfPlace => {
            "rôle mal placé : dans l’entité « service », administrator et auditor ; ailleurs, tous sauf administrator."
        }
        IdentityError::Label => "un nom ou un libellé a de 1 à 200 octets, sur une ligne.",
        IdentityError::Service => "« service » est l’entité du service lui-même ; choisissez un autre identifiant.",
    }
}
