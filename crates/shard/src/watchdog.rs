//! A kitchen ticket that no kitchen screen has got in time: it is sent again, and then people are told.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use foodtrack_contract::{ApplicationSet, ApplicationType, EventType, Offset, Priority, Watch};
use foodtrack_tenant_log::{LogEntry, Note, NoteKind, SubscriberKey, delivery_key};
use foodtrack_transport::{FrameMeta, Urgency};
use serde::{Deserialize, Serialize};

use crate::clock::rfc3339;
use crate::event_frame::EventFrame;
use crate::model::{Broadcast, Recipients};
use crate::tenant::Tenant;
use crate::turn::{Deadline, Turn};

/// How long the timeline of a watched message is kept: as long as a log usually is.
const TIMELINE_MS: u64 = 7 * 24 * 60 * 60 * 1_000;

/// Messages that must be confirmed, the next to be looked at first.
#[derive(Debug, Default)]
pub(crate) struct Watchdog {
    waiting: BinaryHeap<Reverse<(u64, Offset)>>,
    watched: std::collections::BTreeMap<Offset, Watched>,
}

#[derive(Debug)]
struct Watched {
    entry: Arc<LogEntry>,
    watch: Watch,
    timeline: Timeline,
}

/// What the watchdog did about a message, as it is kept and shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Timeline {
    event: Box<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<Box<str>>,
    by: Box<str>,
    steps: Vec<TimelineStep>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct TimelineStep {
    at: String,
    what: Box<str>,
}

impl Tenant {
    /// Watches a message that was just shown.
    pub(crate) fn watch(&mut self, turn: &mut Turn<'_>, entry: &Arc<LogEntry>, watch: Watch) {
        let timeline = Timeline {
            event: entry.event.as_str().into(),
            order: entry.entity.clone(),
            by: watch.by.as_str().into(),
            steps: Vec::new(),
        };
        // Their answers to a ping tell whether they have it: do not wait for the next one that is due anyway.
        self.ping_audience(turn, entry, watch.by);
        self.watch_until(turn, Arc::clone(entry), watch, timeline, watch.within_ms);
    }

    fn watch_until(
        &mut self,
        turn: &mut Turn<'_>,
        entry: Arc<LogEntry>,
        watch: Watch,
        timeline: Timeline,
        after_ms: u64,
    ) {
        let offset = entry.offset;
        self.watchdog.waiting.push(Reverse((turn.io.now_ms() + after_ms, offset)));
        self.watchdog.watched.insert(offset, Watched { entry, watch, timeline });
        turn.schedule(after_ms, Deadline::Watches);
    }

    /// Goes on, after a restart, with what was watched before it.
    pub(crate) fn watch_again(
        &mut self,
        turn: &mut Turn<'_>,
        entries: &[Arc<LogEntry>],
        notes: &[Note],
    ) {
        let now_ms = turn.clock.unix_ms();
        for entry in entries {
            let policies = turn.policies;
            let policy = policies.delivery.of(&policies.schemas, &self.id, &entry.event);
            let Some(watch) = policy.watch else { continue };
            let Some(key) = note_key(entry.offset, watch.by) else { continue };
            let note = notes.iter().find(|it| it.kind == NoteKind::Watch && it.key == key);
            let timeline: Option<Timeline> =
                note.and_then(|note| serde_json::from_str(note.value.as_deref()?).ok());
            let is_over = timeline.as_ref().is_some_and(Timeline::is_over)
                || entry.at_ms.saturating_add(3 * watch.within_ms) < now_ms;
            if is_over {
                continue;
            }
            let timeline = timeline.unwrap_or_else(|| Timeline {
                event: entry.event.as_str().into(),
                order: entry.entity.clone(),
                by: watch.by.as_str().into(),
                steps: Vec::new(),
            });
            // Its screens are just coming back: they get the whole time.
            self.watch_until(turn, Arc::clone(entry), watch, timeline, watch.within_ms);
        }
    }

    /// Looks at what should have been confirmed by now.
    pub(crate) fn look_at_watches(&mut self, turn: &mut Turn<'_>) {
        let now_ms = turn.io.now_ms();
        while let Some(Reverse((due_ms, offset))) = self.watchdog.waiting.peek().copied() {
            if due_ms > now_ms {
                return turn.schedule(due_ms - now_ms, Deadline::Watches);
            }
            self.watchdog.waiting.pop();
            if let Some(watched) = self.watchdog.watched.remove(&offset) {
                self.look_at(turn, watched);
            }
        }
    }

