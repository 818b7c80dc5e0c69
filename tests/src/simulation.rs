//! One archive's hard life, on one thread, from one `u64` seed.
//!
//! The engine is the real one; its ports are simulated. Each step is something that a depositor, an operator, a clock, an
//! authority, a disk or an accident does. After each step the [`Model`] holds the engine and the bytes at rest to
//! everything that was ever answered. At the end the faults stop, and whatever was committed must become attested.
//!
//! Nothing here looks at a real clock or at real randomness, so a seed gives the same bytes at rest wherever it runs.

mod accidents;
mod depositors;

use std::fmt;

use cartulaire_engine::fault::Fault;
use cartulaire_formats::journal::EventType;

use crate::model::{Depth, Model, Violation};
use crate::rig::{Rig, World};
use crate::sim::{AuthorityFault, Chances, Dice, Image, SimStore};

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happening {
    /// A small document is deposited.
    Small,
    /// A document that gets a container of its own is deposited, perhaps with small ones.
    Large,
    /// Content that the tenant has already is deposited under a new identifier.
    SameContent,
    /// An old transfer comes again, byte for byte.
    Replay,
    /// An old identifier comes with other bytes.
    Conflict,
    /// A deposit breaks a rule of admission.
    Inadmissible,
    /// Several deposits and events share a commit.
    Batch,
    /// Something is sealed.
    Seal,
    /// Tokens are asked for.
    Attest,
    /// Hours go by.
    Hours,
    /// The clock steps, either way, up to a year.
    ClockJump,
    /// The clock is set right.
    ClockRight,
    /// An authority begins to fail or lie.
    AuthorityFails,
    /// The authorities are honest again.
    AuthoritiesRecover,
    /// The sites begin to fail at random, within their contract.
    BadWeather,
    /// The sites are sound again.
    GoodWeather,
    /// A required copy cannot be reached, or can again.
    CopyAway,
    /// The process is killed and started again.
    Kill,
    /// The power fails.
    PowerLoss,
    /// The power fails, and the index is lost.
    PowerLossWithoutIndex,
    /// The process is killed, and an old copy of the index is put in place.
    StaleIndex,
    /// Somebody starts a second writer.
    SecondWriter,
    /// An old backup is restored over the sites.
    RollBack,
    /// Bytes rot.
    Rot,
}

impl Happening {
    /// Every one, as often as it comes: shares of their sum.
    pub const SHARES: [(Self, u64); 24] = [
        (Self::Small, 24),
        (Self::Large, 6),
        (Self::SameContent, 6),
        (Self::Replay, 5),
        (Self::Conflict, 3),
        (Self::Inadmissible, 4),
        (Self::Batch, 6),
        (Self::Seal, 14),
        (Self::Attest, 12),
        (Self::Hours, 3),
        (Self::ClockJump, 3),
        (Self::ClockRight, 4),
        (Self::AuthorityFails, 4),
        (Self::AuthoritiesRecover, 4),
        (Self::BadWeather, 4),
        (Self::GoodWeather, 6),
        (Self::CopyAway, 4),
        (Self::Kill, 3),
        (Self::PowerLoss, 4),
        (Self::PowerLossWithoutIndex, 2),
        (Self::StaleIndex, 2),
        (Self::SecondWriter, 2),
        (Self::RollBack, 2),
        (Self::Rot, 3),
    ];

    fn draw(dice: &mut Dice) -> Self {
        let mut roll = dice.below(Self::SHARES.iter().map(|(_, share)| share).sum());
        for (happening, share) in Self::SHARES {
            match roll.checked_sub(share) {
                None => return happening,
                Some(rest) => roll = rest,
            }
        }
        unreachable!("the roll is below the sum of the shares")
    }
}

/// Why a simulation failed, and how to see it again.
#[derive(Debug)]
pub struct Failure {
    seed: u64,
    steps: usize,
    at: usize,
    happening: Option<Happening>,
    why: Wrong,
}

