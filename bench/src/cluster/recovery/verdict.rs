//! What became of the sessions, and of what they were to get.

use super::audience::Audience;
use crate::figures::Column;
use crate::latencies::Latencies;

/// Adds how they came back, and what they lost. `all_back` is what the time of the last one is called.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(super) fn add(audience: &mut Audience, all_back: &str, column: &mut Column) {
    let killed = audience.all.iter().filter(|client| client.was_killed);
    let sessions = killed.clone().count();
    let recovered = killed.clone().filter(|client| client.is_recovered).count();
    let mut back = Latencies::default();
    for client in killed {
        let took = client.back.and_then(|it| u64::try_from(it.as_nanos()).ok());
        took.into_iter().for_each(|ns| back.push(ns));
    }
    back.sort();
    column.add("sessions of the killed node", sessions as f64);
    column.add("of them recovered %", 100.0 * recovered as f64 / sessions as f64);
    let last = (back.len() == sessions).then(|| back.percentile_us(1_000)).flatten();
    for (name, us) in [
        ("s from the kill until half were back", back.percentile_us(500)),
        ("s from the kill until 99 % were back", back.percentile_us(990)),
        (all_back, last),
    ] {
        column.add(name, us.map(|us| us / 1e6));
    }
    column.add("longest from emit to receipt, s", audience.longest_ns as f64 / 1e9);
    let counts = Counts::of(audience);
    for (name, value) in [
        ("durable receipts expected", counts.expected),
        ("lost", counts.lost),
        ("repeated", counts.repeated),
        ("foreign", counts.foreign),
        ("events never answered", counts.unanswered),
        ("refused", audience.refused),
        ("gaps told", audience.gaps),
    ] {
        column.add(name, value as f64);
    }
}

/// Receipts: what is counted is an event at one of its sessions.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    /// Of events that were answered.
    expected: u64,
    lost: u64,
    repeated: u64,
    /// At sessions of another tenant, or at a publisher.
    foreign: u64,
    unanswered: u64,
}

impl Counts {
    fn of(audience: &mut Audience) -> Self {
        let tenants = audience.tenants;
        let unanswered = audience.answered.iter().filter(|&&answered| !answered).count() as u64;
        let mut counts = Self { unanswered, ..Self::default() };
        for client in 0..audience.all.len() {
            let tenant = audience.tenant(client);
            let is_session = !audience.is_publisher(client);
            let received = &mut audience.all[client].received;
            received.sort_unstable();
            let all = received.len();
            received.dedup();
            counts.repeated += (all - received.len()) as u64;
            let is_own = |number: &u32| is_session && *number as usize % tenants == tenant;
            counts.foreign += received.iter().filter(|number| !is_own(number)).count() as u64;
            if !is_session {
                continue;
            }
            let answered = &audience.answered;
            for number in (tenant..answered.len()).step_by(tenants).filter(|&it| answered[it]) {
                let number = u32::try_from(number).unwrap_or(u32::MAX);
                counts.expected += 1;
                counts.lost += u64::from(received.binary_search(&number).is_err());
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::recovery::SESSIONS;
    use crate::dialect::Dialect;

    #[test]
    fn each_session_is_to_have_each_answered_event_of_its_tenant_once() {
        let mut audience = Audience::new(Dialect::Hub, 2).unwrap();
        (0..3).for_each(|_| drop(audience.next_event()));
        // Event 1, of the second tenant, is not answered.
        (audience.answered[0], audience.answered[2]) = (true, true);
        let first = 2;
        audience.all[first..first + SESSIONS].iter_mut().for_each(|it| it.received = vec![0, 2]);
        audience.all[first].received = vec![2, 0, 2];
        audience.all[first + 1].received = vec![0];
        audience.all[first + SESSIONS].received = vec![1, 2];
        let expected = 2 * SESSIONS as u64;
        let counts = Counts { expected, lost: 1, repeated: 1, foreign: 1, unanswered: 1 };
        assert_eq!(Counts::of(&mut audience), counts);
    }
}
