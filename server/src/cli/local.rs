//! The archive opened in this process. The operator at the keyboard is the agent `operator`, and every call is journaled.

use std::cell::RefCell;
use std::fs::File;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cartulaire_engine::admit::{Presented, PresentedFile};
use cartulaire_engine::archive::Archive;
use cartulaire_engine::bounds::STREAM_CHUNK_BYTES;
use cartulaire_engine::commit::{Committed, Event, Submission};
use cartulaire_engine::fault::Fault;
use cartulaire_engine::prove::Stage;
use cartulaire_engine::read::FoundArchive;
use cartulaire_engine::receive::{Received, Reception};
use cartulaire_engine::service::Service;
use cartulaire_formats::aip::{ArchiveId, FileRole};
use cartulaire_formats::journal::{EventType, Outcome, TenantId};
use cartulaire_formats::layout::SequenceNumber;
use cartulaire_formats::note::Note;
use cartulaire_formats::receipt::Receipt;
use indicatif::ProgressBar;

use super::door::{ArchiveView, Deposited, Door, FileView, KeyView, NewKeyView, TenantView};
use super::exit::Failure;
use super::parcel::{Content, DescribedFile, MANIFEST, Parcel};
use super::screen::Screen;
use crate::config::Config;
use crate::identity::{self, ApiKey, KeyId, KeyRecord, Role, TenantRecord};
use crate::open;

/// Who does what the command line does, in the journal.
const OPERATOR: &str = "operator";

/// The archive of this machine, its writers running.
pub(super) struct Local {
    service: Service,
}

impl Local {
    /// Opens the archive, with a sign of life while it recovers.
    pub fn open(config: &Config, screen: &Screen) -> Result<Self, Failure> {
        let bar = screen.spinner("ouverture");
        let service = open::service(config, &mut |_| bar.inc(1));
        bar.finish_and_clear();
        Ok(Self { service: service? })
    }

    pub fn service(&self) -> &Service {
        &self.service
    }

    fn archive(&self) -> &Arc<Archive> {
        self.service.archive()
    }

    fn submit(&self, event: Event) -> Result<(), Failure> {
        Ok(self.service.submit_and_wait(Submission::Event(event)).map(|_| ())?)
    }

    /// Journals something that the operator did.
    fn note(&self, tenant: &TenantId, event: EventType, subject: String, outcome: Outcome) -> Result<(), Failure> {
        let event = Event::of_service(event, &subject, outcome);
        self.submit(Event { tenant: tenant.clone(), agent: OPERATOR.into(), ..event })
    }

    fn tenant(&self, id: &str) -> Result<TenantId, Failure> {
        let unknown = || Failure::TenantUnknown(id.to_owned());
        let tenant: TenantId = id.parse().map_err(|_| unknown())?;
        self.archive().index().tenant(&tenant)?.map(|_| tenant).ok_or_else(unknown)
    }

    fn find(&self, tenant: &TenantId, archive: &ArchiveId) -> Result<FoundArchive, Failure> {
        let unknown = || Failure::ArchiveUnknown { tenant: tenant.to_string(), archive: archive.to_string() };
        self.archive().find(tenant, archive)?.ok_or_else(unknown)
    }

    fn receive(&self, file: &DescribedFile, content: &Content, bar: &ProgressBar) -> Result<Received, Failure> {
        let mut reception = Reception::new(Arc::clone(self.archive()), file.sha512.is_some());
        match content {
            Content::Embedded(bytes) => reception.write(bytes)?,
            Content::Path(path, _) => {
                let mut source = File::open(path).map_err(Failure::file(path))?;
                let mut piece = vec![0; STREAM_CHUNK_BYTES];
                loop {
                    let read = source.read(&mut piece).map_err(Failure::file(path))?;
                    if read == 0 {
                        break;
                    }
                    reception.write(&piece[..read])?;
                    bar.inc(read as u64);
                }
            }
        }
        Ok(reception.finish()?)
    }

    fn present(&self, tenant: TenantId, parcel: &Parcel, bar: &ProgressBar) -> Result<Presented, Failure> {
        let mut files = Vec::new();
        for (file, content) in parcel.description.files.iter().zip(&parcel.contents) {
            files.push(PresentedFile {
                name: file.name.clone(),
                media_type: file.media_type.clone().unwrap_or_else(|| "application/octet-stream".into()),
                declared_sha256: file.sha256,
                declared_sha512: file.sha512,
                declared_size: file.size,
                received: self.receive(file, content, bar)?,
            });
        }
        let mut reception = Reception::new(Arc::clone(self.archive()), false);
        reception.write(&parcel.manifest)?;
        let manifest = PresentedFile {
            name: MANIFEST.into(),
            media_type: "application/json".into(),
            declared_sha256: None,
            declared_sha512: None,
            declared_size: None,
            received: reception.finish()?,
        };
        Ok(Presented {
            tenant,
            agent: OPERATOR.into(),
            transfer: parcel.transfer.clone(),
            title: parcel.description.title.clone(),
            metadata: parcel.description.metadata.clone(),
            files,
            manifest: Some(manifest),
        })
    }

