//! What a log promises, checked against every store.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test's helpers fail the test"
)]

#[path = "promises/beside.rs"]
mod beside;
#[path = "promises/budget.rs"]
mod budget;
#[path = "promises/crash.rs"]
mod crash;
#[path = "promises/cursors.rs"]
mod cursors;
#[path = "promises/devices.rs"]
mod devices;
#[path = "promises/disk.rs"]
mod disk;
#[path = "promises/erasing.rs"]
mod erasing;
#[path = "promises/erasing_while_open.rs"]
mod erasing_while_open;
#[path = "promises/every_store.rs"]
mod every_store;
#[path = "promises/files.rs"]
mod files;
#[path = "promises/heads.rs"]
mod heads;
#[path = "promises/key_box.rs"]
mod key_box;
#[path = "promises/large_commits.rs"]
mod large_commits;
#[path = "promises/layout_5.rs"]
mod layout_5;
#[path = "promises/layout_6.rs"]
mod layout_6;
#[path = "promises/layout_7.rs"]
mod layout_7;
#[path = "promises/leases.rs"]
mod leases;
#[path = "promises/line.rs"]
mod line;
#[path = "promises/locked_file.rs"]
mod locked_file;
#[path = "promises/memory.rs"]
mod memory;
#[path = "fixtures/old_layouts.rs"]
mod old_layouts;
#[path = "promises/patience.rs"]
mod patience;
#[path = "promises/redis.rs"]
mod redis;
#[path = "promises/redis_answers.rs"]
mod redis_answers;
#[path = "promises/redis_away.rs"]
mod redis_away;
#[path = "promises/redis_cluster.rs"]
mod redis_cluster;
#[path = "promises/redis_cursors.rs"]
mod redis_cursors;
#[path = "promises/redis_doors.rs"]
mod redis_doors;
#[path = "promises/redis_hearing.rs"]
mod redis_hearing;
#[path = "promises/redis_node.rs"]
mod redis_node;
#[path = "promises/redis_other_logs.rs"]
mod redis_other_logs;
#[path = "promises/redis_replicas.rs"]
mod redis_replicas;
#[path = "promises/redis_sentinel.rs"]
mod redis_sentinel;
#[path = "promises/redis_spool.rs"]
mod redis_spool;
#[path = "promises/redis_versions.rs"]
mod redis_versions;
#[path = "promises/sealed.rs"]
mod sealed;
#[path = "promises/submitting.rs"]
mod submitting;
#[path = "promises/support.rs"]
mod support;
#[path = "promises/tenant_documents.rs"]
mod tenant_documents;
