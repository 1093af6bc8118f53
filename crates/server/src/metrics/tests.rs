use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

use super::*;
use crate::cluster::RedisState;

fn counts() -> ClusterCounts {
    let passed_on = [("request", 0), ("socket", 0)];
    let entered = RedisState::ALL.map(|state| (state, 0));
    let redis = Some((RedisState::Healthy, entered));
    ClusterCounts { nodes: 1, strange: 0, refused: vec![("forged", 0)], passed_on, redis }
}

/// Of a hundred tenants with the longest names, the most that are told.
fn tallies() -> Tallies {
    let named = (0..100).map(|n| {
        let id = foodtrack_contract::TenantId::parse(&format!("{n:0>64}")).unwrap();
        (id, foodtrack_shard::TenantTally::default())
    });
    Tallies { largest: named.collect(), ..Tallies::default() }
}

/// That of a node that is up for 1.5 s, and has told and heard no back end.
fn made(shards: &[Arc<Counters>], http_refusals: &dyn Fn(ErrorCode) -> u64) -> Page {
    let upstream = crate::upstream::UpstreamCounts::default();
    let spans = crate::telemetry::SpanCounts::default();
    page(&Sources {
        shards,
        http_refusals,
        http: &HttpCounts::default(),
        door: &DoorRefusals::default(),
        uptime_s: 1.5,
        is_draining: false,
        storage: StorageStatus {
            disk_free_bytes: Some(1),
            file_bytes: Some(1),
            spooled: Some(foodtrack_tenant_log::SpooledEvents::default()),
            ..StorageStatus::default()
        },
        work: LogWork::default(),
        canary: &Canary::default(),
        back_ends: BackEndCounts {
            upstream: Some(&upstream),
            spans: Some(&spans),
            ..BackEndCounts::default()
        },
        cluster: counts(),
        conditions: vec![HealthCondition::StorageFull],
        audit: AuditState::default(),
        tallies: Some(tallies()),
        certificate_seconds: Some(86_400),
    })
}

fn text(shards: &[Arc<Counters>]) -> String {
    made(shards, &|_| 0).told(PageFormat::Text)
}

#[test]
fn every_shard_has_its_own_line_under_one_heading() {
    let shards = [Arc::new(Counters::default()), Arc::default()];
    shards[1].deliveries.add(7);
    let page = text(&shards);
    assert!(page.contains("foodtrack_deliveries_total{shard=\"0\"} 0\n"), "{page}");
    assert!(page.contains("foodtrack_deliveries_total{shard=\"1\"} 7\n"), "{page}");
    assert_eq!(page.matches("# TYPE foodtrack_deliveries_total counter\n").count(), 1);
    assert!(page.contains("# TYPE foodtrack_connections gauge\n"), "{page}");
    assert!(page.contains("foodtrack_uptime_seconds 1.5\n"), "{page}");
    assert!(page.contains("foodtrack_health_condition{condition=\"storage_full\"} 1\n"), "{page}");
    assert!(page.contains("foodtrack_health_condition{condition=\"panic\"} 0\n"), "{page}");
}

/// The name of the family that a sample belongs to.
fn family<'a>(types: &BTreeMap<&'a str, &'a str>, sample: &'a str) -> Option<&'a str> {
    let of_histogram = ["_bucket", "_sum", "_count"]
        .into_iter()
        .filter_map(|suffix| sample.strip_suffix(suffix))
        .find(|name| types.get(name) == Some(&"histogram"));
    of_histogram.or_else(|| types.contains_key(sample).then_some(sample))
}

/// What `promtool check metrics` wants, and what the format is.
#[test]
fn the_page_keeps_to_prometheus_conventions() {
    let page = text(&[Arc::new(Counters::default()), Arc::default()]);
    assert!(page.ends_with('\n'));
    let mut types: BTreeMap<&str, &str> = BTreeMap::new();
    let (mut helped, mut series) = (Vec::new(), BTreeSet::new());
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(!help.trim().is_empty(), "{line}");
            assert!(!helped.contains(&name), "two headings: {line}");
            helped.push(name);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(helped.last(), Some(&name), "HELP before TYPE: {line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            for word in name.split('_') {
                let is_no_base_unit =
                    ["ms", "us", "s", "kb", "mb", "days", "minutes", "hours"].contains(&word);
                let is_reserved = ["sum", "count", "bucket", "counter", "gauge"].contains(&word);
                assert!(!is_no_base_unit && !is_reserved, "{line}");
            }
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(name.chars().all(plain), "{line}");
            assert!(types.insert(name, kind).is_none());
        } else {
            let (key, value) = line.rsplit_once(' ').unwrap();
            let name = family(&types, key.split('{').next().unwrap()).unwrap();
            assert!(helped.last() == Some(&name), "{line}");
            assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
            assert!(series.insert(key), "twice: {line}");
        }
    }
    assert!(series.len() > 150);
    assert_eq!(types.values().filter(|kind| **kind == "histogram").count(), 10);
}

