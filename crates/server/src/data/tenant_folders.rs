//! What is kept of a tenant beside its log, a file in each of some folders.

use std::io;
use std::path::Path;

use foodtrack_contract::TenantId;

use super::folder::Folder;

/// What it declared, what it revoked, and the API keys of its back ends.
const FOLDERS: [&str; 3] = ["declarations", "revocations", "api-keys"];

/// Takes a tenant's files away, from the disk as well. No server may be running.
///
/// # Errors
/// What the system said.
pub(crate) fn destroy_tenant_files(data_dir: &Path, tenant: &TenantId) -> io::Result<()> {
    for folder in FOLDERS.map(|name| data_dir.join(name)) {
        if folder.exists() {
            Folder::open(&folder)?.destroy(&format!("{tenant}.json"))?;
        }
    }
    Ok(())
}
