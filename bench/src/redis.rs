//! The Redis beside a server that needs one.

use std::path::{Path, PathBuf};

use crate::server_process::{Launch, ServerProcess};

/// How to start a Redis that keeps what it has: its default snapshots, and the append-only file (`appendfsync everysec`). It stores below
/// `scratch`.
pub(crate) fn launch(scratch: &Path) -> Launch {
    let arguments = ["--bind", "127.0.0.1", "--appendonly", "yes", "--port"];
    Launch {
        program: PathBuf::from("redis-server"),
        arguments: arguments.map(str::to_owned).to_vec(),
        files: Vec::new(),
        environment: Vec::new(),
        folder: scratch.to_owned(),
        hint: "install redis-server",
    }
}

/// Where a server finds it.
pub(crate) fn url(redis: &ServerProcess) -> String {
    format!("redis://{}", redis.address)
}
