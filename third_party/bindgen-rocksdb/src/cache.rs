//! Where compiled libraries are kept, and how one gets there.
//!
//! Invariant: a directory `<root>/<key>` either does not exist or holds the whole library made by
//! exactly the recipe written beside it. It is filled under another name and moved into place, so
//! two builds at once never see a half library: the first to finish gives the library, the other's
//! copy is dropped. Nothing here waits for another build, and nothing is ever removed from the
//! cache: it may be deleted as a whole at any time.

use std::path::{Path, PathBuf};
use std::{env, fs, io, process};

/// The library's file name, which the linker looks for.
pub const LIBRARY: &str = "librocksdb.a";

/// The recipe's file name, for a person and for [`Entry::is_complete`].
const RECIPE: &str = "recipe.txt";

/// The directory under which all libraries are kept.
///
/// `$ROCKSDB_UNITY_CACHE`, else `$XDG_CACHE_HOME/cartulaire`, else `$HOME/.cache/cartulaire`, else
/// the build script's own `$OUT_DIR`. Variables that are empty or hold a relative path are passed over, as
/// the XDG base directory specification says. `var` reads the environment.
#[must_use]
pub fn root(var: impl Fn(&str) -> Option<PathBuf>) -> PathBuf {
    let absolute = |name: &str| var(name).filter(|path| path.is_absolute());
    absolute("ROCKSDB_UNITY_CACHE")
        .or_else(|| absolute("XDG_CACHE_HOME").map(|path| path.join("cartulaire")))
        .or_else(|| absolute("HOME").map(|path| path.join(".cache/cartulaire")))
        .or_else(|| var("OUT_DIR"))
        .expect("Cargo sets OUT_DIR for every build script")
}

/// Reads a path from the environment, telling Cargo to look again when it changes.
#[must_use]
pub fn variable(name: &str) -> Option<PathBuf> {
    println!("cargo::rerun-if-env-changed={name}");
    env::var_os(name).map(PathBuf::from)
}

/// One library's place in the cache.
#[derive(Debug)]
pub struct Entry {
    directory: PathBuf,
    recipe: String,
}

impl Entry {
    /// The place for what `recipe` makes: `<root>/<label>-<16 hex digits of the recipe's hash>`.
    #[must_use]
    pub fn new(root: &Path, label: &str, recipe: String) -> Self {
        Self { directory: root.join(format!("{label}-{:016x}", fnv1a(recipe.as_bytes()))), recipe }
    }

    /// The directory to give to the linker.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether the library is there and was made by this very recipe (a hash may collide).
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.directory.join(LIBRARY).is_file()
            && fs::read_to_string(self.directory.join(RECIPE)).is_ok_and(|found| found == self.recipe)
    }

    /// Has `make` put [`LIBRARY`] into an empty directory, then moves it into place.
    ///
    /// # Errors
    /// Those of the file system. The cache is then as it was, and may be tried again.
    ///
    /// # Panics
    /// If `make` does; what it wrote is removed.
    pub fn fill(&self, make: impl FnOnce(&Path)) -> io::Result<()> {
        let kept = self.directory.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(kept)?;
        let workshop = Workshop::new(kept)?;
        make(&workshop.0);
        let finished = workshop.0.join("finished");
        fs::create_dir(&finished)?;
        fs::rename(workshop.0.join(LIBRARY), finished.join(LIBRARY))?;
        fs::write(finished.join(RECIPE), &self.recipe)?;
        self.publish(&finished)
    }

    /// Moves `finished` into place, unless another build was faster.
    fn publish(&self, finished: &Path) -> io::Result<()> {
        match fs::rename(finished, &self.directory) {
            Err(_) if self.is_complete() => Ok(()),
            Err(_) if self.directory.exists() => {
                // Not ours: an interrupted deletion, or a colliding hash. Never half of one build
                // and half of another, so the whole directory goes.
                fs::remove_dir_all(&self.directory)?;
                fs::rename(finished, &self.directory)
            }
            outcome => outcome,
        }
    }
}

/// A directory of this process alone, removed when dropped, after a panic too.
#[derive(Debug)]
struct Workshop(PathBuf);

