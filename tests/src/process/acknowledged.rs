//! What a depositor was told, one line each: the only thing that counts after a kill.

use std::fmt;
use std::str::FromStr;

use cartulaire_formats::aip::ArchiveId;
use cartulaire_formats::hash::Sha256Digest;
use cartulaire_formats::journal::TenantId;

/// A deposit whose receipt somebody holds. Its line is `ACK <tenant> <transfer> <archive> <receipt-digest>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// Whose archive it is.
    pub tenant: TenantId,
    /// The depositor's identifier, from which [`super::documents::of`] gives the documents.
    pub transfer: String,
    /// The archive.
    pub archive: ArchiveId,
    /// SHA-256 of the receipt, to the byte.
    pub receipt: Sha256Digest,
}

/// A line of a depositing program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// The deposit is durable.
    Acknowledged(Acknowledged),
    /// `REFUSED <tenant> <transfer>`: nothing changed, come back later.
    Refused(TenantId, String),
    /// `POISONED`: nobody knows.
    Poisoned,
}

/// The line is none of the three; so is the line that a kill cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a line of a depositing program")]
pub struct NotALine;

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Acknowledged(Acknowledged { tenant, transfer, archive, receipt }) => {
                write!(f, "ACK {tenant} {transfer} {archive} {receipt}")
            }
            Self::Refused(tenant, transfer) => write!(f, "REFUSED {tenant} {transfer}"),
            Self::Poisoned => f.write_str("POISONED"),
        }
    }
}

impl FromStr for Told {
    type Err = NotALine;

    fn from_str(line: &str) -> Result<Self, NotALine> {
        let tenant = |text: &str| text.parse::<TenantId>().map_err(|_| NotALine);
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["ACK", id, transfer, archive, receipt] => Ok(Self::Acknowledged(Acknowledged {
                tenant: tenant(id)?,
                transfer: transfer.to_owned(),
                archive: archive.parse().map_err(|_| NotALine)?,
                receipt: receipt.parse().map_err(|_| NotALine)?,
            })),
            ["REFUSED", id, transfer] => Ok(Self::Refused(tenant(id)?, transfer.to_owned())),
            ["POISONED"] => Ok(Self::Poisoned),
            _ => Err(NotALine),
        }
    }
}
