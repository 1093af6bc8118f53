//! What a demo has beside its hub, of one node or of several: secrets, and a back end that orders and answers requests.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::outcome::Outcome;
use crate::demo::{Demo as Pages, gateway::Gateway, requests::RequestDesk};
use crate::{Secret, UpstreamConfig};

/// How often the simulated gateway orders in each restaurant.
const ORDER_INTERVAL: Duration = Duration::from_secs(12);
/// How long the toy back end may take: somebody watches.
const UPSTREAM_TIMEOUT_MS: u32 = 2_000;
/// The secret's randomness.
const SECRET_BYTES: usize = 48;

/// A secret that nobody knows.
pub(super) fn random_secret() -> Result<String, Outcome> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| Outcome::Failed(format!("no randomness for a secret: {error}")))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Clients' requests go to the toy back end at this address.
pub(super) fn upstream(desk: SocketAddr, secret: &str) -> UpstreamConfig {
    let mut upstream = UpstreamConfig {
        url: Some(format!("http://{desk}/hub/requests")),
        secret: Some(Secret::new(secret)),
        timeout_ms: UPSTREAM_TIMEOUT_MS,
        ..UpstreamConfig::default()
    };
    upstream.events.push("demo:*".into());
    upstream
}

/// Orders at the hub, and answers requests, from a thread of its own, for as long as the process lives.
pub(super) fn start_gateway(
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

/// The address as somebody on this machine reaches it: every interface includes loopback.
pub(super) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}
