//! Two servers at once, and the load changes between them within the second: for costs that lie close together.
//!
//! A machine whose speed drifts within seconds is then as fast for the one as for the other. What a server does later for
//! a turn's events, such as writing and trimming its log, counts for that turn: its CPU time is taken from one turn's start to
//! its next one's.
//!
//! Where a process has its memory differs from one start to the next, and so does its speed, by some per cent for as long as it
//! runs: several runs tell how much of a difference is that.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::Options;
use crate::contender::Contender;
use crate::latencies::median;
use crate::report::{Origin, number};
use crate::run::{RunError, fixture, or_last_words, prepare};
use crate::scenario::Scenario;
use crate::server_process::Cpu;
use crate::workload::{Fixture, Publishers, WorkloadError, fan_out, load_for, run_out, settle};

/// How long the load is with one of them.
const TURN: Duration = Duration::from_millis(250);
/// How long both then rest, in which the one finishes what its turn left.
const REST: Duration = Duration::from_millis(150);

/// Two servers' costs under one load.
#[derive(Debug, Serialize)]
pub(crate) struct PairReport {
    pub(crate) origin: Origin,
    pub(crate) servers: [Contender; 2],
    pub(crate) cells: Vec<PairCell>,
}

/// Their costs in one cell.
#[derive(Debug, Serialize)]
pub(crate) struct PairCell {
    pub(crate) name: String,
    /// Turn by turn, CPU microseconds per delivery of the first and the second server.
    pub(crate) turns: Vec<[f64; 2]>,
    /// All of their CPU time over all of their deliveries.
    pub(crate) cpu_us_per_delivery: [f64; 2],
    pub(crate) cpu_user_us_per_delivery: [f64; 2],
    /// The second's cost / the first's, over all turns.
    pub(crate) ratio: f64,
    /// The middle one of the turns' ratios, and the two between which the middle half of them lies.
    pub(crate) ratio_p50: f64,
    pub(crate) ratio_quartiles: [f64; 2],
    /// Run by run.
    pub(crate) run_ratios: Vec<f64>,
}

/// What a server had used and delivered at one moment.
#[derive(Clone, Copy)]
struct Mark {
    cpu: Cpu,
    deliveries: u64,
}

/// A server with its load.
struct Side {
    contender: Contender,
    fixture: Fixture,
    publishers: Publishers,
}

/// Both servers' marks in one cell of one run: at the start of each of their turns, and of the one behind the last.
type Marks = [Vec<Mark>; 2];

/// Measures the second of `servers` against the first. `hubs` are the hub's binaries for them; `in_flight` is the window that
/// counts, where it is not all of them. Both are started anew for each of `runs`, every second time the second one first.
///
/// # Errors
/// A server is missing or does not get through a load, or the run was interrupted. Both have ended.
pub(crate) fn run(
    servers: [Contender; 2],
    hubs: [&Path; 2],
    in_flight: Option<usize>,
    runs: u32,
    options: &Options,
) -> Result<PairReport, RunError> {
    let (origin, interrupted) = prepare(options)?;
    let turns = options.rounds.unwrap_or(if options.quick { 10 } else { 80 });
    let scenarios = match options.scenario.as_slice() {
        [] => &[Scenario::FanOutLarge, Scenario::FanOutSmall],
        chosen => chosen,
    };
    // All of them before the first is measured: it would be in vain.
    let loads = scenarios.iter().map(|&scenario| {
        scenario.rooms().map(|rooms| (scenario, rooms)).ok_or(RunError::NoTurns { scenario })
    });
    let mut cells = Vec::new();
    for (scenario, rooms) in loads.collect::<Result<Vec<_>, _>>()? {
        let failed = |contender| move |source| RunError::Workload { contender, scenario, source };
        let open = |place: usize| -> Result<Side, WorkloadError> {
            let (contender, hub) = (servers[place], [hubs[place], options.hub_config.as_path()]);
            let name = format!("pair-{}", place + 1);
            let mut fixture = fixture(contender, hub, &name, options, &interrupted)?;
            let publishers = fan_out::open(&mut fixture, rooms)?;
            Ok(Side { contender, fixture, publishers })
        };
        let windows = fan_out::WINDOWS.into_iter();
        let windows = windows.filter(|window| in_flight.is_none_or(|wanted| wanted == *window));
        let mut windows: Vec<(usize, Vec<Marks>)> =
            windows.map(|window| (window, Vec::new())).collect();
        for run in 0..runs {
            let order = if run % 2 == 0 { [0, 1] } else { [1, 0] };
            let [one, other] = order.map(|place| open(place).map_err(failed(servers[place])));
            let mut sides = [(order[0], one?), (order[1], other?)];
            for (window, of_runs) in &mut windows {
                let title = format!("{}, run {}", rooms.name(*window), run + 1);
                let marks = in_turns(&mut sides, *window, turns, &title);
                of_runs.push(marks.map_err(|(contender, source)| failed(contender)(source))?);
            }
        }
        let of_load = windows.into_iter();
        cells.extend(of_load.map(|(window, runs)| PairCell::new(rooms.name(window), &runs)));
    }
    Ok(PairReport { origin, servers, cells })
}

