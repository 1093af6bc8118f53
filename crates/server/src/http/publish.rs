//! `POST /api/v1/publish`: an event from a backend service, checked and routed like a client's.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use foodtrack_contract::{ErrorCode, Refusal, TenantId};
use foodtrack_shard::{Accepted, MAILBOX_MESSAGES_MAX, NewEvent};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::ApiError;
use super::act::Act;
use super::caller::Publisher;
use super::error::{Data, Success};
use super::extract::{self, Text};
use super::idempotency;
use super::problem::OwnedProblem;
use super::tenant_queue::{QueueLimits, TenantQueue};
use super::traced::Traced;
use crate::hub::Hub;

/// A message as a back end publishes it. What is absent the server fills in.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it describes the body, which is read with the message's envelope")]
#[schema(rename_all = "camelCase", example = json!({ "type": "order:created", "payload": { "orderId": "42", "customerId": "ada" } }))]
pub(crate) struct Publication {
    /// The event's type.
    #[schema(example = "order:created")]
    r#type: String,
    /// By the type's schema.
    #[schema(value_type = Object, example = json!({ "orderId": "42", "customerId": "ada" }))]
    payload: serde_json::Value,
    /// The same id twice is delivered once.
    id: Option<Uuid>,
    /// An application, or `system`, which it is where absent.
    source: Option<String>,
    /// One application or several: narrows the audience.
    #[schema(value_type = Option<Object>)]
    target: Option<serde_json::Value>,
    /// `low`, `medium`, `high` or `urgent`.
    #[schema(example = "high")]
    priority: Option<String>,
    /// The token's, where it is there.
    tenant_id: Option<String>,
    /// RFC 3339; read and not used, since the server's own counts.
    timestamp: Option<String>,
}

/// What must be there; the other fields of a whole message are read with the envelope.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", borrow)]
    event: Cow<'a, str>,
    #[serde(rename = "payload", borrow)]
    _payload: &'a RawValue,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
}

/// Which event it is, and in whose name: `order:created 0190.. as kitchen_app`.
impl fmt::Display for Head<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text =
            |raw: Option<&RawValue>| raw.map_or("", RawValue::get).trim_matches('"').to_owned();
        let source = Some(text(self.source)).filter(|source| !source.is_empty());
        let source = source.unwrap_or_else(|| "system".to_owned());
        write!(f, "{} {} as {source}", self.event, text(self.id))
    }
}

impl Head<'_> {
    /// Whether the message leaves its id to an `Idempotency-Key`.
    fn check_unnamed(&self, pointer: &str) -> Result<(), Refusal> {
        if self.id.is_none() {
            return Ok(());
        }
        let sentence = "an Idempotency-Key is the message's id; leave `id` or the header out";
        Err(extract::malformed(sentence).at(pointer, "type"))
    }

    /// The id that the event will have, where it says none itself the spare one; `None` where what it says is none.
    fn id_or(&self, spare: Uuid) -> Option<Uuid> {
        self.id.map_or(Some(spare), |said| serde_json::from_str(said.get()).ok())
    }
}

/// How many events a batch may have.
const BATCH_EVENTS_MAX: usize = 1_000;

/// Of a batch so many are handed to the tenant's shard at once. Its mailbox has room for all batches that are published at a time.
const EVENTS_AT_ONCE: usize = 128;
const BATCHES: QueueLimits = QueueLimits { at_once: 32, in_all: 256, per_tenant: 16 };
const _: () = assert!(EVENTS_AT_ONCE * BATCHES.at_once * 4 <= MAILBOX_MESSAGES_MAX);

/// The batches that are published, and those that wait for that.
pub(crate) fn batches() -> TenantQueue {
    TenantQueue::new(BATCHES)
}

/// Events that are published together.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it describes the body, whose events are read one by one")]
pub(crate) struct Batch {
    /// 1 to 1 000 of them; they are taken in this order.
    #[schema(min_items = 1, max_items = 1000)]
    events: Vec<Publication>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchBody<'a> {
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
}

impl BatchBody<'_> {
    /// The events in their order, and of those that are traced the ids that they will have.
    fn read(
        &self,
        tenant: &TenantId,
        key: Option<&str>,
        traced: &Traced<'_>,
    ) -> Result<(Vec<NewEvent>, Vec<Uuid>), ApiError> {
        let (mut events, mut ids) = (Vec::with_capacity(self.events.len()), Vec::new());
        for (place, message) in self.events.iter().enumerate() {
            let message = message.get();
            let read = extract::read(message);
            let head: Head<'_> = read.map_err(|refusal| of_event(&refusal, place))?;
            let event = head.event.clone().into_owned();
            let spare_id = traced.spare_id();
            let Some(key) = key else {
                ids.extend(spare_id.and_then(|spare| head.id_or(spare)));
                events.push(NewEvent { event, argument: message.to_owned(), spare_id });
                continue;
            };
            head.check_unnamed(&format!("/events/{place}/id"))?;
            let id = idempotency::id_in_batch(tenant, key, place);
            ids.extend(spare_id.map(|_| id));
            events.push(NewEvent { event, argument: with_id(message, id)?, spare_id: None });
        }
        Ok((events, ids))
    }
}

/// What became of one event of a batch.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub(crate) enum Outcome {
    /// It was accepted.
    Accepted(Success<Accepted>),
    /// It was refused; the others were not refused for it.
    Refused(OwnedProblem),
}

