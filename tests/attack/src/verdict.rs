//! What is promised under attack.

use std::time::Duration;

use crate::arena::Trial;
use crate::attack::Demand;

const MIB: u64 = 1024 * 1024;

/// The promises' bounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The 99th percentile under attack, at most.
    pub(crate) p99_max: Duration,
    /// That by the one without an attack, at most; none where a machine is too busy for it to say something.
    pub(crate) p99_ratio_max: Option<f64>,
    pub(crate) resident_bytes_max: u64,
    /// Over those at rest, after the attack.
    pub(crate) resident_bytes_kept_max: u64,
    /// Over those at rest and one and a half for each hostile connection: one that is left comes again before the hub has
    /// seen its end.
    pub(crate) descriptors_more_max: usize,
    pub(crate) log_lines_per_second_max: f64,
}

impl Bounds {
    /// What is promised at 1 000 events a second.
    pub(crate) const PROMISED: Self = Self {
        p99_max: Duration::from_millis(20),
        p99_ratio_max: Some(2.0),
        resident_bytes_max: 256 * MIB,
        resident_bytes_kept_max: 64 * MIB,
        descriptors_more_max: 64,
        log_lines_per_second_max: 100.0,
    };
    /// What a debug build on a busy machine keeps too.
    pub(crate) const COARSE: Self = Self {
        p99_max: Duration::from_secs(4),
        p99_ratio_max: None,
        resident_bytes_max: 384 * MIB,
        ..Self::PROMISED
    };
}

/// Below this a doubled latency is the machine's noise: a timer's tick and a switch of threads.
const P99_NOISE: Duration = Duration::from_millis(4);

/// A sentence for each promise that a trial shows broken.
pub(crate) fn broken(trial: &Trial, bounds: &Bounds) -> Vec<String> {
    let mut broken = Vec::new();
    if trial.is_hub_gone {
        broken.push(String::from("the hub's process ended"));
    }
    let (before, under) = (trial.baseline.latencies.at(99), trial.assault.latencies.at(99));
    if trial.assault.latencies.count() == 0 {
        broken.push(String::from("no event came through"));
    }
    if under > bounds.p99_max {
        broken.push(format!(
            "p99 {} is over {}; without an attack it was {}",
            ms(under),
            ms(bounds.p99_max),
            ms(before)
        ));
    } else if let Some(ratio_max) = bounds.p99_ratio_max
        && under > P99_NOISE
        && under.as_secs_f64() > before.as_secs_f64() * ratio_max
    {
        let ratio = under.as_secs_f64() / before.as_secs_f64().max(1e-9);
        broken.push(format!("p99 is {ratio:.1} times the quiet one, at most {ratio_max}"));
    }
    let mut over = |what: &str, is: u64, max: u64, unit: &str| {
        if is > max {
            broken.push(format!("{what} {is}{unit}, at most {max}{unit}"));
        }
    };
    let mib = |bytes: u64| bytes / MIB;
    over("memory", mib(trial.peak.resident_bytes), mib(bounds.resident_bytes_max), " MiB");
    let kept = trial.afterwards.resident_bytes.saturating_sub(trial.at_rest.resident_bytes);
    over("memory kept afterwards", mib(kept), mib(bounds.resident_bytes_kept_max), " MiB");
    let hostile_max = trial.connections + trial.connections / 2;
    let open_max = trial.at_rest.descriptors + hostile_max + bounds.descriptors_more_max;
    over("descriptors", trial.peak.descriptors as u64, open_max as u64, "");
    let left = trial.afterwards.descriptors.saturating_sub(trial.at_rest.descriptors);
    over("descriptors kept afterwards", left as u64, bounds.descriptors_more_max as u64, "");
    over("well-behaved disconnected", trial.assault.disconnected as u64, 0, "");
    over("newcomers locked out", trial.assault.locked_out as u64, 0, "");
    over("deliveries lost", trial.assault.lost, 0, "");
    over("events unanswered", trial.assault.unanswered as u64, 0, "");
    over("events refused", trial.assault.refused as u64, 0, "");
    if trial.log_lines_per_second > bounds.log_lines_per_second_max {
        broken.push(format!(
            "{:.0} log lines a second, at most {:.0}",
            trial.log_lines_per_second, bounds.log_lines_per_second_max
        ));
    }
    broken.extend(unmet(trial));
    if let Some(refusal) = &trial.assault.first_refusal {
        broken.push(format!("a well-behaved client was refused: {refusal}"));
    }
    broken
}

