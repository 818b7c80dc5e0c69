//! Findings: what is wrong, where, and how much it weighs. Broken input is not an error but a finding.
//!
//! [`Fault`] is closed; its codes are stable, reports and tests quote them. Each fault bears on exactly one [`Claim`].

use std::fmt;

use serde::{Serialize, Serializer};

use crate::bounds::FINDINGS_KEPT_MAX;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing; takes nothing from the proof.
    Note,
    /// Something is missing to conclude, or does not last: the proof holds under a condition.
    Reservation,
    /// A claim is refuted.
    Failure,
}

macro_rules! claims {
    ($($(#[$doc:meta])* $claim:ident, $code:literal, $french:literal, $english:literal;)*) => {
        /// What a bundle or a site claims. Codes are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Claim {
            $($(#[$doc])* $claim,)*
        }

        impl Claim {
            /// All claims, in the order of a report.
            pub const ALL: &'static [Self] = &[$(Self::$claim),*];

            /// The stable code.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$claim => $code,)* }
            }

            /// The claim in French.
            #[must_use]
            pub const fn french(self) -> &'static str {
                match self { $(Self::$claim => $french,)* }
            }

            /// The claim in English.
            #[must_use]
            pub const fn english(self) -> &'static str {
                match self { $(Self::$claim => $english,)* }
            }
        }
    };
}

claims! {
    /// Nothing is missing, added or out of place.
    Whole, "whole", "Rien ne manque, rien n'est ajouté ni déplacé.",
        "Nothing is missing, added or out of place.";
    /// The objects are those that were deposited, to the byte.
    Content, "content", "Les documents sont ceux qui ont été versés, à l'octet près.",
        "The documents are those that were deposited, to the byte.";
    /// The journal is continuous and says what it said.
    Journal, "journal", "Le journal du cycle de vie est continu et n'a pas été modifié.",
        "The life-cycle journal is continuous and unaltered.";
    /// The entries are in the signed log.
    Log, "log", "Les écritures du journal figurent dans le registre signé par le service.",
        "The journal's entries are in the log that the service signed.";
    /// All of it existed at the time of the tokens.
    Time, "time", "Tout cela existait à la date des jetons d'horodatage.",
        "All of it existed at the time of the time-stamp tokens.";
    /// What the service had signed before is honoured.
    Word, "word", "Le service s'en tient à ce qu'il avait déjà signé (accusé de dépôt, état du registre).",
        "The service stands by what it had signed before (receipt, state of the log).";
}

macro_rules! faults {
    ($($(#[$doc:meta])* $fault:ident, $code:literal, $severity:ident, $claim:ident, $french:literal, $english:literal;)*) => {
        /// A rule that what was examined breaks. Closed; codes are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $($(#[$doc])* $fault,)*
        }

        impl Fault {
            /// Every fault that the audit can find.
            pub const ALL: &'static [Self] = &[$(Self::$fault),*];

            /// The stable code.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$fault => $code,)* }
            }

            /// How much it weighs.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$fault => Severity::$severity,)* }
            }

            /// The claim that it bears on.
            #[must_use]
            pub const fn claim(self) -> Claim {
                match self { $(Self::$fault => Claim::$claim,)* }
            }

            /// The fault in French.
            #[must_use]
            pub const fn french(self) -> &'static str {
                match self { $(Self::$fault => $french,)* }
            }

            /// The fault in English.
            #[must_use]
            pub const fn english(self) -> &'static str {
                match self { $(Self::$fault => $english,)* }
            }
        }
    };
}

