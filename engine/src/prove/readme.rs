//! `LISEZMOI.txt`: what a clerk, an expert or a judge reads first. French, then English, plain text.

use std::fmt::Write as _;

use cartulaire_formats::aip::DescribedFile;
use cartulaire_formats::bundle;
use cartulaire_formats::layout::EvidenceAlgorithm;
use cartulaire_formats::note::VerifierKey;

use super::{Proof, SealTree, StampedToken, Standing};

const TEMPLATE: &str = include_str!("LISEZMOI.txt");

/// The text for a complete proof; it depends on the proof and the log's key alone.
pub(super) fn text(proof: &Proof, key: &VerifierKey) -> String {
    let descriptor = &proof.descriptor;
    let number = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
    let documents = || descriptor.files.iter().enumerate();
    let example = descriptor.files.first();
    let tokens = || proof.trees().iter().filter_map(|tree| tree.token().map(|token| (tree, token)));
    let first = tokens().next().map(|(_, token)| token);
    let list = |line: &dyn Fn(&SealTree, &StampedToken) -> String| {
        tokens().map(|(tree, token)| line(tree, token)).collect::<Vec<_>>().join("\n")
    };
    let is_development = tokens().any(|(_, token)| token.standing() == Standing::Development);
    fill(&[
        ("archive", descriptor.archive.to_string()),
        ("title", descriptor.title.clone()),
        ("tenant", descriptor.tenant.to_string()),
        ("depositor", descriptor.depositor.clone()),
        ("transfer", descriptor.transfer.clone()),
        ("received", descriptor.received.to_string()),
        ("committed", proof.entry.time.to_string()),
        ("seq", proof.entry.seq.to_string()),
        ("seal", number(proof.seal().map(|seal| seal.0))),
        ("size", number(proof.tree_size().map(|size| size.0))),
        ("key", key.to_string()),
        ("key_name", key.name().as_str().to_owned()),
        ("key_id", key.id().to_string()),
        ("epoch", number(first.and_then(|token| u64::try_from(token.gen_time().unix_seconds()).ok()))),
        ("stamps_fr", list(&|tree, token| stamp(tree, token, FRENCH))),
        ("stamps_en", list(&|tree, token| stamp(tree, token, ENGLISH))),
        ("standing_fr", FRENCH.standing[usize::from(is_development)].to_owned()),
        ("standing_en", ENGLISH.standing[usize::from(is_development)].to_owned()),
        ("roots_fr", list(&|tree, token| root(tree, token, FRENCH))),
        ("roots_en", list(&|tree, token| root(tree, token, ENGLISH))),
        ("documents_fr", documents().map(|(i, file)| document(i, file, FRENCH)).collect::<Vec<_>>().join("\n")),
        ("documents_en", documents().map(|(i, file)| document(i, file, ENGLISH)).collect::<Vec<_>>().join("\n")),
        ("check_manifest", check_manifest(&descriptor.files)),
        ("sums", descriptor.files.iter().map(sum).collect::<Vec<_>>().join("\n")),
        ("example_position", "001".to_owned()),
        ("example_name", example.map(|file| file.name.clone()).unwrap_or_default()),
    ])
}

/// Replaces each `{name}` of the template in one pass: what a depositor wrote is never read as a placeholder.
fn fill(values: &[(&str, String)]) -> String {
    let mut out = String::with_capacity(TEMPLATE.len() * 2);
    let mut rest = TEMPLATE;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let found = after.split_once('}').and_then(|(name, tail)| {
            let value = values.iter().find(|(key, _)| *key == name)?;
            Some((&value.1, tail))
        });
        rest = match found {
            Some((value, tail)) => {
                out.push_str(value);
                tail
            }
            None => {
                out.push('{');
                after
            }
        };
    }
    out + rest
}