    fn look_at(&mut self, turn: &mut Turn<'_>, mut watched: Watched) {
        let (offset, by) = (watched.entry.offset, watched.watch.by);
        let confirmed =
            self.subscribers.iter().find(|it| it.application == Some(by) && it.has(offset));
        let now = rfc3339(turn.clock.wall_ms());
        if let Some(subscriber) = confirmed {
            if !watched.timeline.steps.is_empty() {
                let what = format!("confirmed by {}", subscriber.key.as_str());
                watched.timeline.note(now, &what);
                self.keep_timeline(turn, offset, by, &watched.timeline);
            }
            return;
        }
        turn.counters.escalations.add(1);
        let order = watched.entry.entity.as_deref().unwrap_or("-");
        let event = watched.entry.event.as_str();
        tracing::warn!(
            tenant = self.id.as_str(),
            event,
            order,
            by = by.as_str(),
            "not confirmed in time"
        );
        if watched.timeline.steps.is_empty() {
            let devices = self.send_again(turn, &watched.entry, by);
            watched.timeline.note(now, &format!("not confirmed: sent again to {devices} devices"));
            self.keep_timeline(turn, offset, by, &watched.timeline);
            let Watched { entry, watch, timeline } = watched;
            self.watch_until(turn, entry, watch, timeline, watch.within_ms);
        } else {
            watched.timeline.note(now, ALERTED);
            self.keep_timeline(turn, offset, by, &watched.timeline);
            self.alert(turn, &watched.entry, by);
        }
    }

    /// Sends a message once more to every device of an application that it is for; returns how many there are.
    fn send_again(&mut self, turn: &mut Turn<'_>, entry: &LogEntry, by: ApplicationType) -> usize {
        let suffix = self.cursor_suffix();
        let meta =
            FrameMeta { urgency: Urgency::Urgent, place: suffix.place(), ..FrameMeta::default() };
        let frame = EventFrame { retries: 1, ..EventFrame::of(entry, meta, &suffix) };
        let frame = frame.encode(turn.io);
        let mut sent = 0;
        for client in self.audience_of(entry, by) {
            sent += usize::from(turn.io.send(client, frame));
            self.ping(turn, client);
        }
        turn.counters.deliveries.add(sent as u64);
        sent
    }

    fn ping_audience(&mut self, turn: &mut Turn<'_>, entry: &LogEntry, by: ApplicationType) {
        for client in self.audience_of(entry, by) {
            self.ping(turn, client);
        }
    }

    fn audience_of(
        &mut self,
        entry: &LogEntry,
        by: ApplicationType,
    ) -> Vec<foodtrack_transport::ClientKey> {
        let Some(recipients) = self.members.recipients(&entry.audience) else { return Vec::new() };
        let mut clients = Vec::new();
        recipients.only(ApplicationSet::of(&[by])).send(|_, client| {
            clients.push(client);
            true
        });
        clients
    }

    /// Tells the dashboard.
    fn alert(&mut self, turn: &mut Turn<'_>, entry: &LogEntry, by: ApplicationType) {
        let order = entry.entity.as_deref();
        let about = order.map_or_else(String::new, |order| format!(" of order {order}"));
        let payload = serde_json::json!({
            "title": "Nobody has seen it",
            "message": format!("No device of {by} has confirmed {}{about}.", entry.event),
            "level": "critical",
            "orderId": order,
            "event": entry.event.as_str(),
            "messageId": entry.id,
        });
        let broadcast = Broadcast {
            event: EventType::NotificationAlert.as_str().to_owned(),
            payload: payload.to_string(),
            priority: Priority::Urgent,
            to: Recipients {
                applications: ApplicationSet::of(&[ApplicationType::TenantDashboard]),
                ..Recipients::default()
            },
            except: Vec::new(),
        };
        if let Err(refusal) = self.broadcast(turn, &broadcast) {
            tracing::error!(tenant = self.id.as_str(), %refusal, "an alert was not published");
        }
    }

    fn keep_timeline(
        &self,
        turn: &mut Turn<'_>,
        offset: Offset,
        by: ApplicationType,
        timeline: &Timeline,
    ) {
        let Some(key) = note_key(offset, by) else { return };
        let note = Note {
            kind: NoteKind::Watch,
            key,
            value: serde_json::to_string(timeline).ok().map(Box::from),
            expires_at_ms: Some(turn.clock.unix_ms() + TIMELINE_MS),
        };
        if let Err(error) = turn.log.log().save_note(&self.id, note, None) {
            tracing::warn!(tenant = self.id.as_str(), %error, "an order's timeline was not kept");
        }
    }
}

const ALERTED: &str = "still not confirmed: the dashboard was alerted";

/// The key of what is kept of a watched message.
fn note_key(offset: Offset, by: ApplicationType) -> Option<Box<str>> {
    Some(delivery_key(offset, &SubscriberKey::new(by.as_str())?))
}

impl Timeline {
    fn note(&mut self, at: String, what: &str) {
        self.steps.push(TimelineStep { at, what: what.into() });
    }

    fn is_over(&self) -> bool {
        self.steps
            .last()
            .is_some_and(|step| *step.what == *ALERTED || step.what.starts_with("confirmed"))
    }
}
