//! The way to the collector: OTLP over HTTP, as JSON, by the HTTP client that the server has anyway.

use std::io;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use tokio::runtime::Runtime;

use crate::posting::{self, NoAnswer};

/// How long the collector may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// No more of an answer is read: it is a word or two.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// What gives spans to the collector at `url`, such as `http://collector:4318/v1/traces`. Whoever exports waits for it: that is a thread
/// of the SDK's own.
///
/// # Errors
/// No HTTP client can be made, or what the environment says of the collector is of no use.
pub(super) fn exporter(url: &str) -> io::Result<SpanExporter> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(2)
        .thread_name("otlp")
        .enable_all()
        .build()?;
    // Nobody looks after a connection between two batches, so none is kept.
    let http = posting::client(PATIENCE, 0).build().map_err(io::Error::other)?;
    SpanExporter::builder()
        .with_http()
        .with_http_client(CollectorClient { http, runtime })
        .with_endpoint(url)
        .with_protocol(Protocol::HttpJson)
        .with_timeout(PATIENCE)
        .build()
        .map_err(io::Error::other)
}

#[derive(Debug)]
struct CollectorClient {
    http: reqwest::Client,
    /// The thread that exports has none.
    runtime: Runtime,
}

#[async_trait]
impl HttpClient for CollectorClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        Ok(self.runtime.block_on(self.send(request))?)
    }
}

impl CollectorClient {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, NoAnswer> {
        let mut answer = self.http.execute(request.try_into()?).await?;
        let mut body = Vec::new();
        while body.len() < ANSWER_BYTES_MAX
            && let Some(chunk) = answer.chunk().await?
        {
            body.extend_from_slice(&chunk);
        }
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = answer.status();
        Ok(response)
    }
}
