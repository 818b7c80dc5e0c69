//! Reading one table of the configuration: every key is asked for once, and what nobody asked for is refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::error::{ConfigError, Origin, Place};
use super::keys::Key;

/// Where the whole configuration comes from.
pub(super) struct Source<'a> {
    pub file: &'a Path,
    /// What relative paths start from.
    pub folder: &'a Path,
    /// Keys that an environment variable gave, with its name.
    pub overlaid: &'a BTreeMap<String, String>,
}

impl Source<'_> {
    /// Where a key's value comes from: a variable that gave it or a table above it, else the file.
    pub fn place(&self, key: &str) -> Place {
        let under = |given: &str| key == given || key.strip_prefix(given).is_some_and(|r| r.starts_with(['.', '[']));
        let variable = self.overlaid.iter().find(|(given, _)| under(given)).map(|(_, name)| name.clone());
        let origin = variable.map_or_else(|| Origin::File(self.file.to_owned()), Origin::Variable);
        Place { origin, key: key.to_owned() }
    }
}

/// One table being read.
pub(super) struct Section<'a> {
    source: &'a Source<'a>,
    prefix: String,
    table: &'a Table,
    asked: Vec<&'static Key>,
}

impl<'a> Section<'a> {
    pub fn root(source: &'a Source<'a>, table: &'a Table) -> Self {
        Self { source, prefix: String::new(), table, asked: Vec::new() }
    }

    fn inner(&self, name: String, table: &'a Table) -> Self {
        Self { source: self.source, prefix: format!("{name}."), table, asked: Vec::new() }
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A path of the configuration, from the file's folder.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.source.folder.join(path)
    }

    /// The value of a key, if it is there and `parse` takes it.
    pub fn read<T>(
        &mut self,
        key: &'static Key,
        parse: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        self.asked.push(key);
        let Some(value) = self.table.get(key.name) else { return Ok(None) };
        parse(value).map(Some).ok_or_else(|| self.wrong(key, &self.full(key.name), value))
    }

    /// The value of a key that must be there.
    pub fn need<T>(&mut self, key: &'static Key, parse: impl FnOnce(&Value) -> Option<T>) -> Result<T, ConfigError> {
        self.read(key, parse)?.ok_or_else(|| self.missing(key))
    }

    pub fn table(&mut self, key: &'static Key) -> Result<Option<Self>, ConfigError> {
        self.asked.push(key);
        match self.table.get(key.name) {
            None => Ok(None),
            Some(Value::Table(table)) => Ok(Some(self.inner(self.full(key.name), table))),
            Some(value) => Err(self.wrong(key, &self.full(key.name), value)),
        }
    }

    pub fn need_table(&mut self, key: &'static Key) -> Result<Self, ConfigError> {
        self.table(key)?.ok_or_else(|| self.missing(key))
    }

    /// A list of tables; none where the key is absent.
    pub fn tables(&mut self, key: &'static Key) -> Result<Vec<Self>, ConfigError> {
        self.asked.push(key);
        let full = self.full(key.name);
        let Some(value) = self.table.get(key.name) else { return Ok(Vec::new()) };
        let list = value.as_array().ok_or_else(|| self.wrong(key, &full, value))?;
        let element = |(i, value): (usize, &'a Value)| match value {
            Value::Table(table) => Ok(self.inner(format!("{full}[{i}]"), table)),
            value => Err(self.wrong(key, &format!("{full}[{i}]"), value)),
        };
        list.iter().enumerate().map(element).collect()
    }

    pub fn missing(&self, key: &'static Key) -> ConfigError {
        ConfigError::Missing { place: self.source.place(&self.full(key.name)), key }
    }

    fn wrong(&self, key: &'static Key, full: &str, value: &Value) -> ConfigError {
        ConfigError::Wrong { place: self.source.place(full), found: value.to_string(), key }
    }

    /// Ends the table: a key that was not asked for is unknown.
    pub fn finish(self) -> Result<(), ConfigError> {
        let known = |name: &str| self.asked.iter().any(|key| key.name == name);
        let Some(unknown) = self.table.keys().find(|name| !known(name)) else { return Ok(()) };
        Err(ConfigError::Unknown {
            place: self.source.place(&self.full(unknown)),
            known: self.asked.iter().map(|key| key.name).collect(),
            example: self.asked.first().map_or("", |key| key.example),
        })
    }
}
