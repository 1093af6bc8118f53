//! A test's connection to a hub, plain or encrypted.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// What a client believes and shows.
#[derive(Clone, Debug)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
}

impl ClientTls {
    /// Believes an authority's certificate in a file, and shows none.
    ///
    /// # Panics
    /// Where the file has none.
    pub fn trusting(authority: &Path) -> Self {
        Self::with(|builder| builder.with_root_certificates(roots(authority)).with_no_client_auth())
    }

    /// The same, and shows a certificate with its key.
    ///
    /// # Panics
    /// Where a file has none.
    pub fn showing(authority: &Path, certificate: &Path, key: &Path) -> Self {
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .unwrap_or_else(|error| panic!("{}: {error}", certificate.display()));
        let key = PrivateKeyDer::from_pem_file(key)
            .unwrap_or_else(|error| panic!("{}: {error}", key.display()));
        Self::with(|builder| {
            builder
                .with_root_certificates(roots(authority))
                .with_client_auth_cert(chain, key)
                .unwrap_or_else(|error| panic!("a client's certificate: {error}"))
        })
    }

    /// The same, and speaks nothing newer than TLS 1.2.
    ///
    /// # Panics
    /// Where the file has no authority.
    pub fn of_1_2(authority: &Path) -> Self {
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap_or_else(|error| panic!("no TLS: {error}"));
        let config = builder.with_root_certificates(roots(authority)).with_no_client_auth();
        Self { config: Arc::new(config) }
    }

    fn with(
        configure: impl FnOnce(
            rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>,
        ) -> ClientConfig,
    ) -> Self {
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap_or_else(|error| panic!("no TLS: {error}"));
        Self { config: Arc::new(configure(builder)) }
    }

    /// A connection to who is called `localhost`, still to be made.
    ///
    /// # Panics
    /// Where TLS cannot be set up.
    pub fn begin(&self) -> ClientConnection {
        self.begin_with("localhost")
    }

    /// A connection to who has this name, still to be made.
    ///
    /// # Panics
    /// Where TLS cannot be set up.
    pub fn begin_with(&self, name: &str) -> ClientConnection {
        let name = ServerName::try_from(name.to_owned())
            .unwrap_or_else(|error| panic!("no name: {error}"));
        ClientConnection::new(Arc::clone(&self.config), name)
            .unwrap_or_else(|error| panic!("no TLS: {error}"))
    }

    /// The same without sessions that come back: each handshake is a whole one.
    #[must_use]
    pub fn without_resumption(&self) -> Self {
        let mut config = (*self.config).clone();
        config.resumption = rustls::client::Resumption::disabled();
        Self { config: Arc::new(config) }
    }

    /// Speaks TLS on a socket from now on, with who is called `localhost`.
    ///
    /// # Errors
    /// The handshake came to nothing.
    pub fn connect(&self, socket: TcpStream) -> io::Result<ClientStream> {
        self.connect_to("localhost", socket)
    }

    /// Speaks TLS on a socket from now on, with who has this name.
    ///
    /// # Errors
    /// The handshake came to nothing.
    pub fn connect_to(&self, name: &str, mut socket: TcpStream) -> io::Result<ClientStream> {
        let mut connection = self.begin_with(name);
        while connection.is_handshaking() {
            connection.complete_io(&mut socket)?;
        }
        Ok(ClientStream::Tls(Box::new(StreamOwned::new(connection, socket))))
    }
}

fn roots(authority: &Path) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(authority)
        .unwrap_or_else(|error| panic!("{}: {error}", authority.display()));
    roots.add(certificate).unwrap_or_else(|error| panic!("{}: {error}", authority.display()));
    roots
}

/// The connection.
#[derive(Debug)]
pub enum ClientStream {
    /// Nothing is encrypted.
    Plain(TcpStream),
    /// All of it is.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl ClientStream {
    /// The socket below.
    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &stream.sock,
        }
    }

    /// How its TLS began, where it has any.
    pub fn tls(&self) -> Option<&ClientConnection> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(stream) => Some(&stream.conn),
        }
    }
}

impl Read for ClientStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for ClientStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// The first certificate of a file, as DER.
///
/// # Panics
/// Where there is none.
pub fn der_of(certificate: &Path) -> Vec<u8> {
    CertificateDer::from_pem_file(certificate)
        .unwrap_or_else(|error| panic!("{}: {error}", certificate.display()))
        .to_vec()
}
