//! `foodtrack-websocket demo`

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;

use super::Run;
use super::outcome::{Outcome, print};
use super::shutdown::Shutdown;
use crate::demo::{Demo as Pages, gateway::Gateway};
use crate::{WebSocketConfig, WebSocketServer, logging};

/// How often the simulated gateway orders in each restaurant.
const ORDER_INTERVAL: Duration = Duration::from_secs(12);
/// The secret's randomness.
const SECRET_BYTES: usize = 48;

const AFTER_HELP: &str = "\
Makes a secret of its own, so it needs no configuration, and gives tokens to whoever asks: never let strangers reach it.

Examples:
  foodtrack-websocket demo
  foodtrack-websocket demo --port 8080
  curl 'http://127.0.0.1:4001/demo/token?tenant=pizza-roma&application=kitchen_app&user=ada'

Exit codes: 0 stopped by a signal, 1 failed while running, 2 bad usage, 3 cannot listen.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Demo {
    /// The port to listen on; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 4001)]
    port: u16,
    /// The IP address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    host: String,
}

impl Demo {
    pub(super) fn run(self) -> Run {
        let secret = random_secret()?;
        let pages = Pages::new(&secret);
        let config = WebSocketConfig::default()
            .host(self.host)
            .port(self.port)
            .jwt_secret(secret)
            // One browser plays every customer, cook and courier.
            .handshakes_per_minute(0)
            .check()?;
        logging::start(&config.said().logging);
        let failed = |error: std::io::Error| Outcome::Failed(error.to_string());
        let shutdown = Shutdown::listen().map_err(failed)?;
        let server = WebSocketServer::bind_with(config, Some(pages.clone()))?;
        let address = reachable(server.local_addr());
        start_gateway(address, pages).map_err(failed)?;
        print(format_args!("listening on {}", server.local_addr()));
        print(format_args!("open http://{address}/ in a browser; stop with Ctrl+C"));
        shutdown.stop(server)
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

/// Orders from a thread of its own, for as long as the process lives.
fn start_gateway(hub: SocketAddr, pages: Pages) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("demo-gateway".into()).spawn(move || {
        // An unsigned token would be refused and logged; a restaurant's id is always a tenant's.
        let token = move |tenant: &str| pages.service_token(tenant).unwrap_or_default();
        runtime.block_on(Gateway::new(hub, ORDER_INTERVAL, token).run());
    })?;
    Ok(())
}
