//! A certificate with its key, as they stand in files.

use std::fmt;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Larger files are no certificates.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// Rights on a key's file that nobody but its owner and readers of its group may have.
const LAX_RIGHTS: u32 = 0o037;
/// How long before its end somebody should look, unless it is good for less than three times that.
const SOON: Duration = Duration::from_secs(14 * 24 * 3_600);

/// Why a certificate cannot be used. A sentence for who runs the hub; nothing of the key is in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateFault {
    #[error("{path} cannot be read: {source}")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{path} is no certificate: PEM of the hub's own, and then of those that signed it")]
    NoCertificate { path: PathBuf },
    #[error("{path} has no private key as PEM; one with a passphrase is to be decrypted first")]
    NoKey { path: PathBuf },
    #[error(
        "{path} may be used by others than its owner (mode {mode:03o}): set chmod 600, or 640 for a group"
    )]
    LaxKey { path: PathBuf, mode: u32 },
    #[error("the key in {key} is not that of the certificate in {certificate}")]
    Mismatch { certificate: PathBuf, key: PathBuf },
    #[error("the certificate in {path} has no DNS name: nobody can ask for it")]
    Nameless { path: PathBuf },
    #[error("the certificate in {path} is for {name}, which one before it is for already")]
    NameTwice { path: PathBuf, name: String },
    #[error("{path}: {why}")]
    ClientBook { path: PathBuf, why: String },
    #[error("{path} cannot be used: {source}")]
    Unusable { path: PathBuf, source: rustls::Error },
    #[error("the certificate in {path} expired at {at}: renew it")]
    Expired { path: PathBuf, at: String },
    #[error(
        "the certificate in {path} is good from {at} on, which is still to come by this machine's clock"
    )]
    NotYet { path: PathBuf, at: String },
}

impl CertificateFault {
    /// The file that is to be mended.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Unreadable { path, .. }
            | Self::NoCertificate { path }
            | Self::NoKey { path }
            | Self::LaxKey { path, .. }
            | Self::Mismatch { certificate: path, .. }
            | Self::Nameless { path }
            | Self::NameTwice { path, .. }
            | Self::ClientBook { path, .. }
            | Self::Unusable { path, .. }
            | Self::Expired { path, .. }
            | Self::NotYet { path, .. } => path,
        }
    }
}

/// A certificate, its key, whom it is for, and when it is good.
#[derive(Clone)]
pub(crate) struct Certificate {
    /// Its DNS names, in small letters; they may begin with `*.`.
    pub(super) names: Vec<String>,
    pub(super) identity: Arc<CertifiedKey>,
    not_before: SystemTime,
    not_after: SystemTime,
}

impl Certificate {
    /// Reads both files, and looks whether they belong together and are good at `now`.
    pub(super) fn read(
        certificate: &Path,
        key: &Path,
        now: SystemTime,
    ) -> Result<Self, CertificateFault> {
        let no_certificate = || CertificateFault::NoCertificate { path: certificate.into() };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&read(certificate)?)
            .collect::<Result<_, _>>()
            .map_err(|_| no_certificate())?;
        let leaf = chain.first().ok_or_else(no_certificate)?;
        let leaf = x509_cert::Certificate::from_der(leaf).map_err(|_| no_certificate())?;
        let validity = leaf.tbs_certificate().validity();
        let (not_before, not_after) =
            (validity.not_before.to_system_time(), validity.not_after.to_system_time());
        let path = certificate.to_path_buf();
        if now > not_after {
            return Err(CertificateFault::Expired { path, at: validity.not_after.to_string() });
        }
        if now < not_before {
            return Err(CertificateFault::NotYet { path, at: validity.not_before.to_string() });
        }
        let names = dns_names(&leaf);
        let identity = identity(chain, certificate, key)?;
        Ok(Self { names, identity: Arc::new(identity), not_before, not_after })
    }

    /// How long it is still good.
    pub(crate) fn left(&self, now: SystemTime) -> Duration {
        self.not_after.duration_since(now).unwrap_or_default()
    }

    /// Whether somebody should look: a fortnight before its end, or in the last third of a short life.
    pub(crate) fn ends_soon(&self, now: SystemTime) -> bool {
        let life = self.not_after.duration_since(self.not_before).unwrap_or_default();
        self.left(now) < SOON.min(life / 3)
    }
}

fn dns_names(certificate: &x509_cert::Certificate) -> Vec<String> {
    let found = certificate.tbs_certificate().get_extension::<SubjectAltName>();
    let Ok(Some((_, SubjectAltName(names)))) = found else { return Vec::new() };
    let dns_name = |name: &GeneralName| match name {
        GeneralName::DnsName(name) => Some(name.to_string().to_ascii_lowercase()),
        _ => None,
    };
    names.iter().filter_map(dns_name).collect()
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

/// The chain with the key that belongs to it.
fn identity(
    chain: Vec<CertificateDer<'static>>,
    certificate: &Path,
    key: &Path,
) -> Result<CertifiedKey, CertificateFault> {
    check_rights(key)?;
    let pem = read(key)?;
    let der = PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|_| CertificateFault::NoKey { path: key.into() })?;
    let provider = aws_lc_rs::default_provider();
    CertifiedKey::from_der(chain, der, &provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            CertificateFault::Mismatch { certificate: certificate.into(), key: key.into() }
        }
        source => CertificateFault::Unusable { path: key.into(), source },
    })
}

/// The certificates of authorities in a file.
pub(super) fn authorities(path: &Path) -> Result<RootCertStore, CertificateFault> {
    let no_certificate = || CertificateFault::NoCertificate { path: path.into() };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&read(path)?) {
        let certificate = certificate.map_err(|_| no_certificate())?;
        roots.add(certificate).map_err(|_| no_certificate())?;
    }
    if roots.is_empty() { Err(no_certificate()) } else { Ok(roots) }
}

/// Whoever may read the key of a hub can be that hub.
fn check_rights(key: &Path) -> Result<(), CertificateFault> {
    let unreadable = |source| CertificateFault::Unreadable { path: key.into(), source };
    let mode = std::fs::metadata(key).map_err(unreadable)?.permissions().mode() & 0o777;
    match mode & LAX_RIGHTS {
        0 => Ok(()),
        _ => Err(CertificateFault::LaxKey { path: key.into(), mode }),
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, CertificateFault> {
    let unreadable = |source| CertificateFault::Unreadable { path: path.into(), source };
    let found = std::fs::metadata(path).map_err(unreadable)?;
    if !found.is_file() || found.len() > FILE_BYTES_MAX {
        return Err(unreadable(io::Error::other("no file of certificates or keys")));
    }
    std::fs::read(path).map_err(unreadable)
}
