//! Compiles RocksDB in a few large translation units.
//!
//! Most of the time of a RocksDB build goes into parsing the same headers 342 times. Including a dozen
//! sources in one unit divides that. The sources, the definitions and the flags are those of
//! librocksdb-sys' own build script for 64-bit Linux, with hardware CRC-32C always on.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, thread};

use crate::cache::{self, Entry, LIBRARY};
use crate::{CLIENT_VERSION, build_variable};

/// Sources in one unit. At 12 and at 24 no two sources of RocksDB 11.8.1 collide; at 12 a unit needs about
/// 1 GiB of memory and two cores finish together.
const UNIT_SOURCES: usize = 12;

/// The language standard, the build script's own.
const CXX_STANDARD: &str = "c++20";

/// Definitions for every 64-bit Linux, from the build script's `build_rocksdb`.
const DEFINITIONS: [&str; 10] = [
    "NDEBUG",
    "HAVE_ALIGNED_NEW",
    "HAVE_UINT128_EXTENSION",
    "OS_LINUX",
    "ROCKSDB_PLATFORM_POSIX",
    "ROCKSDB_LIB_IO_POSIX",
    "ROCKSDB_SCHED_GETCPU_PRESENT",
    "ROCKSDB_AUXV_GETAUXVAL_PRESENT",
    "ROCKSDB_FALLOCATE_PRESENT",
    "ROCKSDB_RANGESYNC_PRESENT",
];

/// Include directories inside the crate, and their order.
const INCLUDES: [&str; 4] = ["rocksdb/include", "rocksdb", "rocksdb/third-party/gtest-1.8.1/fused-src", "."];

/// Compression libraries: Cargo feature and definition, and the variable by which their crate names its headers.
const COMPRESSIONS: [(&str, Option<&str>); 5] = [
    ("LZ4", Some("DEP_LZ4_INCLUDE")),
    ("ZSTD", Some("DEP_ZSTD_INCLUDE")),
    ("ZLIB", Some("DEP_Z_INCLUDE")),
    ("BZIP2", Some("DEP_BZIP2_INCLUDE")),
    ("SNAPPY", None),
];

/// Features whose build this one does not reproduce.
const UNSUPPORTED: [&str; 3] = ["JEMALLOC", "IO_URING", "LTO"];

/// Makes sure that the library is in the cache, and points the build script at it.
///
/// # Panics
/// With the compiler's own words if RocksDB does not compile; with the path if the cache cannot be written.
pub fn provide() {
    refuse_unsupported();
    let compilation = Compilation::from_environment();
    let label = format!("rocksdb-{}", rocksdb_version());
    let entry = Entry::new(&cache::root(cache::variable), &label, compilation.recipe());
    if !entry.is_complete() {
        println!("cargo::warning=compiling RocksDB once into {}: some minutes", entry.directory().display());
        entry
            .fill(|directory| compilation.run(directory))
            .unwrap_or_else(|error| panic!("cannot keep RocksDB in {}: {error}", entry.directory().display()));
    }
    // Deleting the cache must not leave Cargo believing that the library is there.
    println!("cargo::rerun-if-changed={}", entry.directory().join(LIBRARY).display());
    // SAFETY: the build script has one thread here, ours have been joined.
    unsafe {
        env::set_var("ROCKSDB_LIB_DIR", entry.directory());
        env::set_var("ROCKSDB_STATIC", "1");
    }
}

/// RocksDB's own version: what follows the `+` of the crate's.
fn rocksdb_version() -> &'static str {
    CLIENT_VERSION.rsplit('+').next().unwrap_or(CLIENT_VERSION)
}

fn feature(name: &str) -> bool {
    env::var_os(format!("CARGO_FEATURE_{name}")).is_some()
}

fn refuse_unsupported() {
    for name in UNSUPPORTED {
        assert!(
            !feature(name),
            "the RocksDB feature {name} is not reproduced by third_party/bindgen-rocksdb: \
             set ROCKSDB_COMPILE=1 to build RocksDB the slow way (docs/adr/0002-rocksdb-build.md)"
        );
    }
}

/// Everything that decides what the library is.
struct Compilation {
    compiler: cc::Tool,
    archiver: Command,
    /// Flags that decide the object code: part of the recipe.
    flags: Vec<String>,
    /// Where this machine has the compression libraries' headers: not part of the recipe, since
    /// the path changes with each target directory and the headers do not.
    header_flags: Vec<String>,
    sources: Vec<String>,
}

impl Compilation {
    fn from_environment() -> Self {
        println!("cargo::rerun-if-env-changed=ROCKSDB_UNITY_OPT");
        let level = env::var("ROCKSDB_UNITY_OPT").unwrap_or_else(|_| "2".to_owned());
        let mut build = cc::Build::new();
        // Set, not inherited: every Cargo profile shares one library, optimised and without debug data.
        build.cpp(true).pic(true).debug(false).opt_level_str(level.trim_start_matches("-O"));
        build.warnings(false).std(CXX_STANDARD);
        Self {
            compiler: build.get_compiler(),
            archiver: build.get_archiver(),
            flags: flags(),
            header_flags: header_flags(),
            sources: sources(),
        }
    }

    /// All that the library depends on, one thing a line: the cache's key and its reader's explanation.
    fn recipe(&self) -> String {
        let compiler_arguments = self.compiler.args().iter().map(|argument| argument.to_string_lossy().into_owned());
        let lines = [
            format!("{} {CLIENT_VERSION}", crate::CLIENT),
            format!("target {}", build_variable("TARGET")),
            format!("compiler {} {}", self.compiler.path().display(), compiler_version(&self.compiler)),
            format!("unit {UNIT_SOURCES} of {} sources", self.sources.len()),
        ];
        lines.into_iter().chain(compiler_arguments).chain(self.flags.iter().cloned()).map(|line| line + "\n").collect()
    }

