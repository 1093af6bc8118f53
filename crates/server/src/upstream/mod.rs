//! Clients' requests to the business back end: asked over HTTP on a thread of its own, signed, bounded, and answered in time.

mod answer;
mod breaker;
mod client;
mod counts;
mod hooks;

use std::io;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use foodtrack_contract::{ErrorCode, Principal, Refusal};
use foodtrack_shard::{
    EventBroadcaster, Forwarded, HookQuestion, HookRelay, Hooks, NewEvent, Relay, Upstream,
    UpstreamAnswer,
};
use opentelemetry::trace::SpanKind;
use tokio::sync::mpsc;

pub(crate) use answer::Said;
use breaker::CircuitBreaker;
pub(crate) use client::{Exchange, Question, UpstreamClient, names};
pub(crate) use counts::UpstreamCounts;
pub(crate) use hooks::payload as hook_payload;

use crate::config::{HooksConfig, UpstreamConfig};
use crate::telemetry::{Span, Telemetry};
use crate::tenant_places::TenantPlaces;

/// Requests that wait for the thread; more are refused.
const WAITING_MAX: usize = 1_024;
/// How long an answer waits before it asks a full mailbox again.
const MAILBOX_FULL_WAIT: Duration = Duration::from_millis(1);

/// One request, and where its answer goes. Lost: its client is told that nobody knows.
struct Job {
    request: Forwarded,
    relay: Relay,
}

/// One question of a hook, and where its answer goes. Lost: who waits for it is refused for now.
struct HookJob {
    question: Arc<HookQuestion>,
    relay: HookRelay,
}

/// The way to the thread for the shards.
struct UpstreamService {
    requests: mpsc::Sender<Job>,
    /// The shards ask no more at once than they are told to.
    questions: mpsc::UnboundedSender<HookJob>,
    hooks: Hooks,
}

impl Upstream for UpstreamService {
    fn forward(&self, request: Forwarded, relay: Relay) -> Result<(), Refusal> {
        self.requests.try_send(Job { request, relay }).map_err(|error| {
            let (mpsc::error::TrySendError::Full(job) | mpsc::error::TrySendError::Closed(job)) =
                error;
            job.relay.release();
            overloaded("too many requests wait for the back end; try again shortly")
        })
    }

    fn hooks(&self) -> Hooks {
        self.hooks
    }

    fn authorize(&self, question: Arc<HookQuestion>, relay: HookRelay) {
        // A relay that is dropped says that there is no answer.
        let _ = self.questions.send(HookJob { question, relay });
    }
}

fn overloaded(sentence: &'static str) -> Refusal {
    Refusal::new(ErrorCode::Overloaded, sentence).retry_after_ms(1_000)
}

/// What runs.
pub(crate) struct Started {
    pub(crate) thread: JoinHandle<()>,
    /// The way to it for the shards.
    pub(crate) upstream: Arc<dyn Upstream>,
    /// Through which answers' events are published, once there are shards.
    pub(crate) broadcaster: Arc<OnceLock<EventBroadcaster>>,
    pub(crate) counts: Arc<UpstreamCounts>,
}

/// Starts the thread that asks the back end. It ends when the shards have.
///
/// # Errors
/// The system gave no thread or no runtime, or no HTTP client can be made.
pub(crate) fn start(
    config: &UpstreamConfig,
    url: &str,
    answer_bytes_max: usize,
    telemetry: &Arc<Telemetry>,
) -> io::Result<Started> {
    let client = UpstreamClient::new(config, url, answer_bytes_max)?;
    let (requests, jobs) = mpsc::channel(WAITING_MAX);
    let (questions, hook_jobs) = mpsc::unbounded_channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let places = TenantPlaces::new(
        usize::try_from(config.concurrent_max).unwrap_or(usize::MAX),
        usize::try_from(config.concurrent_per_tenant_max).unwrap_or(usize::MAX),
    );
    let broadcaster = Arc::<OnceLock<EventBroadcaster>>::default();
    let counts = Arc::<UpstreamCounts>::default();
    let desk = Arc::new(Desk {
        client,
        places,
        breaker: CircuitBreaker::default(),
        broadcaster: Arc::clone(&broadcaster),
        hooks: config.hooks.clone(),
        counts: Arc::clone(&counts),
        telemetry: Arc::clone(telemetry),
    });
    let thread = std::thread::Builder::new().name("upstream".into()).spawn(move || {
        runtime.block_on(async {
            tokio::join!(answer_all(Arc::clone(&desk), jobs), authorize_all(desk, hook_jobs))
        });
    })?;
    let service = UpstreamService { requests, questions, hooks: hooks::hooks(config) };
    Ok(Started { thread, upstream: Arc::new(service), broadcaster, counts })
}

