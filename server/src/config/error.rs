//! What is wrong with a configuration, said so that the operator knows what to write.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::keys::Key;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The file.
    File(PathBuf),
    /// An environment variable, by its name.
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "variable d’environnement {name}"),
        }
    }
}

/// A key and where its value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// File or variable.
    pub origin: Origin,
    /// The key with its tables: `listen.address`, `copies[0].name`.
    pub key: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, clé « {} »", self.origin, self.key)
    }
}

/// Why a configuration is refused. Its text is French and ends with what to write.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{} : fichier illisible ({source})\n  attendu : le fichier de configuration\n  exemple : « cartulaire init DOSSIER » en écrit un, puis « cartulaire --config DOSSIER/cartulaire.toml … »", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("{}, ligne {line}, colonne {column} : ce n’est pas du TOML\n  trouvé  : {found}\n  attendu : clé = valeur, ou [table] ({reason})\n  exemple : origin = \"archives.exemple.fr/journal\"", .file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// The line as it stands.
        found: String,
        /// The parser's reason.
        reason: String,
    },
    /// A key that means nothing.
    #[error("{place} : clé inconnue\n  trouvé  : {}\n  attendu : l’une de : {}\n  exemple : {example}", .place.key, .known.join(", "))]
    Unknown {
        /// Where.
        place: Place,
        /// The keys that this table takes.
        known: Vec<&'static str>,
        /// One of them as it is written.
        example: &'static str,
    },
    /// A key that must be there is not.
    #[error("{place} : clé absente\n  trouvé  : rien\n  attendu : {}\n  exemple : {}", .key.expected, .key.example)]
    Missing {
        /// Where.
        place: Place,
        /// What it takes.
        key: &'static Key,
    },
    /// A value that the key does not take.
    #[error("{place} : valeur refusée\n  trouvé  : {found}\n  attendu : {}\n  exemple : {}", .key.expected, .key.example)]
    Wrong {
        /// Where.
        place: Place,
        /// The value as it is written.
        found: String,
        /// What the key takes.
        key: &'static Key,
    },
    /// A variable goes into something that is no table: a list, or a plain value.
    #[error(
        "{place} : ce qui précède « __ » n’est pas une table\n  trouvé  : une liste ou une valeur simple dans le fichier\n  attendu : TABLE__CLÉ ; une liste se donne en entier\n  exemple : CARTULAIRE_LISTEN__ADDRESS=127.0.0.1:8440"
    )]
    NotATable {
        /// Where.
        place: Place,
    },
    /// Two sites, or two authorities of a tree, have one name.
    #[error(
        "{place} : nom donné deux fois\n  trouvé  : \"{name}\" deux fois\n  attendu : un nom différent pour chacun\n  exemple : name = \"{name}-2\""
    )]
    NameTwice {
        /// Where.
        place: Place,
        /// The name.
        name: String,
    },
    /// Nobody would time-stamp.
    #[error(
        "{0} : aucune autorité d’horodatage\n  trouvé  : rien\n  attendu : au moins une autorité, ou l’autorité de développement (non qualifiée)\n  exemple : development = [\"sha256\"], ou une table [[time_stamping.sha256]]"
    )]
    NoAuthority(Place),
    /// The development authority would silently stand in for real ones.
    #[error("{0} : autorités réelles et autorité de développement ensemble\n  trouvé  : cet arbre dans « development » et une table [[{key}]]\n  attendu : les unes ou l’autre, car un jeton de développement ne prouve rien à un tiers\n  exemple : development = []", key = .0.key)]
    DevelopmentBesideReal(Place),
}

impl ConfigError {
    pub(super) fn syntax(file: &Path, text: &str, error: &toml::de::Error) -> Self {
        let offset = error.span().map_or(0, |span| span.start).min(text.len());
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
        Self::Syntax {
            file: file.to_owned(),
            line: line + 1,
            column: column + 1,
            found: text.lines().nth(line).unwrap_or_default().trim().to_owned(),
            reason: error.message().to_owned(),
        }
    }
}
