//! What was seen of a tenant, and what has changed since.

use std::collections::{BTreeMap, BTreeSet};

use foodtrack_shard::ConnectionInfo;
use serde_json::Value;

use super::shapes::{self, Counted, NAMESPACE, arguments};

/// An event for the page: its name, and its arguments.
pub(super) type Told = (&'static str, String);

/// A tenant's connections as they were told last.
#[derive(Debug, Default)]
pub(super) struct TenantView {
    sockets: BTreeMap<String, ConnectionInfo>,
}

impl TenantView {
    /// All that there is, for somebody who sees it for the first time.
    pub(super) fn all(&self, path: &str) -> Told {
        let sockets: Vec<Value> =
            self.sockets.values().map(|it| shapes::socket(it, path)).collect();
        ("all_sockets", arguments(&[Value::Array(sockets)]))
    }

    /// Takes up what there is now. Says what is new of it.
    pub(super) fn look(
        &mut self,
        now: Vec<ConnectionInfo>,
        path: &str,
        at: &str,
        counted: &mut Counted,
    ) -> Vec<Told> {
        let now: BTreeMap<String, ConnectionInfo> =
            now.into_iter().map(|it| (it.id.clone(), it)).collect();
        let mut told = Vec::new();
        for (id, it) in &now {
            match self.sockets.get(id) {
                None => {
                    counted.came += 1;
                    let socket = shapes::socket(it, path);
                    told.push(("socket_connected", arguments(&[socket, at.into()])));
                }
                Some(before) => told.extend(changes(before, it, at)),
            }
        }
        for id in self.sockets.keys().filter(|id| !now.contains_key(*id)) {
            counted.went += 1;
            let gone = [NAMESPACE, id, "transport close", at].map(Value::from);
            told.push(("socket_disconnected", arguments(&gone)));
        }
        self.sockets = now;
        told
    }
}

/// What is new of one connection.
fn changes(before: &ConnectionInfo, now: &ConnectionInfo, at: &str) -> Vec<Told> {
    let rooms = |it: &ConnectionInfo| it.rooms.iter().cloned().collect::<BTreeSet<_>>();
    let (old, new) = (rooms(before), rooms(now));
    let told =
        |event, room: &String| (event, arguments(&[NAMESPACE, room, &now.id, at].map(Value::from)));
    let mut changes: Vec<Told> = new.difference(&old).map(|it| told("room_joined", it)).collect();
    changes.extend(old.difference(&new).map(|it| told("room_left", it)));
    if before.transport != now.transport {
        let update =
            serde_json::json!({ "id": now.id, "nsp": NAMESPACE, "transport": now.transport });
        changes.push(("socket_updated", arguments(&[update])));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use foodtrack_contract::UserRole;

    fn connection(id: &str, rooms: &[&str], transport: &'static str) -> ConnectionInfo {
        ConnectionInfo {
            id: id.into(),
            user: "<b>ada</b>\n".into(),
            role: UserRole::Chef,
            application: None,
            device: None,
            transport: transport.into(),
            address: "127.0.0.1".into(),
            user_agent: None,
            version: None,
            features: Vec::new(),
            connected_at: "2026-11-30T12:00:00.500Z".into(),
            last_heartbeat_at: String::new(),
            rooms: rooms.iter().map(|room| (*room).to_owned()).collect(),
        }
    }

    #[test]
    fn what_is_new_is_told_once() {
        let (mut view, mut counted) = (TenantView::default(), Counted::default());
        let mut look = |now: Vec<ConnectionInfo>| -> Vec<&'static str> {
            let told = view.look(now, "/socket.io/", "now", &mut counted);
            told.into_iter().map(|(event, _)| event).collect()
        };
        assert_eq!(look(vec![connection("a", &["x"], "polling")]), ["socket_connected"]);
        assert_eq!(look(vec![connection("a", &["x"], "polling")]), [""; 0]);
        let moved = look(vec![connection("a", &["y"], "websocket")]);
        assert_eq!(moved, ["room_joined", "room_left", "socket_updated"]);
        assert_eq!(look(vec![]), ["socket_disconnected"]);
        assert_eq!((counted.came, counted.went), (1, 1));
    }

    #[test]
    fn a_socket_is_told_as_the_page_reads_it() {
        let socket = shapes::socket(&connection("abcdefghijklmnop", &["x"], "polling"), "/s/");
        assert_eq!(socket["clientId"], "abcdefghijkl");
        assert_eq!(socket["handshake"]["issued"], 1_796_040_000_500_i64);
        assert_eq!(
            (&socket["nsp"], &socket["data"]["user"]),
            (&"/".into(), &"<b>ada</b>\n".into())
        );
    }
}
