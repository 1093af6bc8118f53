//! What the command line does to a data directory that no server has, as a record.

use std::io;
use std::path::Path;
use std::time::Duration;

use foodtrack_contract::TenantId;

use super::audit_folder::AUDIT_FOLDER;
use super::audit_writer::{AuditWriter, COMMAND, Retention};
use super::record::{AuditEntry, cut};

/// Nothing is taken away here.
const ALL: Retention = Retention { bytes_max: u64::MAX, age_max: Duration::MAX };

/// Tells that a command was run, where the data directory has an audit log. The caller has the directory.
///
/// # Errors
/// What the system said.
pub(crate) fn tell_of_command(
    data_dir: &Path,
    command: &str,
    tenant: Option<&TenantId>,
    subject: Option<&str>,
) -> io::Result<()> {
    if !data_dir.join(AUDIT_FOLDER).is_dir() {
        return Ok(());
    }
    let (mut writer, mut entries) = AuditWriter::open(data_dir, ALL)?;
    let entry =
        AuditEntry { subject: subject.map(cut), ..AuditEntry::new(format!("{COMMAND}{command}")) };
    entries.push(match tenant {
        Some(tenant) => entry.of(tenant),
        None => entry,
    });
    writer.append(&entries)
}
