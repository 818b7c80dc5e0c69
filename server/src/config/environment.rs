//! Environment variables over the file: `CARTULAIRE_LISTEN__ADDRESS` is the key `listen.address`.
//!
//! A value that reads as a TOML boolean, number, array or table is that; anything else is text.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::error::{ConfigError, Origin, Place};

/// What every variable of ours starts with.
pub(super) const PREFIX: &str = "CARTULAIRE_";

/// Variables that the command line reads itself, or that hold secrets which the file only names.
const NOT_KEYS: [&str; 4] = ["CARTULAIRE_CONFIG", "CARTULAIRE_SERVER", "CARTULAIRE_KEY", "CARTULAIRE_SECRET_"];

/// Lays variables over the file's table; returns which key each of them gave.
pub(super) fn overlay(
    table: &mut Table,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut overlaid = BTreeMap::new();
    let ours = |name: &str| name.starts_with(PREFIX) && !NOT_KEYS.iter().any(|no| is_or_starts(name, no));
    for (name, value) in variables.into_iter().filter(|(name, _)| ours(name)) {
        let key = name[PREFIX.len()..].to_lowercase();
        let path: Vec<&str> = key.split("__").collect();
        put(table, &path, read(&value)).ok_or_else(|| not_a_table(&name, &path))?;
        overlaid.insert(path.join("."), name);
    }
    Ok(overlaid)
}

fn is_or_starts(name: &str, reserved: &str) -> bool {
    if reserved.ends_with('_') { name.starts_with(reserved) } else { name == reserved }
}

fn read(value: &str) -> Value {
    let parsed: Result<Value, _> = toml::from_str::<Table>(&format!("v = {value}"))
        .map(|mut t| t.remove("v").unwrap_or_else(|| Value::String(value.to_owned())));
    parsed.unwrap_or_else(|_| Value::String(value.to_owned()))
}

fn put(table: &mut Table, path: &[&str], value: Value) -> Option<()> {
    let (first, rest) = path.split_first()?;
    if rest.is_empty() {
        table.insert((*first).to_owned(), value);
        return Some(());
    }
    let inner = table.entry(*first).or_insert_with(|| Value::Table(Table::new()));
    put(inner.as_table_mut()?, rest, value)
}

fn not_a_table(name: &str, path: &[&str]) -> ConfigError {
    ConfigError::NotATable { place: Place { origin: Origin::Variable(name.to_owned()), key: path.join(".") } }
}
