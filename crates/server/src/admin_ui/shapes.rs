//! What the page understands, as JSON.

use foodtrack_shard::{ConnectionCounts, ConnectionInfo};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::log_report::EntryReport;

/// The only namespace that is shown.
pub(super) const NAMESPACE: &str = "/";
/// The page's own name for a socket has so many characters of its id.
const CLIENT_ID_CHARS: usize = 12;

/// The arguments of an event, with commas between them.
pub(super) fn arguments(values: &[Value]) -> String {
    values.iter().map(Value::to_string).collect::<Vec<_>>().join(",")
}

/// What the page may do. It shows events where all are told.
pub(super) fn config(is_read_only: bool) -> Value {
    let mut features = vec!["AGGREGATED_EVENTS", "ALL_EVENTS"];
    if !is_read_only {
        features.push("DISCONNECT");
    }
    json!({ "supportedFeatures": features })
}

/// A connection as the page lists it.
pub(super) fn socket(it: &ConnectionInfo, path: &str) -> Value {
    let issued = OffsetDateTime::parse(&it.connected_at, &Rfc3339);
    let issued_ms = issued.map_or(0, |at| at.unix_timestamp_nanos() / 1_000_000);
    let data = json!({ "user": it.user, "role": it.role, "application": it.application, "device": it.device, "version": it.version });
    json!({
        "id": it.id,
        "clientId": it.id.chars().take(CLIENT_ID_CHARS).collect::<String>(),
        "transport": it.transport,
        "nsp": NAMESPACE,
        "data": data,
        "handshake": {
            "address": it.address,
            "headers": { "user-agent": it.user_agent },
            "query": {},
            "issued": i64::try_from(issued_ms).unwrap_or_default(),
            "secure": false,
            "time": it.connected_at,
            "url": path,
            "xdomain": false,
        },
        "rooms": it.rooms,
    })
}

/// An event of the log. The log does not know which socket it came from: its place there stands for that.
pub(super) fn event(entry: &EntryReport) -> String {
    let told = json!([entry.event(), entry.message()]);
    arguments(&[NAMESPACE.into(), entry.cursor().into(), told, entry.at().into()])
}

/// What was counted since the last time.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) came: usize,
    pub(super) went: usize,
    pub(super) events: usize,
}

/// What the page draws: `server` is this node, and all numbers are the tenant's.
pub(super) fn server_stats(
    server: &str,
    uptime_s: f64,
    counts: &ConnectionCounts,
    counted: &Counted,
    now_ms: i64,
) -> Value {
    let at = now_ms - now_ms % 1_000;
    let kinds = [
        ("rawConnection", counted.came),
        ("rawDisconnection", counted.went),
        ("packetsIn", counted.events),
    ];
    let aggregated: Vec<Value> = kinds
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| json!({ "timestamp": at, "type": kind, "count": count }))
        .collect();
    json!({
        "serverId": server,
        "hostname": server,
        "pid": std::process::id(),
        "uptime": uptime_s,
        "clientsCount": counts.total,
        "pollingClientsCount": counts.polling,
        "aggregatedEvents": aggregated,
        "namespaces": [{ "name": NAMESPACE, "socketsCount": counts.total }],
    })
}
