//! The node: its log, its health and its process.

use foodtrack_tenant_log::StorageState;

use super::Sources;
use super::page::Page;
use crate::health_book::HealthCondition;
use crate::{logging, process};

/// The log of all tenants.
pub(super) fn of_log(page: &mut Page, sources: &Sources<'_>) {
    let (storage, work) = (&sources.storage, &sources.work);
    let help = "1 while the disk of the log is full: durable events are refused.";
    page.gauge("foodtrack_log_storage_full", help, Some(storage.state == StorageState::Full));
    let help = "1 while the disk's budget for the log is nearly used: the largest tenants' logs yield, oldest first.";
    page.gauge("foodtrack_log_yielding", help, Some(storage.is_yielding));
    let reasons =
        [("storage_full", storage.refused_full), ("storage_failed", storage.refused_failed)];
    let reasons = reasons.map(|(reason, n)| (vec![("reason", reason.to_owned())], n));
    page.counters(
        "foodtrack_log_refused",
        "Entries that the log did not keep, by reason.",
        reasons,
    );
    let help = "Free bytes on the file system of the log.";
    page.gauge("foodtrack_log_disk_free_bytes", help, storage.disk_free_bytes);
    page.gauge("foodtrack_log_file_bytes", "Bytes that the log takes on disk.", storage.file_bytes);
    let help = "Durable events that wait on this node's disk until the cluster's Redis has them.";
    page.gauge("foodtrack_redis_spooled_events", help, storage.spooled.map(|it| it.events));
    let help = "About how many bytes the events take that wait on this node's disk.";
    page.gauge("foodtrack_redis_spooled_bytes", help, storage.spooled.map(|it| it.bytes));
    let help = "Entries and other requests that wait for the log's writer.";
    page.gauge("foodtrack_log_waiting", help, Some(work.waiting));
    let help = "Bytes of what waits for the log's writer.";
    page.gauge("foodtrack_log_waiting_bytes", help, Some(work.waiting_bytes));
    let help = "How long the log's writer took for a transaction or, where the log is in Redis, until that had answered.";
    page.histogram("foodtrack_log_commit_seconds", help, work.commit);
    let help = "How long a transaction of the log waited for the disk, its fsync included.";
    page.histogram("foodtrack_log_fsync_seconds", help, work.fsync);
}

/// What `/health` says.
pub(super) fn of_health(page: &mut Page, sources: &Sources<'_>) {
    let conditions = HealthCondition::ALL.iter().map(|condition| {
        let holds = sources.conditions.contains(condition);
        (vec![("condition", condition.as_str().to_owned())], holds)
    });
    let help = "Whether a condition of /health holds that degrades the node.";
    page.gauges("foodtrack_health_condition", help, conditions);
    let help = "How long a question takes through a shard's mailbox and loop; one goes through each every second.";
    page.histogram("foodtrack_canary_seconds", help, sources.canary.took());
    let help = "How often such a question did not come through within a second.";
    page.counter("foodtrack_canary_late", help, sources.canary.late());
    let help = "Whether the node drains: its clients are sent elsewhere, or are about to be.";
    page.gauge("foodtrack_draining", help, Some(sources.is_draining));
    let help = "For how long the certificate is still good.";
    page.gauge("foodtrack_certificate_remaining_seconds", help, sources.certificate_seconds);
    let help = "Records written to the audit log.";
    page.counter("foodtrack_audit_records", help, sources.audit.written);
    let help = "Records that the audit log's disk did not take in time.";
    page.counter("foodtrack_audit_lost", help, sources.audit.lost);
    let help = "Log lines that nobody read in time.";
    page.counter("foodtrack_log_lines_dropped", help, logging::lines_dropped());
    page.counter("foodtrack_panics", "Panics, caught or not.", logging::panics());
}

/// What the system says of the process, under the names that Prometheus' own libraries use.
pub(super) fn of_process(page: &mut Page, uptime_s: f64) {
    page.gauge("foodtrack_uptime_seconds", "Since the start.", Some(uptime_s));
    if let Some(time) = process::cpu_time() {
        page.counter("process_cpu_seconds", "Processor time used.", time.as_secs_f64());
    }
    let resident = process::resident_bytes();
    page.gauge("process_resident_memory_bytes", "Resident memory.", resident);
    let help = "Memory that there is: the control group's limit, or the machine's.";
    page.gauge("foodtrack_memory_limit_bytes", help, process::memory_bytes());
    page.gauge("process_open_fds", "Open file descriptors.", process::open_files());
    let help = "File descriptors that may be open.";
    page.gauge("process_max_fds", help, crate::descriptors::most());
    let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
    page.gauges("foodtrack_build_info", "The version that runs.", [(version, 1_u64)]);
}
