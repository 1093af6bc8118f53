//! TLS between a test's clients and its servers, where a server speaks it.

use std::collections::HashSet;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::{LazyLock, Mutex};

use foodtrack_server::{TlsConfig, WebSocketConfig};
use tempfile::TempDir;
use test_support::{Certificates, ClientStream, ClientTls};

use super::PATIENCE;

/// The whole suite is to run over TLS.
const TEST_TLS: &str = "FOODTRACK_TEST_TLS";

/// Which of the servers of this process speak TLS.
static ENCRYPTED: LazyLock<Mutex<HashSet<SocketAddr>>> = LazyLock::new(Mutex::default);

/// The certificates of this process's tests.
static CERTIFICATES: LazyLock<(TempDir, Option<Certificates>)> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    let made = Certificates::make(directory.path());
    (directory, made)
});

/// What a server is configured with that is to speak TLS; `None` where this machine makes no certificates.
pub(crate) fn tls() -> Option<TlsConfig> {
    let certificates = CERTIFICATES.1.as_ref()?;
    let text = |path: std::path::PathBuf| Some(path.to_str().unwrap().to_owned());
    Some(TlsConfig {
        cert_file: text(certificates.certificate()),
        key_file: text(certificates.key()),
        node_ca_file: text(certificates.authority()),
        ..TlsConfig::default()
    })
}

/// The certificates; `None` where this machine makes none.
pub(crate) fn certificates() -> Option<&'static Certificates> {
    CERTIFICATES.1.as_ref()
}

/// The same where the suite is to run over TLS, and nothing elsewhere.
pub(super) fn wanted() -> TlsConfig {
    match std::env::var_os(TEST_TLS) {
        Some(_) => tls().expect("openssl makes the certificates"),
        None => TlsConfig::default(),
    }
}

/// A server listens there: whoever connects goes by its configuration.
pub(super) fn expect(address: SocketAddr, config: &WebSocketConfig) {
    let mut encrypted = ENCRYPTED.lock().unwrap();
    match config.tls.cert_file {
        Some(_) => encrypted.insert(address),
        None => encrypted.remove(&address),
    };
}

/// What clients of this process's servers believe.
fn trust() -> ClientTls {
    ClientTls::trusting(&CERTIFICATES.1.as_ref().unwrap().authority())
}

/// Connects, and speaks what is spoken there.
pub(crate) fn connect(address: SocketAddr) -> io::Result<ClientStream> {
    speak(TcpStream::connect(address)?, address)
}

/// Speaks on a socket what is spoken at its other end.
pub(crate) fn speak(socket: TcpStream, address: SocketAddr) -> io::Result<ClientStream> {
    socket.set_nodelay(true)?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let is_encrypted = ENCRYPTED.lock().unwrap().contains(&address);
    if is_encrypted { trust().connect(socket) } else { Ok(ClientStream::Plain(socket)) }
}
