//! `foodtrack-websocket demo-node`: one node of a demo of several, as `demo --nodes` starts it.

use std::net::SocketAddr;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::demo_parts::upstream;
use super::outcome::{Outcome, announce};
use super::shutdown::Shutdown;
use super::{Run, parse_port};
use crate::demo::Demo as Pages;
use crate::{RedisConfig, Secret, WebSocketConfig, WebSocketServer, descriptors, logging};

/// What the nodes of a cluster have in common.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct NodeOrder {
    pub(super) redis_url: String,
    /// Where requests of clients are answered.
    pub(super) desk: SocketAddr,
    pub(super) jwt_secret: String,
    pub(super) signing_secret: String,
}

impl NodeOrder {
    /// The variable that has it: secrets are in no command line.
    pub(super) const VARIABLE: &'static str = "FOODTRACK_DEMO_NODE";
}

#[derive(Args)]
pub(super) struct DemoNode {
    /// The port to listen on; 0 takes a free one
    #[arg(long, value_parser = parse_port)]
    port: u16,
}

impl DemoNode {
    pub(super) fn run(self) -> Run {
        let order = std::env::var(NodeOrder::VARIABLE).ok();
        let order = order.and_then(|text| serde_json::from_str::<NodeOrder>(&text).ok());
        let Some(order) = order else {
            return Err(Outcome::Usage(
                "start it with `foodtrack-websocket demo --nodes 3`".into(),
            ));
        };
        let redis =
            RedisConfig { url: Some(Secret::new(&order.redis_url)), ..RedisConfig::default() };
        let config = WebSocketConfig::default()
            .host("127.0.0.1")
            .port(self.port)
            .redis(redis)
            .upstream(upstream(order.desk, &order.signing_secret))
            .jwt_secret(&order.jwt_secret)
            .trusted_proxies(["127.0.0.1"])
            // One browser plays every customer, cook and courier.
            .handshakes_per_minute(0)
            .check()?;
        logging::start(&config.said().logging);
        descriptors::raise_limit();
        let shutdown = Shutdown::listen().map_err(|error| Outcome::Failed(error.to_string()))?;
        let pages = Pages::new(&order.jwt_secret).of_several_nodes();
        let server = WebSocketServer::bind_with(config, None, Some(pages))?;
        announce(format_args!("listening on {}", server.local_addr()));
        shutdown.stop(server)
    }
}
