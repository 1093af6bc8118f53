//! The certificate while the hub runs: its files are watched, and a new one counts without a restart.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use foodtrack_contract::Refusal;
use foodtrack_transport::TlsDoor;

use super::client_book::KnownClient;
use super::tls_files::{TlsFiles, TlsMaterial};

/// How often the files are looked at. A change counts once it is the same twice: certificate and key are two files.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How many looks are between two tries with files that could not be used.
const TRY_AGAIN_LOOKS: u32 = 30;

/// What is known of the certificate.
pub(crate) struct CertificateState {
    known: Mutex<Known>,
}

struct Known {
    material: TlsMaterial,
    /// Why the files could not be used when they were read last.
    fault: Option<String>,
}

impl CertificateState {
    fn new(material: TlsMaterial) -> Self {
        Self { known: Mutex::new(Known { material, fault: None }) }
    }

    fn with<T>(&self, read: impl FnOnce(&mut Known) -> T) -> T {
        read(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Why the files cannot be used, where they cannot: the certificate from before stays.
    pub(crate) fn fault(&self) -> Option<String> {
        self.with(|known| known.fault.clone())
    }

    /// For how many whole days the certificate is still good.
    pub(crate) fn days_left(&self) -> u64 {
        self.seconds_left() / 86_400
    }

    /// The same in seconds.
    pub(crate) fn seconds_left(&self) -> u64 {
        self.with(|known| known.material.left(SystemTime::now()).as_secs())
    }

    /// The back end whose certificate this is, whose chain was verified, for the tenant that it names. `None`: nobody wrote it down.
    pub(crate) fn client(
        &self,
        certificate: &[u8],
        tenant: Option<&str>,
    ) -> Option<Result<KnownClient, Refusal>> {
        let clients = self.with(|known| Arc::clone(&known.material.clients));
        clients.find(certificate, tenant)
    }

    /// Whether the certificate ends soon, or has.
    pub(crate) fn ends_soon(&self) -> bool {
        self.with(|known| known.material.ends_soon(SystemTime::now()))
    }
}

/// Whoever watches the files; dropping it ends that.
pub(crate) struct CertificateWatch {
    asks: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    door: Arc<TlsDoor>,
    state: Arc<CertificateState>,
}

impl CertificateWatch {
    /// Begins with a certificate, and watches the files that it was read from: the door takes what they become.
    ///
    /// # Errors
    /// The system gave no thread, or no random numbers.
    pub(crate) fn start(files: TlsFiles, material: TlsMaterial) -> io::Result<Self> {
        let handshakes = files.handshakes(&material).map_err(io::Error::other)?;
        let door = Arc::new(TlsDoor::new(handshakes));
        let state = Arc::new(CertificateState::new(material));
        let (asks, asked) = channel();
        let mut watcher = Watcher::new(files, Arc::clone(&door), Arc::clone(&state));
        let thread = thread::Builder::new().name("certificate".into()).spawn(move || {
            loop {
                match asked.recv_timeout(LOOK_EVERY) {
                    Ok(()) => watcher.reload(),
                    Err(RecvTimeoutError::Timeout) => watcher.look(),
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        })?;
        Ok(Self { asks: Some(asks), thread: Some(thread), door, state })
    }

    /// What connections begin with.
    pub(crate) fn door(&self) -> Arc<TlsDoor> {
        Arc::clone(&self.door)
    }

    /// What is known of the certificate.
    pub(crate) fn state(&self) -> Arc<CertificateState> {
        Arc::clone(&self.state)
    }

    /// Has the files read now.
    pub(crate) fn reload(&self) {
        if let Some(asks) = &self.asks {
            // Refused only where the thread has died.
            let _ = asks.send(());
        }
    }
}

impl Drop for CertificateWatch {
    fn drop(&mut self) {
        drop(self.asks.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so on its way out.
            let _ = thread.join();
        }
    }
}

/// What tells one version of a file from another; `None` where there is none.
type Version = Option<(u64, u64, i64, i64)>;

fn version(path: &Path) -> Version {
    let found = std::fs::metadata(path).ok()?;
    // The change time moves with the rights on a file too.
    Some((found.ino(), found.size(), found.ctime(), found.ctime_nsec()))
}

struct Watcher {
    files: TlsFiles,
    door: Arc<TlsDoor>,
    state: Arc<CertificateState>,
    /// The versions that were read, and those of the last look.
    read: Vec<Version>,
    seen: Vec<Version>,
    looks: u32,
}

impl Watcher {
    fn new(files: TlsFiles, door: Arc<TlsDoor>, state: Arc<CertificateState>) -> Self {
        let now = versions(&files);
        Self { files, door, state, read: now.clone(), seen: now, looks: 0 }
    }

    fn look(&mut self) {
        let now = versions(&self.files);
        let is_settled = self.seen == now;
        self.seen.clone_from(&now);
        self.looks = self.looks.wrapping_add(1);
        let tries_again =
            self.looks.is_multiple_of(TRY_AGAIN_LOOKS) && self.state.fault().is_some();
        if is_settled && (now != self.read || tries_again) {
            self.reload();
        }
    }

    fn reload(&mut self) {
        self.read = versions(&self.files);
        let read = self.files.read(SystemTime::now()).map_err(|fault| fault.to_string());
        let taken = read.and_then(|material| {
            let handshakes = self.files.handshakes(&material);
            Ok((material, handshakes.map_err(|error| error.to_string())?))
        });
        match taken {
            Ok((material, handshakes)) => {
                self.door.replace(handshakes);
                self.state.with(|known| *known = Known { material, fault: None });
                let days_left = self.state.days_left();
                tracing::info!(days_left, "the certificate was read anew");
            }
            Err(fault) => {
                let is_news = self
                    .state
                    .with(|known| known.fault.replace(fault.clone()).as_ref() != Some(&fault));
                if is_news {
                    tracing::error!(
                        fault,
                        "the certificate was not read anew; the one from before stays"
                    );
                }
            }
        }
    }
}

fn versions(files: &TlsFiles) -> Vec<Version> {
    files.paths().map(version).collect()
}
