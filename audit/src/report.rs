//! The report: verdicts on the claims, findings, facts, and what is not proven.

mod text;

use serde::{Serialize, Serializer};

use crate::finding::{Claim, Finding, Findings, Severity};
pub use text::Language;

/// Identifies the JSON report's schema.
pub const SCHEMA: &str = "cartulaire-verify/1";

/// What was examined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// A proof bundle.
    Bundle,
    /// A whole site.
    Site,
}

/// How a claim stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Re-derived from the bytes, nothing against it.
    Proven,
    /// Holds under the conditions that the reservations name.
    Reserved,
    /// Refuted, or not provable from what is there.
    NotProven,
    /// Nothing that was given lets it be examined.
    NotExamined,
}

/// A claim and how it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ClaimVerdict {
    /// The claim.
    pub claim: Claim,
    /// Its verdict.
    pub verdict: Verdict,
}

macro_rules! limits {
    ($($(#[$doc:meta])* $limit:ident, $code:literal, $french:literal, $english:literal;)*) => {
        /// What a report does not prove, whatever its verdicts.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Limit {
            $($(#[$doc])* $limit,)*
        }

        impl Limit {
            /// The stable code.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$limit => $code,)* }
            }

            /// The limit in French.
            #[must_use]
            pub const fn french(self) -> &'static str {
                match self { $(Self::$limit => $french,)* }
            }

            /// The limit in English.
            #[must_use]
            pub const fn english(self) -> &'static str {
                match self { $(Self::$limit => $english,)* }
            }
        }
    };
}

limits! {
    /// The truth of what the documents say.
    Truth, "truth", "que le contenu des documents soit exact ou vrai", "that what the documents say is accurate or true";
    /// Who wrote them.
    Author, "author", "l'identité de leur auteur, ni la validité des signatures qu'ils contiennent", "who wrote them, or that signatures inside them are valid";
    /// What happened before the deposit.
    Before, "before", "ce qui s'est passé avant le versement", "what happened before the deposit";
    /// Declared metadata.
    Declared, "declared", "les métadonnées déclarées par le déposant (titre, type de fichier)", "the metadata that the depositor declared (title, media type)";
    /// That the authority was qualified.
    Qualified, "qualified", "que l'autorité d'horodatage soit qualifiée (eIDAS, art. 42) : aucune liste de confiance n'a été fournie ; à défaut, tenir l'horodatage pour NON QUALIFIÉ", "that the time-stamp authority is qualified (eIDAS, art. 42): no trusted list was given; take the time-stamp as NOT QUALIFIED until shown";
    /// That no certificate was revoked.
    Revocation, "revocation", "qu'aucun certificat de l'autorité n'ait été révoqué : pas de liste de révocation postérieure au jeton", "that no certificate of the authority was revoked: no revocation list younger than the token";
    /// That the log's key is the service's.
    LogKey, "log-key", "que la clé du registre soit bien celle du service", "that the log's key is the service's own";
    /// That the root is the authority's.
    TrustRoot, "trust-root", "que l'horodatage émane d'une autorité de confiance", "that the time-stamp comes from a trusted authority";
    /// That this is the newest state.
    Rollback, "rollback", "que cet état soit le plus récent : aucun état du registre ni accusé de dépôt connu par ailleurs n'a été fourni", "that this is the latest state: no checkpoint or receipt known from elsewhere was given";
    /// That the extract has every event.
    Extract, "extract", "que l'extrait du journal contienne tous les événements : seul le journal entier le montre", "that the journal extract has every event: only the whole journal shows it";
    /// Events after the checkpoint.
    Later, "later", "ce qui s'est passé après le scellement examiné", "what happened after the seal examined";
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

/// A document of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DocumentFact {
    /// Its name.
    pub name: String,
    /// SHA-256 of the bytes found, in hexadecimal.
    pub sha256: String,
    /// Length found, in bytes.
    pub size: u64,
}

/// A time-stamp that was examined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TimeStampFact {
    /// The token's file.
    pub token: String,
    /// What it says, RFC 3339 in UTC.
    pub time: String,
    /// The signer's name, as its certificate says.
    pub authority: String,
    /// Whether a path to a given root was found, valid at that time.
    pub trusted: bool,
}

