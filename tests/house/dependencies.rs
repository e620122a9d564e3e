//! What do we build on? The packages as cargo and the lock file name them.
//!
//! This asks cargo, without a network, for what a build on this machine uses; the lock file has every
//! machine's. So no tool need be installed for it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";
/// Two of these in one program do not know each other's types, or carry C code twice.
const ONCE: [&str; 10] = [
    "arrow",
    "arrow-array",
    "arrow-buffer",
    "arrow-schema",
    "parquet",
    "roaring",
    "rusqlite",
    "libsqlite3-sys",
    "zstd-sys",
    "tokio",
];

/// A package as it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    pub name: String,
    pub version: String,
    /// None for the package itself.
    pub source: Option<String>,
    /// An SPDX expression. The lock file does not know it.
    pub licence: Option<String>,
}

/// Every package that a build on this machine uses, tests included; ours left out.
pub fn packages() -> Vec<Package> {
    let told =
        cargo(&["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", &host()]);
    let told: Value =
        serde_json::from_str(&told).unwrap_or_else(|e| panic!("cargo metadata gave no JSON: {e}"));
    let used =
        told["resolve"]["nodes"].as_array().map(|nodes| nodes.iter().map(|n| n["id"].clone()).collect());
    let used: Vec<Value> = used.unwrap_or_default();
    let all = told["packages"].as_array().into_iter().flatten();
    all.filter(|p| used.contains(&p["id"]) && !p["source"].is_null()).map(described).collect()
}

/// Every package of the lock file, ours too.
pub fn lock() -> Vec<Package> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock");
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    read_lock(&text)
}

/// Packages from elsewhere than the one registry, and second versions of what must be there once.
pub fn check(packages: &[Package]) -> Vec<String> {
    let mut found: Vec<String> = packages.iter().filter_map(foreign).collect();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in packages {
        versions.entry(&package.name).or_default().push(&package.version);
    }
    found.extend(ONCE.iter().filter_map(|name| twice(name, versions.get(name)?)));
    found
}

fn foreign(package: &Package) -> Option<String> {
    let source = package.source.as_deref()?;
    let Package { name, version, .. } = package;
    (source != REGISTRY)
        .then(|| format!("Cargo.lock: {name} {version} comes from {source}, not from crates.io"))
}

fn twice(name: &str, versions: &[&str]) -> Option<String> {
    (versions.len() > 1).then(|| {
        format!("Cargo.lock: {name} is there in {} versions: {}", versions.len(), versions.join(", "))
    })
}

fn read_lock(text: &str) -> Vec<Package> {
    text.split("[[package]]").skip(1).map(read_entry).collect()
}

fn read_entry(entry: &str) -> Package {
    let value = |key: &str| {
        let line = entry.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(" = \""))?;
        Some(line.trim_end_matches('"').to_string())
    };
    let text = |key: &str| value(key).unwrap_or_default();
    Package { name: text("name"), version: text("version"), source: value("source"), licence: None }
}

fn described(package: &Value) -> Package {
    let value = |key: &str| package[key].as_str().map(String::from);
    let text = |key: &str| value(key).unwrap_or_default();
    Package {
        name: text("name"),
        version: text("version"),
        source: value("source"),
        licence: value("license"),
    }
}

fn cargo(words: &[&str]) -> String {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_string());
    output(Command::new(program).current_dir(env!("CARGO_MANIFEST_DIR")).args(words))
}

/// The platform that rustc builds for.
fn host() -> String {
    let program = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_string());
    let told = output(Command::new(program).arg("-vV"));
    told.lines().find_map(|l| l.strip_prefix("host: ")).unwrap_or_default().to_string()
}

fn output(command: &mut Command) -> String {
    let done = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(done.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "version = 4\n\n[[package]]\nname = \"ours\"\nversion = \"0.1.0\"\n\n[[package]]\nname = \"arrow\"\n\
        version = \"59.3.2\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\n\n[[package]]\n\
        name = \"arrow\"\nversion = \"60.1.0\"\nsource = \"git+https://example.org/arrow#1\"\ndependencies = [\n \"x\",\n]\n";

    #[test]
    fn the_lock_file_is_read() {
        let all = read_lock(LOCK);
        assert_eq!(all.iter().map(|p| p.version.as_str()).collect::<Vec<_>>(), ["0.1.0", "59.3.2", "60.1.0"]);
        assert_eq!(all[0].source, None);
    }

    #[test]
    fn a_foreign_source_and_a_second_version_are_found() {
        let found = check(&read_lock(LOCK));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("git+https://example.org") && found[1].contains("59.3.2, 60.1.0"));
    }

    #[test]
    fn this_package_is_not_among_the_packages_that_it_builds_on() {
        let all = packages();
        assert!(
            all.iter().any(|p| p.name == "regex") && all.iter().all(|p| p.name != env!("CARGO_PKG_NAME"))
        );
    }
}
