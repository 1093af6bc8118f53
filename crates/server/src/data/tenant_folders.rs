//! What is kept of a tenant beside its log, a file in each of some folders.

use std::io;
use std::path::Path;

use foodtrack_contract::TenantId;

use super::folder::Folder;

/// What it declared, and the API keys of its back ends. What it revoked is not simply taken away: its tokens would be good again.
const FOLDERS: [&str; 2] = ["declarations", "api-keys"];

/// Takes such files of a tenant away, from the disk as well. No server may be running.
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
