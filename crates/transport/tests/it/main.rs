//! The promises of the transport, on real sockets.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test")]

mod backlogs;
mod client;
mod endings;
mod floods;
mod handover;
mod heartbeats;
mod http;
mod pages;
mod pauses;
mod proxied;
mod repeats;
mod server;
mod slow_readers;
mod strangers;
mod strangers_by_address;
mod streams;
mod tls;
mod unread_output;
mod upgrade;
