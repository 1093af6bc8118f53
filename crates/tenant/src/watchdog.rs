//! A kitchen ticket that no kitchen screen has got in time: it is sent again, and then people are told.

use std::sync::Arc;

use foodtrack_contract::{ApplicationSet, ApplicationType, EventType, Offset, Priority, Watch};
use foodtrack_tenant_log::{LogEntry, Note, NoteKind, SubscriberKey, delivery_key};
use foodtrack_wire::{FrameMeta, Urgency};

use crate::connection_slot::ConnectionSlot;
use crate::effects::Effects;
use crate::event_frame::EventFrame;
use crate::model::{Broadcast, Recipients};
use crate::now::rfc3339;
use crate::reliability::{Timeline, Watched};
use crate::reply_to::ReplyTo;
use crate::tenant::Tenant;
use crate::translating::Frames;
use crate::turn::Turn;

/// How long the timeline of a watched message is kept: as long as a log usually is.
const TIMELINE_MS: u64 = 7 * 24 * 60 * 60 * 1_000;
/// How long other nodes have to say that an event was confirmed there, in milliseconds.
const HEARD_WITHIN_MS: u64 = 1_000;

impl Tenant {
    /// Watches a message that was just shown.
    pub(crate) fn watch(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        entry: &Arc<LogEntry>,
        watch: Watch,
    ) {
        let watched = Watched::new(Arc::clone(entry), watch, self.ledger.is_shared());
        // What others wrote may be read much later.
        if watched.until_ms < turn.now.believed_ms {
            return;
        }
        // Their answers to a ping tell whether they have it: do not wait for the next one that is due anyway.
        self.ping_audience(turn, entry, watch.by);
        self.watch_until(turn, watched);
    }

    fn watch_until(&mut self, turn: &mut Turn<'_, impl Effects>, watched: Watched) {
        let due_ms = turn.now.monotonic_ms + watched.watch.within_ms;
        self.reliability.watch(due_ms, watched);
        self.watch_over(turn);
    }

    /// Goes on, after a restart, with what was watched before it.
    pub(crate) fn watch_again(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        entries: &[Arc<LogEntry>],
        notes: &[Note],
    ) {
        for entry in entries {
            let policies = turn.policies;
            let policy = policies.delivery.of(&policies.schemas, &self.id, &entry.event);
            let Some(watch) = policy.watch else { continue };
            let Some(key) = note_key(entry.offset, watch.by) else { continue };
            let note = notes.iter().find(|it| it.kind == NoteKind::Watch && it.key == key);
            let timeline: Option<Timeline> =
                note.and_then(|note| serde_json::from_str(note.value.as_deref()?).ok());
            let mut watched = Watched::new(Arc::clone(entry), watch, self.ledger.is_shared());
            if timeline.as_ref().is_some_and(Timeline::is_over)
                || watched.until_ms < turn.now.believed_ms
            {
                continue;
            }
            if let Some(timeline) = timeline {
                watched.timeline = timeline;
            }
            // Its screens are just coming back: they get the whole time.
            self.watch_until(turn, watched);
        }
    }

    /// Looks at an event that should have been confirmed by now.
    pub(crate) fn look_at(&mut self, turn: &mut Turn<'_, impl Effects>, mut watched: Watched) {
        let (offset, by) = (watched.entry.offset, watched.watch.by);
        if let Some(subscriber) = self.reliability.has_reached(by, offset) {
            let is_shared = self.ledger.is_shared();
            if !watched.timeline.is_empty() {
                let what = format!("confirmed by {}", subscriber.key.as_str());
                watched.timeline.note(rfc3339(turn.now.wall_ms), &what);
            }
            if is_shared {
                // Other nodes cannot see it.
                watched.timeline.confirm();
            }
            if is_shared || !watched.timeline.is_empty() {
                self.keep_timeline(turn, &watched);
            }
            return;
        }
        if !self.ledger.is_shared() {
            return self.escalate(turn, watched);
        }
        let is_new = !std::mem::replace(&mut watched.has_waited, true);
        if !is_new && turn.effects.want_watch(&self.id) {
            watched.has_waited = false;
            return self.escalate(turn, watched);
        }
        // Other nodes say what they know, and one of them does what is to be done: if it ends, this one may be the next.
        if watched.until_ms > turn.now.believed_ms {
            self.reliability.watch(turn.now.monotonic_ms + HEARD_WITHIN_MS, watched);
        }
    }

