//! Numbers for Prometheus, in its text format. Node-wide: none of them names a tenant.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foodtrack_contract::ErrorCode;
use foodtrack_shard::Counters;
use foodtrack_tenant_log::{StorageState, StorageStatus};
use foodtrack_transport::DoorRefusals;

use crate::cluster::ClusterCounts;
use crate::emitters::EmitterCounts;
use crate::webhooks::WebhookCounts;
use crate::{logging, process};

/// What a number is, for who reads the page.
struct Description {
    name: &'static str,
    help: &'static str,
    is_gauge: bool,
    /// Its name on the page, and what it is divided by to be in seconds, where it is counted in another unit.
    seconds: Option<(&'static str, u32)>,
}

macro_rules! describe {
    ($( $kind:ident $name:ident $($shown:literal $per_second:literal)?: $help:literal; )*) => {
        &[ $( Description {
            name: stringify!($name),
            help: $help,
            is_gauge: describe!(@ $kind),
            seconds: describe!(@seconds $($shown $per_second)?),
        }, )* ]
    };
    (@seconds) => { None };
    (@seconds $shown:literal $per_second:literal) => { Some(($shown, $per_second)) };
    (@ gauge) => { true };
    (@ counter) => { false };
}

const SHARD_NUMBERS: &[Description] = describe! {
    gauge connections: "Authenticated connections now.";
    gauge tenants: "Tenants with at least one connection now.";
    counter connections_opened: "Clients that authenticated.";
    counter connections_closed: "Authenticated clients that went away.";
    counter handshakes_refused: "Handshakes that were refused.";
    counter events_accepted: "Events accepted from clients and back ends.";
    counter events_refused: "Events refused.";
    counter tenant_mismatches: "Refused events that named another tenant.";
    counter rate_limited: "Refused events that were over a rate.";
    counter duplicates: "Repeated messages, answered with their first result.";
    counter deliveries: "Frames handed to a recipient's transport or queue.";
    counter deliveries_dropped: "Frames dropped for slow readers.";
    counter untranslated: "Events that were not sent to the connections of an application of the profile, because they cannot be made what its pages survive; once for each application.";
    counter unredacted: "Events that were not sent to those from whom a part is hidden, because it could not be left out; once for each way to see them.";
    counter undeliverable: "Events that cannot be said in the parser of a client that they were for.";
    counter slow_readers_closed: "Connections closed for reading too slowly.";
    counter arrivals_delayed: "Clients that waited for their turn to come in.";
    counter sessions_recovered: "Clients whose session came back.";
    counter sessions_forgotten: "Sessions that were forgotten because their user or tenant had too many.";
    counter replayed: "Events sent to clients that had missed them.";
    counter replays: "Clients that got events they had missed.";
    counter replay_ms_sum "replay_seconds" 1_000: "Time from entering to being up to date, of those clients.";
    counter replay_expired: "Missed events that were past their time.";
    counter replay_compacted: "Missed events that a later one made superfluous.";
    counter gaps_told: "Clients told that something they had missed is gone.";
    counter tokens_expiring: "Clients told that their token ends soon.";
    counter acknowledged: "Events that clients acknowledged.";
    counter retries: "Events sent again because no acknowledgement came.";
    counter dead_letters: "Events given up for a subscriber.";
    counter escalations: "Events that were not confirmed in time.";
    counter requests_forwarded: "Clients' requests that were handed on to the business back end.";
    counter tenant_panics: "Panics in a tenant's turn: its clients connected again, and it was opened again from its log.";
    gauge table_bytes: "Memory of tenants' tables of ids seen, of orders' owners and of what was emitted last, about.";
    counter tables_given_up: "Tables of a tenant that were given up for others': its log is asked instead.";
    counter tenants_closed: "Tenants whose log was closed because nobody had been there for a while.";
    gauge logs_away: "Tenants that go on without their log.";
    gauge log_failed: "1 once the disk of the log has failed: durable events are refused until the server is started anew.";
    counter fan_out_us_sum "fan_out_seconds" 1_000_000: "Time from reading events to flushing their frames.";
    counter fan_out_turns: "Turns of the loop that flushed at least one frame.";
};

/// What is known of the back ends that the hub tells and hears.
#[derive(Default)]
pub(crate) struct BackEndCounts<'a> {
    pub(crate) webhooks: Vec<WebhookCounts<'a>>,
    pub(crate) emitters: &'a [(String, Arc<EmitterCounts>)],
}

