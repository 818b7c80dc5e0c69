//! A site in memory that fails as told.
//!
//! # Fault model
//!
//! The site has two images. *Live* is what readers see; *durable* is what power loss leaves. A write that succeeds
//! changes both at once, whole or not at all: that is the contract of [`Store`]. Everything else is a fault.
//!
//! - **Writes** ([`WriteFault`]). Creations (at [`Store::prepare`] or [`Store::stage`], in that order) and deletions
//!   are numbered from 0. A fault hits the write whose number the script names, or any write by chance, from the seed.
//!   It may be refused with nothing changed (`Full`, `Unreachable`), or leave the caller in doubt with the truth being
//!   any of: nothing happened (`Eio` while writing, `Lost` while publishing), it happened (`Persisted`), it happened until
//!   the power fails (`Volatile`), it will happen later (`Late`). Two faults break the contract, and then the audit must
//!   say so: `Torn` leaves a prefix after power loss, `Forgotten` reports a success that power loss undoes.
//! - **Reads** ([`ReadFault`]): unreachable, EIO, or one bit flipped on the way. Numbered from 0 apart from writes.
//!   Sizes and listings are unreachable when the store is, and else do not fail.
//! - **The medium**, at any moment: bytes rot ([`SimStore::rot`]), an object reads as another
//!   ([`SimStore::misdirect`]), anything is edited or removed ([`SimStore::edit`]), the whole goes back to an earlier
//!   state ([`SimStore::roll_back`]).
//! - **The process**: [`SimStore::kill`] keeps what is live (opening a site again makes it durable), [`SimStore::crash`]
//!   keeps what is durable. Either way, late writes arrive, and the old handle is unreachable for good.
//!
//! Not modelled: reordering of writes that succeeded (the contract forbids it; the adapters sync), and time.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use cartulaire_engine::ports::{Child, CreateError, Prepared, ReadError, Staging, Store};
use cartulaire_formats::layout::ObjectName;

use super::{Chances, Dice, ReadFault, Then, WriteFault};

/// Every object of a site with its bytes.
pub type Image = BTreeMap<ObjectName, Bytes>;

/// The simulated [`Store`]; clones are handles on the same site.
#[derive(Debug, Clone)]
pub struct SimStore(Arc<Mutex<Site>>);

/// What a write was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// [`Store::prepare`], and so [`Store::create`].
    Create,
    /// [`Store::stage`].
    Stage,
    /// [`Store::delete`].
    Delete,
}

/// A write that was begun, in the order of their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteRecord {
    /// What it was about.
    pub operation: Operation,
    /// The object.
    pub name: ObjectName,
    /// The fault that hit it.
    pub fault: Option<WriteFault>,
}

#[derive(Debug)]
struct Site {
    live: Image,
    durable: Image,
    late: Vec<Change>,
    misdirected: BTreeMap<ObjectName, ObjectName>,
    dice: Dice,
    chances: Chances,
    write_script: BTreeMap<u64, (WriteFault, Then)>,
    read_script: BTreeMap<u64, ReadFault>,
    writes: Vec<WriteRecord>,
    reads: u64,
    reachable: bool,
}

#[derive(Debug, Clone)]
enum Change {
    Create(ObjectName, Bytes),
    Delete(ObjectName),
}

/// The fault that a write drew when it began.
#[derive(Debug, Clone, Copy)]
struct Draw {
    fault: Option<WriteFault>,
    then: Then,
}

