//! One evening with one kind of server, played.

use std::time::{Duration, Instant};

use super::cast::{PEOPLE, Person, Role};
use super::crowd::{Crowd, Presence};
use super::evening::{Evening, Happening};
use super::judge::{Judgement, judge};
use super::order::{LEAVES, LIFE_S, STEPS};
use super::speech::EventNumber;
use crate::latencies::Latencies;
use crate::meter::{Meter, Used};
use crate::servers::Servers;
use crate::swarm::{Swarm, SwarmError, check_deadline};
use crate::workload::WorkloadError;

const OPEN_TIMEOUT: Duration = Duration::from_secs(300);
/// Handshakes under way at once while the evening's people come.
const HANDSHAKES_MAX: usize = 128;
/// How long nothing may come until the evening is over, and how long that is waited for.
const QUIET: Duration = Duration::from_secs(3);
const QUIET_TIMEOUT: Duration = Duration::from_secs(90);
/// The node that is killed.
const VICTIM: usize = 1;

/// What passed while it was measured.
pub(super) struct Measured {
    pub(super) used: Used,
    pub(super) deliveries: u64,
    /// Sorted.
    pub(super) latencies: Latencies,
}

/// People whose node was killed.
struct Killing {
    at: Instant,
    away: Vec<bool>,
    left: usize,
    all_back: Option<Duration>,
}

pub(super) struct Night {
    pub(super) servers: Servers,
    swarm: Swarm,
    pub(super) crowd: Crowd,
    evening: Evening,
    begin: Instant,
    /// The node of each client.
    nodes: Vec<usize>,
    cores: [usize; 2],
    killing: Option<Killing>,
}

impl Night {
    pub(super) fn new(
        servers: Servers,
        swarm: Swarm,
        crowd: Crowd,
        evening: Evening,
        cores: [usize; 2],
    ) -> Self {
        let nodes = vec![0; crowd.apps.len()];
        Self { servers, swarm, crowd, evening, begin: Instant::now(), nodes, cores, killing: None }
    }

    /// Plays it all: everybody comes, orders begin, `minutes` are measured, and the last events arrive.
    pub(super) fn play(&mut self, minutes: u32) -> Result<Measured, WorkloadError> {
        self.swarm.tick_every(Duration::from_millis(2))?;
        self.open()?;
        if self.servers.living().len() > 1 {
            self.evening.kill_node(minutes);
        }
        self.begin = Instant::now();
        self.evening.tear(self.crowd.apps.len(), Duration::ZERO);
        self.play_until(self.evening.clock(LIFE_S))?;
        let meter = Meter::start(&mut self.servers, self.cores)?;
        self.crowd.counts.latencies.clear();
        let before = self.crowd.counts.deliveries;
        self.play_until(self.evening.clock(LIFE_S + 60.0 * f64::from(minutes)))?;
        let measured = self.measured_since(&meter, before)?;
        self.settle()?;
        self.servers.read_memory()?;
        Ok(measured)
    }

    pub(super) fn judge(&mut self) -> Judgement {
        judge(&mut self.crowd)
    }

    /// How long it took until everyone of the killed node was back, where one was killed.
    pub(super) fn all_back(&self) -> Option<Duration> {
        self.killing.as_ref()?.all_back
    }

    fn open(&mut self) -> Result<(), WorkloadError> {
        let people = self.crowd.apps.len();
        let deadline = Instant::now() + OPEN_TIMEOUT;
        let (mut opened, mut here) = (0, 0);
        while here < people {
            while opened < people && opened - here < HANDSHAKES_MAX {
                self.come(opened)?;
                opened += 1;
            }
            self.turn()?;
            here += std::mem::take(&mut self.crowd.came).len();
            for client in self.lines_that_ended()? {
                self.come(client)?;
            }
            check_deadline(deadline, "connecting", OPEN_TIMEOUT)?;
        }
        Ok(())
    }

    fn measured_since(&mut self, meter: &Meter, before: u64) -> Result<Measured, WorkloadError> {
        let used = meter.until_now(&mut self.servers)?;
        let mut latencies = std::mem::take(&mut self.crowd.counts.latencies);
        latencies.sort();
        Ok(Measured { used, deliveries: self.crowd.counts.deliveries - before, latencies })
    }

    fn play_until(&mut self, end: Duration) -> Result<(), WorkloadError> {
        while self.begin.elapsed() < end {
            while let Some(happening) = self.evening.next_due(self.begin.elapsed()) {
                self.happen(happening)?;
            }
            self.turn()?;
            self.follow_up()?;
        }
        Ok(())
    }

    /// Nobody does anything new; who is away comes back, and what was sent arrives.
    fn settle(&mut self) -> Result<(), WorkloadError> {
        let now = self.begin.elapsed();
        for client in 0..self.crowd.apps.len() {
            if self.crowd.apps[client].presence == Presence::Away {
                self.evening.come_back(client, 0, now);
            }
        }
        let deadline = Instant::now() + QUIET_TIMEOUT;
        let (mut deliveries, mut quiet_since) = (0, Instant::now());
        while quiet_since.elapsed() < QUIET && Instant::now() < deadline {
            while let Some(happening) = self.evening.next_due(self.begin.elapsed()) {
                if matches!(happening, Happening::Come(_) | Happening::Resend(_)) {
                    self.happen(happening)?;
                }
            }
            self.turn()?;
            self.follow_up()?;
            let is_settled = |app: &super::crowd::App| {
                app.presence == Presence::Here && app.unanswered.is_empty()
            };
            let now_there = self.crowd.counts.deliveries;
            if now_there != deliveries || !self.crowd.apps.iter().all(is_settled) {
                (deliveries, quiet_since) = (now_there, Instant::now());
            }
        }
        Ok(())
    }

