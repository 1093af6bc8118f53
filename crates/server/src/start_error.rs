//! Why a server did not start.

use std::io;
use std::net::SocketAddr;

use foodtrack_tenant_log::{OpenError, RedisOpenError};

use crate::data::{DataDirError, KeysError};

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is in use, not this machine's, or not allowed.
    #[error("cannot listen on {address}: {source}; {}", what_to_do(source))]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The data directory cannot be used as it is.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// Tenants' keys cannot be used as they are.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The tenants' log cannot be opened as it is.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// The cluster's Redis cannot be used as it is.
    #[error(transparent)]
    Redis(#[from] RedisOpenError),
    /// TLS cannot be set up: the system gave no thread, or no random numbers.
    #[error("cannot set up TLS: {0}")]
    Tls(#[source] io::Error),
    /// The system gave no thread.
    #[error("cannot start the HTTP API's thread: {0}")]
    Thread(#[source] io::Error),
}

/// What helps where an address cannot be listened on.
fn what_to_do(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "stop what listens there, or take another port",
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address; 0.0.0.0 stands for all that it has"
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 are for privileged processes; take another one"
        }
        _ => "take another address or port",
    }
}
