//! Who is online, as operators see it.

use std::collections::BTreeMap;

use foodtrack_contract::DeviceId;

use crate::members::Connection;
use crate::model::{Page, PresenceInfo, PresenceQuery, first_after, page_limit};
use crate::now::rfc3339;
use crate::tenant::Tenant;

impl Tenant {
    /// A page of those who are online and match, by their subscribers' keys. Back ends are none of them.
    pub(crate) fn present_ones(&self, query: &PresenceQuery) -> Page<PresenceInfo> {
        let mut online: BTreeMap<&str, (&Connection, u64, usize)> = BTreeMap::new();
        for (_, connection) in self.members.iter() {
            let user = connection.principal.user().as_str();
            let is_meant = query.user.as_ref().is_none_or(|it| it == user)
                && query.application.is_none_or(|it| Some(it) == connection.application);
            let Some(subscriber) = self.reliability.subscriber(connection.subscriber) else {
                continue;
            };
            if is_meant && connection.application.is_some() {
                let since_ms = connection.connected_ms;
                let known = online.entry(subscriber.key.as_str());
                let (_, since, count) = known.or_insert((connection, since_ms, 0));
                *since = since_ms.min(*since);
                *count += 1;
            }
        }
        let limit = page_limit(query.limit);
        let (found, has_more) = first_after(online.into_iter(), query.cursor.as_deref(), limit);
        let next = found.last().filter(|_| has_more).map(|(key, _)| (*key).to_owned());
        let info =
            |(key, (connection, since_ms, connections)): (&str, (&Connection, u64, usize))| {
                Some(PresenceInfo {
                    subscriber: key.to_owned(),
                    user: connection.principal.user().as_str().to_owned(),
                    application: connection.application?,
                    device: connection.device.as_ref().map(DeviceId::as_str).map(str::to_owned),
                    since: rfc3339(since_ms),
                    connections,
                })
            };
        Page { items: found.into_iter().filter_map(info).collect(), next }
    }
}