/// The log as examined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogFact {
    /// Its origin.
    pub origin: String,
    /// Its verifier key.
    pub key: String,
    /// Whether that key was given by the caller.
    pub key_given: bool,
    /// Entries that the last checkpoint covers.
    pub size: u64,
}

/// The deposit that a bundle is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DepositFact {
    /// The archive's identifier.
    pub archive: String,
    /// Whose it is.
    pub tenant: String,
    /// Title as declared.
    pub title: String,
    /// Who deposited.
    pub depositor: String,
    /// The depositor's own identifier of the transfer.
    pub transfer: String,
    /// When it was received, by the service's clock.
    pub received: String,
    /// When it was committed, by the service's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub committed: Option<String>,
    /// The journal entry's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
}

/// How much was examined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Commits read.
    pub commits: u64,
    /// Journal entries read.
    pub entries: u64,
    /// Objects whose bytes were hashed.
    pub objects: u64,
    /// Bytes hashed.
    pub bytes: u64,
    /// Seals read.
    pub seals: u64,
    /// Tokens verified.
    pub tokens: u64,
}

/// What was learnt on the way; unproven where a claim is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Facts {
    /// The deposit, of a bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deposit: Option<DepositFact>,
    /// The documents, of a bundle.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<DocumentFact>,
    /// The log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<LogFact>,
    /// The time-stamps: of a bundle all, of a site the last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub time_stamps: Vec<TimeStampFact>,
    /// How much was examined.
    pub counts: Counts,
}

/// The result of an audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// What was examined.
    pub subject: Subject,
    /// The whole, from the verdicts.
    pub result: Verdict,
    /// Every claim.
    pub verdicts: Vec<ClaimVerdict>,
    /// Every finding kept, in the order found.
    pub findings: Vec<Finding>,
    /// How many more findings there were.
    pub findings_dropped: u64,
    /// What was learnt.
    pub facts: Facts,
    /// What is not proven, whatever the verdicts.
    pub not_proven: Vec<Limit>,
}

impl Report {
    /// Draws verdicts from findings.
    ///
    /// - `examined`: the claims that what was given lets be judged.
    pub(crate) fn new(
        subject: Subject,
        findings: Findings,
        examined: &[Claim],
        facts: Facts,
        not_proven: Vec<Limit>,
    ) -> Self {
        let verdict = |claim: Claim| match findings.worst(claim) {
            Some(Severity::Failure) => Verdict::NotProven,
            Some(Severity::Reservation) => Verdict::Reserved,
            _ if examined.contains(&claim) => Verdict::Proven,
            _ => Verdict::NotExamined,
        };
        let verdicts = Claim::ALL.iter().map(|&claim| ClaimVerdict { claim, verdict: verdict(claim) });
        let verdicts: Vec<ClaimVerdict> = verdicts.collect();
        let has = |verdict| verdicts.iter().any(|v| v.verdict == verdict);
        let result = match (has(Verdict::NotProven), has(Verdict::Reserved)) {
            (true, _) => Verdict::NotProven,
            (false, true) => Verdict::Reserved,
            (false, false) => Verdict::Proven,
        };
        let (dropped, findings) = (findings.dropped(), findings.all().to_vec());
        Self { schema: SCHEMA, subject, result, verdicts, findings, findings_dropped: dropped, facts, not_proven }
    }

    /// The exit code of `cartulaire-verify`: 0 proven, 1 not proven, 3 proven with reservations. 2 is for errors of use.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.result {
            Verdict::Proven | Verdict::NotExamined => 0,
            Verdict::NotProven => 1,
            Verdict::Reserved => 3,
        }
    }

    /// The report as JSON of the schema [`SCHEMA`], ended by a line feed.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("a report has text keys and its writer is memory");
        json.push('\n');
        json
    }

    /// The report for people.
    #[must_use]
    pub fn to_text(&self, language: Language) -> String {
        text::write(self, language)
    }
}
