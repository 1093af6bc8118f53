//! How connections begin that are encrypted.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;

/// The configuration that TLS handshakes go by; another one counts from the next connection on.
pub struct TlsDoor {
    config: RwLock<Arc<ServerConfig>>,
}

impl TlsDoor {
    /// Begins with a configuration.
    pub fn new(config: Arc<ServerConfig>) -> Self {
        Self { config: RwLock::new(config) }
    }

    /// Connections that come from now on go by this one; those that are there stay as they are.
    pub fn replace(&self, config: Arc<ServerConfig>) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// What a new connection goes by.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for TlsDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsDoor")
    }
}
