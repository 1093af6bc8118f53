//! SIGTERM and SIGINT: the first asks, the second insists.

use std::io;
use std::sync::mpsc::{Receiver, sync_channel};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// The first signal, still to come.
pub(super) struct Shutdown {
    first: Receiver<()>,
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
            if signals.next().is_some() {
                let _ = asked.send(());
            }
            if signals.next().is_some() {
                std::process::exit(1);
            }
        })?;
        Ok(Self { first })
    }

    /// Blocks until the first signal.
    pub(super) fn wait(&self) {
        // An error means that the thread is gone, which it only is at the end of the process.
        let _ = self.first.recv();
    }
}