/// The sentences that depend on the proof, in one language.
struct Words {
    stamped: &'static str,
    by: &'static str,
    policy: &'static str,
    development: &'static str,
    unestablished: &'static str,
    declared: &'static str,
    /// In part 3: for outside authorities, then for the development authority.
    standing: [&'static str; 2],
    root: &'static str,
    root_absent: &'static str,
    root_development: &'static str,
    bytes: &'static str,
    manifest: &'static str,
}

const FRENCH: &Words = &Words {
    stamped: "Horodaté le      ",
    by: "par",
    policy: "politique",
    development: "NON QUALIFIÉE : autorité de développement embarquée, sans valeur envers les tiers",
    unestablished: "qualification non établie ici : voir la partie 3",
    declared: "déclarée qualifiée par l'exploitant du service : à vérifier, voir la partie 3",
    standing: [
        "- Que l'autorité d'horodatage est qualifiée au sens du règlement eIDAS. Cherchez-la dans la liste de confiance\n  européenne à la date de l'horodatage : seule cette liste l'établit, et la présomption de l'article 41 en dépend.",
        "- La date, envers un tiers : l'horodatage est NON QUALIFIÉ. Il vient de l'autorité de développement embarquée dans le\n  service, qui détient donc elle-même la clé. Il montre que le mécanisme fonctionne, rien de plus.",
    ],
    root: "le certificat racine de l'autorité d'horodatage (root.pem), auprès de cette autorité ou de la liste de confiance\n  européenne ; l'empreinte SHA-256 du certificat (DER) doit être",
    root_absent: "le certificat racine de l'autorité d'horodatage (root.pem), auprès de cette autorité ou de la liste de confiance\n  européenne ; il n'est pas dans le jeton",
    root_development: "le certificat racine de l'autorité de développement (root.pem), auprès de qui exploite le service ; l'empreinte SHA-256\n  du certificat (DER) doit être",
    bytes: "octet(s)",
    manifest: "description du dépôt, telle que reçue",
};

const ENGLISH: &Words = &Words {
    stamped: "Time-stamped     ",
    by: "by",
    policy: "policy",
    development: "NOT QUALIFIED: embedded development authority, without value to third parties",
    unestablished: "qualification not established here: see part 3",
    declared: "declared qualified by the service's operator: to be verified, see part 3",
    standing: [
        "- That the time-stamp authority is qualified in the sense of the eIDAS regulation. Look it up in the European trusted\n  list at the time of the time-stamp: only that list says so, and the presumption of article 41 depends on it.",
        "- The time, to a third party: the time-stamp is NOT QUALIFIED. It comes from the development authority embedded in the\n  service, which thus holds the key itself. It shows that the mechanism works, nothing more.",
    ],
    root: "the time-stamp authority's root certificate (root.pem), from that authority or the European trusted list; the SHA-256\n  of the certificate (DER) must be",
    root_absent: "the time-stamp authority's root certificate (root.pem), from that authority or the European trusted list; it is not\n  in the token",
    root_development: "the development authority's root certificate (root.pem), from whoever runs the service; the SHA-256 of the certificate\n  (DER) must be",
    bytes: "byte(s)",
    manifest: "description of the deposit, as received",
};

fn stamp(tree: &SealTree, token: &StampedToken, words: &Words) -> String {
    let standing = match token.standing() {
        Standing::Development => words.development,
        Standing::Unestablished => words.unestablished,
        Standing::DeclaredQualified => words.declared,
    };
    let (time, authority, policy) = (token.gen_time(), token.authority(), token.policy());
    let Words { stamped, by, policy: policy_word, .. } = words;
    format!(
        "{stamped}{time} ({}), {by} {authority}\n                 ({policy_word} {policy} ; {standing})",
        tree.algorithm
    )
}

fn root(tree: &SealTree, token: &StampedToken, words: &Words) -> String {
    let algorithm = tree.algorithm;
    let which = match algorithm {
        EvidenceAlgorithm::Sha256 => "",
        EvidenceAlgorithm::Sha512 => " (SHA-512)",
    };
    let sentence = match (token.standing(), token.root()) {
        (_, None) => return format!("- {}{which} ;", words.root_absent),
        (Standing::Development, Some(_)) => words.root_development,
        (Standing::Unestablished | Standing::DeclaredQualified, Some(_)) => words.root,
    };
    let digest = token.root().map(|digest| digest.to_string()).unwrap_or_default();
    format!("- {sentence}{which}\n  {digest}\n  (openssl x509 -in root.pem -outform DER | sha256sum) ;")
}

fn document(index: usize, file: &DescribedFile, words: &Words) -> String {
    let mut line = format!("  {:03}  {}\n       {} {}", index + 1, file.name, file.size, words.bytes);
    if file.role == cartulaire_formats::aip::FileRole::Manifest {
        write!(line, ", {}", words.manifest).expect("a String takes all");
    }
    write!(line, ", SHA-256 {}", file.sha256).expect("a String takes all");
    line
}

/// BagIt spells `%` as `%25`, which sha256sum does not read.
fn check_manifest(files: &[DescribedFile]) -> String {
    let manifest = bundle::MANIFEST_SHA256;
    if files.iter().any(|file| file.name.contains('%')) {
        return format!("sed 's/%25/%/g' {manifest} | sha256sum -c -");
    }
    format!("sha256sum -c {manifest}")
}

fn sum(file: &DescribedFile) -> String {
    let path = bundle::document(&file.name).replace('\'', r"'\''");
    format!("    sha256sum '{path}'")
}
