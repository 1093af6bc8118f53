//! Two servers at once, and the load changes between them every second: for costs that lie close together.
//!
//! A machine whose speed drifts over half a minute is then as fast for the one as for the other. What a server does later for
//! a turn's events, such as writing and trimming its log, counts for that turn: its CPU time is taken from one turn's start to
//! its next one's.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::Options;
use crate::contender::Contender;
use crate::latencies::median;
use crate::report::{Origin, number};
use crate::run::{RunError, or_last_words, prepare, stand};
use crate::scenario::Scenario;
use crate::server_process::Cpu;
use crate::workload::{Publishers, Stand, WorkloadError, fan_out, load_for, run_out, settle};

/// How long the load is with one of them.
const TURN: Duration = Duration::from_secs(1);
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
    stand: Stand,
    publishers: Publishers,
    /// At the start of each of its turns.
    marks: Vec<Mark>,
}

/// Measures the second of `servers` against the first. `hubs` are the hub's binaries for them; `in_flight` is the window that
/// counts, where it is not all of them.
///
/// # Errors
/// A server is missing or does not get through a load, or the run was interrupted. Both have ended.
pub(crate) fn run(
    servers: [Contender; 2],
    hubs: [&Path; 2],
    in_flight: Option<usize>,
    options: &Options,
) -> Result<PairReport, RunError> {
    let (origin, interrupted) = prepare(options)?;
    let turns = options.rounds.unwrap_or(if options.quick { 5 } else { 30 });
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
            let mut stand = stand(contender, hub, &name, options, &interrupted)?;
            let publishers = fan_out::open(&mut stand, rooms)?;
            Ok(Side { contender, stand, publishers, marks: Vec::new() })
        };
        let [first, second] = [0, 1].map(|place| open(place).map_err(failed(servers[place])));
        let mut sides = [first?, second?];
        let windows = fan_out::WINDOWS.into_iter();
        for window in windows.filter(|window| in_flight.is_none_or(|wanted| wanted == *window)) {
            // The first turn of each is for what is slow only once, such as growing a heap; the last one only ends the one
            // before.
            for n in 0..=turns + 1 {
                for side in &mut sides {
                    let result = side.turn(window, n <= turns);
                    or_last_words(result, &mut side.stand.server)
                        .map_err(failed(side.contender))?;
                }
                if (2..=turns + 1).contains(&n) {
                    let costs =
                        sides.each_ref().map(|side| cost(&side.marks[side.marks.len() - 2..]));
                    println!("{}, turn {}: {}", rooms.name(window), n - 1, show(costs));
                }
            }
            let marks = sides.each_mut().map(|side| side.marks.split_off(1));
            sides.iter_mut().for_each(|side| side.marks.clear());
            cells.push(PairCell::new(rooms.name(window), &marks));
        }
    }
    Ok(PairReport { origin, servers, cells })
}

impl Side {
    fn turn(&mut self, window: usize, is_loaded: bool) -> Result<(), WorkloadError> {
        let Self { stand, publishers, .. } = self;
        // Heartbeats came in while the other one had its turn.
        settle(stand, Duration::from_millis(10))?;
        self.marks.push(Mark { cpu: stand.server.cpu()?, deliveries: stand.swarm.deliveries });
        if is_loaded {
            load_for(stand, publishers, window, TURN)?;
            run_out(stand, publishers)?;
            settle(stand, REST)?;
        }
        Ok(())
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
    fn new(name: String, marks: &[Vec<Mark>; 2]) -> Self {
        let [first, second] = marks;
        let turns: Vec<[f64; 2]> =
            first.windows(2).zip(second.windows(2)).map(|(a, b)| [cost(a), cost(b)]).collect();
        let mut ratios: Vec<f64> = turns.iter().map(|[first, second]| second / first).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        let at = |per_four: usize| ratios[(ratios.len() - 1) * per_four / 4];
        let costs = [cost(first), cost(second)];
        let user = [first, second].map(|marks| {
            let (cpu, deliveries) = between(marks);
            cpu.user_us / deliveries
        });
        Self {
            name,
            cpu_us_per_delivery: costs,
            cpu_user_us_per_delivery: user,
            ratio: costs[1] / costs[0],
            ratio_p50: median(ratios.iter().copied()).unwrap_or(f64::NAN),
            ratio_quartiles: [at(1), at(3)],
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
            "both servers at once, {turns} turns of {} s for each",
            TURN.as_secs()
        ));
        let _ = write!(
            text,
            "\nCPU us per delivery, user time in parentheses. The ratio is {second} / {first} over all turns; p50 and the \
             middle half are of the turns' ratios.\n\n\
             | | {first} | {second} | ratio | p50 | middle half |\n| --- | ---: | ---: | ---: | ---: | ---: |\n"
        );
        for cell in &self.cells {
            let [first, second] = [0, 1].map(|side| {
                let (total, user) =
                    (cell.cpu_us_per_delivery[side], cell.cpu_user_us_per_delivery[side]);
                format!("{total:.3} ({user:.3})")
            });
            let [lower, upper] = cell.ratio_quartiles.map(|ratio| number(Some(ratio)));
            let (ratio, p50) = (cell.ratio, cell.ratio_p50);
            let name = &cell.name;
            let _ = writeln!(
                text,
                "| {name} | {first} | {second} | {ratio:.3} | {p50:.3} | {lower} to {upper} |"
            );
        }
        text
    }
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
        let cell = PairCell::new("cell".to_owned(), &[first, second]);
        assert_eq!(cell.turns, [[1.0, 2.0], [3.0, 2.0]]);
        assert_eq!((cell.cpu_us_per_delivery, cell.ratio), ([2.0, 2.0], 1.0));
        assert!((cell.ratio_p50 - f64::midpoint(2.0, 2.0 / 3.0)).abs() < 1e-9);
    }
}
