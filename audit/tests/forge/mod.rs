//! A small archive made by hand, from the formats alone: no line of the engine is in it, so that the audit is judged by
//! something that did not learn from what it judges.
//!
//! The archive: five commits, three seals. Commit 1 has the deposit that the bundle proves (an act, and an annex of
//! exactly 64 bytes); commit 2 attests seal 0 and deposits a large object in a container of its own beside content
//! that the tenant has already; commit 3 has enough readings to fill a tile; commit 4 is not sealed yet.

#![allow(dead_code, reason = "each test binary uses a part of the forge")]

use std::collections::BTreeMap;

use cartulaire_formats::aip::{AipDescriptor, ArchiveId, DescribedFile, FileRole};
use cartulaire_formats::bundle as names;
use cartulaire_formats::checkpoint::{Checkpoint, SignedCheckpoint};
use cartulaire_formats::commit::{DirectObject, JOURNAL, OPENINGS, Opening, TRAILER, Trailer, object_member};
use cartulaire_formats::container::{END, member_head, members, padding, streamed_head};
use cartulaire_formats::der::ObjectIdentifier;
use cartulaire_formats::ers::{self, EvidenceTree, LeafIndex, TreeDigest};
use cartulaire_formats::hash::{Blake3Digest, Blind, Commitment, LeafHash, RootHash, Sha256Digest, Sha512Digest};
use cartulaire_formats::journal::{EventType, JournalEntry, Outcome, TenantId, leaf_hash};
use cartulaire_formats::layout::{self, CommitNumber, EvidenceAlgorithm, SealNumber, SequenceNumber};
use cartulaire_formats::merkle::{self, LeafIndex as LogIndex, NodeHash, TreeSize};
use cartulaire_formats::note::{KeyKind, KeyName, Note, VerifierKey};
use cartulaire_formats::receipt::{Receipt, ReceivedFile};
use cartulaire_formats::tiles::{encode_bundle, tile_bytes};
use cartulaire_formats::time::Timestamp;
use cartulaire_formats::tlog_proof::TlogProof;
use cartulaire_formats::tsp::{
    MessageImprint, Nonce, TimeStampRequest, TimeStampResponse, TokenSigner, TokenTerms, TrustAnchors, issue,
};
use cartulaire_formats::x509::{CertificateKind, DistinguishedName, NewCertificate, SerialNumber, certificate_to_pem};
use ed25519_dalek::Signer as _;

pub type Files = BTreeMap<String, Vec<u8>>;

pub const ORIGIN: &str = "archives.example/sae1";
/// 2026-11-24T00:00:00Z.
const START_MILLIS: i64 = 1_795_478_400_000;

pub fn instant(millis: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(millis).unwrap()
}

pub fn now() -> jiff::Timestamp {
    "2026-12-01T00:00:00Z".parse().unwrap()
}

/// The log's key, from a seed.
pub struct LogKey {
    secret: ed25519_dalek::SigningKey,
    pub public: VerifierKey,
}

impl LogKey {
    pub fn new(seed: u8, origin: &str) -> Self {
        let secret = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
        let name = KeyName::new(origin).unwrap();
        let public = VerifierKey::new(name, KeyKind::Ed25519, secret.verifying_key().as_bytes()).unwrap();
        Self { secret, public }
    }

    pub fn sign(&self, text: String) -> String {
        Note::sign(text, &self.public, |bytes| self.secret.sign(bytes).to_bytes()).unwrap().to_string()
    }
}

/// A time-stamp authority with its own root.
pub struct Authority {
    root: Vec<u8>,
    unit: Vec<u8>,
    secret: p256::ecdsa::SigningKey,
}

fn p256_sign(secret: &p256::ecdsa::SigningKey, bytes: &[u8]) -> Result<Vec<u8>, std::convert::Infallible> {
    use p256::ecdsa::signature::Signer as _;
    let signature: p256::ecdsa::Signature = secret.sign(bytes);
    Ok(signature.to_der().as_bytes().to_vec())
}

