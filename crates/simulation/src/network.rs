//! A network that delivers in order, late, and tears anywhere.

use std::collections::{BTreeSet, VecDeque};

use fastrand::Rng;

/// A link of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkIndex(usize);

impl LinkIndex {
    /// How many links were opened before it.
    pub const fn number(self) -> usize {
        self.0
    }

    /// The link of this number.
    pub(crate) const fn from_number(number: usize) -> Self {
        Self(number)
    }
}

/// A side of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Who opened it.
    Client,
    /// Who was called.
    Server,
}

/// How a link ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tear {
    /// The end that is named closes it: what it had sent still arrives, what was on its way to it does not.
    Close(End),
    /// Something in between resets it: of each direction a part that chance chooses arrives, and both ends hear of it.
    Reset,
    /// The client is gone: the server hears nothing, ever, of what had not arrived.
    Vanish,
}

/// What comes out of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival<P> {
    /// A packet.
    Packet(P),
    /// The link's end: nothing comes behind it.
    Closed,
}

/// Where something comes out, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery<P> {
    /// The link.
    pub link: LinkIndex,
    /// The end that hears it.
    pub to: End,
    /// What arrives.
    pub arrival: Arrival<P>,
}

/// What is on its way to one end: the time of arrival never falls from one to the next.
#[derive(Debug)]
struct Pipe<P> {
    flying: VecDeque<(u64, Arrival<P>)>,
    is_ended: bool,
}

impl<P> Pipe<P> {
    const fn new() -> Self {
        Self { flying: VecDeque::new(), is_ended: false }
    }

    fn push(&mut self, at_ms: u64, arrival: Arrival<P>) {
        if !self.is_ended {
            self.is_ended = matches!(arrival, Arrival::Closed);
            let behind_ms = self.flying.back().map_or(0, |(before_ms, _)| *before_ms);
            self.flying.push_back((at_ms.max(behind_ms), arrival));
        }
    }

    /// Loses what is on its way but for `kept` arrivals.
    fn cut(&mut self, kept: usize) {
        self.flying.truncate(kept);
        self.is_ended = self.flying.back().is_some_and(|(_, last)| matches!(last, Arrival::Closed));
    }
}

/// Links, and what is on its way in them. Times are milliseconds on the caller's clock.
#[derive(Debug)]
pub struct Network<P> {
    /// Of each link what flies to the client, and what flies to the server.
    links: Vec<[Pipe<P>; 2]>,
    /// Links in which something is on its way.
    busy: BTreeSet<usize>,
    latency_ms_max: u64,
    rng: Rng,
}

impl<P> Network<P> {
    /// A network without links, whose packets take up to `latency_ms_max`; chance decides by the seed.
    pub fn new(seed: u64, latency_ms_max: u64) -> Self {
        let (links, busy) = (Vec::new(), BTreeSet::new());
        Self { links, busy, latency_ms_max, rng: Rng::with_seed(seed) }
    }

    /// Opens a link.
    pub fn open(&mut self) -> LinkIndex {
        self.links.push([Pipe::new(), Pipe::new()]);
        LinkIndex(self.links.len() - 1)
    }

    /// Sends a packet to an end. What is sent into a link that has ended is lost, as it is in a socket's buffer.
    pub fn send(&mut self, now_ms: u64, link: LinkIndex, to: End, packet: P) {
        let at_ms = self.arrival_ms(now_ms);
        self.links[link.0][to as usize].push(at_ms, Arrival::Packet(packet));
        self.busy.insert(link.0);
    }

    /// Ends a link; see [`Tear`] for what still arrives.
    pub fn tear(&mut self, now_ms: u64, link: LinkIndex, how: Tear) {
        let at_ms = self.arrival_ms(now_ms);
        let [to_client, to_server] = &mut self.links[link.0];
        match how {
            Tear::Close(by) => {
                let (own, other) = match by {
                    End::Client => (to_client, to_server),
                    End::Server => (to_server, to_client),
                };
                own.cut(0);
                own.is_ended = true;
                other.push(at_ms, Arrival::Closed);
            }
            Tear::Reset => {
                for pipe in [to_client, to_server] {
                    pipe.cut(self.rng.usize(0..=pipe.flying.len()));
                    pipe.push(at_ms, Arrival::Closed);
                }
            }
            Tear::Vanish => {
                for pipe in [to_client, to_server] {
                    pipe.cut(0);
                    pipe.is_ended = true;
                }
            }
        }
        self.busy.insert(link.0);
    }