/// Measures one cell in one run. The sides have their turns in this order; each has its server's place.
fn in_turns(
    sides: &mut [(usize, Side); 2],
    window: usize,
    turns: u32,
    title: &str,
) -> Result<Marks, (Contender, WorkloadError)> {
    let mut marks = Marks::default();
    // The first turn of each is for what is slow only once, such as growing a heap, and is no part of the figures; the last one
    // only ends the one before.
    for n in 0..=turns + 1 {
        for (place, side) in &mut *sides {
            let result = side.turn(window, n <= turns);
            let mark = or_last_words(result, &mut side.fixture.server)
                .map_err(|source| (side.contender, source))?;
            if n > 0 {
                marks[*place].push(mark);
            }
        }
        if n > 1 {
            let costs = marks.each_ref().map(|marks| cost(&marks[marks.len() - 2..]));
            println!("{title}, turn {}: {}", n - 1, show(costs));
        }
    }
    Ok(marks)
}

impl Side {
    /// Has its turn, and says where its server stood at the start.
    fn turn(&mut self, window: usize, is_loaded: bool) -> Result<Mark, WorkloadError> {
        let Self { fixture, publishers, .. } = self;
        // Heartbeats came in while the other one had its turn.
        settle(fixture, Duration::from_millis(10))?;
        let start = Mark { cpu: fixture.server.cpu()?, deliveries: fixture.swarm.deliveries };
        if is_loaded {
            load_for(fixture, publishers, window, TURN)?;
            run_out(fixture, publishers)?;
            settle(fixture, REST)?;
        }
        Ok(start)
    }
}

fn between(marks: &[Mark]) -> (Cpu, f64) {
    let (Some(first), Some(last)) = (marks.first(), marks.last()) else { return <_>::default() };
    (last.cpu.since(first.cpu), (last.deliveries - first.deliveries) as f64)
}

fn cost(marks: &[Mark]) -> f64 {
    let (cpu, deliveries) = between(marks);
    cpu.total_us() / deliveries
}

fn show(costs: [f64; 2]) -> String {
    format!("{:.3} and {:.3} us/delivery, {:.3}", costs[0], costs[1], costs[1] / costs[0])
}

impl PairCell {
    fn new(name: String, runs: &[Marks]) -> Self {
        let turns_of = |[first, second]: &Marks| -> Vec<[f64; 2]> {
            first.windows(2).zip(second.windows(2)).map(|(a, b)| [cost(a), cost(b)]).collect()
        };
        let turns: Vec<[f64; 2]> = runs.iter().flat_map(turns_of).collect();
        let mut ratios: Vec<f64> = turns.iter().map(|[first, second]| second / first).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        let at = |per_four: usize| ratios[(ratios.len() - 1) * per_four / 4];
        let of_all = |cost_us: fn(Cpu) -> f64| {
            [0, 1].map(|side| {
                let all = runs.iter().map(|marks| between(&marks[side]));
                let (cost, count) = all.fold((0.0, 0.0), |(cost, count), (cpu, deliveries)| {
                    (cost + cost_us(cpu), count + deliveries)
                });
                cost / count
            })
        };
        let costs = of_all(Cpu::total_us);
        Self {
            name,
            cpu_us_per_delivery: costs,
            cpu_user_us_per_delivery: of_all(|cpu| cpu.user_us),
            ratio: costs[1] / costs[0],
            ratio_p50: median(ratios.iter().copied()).unwrap_or(f64::NAN),
            ratio_quartiles: [at(1), at(3)],
            run_ratios: runs.iter().map(|[first, second]| cost(second) / cost(first)).collect(),
            turns,
        }
    }
}

