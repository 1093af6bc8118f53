//! A client that polls, and the back end that sends it something: over HTTP alone, so that any proxy lets it through.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use reqwest::{Client, Method, Response, StatusCode, Url};
use serde_json::{Value, json};

use super::indicators::Indicators;
use crate::cli::outcome::Outcome;
use crate::cli::running_hub::RunningHub;
use crate::posting::NoAnswer;

/// How long an event may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between packets of a poll.
const RECORD_SEPARATOR: char = '\u{1e}';

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("{0}: {1}")]
    NoAnswer(&'static str, NoAnswer),
    #[error("{0} was answered with status {1}: {2}")]
    Status(&'static str, StatusCode, String),
    #[error("{0} was answered with what is no hub's answer")]
    Unreadable(&'static str),
    #[error("the hub refused the token: {0}")]
    Refused(String),
    #[error("event {number} did not arrive within {} s", PATIENCE.as_secs())]
    Lost { number: u32 },
    #[error("the hub ended the session")]
    Ended,
}

/// The way to a hub.
pub(super) struct Probe {
    http: Client,
    hub: Url,
    engine: Url,
    token: String,
}

impl Probe {
    pub(super) fn new(running: &RunningHub, path: &str) -> Result<Self, Outcome> {
        let hub = running.url()?;
        let mut engine =
            hub.join(path).map_err(|error| Outcome::Usage(format!("--path {path}: {error}")))?;
        engine.set_query(Some("EIO=4&transport=polling"));
        Ok(Self { http: running.client()?, hub, engine, token: running.token().to_owned() })
    }

    /// Whether `/ready` says yes, and what `/health` says.
    pub(super) async fn status(&self) -> Result<(bool, Value), Fault> {
        let ready = self.get("/ready").await?.status().is_success();
        let health = self.get("/health").await?;
        let health = health.json_of("/health").await?;
        Ok((ready, health))
    }

    async fn get(&self, path: &'static str) -> Result<Response, Fault> {
        let mut url = self.hub.clone();
        url.set_path(path);
        self.http.get(url).send().await.map_err(|error| unreachable(path, error))
    }

    /// Comes in.
    pub(super) async fn join(&self, indicators: &mut Indicators) -> Result<Joined<'_>, Fault> {
        let begun = Instant::now();
        let mut joined = Joined {
            probe: self,
            url: self.engine.clone(),
            id: String::new(),
            packets: VecDeque::new(),
        };
        let open = joined.poll_until(|packet| packet.strip_prefix('0').map(str::to_owned)).await?;
        let open: Value =
            serde_json::from_str(&open).map_err(|_| Fault::Unreadable("the handshake"))?;
        let sid = open["sid"].as_str().ok_or(Fault::Unreadable("the handshake"))?;
        joined.url.query_pairs_mut().append_pair("sid", sid);
        indicators.handshake.note(begun.elapsed());
        let begun = Instant::now();
        joined.post(format!("40{}", json!({ "token": self.token }))).await?;
        let answer = joined
            .poll_until(|packet| {
                let is_answer = packet.starts_with("40") || packet.starts_with("44");
                is_answer.then(|| packet.to_owned())
            })
            .await?;
        let value: Value = serde_json::from_str(&answer[2..]).unwrap_or_default();
        if answer.starts_with("44") {
            return Err(Fault::Refused(value["message"].as_str().unwrap_or("?").to_owned()));
        }
        joined.id = value["sid"].as_str().ok_or(Fault::Unreadable("the token"))?.to_owned();
        indicators.join.note(begun.elapsed());
        Ok(joined)
    }
}

/// A session.
pub(super) struct Joined<'a> {
    probe: &'a Probe,
    url: Url,
    /// Its Socket.IO id.
    id: String,
    /// Packets that came and were not looked at yet.
    packets: VecDeque<String>,
}

