//! TLS on the hub's port: the certificate, and what handshakes go by.

mod certificate;
mod certificate_watch;
mod certificates_by_name;
mod client_book;
mod tls_files;

pub(crate) use certificate_watch::{CertificateState, CertificateWatch};
pub(crate) use client_book::{KnownClient, Scope};
pub use tls_files::TlsVersion;
pub(crate) use tls_files::{ClientFiles, NamedFiles, TlsFiles, TlsMaterial};
