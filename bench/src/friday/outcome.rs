//! What came of evenings, as figures and as a table.

use std::fmt::Write;

use serde::Serialize;

use super::judge::Judgement;
use super::night::{Measured, Night};
use crate::report::{Origin, number};

#[derive(Debug, Serialize)]
pub(super) struct Figure {
    name: String,
    value: f64,
}

/// One server's evening.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    server: &'static str,
    figures: Vec<Figure>,
}

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
    pub(super) outcomes: Vec<Outcome>,
}

impl Outcome {
    /// Judges an evening that was played.
    pub(super) fn new(server: &'static str, night: &mut Night, measured: &Measured) -> Self {
        let mut outcome = Self { server, figures: Vec::new() };
        outcome.add_costs(night, measured);
        for (name, per_mille) in [("p50", 500), ("p99", 990), ("p99.9", 999)] {
            let value = measured.latencies.percentile_us(per_mille);
            outcome.add(format!("{name} ms, emit to receipt"), value.map(|us| us / 1_000.0));
        }
        let judgement = night.judge();
        outcome.add_promises(&judgement);
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

    /// What could not be measured is left out.
    fn add(&mut self, name: impl Into<String>, value: impl Into<Option<f64>>) {
        if let Some(value) = value.into().filter(|value| value.is_finite()) {
            self.figures.push(Figure { name: name.into(), value });
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    fn add_costs(&mut self, night: &Night, measured: &Measured) {
        let elapsed_us = measured.elapsed.as_secs_f64() * 1e6;
        let percent = |us: f64| 100.0 * us / elapsed_us;
        let deliveries = measured.deliveries as f64;
        self.add("deliveries/s", deliveries / measured.elapsed.as_secs_f64());
        let used_us: f64 = night.servers.all().map(|it| it.used_us).sum();
        for process in night.servers.all() {
            self.add(format!("{}: core %", process.name), percent(process.used_us));
        }
        self.add("all servers: core %", percent(used_us));
        self.add("all servers: CPU us/delivery", used_us / deliveries);
        for process in night.servers.all() {
            self.add(format!("{}: RSS MiB", process.name), process.rss_kib as f64 / 1_024.0);
        }
        let others_us = (measured.busy_us - used_us - measured.generator_us).max(0.0);
        self.add("generator: core %", percent(measured.generator_us));
        self.add("others, both cores %", percent(others_us) / 2.0);
    }

    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    fn add_promises(&mut self, judgement: &Judgement) {
        let &Judgement { expected, lost, repeated, foreign, unanswered } = judgement;
        for (name, value) in [
            ("durable receipts expected", expected),
            ("lost", lost),
            ("repeated", repeated),
            ("foreign", foreign),
            ("unanswered at the end", unanswered),
        ] {
            self.add(name, value as f64);
        }
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
        let mut names: Vec<&str> = Vec::new();
        for figure in self.outcomes.iter().flat_map(|outcome| &outcome.figures) {
            if !names.contains(&figure.name.as_str()) {
                names.push(&figure.name);
            }
        }
        text.push_str("\n| |");
        for outcome in &self.outcomes {
            let _ = write!(text, " {} |", outcome.server);
        }
        let _ = writeln!(text, "\n| --- |{}", " ---: |".repeat(self.outcomes.len()));
        for name in names {
            let _ = write!(text, "| {name} |");
            for outcome in &self.outcomes {
                let figure = outcome.figures.iter().find(|figure| figure.name == name);
                let _ = write!(text, " {} |", number(figure.map(|figure| figure.value)));
            }
            text.push('\n');
        }
        text
    }
}