    fn turn(&mut self) -> Result<(), SwarmError> {
        let crowd = &mut self.crowd;
        self.swarm.turn(&mut |client, payload, out| {
            crowd.on_frame(client, payload, out);
            Ok(())
        })
    }

    /// What follows from the frames of a turn.
    fn follow_up(&mut self) -> Result<(), WorkloadError> {
        let now = self.begin.elapsed();
        for number in std::mem::take(&mut self.crowd.answered) {
            self.evening.go_on(self.crowd.orders[number.order()].at_s, number, now);
            if number.step() == LEAVES {
                self.evening.locate(number.order(), now);
            }
        }
        for number in std::mem::take(&mut self.crowd.refused) {
            self.evening.resend(number, now);
        }
        for client in std::mem::take(&mut self.crowd.came) {
            let Some(killing) = &mut self.killing else { continue };
            if std::mem::take(&mut killing.away[client]) {
                killing.left -= 1;
                if killing.left == 0 {
                    killing.all_back = Some(killing.at.elapsed());
                }
            }
        }
        for client in self.lines_that_ended()? {
            let attempts = self.crowd.apps[client].attempts;
            self.crowd.apps[client].attempts += 1;
            self.evening.come_back(client, attempts, now);
        }
        Ok(())
    }

    /// Those whose lines a server or its end has taken; they are away now.
    fn lines_that_ended(&mut self) -> Result<Vec<usize>, SwarmError> {
        let turned_away = std::mem::take(&mut self.crowd.turned_away);
        turned_away.iter().try_for_each(|&client| self.swarm.cut(client))?;
        let mut ended = self.swarm.take_gone();
        ended.extend(turned_away);
        ended.iter().for_each(|&client| self.crowd.apps[client].presence = Presence::Away);
        Ok(ended)
    }

    fn happen(&mut self, happening: Happening) -> Result<(), WorkloadError> {
        let now = self.begin.elapsed();
        match happening {
            Happening::Act(number) => {
                let client = self.actor(number);
                self.crowd.apps[client].unanswered.push(number);
                self.send(client, number)?;
            }
            Happening::Resend(number) => {
                let client = self.actor(number);
                if self.crowd.apps[client].unanswered.contains(&number) {
                    self.send(client, number)?;
                }
            }
            Happening::Location(order) => self.locate(order, now)?,
            Happening::Tear => {
                let client = self.evening.chance.below(self.crowd.apps.len());
                if self.crowd.is_here(client) {
                    self.go_away(client)?;
                    self.evening.come_back(client, 0, now);
                }
                self.evening.tear(self.crowd.apps.len(), now);
            }
            Happening::FallAsleep(phone) => {
                self.go_away(phone)?;
                self.evening.sleep(phone, now);
            }
            Happening::Come(client) => {
                if self.crowd.apps[client].presence == Presence::Away {
                    self.come(client)?;
                }
            }
            Happening::KillNode => self.kill_node()?,
        }
        Ok(())
    }

    fn actor(&self, number: EventNumber) -> usize {
        self.crowd.orders[number.order()].actor(number.step()).client()
    }

    /// Who is not here sends it on coming back.
    fn send(&mut self, client: usize, number: EventNumber) -> Result<(), SwarmError> {
        if self.crowd.is_here(client) {
            self.swarm.send(client, self.crowd.step(number).as_bytes())?;
        }
        Ok(())
    }

    fn locate(&mut self, order: usize, now: Duration) -> Result<(), SwarmError> {
        if self.crowd.orders[order].is_answered(STEPS - 1) {
            return Ok(());
        }
        let courier = self.crowd.orders[order].courier().client();
        if self.crowd.is_here(courier) {
            self.swarm.send(courier, self.crowd.location(order).as_bytes())?;
        }
        self.evening.locate(order, now);
        Ok(())
    }

    fn come(&mut self, client: usize) -> Result<(), SwarmError> {
        let living = self.servers.living();
        let node = living[self.evening.chance.below(living.len())];
        self.nodes[client] = node;
        self.crowd.apps[client].presence = Presence::Coming;
        self.swarm.open_line(client, self.servers.address(node))
    }

    fn go_away(&mut self, client: usize) -> Result<(), SwarmError> {
        self.crowd.apps[client].presence = Presence::Away;
        self.swarm.cut(client)
    }

    fn kill_node(&mut self) -> Result<(), WorkloadError> {
        self.servers.kill(VICTIM)?;
        let is_victim = |client: usize| self.nodes[client] == VICTIM && self.crowd.is_here(client);
        let away: Vec<bool> = (0..self.crowd.apps.len()).map(is_victim).collect();
        let left = away.iter().filter(|&&it| it).count();
        self.killing = Some(Killing { at: Instant::now(), away, left, all_back: None });
        Ok(())
    }
}

/// The clients that are customers' phones.
pub(super) fn phones(restaurants: usize) -> impl Iterator<Item = usize> {
    (0..restaurants * PEOPLE).filter(|&client| Person::of_client(client).role == Role::Customer)
}