/// The page, of these shards, the HTTP API's refusals and those at the door, after `uptime_s` seconds.
pub(crate) fn render(
    shards: &[Arc<Counters>],
    http_refusals: impl Fn(ErrorCode) -> u64,
    door: &DoorRefusals,
    uptime_s: f64,
    storage: StorageStatus,
    back_ends: &BackEndCounts<'_>,
    cluster: &ClusterCounts,
) -> String {
    let mut page = String::with_capacity(16_384);
    of_shards(&mut page, shards);
    of_refusals(&mut page, shards, http_refusals, door);
    let name = "foodtrack_disconnects_total";
    head(&mut page, name, "Authenticated clients that went away, by why.", false);
    for (reason, _) in Counters::default().disconnects.each() {
        let of_shard = |shard: &Arc<Counters>| {
            shard.disconnects.each().find(|(other, _)| *other == reason).map_or(0, |(_, n)| n)
        };
        let count: u64 = shards.iter().map(of_shard).sum();
        let _ = writeln!(page, "{name}{{reason=\"{reason}\"}} {count}");
    }
    let name = "foodtrack_log_lines_dropped_total";
    let help = "Log lines that nobody read in time.";
    number(&mut page, name, help, false, Some(logging::lines_dropped()));
    let help = "Panics, caught or not.";
    number(&mut page, "foodtrack_panics_total", help, false, Some(logging::panics()));
    number(&mut page, "foodtrack_uptime_seconds", "Since the start.", true, Some(uptime_s));
    of_storage(&mut page, storage);
    of_webhooks(&mut page, &back_ends.webhooks);
    of_emitters(&mut page, back_ends.emitters);
    of_cluster(&mut page, cluster);
    let cpu_s = process::cpu_time().map(|time| time.as_secs_f64());
    number(&mut page, "process_cpu_seconds_total", "Processor time used.", false, cpu_s);
    let resident = process::resident_bytes();
    number(&mut page, "process_resident_memory_bytes", "Resident memory.", true, resident);
    number(&mut page, "process_open_fds", "Open file descriptors.", true, process::open_files());
    head(&mut page, "foodtrack_build_info", "The version that runs.", true);
    let _ = writeln!(page, "foodtrack_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
    page
}

/// When the certificate ends.
pub(crate) fn of_certificate(page: &mut String, days_left: u64) {
    let name = "foodtrack_certificate_days_left";
    number(
        page,
        name,
        "Whole days for which the certificate is still good.",
        true,
        Some(days_left),
    );
}

/// What each webhook did.
fn of_webhooks(page: &mut String, webhooks: &[WebhookCounts<'_>]) {
    type Read = fn(&WebhookCounts<'_>) -> u64;
    let numbers: [(&str, &str, bool, Read); 4] = [
        ("delivered_total", "Events that a webhook's receiver took.", false, |it| it.delivered),
        (
            "failed_requests_total",
            "Requests that a webhook's receiver did not take.",
            false,
            |it| it.failed,
        ),
        ("dead_letters_total", "Events that a webhook gave up.", false, |it| it.dead_letters),
        ("receiver_away", "Whether a webhook's receiver is away.", true, |it| {
            it.is_receiver_away.into()
        }),
    ];
    for (name, help, is_gauge, read) in numbers {
        let name = format!("foodtrack_webhook_{name}");
        head(page, &name, help, is_gauge);
        for webhook in webhooks {
            let _ = writeln!(page, "{name}{{webhook=\"{}\"}} {}", webhook.name, read(webhook));
        }
    }
}

/// What came of what back ends published through Redis.
fn of_emitters(page: &mut String, emitters: &[(String, Arc<EmitterCounts>)]) {
    type Read = fn(&EmitterCounts) -> &AtomicU64;
    let numbers: [(&str, &str, Read); 3] = [
        ("published_total", "Events of an emitter that were accepted.", |it| &it.published),
        ("refused_total", "Events of an emitter that were refused.", |it| &it.refused),
        ("malformed_total", "Messages of an emitter that came to nothing.", |it| &it.malformed),
    ];
    for (name, help, read) in numbers {
        let name = format!("foodtrack_emitter_{name}");
        head(page, &name, help, false);
        for (emitter, counts) in emitters {
            let count = read(counts).load(Ordering::Relaxed);
            let _ = writeln!(page, "{name}{{emitter=\"{emitter}\"}} {count}");
        }
    }
}

/// Who else is there, and what was not theirs.
fn of_cluster(page: &mut String, cluster: &ClusterCounts) {
    let help = "Nodes of the cluster that live, this one among them.";
    number(page, "foodtrack_cluster_nodes", help, true, Some(cluster.nodes));
    if let Some((state, entered)) = &cluster.redis {
        let name = "foodtrack_redis_state";
        head(
            page,
            name,
            "How the node stands towards the cluster's Redis: 1 for the state that it is in.",
            true,
        );
        for (each, _) in entered {
            let is_in = u8::from(each == state);
            let _ = writeln!(page, "{name}{{state=\"{}\"}} {is_in}", each.as_str());
        }
        let name = "foodtrack_redis_state_changes_total";
        head(page, name, "How often the node came to stand so.", false);
        for (each, count) in entered {
            let _ = writeln!(page, "{name}{{state=\"{}\"}} {count}", each.as_str());
        }
    }
    let help = "Values among the nodes in Redis that are no node's.";
    number(page, "foodtrack_cluster_strange_values", help, true, Some(cluster.strange));
    let name = "foodtrack_node_requests_refused_total";
    head(page, name, "Requests between nodes that were refused, by why.", false);
    for (reason, count) in &cluster.refused {
        let _ = writeln!(page, "{name}{{reason=\"{reason}\"}} {count}");
    }
    let name = "foodtrack_passed_on_total";
    head(page, name, "Requests about other nodes' sessions that those answered, by kind.", false);
    for (kind, count) in &cluster.passed_on {
        let _ = writeln!(page, "{name}{{kind=\"{kind}\"}} {count}");
    }
}

/// What each shard counts.
fn of_shards(page: &mut String, shards: &[Arc<Counters>]) {
    let mut names = Vec::new();
    Counters::default().each(|name, _| names.push(name));
    for name in names {
        let known = SHARD_NUMBERS.iter().find(|number| number.name == name);
        let is_gauge = known.is_some_and(|number| number.is_gauge);
        let help = known.map_or("", |number| number.help);
        let seconds = known.and_then(|number| number.seconds);
        let total = if is_gauge { "" } else { "_total" };
        let full = format!("foodtrack_{}{total}", seconds.map_or(name, |(shown, _)| shown));
        head(page, &full, help, is_gauge);
        for (i, shard) in shards.iter().enumerate() {
            shard.each(|each, value| {
                if each == name {
                    let value = in_seconds(value, seconds.map(|(_, per_second)| per_second));
                    let _ = writeln!(page, "{full}{{shard=\"{i}\"}} {value}");
                }
            });
        }
    }
}

/// What was refused, by code.
fn of_refusals(
    page: &mut String,
    shards: &[Arc<Counters>],
    http_refusals: impl Fn(ErrorCode) -> u64,
    door: &DoorRefusals,
) {
    let name = "foodtrack_refusals_total";
    let help = "Refusals of events, handshakes and HTTP requests, by their code.";
    head(page, name, help, false);
    for code in ErrorCode::ALL {
        let of_shard = |shard: &Arc<Counters>| {
            shard.refusals.each().find(|(other, _)| other == code).map_or(0, |(_, count)| count)
        };
        let count = shards.iter().map(of_shard).sum::<u64>() + http_refusals(*code);
        let _ = writeln!(page, "{name}{{code=\"{}\"}} {count}", code.as_str());
    }
    let name = "foodtrack_refused_requests_total";
    let help =
        "Connections and requests of strangers that were refused at the door, by their code.";
    head(page, name, help, false);
    for (code, count) in door.each() {
        let _ = writeln!(page, "{name}{{code=\"{}\"}} {count}", code.as_str());
    }
}

/// A count of parts of a second, in seconds; any other as it is.
#[allow(clippy::cast_precision_loss)]
fn in_seconds(count: u64, per_second: Option<u32>) -> String {
    match per_second {
        Some(per_second) => (count as f64 / f64::from(per_second)).to_string(),
        None => count.to_string(),
    }
}

fn of_storage(page: &mut String, storage: StorageStatus) {
    let is_full = u8::from(storage.state == StorageState::Full);
    let help = "1 while the disk of the log is full: durable events are refused.";
    number(page, "foodtrack_log_storage_full", help, true, Some(is_full));
    let help = "1 while the disk's budget for the log is nearly used: the largest tenants' logs yield, oldest first.";
    number(page, "foodtrack_log_yielding", help, true, Some(u8::from(storage.is_yielding)));
    let refused = "foodtrack_log_refused_total";
    head(page, refused, "Entries that the log did not keep, by reason.", false);
    let reasons =
        [("storage_full", storage.refused_full), ("storage_failed", storage.refused_failed)];
    for (reason, count) in reasons {
        let _ = writeln!(page, "{refused}{{reason=\"{reason}\"}} {count}");
    }
    let help = "Free bytes on the file system of the log.";
    number(page, "foodtrack_log_disk_free_bytes", help, true, storage.disk_free_bytes);
    let help = "Bytes that the log takes on disk.";
    number(page, "foodtrack_log_file_bytes", help, true, storage.file_bytes);
}

fn head(page: &mut String, name: &str, help: &str, is_gauge: bool) {
    let kind = if is_gauge { "gauge" } else { "counter" };
    let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn number(
    page: &mut String,
    name: &str,
    help: &str,
    is_gauge: bool,
    value: Option<impl std::fmt::Display>,
) {
    if let Some(value) = value {
        head(page, name, help, is_gauge);
        let _ = writeln!(page, "{name} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::RedisState;

    fn counts() -> ClusterCounts {
        let passed_on = [("request", 0), ("socket", 0)];
        let entered = RedisState::ALL.map(|state| (state, 0));
        let redis = Some((RedisState::Healthy, entered));
        ClusterCounts { nodes: 1, strange: 0, refused: vec![("forged", 0)], passed_on, redis }
    }

    /// That of a node that is up for 1.5 s, and has told and heard no back end.
    fn page(shards: &[Arc<Counters>]) -> String {
        render(
            shards,
            |_| 0,
            &DoorRefusals::default(),
            1.5,
            StorageStatus::default(),
            &BackEndCounts::default(),
            &counts(),
        )
    }

    #[test]
    fn every_counter_of_a_shard_is_described() {
        Counters::default().each(|name, _| {
            assert!(SHARD_NUMBERS.iter().any(|number| number.name == name), "{name}");
        });
    }

    #[test]
    fn every_shard_has_its_own_line_under_one_heading() {
        let shards = [Arc::new(Counters::default()), Arc::default()];
        shards[1].deliveries.add(7);
        let page = page(&shards);
        assert!(page.contains("foodtrack_deliveries_total{shard=\"0\"} 0\n"), "{page}");
        assert!(page.contains("foodtrack_deliveries_total{shard=\"1\"} 7\n"), "{page}");
        assert_eq!(page.matches("# TYPE foodtrack_deliveries_total counter\n").count(), 1);
        assert!(page.contains("# TYPE foodtrack_connections gauge\n"), "{page}");
        assert!(page.contains("foodtrack_uptime_seconds 1.5\n"), "{page}");
    }

    /// What `promtool check metrics` wants, and what the format is.
    #[test]
    fn the_page_is_what_promtool_accepts() {
        let shards = [Arc::new(Counters::default()), Arc::default()];
        let page = page(&shards);
        assert!(page.ends_with('\n'));
        let mut types: std::collections::BTreeMap<&str, &str> = Default::default();
        let (mut helped, mut series) = (Vec::new(), std::collections::BTreeSet::new());
        for line in page.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap();
                assert!(!help.trim().is_empty(), "{line}");
                assert!(!helped.contains(&name), "two headings: {line}");
                helped.push(name);
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert_eq!(helped.last(), Some(&name), "HELP before TYPE: {line}");
                assert!(["counter", "gauge"].contains(&kind), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                for abbreviated in ["_ms", "_us", "_s_", "_kb", "_mb", "_sum", "_count", "_bucket"]
                {
                    assert!(!name.contains(abbreviated), "no base unit: {line}");
                }
                let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                assert!(name.chars().all(plain), "{line}");
                assert!(types.insert(name, kind).is_none());
            } else {
                let (key, value) = line.rsplit_once(' ').unwrap();
                let name = key.split('{').next().unwrap();
                assert!(types.contains_key(name) && helped.last() == Some(&name), "{line}");
                assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
                assert!(series.insert(key), "twice: {line}");
            }
        }
        assert!(series.len() > 50);
    }

    #[test]
    fn refusals_and_disconnects_are_told_by_code_and_reason() {
        let shard = Arc::new(Counters::default());
        shard.refusals.add(ErrorCode::TokenExpired);
        shard.disconnects.add("slow_reader");
        let of_http = |code| u64::from(code == ErrorCode::TokenExpired) * 2;
        let page = render(
            &[shard],
            of_http,
            &DoorRefusals::default(),
            1.5,
            StorageStatus::default(),
            &BackEndCounts::default(),
            &counts(),
        );
        assert!(page.contains("foodtrack_refusals_total{code=\"token_expired\"} 3\n"), "{page}");
        assert!(page.contains("foodtrack_refusals_total{code=\"overloaded\"} 0\n"), "{page}");
        let line = "foodtrack_disconnects_total{reason=\"slow_reader\"} 1\n";
        assert!(page.contains(line), "{page}");
    }

    #[test]
    fn times_are_told_in_seconds() {
        let shard = Arc::new(Counters::default());
        shard.replay_ms_sum.add(2_500);
        shard.fan_out_us_sum.add(1);
        let page = render(
            &[shard],
            |_| 0,
            &DoorRefusals::default(),
            1.5,
            StorageStatus::default(),
            &BackEndCounts::default(),
            &counts(),
        );
        assert!(page.contains("foodtrack_replay_seconds_total{shard=\"0\"} 2.5\n"), "{page}");
        assert!(page.contains("foodtrack_fan_out_seconds_total{shard=\"0\"} 0.000001\n"), "{page}");
    }
}
