//! The rules of ARCHITECTURE.md that a machine can check: who depends on whom, what the domain must not touch,
//! where engines are named, how long files are.
#![expect(
    clippy::unwrap_used,
    reason = "a panic is how this test says that the workspace is not what it reads"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

const DOMAIN: &str = "weir-domain";
const PROTO: &str = "weir-proto";
const RUNTIME: &str = "weir-runtime";
const PROCESSES: [&str; 6] = [
    "weir-gateway",
    "weir-quota",
    "weir-aggregator",
    "weir-showback",
    "weir-emulator",
    "weir-embedded-clickhouse",
];

/// No source file is longer; a file that wants to be holds two things.
const LINES_MAX: usize = 400;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace").to_owned()
}

/// Package → the packages that its shipped code depends on (dev-dependencies left out).
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let output = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs, since it runs this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let shipped = package["dependencies"].as_array().unwrap().iter().filter(|d| d["kind"].is_null());
            let names = shipped.map(|d| d["name"].as_str().unwrap().to_owned()).collect();
            (package["name"].as_str().unwrap().to_owned(), names)
        })
        .collect()
}

fn ours(names: &BTreeSet<String>) -> BTreeSet<&str> {
    names.iter().map(String::as_str).filter(|name| name.starts_with("weir")).collect()
}

/// Every Rust source under a folder of the workspace, with its text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} holds no source");
    found
}

#[test]
fn parts_know_only_those_below_them() {
    let dependencies = dependencies();
    let allowed = |name: &str| -> BTreeSet<&str> {
        match name {
            DOMAIN => [].into(),
            PROTO => [DOMAIN].into(),
            RUNTIME => [DOMAIN, PROTO].into(),
            _ => [DOMAIN, PROTO, RUNTIME].into(),
        }
    };
    for name in [DOMAIN, PROTO, RUNTIME].into_iter().chain(PROCESSES) {
        let found = ours(&dependencies[name]);
        let below = allowed(name);
        let beyond: Vec<_> = found.difference(&below).collect();
        assert!(beyond.is_empty(), "{name} must not depend on {beyond:?}");
    }
    let known: BTreeSet<&str> =
        [DOMAIN, PROTO, RUNTIME, "weir", "weir-tests"].into_iter().chain(PROCESSES).collect();
    let all: BTreeSet<&str> = dependencies.keys().map(String::as_str).collect();
    assert_eq!(all, known, "a new package needs its rule here");
}

#[test]
fn the_domain_is_pure() {
    let dependencies = dependencies();
    let pure = ["chrono", "chrono-tz", "foldhash", "smol_str", "thiserror"];
    assert_eq!(
        dependencies[DOMAIN],
        pure.map(str::to_owned).into(),
        "the domain depends on nothing that acts: chrono comes without its clock"
    );
    let impure = [
        "async fn",
        "std::fs",
        "std::net",
        "std::thread",
        "SystemTime",
        "Instant::now",
        "std::env",
        "println!",
    ];
    for (path, text) in sources("services/domain/src") {
        for word in impure {
            assert!(!text.contains(word), "{} names {word}", path.display());
        }
    }
}

#[test]
fn each_engine_is_named_in_one_place() {
    let dependencies = dependencies();
    let who = |engine: &str| -> Vec<&str> {
        let holders =
            dependencies.iter().filter(|(name, needs)| *name != "weir-tests" && needs.contains(engine));
        holders.map(|(name, _)| name.as_str()).collect()
    };
    assert_eq!(who("rdkafka"), [RUNTIME]);
    assert_eq!(who("clickhouse"), ["weir-aggregator", "weir-showback"]);
    for (path, text) in sources("services/runtime/src") {
        let inside = path.to_string_lossy().contains("journal/kafka");
        assert!(inside || !text.contains("rdkafka::"), "{} names rdkafka", path.display());
    }
}

#[test]
fn unsafe_code_is_in_one_module() {
    for folder in ["gateway", "proto/src", "services", "tests"] {
        for (path, text) in sources(folder) {
            let place = path.to_string_lossy().into_owned();
            if place == "services/embedded-clickhouse/src/ffi.rs" || place.starts_with("tests/architecture") {
                continue;
            }
            assert!(
                !["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"]
                    .iter()
                    .any(|word| text.contains(word)),
                "{place} holds unsafe code"
            );
        }
    }
}

#[test]
fn files_are_short_enough_to_read() {
    for folder in ["gateway", "proto/src", "services", "tests"] {
        for (path, text) in sources(folder) {
            let lines = text.lines().count();
            assert!(lines <= LINES_MAX, "{} has {lines} lines; at most {LINES_MAX}", path.display());
        }
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for folder in ["gateway", "proto/src", "services", "tests"] {
        for (path, text) in sources(folder) {
            assert!(text.starts_with("//!"), "{} begins without a `//!`", path.display());
        }
    }
}
