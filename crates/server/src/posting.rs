//! What all requests to back ends have in common.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use http::HeaderMap;
use reqwest::{Certificate, Client, ClientBuilder, Response, Url, redirect};

use crate::signature;

/// A client that answers within `timeout`, and keeps so many idle connections to a host for the next requests.
pub(crate) fn client(timeout: Duration, idle_connections_max: usize) -> ClientBuilder {
    Client::builder()
        // A back end that sends elsewhere is not followed: where requests go is configured.
        .redirect(redirect::Policy::none())
        .no_proxy()
        .timeout(timeout)
        .connect_timeout(timeout)
        .pool_max_idle_per_host(idle_connections_max)
        .user_agent(concat!("foodtrack-websocket/", env!("CARGO_PKG_VERSION")))
}

/// A client that believes these authorities about other servers, and no others; `None`: those of the system.
///
/// # Errors
/// They are no certificates, or TLS cannot be set up.
pub(crate) fn trusting(client: ClientBuilder, authorities: Option<&[u8]>) -> io::Result<Client> {
    let client = match authorities {
        Some(pem) => {
            client.tls_certs_only(Certificate::from_pem_bundle(pem).map_err(io::Error::other)?)
        }
        None => client,
    };
    client.build().map_err(io::Error::other)
}

/// Where signed requests go: one URL, and what both sides know.
pub(crate) struct Target {
    http: Client,
    url: Url,
    key: hmac::Key,
}

impl Target {
    /// # Errors
    /// The URL is none.
    pub(crate) fn new(http: Client, url: &str, secret: &str) -> io::Result<Self> {
        let url = Url::parse(url).map_err(io::Error::other)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        Ok(Self { http, url, key })
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// Posts JSON, signed as of now, with these headers beside its own.
    ///
    /// # Errors
    /// [`NoAnswer`]
    pub(crate) async fn post(
        &self,
        body: Vec<u8>,
        headers: HeaderMap,
    ) -> Result<Response, NoAnswer> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let signature = signature::sign(&self.key, now.as_secs(), &body);
        let request = self
            .http
            .post(self.url.clone())
            .headers(headers)
            .header("content-type", "application/json")
            .header(signature::HEADER, signature)
            .body(body);
        Ok(request.send().await?)
    }
}

/// A back end gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("it did not answer in time")]
    Timeout,
    /// Without the URL: it may have a secret in it.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
}

impl From<reqwest::Error> for NoAnswer {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::Timeout;
        }
        let mut cause: &dyn std::error::Error = &error.without_url();
        let mut sentence = cause.to_string();
        while let Some(source) = cause.source() {
            sentence = format!("{sentence}: {source}");
            cause = source;
        }
        Self::Unreachable(sentence)
    }
}
