//! What came of evenings, as figures and as a table.

use serde::Serialize;

use super::judge::Judgement;
use super::night::{Measured, Night};
use crate::figures::{Column, table};
use crate::meter;
use crate::report::{Origin, number};

/// How large the evening was.
#[derive(Debug, Serialize)]
pub(super) struct Scale {
    pub(super) restaurants: usize,
    pub(super) people: usize,
    pub(super) nodes: usize,
    pub(super) minutes: u32,
    pub(super) speed: f64,
    pub(super) seed: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct FridayReport {
    pub(super) origin: Origin,
    pub(super) scale: Scale,
    pub(super) outcomes: Vec<Column>,
}

/// Judges an evening that was played.
pub(super) fn outcome(server: &'static str, night: &mut Night, measured: &Measured) -> Column {
    let mut outcome = Column::new(server);
    add_costs(&mut outcome, night, measured);
    for (name, per_mille) in [("p50", 500), ("p99", 990), ("p99.9", 999)] {
        let value = measured.latencies.percentile_us(per_mille);
        outcome.add(format!("{name} ms, emit to receipt"), value.map(|us| us / 1_000.0));
    }
    let judgement = night.judge();
    add_promises(&mut outcome, &judgement);
    let counts = &night.crowd.counts;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let [reconnects, recovered, refused, gaps] =
        [counts.reconnects, counts.recovered, counts.refused, counts.gaps].map(|it| it as f64);
    outcome.add("reconnects", reconnects);
    outcome.add("of them recovered %", 100.0 * recovered / reconnects);
    outcome.add("gaps told", gaps);
    outcome.add("refused, sent again", refused);
    let all_back = night.all_back().map(|it| it.as_secs_f64());
    outcome.add("s until all of the killed node were back", all_back);
    outcome
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn add_costs(outcome: &mut Column, night: &Night, measured: &Measured) {
    let deliveries = measured.deliveries as f64;
    outcome.add("deliveries/s", deliveries / measured.used.elapsed.as_secs_f64());
    measured.used.add_cores(&night.servers, outcome);
    outcome.add("all servers: CPU us/delivery", night.servers.used_us() / deliveries);
    for process in night.servers.all() {
        outcome.add(format!("{}: RSS MiB", process.name), process.rss_kib as f64 / 1_024.0);
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn add_promises(outcome: &mut Column, judgement: &Judgement) {
    let &Judgement { expected, lost, repeated, foreign, unanswered } = judgement;
    for (name, value) in [
        ("durable receipts expected", expected),
        ("lost", lost),
        ("repeated", repeated),
        ("foreign", foreign),
        ("unanswered at the end", unanswered),
    ] {
        outcome.add(name, value as f64);
    }
}
impl FridayReport {
    pub(crate) fn markdown(&self) -> String {
        let Scale { restaurants, people, nodes, minutes, speed, seed } = self.scale;
        let how = format!(
            "Friday evening of {restaurants} restaurants ({people} connections) on {nodes} node{}, {minutes} minutes, {} times as fast as a clock, \
             seed {seed}",
            if nodes == 1 { "" } else { "s" },
            number(Some(speed)),
        );
        let mut text = self.origin.heading(&how);
        text.extend(meter::caveat(&self.outcomes));
        text.push_str(&table(&self.outcomes));
        text
    }
}