    /// Waits until an entry is under every token, at most that long; returns whether it is.
    pub fn attested(&self, seq: SequenceNumber, longest: Duration) -> Result<bool, Failure> {
        let until = Instant::now() + longest;
        let left = || until.saturating_duration_since(Instant::now());
        if !self.service.wait_until(left(), |milestones| milestones.sealed_size > seq.0) {
            return Ok(false);
        }
        let Some((seal, _)) = self.archive().index().seal_of(seq)? else { return Ok(false) };
        Ok(self.service.wait_until(left(), |milestones| milestones.attested_seals > seal.0))
    }
}

impl Door for Local {
    fn create_tenant(&self, id: &str, name: &str) -> Result<TenantView, Failure> {
        let tenant: TenantId = id.parse().map_err(|_| Failure::TenantName(id.to_owned()))?;
        if self.archive().index().tenant(&tenant)?.is_some() && !tenant.is_service() {
            return Err(Failure::TenantExists(id.to_owned()));
        }
        let record = TenantRecord::new(tenant, name.to_owned(), self.archive().clock().now())?;
        self.submit(record.created_event(OPERATOR))?;
        Ok(record.into())
    }

    fn tenants(&self) -> Result<Vec<TenantView>, Failure> {
        Ok(identity::tenants(self.archive().index())?.into_iter().map(TenantView::from).collect())
    }

    fn create_key(&self, tenant: &str, roles: &[Role], label: &str) -> Result<NewKeyView, Failure> {
        let tenant = self.tenant(tenant)?;
        let key = ApiKey::draw(self.archive().entropy());
        let now = self.archive().clock().now();
        let record = KeyRecord::new(&key, tenant, roles.iter().copied().collect(), label.to_owned(), now)?;
        self.submit(record.created_event(OPERATOR))?;
        Ok(NewKeyView { key: record.into(), secret: key.reveal() })
    }

    fn keys(&self, tenant: &str) -> Result<Vec<KeyView>, Failure> {
        let tenant = self.tenant(tenant)?;
        Ok(identity::keys_of(self.archive().index(), &tenant)?.into_iter().map(KeyView::from).collect())
    }

    fn revoke_key(&self, tenant: &str, id: &str) -> Result<KeyView, Failure> {
        let tenant = self.tenant(tenant)?;
        let unknown = || Failure::KeyUnknown(id.to_owned());
        let key: KeyId = id.parse().map_err(|_| unknown())?;
        let record = identity::find_key(self.archive().index(), &key)?.filter(|record| record.tenant == tenant);
        let mut record = record.ok_or_else(unknown)?;
        if record.revoked.is_none() {
            let now = self.archive().clock().now();
            self.submit(record.clone().revoked_event(OPERATOR, now))?;
            record.revoked = Some(now);
        }
        Ok(record.into())
    }

    fn deposit(&self, tenant: &str, parcel: &Parcel, bar: &ProgressBar) -> Result<Deposited, Failure> {
        let tenant = self.tenant(tenant)?;
        let presented = self.present(tenant.clone(), parcel, bar)?;
        let admitted = match self.archive().admit(presented)? {
            Ok(admitted) => admitted,
            Err(rejection) => {
                let event = Event::of_service(EventType::DepositRejected, "journal", Outcome::Refused);
                let event = event.with_fact("rule", rejection.rule).with_fact("place", &rejection.place);
                self.submit(Event { tenant, agent: OPERATOR.into(), ..event })?;
                return Err(Failure::Rejected(rejection));
            }
        };
        match self.service.submit_and_wait(Submission::Deposit(Box::new(admitted)))? {
            Committed::Deposit(deposit) => deposited(self.archive().receipt(&deposit)?, false),
            Committed::Replayed(archive) => {
                let unknown = || Failure::ArchiveUnknown { tenant: tenant.to_string(), archive: archive.to_string() };
                let receipt = self.archive().receipt_of(&tenant, &archive)?.ok_or_else(unknown)?;
                self.note(&tenant, EventType::ReceiptIssued, subject(&archive), Outcome::Success)?;
                deposited(receipt, true)
            }
            Committed::Conflict(archive) => {
                self.note(&tenant, EventType::DepositRejected, subject(&archive), Outcome::Refused)?;
                let (transfer, archive) = (parcel.transfer.clone(), archive.to_string());
                Err(Failure::Conflict { transfer, archive })
            }
            Committed::Event(_) => unreachable!("a deposit's outcome is never an event's"),
        }
    }

