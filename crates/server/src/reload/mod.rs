//! The configuration, read anew while the server runs: what can change without a restart does, and the rest is named.

mod changes;

use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};

use serde::Serialize;

use crate::WebSocketConfig;
use crate::config::{CheckedConfig, ConfigErrors};
use changes::{differing, is_reloadable, take};

/// What a configuration that was read anew changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReloadReport {
    /// The keys whose new values are in force.
    pub changed: Vec<&'static str>,
    /// The keys whose new values take a restart.
    pub needs_restart: Vec<&'static str>,
}

/// Why nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// Nobody said where the configuration is read from.
    #[error("the server was not told where its configuration is read from")]
    NoSource,
    /// It does not hold.
    #[error("the configuration does not hold, and nothing changed:\n{0}")]
    Invalid(#[from] ConfigErrors),
    /// It holds, but not together with what tenants declared over HTTP.
    #[error(
        "the configuration does not hold together with what is declared over HTTP, and nothing changed: {0}"
    )]
    Declared(String),
    /// It holds, and what it says of webhooks cannot be done now.
    #[error("webhooks cannot be told as the configuration says, and nothing changed: {0}")]
    Webhooks(std::io::Error),
}

type Source = dyn Fn() -> Result<CheckedConfig, ConfigErrors> + Send + Sync;

/// Reads the configuration anew.
pub(crate) struct Reloader {
    source: OnceLock<Box<Source>>,
    /// What is in force. Held while it changes: there is one change at a time.
    in_force: Mutex<WebSocketConfig>,
}

impl Reloader {
    pub(crate) fn new(in_force: &WebSocketConfig) -> Self {
        Self { source: OnceLock::new(), in_force: Mutex::new(in_force.clone()) }
    }

    /// What is in force.
    pub(crate) fn in_force(&self) -> WebSocketConfig {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From where it is read. The first one counts.
    pub(crate) fn read_from(&self, source: Box<Source>) {
        let _ = self.source.set(source);
    }

    /// Reads it, and has `put_in_force` do what is new: it is given what was read, and what is to be in force of it.
    ///
    /// # Errors
    /// [`ReloadError`]; nothing changed.
    pub(crate) fn reload(
        &self,
        put_in_force: impl FnOnce(&CheckedConfig, &WebSocketConfig) -> Result<(), ReloadError>,
    ) -> Result<ReloadReport, ReloadError> {
        let source = self.source.get().ok_or(ReloadError::NoSource)?;
        let mut in_force = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        let read = source()?;
        let (changed, needs_restart) =
            differing(&in_force, read.said()).into_iter().partition(|key| is_reloadable(key));
        let mut next = in_force.clone();
        take(&mut next, read.said());
        put_in_force(&read, &next)?;
        *in_force = next;
        Ok(ReloadReport { changed, needs_restart })
    }
}

impl fmt::Display for ReloadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { changed, needs_restart } = self;
        write!(f, "changed: {}; needs a restart: {}", list(changed), list(needs_restart))
    }
}

fn list(keys: &[&str]) -> String {
    if keys.is_empty() { "nothing".to_owned() } else { keys.join(", ") }
}
