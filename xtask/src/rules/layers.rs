//! The layers and their arrows: `ARCHITECTURE.md` draws them, this holds them.
//!
//! A crate may import only the crates that an arrow leads to, in `Cargo.toml` and in the code, tests included.
//! What a layer does without (`formats`: files, clocks, chance; `engine` and `audit`: async, HTTP) is checked in
//! what is built, not in its tests.

use super::sources;
use crate::source::ConstructKind;
use crate::tree::{File, Tree};
use crate::violation::Violation;

const RULE: &str = "layer";

/// What is true of one of the workspace's crates.
struct Layer {
    /// Its directory.
    directory: &'static str,
    /// The crates of ours that an arrow leads to.
    arrows: &'static [&'static str],
    /// Other people's crates that it does without, as named in code.
    without_crates: &'static [&'static [&'static str]],
    /// Parts of the standard library, and calls, that it does without: segments found side by side in a path.
    without_paths: &'static [&'static str],
    /// Whether its code is synchronous.
    sync: bool,
}

/// HTTP, its wire types, configuration and the command line: known to `server` alone.
const DOORS: &[&str] = &[
    "axum",
    "axum_core",
    "clap",
    "http",
    "http_body",
    "http_body_util",
    "hyper",
    "hyper_util",
    "indicatif",
    "reqwest",
    "rustls",
    "tokio_rustls",
    "toml",
    "tower",
    "tower_http",
    "tracing_subscriber",
    "utoipa",
];
/// Async run-times and their company.
const ASYNC: &[&str] = &["async_std", "async_trait", "futures", "futures_util", "smol", "tokio", "tokio_util"];
/// Storage.
const STORAGE: &[&str] = &["fjall", "object_store", "redb", "rocksdb", "rustix"];
/// Chance.
const CHANCE: &[&str] = &["fastrand", "getrandom", "rand", "rand_core", "uuid"];
/// Input, output, clocks, threads.
const WORLD: &[&str] = &[
    "std::env",
    "std::fs",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "SystemTime",
    "Instant",
    "Timestamp::now",
    "Zoned::now",
    "OsRng",
];

const LAYERS: [Layer; 7] = [
    Layer {
        directory: "formats",
        arrows: &[],
        without_crates: &[DOORS, ASYNC, STORAGE, CHANCE],
        without_paths: WORLD,
        sync: true,
    },
    Layer {
        directory: "audit",
        arrows: &["formats"],
        without_crates: &[DOORS, ASYNC, &["rocksdb"]],
        without_paths: &[],
        sync: true,
    },
    Layer {
        directory: "engine",
        arrows: &["formats"],
        without_crates: &[DOORS, ASYNC],
        without_paths: &[],
        sync: true,
    },
    Layer {
        directory: "server",
        arrows: &["formats", "engine", "audit"],
        without_crates: &[],
        without_paths: &[],
        sync: false,
    },
    Layer { directory: "tests", arrows: OURS, without_crates: &[], without_paths: &[], sync: false },
    Layer { directory: "benches", arrows: OURS, without_crates: &[], without_paths: &[], sync: false },
    Layer { directory: "xtask", arrows: &[], without_crates: &[DOORS_BUT_TOML, ASYNC], without_paths: &[], sync: true },
];

const OURS: &[&str] = &["formats", "engine", "audit", "server"];
/// `xtask` reads `Cargo.toml`, and has no business with HTTP.
const DOORS_BUT_TOML: &[&str] = &["axum", "clap", "hyper", "reqwest"];

/// A place inside a layer that may name crates which the layer otherwise does without.
struct Adapter {
    /// The layer's directory; its `Cargo.toml` may name the crates too.
    directory: &'static str,
    /// Beginnings of the sources' paths.
    paths: &'static [&'static str],
    /// The crates.
    crates: &'static [&'static str],
    /// Whether its code may be async.
    asynchronous: bool,
}

const ADAPTERS: [Adapter; 2] = [
    // The crate behind it is async; the port that it serves is not.
    Adapter { directory: "engine", paths: &["engine/src/store/object"], crates: ASYNC, asynchronous: true },
    // The command line of cartulaire-verify, which stands alone.
    Adapter {
        directory: "audit",
        paths: &["audit/src/main.rs", "audit/src/bin/"],
        crates: &["clap"],
        asynchronous: false,
    },
];

/// Checks every crate's manifest and sources.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Violation> {
    let manifests = tree.files().iter().filter(|file| file.name() == "Cargo.toml").filter_map(|file| {
        let layer = layer_of(file)?;
        (file.path == format!("{}/Cargo.toml", layer.directory)).then(|| manifest(file, layer))
    });
    let code = sources(tree).filter_map(|(file, source)| Some(code(file, layer_of(file)?, &source)));
    manifests.chain(code).flatten().collect()
}

fn layer_of(file: &File) -> Option<&'static Layer> {
    LAYERS.iter().find(|layer| layer.directory == file.top())
}

