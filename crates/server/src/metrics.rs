//! Numbers for Prometheus, in its text format. Node-wide: none of them names a tenant.

use std::fmt::Write;
use std::sync::Arc;

use foodtrack_shard::Counters;

use crate::process;

/// What a number is, for who reads the page.
struct Description {
    name: &'static str,
    help: &'static str,
    is_gauge: bool,
}

macro_rules! describe {
    ($( $kind:ident $name:ident: $help:literal; )*) => {
        &[ $( Description {
            name: stringify!($name),
            help: $help,
            is_gauge: describe!(@ $kind),
        }, )* ]
    };
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
    counter slow_readers_closed: "Connections closed for reading too slowly.";
    counter entrances_delayed: "Clients that waited for their turn to come in.";
    counter sessions_recovered: "Clients whose session came back.";
    counter sessions_forgotten: "Sessions that were forgotten because their user or tenant had too many.";
    counter replayed: "Events sent to clients that had missed them.";
    counter replays: "Clients that got events they had missed.";
    counter replay_ms_sum: "Time from entering to being up to date, in milliseconds, of those clients.";
    counter replay_expired: "Missed events that were past their time.";
    counter replay_compacted: "Missed events that a later one made superfluous.";
    counter gaps_told: "Clients told that something they had missed is gone.";
    counter acknowledged: "Events that clients acknowledged.";
    counter retries: "Events sent again because no acknowledgement came.";
    counter dead_letters: "Events given up for a subscriber.";
    counter escalations: "Events that were not confirmed in time.";
    counter tenant_panics: "Panics in a tenant's turn: its clients connected again, and it was opened again from its log.";
    gauge logs_away: "Tenants that go on without their log.";
    gauge log_failed: "1 once the disk of the log has failed: durable events are refused until the server is started anew.";
    counter fan_out_us_sum: "Time from reading events to flushing their frames, in microseconds.";
    counter fan_out_turns: "Turns of the loop that flushed at least one frame.";
};

/// The page, of these shards after `uptime_s` seconds.
pub(crate) fn render(shards: &[Arc<Counters>], uptime_s: f64) -> String {
    let mut page = String::with_capacity(4_096);
    let mut names = Vec::new();
    Counters::default().each(|name, _| names.push(name));
    for name in names {
        let known = SHARD_NUMBERS.iter().find(|number| number.name == name);
        let is_gauge = known.is_some_and(|number| number.is_gauge);
        let help = known.map_or("", |number| number.help);
        let total = if is_gauge { "" } else { "_total" };
        let full = format!("foodtrack_{name}{total}");
        head(&mut page, &full, help, is_gauge);
        for (i, shard) in shards.iter().enumerate() {
            shard.each(|each, value| {
                if each == name {
                    let _ = writeln!(page, "{full}{{shard=\"{i}\"}} {value}");
                }
            });
        }
    }
    number(&mut page, "foodtrack_uptime_seconds", "Since the start.", true, Some(uptime_s));
    let cpu_s = process::cpu_time().map(|time| time.as_secs_f64());
    number(&mut page, "process_cpu_seconds_total", "Processor time used.", false, cpu_s);
    let resident = process::resident_bytes();
    number(&mut page, "process_resident_memory_bytes", "Resident memory.", true, resident);
    number(&mut page, "process_open_fds", "Open file descriptors.", true, process::open_files());
    head(&mut page, "foodtrack_build_info", "The version that runs.", true);
    let _ = writeln!(page, "foodtrack_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
    page
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
        let page = render(&shards, 1.5);
        assert!(page.contains("foodtrack_deliveries_total{shard=\"0\"} 0\n"), "{page}");
        assert!(page.contains("foodtrack_deliveries_total{shard=\"1\"} 7\n"), "{page}");
        assert_eq!(page.matches("# TYPE foodtrack_deliveries_total counter\n").count(), 1);
        assert!(page.contains("# TYPE foodtrack_connections gauge\n"), "{page}");
        assert!(page.contains("foodtrack_uptime_seconds 1.5\n"), "{page}");
    }
}
