//! The first file of a backup: what else is in it.

use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

/// Its name in the backup.
pub(super) const NAME: &str = "backup.json";
/// The format that this version writes.
pub(super) const FORMAT: u64 = 1;

/// What a backup holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Contents {
    /// Of the backup.
    pub(super) format: u64,
    /// The version of the server that wrote it.
    pub(super) made_by: String,
    /// Whether tenants' keys are in it.
    pub(super) has_keys: bool,
    /// When, as RFC 3339 in UTC.
    pub(super) made_at: String,
    /// In the order in which they stand in it.
    pub(super) files: Vec<Part>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    /// Where it is in the data directory: `log.db`, `declarations/pizza-roma.json`.
    pub(super) path: String,
    pub(super) bytes: u64,
    /// SHA-256 as hexadecimal digits.
    pub(super) sha256: String,
}

impl Part {
    /// Whether it stays inside of the directory that it is put in, at most one folder deep.
    pub(super) fn is_inside(&self) -> bool {
        let mut components = Path::new(&self.path).components();
        let depth = components.clone().count();
        (1..=2).contains(&depth) && components.all(|it| matches!(it, Component::Normal(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_leads_out_of_its_directory() {
        let part = |path: &str| Part { path: path.into(), bytes: 0, sha256: String::new() };
        for path in ["log.db", "declarations/pizza-roma.json"] {
            assert!(part(path).is_inside(), "{path}");
        }
        for path in ["", "/etc/passwd", "..", "../log.db", "a/../../b", "a/b/c", "./log.db"] {
            assert!(!part(path).is_inside(), "{path}");
        }
    }
}