impl Layer {
    /// Why this layer may not name `krate` (as in code), if so.
    fn refuses(&self, krate: &str, in_test: bool) -> Option<String> {
        if let Some(ours) = krate.strip_prefix("cartulaire_") {
            let drawn = self.arrows.contains(&ours) || ours == self.directory;
            return (!drawn).then(|| {
                format!(
                    "{} may not import {ours}: ARCHITECTURE.md draws no such arrow; move what both need into formats",
                    self.directory
                )
            });
        }
        let without = self.without_crates.iter().any(|crates| crates.contains(&krate));
        (without && !in_test)
            .then(|| format!("{} does without {krate}: put this behind a port, or in server", self.directory))
    }
}

/// Checks the names of the dependencies.
fn manifest(file: &File, layer: &'static Layer) -> Vec<Violation> {
    let table = file.text().and_then(|text| text.parse::<toml::Table>().ok());
    let Some(table) = table else {
        return vec![Violation::new(&file.path, 1, RULE, "not TOML; mend it")];
    };
    let adapters = ADAPTERS.iter().filter(|adapter| adapter.directory == layer.directory);
    let adapters: Vec<&str> = adapters.flat_map(|adapter| adapter.crates.iter().copied()).collect();
    let refused = dependencies(&table).into_iter().filter_map(|(name, in_test)| {
        let krate = name.replace('-', "_");
        let allowed = adapters.contains(&krate.as_str());
        let why = layer.refuses(&krate, in_test).filter(|_| !allowed)?;
        Some(Violation::new(&file.path, line_of(file, &name), RULE, why))
    });
    refused.collect()
}

/// The dependencies of a manifest, and whether each is for tests only. Target-specific ones count.
fn dependencies(table: &toml::Table) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let targets = table.get("target").and_then(toml::Value::as_table);
    let targets = targets.into_iter().flat_map(|targets| targets.values().filter_map(toml::Value::as_table));
    for part in std::iter::once(table).chain(targets) {
        for (section, in_test) in [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)] {
            let names = part.get(section).and_then(toml::Value::as_table);
            found.extend(names.into_iter().flatten().map(|(name, value)| (package(name, value), in_test)));
        }
    }
    found
}

/// The crate behind a dependency that may have been renamed.
fn package(name: &str, value: &toml::Value) -> String {
    value.get("package").and_then(toml::Value::as_str).unwrap_or(name).to_owned()
}

fn line_of(file: &File, name: &str) -> usize {
    let mut lines = file.text().unwrap_or_default().lines();
    let starts =
        |line: &str| line.trim_start().strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '.', '=']));
    lines.position(starts).map_or(1, |index| index + 1)
}

/// Checks what the code names.
fn code(file: &File, layer: &'static Layer, source: &crate::source::Source) -> Vec<Violation> {
    let adapter = ADAPTERS.iter().find(|adapter| adapter.paths.iter().any(|prefix| file.path.starts_with(prefix)));
    let mut violations = Vec::new();
    for named in &source.named {
        let krate = named.segments[0].as_str();
        let allowed = adapter.is_some_and(|adapter| adapter.crates.contains(&krate));
        let is_crate = named.imported || named.segments.len() > 1;
        let refused = layer.refuses(krate, named.in_test).filter(|_| is_crate && !allowed);
        let refused = refused.or_else(|| worldly(layer, &named.segments).filter(|_| !named.in_test));
        violations.extend(refused.map(|why| Violation::new(&file.path, named.line, RULE, why)));
    }
    if layer.sync && !adapter.is_some_and(|adapter| adapter.asynchronous) {
        let asyncs = source.constructs.iter().filter(|it| it.kind == ConstructKind::Async && !it.in_test);
        violations.extend(asyncs.map(|it| {
            let why =
                format!("{} is synchronous: async stays in the object-store adapter and in server", layer.directory);
            Violation::new(&file.path, it.line, RULE, why)
        }));
    }
    violations.dedup();
    violations
}

