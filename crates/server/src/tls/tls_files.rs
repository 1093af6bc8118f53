//! What the configuration says of TLS, and what handshakes go by.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::crypto::aws_lc_rs;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use serde::{Deserialize, Serialize};

use super::certificate::{self, Certificate, CertificateFault};
use super::certificates_by_name::CertificatesByName;
use super::client_book::ClientBook;

/// What is spoken over TLS.
const PROTOCOL: &[u8] = b"http/1.1";
/// Tickets that a client is given: one for its next connection.
const TICKETS: usize = 1;

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsVersion {
    /// TLS 1.2 and 1.3.
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3 alone.
    #[serde(rename = "1.3")]
    V1_3,
}

/// Where the certificate and its key are, and what is spoken with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// Further ones, for who asks for their names.
    pub(crate) named: Vec<NamedFiles>,
    pub(crate) oldest: TlsVersion,
    /// Where certificates of back ends count.
    pub(crate) clients: Option<ClientFiles>,
}

/// A certificate that is shown to who asks for one of its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Who signs the certificates of back ends, and which of them are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientFiles {
    pub(crate) authorities: PathBuf,
    pub(crate) book: PathBuf,
}

impl ClientFiles {
    /// Whether a file is one of them.
    pub(crate) fn has(&self, path: &Path) -> bool {
        self.authorities == path || self.book == path
    }
}

/// What the files have.
#[derive(Clone)]
pub(crate) struct TlsMaterial {
    certificate: Certificate,
    named: Vec<Certificate>,
    authorities: Option<Arc<RootCertStore>>,
    /// The back ends that are known by their certificates.
    pub(crate) clients: Arc<ClientBook>,
}

impl fmt::Debug for TlsMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.certificate, f)
    }
}

impl TlsMaterial {
    /// How long the first of the certificates that ends is still good.
    pub(crate) fn left(&self, now: SystemTime) -> Duration {
        let named = self.named.iter().map(|it| it.left(now));
        named.fold(self.certificate.left(now), Duration::min)
    }

    /// Whether one of them ends soon, or has.
    pub(crate) fn ends_soon(&self, now: SystemTime) -> bool {
        std::iter::once(&self.certificate).chain(&self.named).any(|it| it.ends_soon(now))
    }
}

impl TlsFiles {
    /// Reads each certificate and its key, and what is known of back ends' certificates.
    ///
    /// # Errors
    /// They cannot be read, do not belong together, or are not good at `now`.
    pub(crate) fn read(&self, now: SystemTime) -> Result<TlsMaterial, CertificateFault> {
        let certificate = Certificate::read(&self.certificate, &self.key, now)?;
        let (authorities, clients) = match &self.clients {
            Some(files) => {
                let authorities = certificate::authorities(&files.authorities)?;
                (Some(Arc::new(authorities)), ClientBook::read(&files.book)?)
            }
            None => (None, ClientBook::default()),
        };
        let named = self.read_named(now)?;
        Ok(TlsMaterial { certificate, named, authorities, clients: Arc::new(clients) })
    }

    fn read_named(&self, now: SystemTime) -> Result<Vec<Certificate>, CertificateFault> {
        let (mut all, mut names) = (Vec::with_capacity(self.named.len()), HashSet::new());
        for NamedFiles { certificate: path, key } in &self.named {
            let certificate = Certificate::read(path, key, now)?;
            if certificate.names.is_empty() {
                return Err(CertificateFault::Nameless { path: path.clone() });
            }
            for name in &certificate.names {
                if !names.insert(name.clone()) {
                    let (path, name) = (path.clone(), name.clone());
                    return Err(CertificateFault::NameTwice { path, name });
                }
            }
            all.push(certificate);
        }
        Ok(all)
    }

    /// All of them.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        let own = [&self.certificate, &self.key].into_iter();
        let of_clients = self.clients.iter().flat_map(|it| [&it.authorities, &it.book]);
        let named = self.named.iter().flat_map(|it| [&it.certificate, &it.key]);
        own.chain(named).chain(of_clients).map(PathBuf::as_path)
    }

    /// What handshakes go by.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub(crate) fn handshakes(
        &self,
        material: &TlsMaterial,
    ) -> Result<Arc<ServerConfig>, rustls::Error> {
        let versions: &[_] = match self.oldest {
            TlsVersion::V1_2 => &[&TLS13, &TLS12],
            TlsVersion::V1_3 => &[&TLS13],
        };
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier: Arc<dyn ClientCertVerifier> = match &material.authorities {
            // Who shows none is asked for a token.
            Some(authorities) => WebPkiClientVerifier::builder_with_provider(
                Arc::clone(authorities),
                Arc::clone(&provider),
            )
            .allow_unauthenticated()
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?,
            None => WebPkiClientVerifier::no_client_auth(),
        };
        let resolver = CertificatesByName::new(&material.certificate, &material.named);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        // A session comes back with a ticket, whose keys change every six hours; nothing is kept of it here.
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = TICKETS;
        Ok(Arc::new(config))
    }
}
