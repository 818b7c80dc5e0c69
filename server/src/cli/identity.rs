//! `cartulaire tenant` and `cartulaire key`.

use super::arguments::{Common, Key, KeyAction, Tenant, TenantAction};
use super::door::{self, KeyView, TenantView};
use super::exit::{Exit, Failure};
use super::screen::{Ink, Screen};

pub(super) fn tenant(arguments: &Tenant, common: &Common, screen: &Screen) -> Result<Exit, Failure> {
    let door = door::open(common, screen)?;
    match &arguments.action {
        TenantAction::Create { id, name } => {
            let tenant = door.create_tenant(id, name)?;
            screen.line(format_args!("Entité créée : {} ({})", tenant.id, tenant.name));
            screen.json(&tenant);
        }
        TenantAction::List => {
            let tenants = door.tenants()?;
            if tenants.is_empty() {
                screen.line("Aucune entité. « cartulaire tenant create IDENTIFIANT --name NOM » en crée une.");
            }
            tenants.iter().for_each(|tenant| show_tenant(tenant, screen));
        }
    }
    Ok(Exit::Success)
}

fn show_tenant(tenant: &TenantView, screen: &Screen) {
    screen.line(format_args!("{:32}  {}  {}", tenant.id, day(&tenant.created), tenant.name));
    screen.json(tenant);
}

pub(super) fn key(arguments: &Key, common: &Common, screen: &Screen) -> Result<Exit, Failure> {
    let door = door::open(common, screen)?;
    match &arguments.action {
        KeyAction::Create { tenant, roles, label } => {
            let key = door.create_key(tenant, roles, label)?;
            screen.line(format_args!("Clé {} créée pour « {tenant} » : {}", key.key.id, roles_of(&key.key)));
            screen.line("\nSon secret, montré cette seule fois :");
            screen.line(format_args!("  {}", screen.ink(Ink::Bold, &key.secret)));
            screen.json(&key);
        }
        KeyAction::List { tenant } => {
            let keys = door.keys(tenant)?;
            if keys.is_empty() {
                screen.line(format_args!("Aucune clé pour « {tenant} »."));
            }
            keys.iter().for_each(|key| show_key(key, screen));
        }
        KeyAction::Revoke { id, tenant } => {
            let key = door.revoke_key(tenant, id)?;
            screen.line(format_args!("Clé {} révoquée.", key.id));
            screen.json(&key);
        }
    }
    Ok(Exit::Success)
}

fn show_key(key: &KeyView, screen: &Screen) {
    let state = match &key.revoked {
        Some(time) => screen.ink(Ink::Red, format_args!("révoquée le {}", day(time))),
        None => screen.ink(Ink::Green, "valide"),
    };
    screen.line(format_args!("{}  {}  {state}  {}  {}", key.id, day(&key.created), roles_of(key), key.label));
    screen.json(key);
}

fn roles_of(key: &KeyView) -> String {
    let names: Vec<&str> = key.roles.iter().map(|role| role.name()).collect();
    names.join(", ")
}

/// The day of a time.
fn day(time: &str) -> &str {
    time.get(..10).unwrap_or(time)
}