fn p256_public(secret: &p256::ecdsa::SigningKey) -> [u8; 65] {
    secret.verifying_key().to_sec1_point(false).as_bytes().try_into().unwrap()
}

impl Authority {
    pub fn new(seed: u8, not_after: &str) -> Self {
        let secret = |n| p256::ecdsa::SigningKey::from_slice(&[n; 32]).unwrap();
        let (root_key, unit_key) = (secret(seed), secret(seed + 1));
        let name = |cn| DistinguishedName::new("FR", "Autorité d'essai", cn).unwrap();
        let (root_name, unit_name) = (name("Racine"), name("Horodatage"));
        let build = |serial: u8, subject, public, kind| {
            let certificate = NewCertificate {
                serial: &SerialNumber::from_magnitude(&[serial]).unwrap(),
                issuer: &root_name,
                issuer_key: &p256_public(&root_key),
                subject,
                public_key: &public,
                not_before: "2026-01-01T00:00:00Z".parse().unwrap(),
                not_after: not_after.parse().unwrap(),
                kind,
            };
            certificate.build(|bytes| p256_sign(&root_key, bytes)).unwrap()
        };
        let root = build(1, &root_name, p256_public(&root_key), CertificateKind::Root);
        let unit = build(2, &unit_name, p256_public(&unit_key), CertificateKind::TimeStampingUnit);
        Self { root, unit, secret: unit_key }
    }

    pub fn anchors(&self) -> TrustAnchors {
        TrustAnchors::new([&self.root]).unwrap()
    }

    pub fn root_pem(&self) -> String {
        certificate_to_pem(&self.root)
    }

    pub fn stamp(&self, imprint: MessageImprint, millis: i64) -> Vec<u8> {
        let request = TimeStampRequest::new(imprint, None, Nonce::new(std::num::NonZeroU64::MIN));
        let terms = TokenTerms {
            policy: ObjectIdentifier::SHA256,
            serial: SerialNumber::from_magnitude(&[7]).unwrap(),
            gen_time: instant(millis),
            accuracy: None,
        };
        let signer = TokenSigner { certificate: &self.unit, issuers: &[&self.root] };
        let response = issue(&request, &terms, &signer, |bytes| p256_sign(&self.secret, bytes)).unwrap();
        TimeStampResponse::parse(&response).unwrap().token.unwrap().to_vec()
    }
}

/// What an attacker who controls the service changes while it runs.
pub struct Plan {
    /// Called with every entry before it is chained and encoded.
    pub entry: fn(&mut JournalEntry),
    /// Called with every descriptor before it is encoded.
    pub descriptor: fn(&mut AipDescriptor),
    /// Milliseconds by which the authority's clock is behind ours.
    pub authority_behind: i64,
    /// Whether the third seal's token is missing.
    pub third_token: bool,
    pub log_key: LogKey,
    pub authority: Authority,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            entry: |_| {},
            descriptor: |_| {},
            authority_behind: -2_000,
            third_token: true,
            log_key: LogKey::new(1, ORIGIN),
            authority: Authority::new(11, "2036-01-01T00:00:00Z"),
        }
    }
}

/// A seal as made.
pub struct Seal {
    pub size: u64,
    pub checkpoint: SignedCheckpoint,
    openings: Vec<Opening>,
    tree256: EvidenceTree<Sha256Digest>,
    tree512: EvidenceTree<Sha512Digest>,
    pub token256: Vec<u8>,
    pub token512: Vec<u8>,
}

/// A deposit as made.
pub struct Deposit {
    pub descriptor: AipDescriptor,
    pub files: Vec<(String, Vec<u8>)>,
    pub openings: Vec<Opening>,
    pub seq: u64,
    pub commit: u64,
}

