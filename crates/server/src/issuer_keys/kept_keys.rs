//! The last good keys of each issuer on disk: a restart while the issuer is away verifies with them.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::config::KeyPlace;
use crate::data::Folder;

/// Keys as they are kept.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct KeptKeys {
    version: u64,
    /// Where they were fetched from: those of another address are nobody's.
    from: String,
    /// Seconds since the Unix epoch.
    pub(super) fetched_at_s: u64,
    pub(super) jwks: String,
}

/// The format that is read and written.
const VERSION: u64 = 1;

/// A file an issuer, readable for the server's user alone; nothing where there is no data directory.
pub(super) struct KeyFolder(Option<Folder>);

impl KeyFolder {
    /// Opens or makes it. Without one, keys are not kept: that is no reason not to start.
    pub(super) fn open(path: Option<&Path>) -> Self {
        let opened = path.map(Folder::open).transpose();
        Self(opened.unwrap_or_else(|error| {
            tracing::error!(%error, "keys of issuers cannot be kept in the data directory");
            None
        }))
    }

    /// What is kept of an issuer, where it is of this place.
    pub(super) fn read(&self, name: &str, place: &KeyPlace) -> Option<KeptKeys> {
        let bytes = self.0.as_ref()?.read(&file_name(name)).ok()??;
        let kept: KeptKeys = serde_json::from_slice(&bytes).ok()?;
        (kept.version == VERSION && Some(&*kept.from) == origin(place)).then_some(kept)
    }

    /// Keeps them. Blocks for the disk.
    pub(super) fn write(&self, name: &str, place: &KeyPlace, jwks: &str, fetched_at_s: u64) {
        let (Some(folder), Some(from)) = (&self.0, origin(place)) else { return };
        let kept =
            KeptKeys { version: VERSION, from: from.into(), fetched_at_s, jwks: jwks.into() };
        // Texts and numbers only: it cannot fail.
        let bytes = serde_json::to_vec(&kept).unwrap_or_default();
        if let Err(error) = folder.replace(&file_name(name), &bytes) {
            tracing::warn!(issuer = name, %error, "the issuer's keys cannot be kept on disk");
        }
    }
}

/// An issuer's name has nothing in it that a file's name must not have.
fn file_name(name: &str) -> String {
    format!("{name}.json")
}

/// Where keys come from that must be kept. A file is there anyway.
fn origin(place: &KeyPlace) -> Option<&str> {
    match place {
        KeyPlace::File(_) => None,
        KeyPlace::Url(url) | KeyPlace::Discovery(url) => Some(url),
    }
}
