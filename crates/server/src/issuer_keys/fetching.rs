//! One look at where an issuer's keys are.

use std::path::Path;
use std::time::Duration;

use reqwest::{Client, Url};
use serde::Deserialize;

use crate::config::KeyPlace;
use crate::posting::NoAnswer;
use crate::public_targets::{self, AllowedNetworks, key_url_fault};

/// How long an answer may take, with its body.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The largest JWKS, and the largest answer of a discovery, in bytes.
pub(super) const BODY_BYTES_MAX: usize = 256 << 10;
/// Where an issuer says what it has (OpenID Connect Discovery 1.0, section 4).
const DISCOVERY_PATH: &str = ".well-known/openid-configuration";

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    #[error("it answers with status {0}, and not with 200")]
    Status(u16),
    #[error("its answer has more than {BODY_BYTES_MAX} bytes")]
    TooLarge,
    #[error("its answer is no text")]
    NotText,
    #[error("its answer is no discovery document with issuer and jwks_uri")]
    NotDiscovery,
    #[error("its discovery document is another issuer's")]
    OtherIssuer,
    #[error("its jwks_uri is {0}")]
    BadAddress(String),
    #[error("the file cannot be read: {0}")]
    File(std::io::Error),
}

/// Fetches from the addresses that are allowed, and follows no redirect.
pub(super) struct Fetcher {
    http: Client,
    allowed: AllowedNetworks,
}

/// What is read of a discovery document.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Fetcher {
    /// # Errors
    /// TLS cannot be set up.
    pub(super) fn new(allowed: AllowedNetworks) -> std::io::Result<Self> {
        let http = public_targets::client(allowed.clone(), TIMEOUT)?;
        Ok(Self { http, allowed })
    }

    /// The JWKS as text; nobody has looked at it yet.
    ///
    /// # Errors
    /// [`FetchError`]
    pub(super) async fn fetch(&self, place: &KeyPlace) -> Result<String, FetchError> {
        match place {
            KeyPlace::File(path) => read_file(path),
            KeyPlace::Url(url) => self.get(url).await,
            KeyPlace::Discovery(issuer) => {
                // What an issuer is called, and what it says of itself, are compared byte by byte; only the address has a slash between.
                let url = format!("{}/{DISCOVERY_PATH}", issuer.trim_end_matches('/'));
                let text = self.get(&url).await?;
                let said: Discovery =
                    serde_json::from_str(&text).map_err(|_| FetchError::NotDiscovery)?;
                if said.issuer != *issuer {
                    return Err(FetchError::OtherIssuer);
                }
                self.get(&said.jwks_uri).await
            }
        }
    }

    async fn get(&self, url: &str) -> Result<String, FetchError> {
        if let Some(fault) = key_url_fault(url, &self.allowed) {
            return Err(FetchError::BadAddress(fault));
        }
        let url = Url::parse(url).map_err(|error| FetchError::BadAddress(error.to_string()))?;
        let request = self.http.get(url).header("accept", "application/json");
        let mut answer = request.send().await.map_err(NoAnswer::from)?;
        if answer.status().as_u16() != 200 {
            return Err(FetchError::Status(answer.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(NoAnswer::from)? {
            if body.len() + part.len() > BODY_BYTES_MAX {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&part);
        }
        String::from_utf8(body).map_err(|_| FetchError::NotText)
    }
}

fn read_file(path: &Path) -> Result<String, FetchError> {
    use std::io::Read;
    let file = std::fs::File::open(path).map_err(FetchError::File)?;
    let mut bytes = Vec::new();
    // One more than there may be shows that there is more.
    let bytes_max = u64::try_from(BODY_BYTES_MAX + 1).unwrap_or(u64::MAX);
    file.take(bytes_max).read_to_end(&mut bytes).map_err(FetchError::File)?;
    if bytes.len() > BODY_BYTES_MAX {
        return Err(FetchError::TooLarge);
    }
    String::from_utf8(bytes).map_err(|_| FetchError::NotText)
}
