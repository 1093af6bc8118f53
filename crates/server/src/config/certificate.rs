//! Further certificates of the port, in the configuration.

use serde::{Deserialize, Serialize};

use super::problems::ConfigErrors;
use crate::tls::NamedFiles;

/// More are a mistake.
const CERTIFICATES_MAX: usize = 256;

/// A certificate that clients are shown who ask for one of its names: `[[certificates]]`. All others are shown that of `tls.certFile`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CertificateConfig {
    /// A file with the certificate and those that signed it, as PEM. Its DNS names say whom it is shown to.
    pub cert_file: String,
    /// A file with its key.
    pub key_file: String,
}

/// Says what is wrong with their number and place. Returns their files.
pub(super) fn named_files(
    certificates: &[CertificateConfig],
    has_default: bool,
    errors: &mut ConfigErrors,
) -> Vec<NamedFiles> {
    if certificates.len() > CERTIFICATES_MAX {
        errors.add("certificates", format!("at most {CERTIFICATES_MAX}"));
    }
    if !has_default && !certificates.is_empty() {
        let sentence =
            "who asks for no name that is known needs one too: set tls.certFile and tls.keyFile";
        errors.add("certificates", sentence);
    }
    let files = |it: &CertificateConfig| NamedFiles {
        certificate: it.cert_file.clone().into(),
        key: it.key_file.clone().into(),
    };
    certificates.iter().take(CERTIFICATES_MAX).map(files).collect()
}