/// Why this layer may not name the path, if some part of it is one that it does without.
fn worldly(layer: &Layer, segments: &[String]) -> Option<String> {
    let found = layer.without_paths.iter().find(|forbidden| {
        let forbidden: Vec<&str> = forbidden.split("::").collect();
        segments.windows(forbidden.len()).any(|window| window == forbidden)
    })?;
    Some(format!("{} is pure and does without {found}: let the caller pass the value in", layer.directory))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::tests::places;

    fn manifest_with(directory: &str, dependency: &str) -> Vec<String> {
        let text = format!("[package]\nname = \"x\"\n[dependencies]\n{dependency}\n");
        places(check, &[(&format!("{directory}/Cargo.toml"), &text)])
    }

    fn code_with(path: &str, text: &str) -> Vec<String> {
        places(check, &[(path, text)])
    }

    #[test]
    fn every_arrow_that_is_not_drawn_is_refused_in_the_manifest_and_in_the_code() {
        for from in ["formats", "engine", "audit", "server", "tests", "benches", "xtask"] {
            for to in OURS {
                let drawn = match from {
                    "tests" | "benches" => true,
                    "server" => *to != "server",
                    "engine" | "audit" => *to == "formats",
                    _ => false,
                };
                let manifest = manifest_with(from, &format!("cartulaire-{to}.workspace = true"));
                assert_eq!(manifest.is_empty(), drawn || from == *to, "{from} -> {to} in Cargo.toml");
                let code = code_with(&format!("{from}/src/a.rs"), &format!("\nuse cartulaire_{to}::X;"));
                let expected = if drawn || from == *to { vec![] } else { vec![format!("{from}/src/a.rs:2: layer")] };
                assert_eq!(code, expected, "{from} -> {to} in the code");
            }
        }
    }

    #[test]
    fn an_arrow_counts_in_tests_and_dev_dependencies_too() {
        let manifest = "[dev-dependencies]\ncartulaire-engine = { path = \"../engine\" }\n";
        assert_eq!(places(check, &[("audit/Cargo.toml", manifest)]), ["audit/Cargo.toml:2: layer"]);
        assert_eq!(code_with("audit/tests/a.rs", "use cartulaire_engine::X;"), ["audit/tests/a.rs:1: layer"]);
    }

    #[test]
    fn a_renamed_or_target_specific_dependency_is_seen() {
        assert_eq!(manifest_with("audit", "db = { version = \"1\", package = \"rocksdb\" }").len(), 1);
        let manifest = "[target.'cfg(unix)'.dependencies]\ntokio = \"1\"\n";
        assert_eq!(places(check, &[("formats/Cargo.toml", manifest)]), ["formats/Cargo.toml:2: layer"]);
    }

    #[test]
    fn each_layer_does_without_its_crates() {
        for (layer, krate) in [
            ("formats", "tokio"),
            ("formats", "rocksdb"),
            ("formats", "rand"),
            ("formats", "getrandom"),
            ("formats", "axum"),
            ("audit", "rocksdb"),
            ("audit", "tokio"),
            ("audit", "toml"),
            ("engine", "axum"),
            ("engine", "clap"),
            ("engine", "toml"),
            ("engine", "reqwest"),
            ("xtask", "axum"),
        ] {
            assert_eq!(manifest_with(layer, &format!("{krate} = \"1\"")), [format!("{layer}/Cargo.toml:4: layer")]);
            let path = format!("{layer}/src/a.rs");
            assert_eq!(code_with(&path, &format!("fn f() {{ {krate}::g() }}")), [format!("{path}:1: layer")]);
        }
        assert_eq!(manifest_with("server", "axum = \"1\""), [""; 0]);
        assert_eq!(manifest_with("xtask", "toml.workspace = true"), [""; 0]);
    }

    #[test]
    fn a_variable_named_like_a_crate_is_none() {
        assert_eq!(code_with("engine/src/a.rs", "fn f() { let http = g(); h(http, format!(\"{}\", toml)) }"), [""; 0]);
        assert_eq!(code_with("engine/src/a.rs", "use toml;"), ["engine/src/a.rs:1: layer"]);
    }

    #[test]
    fn formats_is_pure_outside_its_tests() {
        for path in ["std::fs", "std::net::TcpStream", "std::time::SystemTime", "std::time::{Instant}", "std::env::var"]
        {
            assert_eq!(code_with("formats/src/a.rs", &format!("use {path};")), ["formats/src/a.rs:1: layer"], "{path}");
        }
        assert_eq!(code_with("formats/src/a.rs", "fn f() { jiff::Timestamp::now(); }"), ["formats/src/a.rs:1: layer"]);
        assert_eq!(code_with("formats/src/a.rs", "#[cfg(test)] mod tests { use std::fs; }"), [""; 0]);
        assert_eq!(code_with("formats/tests/a.rs", "use std::fs;"), [""; 0]);
        assert_eq!(code_with("formats/src/a.rs", "use std::io::Read; struct Time;"), [""; 0]);
    }

    #[test]
    fn async_stays_in_the_object_store_adapter() {
        let text = "async fn f() {\n  tokio::time::sleep(x).await\n}";
        let found = ["engine/src/a.rs:2: layer", "engine/src/a.rs:1: layer", "engine/src/a.rs:2: layer"];
        assert_eq!(code_with("engine/src/a.rs", text), found);
        assert_eq!(code_with("audit/src/a.rs", "fn f() { async {} }"), ["audit/src/a.rs:1: layer"]);
        for path in [
            "engine/src/store/object.rs",
            "engine/src/store/object_s3.rs",
            "engine/src/store/object/put.rs",
            "server/src/a.rs",
        ] {
            assert_eq!(code_with(path, text), [""; 0], "{path}");
        }
        assert_eq!(manifest_with("engine", "tokio.workspace = true"), [""; 0]);
    }
    #[test]
    fn the_verifier_alone_has_a_command_line_in_audit() {
        assert_eq!(manifest_with("audit", "clap.workspace = true"), [""; 0]);
        assert_eq!(code_with("audit/src/main.rs", "use clap::Parser;"), [""; 0]);
        assert_eq!(code_with("audit/src/bundle.rs", "use clap::Parser;"), ["audit/src/bundle.rs:1: layer"]);
        assert_eq!(code_with("audit/src/main.rs", "async fn f() {}"), ["audit/src/main.rs:1: layer"]);
    }
}
