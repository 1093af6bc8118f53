//! The promises of the codecs, through their public API.

#![allow(clippy::unwrap_used, reason = "Clippy does not see that helpers of tests are tests")]

mod engine_io;
mod msgpack;
mod rfc6455;
mod socket_io;