    /// When the next thing arrives; `None` where nothing is on its way.
    pub fn next_ms(&self) -> Option<u64> {
        let pipes = self.busy.iter().flat_map(|link| &self.links[*link]);
        pipes.filter_map(|pipe| Some(pipe.flying.front()?.0)).min()
    }

    /// Takes what has arrived by now, one at a time; among links that are due at once the one that was opened first.
    pub fn deliver(&mut self, now_ms: u64) -> Option<Delivery<P>> {
        let mut idle = Vec::new();
        let mut found = None;
        for index in &self.busy {
            let pipes = &mut self.links[*index];
            if pipes.iter().all(|pipe| pipe.flying.is_empty()) {
                idle.push(*index);
                continue;
            }
            let mut ends = [End::Client, End::Server].into_iter().zip(pipes);
            let is_due = |pipe: &Pipe<P>| pipe.flying.front().is_some_and(|(at, _)| *at <= now_ms);
            let due = ends.find(|(_, pipe)| is_due(pipe));
            found = due.and_then(|(to, pipe)| Some((*index, to, pipe.flying.pop_front()?.1)));
            if found.is_some() {
                break;
            }
        }
        idle.iter().for_each(|link| _ = self.busy.remove(link));
        found.map(|(link, to, arrival)| Delivery { link: LinkIndex(link), to, arrival })
    }

    fn arrival_ms(&mut self, now_ms: u64) -> u64 {
        now_ms + self.rng.u64(1..=self.latency_ms_max.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten packets each way, ended as told; what each end then hears.
    fn heard(seed: u64, how: Tear) -> [Vec<Arrival<u32>>; 2] {
        let mut network = Network::new(seed, 50);
        let link = network.open();
        for n in 0..10 {
            network.send(0, link, End::Client, n);
            network.send(0, link, End::Server, n);
        }
        network.tear(0, link, how);
        network.send(0, link, End::Client, 99);
        network.send(0, link, End::Server, 99);
        let mut heard = [Vec::new(), Vec::new()];
        while let Some(now_ms) = network.next_ms() {
            let delivery = network.deliver(now_ms).expect("something is due");
            heard[delivery.to as usize].push(delivery.arrival);
        }
        heard
    }

    fn first(count: u32) -> Vec<Arrival<u32>> {
        (0..count).map(Arrival::Packet).collect()
    }

    #[test]
    fn packets_of_a_direction_arrive_in_order_and_never_early() {
        let mut network = Network::new(3, 1_000);
        let link = network.open();
        (0_u32..100).for_each(|n| network.send(u64::from(n), link, End::Server, n));
        let mut next = 0_u32;
        while let Some(now_ms) = network.next_ms() {
            assert!(now_ms >= u64::from(next), "{next} arrived before it was sent");
            let delivery = network.deliver(now_ms).expect("something is due");
            assert_eq!(delivery.arrival, Arrival::Packet(next));
            next += 1;
        }
        assert_eq!(next, 100);
        assert_eq!(network.deliver(u64::MAX), None);
    }

    #[test]
    fn who_closes_is_heard_out_and_hears_nothing_more() {
        let [client, server] = heard(1, Tear::Close(End::Client));
        assert_eq!(client, []);
        assert_eq!(server, [first(10), vec![Arrival::Closed]].concat());
    }

    #[test]
    fn a_reset_cuts_each_direction_anywhere_and_both_ends_hear_of_it() {
        let mut cuts = std::collections::HashSet::new();
        for seed in 0..200 {
            for heard in heard(seed, Tear::Reset) {
                let packets = u32::try_from(heard.len()).expect("few") - 1;
                assert_eq!(heard, [first(packets), vec![Arrival::Closed]].concat());
                cuts.insert(packets);
            }
        }
        assert_eq!(cuts.len(), 11, "every place is cut at");
    }

    #[test]
    fn of_a_client_that_vanished_nobody_hears() {
        assert_eq!(heard(1, Tear::Vanish), [Vec::new(), Vec::new()]);
    }

    #[test]
    fn a_seed_repeats_a_run() {
        assert_eq!(heard(7, Tear::Reset), heard(7, Tear::Reset));
    }
}
