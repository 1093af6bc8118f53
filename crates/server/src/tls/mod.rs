//! TLS on the hub's port: the certificate, and what handshakes go by.

mod certificate;
mod certificate_watch;
mod tls_files;

pub(crate) use certificate::{Certificate, CertificateFault};
pub(crate) use certificate_watch::{CertificateState, CertificateWatch};
pub(crate) use tls_files::TlsFiles;
pub use tls_files::TlsVersion;
