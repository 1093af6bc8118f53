//! Whatever a client, its connections and the server do, in whatever order: what was sent arrives once and in order, and what
//! is confirmed has arrived.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|operations: &[u8]| foodtrack_session::engine_operations::run(operations));
