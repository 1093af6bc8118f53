//! `foodtrack-websocket demo`

use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;

use super::outcome::{Outcome, announce};
use super::shutdown::Shutdown;
use super::{Run, parse_port};
use crate::demo::{Demo as Pages, gateway::Gateway, requests::RequestDesk};
use crate::{Secret, UpstreamConfig, WebSocketConfig, WebSocketServer, descriptors, logging};

/// How often the simulated gateway orders in each restaurant.
const ORDER_INTERVAL: Duration = Duration::from_secs(12);
/// How long the toy back end may take: somebody watches.
const UPSTREAM_TIMEOUT_MS: u32 = 2_000;
/// The secret's randomness.
const SECRET_BYTES: usize = 48;

/// Where a demo that is to go on after a restart keeps its secret.
const SECRET: &str = "demo-secret";

const AFTER_HELP: &str = "\
Makes a secret of its own, so it needs no configuration, and gives tokens to whoever asks: never let strangers reach it. \
Events are kept in a temporary directory that goes with the demo, or in --data-dir: then kill it, start it again, and every \
pane of the playground is where it was, and has what happened meanwhile.

Examples:
  foodtrack-websocket demo
  foodtrack-websocket demo --port 8080
  foodtrack-websocket demo --data-dir demo-data
  curl 'http://127.0.0.1:4001/demo/token?tenant=pizza-roma&application=kitchen_app&user=ada'

Exit codes: 0 stopped by a signal, 1 failed while running, 2 bad usage, 3 cannot listen.";

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
}

impl Demo {
    pub(super) fn run(self) -> Run {
        let failed = |error: std::io::Error| Outcome::Failed(error.to_string());
        let temporary = tempfile::tempdir().map_err(failed)?;
        let directory = self.data_dir.as_deref().unwrap_or(temporary.path());
        let secret = match &self.data_dir {
            Some(directory) => kept_secret(directory)?,
            None => random_secret()?,
        };
        let pages = Pages::new(&secret);
        let desk = std::net::TcpListener::bind("127.0.0.1:0").map_err(failed)?;
        let upstream = upstream(desk.local_addr().map_err(failed)?)?;
        let signing_secret = upstream.secret.as_ref().map(|it| it.reveal().to_owned());
        let config = WebSocketConfig::default()
            .upstream(upstream)
            .host(self.host)
            .port(self.port)
            .jwt_secret(secret)
            .data_dir(directory.to_string_lossy())
            // One browser plays every customer, cook and courier.
            .handshakes_per_minute(0)
            .check()?;
        logging::start(&config.said().logging);
        descriptors::raise_limit();
        let shutdown = Shutdown::listen().map_err(failed)?;
        let server = WebSocketServer::bind_with(config, None, Some(pages.clone()))?;
        let address = reachable(server.local_addr());
        let signing_secret = signing_secret.unwrap_or_default();
        start_gateway(address, pages, desk, &signing_secret).map_err(failed)?;
        announce(format_args!("listening on {}", server.local_addr()));
        announce(format_args!("open http://{address}/ in a browser; stop with Ctrl+C"));
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

fn random_secret() -> Result<String, Outcome> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| Outcome::Failed(format!("no randomness for a secret: {error}")))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// The address as somebody on this machine reaches it: every interface includes loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// Clients' requests go to the toy back end at this address.
fn upstream(desk: SocketAddr) -> Result<UpstreamConfig, Outcome> {
    let mut upstream = UpstreamConfig {
        url: Some(format!("http://{desk}/hub/requests")),
        secret: Some(Secret::new(random_secret()?)),
        timeout_ms: UPSTREAM_TIMEOUT_MS,
        ..UpstreamConfig::default()
    };
    upstream.events.push("demo:*".into());
    Ok(upstream)
}

/// Orders, and answers requests, from a thread of its own, for as long as the process lives.
fn start_gateway(
    hub: SocketAddr,
    pages: Pages,
    desk: std::net::TcpListener,
    signing_secret: &str,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    desk.set_nonblocking(true)?;
    // An unsigned token would be refused and logged; a restaurant's id is always a tenant's.
    let token = move |tenant: &str| pages.service_token(tenant).unwrap_or_default();
    let answers = RequestDesk::new(hub, signing_secret, token.clone());
    let orders = Gateway::new(hub, ORDER_INTERVAL, token);
    std::thread::Builder::new().name("demo-gateway".into()).spawn(move || {
        runtime.block_on(async {
            match tokio::net::TcpListener::from_std(desk) {
                Ok(desk) => drop(tokio::join!(orders.run(), answers.run(desk))),
                Err(error) => tracing::error!(%error, "the demo's back end cannot answer requests"),
            }
        });
    })?;
    Ok(())
}
