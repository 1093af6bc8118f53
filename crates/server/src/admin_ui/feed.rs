//! Looks at what is looked at, every two seconds while somebody does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use foodtrack_contract::{Epoch, Offset, TenantId};
use foodtrack_router::Viewer;
use foodtrack_shard::{
    ConnectionCounts, ConnectionFilter, ConnectionInfo, DisconnectTarget, ObserverId, Observers,
};
use foodtrack_tenant_log::{LogEntry, ReadRequest};

use super::desk::{Desk, Watcher};
use super::shapes::{self, Counted, arguments};
use super::tenant_view::{TenantView, Told};
use crate::audit::{AuditEntry, Share, cut};
use crate::hub::Hub;
use crate::log_report::{Reports, time_text};

const PERIOD: Duration = Duration::from_secs(2);
/// So many of a tenant's connections are shown.
const SOCKETS_MAX: usize = 1_000;
/// So many events at a time; of more, those in between are not shown.
const EVENTS_MAX: u64 = 200;
const EVENTS_BYTES_MAX: u64 = 1 << 20;

/// What is known of a tenant that somebody looks at.
#[derive(Default)]
struct Seen {
    view: TenantView,
    /// Through where its log was told.
    told: Option<(Epoch, Offset)>,
}

/// What a look has found.
struct Found {
    news: Vec<Told>,
    entries: Vec<LogEntry>,
    epoch: Epoch,
    counts: ConnectionCounts,
    counted: Counted,
    at_ms: u64,
}

/// Feeds those who look, until it is stopped.
pub(crate) async fn run(desk: Arc<Desk>, hub: Arc<Hub>) {
    let observers = hub.observers();
    let mut seen: BTreeMap<TenantId, Seen> = BTreeMap::new();
    loop {
        let watched = watched(&desk, &hub, &observers);
        seen.retain(|tenant, _| watched.contains(tenant));
        if watched.is_empty() {
            desk.changed.notified().await;
            continue;
        }
        carry_out(&desk, &hub).await;
        for tenant in watched {
            let of = seen.entry(tenant.clone()).or_default();
            // What cannot be looked up now is looked up next time.
            if let Some(found) = of.look(&hub, &tenant).await {
                tell(&desk, &hub, &observers, &tenant, (of, &found));
            }
        }
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            () = desk.changed.notified() => {}
        }
    }
}

/// The tenants that somebody looks at. Whose token is good no more is sent away.
fn watched(desk: &Desk, hub: &Hub, observers: &Observers) -> BTreeSet<TenantId> {
    let mut watchers = desk.lock();
    watchers.here.retain(|id, it| {
        let may_stay = it.is_operator || hub.is_in_standing(&it.principal);
        // A shard that has no room now is told next time.
        may_stay || !observers.end(*id)
    });
    watchers.here.values().map(|it| it.principal.tenant().clone()).collect()
}

/// Disconnects whom somebody ordered to, of their own tenant.
async fn carry_out(desk: &Desk, hub: &Hub) {
    let orders = std::mem::take(&mut desk.lock().orders);
    for order in orders {
        let by = desk.lock().here.get(&order.by).map(|it| it.principal.clone());
        let Some(principal) = by else { continue };
        let subject = cut(&order.connection);
        let target = DisconnectTarget::Connection(order.connection);
        if hub.cluster.connections.disconnect(principal.tenant(), target).await.is_ok() {
            hub.audit.tell_of(Share::Acts, principal.tenant(), || AuditEntry {
                subject: Some(subject),
                ..AuditEntry::new("admin_ui.disconnect").by(&principal)
            });
        }
    }
}

