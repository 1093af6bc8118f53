//! TLS on the hub's port: the certificate, and what handshakes go by.

mod certificate;
mod certificate_watch;
mod client_book;
mod tls_files;

pub(crate) use certificate::CertificateFault;
pub(crate) use certificate_watch::{CertificateState, CertificateWatch};
pub(crate) use client_book::{KnownClient, Scope};
pub use tls_files::TlsVersion;
pub(crate) use tls_files::{ClientFiles, TlsFiles, TlsMaterial};
