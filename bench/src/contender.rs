//! The servers that can be measured.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Serialize;

use crate::dialect::Dialect;
use crate::server_process::Launch;
use crate::token;

/// A server that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Contender {
    /// FoodTrack WebSocket as it is shipped: every event of these loads is on disk before it is shown
    Hub,
    /// The hub where these events are in the log, but wait for no disk
    HubRecoverable,
    /// The hub where these events are in no log
    HubVolatile,
    /// The hub where these events are in no log, and parts of them are hidden from who gets them
    HubRedacted,
    /// The hub as it is shipped, over TLS
    HubTls,
    /// The hub where these events are in no log, over TLS
    HubVolatileTls,
    /// uWebSockets through Bun: topics, opaque frames
    Bun,
    /// Socket.IO on Node, `ws` engine
    Socketio,
    /// socketioxide on tokio, current-thread
    Socketioxide,
    /// express and Socket.IO on Node with the Redis Streams adapter, and its Redis: answers once Redis has the event
    Express,
}

impl Contender {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hub => "hub",
            Self::HubRecoverable => "hub-recoverable",
            Self::HubVolatile => "hub-volatile",
            Self::HubRedacted => "hub-redacted",
            Self::HubTls => "hub-tls",
            Self::HubVolatileTls => "hub-volatile-tls",
            Self::Bun => "bun",
            Self::Socketio => "socketio",
            Self::Socketioxide => "socketioxide",
            Self::Express => "express",
        }
    }

    pub(crate) fn dialect(self) -> Dialect {
        match self {
            Self::Hub
            | Self::HubRecoverable
            | Self::HubVolatile
            | Self::HubRedacted
            | Self::HubTls
            | Self::HubVolatileTls => Dialect::Hub,
            Self::Bun => Dialect::Topics,
            Self::Socketio | Self::Socketioxide | Self::Express => Dialect::SocketIo,
        }
    }

    /// Whether it is to speak TLS.
    pub(crate) fn is_encrypted(self) -> bool {
        matches!(self, Self::HubTls | Self::HubVolatileTls)
    }

    /// Whether a Redis is to be there, as `REDIS_URL` says.
    pub(crate) fn needs_redis(self) -> bool {
        self == Self::Express
    }

    /// How to start it. `hub` and `hub_config` are the hub's binary and configuration file; `scratch` is a folder of its own
    /// for what it stores.
    pub(crate) fn launch(self, hub: &Path, hub_config: &Path, scratch: &Path) -> Launch {
        // Beside the configuration of the hub as it is shipped.
        let hub_config = match self {
            Self::HubRecoverable | Self::HubVolatile | Self::HubRedacted | Self::HubVolatileTls => {
                let name = self.name().trim_end_matches("-tls");
                hub_config.with_file_name(format!("{name}.toml"))
            }
            _ => hub_config.to_owned(),
        };
        const SETUP: &str = "run bench/setup-peers";
        let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        let argument = |path: PathBuf| path.display().to_string();
        match self {
            Self::Hub
            | Self::HubRecoverable
            | Self::HubVolatile
            | Self::HubRedacted
            | Self::HubTls
            | Self::HubVolatileTls => Launch {
                program: hub.to_owned(),
                arguments: vec![
                    "serve".to_owned(),
                    "--config".to_owned(),
                    argument(hub_config.clone()),
                    "--port".to_owned(),
                ],
                files: vec![hub_config],
                environment: vec![("JWT_SECRET", token::SECRET.to_owned())],
                folder: scratch.to_owned(),
                hint: "run `cargo build --release -p foodtrack-server`, or say where with --hub and --hub-config",
            },
            Self::Bun => Launch {
                program: peers.join("bun/node_modules/@oven/bun-linux-x64/bin/bun"),
                arguments: vec![argument(peers.join("bun/server.mjs"))],
                files: Vec::new(),
                environment: Vec::new(),
                folder: scratch.to_owned(),
                hint: SETUP,
            },
            Self::Socketio | Self::Express => Launch {
                program: PathBuf::from("node"),
                arguments: vec![argument(peers.join(match self {
                    Self::Express => "node/express.mjs",
                    _ => "node/server.mjs",
                }))],
                files: vec![peers.join("node/node_modules/socket.io")],
                environment: vec![("NODE_ENV", "production".to_owned())],
                folder: scratch.to_owned(),
                hint: SETUP,
            },
            Self::Socketioxide => Launch {
                program: peers.join("socketioxide/target/release/bench-peer-socketioxide"),
                arguments: Vec::new(),
                files: Vec::new(),
                environment: Vec::new(),
                folder: scratch.to_owned(),
                hint: SETUP,
            },
        }
    }
}