impl From<Result<Accepted, Refusal>> for Outcome {
    fn from(result: Result<Accepted, Refusal>) -> Self {
        match result {
            Ok(accepted) => Self::Accepted(Success::of(accepted)),
            Err(refusal) => Self::Refused(OwnedProblem(refusal)),
        }
    }
}

/// Publishes an event, checked and routed as a client's; answered once its class's promise holds.
#[utoipa::path(post, path = "/api/v1/publish", operation_id = "publish", tag = "publish", request_body = Publication,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters instead of an `id`")),
    responses((status = 200, body = Success<Accepted>)))]
pub(crate) async fn publish(
    State(hub): State<Arc<Hub>>,
    Publisher(principal): Publisher,
    act: Act,
    headers: HeaderMap,
    Text(message): Text,
) -> Result<Data<Accepted>, ApiError> {
    let head: Head<'_> = extract::read(&message)?;
    if hub.audit.has_publishes() {
        act.is_about(&head);
    }
    let event = head.event.clone().into_owned();
    let mut traced = Traced::begin(&hub, "publish", &headers);
    let Some(key) = idempotency::key(&headers)? else {
        let spare_id = traced.spare_id();
        let id = spare_id.and_then(|spare| head.id_or(spare));
        traced.remember(principal.tenant(), id.as_slice());
        let event = NewEvent { event, argument: message, spare_id };
        return Ok(Data(traced.publish(principal, event).await?));
    };
    head.check_unnamed("/id")?;
    let id = idempotency::id_of(principal.tenant(), key);
    let is_new = hub.idempotency.claim(id, &message)?;
    traced.remember(principal.tenant(), &[id]);
    let event = NewEvent { event, argument: with_id(&message, id)?, spare_id: None };
    let published = traced.publish(principal, event).await;
    if is_new && published.as_ref().is_err_and(is_certain) {
        hub.idempotency.forget(id);
    }
    Ok(Data(published?))
}

/// Publishes up to 1 000 events in their order, each as though it had come alone; each has an answer of its own.
#[utoipa::path(post, path = "/api/v1/publish/batch", operation_id = "publishBatch", tag = "publish", request_body = Batch,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters instead of each event's `id`")),
    responses((status = 200, description = "What became of each, in their order", body = Success<Vec<Outcome>>)))]
pub(crate) async fn publish_batch(
    State(hub): State<Arc<Hub>>,
    Publisher(principal): Publisher,
    act: Act,
    headers: HeaderMap,
    Text(body): Text,
) -> Result<Data<Vec<Outcome>>, ApiError> {
    let batch: BatchBody<'_> = extract::read(&body)?;
    act.is_about(format_args!("{} events", batch.events.len()));
    if !(1..=BATCH_EVENTS_MAX).contains(&batch.events.len()) {
        let sentence = format!("a batch has 1 to {BATCH_EVENTS_MAX} events");
        return Err(extract::malformed(sentence).at("/events", "maxItems").into());
    }
    let key = idempotency::key(&headers)?;
    let sentence = "too many batches of the tenant are being published; try again shortly";
    let _turn = hub.batches.turn(principal.tenant(), sentence).await?;
    let mut traced = Traced::begin(&hub, "publish a batch", &headers);
    let (events, ids) = batch.read(principal.tenant(), key, &traced)?;
    traced.remember(principal.tenant(), &ids);
    let claimed = match key {
        Some(key) => {
            let id = idempotency::id_in_batch(principal.tenant(), key, usize::MAX);
            hub.idempotency.claim(id, &body)?.then_some(id)
        }
        None => None,
    };
    let mut published = Vec::with_capacity(events.len());
    let mut events = events.into_iter();
    loop {
        let part: Vec<_> = events.by_ref().take(EVENTS_AT_ONCE).collect();
        if part.is_empty() {
            break;
        }
        published.extend(hub.broadcaster.publish_all(&principal, part).await);
    }
    // A batch of which nothing was taken may be corrected.
    if let Some(id) = claimed
        && published.iter().all(|it| it.as_ref().is_err_and(is_certain))
    {
        hub.idempotency.forget(id);
    }
    for refusal in published.iter().filter_map(|it| it.as_ref().err()) {
        hub.status_pages.refusals.add(refusal.code());
    }
    Ok(Data(published.into_iter().map(Outcome::from).collect()))
}

/// Whether it is certain that nothing was done: where nobody knows, the key stays, and the same request may be sent again.
fn is_certain(refusal: &Refusal) -> bool {
    refusal.code() != ErrorCode::Timeout
}

/// A refusal of one event of a batch, as one of the whole body.
fn of_event(refusal: &Refusal, place: usize) -> Refusal {
    let pointer = format!("/events/{place}{}", refusal.pointer().unwrap_or_default());
    let rule = refusal.rule().unwrap_or("type").to_owned();
    Refusal::new(refusal.code(), refusal.message().to_owned()).at(pointer, rule)
}

/// The message with this id. It is an object with fields already: it was read as one.
fn with_id(message: &str, id: Uuid) -> Result<String, ApiError> {
    match message.trim_start().strip_prefix('{') {
        Some(fields) => Ok(format!("{{\"id\":\"{id}\",{fields}")),
        None => Err(extract::malformed("the body is not a JSON object").into()),
    }
}
