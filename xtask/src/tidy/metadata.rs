//! What `cargo metadata` says, as far as it is asked for.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

/// The packages of the workspace, and with the resolved graph those they depend on.
#[derive(Deserialize)]
pub(super) struct Metadata {
    pub(super) packages: Vec<Package>,
}

/// One package.
#[derive(Deserialize)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    /// `None` for a package of a path.
    pub(super) source: Option<String>,
    pub(super) license: Option<String>,
    pub(super) manifest_path: String,
    pub(super) dependencies: Vec<Dependency>,
}

/// What a manifest asks for.
#[derive(Deserialize)]
pub(super) struct Dependency {
    pub(super) name: String,
    /// `None` for an ordinary one, else `dev` or `build`.
    pub(super) kind: Option<String>,
    /// Where it lies, for a package of a path.
    pub(super) path: Option<String>,
}

impl Metadata {
    /// Asks cargo; `ours_alone` leaves out what is not of the workspace.
    pub(super) fn read(root: &Path, ours_alone: bool) -> Result<Self, String> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.current_dir(root).args(["metadata", "--format-version", "1", "--locked"]);
        if ours_alone {
            command.arg("--no-deps");
        }
        let output = command.output().map_err(|error| format!("cargo does not run: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("cargo metadata fails: {}", said.trim()));
        }
        serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("cargo metadata does not read: {error}"))
    }
}
