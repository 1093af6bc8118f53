//! The licences of everything that is built, and where it comes from.

use super::metadata::{Metadata, Package};
use super::spdx;

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    // MIT without the duty to name the author.
    "MIT-0",
    "MPL-2.0",
    // aws-lc's older parts.
    "OpenSSL",
    "Unicode-3.0",
    "Zlib",
];

/// A sentence for each package whose licence or source is not allowed.
pub(super) fn check(all: &Metadata) -> Vec<String> {
    all.packages.iter().flat_map(|package| [licence(package), source(package)]).flatten().collect()
}

fn licence(Package { name, version, license, .. }: &Package) -> Option<String> {
    let Some(license) = license else {
        return Some(format!("{name} {version} names no licence"));
    };
    match spdx::is_allowed(license, ALLOWED) {
        Some(true) => None,
        Some(false) => Some(format!("{name} {version}: the licence {license} is not allowed")),
        None => Some(format!("{name} {version}: the licence {license} does not parse")),
    }
}

fn source(Package { name, version, source, .. }: &Package) -> Option<String> {
    let source = source.as_deref()?;
    (source != REGISTRY)
        .then(|| format!("{name} {version} comes from {source}, not from crates.io or a path"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures(license: Option<&str>, source: Option<&str>) -> usize {
        let package = Package {
            name: String::from("one"),
            version: String::from("1.0.0"),
            source: source.map(str::to_owned),
            license: license.map(str::to_owned),
            manifest_path: String::new(),
            dependencies: Vec::new(),
        };
        check(&Metadata { packages: vec![package] }).len()
    }

    #[test]
    fn cargo_deny_is_told_the_same() {
        const DENY: &str = include_str!("../../../deny.toml");
        let (_, rest) = DENY.split_once("allow = [").unwrap();
        let (list, _) = rest.split_once(']').unwrap();
        let told: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
        assert_eq!(told, ALLOWED);
    }

    #[test]
    fn a_licence_must_be_named_and_allowed() {
        assert_eq!(failures(Some("MIT OR Apache-2.0"), Some(REGISTRY)), 0);
        assert_eq!(failures(Some("MIT AND OpenSSL"), None), 0);
        assert_eq!(failures(Some("AGPL-3.0-only"), Some(REGISTRY)), 1);
        assert_eq!(failures(Some("MIT OR"), Some(REGISTRY)), 1);
        assert_eq!(failures(None, Some(REGISTRY)), 1);
    }

    #[test]
    fn a_source_is_the_registry_or_a_path() {
        assert_eq!(failures(Some("MIT"), Some("git+https://example.com/one#abc")), 1);
        assert_eq!(failures(Some("MIT"), Some("registry+https://example.com/index")), 1);
    }
}
