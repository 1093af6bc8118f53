//! Where spans are sent.

use serde::{Deserialize, Serialize};

use super::problems::ConfigErrors;

/// Whether traces are made, and where they go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TracingConfig {
    /// Where a collector takes OTLP over HTTP, such as `http://127.0.0.1:4318/v1/traces`. Default: none, and no spans are made.
    pub otlp_url: Option<String>,
    /// Which share of the traces that begin here are sent; those that a publisher began are as it says. Default: 1, all.
    pub sample_ratio: f64,
}

impl Default for TracingConfig {
    fn default() -> Self {
        Self { otlp_url: None, sample_ratio: 1.0 }
    }
}

impl TracingConfig {
    pub(crate) fn url(&self) -> Option<&str> {
        self.otlp_url.as_deref()
    }

    /// Says what is wrong with it.
    pub(super) fn check(&self, errors: &mut ConfigErrors) {
        let is_http = |url: &str| {
            reqwest::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
        };
        if self.url().is_some_and(|url| !is_http(url)) {
            let sentence =
                "not a URL of a collector; write one such as http://127.0.0.1:4318/v1/traces";
            errors.add("tracing.otlpUrl", sentence);
        }
        if !(0.0..=1.0).contains(&self.sample_ratio) {
            errors.add("tracing.sampleRatio", "a share is from 0 to 1");
        }
    }
}