/// What every request needs.
struct Desk {
    client: UpstreamClient,
    places: TenantPlaces,
    breaker: CircuitBreaker,
    broadcaster: Arc<OnceLock<EventBroadcaster>>,
    hooks: HooksConfig,
    counts: Arc<UpstreamCounts>,
    telemetry: Arc<Telemetry>,
}

async fn answer_all(desk: Arc<Desk>, mut jobs: mpsc::Receiver<Job>) {
    while let Some(Job { request, relay }) = jobs.recv().await {
        let desk = Arc::clone(&desk);
        tokio::spawn(async move {
            let answer = desk.answer(&request).await;
            tell((relay, answer), |(relay, answer)| relay.try_send(answer)).await;
        });
    }
}

async fn authorize_all(desk: Arc<Desk>, mut jobs: mpsc::UnboundedReceiver<HookJob>) {
    while let Some(HookJob { question, relay }) = jobs.recv().await {
        let desk = Arc::clone(&desk);
        tokio::spawn(async move {
            let answer = desk.authorize(&question).await;
            tell((relay, answer), |(relay, answer)| relay.try_send(answer)).await;
        });
    }
}

impl Desk {
    async fn answer(&self, request: &Forwarded) -> UpstreamAnswer {
        let Some(_place) = self.places.take(request.principal.tenant()) else {
            return Err(overloaded(
                "as many requests as may be are with the back end; try again shortly",
            ));
        };
        let Some(question) = Question::of(request) else {
            let sentence = "the request's argument is not JSON";
            return Err(Refusal::new(ErrorCode::MessageMalformed, sentence));
        };
        let exchange = self.exchange(&question).await.map_err(|after| {
            let sentence = "the back end has not answered lately; it is asked again in a moment";
            Refusal::new(ErrorCode::Degraded, sentence).retry_after_ms(millis(after))
        })?;
        let Said { answer, events } = exchange.into_said();
        if !events.is_empty() {
            self.publish(&request.principal, events).await?;
        }
        answer
    }

    /// Asks the back end, unless it is left alone.
    ///
    /// # Errors
    /// When it is asked again.
    async fn exchange(&self, question: &Question<'_>) -> Result<Exchange, Duration> {
        let began = Instant::now();
        self.breaker.admit(began).inspect_err(|_| self.counts.left_alone())?;
        let exchange = self.ask(question).await;
        self.counts.asked(exchange.is_healthy(), began.elapsed());
        match self.breaker.note(exchange.is_healthy(), Instant::now()) {
            breaker::Change::Opened => {
                self.counts.set_away(true);
                tracing::error!("the back end does not answer: requests are refused for a while");
            }
            breaker::Change::Closed => {
                self.counts.set_away(false);
                tracing::info!("the back end answers again");
            }
            breaker::Change::None => {}
        }
        Ok(exchange)
    }

    /// Asks the back end, as a trace of its own where spans are sent.
    async fn ask(&self, question: &Question<'_>) -> Exchange {
        let mut span = self.telemetry.span("ask the back end", SpanKind::Client, None);
        if let Some(span) = &mut span {
            span.note("foodtrack.tenant", question.tenant_id.to_owned());
        }
        let headers = span.as_ref().map(Span::headers).unwrap_or_default();
        let exchange = self.client.ask(question, headers).await;
        if !exchange.is_healthy()
            && let Some(span) = &mut span
        {
            span.fail("no_answer");
        }
        exchange
    }

    /// Publishes what an answer brings along, in its order; the client is answered once all of it is accepted.
    async fn publish(
        &self,
        asker: &Principal,
        events: Vec<(String, String)>,
    ) -> Result<(), Refusal> {
        let Some(broadcaster) = self.broadcaster.get() else {
            return Err(overloaded("the server starts; try again shortly"));
        };
        let events = events.into_iter();
        let events = events.map(|(event, argument)| NewEvent { event, argument, spare_id: None });
        let published = broadcaster.publish_all(&asker.as_back_end(), events.collect()).await;
        for (place, refusal) in published.iter().enumerate() {
            let Err(refusal) = refusal else { continue };
            tracing::warn!(place, %refusal, "an event in the back end's answer was refused");
            let sentence = "the back end answered with an event that was refused; whether the rest was done, nobody knows";
            return Err(Refusal::new(ErrorCode::Degraded, sentence));
        }
        Ok(())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Tells a shard something, again and again until it takes it.
async fn tell<T>(what: T, try_send: impl Fn(T) -> Result<(), Box<T>>) {
    let mut unsent = try_send(what);
    // This answer waits for a shard that has too much to do; the others do not.
    while let Err(again) = unsent {
        tokio::time::sleep(MAILBOX_FULL_WAIT).await;
        unsent = try_send(*again);
    }
}
