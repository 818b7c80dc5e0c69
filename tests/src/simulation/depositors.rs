//! What depositors do.

use cartulaire_engine::admit::{PresentedFile, Rejection, Rule};
use cartulaire_engine::commit::{Committed, Event, Submission};
use cartulaire_engine::fault::Fault;
use cartulaire_formats::journal::{EventType, Outcome};

use super::{Happening, Simulation, Wrong};
use crate::model::OwnedFile;
use crate::rig::Rig;

/// A deposit to be made: tenant, transfer identifier, files.
struct Wish {
    tenant: String,
    transfer: String,
    files: Vec<OwnedFile>,
}

impl Simulation {
    pub(super) fn deposit(&mut self, happening: Happening) -> Result<(), Wrong> {
        let wishes = match happening {
            Happening::Batch => (0..2 + self.dice.below(6)).map(|_| self.wish(Happening::Small)).collect(),
            happening => vec![self.wish(happening)],
        };
        self.submit(wishes)
    }

    fn wish(&mut self, happening: Happening) -> Wish {
        self.transfers += 1;
        let tenant = self.any_tenant().to_owned();
        let files = match happening {
            Happening::Large => {
                let mut files = vec![self.document("plan.bin", 1_050_000, 300_000)];
                if self.dice.below(2) == 0 {
                    files.push(self.document("note.txt", 1, 400));
                }
                files
            }
            Happening::SameContent => self.known_files(&tenant),
            _ => (0..=self.dice.below(3)).map(|i| self.document(&format!("acte-{i}.txt"), 0, 3_000)).collect(),
        };
        Wish { tenant, transfer: format!("T-{}", self.transfers), files }
    }

    /// `least` bytes and up to `more` of them.
    fn document(&mut self, name: &str, least: u64, more: u64) -> OwnedFile {
        let length = least + self.dice.below(more);
        let seed = self.dice.roll();
        let byte = |i: u64| (seed.wrapping_mul(i / 11 + 1) >> 32) as u8;
        (name.to_owned(), (0..length).map(byte).collect())
    }

    /// The files of one of the tenant's transfers, or new ones if there is none.
    fn known_files(&mut self, tenant: &str) -> Vec<OwnedFile> {
        match self.kept_of(Some(tenant)) {
            Some(wish) => wish.files,
            None => vec![self.document("acte.txt", 1, 500)],
        }
    }

    fn kept_of(&mut self, tenant: Option<&str>) -> Option<Wish> {
        let kept: Vec<_> = self.model.kept().filter(|(owner, ..)| tenant.is_none_or(|t| t == *owner)).collect();
        let (tenant, transfer, files) = kept.get(self.dice.below(kept.len() as u64) as usize)?;
        Some(Wish { tenant: (*tenant).into(), transfer: (*transfer).into(), files: files.to_vec() })
    }

    pub(super) fn deposit_again(&mut self, happening: Happening) -> Result<(), Wrong> {
        let Some(mut wish) = self.kept_of(None) else { return Ok(()) };
        if happening == Happening::Conflict {
            wish.files[0].1.push(b'!');
        }
        self.submit(vec![wish])
    }

    /// Presents what one rule forbids; the refusal names that rule, and nothing is written but its journal entry.
    pub(super) fn deposit_badly(&mut self) -> Result<(), Wrong> {
        self.transfers += 1;
        let (owner, transfer) = (self.any_tenant(), format!("T-{}", self.transfers));
        let before = self.world.store.writes().len();
        type Spoil = fn(&mut PresentedFile);
        let cases: [(&str, Spoil, Rule); 4] = [
            ("acte.txt", |file| file.declared_size = Some(1), Rule::Size),
            ("acte.txt", |file| file.declared_sha256 = Some("00".repeat(32).parse().expect("hex")), Rule::Sha256),
            ("a/b.txt", |_| (), Rule::FileName),
            ("acte.txt", |file| file.media_type = "nonsense".into(), Rule::MediaType),
        ];
        let (name, spoil, rule) = cases[self.dice.below(cases.len() as u64) as usize];
        let judged = self.rig().present(owner, &transfer, &[(name, b"deliberation")], spoil);
        match judged {
            Ok(Err(Rejection { rule: found, .. })) if found == rule => {}
            Ok(_) => return Err(crate::model::Violation::Answer(transfer).into()),
            Err(fault) => return self.endure(Err(fault)),
        }
        if self.world.store.writes().len() != before {
            return Err(crate::model::Violation::Visible(transfer).into());
        }
        self.model.refused(owner, &transfer);
        let event = Event::of_service(EventType::DepositRejected, "journal", Outcome::Refused);
        let outcome = self.rig().writers.committer.commit(vec![Submission::Event(event)]);
        self.endure(outcome.map(drop))
    }

    /// Admits every wish, commits those that were admitted together, and notes what each was answered.
    fn submit(&mut self, wishes: Vec<Wish>) -> Result<(), Wrong> {
        let (mut batch, mut asked) = (Vec::new(), Vec::new());
        for wish in wishes {
            match admit(self.rig(), &wish) {
                Ok(submission) => {
                    batch.push(submission);
                    asked.push(wish);
                }
                Err(fault) => {
                    self.note(wish, &Err(retry_or_poisoned(&fault)))?;
                    self.endure(Err(fault))?;
                }
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        let outcome = self.rig().writers.committer.commit(batch);
        match outcome {
            Ok(answers) => {
                for (wish, answer) in asked.into_iter().zip(answers) {
                    self.note(wish, &Ok(answer))?;
                }
                Ok(())
            }
            Err(fault) => {
                for wish in asked {
                    self.note(wish, &Err(retry_or_poisoned(&fault)))?;
                }
                self.endure(Err(fault))
            }
        }
    }

    fn note(&mut self, wish: Wish, answer: &Result<Committed, Fault>) -> Result<(), Wrong> {
        let archive = self.rig().archive.clone();
        Ok(self.model.answered(&archive, (&wish.tenant, &wish.transfer), wish.files, answer)?)
    }
}

fn admit(rig: &Rig, wish: &Wish) -> Result<Submission, Fault> {
    let files: Vec<_> = wish.files.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
    let admitted = rig.admit(&wish.tenant, &wish.transfer, &files)?;
    Ok(Submission::Deposit(Box::new(admitted.expect("simulated depositors wish what is admissible"))))
}

fn retry_or_poisoned(fault: &Fault) -> Fault {
    match fault {
        Fault::Retry(retry) => Fault::Retry(*retry),
        _ => Fault::Poisoned,
    }
}
