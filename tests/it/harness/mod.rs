//! A server in this process, and clients that speak the protocol over real sockets with blocking calls.

mod client;
mod http;
mod link;
mod packet;
mod polling;
mod server;
mod token;
mod websocket;

use std::time::{Duration, Instant};

pub(crate) use client::{Client, Connect, Event, Options, Parser, Transport};
pub(crate) use http::HttpConnection;
pub(crate) use server::{Server, config, limits};
pub(crate) use token::{Who, now_s};

/// How long a test waits for what must come. Generous: the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// Asks until `what` answers; what is asked is remote, so there is a pause in between.
#[track_caller]
pub(crate) fn eventually<T>(mut what: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = what() {
            return found;
        }
        assert!(Instant::now() < deadline, "it did not come to pass in {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Two tests of one scenario, one for each transport.
macro_rules! on_both_transports {
    ($( fn $name:ident($transport:ident) $body:block )+) => {
        $( mod $name {
            use super::*;

            fn scenario($transport: Transport) $body

            #[test]
            fn websocket() {
                scenario(Transport::WebSocket);
            }

            #[test]
            fn polling() {
                scenario(Transport::Polling);
            }
        } )+
    };
}
pub(crate) use on_both_transports;