faults! {
    // ---- any source ----
    /// A file could not be read, or is longer than anything that belongs there.
    Unreadable, "unreadable", Failure, Whole, "fichier illisible", "the file cannot be read";
    /// A link or a device, or a folder too deep.
    NotRegular, "not-regular", Failure, Whole, "ni un fichier ni un dossier ordinaire", "neither a regular file nor an ordinary folder";
    /// Something that the layout does not know.
    Unknown, "unknown", Reservation, Whole, "objet inconnu, que rien n'atteste", "unknown object, which nothing vouches for";

    // ---- the bundle's form ----
    /// Not a ZIP, a truncated one, or one with too many entries.
    ZipUnreadable, "zip-unreadable", Failure, Whole, "le ZIP est illisible ou tronqué", "the ZIP is damaged or truncated";
    /// A name that could leave the folder, or that two readers would read differently.
    UnsafeName, "unsafe-name", Failure, Whole, "nom de fichier dangereux ou illisible", "unsafe or unreadable file name";
    /// Two entries of one name.
    DuplicateName, "duplicate-name", Failure, Whole, "deux fichiers portent le même nom", "two files have the same name";
    /// A compressed or encrypted entry.
    ZipEntry, "zip-entry", Failure, Whole, "entrée du ZIP comprimée, chiffrée ou spéciale", "compressed, encrypted or special entry in the ZIP";
    /// Bytes that the directory does not show, or shows otherwise.
    ZipHidden, "zip-hidden", Failure, Whole, "le ZIP contient des octets que son répertoire ne montre pas", "the ZIP has bytes that its directory does not show";
    /// Not exactly one top folder, or not the archive's identifier.
    TopFolder, "top-folder", Failure, Whole, "le dossier de tête n'est pas l'identifiant de l'archive", "the top folder is not the archive's identifier";
    /// More files than a bundle can have.
    TooManyFiles, "too-many-files", Failure, Whole, "trop de fichiers pour un dossier de preuve", "more files than a bundle can have";
    /// bagit.txt or bag-info.txt is not what BagIt asks for.
    BagForm, "bag-form", Failure, Whole, "ce n'est pas un sac BagIt 1.0 conforme", "not a sound BagIt 1.0 bag";
    /// A manifest's line is malformed or repeated.
    ManifestForm, "manifest-form", Failure, Whole, "ligne de manifeste malformée ou répétée", "malformed or repeated line of a manifest";
    /// A file that is required or listed is not there.
    FileMissing, "file-missing", Failure, Whole, "fichier absent", "the file is missing";
    /// A file that a manifest does not list.
    FileNotListed, "file-not-listed", Failure, Whole, "fichier absent d'un manifeste", "a manifest does not list the file";
    /// A file whose digest is not its manifest's.
    FileDigest, "file-digest", Failure, Whole, "l'empreinte du fichier n'est pas celle du manifeste", "the file's digest is not its manifest's";
    /// A listed file that a bundle does not have.
    FileUnexpected, "file-unexpected", Failure, Whole, "fichier étranger au dossier de preuve", "a file that does not belong in a bundle";

    // ---- descriptor, documents, commitments ----
    /// The AIP descriptor is not canonical JSON of the right shape.
    DescriptorForm, "descriptor-form", Failure, Content, "descripteur d'archive malformé", "malformed archive descriptor";
    /// A document's digest or size is not the descriptor's.
    DocumentDiffers, "document-differs", Failure, Content, "le document n'est pas celui que le descripteur décrit", "the document is not the one that the descriptor describes";
    /// A blind that is not 64 hexadecimal characters and a line feed.
    BlindForm, "blind-form", Failure, Content, "aléa (blind) malformé", "malformed blind";
    /// A commitment of the journal entry is not to this object.
    CommitmentDiffers, "commitment-differs", Failure, Content, "l'engagement inscrit au journal n'est pas celui de cet objet", "the journal's commitment is not to this object";
    /// The entry has more or fewer commitments than descriptor and files.
    CommitmentCount, "commitment-count", Failure, Content, "le nombre d'engagements n'est pas celui des objets", "the number of commitments is not that of the objects";
    /// A document as long as two hashes: its evidence record alone does not tell it from a tree's node.
    NodeLength, "node-length", Note, Content, "document de la taille d'un nœud d'arbre : son enregistrement de preuve ne suffit pas, l'engagement inscrit au journal tranche", "a document as long as a tree's node: its evidence record does not suffice, the journal's commitment settles it";

    // ---- journal ----
    /// A journal entry is malformed.
    EntryForm, "entry-form", Failure, Journal, "écriture de journal malformée", "malformed journal entry";
    /// The bundle's entry is not a successful deposit.
    NotADeposit, "not-a-deposit", Failure, Journal, "l'écriture n'est pas un versement réussi", "the entry is not a successful deposit";
    /// An entry about another archive or tenant.
    OtherSubject, "other-subject", Failure, Journal, "l'écriture concerne une autre archive ou un autre service", "the entry is about another archive or tenant";
    /// Entries out of order, repeated, or with a gap where there can be none.
    EntryOrder, "entry-order", Failure, Journal, "écritures en désordre, répétées ou manquantes", "entries out of order, repeated or missing";
    /// An entry does not name the same tenant's previous one.
    EntryChain, "entry-chain", Failure, Journal, "l'écriture ne désigne pas la précédente du même service", "the entry does not name the same tenant's previous one";
    /// An entry is older than the one before.
    TimeBackwards, "time-backwards", Failure, Journal, "date antérieure à celle de l'écriture précédente", "older than the entry before";
    /// The extract lacks the deposit's own entry.
    ExtractLacksDeposit, "extract-lacks-deposit", Failure, Journal, "l'extrait du journal ne contient pas le versement", "the journal extract lacks the deposit";
    /// A commit is missing.
    CommitMissing, "commit-missing", Failure, Journal, "commit absent", "the commit is missing";
    /// A commit's container breaks a rule of its form.
    CommitForm, "commit-form", Failure, Journal, "le conteneur du commit enfreint une règle de forme", "the commit's container breaks a rule of its form";
    /// A commit's trailer names another number, another first entry or the digest of another predecessor.
    CommitChain, "commit-chain", Failure, Journal, "le commit ne fait pas suite au précédent", "the commit does not follow the one before";
    /// Entry 0 is not the service's creation with its origin and key.
    FirstEntry, "first-entry", Failure, Journal, "la première écriture n'est pas la création du service", "the first entry is not the service's creation";
    /// An attestation in the journal that names no seal, or is malformed.
    AttestationForm, "attestation-form", Failure, Journal, "attestation malformée ou d'un scellement inconnu", "malformed attestation, or of an unknown seal";

    // ---- objects of a site ----
    /// A commitment that nothing at rest opens, with no elimination journaled.
    OpeningMissing, "opening-missing", Failure, Content, "l'ouverture d'un engagement manque", "a commitment's opening is missing";
    /// A committed object that lies nowhere.
    ObjectMissing, "object-missing", Failure, Content, "l'objet ne se trouve nulle part", "the object lies nowhere";
    /// An object's bytes are not those of its name.
    ObjectDiffers, "object-differs", Failure, Content, "les octets de l'objet ne sont pas ceux de son nom", "the object's bytes are not those of its name";
    /// Size, BLAKE3 or SHA-512 are not the descriptor's.
    FixityDiffers, "fixity-differs", Failure, Content, "taille, BLAKE3 ou SHA-512 autres que ceux du descripteur", "size, BLAKE3 or SHA-512 other than the descriptor's";
    /// A descriptor that does not match its journal entry.
    DescriptorDiffers, "descriptor-differs", Failure, Content, "le descripteur ne correspond pas à son écriture de journal", "the descriptor does not match its journal entry";
    /// A direct container that a commit names is missing.
    ContainerMissing, "container-missing", Failure, Content, "conteneur absent", "the container is missing";
    /// A direct container breaks a rule of its form.
    ContainerForm, "container-form", Failure, Content, "le conteneur enfreint une règle de forme", "the container breaks a rule of its form";
    /// A direct container that no commit names.
    ContainerOrphan, "container-orphan", Reservation, Whole, "conteneur qu'aucun commit ne nomme", "a container that no commit names";

    // ---- log ----
    /// No log key was given: the one in what is examined authenticates nothing.
    LogKeyNotGiven, "log-key-not-given", Reservation, Log, "clé du registre non fournie : celle trouvée ici n'authentifie rien", "no log key given: the one found here authenticates nothing";
    /// A key at rest is not the log's, or not the one given.
    LogKeyDiffers, "log-key-differs", Failure, Log, "cette clé n'est pas celle du registre", "this key is not the log's";
    /// policy.txt is not `log <vkey>` and `quorum none`.
    PolicyForm, "policy-form", Failure, Log, "politique de registre malformée", "malformed log policy";
    /// The tlog-proof is malformed.
    ProofForm, "proof-form", Failure, Log, "preuve d'inclusion malformée", "malformed inclusion proof";
    /// An inclusion proof does not lead from the entry to the checkpoint.
    ProofFails, "proof-fails", Failure, Log, "la preuve d'inclusion ne mène pas de l'écriture au registre", "the inclusion proof does not lead from the entry to the log";
    /// A checkpoint is no signed note of a log's state.
    CheckpointForm, "checkpoint-form", Failure, Log, "état du registre malformé", "malformed checkpoint";
    /// A checkpoint that the log's key did not sign.
    CheckpointSignature, "checkpoint-signature", Failure, Log, "l'état du registre n'est pas signé par sa clé", "the checkpoint is not signed by the log's key";
    /// Copies of the checkpoint in one bundle differ.
    CheckpointCopies, "checkpoint-copies", Failure, Log, "les exemplaires de l'état du registre diffèrent", "the copies of the checkpoint differ";
    /// A checkpoint is missing between others.
    CheckpointMissing, "checkpoint-missing", Failure, Log, "scellement absent", "the seal is missing";
    /// A checkpoint smaller than the one before.
    CheckpointShrinks, "checkpoint-shrinks", Failure, Log, "registre plus court qu'au scellement précédent", "the log is shorter than at the seal before";
    /// A checkpoint covers more entries than are at rest.
    EntriesMissing, "entries-missing", Failure, Log, "le registre scellé contient plus d'écritures que les commits", "the sealed log has more entries than the commits";
    /// A checkpoint's root is not that of the entries at rest.
    RootDiffers, "root-differs", Failure, Log, "la racine du registre n'est pas celle des écritures", "the log's root is not that of the entries";
    /// The root cannot be recomputed: earlier entries are missing.
    RootUnknown, "root-unknown", Failure, Log, "racine invérifiable : des écritures antérieures manquent", "the root cannot be recomputed: earlier entries are missing";
    /// A full tile or entry bundle is not there; it can be rebuilt.
    TileMissing, "tile-missing", Reservation, Log, "tuile du registre absente (reconstructible)", "a tile of the log is missing (it can be rebuilt)";
    /// A tile or entry bundle is not what the entries give.
    TileDiffers, "tile-differs", Failure, Log, "la tuile n'est pas celle des écritures", "the tile is not what the entries give";
    /// Entries that no checkpoint covers yet.
    Unsealed, "unsealed", Note, Log, "écritures pas encore scellées", "entries not sealed yet";

    // ---- evidence ----
    /// An evidence record is malformed.
    RecordForm, "record-form", Failure, Time, "enregistrement de preuve malformé", "malformed evidence record";
    /// An evidence record of another shape than ours: several time-stamps, values beside the path.
    RecordShape, "record-shape", Failure, Time, "enregistrement de preuve d'une autre structure que la nôtre", "an evidence record of another shape than ours";
    /// An evidence record that covers another object.
    RecordObject, "record-object", Failure, Time, "l'enregistrement de preuve couvre un autre objet", "the evidence record covers another object";
    /// An evidence record whose second list is not the object's blind.
    RecordBlind, "record-blind", Failure, Time, "l'enregistrement de preuve porte un autre aléa", "the evidence record has another blind";
    /// An evidence record whose path does not lead to its token's imprint.
    RecordPath, "record-path", Failure, Time, "l'enregistrement de preuve ne mène pas à l'empreinte horodatée", "the evidence record does not lead to the stamped digest";
    /// An evidence record with another token than the bundle's.
    RecordToken, "record-token", Failure, Time, "l'enregistrement de preuve contient un autre jeton", "the evidence record holds another token";
    /// One of the fifteen checks of a token fails.
    TokenCheck, "token-check", Failure, Time, "le jeton d'horodatage échoue à un contrôle", "the time-stamp token fails a check";
    /// A token that held at its time and no longer does at the time of the audit.
    TokenAged, "token-aged", Reservation, Time, "le jeton était valable à sa date mais ne l'est plus à la date du contrôle", "the token held at its time but no longer does";
    /// No trust root was given.
    TrustNotGiven, "trust-not-given", Reservation, Time, "racine de confiance non fournie : l'autorité d'horodatage n'est pas authentifiée", "no trust root given: the time-stamp authority is not authenticated";
    /// The certificates beside a token are not those in it.
    CertificatesDiffer, "certificates-differ", Failure, Time, "les certificats joints ne sont pas ceux du jeton", "the certificates are not those of the token";
    /// A certificate's file is not named by its digest, or holds none.
    CertificateMisnamed, "certificate-misnamed", Failure, Time, "le certificat ne correspond pas à son nom", "the certificate does not match its name";
    /// An entry is younger than the token that covers it: one of the clocks was wrong.
    ClockAhead, "clock-ahead", Reservation, Time, "écriture datée après le jeton qui la couvre : l'horloge du service avançait", "an entry dated after the token that covers it: the service's clock was ahead";
    /// A seal's evidence leaves are missing.
    LeavesMissing, "leaves-missing", Failure, Time, "feuilles de preuve absentes", "the evidence leaves are missing";
    /// A seal's evidence leaves are not those of the objects.
    LeavesDiffer, "leaves-differ", Failure, Time, "les feuilles de preuve ne sont pas celles des objets", "the evidence leaves are not those of the objects";
    /// A token that the journal names is missing.
    TokenMissing, "token-missing", Failure, Time, "le jeton que le journal mentionne est absent", "the token that the journal names is missing";
    /// A token is not the one that the journal names.
    TokenReplaced, "token-replaced", Failure, Time, "le jeton n'est pas celui que le journal mentionne", "the token is not the one that the journal names";
    /// A seal has no token yet.
    TokenPending, "token-pending", Note, Time, "scellement pas encore horodaté", "the seal has no token yet";

    // ---- the service's earlier word ----
    /// A receipt is no signed note of a receipt.
    ReceiptForm, "receipt-form", Failure, Word, "accusé de dépôt malformé", "malformed receipt";
    /// A receipt that the log's key did not sign.
    ReceiptSignature, "receipt-signature", Failure, Word, "l'accusé de dépôt n'est pas signé par la clé du registre", "the receipt is not signed by the log's key";
    /// A receipt says otherwise than what is proven.
    ReceiptDiffers, "receipt-differs", Failure, Word, "l'accusé de dépôt contredit ce qui est prouvé", "the receipt contradicts what is proven";
    /// A receipt's entry is not at rest: something was rolled back, or forked.
    ReceiptBroken, "receipt-broken", Failure, Word, "l'écriture de l'accusé de dépôt a disparu ou changé : retour en arrière ou bifurcation", "the receipt's entry is gone or changed: rollback or fork";
    /// A known checkpoint is not signed by the log's key.
    KnownForeign, "known-foreign", Failure, Word, "l'état connu n'est pas signé par la clé du registre", "the known checkpoint is not signed by the log's key";
    /// What is at rest does not extend a known checkpoint: something was rolled back, or forked.
    KnownBroken, "known-broken", Failure, Word, "les écritures ne prolongent pas l'état connu : retour en arrière ou bifurcation", "the entries do not extend the known checkpoint: rollback or fork";
}