/// Prometheus' own judgement, where it is installed.
#[test]
fn promtool_finds_nothing_wrong_with_the_page() {
    let page = text(&[Arc::new(Counters::default()), Arc::default()]);
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = promtool else {
        return test_support::skipped("promtool is not installed");
    };
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    let text = [said.stdout, said.stderr].concat();
    assert!(said.status.success() && text.is_empty(), "{}", String::from_utf8_lossy(&text));
}

#[test]
fn openmetrics_has_the_same_series_and_an_end() {
    let shards = [Arc::new(Counters::default())];
    let [old, new] = made(&shards, &|_| 0).told_in([PageFormat::Text, PageFormat::OpenMetrics]);
    assert!(new.ends_with("\n# EOF\n"), "{new}");
    assert!(new.contains("# TYPE foodtrack_deliveries counter\n"), "{new}");
    let samples = |page: &str| {
        let names = page.lines().filter(|line| !line.starts_with('#'));
        names.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect::<BTreeSet<_>>()
    };
    // The formats say a whole number of seconds differently.
    let as_real = |names: BTreeSet<String>| -> BTreeSet<String> {
        names.into_iter().map(|name| name.replace(".0\"", "\"")).collect()
    };
    assert_eq!(as_real(samples(&old)), as_real(samples(&new)));
}

#[test]
fn refusals_and_disconnects_are_told_by_code_and_reason() {
    let shard = Arc::new(Counters::default());
    shard.refusals.add(ErrorCode::TokenExpired);
    shard.disconnects.add("slow_reader");
    shard.deliveries_dropped.add(4);
    let of_http = |code| u64::from(code == ErrorCode::TokenExpired) * 2;
    let page = made(&[shard], &of_http).told(PageFormat::Text);
    for line in [
        "foodtrack_refusals_total{code=\"token_expired\"} 3\n",
        "foodtrack_refusals_total{code=\"overloaded\"} 0\n",
        "foodtrack_disconnects_total{reason=\"slow_reader\"} 1\n",
        "foodtrack_drops_total{reason=\"slow_reader\"} 4\n",
    ] {
        assert!(page.contains(line), "{line}{page}");
    }
}

#[test]
fn events_are_told_by_class_and_group_of_all_shards() {
    let shards = [Arc::new(Counters::default()), Arc::default()];
    for shard in &shards {
        let class = foodtrack_contract::DeliveryClass::Durable;
        shard.accepted(&foodtrack_contract::EventType::OrderCreated.into(), class);
        shard.times.replay.observe_ms(2_500);
    }
    let page = text(&shards);
    for line in [
        "foodtrack_events_total{class=\"durable\",group=\"order\"} 2\n",
        "foodtrack_events_total{class=\"volatile\",group=\"declared\"} 0\n",
        "foodtrack_replay_seconds_count 2\n",
        "foodtrack_replay_seconds_bucket{le=\"1\"} 0\n",
        "foodtrack_replay_seconds_bucket{le=\"2.5\"} 2\n",
    ] {
        assert!(page.contains(line), "{line}{page}");
    }
    assert!(page.contains("foodtrack_replay_seconds_sum 5"), "{page}");
}

/// A machine with many cores, whose every route was asked for.
#[test]
fn the_page_of_a_large_node_is_far_below_a_megabyte_and_quickly_made() {
    let shards: Vec<Arc<Counters>> = (0..128).map(|_| Arc::default()).collect();
    let begun = std::time::Instant::now();
    let bytes = text(&shards).len();
    let took = begun.elapsed();
    assert!(bytes < 600_000, "{bytes}");
    // 50 ms are promised of a release build; this one is not, and others are at work.
    assert!(took < std::time::Duration::from_secs(2), "{took:?}");
}