pub struct World {
    pub plan: Plan,
    pub files: Files,
    pub lines: Vec<Vec<u8>>,
    pub seals: Vec<Seal>,
    pub deposits: Vec<Deposit>,
    heads: BTreeMap<TenantId, LeafHash>,
    stored: BTreeMap<(TenantId, Sha256Digest), Blind>,
    commits: u64,
    previous: Option<Sha256Digest>,
    millis: i64,
    openings: Vec<Opening>,
    draft: Draft,
}

#[derive(Default)]
struct Draft {
    members: Vec<(String, Vec<u8>)>,
    commitments: Vec<Commitment>,
    containers: Vec<DirectObject>,
    openings: Vec<Opening>,
    first: u64,
}

pub fn tar(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, data) in members {
        out.extend(member_head(name, data.len() as u64, 1_795_478_400).unwrap());
        out.extend(data);
        out.resize(out.len() + padding(data.len() as u64), 0);
    }
    out.extend(END);
    out
}

pub fn untar(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    members(bytes).map(|m| m.map(|m| (m.name.to_owned(), m.data.to_vec())).unwrap()).collect()
}

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

pub fn act() -> Vec<u8> {
    b"Deliberation du conseil municipal.\n".repeat(20)
}

pub fn annex() -> Vec<u8> {
    vec![b'a'; 64]
}

impl World {
    /// The archive of the module's documentation.
    pub fn build(plan: Plan) -> Self {
        let mut w = Self {
            plan,
            files: Files::new(),
            lines: Vec::new(),
            seals: Vec::new(),
            deposits: Vec::new(),
            heads: BTreeMap::new(),
            stored: BTreeMap::new(),
            commits: 0,
            previous: None,
            millis: START_MILLIS,
            openings: Vec::new(),
            draft: Draft::default(),
        };
        w.keys();
        let key = w.plan.log_key.public.to_string();
        let origin = w.plan.log_key.public.name().to_string();
        w.entry(EventType::ServiceCreated, "service", "journal", &[("log_key", &key), ("origin", &origin)], vec![]);
        w.commit();
        w.deposit("mairie", &[("acte.pdf", act()), ("annexe.bin", annex())], false);
        let subject = format!("archive:{}", w.deposits[0].descriptor.archive);
        w.entry(EventType::Read, "mairie", &subject, &[], vec![]);
        w.commit();
        w.seal(true);
        w.attest(0);
        w.deposit("mairie", &[("acte.pdf", act()), ("plan.tif", vec![7; 3_000])], true);
        w.deposit("region", &[("acte.pdf", act())], false);
        w.commit();
        w.seal(true);
        w.attest(1);
        for _ in 0..260 {
            w.entry(EventType::Read, "mairie", &subject, &[], vec![]);
        }
        w.commit();
        let third = w.plan.third_token;
        w.seal(third);
        w.entry(EventType::Read, "region", "journal", &[], vec![]);
        w.commit();
        w
    }