macro_rules! as_code {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.code())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.code())
            }
        }
    )*};
}
as_code!(Claim, Fault);

/// Where a finding is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Place {
    /// The file of the bundle, or the object of the site.
    pub object: String,
    /// The member inside it, if it is a container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// The line from 1, or the position from 0, inside that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
}

impl Place {
    /// A whole file or object.
    #[must_use]
    pub fn object(object: impl Into<String>) -> Self {
        Self { object: object.into(), member: None, at: None }
    }

    /// A member of a container.
    #[must_use]
    pub fn member(object: impl Into<String>, member: impl Into<String>) -> Self {
        Self { object: object.into(), member: Some(member.into()), at: None }
    }

    /// The same place, at a line or position.
    #[must_use]
    pub fn at(mut self, at: u64) -> Self {
        self.at = Some(at);
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.object)?;
        if let Some(member) = &self.member {
            write!(f, " › {member}")?;
        }
        self.at.map_or(Ok(()), |at| write!(f, ":{at}"))
    }
}

/// One fault at one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is wrong.
    pub fault: Fault,
    /// How much it weighs: [`Fault::severity`].
    pub severity: Severity,
    /// The claim that it bears on: [`Fault::claim`].
    pub claim: Claim,
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// The rule of the format that is broken, in the words of its own error, for experts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Findings as they come: the first [`FINDINGS_KEPT_MAX`] of each fault whole, all counted.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    kept: Vec<Finding>,
    dropped: u64,
    counts: std::collections::BTreeMap<Fault, usize>,
    worst: std::collections::BTreeMap<Claim, Severity>,
}

