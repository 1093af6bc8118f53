//! What the project promises about its speed, judged by the medians of one run.

use serde::Serialize;

use crate::contender::Contender;
use crate::metric::Metric;
use crate::report::{Report, number};
use crate::workload::http_single;

/// One promise and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Verdict {
    pub(crate) promise: String,
    /// The greatest value that keeps the promise.
    pub(crate) limit: f64,
    /// `None`: not measured in this run.
    pub(crate) measured: Option<f64>,
    pub(crate) met: Option<bool>,
}

impl Verdict {
    fn new(promise: impl Into<String>, limit: f64, measured: Option<f64>) -> Self {
        let met = measured.map(|measured| measured <= limit);
        Self { promise: promise.into(), limit, measured, met }
    }

    pub(crate) fn row(&self) -> String {
        let met = match self.met {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "not measured",
        };
        let (limit, measured) = (number(Some(self.limit)), number(self.measured));
        format!("| {} | {limit} | {measured} | {met} |\n", self.promise)
    }
}

const FAN_OUT: [(&str, bool); 4] = [
    ("1 x 1000, 1 in flight", false),
    ("1 x 1000, 16 in flight", true),
    ("100 x 10, 1 in flight", false),
    ("100 x 10, 16 in flight", true),
];

/// Judges every promise; none if the hub was not measured.
pub(crate) fn judge(report: &Report) -> Vec<Verdict> {
    use Contender::{Bun, Hub, HubRecoverable, HubVolatile, Socketio, Socketioxide};
    if !report.measurements.iter().any(|measured| measured.contender == Hub) {
        return Vec::new();
    }
    let hub = |cell: &str, metric| report.median(Hub, cell, metric);
    let ratio =
        |cell: &str, metric, peer| Some(hub(cell, metric)? / report.median(peer, cell, metric)?);
    let mut verdicts = Vec::new();
    for (cell, gathers) in FAN_OUT {
        let mut against = |peer: Contender, limit| {
            let promise = format!("CPU per delivery, hub / {}: {cell}", peer.name());
            let measured = ratio(cell, Metric::CpuUsPerDelivery, peer);
            verdicts.push(Verdict::new(promise, limit, measured));
        };
        against(Bun, 1.0);
        if gathers {
            against(Socketioxide, 0.55);
            against(Socketio, 0.1);
        }
    }
    for (cell, _) in FAN_OUT {
        let cost = |hub| report.median(hub, cell, Metric::CpuUsPerDelivery);
        let measured = (|| Some(cost(HubRecoverable)? / cost(HubVolatile)?))();
        let promise = format!("CPU per delivery, in the log / in no log: {cell}");
        verdicts.push(Verdict::new(promise, 1.1, measured));
    }
    let measured = ratio("request, 1 in flight", Metric::CpuUsPerRequest, Bun);
    verdicts.push(Verdict::new("CPU per acknowledged request, hub / bun", 1.3, measured));
    for cell in ["10000 idle", "19000 idle"] {
        let measured = hub(cell, Metric::RssKibPerConnection);
        verdicts.push(Verdict::new(format!("RSS KiB per connection: {cell}"), 2.0, measured));
        let measured = hub(cell, Metric::CpuUsPerConnection);
        verdicts.push(Verdict::new(format!("CPU us per new connection: {cell}"), 60.0, measured));
    }
    let measured = hub("the hub's own time of a request to a back end", Metric::LatencyUsP50);
    verdicts.push(Verdict::new(
        "us of the hub's own in a request to a back end, p50",
        1_000.0,
        measured,
    ));
    let streams = "10000 idle streams";
    let measured = hub(streams, Metric::RssKibPerConnection);
    verdicts.push(Verdict::new(format!("RSS KiB per connection: {streams}"), 2.0, measured));
    for cells in
        [["10 rooms", "1000 rooms", "100000 rooms"], ["1 tenant", "100 tenants", "10000 tenants"]]
    {
        let [fewest, some, most] = cells.map(|cell| hub(cell, Metric::CpuUsPerDelivery));
        let measured = (|| Some(some?.max(most?) / fewest?))();
        let promise = format!("CPU per delivery, dearest / {}, up to {}", cells[0], cells[2]);
        verdicts.push(Verdict::new(promise, 1.2, measured));
    }
    verdicts.extend([quiet_tenant(report), single_publishes(report)]);
    verdicts
}

fn quiet_tenant(report: &Report) -> Verdict {
    let p99 = |cell| report.median(Contender::Hub, cell, Metric::LatencyUsP99);
    let measured = p99("neighbour floods").zip(p99("neighbour quiet"));
    let measured = measured.map(|(flooded, quiet)| flooded / quiet);
    Verdict::new("p99 of a quiet tenant, neighbour floods / quiet", 2.0, measured)
}

fn single_publishes(report: &Report) -> Verdict {
    let rate = |contender| report.median(contender, http_single::CELL, Metric::EventsPerSecond);
    let measured = rate(Contender::Express).zip(rate(Contender::Hub));
    let measured = measured.map(|(express, hub)| express / hub);
    Verdict::new("durable events/s one by one over HTTP, express / hub", 0.25, measured)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Cell;
    use crate::report::{Measurement, Origin};
    use crate::scenario::Scenario;

    fn report(cells: &[(Contender, &str, Metric, f64)]) -> Report {
        let measurements = cells.iter().map(|&(contender, name, metric, value)| {
            let cell = Cell::new(name).with(metric, value);
            Measurement { round: 1, contender, scenario: Scenario::Request, cell }
        });
        Report::new(Origin::here(), measurements.collect(), Vec::new())
    }

    #[track_caller]
    fn check(report: &Report, promise: &str, expected: Option<bool>) {
        let verdict = report.verdicts.iter().find(|verdict| verdict.promise == promise);
        assert_eq!(verdict.map(|verdict| verdict.met), Some(expected), "{promise}");
    }

    #[test]
    fn a_promise_is_judged_by_the_ratio_to_its_peer() {
        let (cell, metric) = ("100 x 10, 16 in flight", Metric::CpuUsPerDelivery);
        let report = report(&[
            (Contender::Hub, cell, metric, 2.0),
            (Contender::Bun, cell, metric, 2.0),
            (Contender::Socketioxide, cell, metric, 3.0),
        ]);
        check(&report, "CPU per delivery, hub / bun: 100 x 10, 16 in flight", Some(true));
        check(&report, "CPU per delivery, hub / socketioxide: 100 x 10, 16 in flight", Some(false));
        check(&report, "CPU per delivery, hub / socketio: 100 x 10, 16 in flight", None);
    }

    #[test]
    fn growth_is_judged_by_its_dearest_step() {
        let metric = Metric::CpuUsPerDelivery;
        let rooms = |some| {
            report(&[
                (Contender::Hub, "10 rooms", metric, 10.0),
                (Contender::Hub, "1000 rooms", metric, some),
                (Contender::Hub, "100000 rooms", metric, 11.0),
            ])
        };
        let promise = "CPU per delivery, dearest / 10 rooms, up to 100000 rooms";
        check(&rooms(11.9), promise, Some(true));
        check(&rooms(12.1), promise, Some(false));
    }
}