impl SimStore {
    /// An empty site without faults.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::from_image(Image::new(), seed)
    }

    /// A site that holds `image`, durably, without faults.
    #[must_use]
    pub fn from_image(image: Image, seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Site {
            live: image.clone(),
            durable: image,
            late: Vec::new(),
            misdirected: BTreeMap::new(),
            dice: Dice::new(seed),
            chances: Chances::default(),
            write_script: BTreeMap::new(),
            read_script: BTreeMap::new(),
            writes: Vec::new(),
            reads: 0,
            reachable: true,
        })))
    }

    /// Has the write of that number fail.
    pub fn script_write(&self, number: u64, fault: WriteFault, then: Then) {
        self.lock().write_script.insert(number, (fault, then));
    }

    /// Has the reading of that number fail.
    pub fn script_read(&self, number: u64, fault: ReadFault) {
        self.lock().read_script.insert(number, fault);
    }

    /// Has faults come by chance from now on; [`Chances::default`] ends them.
    pub fn set_chances(&self, chances: Chances) {
        self.lock().chances = chances;
    }

    /// Cuts the site off (`false`) or back in (`true`).
    pub fn set_reachable(&self, reachable: bool) {
        self.lock().reachable = reachable;
    }

    /// Every write begun so far.
    #[must_use]
    pub fn writes(&self) -> Vec<WriteRecord> {
        self.lock().writes.clone()
    }

    /// Readings of bytes so far.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.lock().reads
    }

    /// What readers see.
    #[must_use]
    pub fn live(&self) -> Image {
        self.lock().live.clone()
    }

    /// What power loss at this moment leaves.
    #[must_use]
    pub fn durable(&self) -> Image {
        self.lock().durable.clone()
    }

    /// The power fails: gives the site as it comes up again, with the same chances and an empty script.
    #[must_use]
    pub fn crash(&self) -> Self {
        self.reopened(|site| site.durable.clone())
    }

    /// The process is killed and the machine stays up: gives the site as the next process opens it.
    #[must_use]
    pub fn kill(&self) -> Self {
        self.reopened(|site| site.live.clone())
    }

    fn reopened(&self, image: impl FnOnce(&Site) -> Image) -> Self {
        let mut site = self.lock();
        site.land_late_writes();
        site.reachable = false;
        let next = Self::from_image(image(&site), site.dice.roll());
        let mut opened = next.lock();
        opened.chances = site.chances;
        opened.misdirected.clone_from(&site.misdirected);
        drop(opened);
        next
    }

    /// Flips the bits of `mask` in the object's byte at `offset`, for good.
    ///
    /// # Panics
    /// If there is no such byte in either image: a test that damages nothing proves nothing.
    pub fn rot(&self, name: &ObjectName, offset: u64, mask: u8) {
        let mut site = self.lock();
        let site = &mut *site;
        let offset = usize::try_from(offset).expect("tests' objects fit in memory");
        let rotten = [&mut site.live, &mut site.durable].into_iter().filter_map(|image| {
            let object = image.get_mut(name)?;
            let mut bytes = object.to_vec();
            *bytes.get_mut(offset)? ^= mask;
            *object = bytes.into();
            Some(())
        });
        assert!(rotten.count() > 0 && mask != 0, "there is no byte {offset} in {name} to rot");
    }

    /// Has readings of `name` give what `other` holds: a block map or a cache gone wrong. `None` ends it.
    pub fn misdirect(&self, name: &ObjectName, other: Option<&ObjectName>) {
        let mut site = self.lock();
        match other {
            Some(other) => site.misdirected.insert(name.clone(), other.clone()),
            None => site.misdirected.remove(name),
        };
    }

    /// What somebody with root does: puts `bytes` under `name`, or removes the object (`None`), for good.
    pub fn edit(&self, name: &ObjectName, bytes: Option<Bytes>) {
        let mut site = self.lock();
        let site = &mut *site;
        for image in [&mut site.live, &mut site.durable] {
            match &bytes {
                Some(bytes) => image.insert(name.clone(), bytes.clone()),
                None => image.remove(name),
            };
        }
    }

    /// An old backup is restored over the site.
    pub fn roll_back(&self, image: &Image) {
        let mut site = self.lock();
        site.live.clone_from(image);
        site.durable.clone_from(image);
        site.late.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Site> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers a write and decides its fate.
    fn begin(&self, operation: Operation, name: &ObjectName, length: u64) -> Result<Draw, CreateError> {
        let mut site = self.lock();
        if !site.reachable {
            return Err(CreateError::Unreachable);
        }
        site.land_late_writes();
        let draw = site.draw(length);
        site.writes.push(WriteRecord { operation, name: name.clone(), fault: draw.fault });
        let refused = match draw.fault {
            Some(WriteFault::Full) if operation != Operation::Delete => CreateError::Full,
            Some(WriteFault::Full | WriteFault::Unreachable) => CreateError::Unreachable,
            Some(WriteFault::Eio) => CreateError::Unknown,
            _ => return Ok(draw),
        };
        site.reachable = draw.then == Then::GoOn;
        Err(refused)
    }

    fn finish(&self, draw: Draw, change: Change) -> Result<(), CreateError> {
        let mut site = self.lock();
        if !site.reachable {
            return Err(CreateError::Unreachable);
        }
        site.reachable = draw.then == Then::GoOn;
        site.apply(draw.fault, change)
    }
}

