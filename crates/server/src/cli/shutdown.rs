//! SIGTERM and SIGINT: the first asks, the second insists.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use super::outcome::Outcome;
use super::{Run, service_manager};
use crate::WebSocketServer;

/// How often the server is looked at meanwhile.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The first signal, still to come.
pub(super) struct Shutdown {
    first: Receiver<()>,
    /// A signal asked for the configuration and the certificate to be read anew.
    reloads: Arc<AtomicBool>,
}

impl Shutdown {
    /// Takes the signals over from the system's default, which is to end the process.
    ///
    /// # Errors
    /// The system does not let the handlers be installed, or gives no thread.
    pub(super) fn listen() -> io::Result<Self> {
        let mut signals = Signals::new([SIGTERM, SIGINT])?;
        let (asked, first) = sync_channel(1);
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            let mut signals = signals.forever();
            if let Some(signal) = signals.next() {
                tracing::info!(signal, "asked to stop; a second signal ends the process at once");
                let _ = asked.send(());
            }
            if let Some(signal) = signals.next() {
                tracing::warn!(signal, "asked again: ending at once");
                crate::logging::flush();
                std::process::exit(1);
            }
        })?;
        Ok(Self { first, reloads: Arc::default() })
    }

    /// Has SIGHUP mean that the configuration and the certificate are to be read anew.
    ///
    /// # Errors
    /// The system does not let the handler be installed.
    pub(super) fn reload_on_hangup(&self) -> io::Result<()> {
        flag::register(SIGHUP, Arc::clone(&self.reloads)).map(drop)
    }

    /// Whether the first signal has come.
    pub(super) fn is_asked(&self) -> bool {
        self.first.try_recv().is_ok()
    }

    /// Blocks until the first signal, or until the server has drained as its API was asked, and then stops the server.
    ///
    /// # Errors
    /// The server ended by itself before.
    pub(super) fn stop(&self, server: WebSocketServer) -> Run {
        while let Err(RecvTimeoutError::Timeout) = self.first.recv_timeout(LOOK_INTERVAL) {
            if self.reloads.swap(false, Ordering::Relaxed) {
                // What came of it is in the log.
                let _ = server.reload();
            }
            if server.has_ended() {
                service_manager::stopping();
                server.stop();
                return Err(Outcome::Failed("a part of the server has ended by itself".into()));
            }
            if server.is_to_stop() {
                break;
            }
        }
        service_manager::stopping();
        server.stop();
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WebSocketConfig;

    #[test]
    fn a_server_whose_shards_have_ended_fails_the_process_without_being_asked() {
        let config = WebSocketConfig::default().host("127.0.0.1").port(0).shards(1);
        let config = config.jwt_secret("a secret for tests, of at least 32 bytes");
        let server = WebSocketServer::bind(config.check().unwrap()).unwrap();
        // Nobody sends a signal.
        let (_asks, first) = sync_channel(1);
        server.end_shards();
        let ended = Shutdown { first, reloads: Arc::default() }.stop(server);
        assert!(matches!(ended, Err(Outcome::Failed(_))));
    }
}