    fn escalate(&mut self, turn: &mut Turn<'_, impl Effects>, mut watched: Watched) {
        let by = watched.watch.by;
        let now = rfc3339(turn.now.wall_ms);
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
        if watched.timeline.is_empty() {
            let devices = self.send_again(turn, &watched.entry, by);
            watched.timeline.note(now, &format!("not confirmed: sent again to {devices} devices"));
            self.keep_timeline(turn, &watched);
            self.watch_until(turn, watched);
        } else {
            watched.timeline.note(now, "still not confirmed: the dashboard was alerted");
            self.alert(turn, &watched.entry, by);
            self.tell_unconfirmed(turn, &watched.entry, by.as_str(), &watched.timeline);
            // Behind what it says is done: a node that takes over does it again, and the log has it once.
            self.keep_timeline(turn, &watched);
        }
    }

    /// Other nodes noted what was done about events: what is sent again there is sent again here.
    pub(crate) fn hear_of_watches(&mut self, turn: &mut Turn<'_, impl Effects>, notes: &[Note]) {
        for note in notes.iter().filter(|note| note.kind == NoteKind::Watch) {
            if let Some(watched) = self.reliability.hear_of_watch(note) {
                self.send_again(turn, &watched.entry, watched.watch.by);
                self.watch_until(turn, watched);
            }
        }
        self.rest_from_watching(turn);
    }

    /// Sends a message once more to every device of an application that it is for; returns how many there are.
    fn send_again(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        entry: &LogEntry,
        by: ApplicationType,
    ) -> usize {
        let suffix = self.cursor_suffix();
        let meta =
            FrameMeta { urgency: Urgency::Urgent, place: suffix.place(), ..FrameMeta::default() };
        let frame = EventFrame { retries: 1, ..EventFrame::of(entry, meta, &suffix) };
        let redactions = turn.policies.redactions.of(&self.id, &entry.event);
        let mut frames = Frames::of(&frame, redactions);
        let mut sent = 0;
        for client in self.audience_of(entry, by) {
            let view = self.view_of(client);
            sent += usize::from(view.is_some_and(|view| frames.send(turn, client, view)));
            self.ping(turn, client);
        }
        turn.counters.deliveries.add(sent as u64);
        self.tally.deliver(sent);
        sent
    }

    fn ping_audience(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        entry: &LogEntry,
        by: ApplicationType,
    ) {
        for client in self.audience_of(entry, by) {
            self.ping(turn, client);
        }
    }

    fn audience_of(&mut self, entry: &LogEntry, by: ApplicationType) -> Vec<ConnectionSlot> {
        let Some(recipients) = self.members.recipients(&entry.audience) else { return Vec::new() };
        let mut clients = Vec::new();
        recipients.only(ApplicationSet::of(&[by])).send(|_, client| {
            clients.push(client);
            true
        });
        clients
    }

    /// Tells the dashboard.
    fn alert(&mut self, turn: &mut Turn<'_, impl Effects>, entry: &LogEntry, by: ApplicationType) {
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
        let said = ["alert", &self.place_text(entry.offset), by.as_str()];
        let id = self.id_of_fact(turn, &said);
        self.broadcast_as(turn, id, &broadcast, ReplyTo::Nobody);
    }

    fn keep_timeline(&self, turn: &mut Turn<'_, impl Effects>, watched: &Watched) {
        let Some(key) = note_key(watched.entry.offset, watched.watch.by) else { return };
        let now_ms = turn.now.believed_ms;
        // Where nothing was done, it is for those who watch it now.
        let span_ms = match watched.timeline.is_empty() {
            true => watched.until_ms.saturating_sub(now_ms).max(watched.watch.within_ms),
            false => TIMELINE_MS,
        };
        let note = Note {
            kind: NoteKind::Watch,
            key,
            value: serde_json::to_string(&watched.timeline).ok().map(Box::from),
            expires_at_ms: Some(now_ms + span_ms),
        };
        if let Err(error) = turn.effects.save_note(&self.id, note, None) {
            tracing::warn!(tenant = self.id.as_str(), %error, "an order's timeline was not kept");
        }
    }
}

/// The key of what is kept of a watched message.
fn note_key(offset: Offset, by: ApplicationType) -> Option<Box<str>> {
    Some(delivery_key(offset, &SubscriberKey::new(by.as_str())?))
}
