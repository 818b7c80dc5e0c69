//! The commands and their arguments, with help that teaches.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::identity::Role;

const EXIT_CODES: &str = "\
Codes de sortie :
  0   fait
  1   échec
  2   commande mal écrite
  3   verify : prouvé, sous les réserves que dit le rapport
  4   refusé par une règle : versement rejeté, conflit, nom invalide, droit manquant ; rien n’a changé
  5   configuration, clé ou site à corriger d’abord
  6   l’archive est tenue par un autre processus : passez par lui avec --server
  7   pas maintenant : site, autorité ou serveur injoignable, preuve pas encore complète ; réessayez
  8   altération au repos
  75  le sort d’une écriture est inconnu ; relancer suffit

Pour commencer :
  cartulaire demo essai                       tout voir, du versement à la preuve, en quelques secondes
  cartulaire init /srv/cartulaire             créer une archive
  cartulaire -c /srv/cartulaire/cartulaire.toml serve";

/// Archive électronique à valeur probante.
///
/// Ce qui y est versé peut être remis à un juge des décennies plus tard, avec une preuve que chacun vérifie sans nous.
#[derive(Debug, Parser)]
#[command(name = "cartulaire", version, after_help = EXIT_CODES, arg_required_else_help = true, max_term_width = 110)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub common: Common,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(super) struct Common {
    /// Fichier de configuration.
    #[arg(
        short,
        long,
        global = true,
        value_name = "FICHIER",
        env = "CARTULAIRE_CONFIG",
        default_value = "cartulaire.toml"
    )]
    pub config: PathBuf,
    /// Passer par un serveur en marche, à cette adresse, plutôt que par l’archive de cette machine.
    #[arg(long, global = true, value_name = "URL", env = "CARTULAIRE_SERVER")]
    pub server: Option<String>,
    /// Clé d’API pour --server ; mieux : la variable CARTULAIRE_KEY, que les autres ne voient pas.
    #[arg(long, global = true, value_name = "CLÉ", env = "CARTULAIRE_KEY", hide_env_values = true)]
    pub key: Option<String>,
    /// Répondre en JSON, une valeur par ligne, pour une machine.
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Crée une archive : configuration, clés, autorité de développement, première clé d’administration.
    Init(Init),
    /// Sert l’archive : l’API HTTP, le scellement et l’horodatage.
    #[command(
        after_help = "S’arrête proprement sur SIGTERM ou SIGINT. Code 75 : une écriture au sort inconnu ; relancez.\n\nExemple :\n  cartulaire -c /srv/cartulaire/cartulaire.toml serve"
    )]
    Serve,
    /// Montre tout en une fois sur un dossier vide : verse des exemples, attend les preuves, les vérifie.
    Demo(Demo),
    /// Crée et liste les entités (services versants).
    Tenant(Tenant),
    /// Crée, liste et révoque les clés d’API.
    Key(Key),
    /// Verse des fichiers, ou un dossier qui a un deposit.json.
    Deposit(Deposit),
    /// Relit les fichiers d’une archive, empreintes vérifiées.
    Get(Get),
    /// Exporte le dossier de preuve d’une archive (un ZIP), en attendant l’horodatage s’il le faut.
    Prove(Prove),
    /// Vérifie un dossier de preuve, ou un site entier, sans croire ce que dit le service.
    Verify(Verify),
    /// Lit le journal d’une entité, ou ce qui concerne une archive.
    Journal(Journal),
    /// Dit où en est l’archive : sites, dernier engagement, dernier sceau, jetons en attente, volumes.
    Status,
    /// Reconstruit l’index depuis le site seul.
    Rebuild(Rebuild),
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exemples :\n  cartulaire init /srv/cartulaire\n  cartulaire init /srv/cartulaire --origin archives.exemple.fr/journal\n\nLa clé d’administration n’est montrée qu’une fois. Gardez une copie de DOSSIER/secrets hors de la machine."
)]
pub(super) struct Init {
    /// Dossier à créer, ou vide.
    #[arg(value_name = "DOSSIER")]
    pub folder: PathBuf,
    /// Nom du journal scellé : une adresse à vous, sans « https:// ». Il ne changera plus.
    #[arg(long, value_name = "NOM", default_value = "cartulaire.example/journal")]
    pub origin: String,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exemple :\n  cartulaire demo essai\n\nLes preuves de la démonstration portent des jetons de l’autorité de développement : NON QUALIFIÉE."
)]
pub(super) struct Demo {
    /// Dossier à créer, ou vide.
    #[arg(value_name = "DOSSIER")]
    pub folder: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Tenant {
    #[command(subcommand)]
    pub action: TenantAction,
}

#[derive(Debug, Subcommand)]
pub(super) enum TenantAction {
    /// Crée une entité.
    #[command(after_help = "Exemple :\n  cartulaire tenant create kerlouan --name \"Commune de Kerlouan-sur-Mer\"")]
    Create {
        /// Identifiant : a-z, 0-9 et « - », 32 caractères au plus.
        #[arg(value_name = "IDENTIFIANT")]
        id: String,
        /// Nom en clair.
        #[arg(long, value_name = "NOM")]
        name: String,
    },
    /// Liste les entités.
    List,
}

#[derive(Debug, Args)]
pub(super) struct Key {
    #[command(subcommand)]
    pub action: KeyAction,
}

#[derive(Debug, Subcommand)]
pub(super) enum KeyAction {
    /// Crée une clé ; son secret n’est montré qu’une fois.
    #[command(
        after_help = "Rôles :\n  depositor      verse, demande accusés et preuves\n  reader         lit les documents et leurs preuves\n  archivist      lit tout d’une entité, contrôle\n  auditor        lit les journaux, contrôle ; ne lit aucun document\n  administrator  crée entités et clés (entité « service » seulement)\n\nExemple :\n  cartulaire key create --tenant kerlouan --role depositor --role reader --label \"Portail\""
    )]
    Create {
        /// Entité.
        #[arg(long, value_name = "IDENTIFIANT")]
        tenant: String,
        /// Rôle ; répétez pour plusieurs.
        #[arg(long = "role", value_name = "RÔLE", required = true, value_parser = role)]
        roles: Vec<Role>,
        /// À quoi sert cette clé.
        #[arg(long, value_name = "TEXTE")]
        label: String,
    },
    /// Liste les clés d’une entité, révoquées comprises.
    List {
        /// Entité.
        #[arg(long, value_name = "IDENTIFIANT")]
        tenant: String,
    },
    /// Révoque une clé, aussitôt et pour toujours.
    #[command(after_help = "Exemple :\n  cartulaire key revoke 0123456789ab --tenant kerlouan")]
    Revoke {
        /// Identifiant de la clé : les 12 chiffres après « cart_ ».
        #[arg(value_name = "CLÉ")]
        id: String,
        /// Entité.
        #[arg(long, value_name = "IDENTIFIANT")]
        tenant: String,
    },
}

