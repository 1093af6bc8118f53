//! The audit log: who did what to whom on this node, in files that nobody changes unnoticed.
//!
//! Each record has the SHA-256 of the line of the one before it. Beside the files lies how far they go, so that an end that was cut
//! off is noticed, too. What happens is handed to a thread through a bounded queue: nobody waits for the disk, and what it does not
//! take is counted, and the log says so itself.

mod audit_folder;
mod audit_log;
mod audit_reader;
mod audit_writer;
mod command_audit;
mod connection_audit;
mod read_again;
mod record;
mod strangers;
mod tenant_budget;
#[cfg(test)]
mod tests;
mod verify;

pub(crate) use audit_folder::Head;
pub(crate) use audit_log::{AuditLog, AuditState, Share};
pub(crate) use audit_reader::{AuditPage, AuditReader};
pub(crate) use command_audit::tell_of_command;
pub(crate) use record::{AuditEntry, AuditRecord, cut};
pub(crate) use verify::verify;
