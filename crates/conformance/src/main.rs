//! The counterpart of the public protocol suites and of clients written by others: a small server on the hub's own
//! transport, session and wire code, with no second implementation of anything that is under test.

mod clients;
mod echo;
mod packets;
mod recovery;
mod rooms;
mod token;

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use foodtrack_session::{HeartbeatConfig, Namespaces};
use foodtrack_transport::{
    Application, Commons, Endpoint, Limits, OriginPolicy, Protocol, Reactor, ReactorConfig,
    TrustedProxies, listen,
};

use crate::clients::Clients;
use crate::echo::Echo;
use crate::token::TokenVerifier;

/// What the raw echo takes: Autobahn's largest message.
const ECHO_MESSAGE_BYTES_MAX: usize = 16 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// For the suites of the Engine.IO, Socket.IO and WebSocket protocols: echoes, short heartbeats, no authentication.
    Suites,
    /// For client libraries: tokens, rooms, acknowledgements of both sides, recovery.
    Clients,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ParserName {
    /// `socket.io-msgpack-parser`
    Msgpack,
}

/// A Socket.IO server for conformance tests.
#[derive(Debug, Parser)]
struct Flags {
    /// What the server does.
    #[arg(long, value_enum)]
    mode: Mode,
    /// The port on the loopback interface; 0 lets the system choose.
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// The HS256 secret of the clients' tokens.
    #[arg(long, env = "JWT_SECRET", hide_env_values = true, required_if_eq("mode", "clients"))]
    secret: Option<String>,
    /// Clients must speak this parser; without it each connection may speak either.
    #[arg(long, value_enum)]
    parser: Option<ParserName>,
    /// Milliseconds between pings, where the mode does not fix them.
    #[arg(long, default_value_t = 25_000)]
    ping_interval: u64,
    /// The largest payload in bytes, where the mode does not fix it.
    #[arg(long, default_value_t = 1_000_000)]
    max_payload: usize,
}

fn main() -> io::Result<()> {
    let flags = Flags::parse();
    let config = config(&flags, Namespaces::new(&["/", "/custom"]));
    let mut listeners = vec![listen(SocketAddr::from((Ipv4Addr::LOCALHOST, flags.port)))?];
    let address = listeners[0].local_addr()?;
    // A machine without IPv6 is served on IPv4 alone.
    listeners.extend(listen(SocketAddr::from((Ipv6Addr::LOCALHOST, address.port()))));
    let reactor = Reactor::new(&Commons::new(config, 1), 0, listeners)?;
    writeln!(io::stdout(), "listening on {address}")?;
    match flags.mode {
        Mode::Suites => run(reactor, Echo::new()),
        Mode::Clients => {
            let verifier = TokenVerifier::new(flags.secret.as_deref().unwrap_or_default());
            run(reactor, Clients::new(verifier, flags.parser.is_some()))
        }
    }
}

fn config(flags: &Flags, namespaces: Namespaces) -> ReactorConfig {
    let endpoint = |path: &str, protocol| Endpoint { path: path.to_owned(), protocol };
    let mut config = ReactorConfig {
        endpoints: vec![endpoint("/socket.io/", Protocol::SocketIo)],
        namespaces,
        heartbeat: HeartbeatConfig {
            interval_ms: flags.ping_interval,
            timeout_ms: 20_000,
            missed_max: 1,
        },
        limits: Limits {
            payload_bytes_max: flags.max_payload,
            // The suites ask for thousands of echoes at once, which a client that polls takes sixteen at a time.
            queue_messages_max: 16_384,
            packets_per_second: 0,
            ..Limits::default()
        },
        origins: OriginPolicy::new(&["*"], false),
        handshakes_per_minute: 0,
        proxies: TrustedProxies::default(),
        proxy_protocol: false,
        batched_sends: true,
        node: None,
        tls: None,
    };
    if flags.mode == Mode::Suites {
        config.endpoints.push(endpoint("/engine.io/", Protocol::EngineIo));
        config.endpoints.push(endpoint("/ws-echo", Protocol::WebSocket));
        config.heartbeat = HeartbeatConfig { interval_ms: 300, timeout_ms: 200, missed_max: 1 };
        config.limits = Limits {
            connect_timeout: Duration::from_millis(1_000),
            websocket_message_bytes_max: ECHO_MESSAGE_BYTES_MAX,
            packets_per_second: 0,
            bytes_per_second: 0,
            // The echo of one message may wait behind that of another.
            queue_bytes_max: 4 * ECHO_MESSAGE_BYTES_MAX,
            ..Limits::default()
        };
    }
    config
}

fn run<A: Application>(mut reactor: Reactor, mut app: A) -> io::Result<()> {
    let mut events = Reactor::events();
    loop {
        reactor.turn(&mut app, &mut events)?;
    }
}