impl Workshop {
    fn new(parent: &Path) -> io::Result<Self> {
        // A process number is reused one day, but not while its owner lives; leftovers of a killed
        // build go first.
        let path = parent.join(format!(".unfinished-{}", process::id()));
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::create_dir(&path)?,
        }
        Ok(Self(path))
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // What stays behind is only disk space, and goes with the cache.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// FNV-1a, 64 bits: names a recipe. Equality is decided by [`Entry::is_complete`] on the whole text.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root_from(variables: &[(&str, &str)]) -> PathBuf {
        root(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| PathBuf::from(value)))
    }

    /// A fresh directory under the system's temporary one.
    fn scratch(name: &str) -> PathBuf {
        let path = env::temp_dir().join(format!("bindgen-rocksdb-{}-{name}", process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_first_usable_variable_gives_the_root() {
        let all = [("OUT_DIR", "/t/out"), ("HOME", "/h"), ("XDG_CACHE_HOME", "/x"), ("ROCKSDB_UNITY_CACHE", "/u")];
        assert_eq!(root_from(&all), Path::new("/u"));
        assert_eq!(root_from(&all[..3]), Path::new("/x/cartulaire"));
        assert_eq!(root_from(&all[..2]), Path::new("/h/.cache/cartulaire"));
        assert_eq!(root_from(&all[..1]), Path::new("/t/out"));
        assert_eq!(root_from(&[("ROCKSDB_UNITY_CACHE", "rel"), ("HOME", ""), ("OUT_DIR", "/o")]), Path::new("/o"));
    }

    #[test]
    fn the_hash_is_fnv1a() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_filled_entry_holds_the_library_and_its_recipe_and_nothing_else() {
        let cache = scratch("fill");
        let entry = Entry::new(&cache, "rocksdb-1", "flags".to_owned());
        assert!(!entry.is_complete());
        entry
            .fill(|directory| {
                fs::write(directory.join("u0.o"), "object").unwrap();
                fs::write(directory.join(LIBRARY), "library").unwrap();
            })
            .unwrap();
        assert!(entry.is_complete());
        assert_eq!(names(entry.directory()), [LIBRARY, RECIPE]);
        assert_eq!(names(&cache), [entry.directory().file_name().unwrap().to_str().unwrap()]);
    }

    #[test]
    fn the_slower_of_two_builds_leaves_the_first_library() {
        let cache = scratch("race");
        let (slow, fast) = (Entry::new(&cache, "r", "flags".to_owned()), Entry::new(&cache, "r", "flags".to_owned()));
        let finished = cache.join("fast");
        fs::create_dir(&finished).unwrap();
        slow.fill(|directory| {
            fs::write(directory.join(LIBRARY), "slow").unwrap();
            fs::write(finished.join(LIBRARY), "fast").unwrap();
            fs::write(finished.join(RECIPE), "flags").unwrap();
            fast.publish(&finished).unwrap();
        })
        .unwrap();
        assert_eq!(fs::read_to_string(slow.directory().join(LIBRARY)).unwrap(), "fast");
    }

    #[test]
    fn a_directory_made_by_another_recipe_is_replaced() {
        let cache = scratch("stale");
        let entry = Entry::new(&cache, "r", "flags".to_owned());
        fs::create_dir(entry.directory()).unwrap();
        fs::write(entry.directory().join(LIBRARY), "other").unwrap();
        fs::write(entry.directory().join(RECIPE), "other flags").unwrap();
        assert!(!entry.is_complete());
        entry.fill(|directory| fs::write(directory.join(LIBRARY), "ours").unwrap()).unwrap();
        assert_eq!(fs::read_to_string(entry.directory().join(LIBRARY)).unwrap(), "ours");
    }

    #[test]
    fn a_build_that_panics_leaves_nothing() {
        let cache = scratch("panic");
        let entry = Entry::new(&cache, "r", "flags".to_owned());
        let outcome = std::panic::catch_unwind(|| entry.fill(|_| panic!("no compiler")));
        assert!(outcome.is_err());
        assert_eq!(names(&cache), Vec::<String>::new());
    }
}
