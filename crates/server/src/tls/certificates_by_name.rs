//! Which certificate a client is shown: by the name that it asks for (SNI).

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certificate::Certificate;

/// Certificates by their DNS names, and the one that everybody else is shown.
#[derive(Debug)]
pub(super) struct CertificatesByName {
    default: Arc<CertifiedKey>,
    /// In small letters; a wildcard as its name stands, `*.example`.
    by_name: HashMap<String, Arc<CertifiedKey>>,
}

impl CertificatesByName {
    pub(super) fn new(default: &Certificate, named: &[Certificate]) -> Self {
        let names = |it: &Certificate| {
            let identity = Arc::clone(&it.identity);
            it.names.clone().into_iter().map(move |name| (name, Arc::clone(&identity)))
        };
        Self {
            default: Arc::clone(&default.identity),
            by_name: named.iter().flat_map(names).collect(),
        }
    }

    fn find(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let name = name.to_ascii_lowercase();
        let wildcard = || {
            // It stands for one label, the first.
            let (_, rest) = name.split_once('.')?;
            self.by_name.get(&format!("*.{rest}"))
        };
        self.by_name.get(&name).or_else(wildcard)
    }
}

impl ResolvesServerCert for CertificatesByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = match hello.server_name() {
            Some(name) if !self.by_name.is_empty() => self.find(name),
            _ => None,
        };
        Some(Arc::clone(named.unwrap_or(&self.default)))
    }
}
