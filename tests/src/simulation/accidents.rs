//! What clocks, disks, operators and accidents do.

use std::path::Path;

use bytes::Bytes;
use cartulaire_engine::commit::{Event, Submission};
use cartulaire_engine::fault::Fault;
use cartulaire_formats::journal::{EventType, Outcome};

use super::{Simulation, Wrong};
use crate::model::Violation;
use crate::rig::{World, index_folder, tenant};
use crate::sim::{Chances, Image, SimStore};

const HOUR_MILLIS: i64 = 3_600 * 1_000;
const YEAR_MILLIS: i64 = 365 * 24 * HOUR_MILLIS;
/// Backups that an operator keeps.
const BACKUPS_MAX: usize = 4;

impl Simulation {
    pub(super) fn pass_hours(&mut self) -> Result<(), Wrong> {
        let hours = 1 + self.dice.below(48) as i64;
        self.world.pass(hours * HOUR_MILLIS);
        self.keep_backup();
        self.keep_index()
    }

    pub(super) fn jump(&mut self) -> Result<(), Wrong> {
        let reach = [1_000, HOUR_MILLIS, YEAR_MILLIS][self.dice.below(3) as usize];
        let millis = self.dice.below(2 * reach as u64) as i64 - reach;
        self.world.clock.step(millis);
        Ok(())
    }

    pub(super) fn set_clock_right(&mut self) -> Result<(), Wrong> {
        use cartulaire_engine::ports::Clock as _;
        self.world.clock.set(self.world.truth.now());
        Ok(())
    }

    pub(super) fn set_weather(&mut self, weather: Chances) -> Result<(), Wrong> {
        self.weather = weather;
        self.world.sites().for_each(|site| site.set_chances(weather));
        Ok(())
    }

    pub(super) fn toggle_copy(&mut self) -> Result<(), Wrong> {
        self.copy_away = !self.copy_away;
        self.world.copies.iter().for_each(|copy| copy.set_reachable(!self.copy_away));
        Ok(())
    }

    fn commits(&mut self) -> u64 {
        let head = self.rig().archive.index().commit_head();
        head.ok().flatten().map_or(0, |head| head.commit.0 + 1)
    }

    /// What an operator copies away, by the number of commits in it.
    fn keep_backup(&mut self) {
        let images = self.world.sites().map(SimStore::live).collect();
        let commits = self.commits();
        if self.backups.len() == BACKUPS_MAX {
            self.backups.remove(0);
        }
        self.backups.push((commits, images));
    }

    /// Copies the index as a backup of the local disk would: the process is stopped for it.
    fn keep_index(&mut self) -> Result<(), Wrong> {
        if self.dice.below(2) == 0 {
            return Ok(());
        }
        self.rig = None;
        let kept = index_folder();
        copy_folder(self.world.index.path(), kept.path());
        self.stale_index = Some(kept);
        self.world.kill();
        self.open()
    }

    pub(super) fn restart_with_stale_index(&mut self) -> Result<(), Wrong> {
        let Some(stale) = self.stale_index.take() else { return self.restart(World::kill) };
        self.restart(|world| {
            world.kill();
            world.index = stale;
        })
    }

    /// Another process opens the same sites with an index of its own; whoever was first must stop by itself.
    pub(super) fn start_second_writer(&mut self) -> Result<(), Wrong> {
        let weather = self.weather;
        let away = std::mem::replace(&mut self.copy_away, false);
        self.set_weather(Chances::default())?;
        self.world.copies.iter().for_each(|copy| copy.set_reachable(true));
        let own = std::mem::replace(&mut self.world.index, index_folder());
        let second = self.world.open();
        self.world.index = own;
        // Opening was a commit, so the second writer has the next number.
        drop(second.map_err(Wrong::NotOpened)?);
        let event = Event::of_service(EventType::JournalRead, "journal", Outcome::Success);
        let first = self.rig().writers.committer.commit(vec![Submission::Event(event)]);
        if !matches!(first, Err(Fault::Poisoned)) {
            return Err(Wrong::TwoWriters);
        }
        self.copy_away = away;
        self.set_weather(weather)?;
        self.restart(World::kill)
    }

    /// An old backup is restored. The index knows better: the archive must refuse to open, and touch nothing.
    pub(super) fn roll_back(&mut self) -> Result<(), Wrong> {
        let commits = self.commits();
        let Some(at) = self.backups.iter().position(|(then, _)| *then < commits) else { return Ok(()) };
        let backup = self.backups[at].1.clone();
        self.rig = None;
        self.world.kill();
        let present: Vec<Image> = self.world.sites().map(SimStore::live).collect();
        self.without_faults(|simulation| {
            simulation.put_back(&backup);
            if !matches!(simulation.world.open(), Err(Fault::Damaged(_))) {
                return Err(Wrong::RollBackAccepted);
            }
            if simulation.world.sites().map(SimStore::live).ne(backup.iter().cloned()) {
                return Err(Wrong::RefusalWrote);
            }
            simulation.put_back(&present);
            Ok(())
        })?;
        self.open()
    }

    /// One bit of one object turns over, on the deciding site. Whatever is read then is right or is an error.
    pub(super) fn rot(&mut self) -> Result<(), Wrong> {
        let image = self.world.store.live();
        let objects: Vec<_> = image.iter().filter(|(_, bytes)| !bytes.is_empty()).collect();
        let (name, bytes) = objects[self.dice.below(objects.len() as u64) as usize];
        let (offset, mask) = (self.dice.below(bytes.len() as u64), 1 << self.dice.below(8));
        self.world.store.rot(name, offset, mask);
        let read = self.without_faults(Self::read_everything);
        self.world.store.rot(name, offset, mask);
        read
    }

    fn read_everything(&mut self) -> Result<(), Wrong> {
        let rig = self.rig.as_ref().expect("open between steps");
        for (owner, transfer, files) in self.model.kept() {
            let owner = tenant(owner);
            let row = rig.archive.index().transfer(&owner, transfer).ok().flatten();
            let row = row.ok_or_else(|| Violation::Lost(transfer.to_owned()))?;
            let Ok(Some(found)) = rig.archive.find(&owner, &row.archive) else { continue };
            for (file, (_, content)) in found.descriptor.files.iter().zip(files) {
                let mut read: Vec<Bytes> = Vec::new();
                let Ok(reader) = rig.archive.open_file(&owner, file) else { continue };
                let outcome = reader.stream(&file.blake3, |piece| {
                    read.push(piece);
                    true
                });
                if outcome.is_ok() && read.concat() != *content {
                    return Err(Violation::Content(transfer.to_owned()).into());
                }
            }
        }
        Ok(())
    }
}

/// Copies a folder of plain files.
fn copy_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("the index folder is there") {
        let entry = entry.expect("the index folder can be listed");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("an index file can be copied");
    }
}
