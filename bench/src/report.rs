//! Results: every measurement, the medians, and where and how they were made.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::process::Command;

use serde::Serialize;

use crate::contender::Contender;
use crate::latencies::median;
use crate::metric::{Cell, Metric};
use crate::scenario::Scenario;
use crate::target::{self, Verdict};

/// One cell of one server in one round.
#[derive(Debug, Serialize)]
pub(crate) struct Measurement {
    pub(crate) round: u32,
    pub(crate) contender: Contender,
    pub(crate) scenario: Scenario,
    #[serde(flatten)]
    pub(crate) cell: Cell,
}

/// Where numbers come from; without it they mean nothing.
#[derive(Debug, Serialize)]
pub(crate) struct Origin {
    pub(crate) command: String,
    pub(crate) date: String,
    pub(crate) commit: String,
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
}

impl Origin {
    /// The machine and the commit as the system tells them; what it does not tell is `unknown`.
    pub(crate) fn here() -> Self {
        let processor = fs::read_to_string("/proc/cpuinfo").ok().and_then(|info| {
            let line = info.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        });
        let mut commit = output_of("git", &["rev-parse", "--short=10", "HEAD"]);
        if output_of("git", &["status", "--porcelain", "--untracked-files=no"]) != UNKNOWN {
            commit.push_str("-dirty");
        }
        let mut command = vec!["bench".to_owned()];
        command.extend(std::env::args().skip(1));
        Self {
            command: command.join(" "),
            date: output_of("date", &["-u", "+%Y-%m-%dT%H-%MZ"]),
            commit,
            processor: processor.unwrap_or_else(|| UNKNOWN.to_owned()),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: output_of("uname", &["-sr"]),
        }
    }

    /// What a file of results is called, without its ending.
    pub(crate) fn name(&self) -> String {
        format!("{}-{}", self.date, self.commit)
    }

    /// The first lines of a report; `how` says how it was measured.
    pub(crate) fn heading(&self, how: &str) -> String {
        let Self { command, date, commit, processor, cores, kernel } = self;
        format!(
            "# Measured {date}\n\n`{command}` at commit {commit}, on {cores} cores of {processor}, {kernel}; {how}.\n"
        )
    }
}

/// More than this, and a run is for a look, not for a claim.
const OTHERS_PERCENT_MAX: f64 = 5.0;

/// A line that says that others used the machine, where they used so much of its two cores that it matters.
pub(crate) fn not_quiet(others_percent: f64) -> Option<String> {
    (others_percent > OTHERS_PERCENT_MAX).then(|| {
        format!(
            "\n**Not a quiet machine**: other processes took up to {others_percent:.0} % of the two cores. Latencies and rates say little then, \
             and costs are too high.\n"
        )
    })
}

const UNKNOWN: &str = "unknown";

/// What a command prints, or `unknown` if it prints nothing.
fn output_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    let text = String::from_utf8(text.unwrap_or_default()).unwrap_or_default();
    if text.trim().is_empty() { UNKNOWN.to_owned() } else { text.trim().to_owned() }
}

/// A load that a server did not get through, in one round.
#[derive(Debug, Serialize)]
pub(crate) struct Failure {
    pub(crate) round: u32,
    pub(crate) contender: Contender,
    pub(crate) scenario: Scenario,
    pub(crate) reason: String,
}

/// All results of one run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) origin: Origin,
    pub(crate) measurements: Vec<Measurement>,
    pub(crate) failures: Vec<Failure>,
    pub(crate) verdicts: Vec<Verdict>,
}

impl Report {
    pub(crate) fn new(
        origin: Origin,
        measurements: Vec<Measurement>,
        failures: Vec<Failure>,
    ) -> Self {
        let mut report = Self { origin, measurements, failures, verdicts: Vec::new() };
        report.verdicts = target::judge(&report);
        report
    }

    /// The median over the rounds; `None` where nothing was measured.
    pub(crate) fn median(&self, contender: Contender, cell: &str, metric: Metric) -> Option<f64> {
        let cells = self
            .measurements
            .iter()
            .filter(|measured| measured.contender == contender && measured.cell.name == cell);
        median(cells.filter_map(|measured| measured.cell.values.get(&metric).copied()))
    }