/// What went wrong.
#[derive(Debug)]
pub enum Wrong {
    /// A promise is broken.
    Broken(Violation),
    /// The archive cannot be opened though nothing stands in the way.
    NotOpened(Fault),
    /// The first writer went on although a second had taken over.
    TwoWriters,
    /// An old backup was taken for the archive.
    RollBackAccepted,
    /// Refusing an old backup changed it.
    RefusalWrote,
    /// With every fault gone, sealing or attesting fails.
    NoProgress(Fault),
    /// With every fault gone, an entry stays unsealed, or a seal unattested.
    NotAttested,
    /// A token that no authority may be trusted for was kept.
    LieKept,
    /// The index that followed and the one rebuilt from the store differ.
    IndexDiffers,
}

impl From<Violation> for Wrong {
    fn from(violation: Violation) -> Self {
        Self::Broken(violation)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, steps, at, happening, why } = self;
        writeln!(f, "step {at} ({happening:?}): {why:?}")?;
        write!(
            f,
            "CARTULAIRE_SEED={seed} CARTULAIRE_STEPS={steps} \
             cargo test -p cartulaire-tests --test simulation -- --exact replay"
        )
    }
}

/// What a life that went well left.
#[derive(Debug, PartialEq, Eq)]
pub struct Life {
    /// The bytes of every site at the end.
    pub images: Vec<Image>,
    /// Receipts given.
    pub receipts: usize,
    /// Seals made.
    pub seals: usize,
    /// What happened, in order.
    pub happenings: Vec<Happening>,
    /// Times that a writer had to be started again because the outcome of a write was unknown.
    pub poisonings: usize,
}

/// Runs a life of that many steps.
///
/// # Errors
/// The first [`Failure`].
pub fn run(seed: u64, steps: usize) -> Result<Life, Failure> {
    let mut simulation = Simulation::new(seed);
    let failure = |at, happening, why| Failure { seed, steps, at, happening, why };
    simulation.begin().map_err(|why| failure(0, None, why))?;
    for at in 0..steps {
        let happening = Happening::draw(&mut simulation.dice);
        simulation.happenings.push(happening);
        let stepped = simulation.step(happening).and_then(|()| simulation.check(false, Depth::Chains));
        stepped.map_err(|why| failure(at, Some(happening), why))?;
    }
    simulation.end().map_err(|why| failure(steps, None, why))
}

/// Tenants of the simulated archive.
const TENANTS: [&str; 2] = ["kerlouan", "plouider"];
/// Required copies.
const COPIES: u64 = 1;
/// Chance of each fault in bad weather, in ten thousand writes.
const BAD_WEATHER: u32 = 150;
/// Bundles that are made and verified at the end of a life.
const PROOFS: usize = 8;
/// Openings in a row that bad weather may spoil before it clears.
const OPENINGS_MAX: usize = 12;

