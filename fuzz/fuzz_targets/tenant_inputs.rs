//! Whatever a tenant is told, in whatever order: nothing is sent to a connection that is nobody's, nothing twice, nothing before
//! it is on disk, and what was asked is answered once.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/tenant/tests/it/operations.rs"]
mod operations;
#[path = "../../crates/tenant/tests/it/outside.rs"]
mod outside;
#[path = "../../crates/tenant/tests/it/users.rs"]
mod users;

fuzz_target!(|bytes: &[u8]| operations::run(bytes));
