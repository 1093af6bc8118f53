//! Publishing as a part of the trace that the request names: whoever is told of an event is told of its trace.

use axum::http::HeaderMap;
use foodtrack_contract::{Principal, Refusal, TenantId};
use foodtrack_shard::{Accepted, NewEvent};
use uuid::Uuid;

use crate::hub::Hub;
use crate::telemetry::Span;

/// The span of a request that publishes. There is none where the request names no trace and no spans are sent: then nothing is done.
pub(super) struct Traced<'h> {
    hub: &'h Hub,
    span: Option<Span>,
}

impl<'h> Traced<'h> {
    pub(super) fn begin(hub: &'h Hub, name: &'static str, headers: &HeaderMap) -> Self {
        Self { hub, span: hub.telemetry.publication(name, headers) }
    }

    /// An id for an event that says none: whoever is told of an event may be told before its publisher, so it must be known before.
    pub(super) fn spare_id(&self) -> Option<Uuid> {
        self.span.is_some().then(Uuid::now_v7)
    }

    /// Remembers that these messages are a part of the trace.
    pub(super) fn remember(&mut self, tenant: &TenantId, messages: &[Uuid]) {
        let Some(span) = &mut self.span else { return };
        for message in messages {
            self.hub.telemetry.remember(tenant, *message, span);
        }
        span.note("foodtrack.tenant", tenant.as_str().to_owned());
        match messages {
            [] => {}
            [message] => span.note("foodtrack.message_id", message.to_string()),
            // A batch has 1 000 at most.
            all => span.note("foodtrack.events", i64::try_from(all.len()).unwrap_or(i64::MAX)),
        }
    }

    /// Publishes one event.
    pub(super) async fn publish(
        mut self,
        principal: Principal,
        event: NewEvent,
    ) -> Result<Accepted, Refusal> {
        let published = self.hub.broadcaster.publish_event(principal, event).await;
        if let Some(span) = &mut self.span {
            match &published {
                Ok(Accepted { offset: Some(offset), .. }) => {
                    span.note("foodtrack.offset", i64::try_from(*offset).unwrap_or(i64::MAX));
                }
                Ok(_) => {}
                Err(refusal) => span.fail(refusal.code().as_str()),
            }
        }
        published
    }
}