impl Seen {
    async fn look(&mut self, hub: &Arc<Hub>, tenant: &TenantId) -> Option<Found> {
        let (counts, connections) = connections(hub, tenant).await?;
        let at_ms = hub.wall_ms();
        let mut counted = Counted::default();
        let path = &hub.config.said().path;
        let news = self.view.look(connections, path, &time_text(at_ms), &mut counted);
        let (of, told, reader) = (tenant.clone(), self.told, Arc::clone(hub));
        let read = tokio::task::spawn_blocking(move || read_on(&reader, of, told)).await.ok()?;
        let (entries, epoch) = match read {
            Some((through, entries)) => {
                counted.events = entries.len();
                self.told = Some(through);
                (entries, through.0)
            }
            None => (Vec::new(), Epoch::new(0)),
        };
        Some(Found { news, entries, epoch, counts, counted, at_ms })
    }
}

async fn connections(
    hub: &Hub,
    tenant: &TenantId,
) -> Option<(ConnectionCounts, Vec<ConnectionInfo>)> {
    let filter = ConnectionFilter { limit: Some(SOCKETS_MAX), ..ConnectionFilter::default() };
    let listed = hub.cluster.connections.list(tenant, filter).await.ok()?.found;
    Some((listed.counts, listed.page.items))
}

/// What the log has behind that, the newest of it; nothing of what was there before the first look. `None`: there is no log yet, or it is away.
fn read_on(
    hub: &Hub,
    tenant: TenantId,
    told: Option<(Epoch, Offset)>,
) -> Option<((Epoch, Offset), Vec<LogEntry>)> {
    let last = hub.log.stats(&tenant).ok()?.last;
    let end = (last.epoch(), last.through());
    let Some((epoch, through)) = told else { return Some((end, Vec::new())) };
    if epoch != end.0 || through >= end.1 {
        return Some((end, Vec::new()));
    }
    let newest = Offset::new(end.1.get().saturating_sub(EVENTS_MAX)).unwrap_or(Offset::ZERO);
    let page = hub.log.read(&ReadRequest {
        tenant,
        epoch: Some(epoch),
        after: through.max(newest),
        through: end.1,
        entries_max: usize::try_from(EVENTS_MAX).unwrap_or(usize::MAX),
        bytes_max: EVENTS_BYTES_MAX,
    });
    let page = page.ok()?;
    // What had no room in one look is told at the next.
    Some(((end.0, page.next), page.entries))
}

/// Tells all who look at the tenant what each has not seen.
fn tell(
    desk: &Desk,
    hub: &Hub,
    observers: &Observers,
    tenant: &TenantId,
    (seen, found): (&Seen, &Found),
) {
    let mut watchers = desk.lock();
    let of_tenant = watchers.here.iter_mut().filter(|(_, it)| it.principal.tenant() == tenant);
    for (id, watcher) in of_tenant {
        let mut told = match watcher.is_greeted {
            true => found.news.clone(),
            false => vec![
                ("config", arguments(&[shapes::config(desk.is_read_only)])),
                seen.view.all(&hub.config.said().path),
            ],
        };
        told.push(("server_stats", arguments(&[stats(hub, found)])));
        if watcher.is_greeted {
            told.extend(events(hub, watcher, found));
        }
        send(observers, *id, watcher, told);
    }
}

fn send(observers: &Observers, id: ObserverId, watcher: &mut Watcher, told: Vec<Told>) {
    // Who misses something is told all anew.
    watcher.is_greeted = observers.tell(id, told);
}

fn stats(hub: &Hub, found: &Found) -> serde_json::Value {
    let now_ms = i64::try_from(found.at_ms).unwrap_or_default();
    shapes::server_stats(&hub.node_name(), hub.uptime_s(), &found.counts, &found.counted, now_ms)
}

/// The events, without what is hidden from who looks.
fn events(hub: &Hub, watcher: &Watcher, found: &Found) -> Vec<Told> {
    let principal = &watcher.principal;
    let viewer = Viewer::Person { applications: principal.applications(), role: principal.role() };
    let reports = Reports::new(&hub.policies.current().redactions, principal.tenant(), viewer);
    let told = found.entries.iter().map(|entry| reports.entry(found.epoch, entry));
    told.map(|report| ("event_received", shapes::event(&report))).collect()
}