impl Site {
    fn draw(&mut self, length: u64) -> Draw {
        let number = self.writes.len() as u64;
        let by_chance = self.chances.roll_write(&mut self.dice, length);
        match self.write_script.remove(&number) {
            Some((fault, then)) => Draw { fault: Some(fault), then },
            None => Draw { fault: by_chance, then: Then::GoOn },
        }
    }

    fn apply(&mut self, fault: Option<WriteFault>, change: Change) -> Result<(), CreateError> {
        if let Change::Create(name, _) = &change
            && self.live.contains_key(name)
        {
            return Err(CreateError::Exists);
        }
        let doubt = Err(CreateError::Unknown);
        match fault {
            None => self.make(&change, true),
            Some(WriteFault::Persisted) => self.make(&change, true).and(doubt),
            Some(WriteFault::Volatile) => self.make(&change, false).and(doubt),
            Some(WriteFault::Forgotten) => self.make(&change, false),
            Some(WriteFault::Torn { kept }) => self.tear(&change, kept).and(doubt),
            Some(WriteFault::Late) => {
                self.late.push(change);
                doubt
            }
            Some(WriteFault::Lost | WriteFault::Eio | WriteFault::Full | WriteFault::Unreachable) => doubt,
        }
    }

    fn make(&mut self, change: &Change, durably: bool) -> Result<(), CreateError> {
        change.make(&mut self.live);
        if durably {
            change.make(&mut self.durable);
        }
        Ok(())
    }

    fn tear(&mut self, change: &Change, kept: u64) -> Result<(), CreateError> {
        change.make(&mut self.live);
        if let Change::Create(name, bytes) = change {
            let kept = bytes.len().min(usize::try_from(kept).unwrap_or(usize::MAX));
            self.durable.insert(name.clone(), bytes.slice(..kept));
        }
        Ok(())
    }

    fn land_late_writes(&mut self) {
        for change in std::mem::take(&mut self.late) {
            // A creation that finds its name taken is refused where nobody hears it.
            _ = self.apply(None, change);
        }
    }

    /// Numbers a reading and decides its fate.
    fn begin_read(&mut self) -> Result<Option<ReadFault>, ReadError> {
        if !self.reachable {
            return Err(ReadError::Unreachable);
        }
        let by_chance = self.chances.roll_read(&mut self.dice);
        let fault = self.read_script.remove(&self.reads).or(by_chance);
        self.reads += 1;
        match fault {
            Some(ReadFault::Unreachable) => Err(ReadError::Unreachable),
            Some(ReadFault::Failed) => Err(ReadError::Failed),
            fault => Ok(fault),
        }
    }

    fn object(&self, name: &ObjectName) -> Option<&Bytes> {
        self.live.get(self.misdirected.get(name).unwrap_or(name))
    }
}

impl Change {
    fn make(&self, image: &mut Image) {
        match self {
            Self::Create(name, bytes) => image.insert(name.clone(), bytes.clone()),
            Self::Delete(name) => image.remove(name),
        };
    }
}