    /// Compiles every source and leaves [`LIBRARY`] in `directory`.
    fn run(mut self, directory: &Path) {
        let units: Vec<&[String]> = self.sources.chunks(UNIT_SOURCES).collect();
        let (next, objects) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let jobs = build_variable("NUM_JOBS").parse::<usize>().unwrap_or(1).min(units.len());
        thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    while let Some(unit) = units.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let made = self.compile(directory, unit);
                        objects.lock().expect("a worker that panics ends the build").extend(made);
                    }
                });
            }
        });
        let mut objects = objects.into_inner().expect("the scope has ended without a panic");
        objects.sort();
        let outcome = self.archiver.arg("crs").arg(directory.join(LIBRARY)).args(objects).status();
        let done = outcome.unwrap_or_else(|error| panic!("cannot start the archiver: {error}"));
        assert!(done.success(), "the archiver failed on RocksDB's objects: {done}");
    }

    /// Compiles `unit` as one, or in halves where two of its sources collide.
    fn compile(&self, directory: &Path, unit: &[String]) -> Vec<PathBuf> {
        match self.compile_whole(directory, unit) {
            Ok(object) => vec![object],
            Err(message) if unit.len() == 1 => {
                panic!("RocksDB: {} does not compile:\n{message}", unit[0])
            }
            Err(_) => {
                let (first, second) = unit.split_at(unit.len() / 2);
                [self.compile(directory, first), self.compile(directory, second)].concat()
            }
        }
    }

    fn compile_whole(&self, directory: &Path, unit: &[String]) -> Result<PathBuf, String> {
        // Named by the first source and the count, so that halves never overwrite one another.
        let name = format!("{}-{}", unit[0].replace('/', "_"), unit.len());
        let (text, object) = (directory.join(format!("{name}.unity.cc")), directory.join(format!("{name}.o")));
        fs::write(&text, unit_text(unit)).map_err(|error| error.to_string())?;
        let mut command = self.compiler.to_command();
        command.args(&self.flags).args(&self.header_flags).arg("-c").arg(&text).arg("-o").arg(&object);
        let output = command.output().map_err(|error| format!("cannot start {command:?}: {error}"))?;
        if output.status.success() {
            Ok(object)
        } else {
            Err(format!("{command:?}\n{}", String::from_utf8_lossy(&output.stderr)))
        }
    }
}

/// The text of a unit: its sources, included from the crate's root, which is a build script's directory.
fn unit_text(unit: &[String]) -> String {
    let root = build_variable("CARGO_MANIFEST_DIR");
    unit.iter().map(|source| format!("#include \"{root}/{source}\"\n")).collect()
}

fn flags() -> Vec<String> {
    let mut flags: Vec<String> = DEFINITIONS.iter().map(|name| format!("-D{name}")).collect();
    if feature("RTTI") {
        flags.push("-DUSE_RTTI=1".to_owned());
    }
    let compressions = COMPRESSIONS.iter().filter(|(name, _)| feature(name));
    flags.extend(compressions.map(|(name, _)| format!("-D{name}=1")));
    flags.extend(processor_flags(&build_variable("CARGO_CFG_TARGET_ARCH")).iter().map(|&flag| flag.to_owned()));
    flags.extend(INCLUDES.iter().map(|path| format!("-I{path}")));
    // RocksDB 11.8.1 leans on <cstdint> being there; gcc 13 and later no longer include it unasked.
    flags.extend(["-include", "cstdint", "-w"].map(str::to_owned));
    flags
}

/// What RocksDB needs to be told to use the processor's own CRC-32C.
///
/// x86-64: SSE 4.2 and PCLMUL, in every server processor since 2010; the index is unusable without.
/// aarch64: RocksDB asks the kernel at run time before it uses them.
fn processor_flags(architecture: &str) -> &'static [&'static str] {
    match architecture {
        "x86_64" => &["-msse4.2", "-mpclmul"],
        "aarch64" => &["-march=armv8-a+crc+crypto"],
        _ => &[],
    }
}

fn header_flags() -> Vec<String> {
    let paths = COMPRESSIONS.iter().filter(|(name, _)| feature(name)).filter_map(|(_, variable)| *variable);
    let mut flags: Vec<String> =
        paths.filter_map(|variable| env::var(variable).ok()).map(|path| format!("-I{path}")).collect();
    if feature("SNAPPY") {
        flags.push("-Isnappy".to_owned());
    }
    flags
}

/// The sources that the crate lists, relative to its root.
///
/// `util/build_version.cc` is a template; the crate has the filled one at its root.
fn sources() -> Vec<String> {
    let path = "rocksdb_lib_sources.txt";
    let list = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path} of librocksdb-sys: {error}"));
    let listed = list.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "util/build_version.cc");
    listed.map(|line| format!("rocksdb/{line}")).chain(["build_version.cc".to_owned()]).collect()
}

/// The first line of `--version`, which tells compilers and their releases apart.
fn compiler_version(compiler: &cc::Tool) -> String {
    let output = compiler.to_command().arg("--version").output();
    let output = output.unwrap_or_else(|error| {
        panic!("no C++ compiler: cannot start {}: {error} (install g++, or set CXX)", compiler.path().display())
    });
    String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_names_rocksdb() {
        assert_eq!(rocksdb_version(), "11.8.1");
    }

    #[test]
    fn each_architecture_gets_its_own_flags() {
        assert_eq!(processor_flags("x86_64"), ["-msse4.2", "-mpclmul"]);
        assert_eq!(processor_flags("aarch64"), ["-march=armv8-a+crc+crypto"]);
        assert_eq!(processor_flags("riscv64"), [""; 0]);
    }
}
