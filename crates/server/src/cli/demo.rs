//! `foodtrack-websocket demo`

use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::demo_cluster;
use super::demo_parts::{random_secret, reachable, start_gateway, upstream};
use super::outcome::{Outcome, announce};
use super::shutdown::Shutdown;
use super::{Run, parse_port};
use crate::demo::Demo as Pages;
use crate::{WebSocketConfig, WebSocketServer, descriptors, logging};

/// Where a demo that is to go on after a restart keeps its secret.
const SECRET: &str = "demo-secret";

const AFTER_HELP: &str = "\
Makes a secret of its own, so it needs no configuration, and gives tokens to whoever asks: never let strangers reach it. \
Events are kept in a temporary directory that goes with the demo, or in --data-dir: then kill it, start it again, and every \
pane of the playground is where it was, and has what happened meanwhile.

With --nodes, `redis-server` and `nginx` must be installed. They and the nodes run on free ports with a temporary directory, and all of it \
ends with the demo.

Examples:
  foodtrack-websocket demo
  foodtrack-websocket demo --port 8080
  foodtrack-websocket demo --data-dir demo-data
  foodtrack-websocket demo --nodes 3
  curl 'http://127.0.0.1:4001/demo/token?tenant=pizza-roma&application=kitchen_app&user=ada'

Exit codes: 0 stopped by a signal, 1 failed while running, 2 bad usage or a missing program, 3 cannot listen.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Demo {
    /// The port to listen on; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 4001, value_parser = parse_port)]
    port: u16,
    /// The IP address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    host: String,
    /// A directory for what is to be there again after a restart [default: a temporary one]
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: Option<PathBuf>,
    /// How many nodes: several share a Redis behind nginx, and the page shows them, kills them and starts them again
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=9), conflicts_with = "data_dir")]
    nodes: u16,
}

impl Demo {
    pub(super) fn run(self) -> Run {
        if self.nodes > 1 {
            return demo_cluster::run(&self.host, self.port, self.nodes);
        }
        let failed = |error: std::io::Error| Outcome::Failed(error.to_string());
        let temporary = tempfile::tempdir().map_err(failed)?;
        let directory = self.data_dir.as_deref().unwrap_or(temporary.path());
        let secret = match &self.data_dir {
            Some(directory) => kept_secret(directory)?,
            None => random_secret()?,
        };
        let pages = Pages::new(&secret);
        let desk = std::net::TcpListener::bind("127.0.0.1:0").map_err(failed)?;
        let signing_secret = random_secret()?;
        let operator_token = random_secret()?;
        let config = WebSocketConfig::default()
            .upstream(upstream(desk.local_addr().map_err(failed)?, &signing_secret))
            .host(self.host)
            .port(self.port)
            .jwt_secret(secret)
            .operator_token(&operator_token)
            .data_dir(directory.to_string_lossy())
            // One browser plays every customer, cook and courier.
            .handshakes_per_minute(0)
            .check()?;
        logging::start(&config.said().logging);
        descriptors::raise_limit();
        let shutdown = Shutdown::listen().map_err(failed)?;
        let server = WebSocketServer::bind_with(config, None, Some(pages.clone()))?;
        let address = reachable(server.local_addr());
        start_gateway(address, pages, desk, &signing_secret).map_err(failed)?;
        announce(format_args!("listening on {}", server.local_addr()));
        announce(format_args!("open http://{address}/ in a browser; stop with Ctrl+C"));
        announce(format_args!(
            "the dashboard is http://{address}/dashboard; its token: {operator_token}"
        ));
        shutdown.stop(server)
    }
}

/// The secret in the directory, made where there is none: tokens must be good after a restart too.
fn kept_secret(directory: &Path) -> Result<String, Outcome> {
    let path = directory.join(SECRET);
    let unusable = |error| Outcome::Usage(format!("{}: {error}", path.display()));
    match std::fs::read_to_string(&path) {
        Ok(secret) => Ok(secret),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let secret = random_secret()?;
            std::fs::create_dir_all(directory).map_err(unusable)?;
            let mut options = std::fs::OpenOptions::new();
            let file = options.create_new(true).write(true).mode(0o600).open(&path);
            file.and_then(|mut file| file.write_all(secret.as_bytes())).map_err(unusable)?;
            Ok(secret)
        }
        Err(error) => Err(unusable(error)),
    }
}