    fn keys(&mut self) {
        let key = &self.plan.log_key.public;
        let id = u32::from_be_bytes(key.id().0);
        self.files.insert(layout::log_vkey(id).to_string(), format!("{key}\n").into_bytes());
        self.files.insert(layout::log_pem(id).to_string(), key.to_pem().into_bytes());
        let authority = &self.plan.authority;
        let name = layout::authority_certificate(&Sha256Digest::of(&authority.unit)).to_string();
        self.files.insert(name, certificate_to_pem(&authority.unit).into_bytes());
        self.files.insert("CARTULAIRE.txt".into(), b"lisez-moi\n".to_vec());
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.millis).unwrap()
    }

    fn entry(
        &mut self,
        event: EventType,
        whose: &str,
        subject: &str,
        facts: &[(&str, &str)],
        commitments: Vec<Commitment>,
    ) {
        self.millis += 10;
        let mut entry = JournalEntry {
            agent: "service".into(),
            commitments,
            facts: facts.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            outcome: Outcome::Success,
            prev: self.heads.get(&tenant(whose)).copied(),
            seq: SequenceNumber(self.lines.len() as u64),
            subject: subject.to_owned(),
            tenant: tenant(whose),
            time: self.time(),
            event,
            v: 1,
        };
        (self.plan.entry)(&mut entry);
        let line = entry.encode().unwrap();
        self.heads.insert(tenant(whose), leaf_hash(&line));
        self.lines.push(line);
    }

    fn store(&mut self, whose: &str, bytes: &[u8], direct: bool) -> Opening {
        let (sha256, count) = (Sha256Digest::of(bytes), self.stored.len());
        let key = (tenant(whose), sha256);
        let new = !self.stored.contains_key(&key);
        let blind = *self.stored.entry(key).or_insert_with(|| Blind(Sha256Digest::of(&[count as u8; 40]).0));
        let seq = SequenceNumber(self.lines.len() as u64);
        let opening = Opening { seq, sha256, blind, sha512: Some(Sha512Digest::of(bytes)) };
        let member = object_member(&tenant(whose), &sha256);
        if new && direct {
            let name = layout::direct_container("2026-11-24", "00112233445566778899aabbccddeeff").to_string();
            let mut container = streamed_head(&member, bytes.len() as u64, 1_795_478_400).unwrap().to_vec();
            container.extend(bytes);
            container.resize(container.len() + padding(bytes.len() as u64), 0);
            container.extend(END);
            self.draft.containers.push(DirectObject { commitment: opening.commitment(), container: name.clone() });
            self.files.insert(name, container);
        } else if new {
            self.draft.members.push((member, bytes.to_vec()));
            self.draft.commitments.push(opening.commitment());
        }
        self.draft.openings.push(opening);
        opening
    }

    fn deposit(&mut self, whose: &str, files: &[(&str, Vec<u8>)], last_is_direct: bool) {
        let described = files.iter().map(|(name, bytes)| DescribedFile {
            blake3: Blake3Digest::of(bytes),
            media_type: "application/octet-stream".into(),
            name: (*name).into(),
            role: FileRole::Content,
            sha256: Sha256Digest::of(bytes),
            sha512: Some(Sha512Digest::of(bytes)),
            size: bytes.len() as u64,
        });
        let mut descriptor = AipDescriptor {
            archive: ArchiveId::new(self.time(), [self.deposits.len() as u8; 10]),
            depositor: "key:portail".into(),
            files: described.collect(),
            metadata: BTreeMap::new(),
            received: self.time(),
            tenant: tenant(whose),
            title: "Délibération".into(),
            transfer: format!("versement-{}", self.deposits.len()),
            v: 1,
        };
        (self.plan.descriptor)(&mut descriptor);
        let mut openings = vec![self.store(whose, &descriptor.encode(), false)];
        for (index, (_, bytes)) in files.iter().enumerate() {
            openings.push(self.store(whose, bytes, last_is_direct && index + 1 == files.len()));
        }
        let (seq, subject) = (self.lines.len() as u64, format!("archive:{}", descriptor.archive));
        let commitments = openings.iter().map(Opening::commitment).collect();
        self.entry(EventType::Deposit, whose, &subject, &[], commitments);
        let files = files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.clone())).collect();
        self.deposits.push(Deposit { descriptor, files, openings, seq, commit: self.commits });
    }

    fn commit(&mut self) {
        let draft = std::mem::take(&mut self.draft);
        let lines = &self.lines[draft.first as usize..];
        let journal: Vec<u8> = lines.iter().flat_map(|line| [line.as_slice(), b"\n"].concat()).collect();
        let mut openings = String::new();
        draft.openings.iter().for_each(|opening| opening.encode(&mut openings));
        let trailer = Trailer {
            commit: CommitNumber(self.commits),
            containers: draft.containers,
            entries: lines.len() as u64,
            first: SequenceNumber(draft.first),
            journal: Sha256Digest::of(&journal),
            members: draft.commitments,
            previous: self.previous,
            time: self.time(),
            v: 1,
        };
        let mut all = draft.members;
        all.push((OPENINGS.into(), openings.into_bytes()));
        all.push((JOURNAL.into(), journal));
        all.push((TRAILER.into(), trailer.encode()));
        self.files.insert(layout::commit(CommitNumber(self.commits)).to_string(), tar(&all));
        self.previous = Some(Sha256Digest::of(&trailer.encode()));
        self.commits += 1;
        self.openings.extend(draft.openings);
        self.draft.first = self.lines.len() as u64;
    }

    pub fn leaves(&self) -> Vec<LeafHash> {
        self.lines.iter().map(|line| leaf_hash(line)).collect()
    }

    fn seal(&mut self, with_tokens: bool) {
        let leaves = self.leaves();
        self.tiles(&leaves);
        let key = &self.plan.log_key;
        let size = TreeSize(leaves.len() as u64);
        let checkpoint = Checkpoint::new(key.public.name().clone(), size, merkle::root_of(&leaves));
        let note = key.sign(checkpoint.to_string());
        let checkpoint = SignedCheckpoint::open(note.as_bytes(), &key.public, &[]).unwrap();
        let openings = std::mem::take(&mut self.openings);
        let last = self.seals.last();
        let text = checkpoint.text().as_bytes();
        let before = last.map_or(Sha256Digest::of(b""), |seal| seal.tree256.root());
        let leaf = |o: &Opening| ers::leaf_value(&o.sha256, &Sha256Digest::from_blind(&o.blind));
        let tree256 = tree(Sha256Digest::of(text), before, openings.iter().map(leaf));
        let before = last.map_or(Sha512Digest::of(b""), |seal| seal.tree512.root());
        let leaf = |o: &Opening| ers::leaf_value(&o.sha512.unwrap(), &o.blind.for_sha512());
        let tree512 = tree(Sha512Digest::of(text), before, openings.iter().map(leaf));
        let number = SealNumber(self.seals.len() as u64);
        let gen_time = (self.millis - self.plan.authority_behind) / 1000 * 1000;
        let token256 = self.plan.authority.stamp(tree256.root().imprint(), gen_time);
        let token512 = self.plan.authority.stamp(tree512.root().imprint(), gen_time);
        let mut put = |name: layout::ObjectName, bytes: Vec<u8>| drop(self.files.insert(name.to_string(), bytes));
        put(layout::checkpoint(number), note.into_bytes());
        put(layout::evidence_leaves(number, EvidenceAlgorithm::Sha256), flat(&tree256));
        put(layout::evidence_leaves(number, EvidenceAlgorithm::Sha512), flat(&tree512));
        if with_tokens {
            put(layout::token(number, EvidenceAlgorithm::Sha256), token256.clone());
            put(layout::token(number, EvidenceAlgorithm::Sha512), token512.clone());
        }
        self.millis += 5_000;
        let size = size.0;
        self.seals.push(Seal { size, checkpoint, openings, tree256, tree512, token256, token512 });
    }

    fn tiles(&mut self, leaves: &[LeafHash]) {
        for (number, lines) in self.lines.chunks_exact(256).enumerate() {
            let number = number as u64;
            self.files.insert(layout::entry_bundle(number).to_string(), encode_bundle(lines).unwrap());
            let hashes: Vec<NodeHash> =
                leaves[number as usize * 256..][..256].iter().map(|leaf| (*leaf).into()).collect();
            self.files.insert(layout::tile(0, number).to_string(), tile_bytes(&hashes));
        }
    }

    fn attest(&mut self, seal: usize) {
        for (algorithm, token) in [("sha256", false), ("sha512", true)] {
            let made = &self.seals[seal];
            let token = if token { &made.token512 } else { &made.token256 };
            let time = cartulaire_formats::tsp::TimeStampToken::parse(token).unwrap().tst_info().gen_time;
            let time = Timestamp::from_unix_millis(time.as_millisecond()).unwrap().to_string();
            let (number, digest) = (seal.to_string(), Sha256Digest::of(token).to_string());
            let facts = [
                ("algorithm", algorithm),
                ("authority", "essai"),
                ("qualified", "no"),
                ("seal", &number),
                ("time", &time),
                ("token", &digest),
            ];
            self.entry(EventType::SealAttested, "service", &format!("seal:{seal}"), &facts, vec![]);
        }
    }

    pub fn receipt(&self, deposit: usize) -> Receipt {
        let made = &self.deposits[deposit];
        let line = &self.lines[made.seq as usize];
        let entry = JournalEntry::parse(line).unwrap();
        let files = made.descriptor.files.iter();
        Receipt {
            archive: made.descriptor.archive,
            commit: CommitNumber(made.commit),
            descriptor: Sha256Digest::of(&made.descriptor.encode()),
            entry: leaf_hash(line),
            files: files.map(|f| ReceivedFile { name: f.name.clone(), sha256: f.sha256, size: f.size }).collect(),
            log: ORIGIN.into(),
            seq: entry.seq,
            tenant: entry.tenant,
            time: entry.time,
            transfer: made.descriptor.transfer.clone(),
        }
    }

    /// The payload of the bundle of the first deposit, as of the first seal.
    pub fn payload(&self) -> Files {
        let (deposit, seal) = (&self.deposits[0], &self.seals[0]);
        let mut out = Files::new();
        let mut put = |name: &str, bytes: Vec<u8>| drop(out.insert(name.to_owned(), bytes));
        put(names::README, b"Ce dossier prouve...\n".to_vec());
        put(names::VERIFIER, b"#!/bin/sh\n".to_vec());
        for (name, bytes) in &deposit.files {
            put(&names::document(name), bytes.clone());
        }
        put(names::DESCRIPTOR, deposit.descriptor.encode());
        put(names::LEAF, self.lines[deposit.seq as usize].clone());
        put(names::CHECKPOINT, seal.checkpoint.note().to_string().into_bytes());
        put(names::CHECKPOINT_BODY, seal.checkpoint.text().as_bytes().to_vec());
        put(names::POLICY, format!("log {}\nquorum none\n", self.plan.log_key.public).into_bytes());
        put(names::LOG_KEY_PEM, self.plan.log_key.public.to_pem().into_bytes());
        put(names::RECEIPT, self.plan.log_key.sign(self.receipt(0).text()).into_bytes());
        let proof = self.inclusion(deposit.seq, seal.size);
        put(names::LOG_PROOF, TlogProof::new(&proof, &seal.checkpoint, None).unwrap().to_string().into_bytes());
        let subject = format!("archive:{}", deposit.descriptor.archive);
        let (mut extract, mut proofs) = (Vec::new(), String::new());
        for line in &self.lines[..seal.size as usize] {
            let entry = JournalEntry::parse(line).unwrap();
            if entry.subject == subject {
                extract.extend_from_slice(line);
                extract.push(b'\n');
                let path = self.inclusion(entry.seq.0, seal.size);
                let path: Vec<String> = path.path().iter().map(|h| format!("\"{h}\"")).collect();
                proofs += &format!("{{\"proof\":[{}],\"seq\":{}}}\n", path.join(","), entry.seq);
            }
        }
        put(names::JOURNAL_EXTRACT, extract);
        put(names::JOURNAL_PROOFS, proofs.into_bytes());
        let authority = &self.plan.authority;
        let mut certificates: Vec<&Vec<u8>> = vec![&authority.unit, &authority.root];
        certificates.sort();
        let pem: String = certificates.iter().map(|der| certificate_to_pem(der)).collect();
        for (algorithm, token) in
            [(EvidenceAlgorithm::Sha256, &seal.token256), (EvidenceAlgorithm::Sha512, &seal.token512)]
        {
            put(&names::token(algorithm), token.clone());
            put(&names::token_certificates(algorithm), pem.clone().into_bytes());
            put(&names::checkpoint_record(algorithm), seal.record(algorithm, None));
        }
        for (position, opening) in deposit.openings.iter().enumerate() {
            put(&names::blind(position), format!("{}\n", opening.blind).into_bytes());
            for algorithm in [EvidenceAlgorithm::Sha256, EvidenceAlgorithm::Sha512] {
                put(&names::record(position, algorithm), seal.record(algorithm, Some(opening)));
            }
        }
        out
    }

    pub fn inclusion(&self, seq: u64, size: u64) -> merkle::InclusionProof {
        let leaves = &self.leaves()[..size as usize];
        merkle::InclusionProof::new(LogIndex(seq), TreeSize(size), path(seq as usize, leaves)).unwrap()
    }

    pub fn root_at(&self, size: usize) -> RootHash {
        merkle::root_of(&self.leaves()[..size])
    }
}