/// A sentence where the hub did not do about an attack what it must.
fn unmet(trial: &Trial) -> Option<String> {
    match trial.demand? {
        Demand::Closed => (trial.tally.closed < trial.connections).then(|| {
            let Trial { connections, tally, .. } = trial;
            format!("only {} of {connections} hostile connections were closed", tally.closed)
        }),
        Demand::Refused => match (trial.tally.accepted, trial.tally.refused) {
            (0, 0) => Some(String::from("none of its requests was answered")),
            (0, _) => None,
            (accepted, _) => Some(format!("{accepted} requests accepted, at most 0")),
        },
        Demand::AcceptedAtMost { burst, per_second } => {
            let max = burst as f64 + per_second as f64 * trial.lasted.as_secs_f64().ceil();
            let accepted = trial.tally.accepted;
            (accepted as f64 > max)
                .then(|| format!("{accepted} requests accepted, at most {max:.0}"))
        }
    }
}

/// Milliseconds with a digit behind the point.
pub(crate) fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crowd::Noticed;
    use crate::horde::Tally;
    use crate::vitals::Vitals;
    use chaos::load::Percentiles;

    fn noticed(p99_ms: u64) -> Noticed {
        let latencies = Percentiles::of(vec![Duration::from_millis(p99_ms)]);
        Noticed { latencies, ..Noticed::default() }
    }

    fn calm() -> Trial {
        let vitals = Vitals { resident_bytes: 30 * MIB, descriptors: 250 };
        Trial {
            name: String::from("calm"),
            connections: 10,
            baseline: noticed(5),
            at_rest: vitals,
            assault: noticed(9),
            peak: vitals,
            log_lines_per_second: 1.0,
            demand: None,
            lasted: Duration::from_secs(8),
            quiet_cores: 0.5,
            attacked_cores: 0.9,
            tally: Tally::default(),
            afterwards: vitals,
            is_hub_gone: false,
        }
    }

    #[track_caller]
    fn check(harm: impl FnOnce(&mut Trial), expected: &[&str]) {
        let mut trial = calm();
        harm(&mut trial);
        assert_eq!(broken(&trial, &Bounds::PROMISED), expected);
    }

    #[test]
    fn a_calm_trial_breaks_nothing() {
        check(|_| {}, &[]);
    }

    #[test]
    fn each_promise_can_be_broken() {
        check(
            |trial| trial.assault = noticed(21),
            &["p99 21.0 ms is over 20.0 ms; without an attack it was 5.0 ms"],
        );
        check(|trial| trial.assault = noticed(15), &["p99 is 3.0 times the quiet one, at most 2"]);
        check(|trial| trial.peak.resident_bytes = 257 * MIB, &["memory 257 MiB, at most 256 MiB"]);
        check(
            |trial| trial.afterwards.resident_bytes = 130 * MIB,
            &["memory kept afterwards 100 MiB, at most 64 MiB"],
        );
        check(
            |trial| trial.afterwards.descriptors = 350,
            &["descriptors kept afterwards 100, at most 64"],
        );
        check(|trial| trial.assault.disconnected = 1, &["well-behaved disconnected 1, at most 0"]);
        check(|trial| trial.assault.lost = 2, &["deliveries lost 2, at most 0"]);
        check(
            |trial| trial.log_lines_per_second = 19_800.0,
            &["19800 log lines a second, at most 100"],
        );
        check(
            |trial| trial.demand = Some(Demand::Closed),
            &["only 0 of 10 hostile connections were closed"],
        );
        check(
            |trial| {
                trial.demand = Some(Demand::AcceptedAtMost { burst: 10, per_second: 2 });
                trial.tally.accepted = 27;
            },
            &["27 requests accepted, at most 26"],
        );
        check(
            |trial| {
                trial.demand = Some(Demand::Refused);
                (trial.tally.accepted, trial.tally.refused) = (1, 99);
            },
            &["1 requests accepted, at most 0"],
        );
        check(|trial| trial.demand = Some(Demand::Refused), &["none of its requests was answered"]);
        check(|trial| trial.is_hub_gone = true, &["the hub's process ended"]);
    }
}
