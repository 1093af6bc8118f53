//! A hub that runs, asked over its HTTP API.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use reqwest::{Certificate, Client, Method, Url};
use serde_json::Value;

use super::Run;
use super::outcome::{Outcome, failed, print, wait};

/// How long a hub may take to answer.
const TIMEOUT: Duration = Duration::from_secs(150);

/// A hub that runs.
#[derive(Args)]
pub(super) struct RunningHub {
    /// Where it listens
    #[arg(long, alias = "url", value_name = "URL", default_value = "http://127.0.0.1:4001")]
    hub: String,
    /// The authorities that sign the hub's certificate, as PEM, instead of the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// A back end's or an administrator's token
    #[arg(long, value_name = "TOKEN", env = "FOODTRACK_TOKEN", hide_env_values = true)]
    token: String,
}

impl RunningHub {
    /// Asks the hub, at a path below `/api/v1`, and prints what it says.
    pub(super) fn ask(&self, method: Method, path: &[&str], cursor: Option<&str>) -> Run {
        print(format_args!("{:#}", self.data(method, path, cursor)?));
        Ok(ExitCode::SUCCESS)
    }

    /// As [`RunningHub::ask`], with something for the hub to read.
    pub(super) fn send(&self, method: Method, path: &[&str], body: &Value) -> Run {
        print(format_args!("{:#}", self.data_for(method, path, body)?));
        Ok(ExitCode::SUCCESS)
    }

    /// Where it is.
    pub(super) fn url(&self) -> Result<Url, Outcome> {
        Url::parse(&self.hub).map_err(|error| self.no_hub(&error.to_string()))
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    fn no_hub(&self, sentence: &str) -> Outcome {
        Outcome::Usage(format!("--hub {}: {sentence}", self.hub))
    }

    pub(super) fn client(&self) -> Result<Client, Outcome> {
        let usage = |path: &Path, error: &dyn std::fmt::Display| {
            Outcome::Usage(format!("--ca-file {}: {error}", path.display()))
        };
        let mut client = Client::builder().timeout(TIMEOUT).no_proxy();
        if let Some(path) = &self.ca_file {
            let pem = std::fs::read(path).map_err(|error| usage(path, &error))?;
            let authorities =
                Certificate::from_pem_bundle(&pem).map_err(|error| usage(path, &error))?;
            client = client.tls_certs_only(authorities);
        }
        client.build().map_err(|error| failed(&error))
    }

    /// Asks the hub, at a path below `/api/v1`; returns the `data` of its answer.
    pub(super) fn data(
        &self,
        method: Method,
        path: &[&str],
        cursor: Option<&str>,
    ) -> Result<Value, Outcome> {
        self.data_of(method, path, cursor, None)
    }

    /// As that, with a body.
    pub(super) fn data_for(
        &self,
        method: Method,
        path: &[&str],
        body: &Value,
    ) -> Result<Value, Outcome> {
        self.data_of(method, path, None, Some(body))
    }

    fn data_of(
        &self,
        method: Method,
        path: &[&str],
        cursor: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Value, Outcome> {
        let mut url = self.url()?;
        url.path_segments_mut()
            .map_err(|()| self.no_hub("no URL of a hub; write one such as http://127.0.0.1:4001"))?
            .pop_if_empty()
            .extend(["api", "v1"])
            .extend(path);
        if let Some(cursor) = cursor {
            url.query_pairs_mut().append_pair("cursor", cursor);
        }
        let client = self.client()?;
        let ask = async {
            let mut request = client.request(method, url).bearer_auth(&self.token);
            if let Some(body) = body {
                request = request.body(body.to_string());
            }
            let answer = request.send().await?;
            answer.bytes().await
        };
        let answer = wait(ask)?.map_err(|error| failed(&format!("{}: {error}", self.hub)))?;
        let mut answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        if answer["success"] == true {
            return Ok(answer["data"].take());
        }
        let sentence = answer["detail"].as_str().unwrap_or("the answer is not a hub's");
        Err(failed(&sentence))
    }
}