impl PairReport {
    /// The report as Markdown: where it comes from, and a row a cell.
    pub(crate) fn markdown(&self) -> String {
        let [first, second] = self.servers.map(Contender::name);
        let turns = self.cells.iter().map(|cell| cell.turns.len()).max().unwrap_or(0);
        let mut text = self.origin.heading(&format!(
            "both servers at once, {turns} turns of {} ms for each",
            TURN.as_millis()
        ));
        let _ = write!(
            text,
            "\nCPU us per delivery, user time in parentheses. The ratio is {second} / {first} over all turns; p50 and the \
             middle half are of the turns' ratios; the mean is of the runs', with its standard error.\n\n\
             | | {first} | {second} | ratio | p50 | middle half | runs | mean |\n\
             | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        );
        for cell in &self.cells {
            let [first, second] = [0, 1].map(|side| {
                let (total, user) =
                    (cell.cpu_us_per_delivery[side], cell.cpu_user_us_per_delivery[side]);
                format!("{total:.3} ({user:.3})")
            });
            let [lower, upper] = cell.ratio_quartiles.map(|ratio| number(Some(ratio)));
            let (ratio, p50) = (cell.ratio, cell.ratio_p50);
            let (name, runs) = (&cell.name, cell.run_ratios.len());
            let mean = match mean(&cell.run_ratios) {
                (mean, Some(error)) => format!("{mean:.3} \u{b1} {error:.3}"),
                (mean, None) => format!("{mean:.3}"),
            };
            let _ = writeln!(
                text,
                "| {name} | {first} | {second} | {ratio:.3} | {p50:.3} | {lower} to {upper} | {runs} | {mean} |"
            );
        }
        text
    }
}

/// The mean of some numbers, and its standard error where there are several.
fn mean(numbers: &[f64]) -> (f64, Option<f64>) {
    let count = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / count;
    let spread: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
    (mean, (numbers.len() > 1).then(|| (spread / (count - 1.0) / count).sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(of: &[(f64, u64)]) -> Vec<Mark> {
        let mark =
            |&(user_us, deliveries)| Mark { cpu: Cpu { user_us, system_us: 0.0 }, deliveries };
        of.iter().map(mark).collect()
    }

    #[test]
    fn a_turn_is_compared_with_the_turn_beside_it_and_the_ratio_weighs_by_deliveries() {
        let first = marks(&[(0.0, 0), (100.0, 100), (400.0, 200)]);
        let second = marks(&[(0.0, 0), (200.0, 100), (800.0, 400)]);
        let cell = PairCell::new("cell".to_owned(), &[[first, second]]);
        assert_eq!(cell.turns, [[1.0, 2.0], [3.0, 2.0]]);
        assert_eq!((cell.cpu_us_per_delivery, cell.ratio), ([2.0, 2.0], 1.0));
        assert!((cell.ratio_p50 - f64::midpoint(2.0, 2.0 / 3.0)).abs() < 1e-9);
    }

    #[test]
    fn several_runs_are_told_apart_and_what_lies_between_them_is_nobodys() {
        let one = [marks(&[(0.0, 0), (100.0, 100)]), marks(&[(0.0, 0), (100.0, 100)])];
        let other = [marks(&[(900.0, 900), (1000.0, 1000)]), marks(&[(0.0, 0), (300.0, 100)])];
        let cell = PairCell::new("cell".to_owned(), &[one, other]);
        assert_eq!(cell.turns, [[1.0, 1.0], [1.0, 3.0]]);
        assert_eq!((cell.cpu_us_per_delivery, cell.ratio), ([1.0, 2.0], 2.0));
        assert_eq!(cell.run_ratios, [1.0, 3.0]);
        assert_eq!(mean(&cell.run_ratios), (2.0, Some(1.0)));
        assert_eq!(mean(&[1.5]), (1.5, None));
    }
}
