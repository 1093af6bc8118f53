//! Who is online, as operators see it.

use std::collections::BTreeMap;

use foodtrack_contract::{ApplicationType, DeviceId, UserId};

use crate::effects::Effects;
use crate::lately::{Known, Left};
use crate::members::Connection;
use crate::model::{Page, PresenceInfo, PresenceQuery, first_after, page_limit};
use crate::now::rfc3339;
use crate::tenant::Tenant;
use crate::turn::Turn;

/// Why connections have gone whose clients do not come back by themselves.
const FOR_GOOD: [&str; 2] = ["left", "disconnected"];

/// Somebody who is online, or went a moment ago.
struct One<'t> {
    user: &'t UserId,
    application: ApplicationType,
    device: Option<&'t DeviceId>,
    since_ms: u64,
    connections: usize,
    gone: Option<Left>,
}

impl PresenceQuery {
    fn means(&self, user: &UserId, application: ApplicationType) -> bool {
        self.user.as_ref().is_none_or(|it| it == user.as_str())
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
            return self.lately.forget(&key);
        }
        let user = gone.principal.user().clone();
        let who = Known::new(user, application, gone.device.clone(), gone.connected_ms);
        let left = Left::new(turn.now.monotonic_ms, turn.now.wall_ms);
        self.lately.went(&key, who, left, turn.recovery.offline_after_ms);
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
            let user = connection.principal.user();
            let Some(subscriber) = self.reliability.subscriber(connection.subscriber) else {
                continue;
            };
            if !query.means(user, application) {
                continue;
            }
            let device = connection.device.as_ref();
            let one = online.entry(subscriber.key.as_str()).or_insert_with(|| {
                let since_ms = self.lately.since_ms(&subscriber.key).unwrap_or(u64::MAX);
                One { user, application, device, since_ms, connections: 0, gone: None }
            });
            one.since_ms = one.since_ms.min(connection.connected_ms);
            one.connections += 1;
        }
        let since_ms = turn.now.monotonic_ms.checked_sub(turn.recovery.offline_after_ms);
        for (key, known, left) in self.lately.gone_since(since_ms) {
            let Known { user, application, device, since_ms, .. } = known;
            if query.means(user, *application) {
                online.entry(key.as_str()).or_insert(One {
                    user,
                    application: *application,
                    device: device.as_ref(),
                    since_ms: *since_ms,
                    connections: 0,
                    gone: Some(left),
                });
            }
        }
        let limit = page_limit(query.limit);
        let (found, has_more) = first_after(online.into_iter(), query.cursor.as_deref(), limit);
        let next = found.last().filter(|_| has_more).map(|(key, _)| (*key).to_owned());
        Page { items: found.into_iter().map(|(key, one)| one.info(key)).collect(), next }
    }
}

impl One<'_> {
    fn info(self, key: &str) -> PresenceInfo {
        PresenceInfo {
            subscriber: key.to_owned(),
            user: self.user.as_str().to_owned(),
            application: self.application,
            device: self.device.map(DeviceId::as_str).map(str::to_owned),
            since: rfc3339(self.since_ms),
            connections: self.connections,
            gone_since: self.gone.map(|left| rfc3339(left.wall_ms)),
        }
    }
}
