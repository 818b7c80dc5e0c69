//! `cartulaire rebuild`: the index anew from the store alone, beside the old one until it is whole.

use std::fs;
use std::path::{Path, PathBuf};

use cartulaire_engine::archive::Progress;
use cartulaire_engine::index::{Index, IndexError};
use cartulaire_engine::system::SystemEntropy;
use cartulaire_formats::layout::{self, CommitNumber, ObjectName, SealNumber};
use serde::Serialize;

use super::arguments::{self, Common};
use super::exit::{Exit, Failure};
use super::screen::Screen;
use crate::config::Config;
use crate::open::{self, ArchiveError};

/// What was rebuilt, for machines.
#[derive(Debug, Serialize)]
struct Rebuilt {
    commits: u64,
    seals: u64,
    index: PathBuf,
}

pub(super) fn run(arguments: &arguments::Rebuild, common: &Common, screen: &Screen) -> Result<Exit, Failure> {
    if common.server.is_some() {
        return Err(Failure::LocalOnly("rebuild"));
    }
    let config = Config::load(&common.config)?;
    let (commits, seals) = lengths(&config)?;
    if !arguments.accept_rollback {
        check_not_rolled_back(&config.index, commits, screen)?;
    }
    let fresh = config.index.with_extension("new");
    // What an interrupted rebuild left.
    remove(&fresh)?;
    let bar = screen.bar(commits + seals, "reconstruction");
    let mut progress = |_: Progress| bar.inc(1);
    // Closed at once: the service takes over from the finished index.
    open::archive(&config, &fresh, &mut progress).map(drop)?;
    bar.finish_and_clear();
    replace(&config.index, &fresh)?;
    screen.line(format_args!(
        "Index reconstruit : {commits} engagements, {seals} sceaux, dans {}",
        config.index.display()
    ));
    screen.json(&Rebuilt { commits, seals, index: config.index });
    Ok(Exit::Success)
}

/// How many commits and seals the store has. Their numbers have no gap, so the end is found by halving.
fn lengths(config: &Config) -> Result<(u64, u64), Failure> {
    let sites = open::sites(config, &SystemEntropy)?;
    let exists = |name: &ObjectName| sites.deciding().size(name).map(|size| size.is_some());
    let unreachable = |_| Failure::Engine(cartulaire_engine::fault::Retry::Unreachable.into());
    let commits = first_absent(|n| exists(&layout::commit(CommitNumber(n)))).map_err(unreachable)?;
    let seals = first_absent(|n| exists(&layout::checkpoint(SealNumber(n)))).map_err(unreachable)?;
    Ok((commits, seals))
}

/// The first number that is not there, of numbers that are there from 0 without a gap.
fn first_absent<E>(exists: impl Fn(u64) -> Result<bool, E>) -> Result<u64, E> {
    let mut high = 1;
    while exists(high - 1)? {
        high *= 2;
    }
    // Below `low` all are there; `high - 1` is not.
    let mut low = high / 2;
    while low < high - 1 {
        let middle = low + (high - 1 - low) / 2;
        if exists(middle)? {
            low = middle + 1;
        } else {
            high = middle + 1;
        }
    }
    Ok(low)
}

fn check_not_rolled_back(index: &Path, commits: u64, screen: &Screen) -> Result<(), Failure> {
    if !index.exists() {
        return Ok(());
    }
    match Index::open(index).and_then(|index| index.commit_head()) {
        Ok(Some(head)) if head.commit.0 >= commits => {
            Err(Failure::RolledBack { store: commits.saturating_sub(1), index: head.commit.0 })
        }
        Ok(_) => Ok(()),
        Err(IndexError::Locked) => Err(ArchiveError::Held.into()),
        Err(error) => {
            screen.remark(format_args!(
                "L’ancien index est illisible ({error}) : un retour en arrière du site ne peut pas être exclu par lui."
            ));
            Ok(())
        }
    }
}

fn replace(index: &Path, fresh: &Path) -> Result<(), Failure> {
    let old = index.with_extension("old");
    remove(&old)?;
    if index.exists() {
        fs::rename(index, &old).map_err(Failure::file(index))?;
    }
    fs::rename(fresh, index).map_err(Failure::file(fresh))?;
    remove(&old)
}

fn remove(folder: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::file(folder)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    #[test]
    fn the_end_is_found_whatever_the_length() {
        for length in (0..70).chain([999, 1000, 1001, 1 << 20, (1 << 20) + 1]) {
            assert_eq!(super::first_absent(|n| Ok::<_, Infallible>(n < length)), Ok(length));
        }
    }
}
