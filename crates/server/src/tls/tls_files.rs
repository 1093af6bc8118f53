//! What the configuration says of TLS, and what handshakes go by.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::NoServerSessionStorage;
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};
use serde::{Deserialize, Serialize};

use super::certificate::{Certificate, CertificateFault};

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
    pub(crate) oldest: TlsVersion,
}

impl TlsFiles {
    /// Reads the certificate and its key.
    ///
    /// # Errors
    /// They cannot be read, do not belong together, or are not good at `now`.
    pub(crate) fn read(&self, now: SystemTime) -> Result<Certificate, CertificateFault> {
        Certificate::read(&self.certificate, &self.key, now)
    }

    /// What handshakes with a certificate go by.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub(crate) fn handshakes(
        &self,
        certificate: &Certificate,
    ) -> Result<Arc<ServerConfig>, rustls::Error> {
        let versions: &[_] = match self.oldest {
            TlsVersion::V1_2 => &[&TLS13, &TLS12],
            TlsVersion::V1_3 => &[&TLS13],
        };
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_protocol_versions(versions)?
                .with_no_client_auth()
                .with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(
                    &certificate.identity,
                ))));
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        // A session comes back with a ticket, whose keys change every six hours; nothing is kept of it here.
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = TICKETS;
        Ok(Arc::new(config))
    }
}