/// RFC 6962 §2.1.1, by its definition.
fn path(index: usize, leaves: &[LeafHash]) -> Vec<NodeHash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let split = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(split);
    let (mut below, other) =
        if index < split { (path(index, left), right) } else { (path(index - split, right), left) };
    below.push(NodeHash(merkle::root_of(other).0));
    below
}

impl Seal {
    /// The evidence record of an opening's object, or of the checkpoint's text.
    pub fn record(&self, algorithm: EvidenceAlgorithm, opening: Option<&Opening>) -> Vec<u8> {
        let position = opening.map_or(0, |o| 2 + self.openings.iter().position(|x| x == o).unwrap());
        let at = LeafIndex(position);
        match algorithm {
            EvidenceAlgorithm::Sha256 => {
                let text = Sha256Digest::of(self.checkpoint.text().as_bytes());
                let (digest, blind) = opening.map_or((text, None), |o| (o.sha256, Some(Sha256Digest(o.blind.0))));
                ers::encode_record(&ers::reduced_hashtree(&self.tree256, at, digest, blind).unwrap(), &self.token256)
            }
            EvidenceAlgorithm::Sha512 => {
                let text = Sha512Digest::of(self.checkpoint.text().as_bytes());
                let (digest, blind) = opening.map_or((text, None), |o| (o.sha512.unwrap(), Some(o.blind.for_sha512())));
                ers::encode_record(&ers::reduced_hashtree(&self.tree512, at, digest, blind).unwrap(), &self.token512)
            }
        }
    }
}

