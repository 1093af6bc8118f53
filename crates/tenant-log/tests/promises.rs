//! What a log promises, checked against every store.

#[path = "promises/crash.rs"]
mod crash;
#[path = "promises/disk.rs"]
mod disk;
#[path = "promises/every_store.rs"]
mod every_store;
#[path = "promises/files.rs"]
mod files;
#[path = "promises/support.rs"]
mod support;
