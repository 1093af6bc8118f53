//! Who may know whom among the crates.

use std::path::Path;

use super::metadata::{Metadata, Package};

/// Each crate by its folder, and whom it may know. Tests may know anybody.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("contract", &[]),
    ("wire", &[]),
    ("session", &["wire", "contract"]),
    ("auth", &["contract"]),
    ("router", &["contract"]),
    ("profile", &["contract"]),
    ("keyring", &["contract"]),
    ("measures", &[]),
    ("tenant-log", &["keyring", "measures", "contract"]),
    ("transport", &["wire", "session"]),
    ("tenant", &["router", "profile", "wire", "measures", "contract", "tenant-log"]),
    ("shard", &["tenant", "session", "tenant-log", "transport", "contract"]),
    (
        "server",
        &[
            "shard",
            "transport",
            "session",
            "auth",
            "router",
            "profile",
            "tenant-log",
            "keyring",
            "measures",
            "contract",
        ],
    ),
    ("history-checker", &["contract"]),
    (
        "simulation",
        &["tenant", "session", "tenant-log", "router", "wire", "contract", "history-checker"],
    ),
    ("conformance", &["auth", "contract", "session", "transport", "wire"]),
];

/// A sentence for each crate that knows whom it may not.
pub(super) fn check(ours: &Metadata) -> Vec<String> {
    ours.packages.iter().filter(|package| is_crate(package)).flat_map(check_package).collect()
}

/// Whether the package is one of `crates/*`; the acceptance tests, the bench and this tool may know anybody.
fn is_crate(package: &Package) -> bool {
    folder_of(package).parent().is_some_and(|parent| parent.ends_with("crates"))
}

fn folder_of(package: &Package) -> &Path {
    Path::new(&package.manifest_path).parent().unwrap_or(Path::new(""))
}

fn last_part(folder: &Path) -> Option<&str> {
    folder.file_name().and_then(|name| name.to_str())
}

fn check_package(package: &Package) -> Vec<String> {
    let name = &package.name;
    let folder = last_part(folder_of(package));
    let Some((_, allowed)) = MAY_KNOW.iter().find(|(one, _)| folder == Some(one)) else {
        return vec![format!("{name} is not in the table of who may know whom; add it there")];
    };
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind.as_deref() != Some("dev"))
        .filter(|dependency| {
            // A package of the registry lies nowhere in the tree.
            let folder = dependency.path.as_deref().map(Path::new);
            folder.is_some_and(|folder| last_part(folder).is_none_or(|one| !allowed.contains(&one)))
        })
        .map(|dependency| format!("{name} must not know {}", dependency.name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::metadata::Dependency;

    fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Package {
        let dependencies = dependencies.iter().map(|(name, kind)| Dependency {
            name: (*name).to_owned(),
            kind: kind.map(str::to_owned),
            path: name.strip_prefix("foodtrack-").map(|folder| format!("/x/crates/{folder}")),
        });
        Package {
            name: name.to_owned(),
            version: String::from("0.1.0"),
            source: None,
            license: None,
            manifest_path: format!(
                "/x/crates/{}/Cargo.toml",
                name.trim_start_matches("foodtrack-")
            ),
            dependencies: dependencies.collect(),
        }
    }

    fn check(package: Package) -> Vec<String> {
        super::check(&Metadata { packages: vec![package] })
    }

    #[test]
    fn what_the_table_draws_is_allowed() {
        let both = [("foodtrack-wire", None), ("foodtrack-contract", None), ("serde", None)];
        assert!(check(package("foodtrack-session", &both)).is_empty());
    }

    #[test]
    fn what_the_table_does_not_draw_is_forbidden() {
        let failures = check(package("foodtrack-wire", &[("foodtrack-contract", None)]));
        assert_eq!(failures, ["foodtrack-wire must not know foodtrack-contract"]);
        let failures = check(package("foodtrack-auth", &[("foodtrack-wire", Some("build"))]));
        assert_eq!(failures.len(), 1);
    }

    #[test]
    fn tests_may_know_anybody() {
        assert!(check(package("foodtrack-wire", &[("foodtrack-server", Some("dev"))])).is_empty());
    }

    #[test]
    fn a_new_crate_must_enter_the_table() {
        assert_eq!(check(package("foodtrack-stranger", &[])).len(), 1);
        assert_eq!(check(package("stranger", &[])).len(), 1);
    }

    #[test]
    fn what_lies_beside_the_crates_may_know_anybody() {
        let mut bench = package("bench", &[("foodtrack-server", None)]);
        bench.manifest_path = String::from("/x/bench/Cargo.toml");
        assert!(check(bench).is_empty());
    }

    #[test]
    fn nobody_in_the_table_knows_a_stranger() {
        let names: Vec<&str> = MAY_KNOW.iter().map(|(name, _)| *name).collect();
        assert!(MAY_KNOW.iter().flat_map(|(_, known)| *known).all(|known| names.contains(known)));
    }
}
