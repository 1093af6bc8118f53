//! Who is online, as operators see it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use foodtrack_contract::{ApplicationType, DeviceId};
use foodtrack_tenant_log::SubscriberKey;

use crate::effects::Effects;
use crate::members::Connection;
use crate::model::{Page, PresenceInfo, PresenceQuery, first_after, page_limit};
use crate::now::rfc3339;
use crate::recent_absences::{Known, Left};
use crate::reliability::read_subscriber_key;
use crate::tenant::Tenant;
use crate::turn::Turn;

/// Why connections have gone whose clients do not come back by themselves.
const FOR_GOOD: [&str; 2] = ["left", "disconnected"];

/// Somebody who is online, or went a moment ago.
struct One<'t> {
    user: Cow<'t, str>,
    application: ApplicationType,
    device: Option<&'t str>,
    since_ms: u64,
    connections: usize,
    /// When it went, by the wall clock.
    gone_ms: Option<u64>,
}

impl PresenceQuery {
    fn means(&self, user: &str, application: ApplicationType) -> bool {
        self.user.as_ref().is_none_or(|it| it == user)
            && self.application.is_none_or(|it| it == application)
    }
}

impl Tenant {
    /// A connection has gone, perhaps the last one of its subscriber.
    pub(crate) fn goes(
        &mut self,
        turn: &Turn<'_, impl Effects>,
        gone: &Connection,
        reason: &'static str,
    ) {
        let (Some(application), Some(known)) =
            (gone.application, self.reliability.subscriber(gone.subscriber))
        else {
            return;
        };
        if known.is_here() {
            return;
        }
        let key = known.key.clone();
        if FOR_GOOD.contains(&reason) {
            return self.absences.forget(&key);
        }
        let user = gone.principal.user().clone();
        let who = Known::new(user, application, gone.device.clone(), gone.connected_ms);
        let left = Left::new(turn.now.monotonic_ms, turn.now.wall_ms);
        self.absences.went(&key, who, left, turn.recovery.offline_after_ms);
    }

    /// A page of those who are online, or went so short a time ago that they are not taken for away, and match, by their
    /// subscribers' keys. Back ends are none of them.
    pub(crate) fn present_ones(
        &self,
        turn: &Turn<'_, impl Effects>,
        query: &PresenceQuery,
    ) -> Page<PresenceInfo> {
        let mut online: BTreeMap<&str, One<'_>> = BTreeMap::new();
        for (_, connection) in self.members.iter() {
            let Some(application) = connection.application else { continue };
            let user = connection.principal.user().as_str();
            let Some(subscriber) = self.reliability.subscriber(connection.subscriber) else {
                continue;
            };
            if !query.means(user, application) {
                continue;
            }
            let device = connection.device.as_ref().map(DeviceId::as_str);
            let one = online.entry(subscriber.key.as_str()).or_insert_with(|| {
                let since_ms = self.absences.since_ms(&subscriber.key).unwrap_or(u64::MAX);
                One {
                    user: user.into(),
                    application,
                    device,
                    since_ms,
                    connections: 0,
                    gone_ms: None,
                }
            });
            one.since_ms = one.since_ms.min(connection.connected_ms);
            one.connections += 1;
        }
        let since_ms = turn.now.monotonic_ms.checked_sub(turn.recovery.offline_after_ms);
        for (key, known, left) in self.absences.gone_since(since_ms) {
            let Known { user, application, device, since_ms, .. } = known;
            if query.means(user.as_str(), *application) {
                online.entry(key.as_str()).or_insert(One {
                    user: user.as_str().into(),
                    application: *application,
                    device: device.as_ref().map(DeviceId::as_str),
                    since_ms: *since_ms,
                    connections: 0,
                    gone_ms: Some(left.wall_ms),
                });
            }
        }
        for (key, one) in self.left_with_node(turn) {
            if query.means(&one.user, one.application) {
                online.entry(key).or_insert(one);
            }
        }
        let limit = page_limit(query.limit);
        let (found, has_more) = first_after(online.into_iter(), query.cursor.as_deref(), limit);
        let next = found.last().filter(|_| has_more).map(|(key, _)| (*key).to_owned());
        Page { items: found.into_iter().map(|(key, one)| one.info(key)).collect(), next }
    }

    /// Those whose node has gone, and who may come to another one yet; as far as devices are followed, and this node looks after them.
    fn left_with_node(
        &self,
        turn: &Turn<'_, impl Effects>,
    ) -> impl Iterator<Item = (&str, One<'_>)> {
        let (wall_ms, now_ms) = (turn.now.wall_ms, turn.now.monotonic_ms);
        let stays_ms = turn.recovery.offline_after_ms;
        self.devices.left_with_node().filter_map(move |(key, due_ms)| {
            let left_ms = (due_ms + wall_ms).saturating_sub(stays_ms + now_ms);
            Some((key.as_str(), One::left_with_node(key, left_ms)?))
        })
    }
}

impl<'t> One<'t> {
    /// Somebody whose node has gone. Since when they were there, nobody knows.
    fn left_with_node(key: &'t SubscriberKey, left_ms: u64) -> Option<Self> {
        let (user, application, device) = read_subscriber_key(key);
        Some(Self {
            user: user.into(),
            application: ApplicationType::from_wire(application)?,
            device,
            since_ms: left_ms,
            connections: 0,
            gone_ms: Some(left_ms),
        })
    }

    fn info(self, key: &str) -> PresenceInfo {
        PresenceInfo {
            subscriber: key.to_owned(),
            user: self.user.into_owned(),
            application: self.application,
            device: self.device.map(str::to_owned),
            since: rfc3339(self.since_ms),
            connections: self.connections,
            gone_since: self.gone_ms.map(rfc3339),
        }
    }
}