    fn describe(&self, tenant: &str, archive: &ArchiveId) -> Result<ArchiveView, Failure> {
        let tenant = self.tenant(tenant)?;
        let found = self.find(&tenant, archive)?;
        self.note(&tenant, EventType::MetadataRead, subject(archive), Outcome::Success)?;
        Ok(found.into())
    }

    fn read(
        &self,
        tenant: &str,
        archive: &ArchiveId,
        file: &FileView,
        out: &mut dyn Write,
        bar: &ProgressBar,
    ) -> Result<(), Failure> {
        let tenant = self.tenant(tenant)?;
        let found = self.find(&tenant, archive)?;
        let described = found.descriptor.files.get(file.position);
        let described = described.ok_or_else(|| Failure::FileUnknown(file.name.clone()))?;
        self.note(&tenant, EventType::Read, subject(archive), Outcome::Success)?;
        let written = RefCell::new(Ok(()));
        self.archive().open_file(&tenant, described)?.stream(&described.blake3, |piece| {
            bar.inc(piece.len() as u64);
            *written.borrow_mut() = out.write_all(&piece);
            written.borrow().is_ok()
        })?;
        written.into_inner().map_err(|source| Failure::File { path: file.name.clone().into(), source })
    }

    fn bundle(&self, tenant: &str, archive: &ArchiveId, wait: Duration, out: &mut dyn Write) -> Result<(), Failure> {
        let tenant = self.tenant(tenant)?;
        let found = self.find(&tenant, archive)?;
        let pending = || Failure::ProofPending(archive.to_string());
        if !self.attested(found.row.seq, wait)? {
            return Err(pending());
        }
        let proof = self.archive().proof(&tenant, archive)?.filter(|proof| proof.stage() == Stage::Attested);
        let proof = proof.ok_or_else(pending)?;
        self.note(&tenant, EventType::BundleIssued, subject(archive), Outcome::Success)?;
        Ok(self.archive().write_bundle(&proof, out)?)
    }

    fn journal(
        &self,
        tenant: &str,
        archive: Option<&ArchiveId>,
        after: Option<u64>,
        limit: u64,
    ) -> Result<Vec<String>, Failure> {
        let tenant = self.tenant(tenant)?;
        let from = SequenceNumber(after.map_or(0, |after| after.saturating_add(1)));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let index = self.archive().index();
        let places = match archive {
            None => index.entries_of(&tenant, from, limit)?,
            Some(archive) => {
                self.find(&tenant, archive)?;
                let all = index.entries_about(&subject(archive))?.into_iter();
                all.filter(|(seq, _)| *seq >= from).take(limit).collect()
            }
        };
        let lines = self.archive().entry_lines(&places)?;
        let about = archive.map_or_else(|| "journal".to_owned(), subject);
        self.note(&tenant, EventType::JournalRead, about, Outcome::Success)?;
        Ok(lines.into_iter().map(|line| String::from_utf8_lossy(&line).into_owned()).collect())
    }
}

fn subject(archive: &ArchiveId) -> String {
    format!("archive:{archive}")
}

/// What a receipt says; the receipt itself is what counts.
fn deposited(receipt: String, replayed: bool) -> Result<Deposited, Failure> {
    let parsed = Note::parse(receipt.as_bytes()).ok().and_then(|note| Receipt::parse(note.text()).ok());
    let parsed = parsed.ok_or(Failure::Engine(Fault::Poisoned))?;
    Ok(Deposited {
        archive: parsed.archive.to_string(),
        tenant: parsed.tenant.to_string(),
        transfer: parsed.transfer,
        seq: parsed.seq.0,
        commit: parsed.commit.0,
        time: parsed.time.to_string(),
        replayed,
        receipt,
    })
}

impl From<TenantRecord> for TenantView {
    fn from(record: TenantRecord) -> Self {
        Self { id: record.id.to_string(), name: record.name, created: record.created.to_string() }
    }
}

impl From<KeyRecord> for KeyView {
    fn from(record: KeyRecord) -> Self {
        Self {
            id: record.id.to_string(),
            tenant: record.tenant.to_string(),
            roles: record.roles.into_iter().collect(),
            label: record.label,
            created: record.created.to_string(),
            revoked: record.revoked.map(|time| time.to_string()),
        }
    }
}

impl From<FoundArchive> for ArchiveView {
    fn from(found: FoundArchive) -> Self {
        let file = |(position, file): (usize, &cartulaire_formats::aip::DescribedFile)| FileView {
            position,
            name: file.name.clone(),
            role: match file.role {
                FileRole::Content => "content".into(),
                FileRole::Manifest => "manifest".into(),
            },
            size: file.size,
            hash: file.sha256.to_string(),
        };
        Self {
            archive: found.descriptor.archive.to_string(),
            files: found.descriptor.files.iter().enumerate().map(file).collect(),
            title: found.descriptor.title,
        }
    }
}