fn tree<D: TreeDigest>(text: D, before: D, leaves: impl Iterator<Item = D>) -> EvidenceTree<D> {
    EvidenceTree::from_leaf_values([text, before].into_iter().chain(leaves).collect()).unwrap()
}

fn flat<D: TreeDigest>(tree: &EvidenceTree<D>) -> Vec<u8> {
    tree.levels()[0].iter().flat_map(|leaf| leaf.bytes().to_vec()).collect()
}

/// Makes a bag of a payload: manifests and tag files, as whoever packs a bundle anew would.
pub fn bag(mut files: Files) -> Files {
    let manifest = |files: &Files, payload: bool, digest: fn(&[u8]) -> String| {
        let chosen = files.iter().filter(|(name, _)| name.starts_with("data/") == payload);
        chosen.map(|(name, bytes)| format!("{}  {name}\n", digest(bytes))).collect::<String>().into_bytes()
    };
    let sha256 = |bytes: &[u8]| Sha256Digest::of(bytes).to_string();
    let sha512 = |bytes: &[u8]| Sha512Digest::of(bytes).to_string();
    let size: usize = files.values().map(Vec::len).sum();
    let oxum = format!("Payload-Oxum: {size}.{}\n", files.len());
    let (first, second) = (manifest(&files, true, sha256), manifest(&files, true, sha512));
    files.insert(names::MANIFEST_SHA256.into(), first);
    files.insert(names::MANIFEST_SHA512.into(), second);
    files.insert(names::BAGIT.into(), names::BAGIT_TEXT.into());
    files.insert(names::BAG_INFO.into(), oxum.into_bytes());
    let tags = manifest(&files, false, sha256);
    files.insert(names::TAG_MANIFEST_SHA256.into(), tags);
    files
}
