//! The project's own samples, part of the program so that the demonstration works from anywhere.

use super::exit::Failure;
use super::parcel::Parcel;

/// The samples' commune: its identifier and name.
pub(super) const TENANT: (&str, &str) = ("kerlouan", "Commune de Kerlouan-sur-Mer (fictive)");

/// A sample: what it is called, its description, its files.
pub(super) struct Sample {
    pub name: &'static str,
    description: &'static [u8],
    files: &'static [(&'static str, &'static [u8])],
}

macro_rules! sample {
    ($folder:literal, $name:literal, $($file:literal),+) => {
        Sample {
            name: $name,
            description: include_bytes!(concat!("../../../samples/", $folder, "/deposit.json")),
            files: &[$(($file, include_bytes!(concat!("../../../samples/", $folder, "/", $file)))),+],
        }
    };
}

/// One act with its annex, one accounting flow, one invoice, one contract.
pub(super) const SAMPLES: [Sample; 4] = [
    sample!("acte", "acte", "deliberation-2026-042.pdf", "annexe-2026-042.pdf"),
    sample!("pes", "pes", "PESALR2_99900001100018_260504_001.xml"),
    sample!("facture", "facture", "facture-F-2026-0318.pdf"),
    sample!("marche", "marche", "acte-engagement-2026T03.pdf", "decp-2026T03.json"),
];

impl Sample {
    pub fn parcel(&self) -> Result<Parcel, Failure> {
        Parcel::embedded(self.description, self.files)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_sample_s_description_names_its_files() {
        for sample in super::SAMPLES {
            let parcel = sample.parcel().unwrap();
            let named: Vec<&str> = parcel.description.files.iter().map(|file| &file.name[..]).collect();
            let embedded: Vec<&str> = sample.files.iter().map(|(name, _)| *name).collect();
            assert_eq!(named, embedded);
        }
    }
}
