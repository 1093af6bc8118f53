//! What all requests to back ends have in common.

use std::time::Duration;

use reqwest::{Client, ClientBuilder, redirect};

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
