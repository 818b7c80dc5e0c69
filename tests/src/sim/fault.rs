//! What can go wrong in a simulated store: the vocabulary of its fault model.

use super::Dice;

/// What goes wrong in one write: a creation, a publication or a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteFault {
    /// [`Full`](cartulaire_engine::ports::CreateError::Full); nothing changed. To a deletion, unreachable.
    Full,
    /// [`Unreachable`](cartulaire_engine::ports::CreateError::Unreachable); nothing changed.
    Unreachable,
    /// EIO while the bytes were written or synced: unknown; nothing changed.
    Eio,
    /// Unknown when publishing; nothing changed, now or later.
    Lost,
    /// Unknown; the write happened and is durable.
    Persisted,
    /// Unknown; every reader sees the write, power loss undoes it. What a failed fsync of a folder leaves.
    Volatile,
    /// Unknown; nothing changed yet, but the write arrives just before the next one, if its name is still free then.
    /// What a request that timed out on its way to a bucket does.
    Late,
    /// Unknown; readers see the whole object, after power loss only its first bytes are there. Breaks the contract of
    /// the port: no adapter of ours lets it happen on a sound medium. A deletion is volatile instead.
    Torn {
        /// Bytes that survive, at most the object's length.
        kept: u64,
    },
    /// **Success** is reported, and power loss undoes the write. Breaks the contract: a disk that lies about syncing.
    Forgotten,
}

/// What goes wrong in one reading of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFault {
    /// [`Unreachable`](cartulaire_engine::ports::ReadError::Unreachable).
    Unreachable,
    /// [`Failed`](cartulaire_engine::ports::ReadError::Failed): EIO.
    Failed,
    /// One bit of the answer is turned over; the medium is sound.
    FlippedBit,
}

/// What happens to the process after a scripted fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It goes on and must cope.
    GoOn,
    /// The power fails right after: every later operation on this store is unreachable until it is crashed or killed.
    PowerOff,
}

/// How often faults come by themselves, each in ten thousand operations.
///
/// The faults that break the port's contract come only if asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Chances {
    /// [`WriteFault::Full`].
    pub full: u32,
    /// [`WriteFault::Unreachable`] and [`ReadFault::Unreachable`].
    pub unreachable: u32,
    /// [`WriteFault::Eio`].
    pub eio: u32,
    /// [`WriteFault::Lost`].
    pub lost: u32,
    /// [`WriteFault::Persisted`].
    pub persisted: u32,
    /// [`WriteFault::Volatile`].
    pub volatile: u32,
    /// [`WriteFault::Late`].
    pub late: u32,
    /// [`WriteFault::Torn`], at a random length. Breaks the contract.
    pub torn: u32,
    /// [`WriteFault::Forgotten`]. Breaks the contract.
    pub forgotten: u32,
    /// [`ReadFault::Failed`].
    pub read_failed: u32,
    /// [`ReadFault::FlippedBit`].
    pub read_flipped: u32,
}

impl Chances {
    /// Everything that a sound medium and a bad day can do, each at `rate` in ten thousand.
    #[must_use]
    pub fn within_contract(rate: u32) -> Self {
        Self {
            full: rate,
            unreachable: rate,
            eio: rate,
            lost: rate,
            persisted: rate,
            volatile: rate,
            late: rate,
            ..Self::default()
        }
    }

    pub(super) fn roll_write(&self, dice: &mut Dice, length: u64) -> Option<WriteFault> {
        let torn = WriteFault::Torn { kept: dice.below(length + 1) };
        let table = [
            (self.full, WriteFault::Full),
            (self.unreachable, WriteFault::Unreachable),
            (self.eio, WriteFault::Eio),
            (self.lost, WriteFault::Lost),
            (self.persisted, WriteFault::Persisted),
            (self.volatile, WriteFault::Volatile),
            (self.late, WriteFault::Late),
            (self.torn, torn),
            (self.forgotten, WriteFault::Forgotten),
        ];
        pick(dice, &table)
    }

    pub(super) fn roll_read(&self, dice: &mut Dice) -> Option<ReadFault> {
        let table = [
            (self.unreachable, ReadFault::Unreachable),
            (self.read_failed, ReadFault::Failed),
            (self.read_flipped, ReadFault::FlippedBit),
        ];
        pick(dice, &table)
    }
}

fn pick<F: Copy>(dice: &mut Dice, table: &[(u32, F)]) -> Option<F> {
    let mut roll = dice.below(10_000);
    for (chance, fault) in table {
        match roll.checked_sub(u64::from(*chance)) {
            None => return Some(*fault),
            Some(rest) => roll = rest,
        }
    }
    None
}