impl Store for SimStore {
    fn prepare(&self, name: &ObjectName, parts: &[Bytes]) -> Result<Box<dyn Prepared>, CreateError> {
        let mut bytes = BytesMut::new();
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        let draw = self.begin(Operation::Create, name, bytes.len() as u64)?;
        Ok(Box::new(SimPrepared { store: self.clone(), draw, name: name.clone(), bytes: bytes.freeze() }))
    }

    fn stage(&self, name: &ObjectName, head_len: usize) -> Result<Box<dyn Staging>, CreateError> {
        let draw = self.begin(Operation::Stage, name, head_len as u64)?;
        let bytes = BytesMut::zeroed(head_len);
        Ok(Box::new(SimStaging { store: self.clone(), draw, name: name.clone(), head_len, bytes }))
    }

    fn read(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes, ReadError> {
        let mut site = self.lock();
        let fault = site.begin_read()?;
        let object = site.object(name).ok_or(ReadError::Missing)?.clone();
        let size = object.len() as u64;
        if range.end > size {
            return Err(ReadError::Short { size });
        }
        let end = usize::try_from(range.end).expect("within the object, which is in memory");
        let start = usize::try_from(range.start).map_or(end, |start| start.min(end));
        let answer = object.slice(start..end);
        if fault.is_none() || answer.is_empty() {
            return Ok(answer);
        }
        let bit = site.dice.below(answer.len() as u64 * 8);
        let mut flipped = answer.to_vec();
        flipped[usize::try_from(bit / 8).expect("within the answer")] ^= 1 << (bit % 8);
        Ok(flipped.into())
    }

    fn size(&self, name: &ObjectName) -> Result<Option<u64>, ReadError> {
        let site = self.lock();
        if !site.reachable {
            return Err(ReadError::Unreachable);
        }
        Ok(site.object(name).map(|bytes| bytes.len() as u64))
    }

    fn children(&self, folder: &str) -> Result<Vec<Child>, ReadError> {
        let site = self.lock();
        if !site.reachable {
            return Err(ReadError::Unreachable);
        }
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut folders = BTreeSet::new();
        let mut children = Vec::new();
        for (name, bytes) in &site.live {
            let Some(rest) = name.as_str().strip_prefix(&prefix) else { continue };
            match rest.split_once('/') {
                None => children.push(Child::Object(name.clone(), bytes.len() as u64)),
                Some((below, _)) => _ = folders.insert(format!("{prefix}{below}")),
            }
        }
        children.extend(folders.into_iter().map(Child::Folder));
        children.sort_unstable_by(|a, b| a.path().cmp(b.path()));
        Ok(children)
    }

    fn delete(&self, name: &ObjectName) -> Result<(), CreateError> {
        let draw = self.begin(Operation::Delete, name, 0)?;
        self.finish(draw, Change::Delete(name.clone()))
    }
}

struct SimPrepared {
    store: SimStore,
    draw: Draw,
    name: ObjectName,
    bytes: Bytes,
}

impl Prepared for SimPrepared {
    fn publish(self: Box<Self>) -> Result<(), CreateError> {
        let Self { store, draw, name, bytes } = *self;
        store.finish(draw, Change::Create(name, bytes))
    }
}

struct SimStaging {
    store: SimStore,
    draw: Draw,
    name: ObjectName,
    head_len: usize,
    bytes: BytesMut,
}

impl Staging for SimStaging {
    fn append(&mut self, bytes: Bytes) -> Result<(), CreateError> {
        if !self.store.lock().reachable {
            return Err(CreateError::Unreachable);
        }
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    fn publish(self: Box<Self>, head: Bytes) -> Result<(), CreateError> {
        let Self { store, draw, name, head_len, mut bytes } = *self;
        assert_eq!(head.len(), head_len, "the head has the length that was announced");
        bytes[..head_len].copy_from_slice(&head);
        store.finish(draw, Change::Create(name, bytes.freeze()))
    }
}

#[cfg(test)]
mod tests;
