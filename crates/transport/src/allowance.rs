//! What a client may send before its reading waits: every frame and every byte, whatever it means.

/// How far ahead of its rate a client may be: a burst is what it may send in this time.
const BURST_NS: u64 = 1_000_000_000;
/// What a senseless packet costs: 8 a second, for ever.
const SENSELESS_NS: u64 = 125_000_000;
/// And so many at once: answers that come late, and twice.
pub(crate) const SENSELESS_BURST: u64 = 256;
/// The same before joining: there is nothing to answer then but a ping.
pub(crate) const STRANGER_SENSELESS_BURST: u64 = 16;
const SECOND_NS: u64 = 1_000_000_000;

/// Packets and bytes a second; 0 lifts either.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PacketRate {
    pub(crate) packets: u32,
    pub(crate) bytes: u32,
}

/// One client's allowance. Each packet and each byte takes its time by the rate; whoever is further ahead of the clock than
/// a burst waits. So what was sent is two numbers, and no timer refills anything.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Allowance {
    /// Until when what was sent would have taken at the rate.
    spent_until_ns: u64,
    senseless_until_ns: u64,
}

impl Allowance {
    /// Spends packets and bytes that came. Returns for how many milliseconds reading should wait; 0 for not at all.
    pub(crate) fn spend(
        &mut self,
        now_ms: u64,
        packets: u32,
        bytes: usize,
        rate: PacketRate,
    ) -> u32 {
        let each = |count: u64, per_second: u32| match per_second {
            0 => 0,
            per_second => count.saturating_mul(SECOND_NS) / u64::from(per_second),
        };
        let cost = each(packets.into(), rate.packets) + each(bytes as u64, rate.bytes);
        self.spent_until_ns = self.spent_until_ns.max(now_ms * 1_000_000).saturating_add(cost);
        self.over_ms(now_ms)
    }

    /// For how many milliseconds reading should wait; 0 for not at all.
    pub(crate) fn over_ms(&self, now_ms: u64) -> u32 {
        let over_ns = self.spent_until_ns.saturating_sub(now_ms * 1_000_000 + BURST_NS);
        u32::try_from(over_ns.div_ceil(1_000_000)).unwrap_or(u32::MAX)
    }

    /// Notes a packet that can mean nothing, where `burst` may come at once. Returns whether there were too many of them.
    pub(crate) fn note_senseless(&mut self, now_ms: u64, burst: u64) -> bool {
        let now_ns = now_ms * 1_000_000;
        self.senseless_until_ns = self.senseless_until_ns.max(now_ns) + SENSELESS_NS;
        self.senseless_until_ns > now_ns + burst * SENSELESS_NS
    }

    /// Starts anew: another rate holds from now on.
    pub(crate) fn forgive(&mut self) {
        self.spent_until_ns = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: PacketRate = PacketRate { packets: 100, bytes: 10_000 };

    #[test]
    fn a_burst_passes_and_then_a_steady_rate() {
        let mut allowance = Allowance::default();
        assert_eq!(allowance.spend(5_000, 100, 0, RATE), 0);
        assert_eq!(allowance.spend(5_000, 1, 0, RATE), 10);
        assert_eq!(allowance.over_ms(5_009), 1);
        assert_eq!(allowance.over_ms(5_010), 0);
        assert_eq!(
            allowance.spend(6_010, 100, 0, RATE),
            0,
            "a second later all of it is there again"
        );
    }

    #[test]
    fn bytes_count_as_packets_do() {
        let mut allowance = Allowance::default();
        assert_eq!(allowance.spend(0, 0, 10_000, RATE), 0);
        assert_eq!(allowance.spend(0, 0, 100, RATE), 10);
    }

    #[test]
    fn a_rate_of_nothing_is_no_limit() {
        let mut allowance = Allowance::default();
        let lifted = PacketRate { packets: 0, bytes: 0 };
        assert_eq!(allowance.spend(0, u32::MAX, usize::MAX, lifted), 0);
    }

    #[test]
    fn senseless_packets_are_forgiven_slowly() {
        let mut allowance = Allowance::default();
        assert!((0..256).all(|_| !allowance.note_senseless(0, SENSELESS_BURST)));
        assert!(allowance.note_senseless(0, SENSELESS_BURST));
        let mut allowance = Allowance::default();
        assert!((0..10_000).all(|n| !allowance.note_senseless(n * 125, STRANGER_SENSELESS_BURST)));
    }
}
