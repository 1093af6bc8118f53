//! A server in this process, and clients that speak the protocol over real sockets with blocking calls.

mod away;
mod back_end;
mod client;
mod encryption;
mod event;
mod event_source;
mod hands;
mod http;
mod hub;
mod link;
mod packet;
mod plain_json;
mod polling;
mod process;
mod server;
mod token;
mod websocket;

use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use test_support::let_pass;

pub(crate) use away::Away;
pub(crate) use back_end::{Asked, BackEnd, Reply, SIGNING_SECRET};
pub(crate) use client::{Client, Connect, Options, Parser, Transport};
pub(crate) use encryption::{certificates, connect, tls};
pub(crate) use event::Event;
pub(crate) use event_source::EventSource;
pub(crate) use hands::Hands;
pub(crate) use http::HttpConnection;
pub(crate) use hub::{Gate, Hub, KEEPS_ALL, SESSION_SECRET, Shut};
pub(crate) use link::{Link, Outgoing, Received};
pub(crate) use process::Process;
pub(crate) use server::{Server, config, limits, redis_at, table_bytes_max};
pub(crate) use token::{Who, now_s};
pub(crate) use websocket::WebSocketLink;

/// Where clients connect.
pub(crate) trait Address {
    fn address(&self) -> SocketAddr;
}

impl Address for SocketAddr {
    fn address(&self) -> SocketAddr {
        *self
    }
}

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
        let_pass(Duration::from_millis(10));
    }
}

/// Ends a TCP connection without a word of the protocols above it.
fn tear(stream: &TcpStream) {
    // An error means that the other side was first.
    let _ = stream.shutdown(Shutdown::Both);
}

/// Tests of one scenario, one for each transport of Socket.IO's.
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

/// Tests of one scenario, one for each transport.
macro_rules! on_every_transport {
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

            #[test]
            fn plain_json() {
                scenario(Transport::PlainJson);
            }
        } )+
    };
}
pub(crate) use on_every_transport;