impl Joined<'_> {
    /// Sends itself an event, and waits until it is there.
    pub(super) async fn round_trip(
        &mut self,
        number: u32,
        indicators: &mut Indicators,
    ) -> Result<(), Fault> {
        let begun = Instant::now();
        let publish = self.publish(number);
        let message = format!("check {number}");
        let mut waiting = Box::pin(async {
            let is_it = |packet: &str| {
                let event: Value = serde_json::from_str(packet.strip_prefix("42")?).ok()?;
                (event[1]["payload"]["message"] == *message).then_some(())
            };
            Self::poll_with(self.probe, &self.url, &mut self.packets, is_it).await
        });
        let mut publishing = Box::pin(publish);
        let mut has_arrived = false;
        tokio::select! {
            answered = &mut publishing => {
                answered?;
                indicators.publish.note(begun.elapsed());
            }
            arrived = &mut waiting => {
                arrived?;
                has_arrived = true;
                indicators.delivery.note(begun.elapsed());
                publishing.await?;
                indicators.publish.note(begun.elapsed());
            }
        }
        if !has_arrived {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            tokio::time::timeout(left, waiting).await.map_err(|_| Fault::Lost { number })??;
            indicators.delivery.note(begun.elapsed());
        }
        Ok(())
    }

    /// As a back end, to this connection alone. Owns what it needs: it goes on beside the poll.
    fn publish(&self, number: u32) -> impl Future<Output = Result<(), Fault>> + use<> {
        const WHAT: &str = "an event to itself";
        let mut url = self.probe.hub.clone();
        url.set_path(&format!("/api/v1/connections/{}/events", self.id));
        let body = json!({ "type": "notification:info", "payload": { "message": format!("check {number}") } });
        let request = self.probe.http.request(Method::POST, url).bearer_auth(&self.probe.token);
        let request = request.body(body.to_string());
        async move {
            let answer = request.send().await.map_err(|error| unreachable(WHAT, error))?;
            answer.json_of(WHAT).await.map(drop)
        }
    }

    /// Says that it goes.
    pub(super) async fn leave(self) -> Result<(), Fault> {
        self.post("1".into()).await
    }

    async fn post(&self, packet: String) -> Result<(), Fault> {
        post(self.probe, &self.url, packet).await
    }

    async fn poll_until<T>(&mut self, pick: impl Fn(&str) -> Option<T>) -> Result<T, Fault> {
        Self::poll_with(self.probe, &self.url, &mut self.packets, pick).await
    }

    /// Polls until a packet comes that is wanted; answers pings meanwhile.
    async fn poll_with<T>(
        probe: &Probe,
        url: &Url,
        packets: &mut VecDeque<String>,
        pick: impl Fn(&str) -> Option<T>,
    ) -> Result<T, Fault> {
        const WHAT: &str = "a poll";
        loop {
            while let Some(packet) = packets.pop_front() {
                match packet.as_str() {
                    "1" => return Err(Fault::Ended),
                    "2" => post(probe, url, "3".into()).await?,
                    other => {
                        if let Some(picked) = pick(other) {
                            return Ok(picked);
                        }
                    }
                }
            }
            let answer = probe.http.get(url.clone()).send().await;
            let answer = answer.map_err(|error| unreachable(WHAT, error))?;
            let text = answer.text_of(WHAT).await?;
            packets.extend(text.split(RECORD_SEPARATOR).map(str::to_owned));
        }
    }
}

async fn post(probe: &Probe, url: &Url, packet: String) -> Result<(), Fault> {
    const WHAT: &str = "a packet";
    let request = probe.http.post(url.clone()).header("content-type", "text/plain;charset=UTF-8");
    let answer = request.body(packet).send().await.map_err(|error| unreachable(WHAT, error))?;
    answer.text_of(WHAT).await.map(drop)
}

fn unreachable(what: &'static str, error: reqwest::Error) -> Fault {
    Fault::NoAnswer(what, error.into())
}

/// Reads answers.
trait Answered {
    async fn text_of(self, what: &'static str) -> Result<String, Fault>;
    async fn json_of(self, what: &'static str) -> Result<Value, Fault>;
}

impl Answered for Response {
    /// The body of an answer of success.
    async fn text_of(self, what: &'static str) -> Result<String, Fault> {
        let status = self.status();
        let text = self.text().await.map_err(|error| unreachable(what, error))?;
        if status.is_success() {
            return Ok(text);
        }
        let problem: Value = serde_json::from_str(&text).unwrap_or_default();
        Err(Fault::Status(what, status, problem["detail"].as_str().unwrap_or("?").to_owned()))
    }

    /// The body as JSON, whatever the status of a page about the node, which says 503 where it is not well.
    async fn json_of(self, what: &'static str) -> Result<Value, Fault> {
        let text = match what {
            "/health" => self.text().await.map_err(|error| unreachable(what, error))?,
            _ => self.text_of(what).await?,
        };
        serde_json::from_str(&text).map_err(|_| Fault::Unreadable(what))
    }
}
