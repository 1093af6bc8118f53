//! Crates that are there in several versions, each with its reason; and crates that must not be there.

use std::collections::{BTreeMap, BTreeSet};

use super::metadata::{Metadata, Package};

/// What is there in several versions, and who still wants the older one.
const SEVERAL: &[(&str, &str)] = &[
    ("base64", "jsonwebtoken wants 0.22, reqwest 0.23"),
    ("bit-set", "fancy-regex, of jsonschema, wants 0.8; proptest, of tests, 0.11"),
    ("bit-vec", "as bit-set"),
    ("cpufeatures", "sha1 wants 0.2, chacha20 0.3"),
    ("getrandom", "ring wants 0.2, ahash 0.3, uuid 0.4"),
    ("r-efi", "as getrandom; not on Linux"),
    ("rand", "opentelemetry_sdk wants 0.9, proptest and others 0.10"),
    ("rand_core", "signature, of jsonwebtoken, wants 0.6, rand 0.10"),
    ("serde_spanned", "figment's toml wants 0.6, ours 1"),
    ("syn", "several macros still want 2, serde's 3"),
    ("toml", "figment wants 0.8, ours is 0.9"),
    ("toml_datetime", "as toml"),
    ("toml_edit", "figment's toml wants 0.22, proc-macro-crate 0.25"),
    ("untrusted", "aws-lc-rs wants 0.7, rustls-webpki 0.9"),
    ("windows-sys", "ring wants 0.52; not on Linux"),
    ("winnow", "as toml"),
];

/// What must not be there.
const BANNED: &[(&str, &str)] = &[
    ("openssl", "rustls is what speaks TLS here"),
    ("openssl-sys", "rustls is what speaks TLS here"),
    ("native-tls", "rustls is what speaks TLS here"),
    ("chrono", "the crate time is what tells the time here"),
];

/// A sentence for each crate that is there in several versions without a reason, for each reason that is of no use any more, and for
/// each crate that must not be there.
pub(super) fn check(all: &Metadata) -> Vec<String> {
    judge(&all.packages, SEVERAL, BANNED)
}

fn judge(packages: &[Package], reasons: &[(&str, &str)], banned: &[(&str, &str)]) -> Vec<String> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for Package { name, version, .. } in packages {
        versions.entry(name).or_default().insert(version);
    }
    versions.retain(|_, versions| versions.len() > 1);
    let has_reason = |name: &str| reasons.iter().any(|(known, _)| *known == name);
    let twice = versions.iter().filter(|(name, _)| !has_reason(name)).map(|(name, versions)| {
        let versions = Vec::from_iter(versions.iter().copied()).join(" and ");
        format!("{name} is there as {versions}: unify them, or write the reason in xtask/src/tidy/versions.rs")
    });
    let stale = reasons.iter().filter(|(name, _)| !versions.contains_key(name)).map(|(name, _)| {
        format!("{name} is there once: take its reason out of xtask/src/tidy/versions.rs")
    });
    let forbidden = banned.iter().filter(|(name, _)| packages.iter().any(|it| it.name == *name));
    let forbidden = forbidden.map(|(name, why)| format!("{name} must not be there: {why}"));
    twice.chain(stale).chain(forbidden).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str) -> Package {
        Package {
            name: name.into(),
            version: version.into(),
            source: None,
            license: None,
            manifest_path: String::new(),
            dependencies: Vec::new(),
        }
    }

    #[test]
    fn cargo_deny_is_told_the_same() {
        const DENY: &str = include_str!("../../../deny.toml");
        for (name, why) in SEVERAL.iter().chain(BANNED) {
            let line = format!("{{ crate = \"{name}\", reason = \"{why}\" }}");
            assert!(DENY.contains(&line), "deny.toml has no {line}");
        }
        assert_eq!(DENY.matches("crate = ").count(), SEVERAL.len() + BANNED.len());
    }

    #[test]
    fn each_crate_is_there_once_or_with_a_reason_that_holds() {
        let packages = [package("a", "1.0.0"), package("a", "2.0.0"), package("b", "1.0.0")];
        let failures = |reasons, banned| judge(&packages, reasons, banned).len();
        assert_eq!(failures(&[], &[]), 1);
        assert_eq!(failures(&[("a", "c wants 1")], &[]), 0);
        assert_eq!(failures(&[("a", "c wants 1"), ("b", "of no use")], &[]), 1);
        assert_eq!(failures(&[("a", "c wants 1")], &[("b", "it is not kept any more")]), 1);
    }
}