pub(crate) struct Simulation {
    dice: Dice,
    world: World,
    rig: Option<Rig>,
    model: Model,
    weather: Chances,
    copy_away: bool,
    stale_index: Option<tempfile::TempDir>,
    backups: Vec<(u64, Vec<Image>)>,
    happenings: Vec<Happening>,
    transfers: u64,
    poisonings: usize,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed),
            world: World::with_copies(seed, COPIES),
            rig: None,
            model: Model::default(),
            weather: Chances::default(),
            copy_away: false,
            stale_index: None,
            backups: Vec::new(),
            happenings: Vec::new(),
            transfers: 0,
            poisonings: 0,
        }
    }

    fn begin(&mut self) -> Result<(), Wrong> {
        self.rig = Some(self.world.open().map_err(Wrong::NotOpened)?);
        for id in TENANTS {
            self.rig().create_tenant(id).map_err(Wrong::NoProgress)?;
            self.model.tenant(id);
        }
        Ok(())
    }

    fn rig(&mut self) -> &mut Rig {
        self.rig.as_mut().expect("open between steps")
    }

    fn step(&mut self, happening: Happening) -> Result<(), Wrong> {
        let millis = self.dice.below(3_000) as i64;
        self.world.pass(millis);
        match happening {
            Happening::Small | Happening::Large | Happening::SameContent | Happening::Batch => self.deposit(happening),
            Happening::Replay | Happening::Conflict => self.deposit_again(happening),
            Happening::Inadmissible => self.deposit_badly(),
            Happening::Seal => self.seal(),
            Happening::Attest => self.attest(),
            Happening::Hours => self.pass_hours(),
            Happening::ClockJump => self.jump(),
            Happening::ClockRight => self.set_clock_right(),
            Happening::AuthorityFails => self.spoil_authority(),
            Happening::AuthoritiesRecover => self.trust_authorities(),
            Happening::BadWeather => self.set_weather(Chances::within_contract(BAD_WEATHER)),
            Happening::GoodWeather => self.set_weather(Chances::default()),
            Happening::CopyAway => self.toggle_copy(),
            Happening::Kill => self.restart(World::kill),
            Happening::PowerLoss => self.restart(World::crash),
            Happening::PowerLossWithoutIndex => self.restart(|world| {
                world.crash();
                world.drop_index();
            }),
            Happening::StaleIndex => self.restart_with_stale_index(),
            Happening::SecondWriter => self.start_second_writer(),
            Happening::RollBack => self.roll_back(),
            Happening::Rot => self.rot(),
        }
    }

    /// Seals; nothing, a delay and a stop are all allowed, a lie is not: the check that follows sees to that.
    fn seal(&mut self) -> Result<(), Wrong> {
        let outcome = self.rig().writers.sealer.seal().map(drop);
        self.endure(outcome)
    }

    fn attest(&mut self) -> Result<(), Wrong> {
        for _ in 0..=self.dice.below(3) {
            let outcome = self.rig().attest().map(drop);
            let failed = outcome.is_err();
            self.endure(outcome)?;
            if failed {
                break;
            }
        }
        Ok(())
    }

    /// A retry is nothing; after an unknown outcome the writer is started again; damage must not be.
    fn endure(&mut self, outcome: Result<(), Fault>) -> Result<(), Wrong> {
        match outcome {
            Ok(()) | Err(Fault::Retry(_)) => Ok(()),
            Err(Fault::Poisoned) => {
                self.poisonings += 1;
                let power_fails = self.dice.below(2) == 0;
                self.restart(if power_fails { World::crash } else { World::kill })
            }
            Err(fault) => Err(Wrong::NoProgress(fault)),
        }
    }

    /// Ends the process in some way and starts it until it comes up.
    fn restart(&mut self, end: impl FnOnce(&mut World)) -> Result<(), Wrong> {
        let key = self.rig().archive.key().clone();
        self.rig = None;
        end(&mut self.world);
        // What is left before anybody repairs it: the audit accepts the crash image as it is.
        self.model.audit(&self.world, &self.world.store.live(), &key)?;
        self.open()
    }

    fn open(&mut self) -> Result<(), Wrong> {
        for attempt in 0.. {
            self.world.copies.iter().for_each(|copy| copy.set_reachable(!self.copy_away));
            match self.world.open() {
                Ok(rig) => {
                    self.rig = Some(rig);
                    break;
                }
                Err(Fault::Retry(_) | Fault::Poisoned) if attempt < OPENINGS_MAX => self.world.kill(),
                Err(Fault::Retry(_) | Fault::Poisoned) if self.copy_away || self.weather != Chances::default() => {
                    // An operator sees to it.
                    self.copy_away = false;
                    self.world.kill();
                    self.set_weather(Chances::default())?;
                }
                Err(fault) => return Err(Wrong::NotOpened(fault)),
            }
        }
        self.without_faults(|simulation| {
            let rig = simulation.rig.as_ref().expect("just opened");
            Ok(simulation.model.settle(rig)?)
        })?;
        self.check(true, Depth::Chains)
    }

    fn check(&mut self, opened: bool, depth: Depth) -> Result<(), Wrong> {
        self.without_faults(|simulation| {
            let rig = simulation.rig.as_ref().expect("open between steps");
            Ok(simulation.model.check(&simulation.world, rig, opened, depth)?)
        })
    }

    /// Looks without being hit by the weather.
    fn without_faults(&mut self, look: impl FnOnce(&mut Self) -> Result<(), Wrong>) -> Result<(), Wrong> {
        let (weather, away) = (self.weather, self.copy_away);
        self.world.sites().for_each(|site| site.set_chances(Chances::default()));
        self.world.copies.iter().for_each(|copy| copy.set_reachable(true));
        let seen = look(self);
        self.world.sites().for_each(|site| site.set_chances(weather));
        self.world.copies.iter().for_each(|copy| copy.set_reachable(!away));
        seen
    }

    fn spoil_authority(&mut self) -> Result<(), Wrong> {
        let fault = AuthorityFault::ALL[self.dice.below(AuthorityFault::ALL.len() as u64) as usize];
        let stampers: Vec<_> = self.world.stampers.iter().chain(&self.world.stampers_sha512).collect();
        stampers[self.dice.below(stampers.len() as u64) as usize].set_fault(Some(fault));
        Ok(())
    }

    fn trust_authorities(&mut self) -> Result<(), Wrong> {
        let stampers = self.world.stampers.iter().chain(&self.world.stampers_sha512);
        stampers.for_each(|stamper| stamper.set_fault(None));
        Ok(())
    }

    /// The faults stop: everything that was committed becomes attested, and the index can be made again.
    fn end(mut self) -> Result<Life, Wrong> {
        self.trust_authorities()?;
        self.set_clock_right()?;
        self.set_weather(Chances::default())?;
        self.copy_away = false;
        self.restart(World::crash)?;
        self.rig().writers.sealer.seal().map_err(Wrong::NoProgress)?;
        let committed = self.rig().archive.index().commit_head().map_err(|e| Wrong::NoProgress(e.into()))?;
        while self.rig().attest().map_err(Wrong::NoProgress)? {}
        self.check(false, Depth::Bytes)?;
        let rig = self.rig.as_ref().expect("open between steps");
        self.model.audit(&self.world, &self.world.store.live(), rig.archive.key())?;
        self.model.prove(&self.world, rig, PROOFS)?;
        let site = self.model.site();
        let sealed = site.sealed();
        let attested = site.entries.iter().filter(|entry| entry.event == EventType::SealAttested).count();
        if committed.map(|head| head.next.0) != Some(sealed) || attested < 2 * site.checkpoints.len() {
            return Err(Wrong::NotAttested);
        }
        let seals = site.checkpoints.len();
        self.check_index()?;
        Ok(Life {
            images: self.world.sites().map(SimStore::durable).collect(),
            receipts: self.model.receipts(),
            seals,
            happenings: self.happenings,
            poisonings: self.poisonings,
        })
    }

    /// The store alone gives the same index as following it did.
    fn check_index(&mut self) -> Result<(), Wrong> {
        self.rig = None;
        let images: Vec<_> = self.world.sites().map(SimStore::durable).collect();
        let followed = self.digest_of_index()?;
        self.put_back(&images);
        self.world.drop_index();
        let rebuilt = self.digest_of_index()?;
        self.put_back(&images);
        if followed == rebuilt { Ok(()) } else { Err(Wrong::IndexDiffers) }
    }

    fn digest_of_index(&mut self) -> Result<cartulaire_formats::hash::Sha256Digest, Wrong> {
        let rig = self.world.open().map_err(Wrong::NotOpened)?;
        rig.archive.index().digest().map_err(|e| Wrong::NotOpened(e.into()))
    }

    /// The sites as they were. The entropy goes on, so what an opening writes differs from before; it writes no secrets.
    fn put_back(&mut self, images: &[Image]) {
        for (site, image) in self.world.sites().zip(images) {
            site.roll_back(image);
        }
    }

    fn any_tenant(&mut self) -> &'static str {
        TENANTS[self.dice.below(TENANTS.len() as u64) as usize]
    }
}
