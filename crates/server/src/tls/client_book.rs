//! Which back ends are known by their certificates, as the operator wrote it down in a file.

use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use foodtrack_auth::ServiceCertificate;
use foodtrack_contract::{Principal, Refusal, TenantId, UserId};
use serde::Deserialize;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::certificate::CertificateFault;
use super::certificate::read;

/// More are a mistake.
const CLIENTS_MAX: usize = 1_024;

/// What a back end may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scope {
    /// What takes a back end's token: to publish, and the rest of its own.
    Publish,
    /// What takes an administrator's token.
    Administer,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    client: Vec<WrittenClient>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenClient {
    name: String,
    san: Option<String>,
    sha256: Option<String>,
    tenants: Vec<String>,
    may: Vec<Scope>,
}

/// By what a certificate is known.
enum Mark {
    /// A DNS name or a URI among its alternative names.
    Name(String),
    /// The SHA-256 of it.
    Digest(Vec<u8>),
}

struct Client {
    mark: Mark,
    certificate: ServiceCertificate,
    scopes: Vec<Scope>,
}

/// Those that are known.
#[derive(Default)]
pub(crate) struct ClientBook {
    clients: Vec<Client>,
}

/// A back end that is known by its certificate.
pub(crate) struct KnownClient {
    pub(crate) principal: Principal,
    pub(crate) scopes: Vec<Scope>,
}

impl ClientBook {
    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read, or something in it is wrong.
    pub(super) fn read(path: &Path) -> Result<Self, CertificateFault> {
        let unusable =
            |why: String| CertificateFault::ClientBook { path: PathBuf::from(path), why };
        let text = String::from_utf8(read(path)?).map_err(|_| unusable("it is no text".into()))?;
        Self::parse(&text).map_err(unusable)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let written: Written = toml::from_str(text).map_err(|error| error.to_string())?;
        if written.client.len() > CLIENTS_MAX {
            return Err(format!("at most {CLIENTS_MAX} clients"));
        }
        let clients = written.client.into_iter().map(Client::new).collect::<Result<_, _>>()?;
        Ok(Self { clients })
    }

    /// The back end whose certificate this is, whose chain was verified, for the tenant that it names. `None`: nobody wrote it down.
    pub(crate) fn find(
        &self,
        certificate: &[u8],
        tenant: Option<&str>,
    ) -> Option<Result<KnownClient, Refusal>> {
        let read = x509_cert::Certificate::from_der(certificate).ok()?;
        let names = names(&read);
        let digest = digest::digest(&digest::SHA256, certificate);
        let client = self.clients.iter().find(|client| match &client.mark {
            Mark::Name(name) => names.iter().any(|other| other.eq_ignore_ascii_case(name)),
            Mark::Digest(wanted) => digest.as_ref() == &**wanted,
        })?;
        let validity = read.tbs_certificate().validity();
        let [issued_at_s, expires_at_s] =
            [validity.not_before, validity.not_after].map(|time| time.to_unix_duration().as_secs());
        let principal = client.certificate.principal(tenant, issued_at_s, expires_at_s);
        Some(principal.map(|principal| KnownClient { principal, scopes: client.scopes.clone() }))
    }
}

impl Client {
    fn new(written: WrittenClient) -> Result<Self, String> {
        let WrittenClient { name, san, sha256, tenants, may } = written;
        let told = |what: &str| format!("client {name}: {what}");
        let mark = match (san, sha256) {
            (Some(san), None) if !san.is_empty() => Mark::Name(san),
            (None, Some(digest)) => Mark::Digest(
                from_hex(&digest).ok_or_else(|| told("sha256 is 64 hexadecimal digits"))?,
            ),
            _ => return Err(told("give either san or sha256")),
        };
        if tenants.is_empty() || may.is_empty() {
            return Err(told("name its tenants, and what it may do (publish, administer)"));
        }
        let user = UserId::parse(&name).map_err(|error| told(&error.to_string()))?;
        let tenants = tenants.iter().map(|text| TenantId::parse(text));
        let tenants =
            tenants.collect::<Result<_, _>>().map_err(|error| told(&error.to_string()))?;
        Ok(Self { mark, certificate: ServiceCertificate::new(user, tenants), scopes: may })
    }
}

/// The names that a certificate has beside its subject's: DNS names and URIs.
fn names(certificate: &x509_cert::Certificate) -> Vec<String> {
    let found = certificate.tbs_certificate().get_extension::<SubjectAltName>();
    let Ok(Some((_, SubjectAltName(names)))) = found else { return Vec::new() };
    let text = |name: &GeneralName| match name {
        GeneralName::DnsName(name) | GeneralName::UniformResourceIdentifier(name) => {
            Some(name.to_string())
        }
        _ => None,
    };
    names.iter().filter_map(text).collect()
}

/// The 32 bytes of a digest in hexadecimal, with or without colons.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let bytes: Option<Vec<u8>> = digits
        .chunks(2)
        .map(|pair| Some((digit(*pair.first()?)? << 4) | digit(*pair.get(1)?)?))
        .collect();
    bytes.filter(|bytes| bytes.len() == 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_client_is_told_with_its_name() {
        let rest = "tenants = ['roma']\nmay = ['publish']";
        for (text, told) in [
            (format!("[[client]]\nname = 'a'\n{rest}"), "client a: give either san or sha256"),
            (format!("[[client]]\nname = 'a'\nsan = 'x'\nsha256 = '00'\n{rest}"), "client a: give"),
            (format!("[[client]]\nname = 'a'\nsha256 = '00'\n{rest}"), "64 hexadecimal digits"),
            (
                "[[client]]\nname = 'a'\nsan = 'x'\ntenants = []\nmay = ['publish']".into(),
                "tenants",
            ),
            (
                "[[client]]\nname = 'a'\nsan = 'x'\ntenants = ['*']\nmay = ['publish']".into(),
                "client a: ",
            ),
            ("[[client]]\nname = 'a'\nsan = 'x'\ntenants = ['t']\nmay = ['all']".into(), "may"),
            ("[[clients]]".into(), "clients"),
        ] {
            let error = ClientBook::parse(&text).err().expect(&text);
            assert!(error.contains(told), "{text}: {error}");
        }
        assert_eq!(ClientBook::parse("").unwrap().clients.len(), 0);
    }
}
