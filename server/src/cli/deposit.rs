//! `cartulaire deposit`.

use super::arguments::{self, Common};
use super::door::{self, Deposited};
use super::exit::{Exit, Failure};
use super::parcel::Parcel;
use super::screen::{Screen, bytes};
use crate::secrets::write_durably;

pub(super) fn run(arguments: &arguments::Deposit, common: &Common, screen: &Screen) -> Result<Exit, Failure> {
    let parcel = Parcel::gather(arguments)?;
    let door = door::open(common, screen)?;
    let tenant = door::tenant_of(&*door, arguments.tenant.as_deref())?;
    let bar = screen.bytes(parcel.size(), "versement");
    let deposited = door.deposit(&tenant, &parcel, &bar);
    bar.finish_and_clear();
    let deposited = deposited?;
    if let Some(path) = &arguments.receipt {
        write_durably(path, deposited.receipt.as_bytes(), 0o644).map_err(Failure::file(path))?;
    }
    show(&deposited, &parcel, screen);
    screen.json(&deposited);
    Ok(Exit::Success)
}

fn show(deposited: &Deposited, parcel: &Parcel, screen: &Screen) {
    screen.line(match deposited.replayed {
        false => "Versement acquis.",
        true => "Déjà versé, à l’identique : voici le même accusé.",
    });
    screen.row("archive", &deposited.archive);
    screen.row("entité", &deposited.tenant);
    screen.row("transfert", &deposited.transfer);
    let count = parcel.contents.len();
    let plural = if count > 1 { "s" } else { "" };
    screen.row("fichiers", format_args!("{count} fichier{plural}, {}", bytes(parcel.size())));
    screen.row("journal", format_args!("écriture {}, engagement {}", deposited.seq, deposited.commit));
    screen.row("date", &deposited.time);
    let archive = &deposited.archive;
    screen.line(format_args!("\nSa preuve : cartulaire prove {archive} --tenant {}", deposited.tenant));
}