impl Findings {
    /// Adds a fault at a place.
    pub fn add(&mut self, fault: Fault, place: Place) {
        self.push(fault, place, None);
    }

    /// Adds a fault that concerns the whole audit, unless it was found already.
    pub fn add_once(&mut self, fault: Fault, place: Place) {
        if !self.counts.contains_key(&fault) {
            self.add(fault, place);
        }
    }

    /// Adds a fault with the error that tells more.
    pub fn explain(&mut self, fault: Fault, place: Place, error: &dyn fmt::Display) {
        self.push(fault, place, Some(error.to_string()));
    }

    fn push(&mut self, fault: Fault, place: Place, detail: Option<String>) {
        let (severity, claim) = (fault.severity(), fault.claim());
        let worst = self.worst.entry(claim).or_insert(severity);
        *worst = severity.max(*worst);
        let count = self.counts.entry(fault).or_default();
        *count += 1;
        if *count > FINDINGS_KEPT_MAX {
            self.dropped += 1;
        } else {
            self.kept.push(Finding { fault, severity, claim, place, detail });
        }
    }

    /// The findings kept, in the order found.
    #[must_use]
    pub fn all(&self) -> &[Finding] {
        &self.kept
    }

    /// How many more were found than kept.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The heaviest finding that bears on a claim, those not kept included.
    #[must_use]
    pub fn worst(&self, claim: Claim) -> Option<Severity> {
        self.worst.get(&claim).copied()
    }
}