    fn contenders(&self) -> Vec<Contender> {
        let all: BTreeSet<_> = self.measurements.iter().map(|m| m.contender).collect();
        all.into_iter().collect()
    }

    /// The names of the cells in the order in which they were first measured.
    fn cells(&self) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        let names = self.measurements.iter().map(|measured| measured.cell.name.as_str());
        names.filter(|name| seen.insert(*name)).collect()
    }

    /// The report as Markdown: origin, verdicts, one table of medians and ratios per cell.
    pub(crate) fn markdown(&self) -> String {
        let contenders = self.contenders();
        let peers: Vec<_> = contenders.iter().copied().filter(|&c| c != Contender::Hub).collect();
        let has_ratios = peers.len() < contenders.len();
        let rounds = self.measurements.iter().map(|measured| measured.round).max().unwrap_or(0);
        let mut text =
            self.origin.heading(&format!("medians of {rounds} rounds, servers in turns"));
        self.write_caveats(&mut text);
        self.write_verdicts(&mut text);
        for cell in self.cells() {
            let _ = write!(text, "\n## {cell}\n\n| |");
            contenders.iter().for_each(|c| {
                let _ = write!(text, " {} |", c.name());
            });
            if has_ratios {
                peers.iter().for_each(|c| {
                    let _ = write!(text, " hub / {} |", c.name());
                });
            }
            let columns = contenders.len() + if has_ratios { peers.len() } else { 0 };
            let _ = writeln!(text, "\n| --- |{}", " ---: |".repeat(columns));
            for metric in self.metrics(cell) {
                let _ = write!(text, "| {} |", metric.title());
                for &contender in &contenders {
                    let value = self.median(contender, cell, metric);
                    let _ = write!(text, " {} |", number(value));
                }
                let hub = self.median(Contender::Hub, cell, metric);
                for &peer in peers.iter().filter(|_| has_ratios) {
                    let ratio =
                        hub.zip(self.median(peer, cell, metric)).map(|(hub, peer)| hub / peer);
                    let _ = write!(
                        text,
                        " {} |",
                        number(ratio.filter(|ratio| metric.compares() && ratio.is_finite()))
                    );
                }
                text.push('\n');
            }
        }
        text
    }

    /// What speaks against the figures: a busy machine, and what could not be measured.
    fn write_caveats(&self, text: &mut String) {
        let others = self
            .measurements
            .iter()
            .filter_map(|measured| measured.cell.values.get(&Metric::OthersBusyPercent).copied());
        let others_percent = others.fold(0.0, f64::max);
        text.extend(not_quiet(others_percent));
        for failure in &self.failures {
            let (round, name) = (failure.round, failure.contender.name());
            let (scenario, reason) = (failure.scenario, &failure.reason);
            let _ = writeln!(text, "\n**Failed** in round {round}: {name}, {scenario:?}: {reason}");
        }
    }

    fn write_verdicts(&self, text: &mut String) {
        let judged: Vec<_> = self.verdicts.iter().filter(|verdict| verdict.met.is_some()).collect();
        if !judged.is_empty() {
            text.push_str("\n| promise | limit | measured | met |\n| --- | ---: | ---: | --- |\n");
            judged.iter().for_each(|verdict| text.push_str(&verdict.row()));
        }
        let unjudged = self.verdicts.len() - judged.len();
        if unjudged > 0 {
            let _ = writeln!(text, "\nPromises that this run did not measure: {unjudged}.");
        }
    }

    fn metrics(&self, cell: &str) -> BTreeSet<Metric> {
        let cells = self.measurements.iter().filter(|measured| measured.cell.name == cell);
        cells.flat_map(|measured| measured.cell.values.keys().copied()).collect()
    }
}

/// A number with as many digits as it deserves.
pub(crate) fn number(value: Option<f64>) -> String {
    match value {
        None => String::new(),
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}
