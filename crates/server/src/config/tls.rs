//! TLS in the configuration.

use std::io;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::certificate::{CertificateConfig, named_files};
use super::problems::ConfigErrors;
use crate::tls::{CertificateWatch, ClientFiles, TlsFiles, TlsMaterial, TlsVersion};

/// What connections are encrypted with. With none of it they are plain.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TlsConfig {
    /// A file with the hub's certificate and those that signed it, as PEM. Default: none.
    pub cert_file: Option<String>,
    /// A file with its key. Default: none.
    pub key_file: Option<String>,
    /// The oldest version that is spoken. Default: 1.2.
    pub min_version: TlsVersion,
    /// A file with the authorities that are trusted to sign the certificates of the cluster's other nodes, as PEM. Default: none,
    /// which is those of the system.
    pub node_ca_file: Option<String>,
    /// A file with the authorities that sign the certificates of back ends, as PEM. Default: none, and certificates of clients count for nothing.
    pub client_ca_file: Option<String>,
    /// A TOML file that says which of these certificates are of which back end. Default: none.
    pub clients_file: Option<String>,
    /// For how long browsers are told to ask for pages over TLS alone; 0 is not at all. Default: 180 days.
    pub hsts_seconds: u32,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            cert_file: None,
            key_file: None,
            min_version: TlsVersion::default(),
            node_ca_file: None,
            client_ca_file: None,
            clients_file: None,
            hsts_seconds: 180 * 24 * 3_600,
        }
    }
}

/// What is there of TLS.
#[derive(Clone, Debug)]
pub(super) struct CheckedTls {
    /// What the port speaks; `None`: no TLS.
    pub(super) own: Option<Tls>,
    /// Who signs the certificates of other nodes, as PEM; `None`: the authorities of the system.
    pub(super) node_authorities: Option<Vec<u8>>,
}

/// What the port speaks TLS with.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    files: TlsFiles,
    /// What they had at the check.
    material: TlsMaterial,
}

impl Tls {
    /// Begins to watch the files.
    ///
    /// # Errors
    /// The system gave no thread, or no random numbers.
    pub(crate) fn watch(&self) -> io::Result<CertificateWatch> {
        CertificateWatch::start(self.files.clone(), self.material.clone())
    }
}

impl Tls {
    /// For how many whole days the certificate is still good.
    pub(crate) fn days_left(&self) -> u64 {
        self.material.left(SystemTime::now()).as_secs() / 86_400
    }

    /// Whether it ends soon, or has.
    pub(crate) fn ends_soon(&self) -> bool {
        self.material.ends_soon(SystemTime::now())
    }
}

impl TlsConfig {
    /// Says what is wrong with it. Returns what there is.
    pub(super) fn check(
        &self,
        certificates: &[CertificateConfig],
        errors: &mut ConfigErrors,
    ) -> CheckedTls {
        let node_authorities = self.node_ca_file.as_deref().and_then(|path| {
            let read = std::fs::read(path).map_err(|error| error.to_string());
            read.and_then(|pem| authorities(&pem).map(|()| pem))
                .map_err(|sentence| {
                    errors.add("tls.nodeCaFile", format!("{path} cannot be used: {sentence}"));
                })
                .ok()
        });
        CheckedTls { own: self.check_own(certificates, errors), node_authorities }
    }

    fn check_own(
        &self,
        certificates: &[CertificateConfig],
        errors: &mut ConfigErrors,
    ) -> Option<Tls> {
        let named = named_files(certificates, self.cert_file.is_some(), errors);
        let (Some(certificate), Some(key)) = (&self.cert_file, &self.key_file) else {
            if self.cert_file.is_some() || self.key_file.is_some() {
                errors.add("tls.certFile", "belongs with tls.keyFile: give both, or neither");
            }
            return None;
        };
        let files = TlsFiles {
            certificate: certificate.into(),
            key: key.into(),
            named,
            oldest: self.min_version,
            clients: self.client_files(errors),
        };
        match files.read(SystemTime::now()) {
            Ok(material) => Some(Tls { files, material }),
            Err(fault) => {
                let path = fault.path();
                let is_of_clients = files.clients.as_ref().is_some_and(|it| it.has(path));
                let of_named = files.named.iter().enumerate().find_map(|(i, named)| {
                    let is_key = named.key == path;
                    let name = if is_key { "keyFile" } else { "certFile" };
                    (is_key || named.certificate == path)
                        .then(|| format!("certificates.{i}.{name}"))
                });
                let key = match of_named {
                    _ if is_of_clients => "tls.clientsFile".to_owned(),
                    _ if files.certificate == path => "tls.certFile".to_owned(),
                    _ if files.key == path => "tls.keyFile".to_owned(),
                    of_named => of_named.unwrap_or_else(|| "tls.certFile".to_owned()),
                };
                errors.add(&key, fault.to_string());
                None
            }
        }
    }
}

impl TlsConfig {
    fn client_files(&self, errors: &mut ConfigErrors) -> Option<ClientFiles> {
        match (&self.client_ca_file, &self.clients_file) {
            (Some(authorities), Some(book)) => {
                Some(ClientFiles { authorities: authorities.into(), book: book.into() })
            }
            (None, None) => None,
            _ => {
                let sentence = "belongs with tls.clientsFile: give both, or neither";
                errors.add("tls.clientCaFile", sentence);
                None
            }
        }
    }
}

/// Whether there are certificates of authorities.
fn authorities(pem: &[u8]) -> Result<(), String> {
    let found = reqwest::Certificate::from_pem_bundle(pem).map_err(|error| error.to_string())?;
    if found.is_empty() { Err("there is no certificate in it".into()) } else { Ok(()) }
}