fn role(text: &str) -> Result<Role, String> {
    text.parse().map_err(|_| {
        let names: Vec<&str> = Role::ALL.iter().map(|role| role.name()).collect();
        format!("les rôles sont {}", names.join(", "))
    })
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exemples :\n  cartulaire deposit samples/acte --tenant kerlouan\n  cartulaire deposit deliberation.pdf annexe.pdf --tenant kerlouan --transfer ACTE-2026-042 --title \"Délibération 42\"\n\nUn même identifiant de transfert avec les mêmes octets redonne le même accusé ; avec d’autres, c’est un conflit."
)]
pub(super) struct Deposit {
    /// Fichiers, ou un dossier avec un deposit.json.
    #[arg(value_name = "CHEMIN", required = true)]
    pub paths: Vec<PathBuf>,
    /// Entité ; inutile s’il n’y en a qu’une.
    #[arg(long, value_name = "IDENTIFIANT")]
    pub tenant: Option<String>,
    /// Votre identifiant du transfert.
    #[arg(long, value_name = "IDENTIFIANT")]
    pub transfer: Option<String>,
    /// Intitulé de l’archive.
    #[arg(long, value_name = "TEXTE")]
    pub title: Option<String>,
    /// Métadonnée « nom=valeur » ; répétez pour plusieurs.
    #[arg(long = "metadata", value_name = "NOM=VALEUR", value_parser = pair)]
    pub metadata: Vec<(String, String)>,
    /// Écrire l’accusé de dépôt signé dans ce fichier.
    #[arg(long, value_name = "FICHIER")]
    pub receipt: Option<PathBuf>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("la forme est nom=valeur")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exemples :\n  cartulaire get 0195f2b0-6c1e-7abc-8def-0123456789ab --tenant kerlouan -o /tmp/archive\n  cartulaire get 0195f2b0-6c1e-7abc-8def-0123456789ab acte.pdf --tenant kerlouan"
)]
pub(super) struct Get {
    /// Archive.
    #[arg(value_name = "ARCHIVE")]
    pub archive: String,
    /// Fichiers voulus ; tous si aucun n’est nommé.
    #[arg(value_name = "FICHIER")]
    pub files: Vec<String>,
    /// Entité ; inutile s’il n’y en a qu’une.
    #[arg(long, value_name = "IDENTIFIANT")]
    pub tenant: Option<String>,
    /// Dossier où écrire ; aucun fichier n’est écrasé.
    #[arg(short, long, value_name = "DOSSIER", default_value = ".")]
    pub output: PathBuf,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exemple :\n  cartulaire prove 0195f2b0-6c1e-7abc-8def-0123456789ab --tenant kerlouan\n  cartulaire verify 0195f2b0-6c1e-7abc-8def-0123456789ab.zip --trust racine.pem\n\nLe dossier de preuve se suffit : son verifier.sh n’a besoin que d’openssl, xxd et des outils du shell."
)]
pub(super) struct Prove {
    /// Archive.
    #[arg(value_name = "ARCHIVE")]
    pub archive: String,
    /// Entité ; inutile s’il n’y en a qu’une.
    #[arg(long, value_name = "IDENTIFIANT")]
    pub tenant: Option<String>,
    /// Fichier à écrire ; ARCHIVE.zip par défaut. Il n’est pas écrasé.
    #[arg(short, long, value_name = "FICHIER")]
    pub output: Option<PathBuf>,
    /// Secondes d’attente de l’horodatage.
    #[arg(long, value_name = "SECONDES", default_value_t = 30)]
    pub wait: u64,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exemples :\n  cartulaire verify preuve.zip --trust racine.pem --log-key journal.vkey\n  cartulaire verify /srv/cartulaire/site --trust racine.pem\n\nLa racine et la clé du journal se prennent par une autre voie que le dossier vérifié : celles qu’il porte ne prouvent rien.\nSur une machine sans Cartulaire : cartulaire-verify, le même vérificateur, seul."
)]
pub(super) struct Verify {
    /// Dossier de preuve (ZIP ou dossier), ou site.
    #[arg(value_name = "CHEMIN")]
    pub path: PathBuf,
    /// Racines de confiance des autorités, en PEM ; répétez pour plusieurs.
    #[arg(long, value_name = "FICHIER")]
    pub trust: Vec<PathBuf>,
    /// Clé publique du journal (vkey) : le texte, ou un fichier.
    #[arg(long, value_name = "VKEY")]
    pub log_key: Option<String>,
    /// Liste de révocation, en DER ; répétez pour plusieurs.
    #[arg(long, value_name = "FICHIER")]
    pub crl: Vec<PathBuf>,
    /// Rapport en anglais.
    #[arg(long)]
    pub english: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exemples :\n  cartulaire journal --tenant kerlouan\n  cartulaire journal --tenant service --after 100 --limit 50 --json"
)]
pub(super) struct Journal {
    /// Entité ; inutile s’il n’y en a qu’une. « service » : le journal du service.
    #[arg(long, value_name = "IDENTIFIANT")]
    pub tenant: Option<String>,
    /// Seulement ce qui concerne cette archive.
    #[arg(long, value_name = "ARCHIVE")]
    pub archive: Option<String>,
    /// Après cette écriture.
    #[arg(long, value_name = "RANG")]
    pub after: Option<u64>,
    /// Nombre d’écritures au plus.
    #[arg(long, value_name = "NOMBRE", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: u64,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exemple :\n  cartulaire -c /srv/cartulaire/cartulaire.toml rebuild\n\nL’ancien index reste en place jusqu’à ce que le nouveau soit complet."
)]
pub(super) struct Rebuild {
    /// Accepter un site plus ancien que l’index : des engagements acquittés seraient perdus.
    #[arg(long)]
    pub accept_rollback: bool,
}
