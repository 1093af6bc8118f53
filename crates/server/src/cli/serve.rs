//! `foodtrack-websocket serve`

use std::path::PathBuf;

use clap::Args;

use super::given_listener::given_listener;
use super::outcome::{Outcome, announce};
use super::shutdown::Shutdown;
use super::{Run, parse_port, service_manager};
use crate::config::{Layers, load_checked};
use crate::{WebSocketServer, descriptors, logging};

/// Where events are kept if nobody says.
const DATA_DIR: &str = "foodtrack-data";

const AFTER_HELP: &str = "\
Prints one line, `listening on ADDRESS`, on stdout once clients can connect. Logs go to stderr: for people on a terminal, \
one JSON object per line elsewhere. Flags go before the environment (WEBSOCKET_PORT, ALLOWED_ORIGINS, JWT_SECRET, and \
FOODTRACK__SECTION__KEY for every key), that before the file, that before the defaults.

SIGTERM or SIGINT stops it: /ready and /health say so for --drain-delay-ms, then the listener closes and clients are told to \
connect elsewhere. A second signal ends it at once. `foodtrack-websocket drain` asks for the same over HTTP. SIGHUP has the \
configuration read anew, and the certificate and its key: what can change without a restart does, and the log says what did.

A listener that the parent gives (LISTEN_FDS, systemd's socket activation) is listened on in the place of --host and --port: who connects \
while the server is started anew waits. systemd (Type=notify) is told when clients can connect, that the shards answer, and when it stops.

Examples:
  JWT_SECRET=... foodtrack-websocket serve
  foodtrack-websocket serve --config hub.toml --port 4001
  foodtrack-websocket serve --config hub.toml --data-dir /var/lib/foodtrack
  FOODTRACK__HEARTBEAT__INTERVAL_MS=10000 foodtrack-websocket serve --config hub.toml

Exit codes: 0 stopped by a signal or drained, 1 failed while running or ended by a second signal, 2 bad usage, configuration or data directory, \
3 cannot listen.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Serve {
    /// A TOML file; `check-config --keys` lists what it may hold
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The port to listen on; 0 takes a free one
    #[arg(long, value_name = "PORT", value_parser = parse_port)]
    port: Option<u16>,
    /// The IP address to listen on [default: 0.0.0.0]
    #[arg(long, value_name = "ADDRESS")]
    host: Option<String>,
    /// A directory for what must survive a restart; made where it is not there [default: foodtrack-data]
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: Option<String>,
    /// Keep everything in memory: a restart loses what was accepted
    #[arg(long, conflicts_with = "data_dir")]
    in_memory: bool,
    /// How long /ready and /health say that the node is about to stop before it does [default: 0]
    #[arg(long, value_name = "MILLISECONDS")]
    drain_delay_ms: Option<u32>,
}

impl Serve {
    pub(super) fn run(self) -> Run {
        let layers = Layers {
            host: self.host,
            port: self.port,
            data_dir: self.data_dir,
            drain_delay_ms: self.drain_delay_ms,
            ..Layers::from_process(self.config)
        };
        let in_memory = self.in_memory;
        let read = move || {
            load_checked(&layers, |said| {
                if in_memory {
                    said.data_dir = None;
                } else {
                    said.data_dir.get_or_insert_with(|| DATA_DIR.to_owned());
                }
            })
        };
        let config = read()?;
        logging::start(&config.said().logging);
        descriptors::raise_limit();
        if config.said().data_dir.is_none() {
            tracing::warn!("events are kept in memory alone: a restart loses them");
        }
        // Before clients can connect: a signal must not find the process without its handler.
        let failed = |error: std::io::Error| Outcome::Failed(error.to_string());
        let shutdown = Shutdown::listen().map_err(failed)?;
        shutdown.reload_on_hangup().map_err(failed)?;
        let server = WebSocketServer::bind_with(config, given_listener()?, None)?;
        server.reload_from(read);
        announce(format_args!("listening on {}", server.local_addr()));
        service_manager::ready(server.connections()).map_err(failed)?;
        shutdown.stop(server)
    }
}
