//! The server's pings and how many of them may go unanswered.

use std::num::NonZeroU64;

/// How often a client is asked whether it is there, and how long it may take to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeartbeatConfig {
    /// Between an answer and the next ping; Engine.IO's `pingInterval`.
    pub interval_ms: u64,
    /// How long an answer may take; Engine.IO's `pingTimeout`.
    pub timeout_ms: u64,
    /// After so many pings without an answer the client is given up. 1 is Engine.IO's own behaviour.
    pub missed_max: u8,
}

impl Default for HeartbeatConfig {
    fn default() -> Self {
        Self { interval_ms: 30_000, timeout_ms: 10_000, missed_max: 3 }
    }
}

/// What a deadline asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// Send a ping now; call again at the deadline.
    Ping {
        /// Milliseconds on the caller's clock.
        deadline_ms: u64,
    },
    /// Nothing to do yet: the client was heard since. Call again at the deadline.
    Wait {
        /// Milliseconds on the caller's clock.
        deadline_ms: u64,
    },
    /// The client answered none of the pings it may miss.
    GiveUp,
}

/// One client's heartbeat. Times are milliseconds on any one monotonic clock.
///
/// Hearing a client only notes it: the deadline that is already set looks at the note when it comes, so that a busy
/// client costs no timer operation per packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heartbeat {
    heard_ms: u64,
    /// When the unanswered ping went out, if one is out.
    pinged_ms: Option<NonZeroU64>,
    missed: u8,
}

impl Heartbeat {
    /// Starts the clock; the first deadline is one interval away.
    pub(crate) fn start(now_ms: u64) -> Self {
        Self { heard_ms: now_ms, pinged_ms: None, missed: 0 }
    }

    /// The client said something: an answer to every ping that is out.
    pub(crate) fn heard(&mut self, now_ms: u64) {
        self.heard_ms = now_ms;
        self.missed = 0;
    }

    /// A ping of another kind went out: its answer counts as one to a heartbeat, and the next is due an interval later.
    pub(crate) fn asked(&mut self, now_ms: u64) {
        if self.pinged_ms.is_none_or(|pinged_ms| self.heard_ms >= pinged_ms.get()) {
            self.note_ping(now_ms);
        }
    }

    /// When the client was last heard.
    pub(crate) fn heard_ms(&self) -> u64 {
        self.heard_ms
    }

    /// What to do at a deadline.
    pub(crate) fn expire(&mut self, now_ms: u64, config: &HeartbeatConfig) -> Beat {
        match self.pinged_ms.map(NonZeroU64::get) {
            // Answered since: the next ping is due an interval after the last one's answer.
            Some(pinged_ms) if self.heard_ms >= pinged_ms => {
                self.pinged_ms = None;
                let next_ms = self.heard_ms.max(pinged_ms) + config.interval_ms;
                if next_ms <= now_ms {
                    self.ping(now_ms, config)
                } else {
                    Beat::Wait { deadline_ms: next_ms }
                }
            }
            Some(pinged_ms) if now_ms < pinged_ms + config.timeout_ms => {
                Beat::Wait { deadline_ms: look_ms(now_ms, pinged_ms, config) }
            }
            Some(_) => {
                self.missed += 1;
                if self.missed >= config.missed_max {
                    Beat::GiveUp
                } else {
                    self.ping(now_ms, config)
                }
            }
            None => self.ping(now_ms, config),
        }
    }

    fn ping(&mut self, now_ms: u64, config: &HeartbeatConfig) -> Beat {
        self.note_ping(now_ms);
        Beat::Ping { deadline_ms: look_ms(now_ms, now_ms, config) }
    }

    fn note_ping(&mut self, now_ms: u64) {
        // At 0 the clock has just begun: nobody is pinged then.
        self.pinged_ms = NonZeroU64::new(now_ms);
        // The same millisecond may hold an earlier packet; only what comes after the ping answers it.
        if self.heard_ms == now_ms {
            self.heard_ms = now_ms.saturating_sub(1);
        }
    }
}

/// When to look for the answer to a ping: where the timeout is the longer one, an interval at a time, so that an answer
/// does not wait for the timeout to be followed by the next ping.
fn look_ms(now_ms: u64, pinged_ms: u64, config: &HeartbeatConfig) -> u64 {
    (pinged_ms + config.timeout_ms).min(now_ms + config.interval_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: HeartbeatConfig =
        HeartbeatConfig { interval_ms: 300, timeout_ms: 200, missed_max: 1 };

    #[test]
    fn a_silent_client_is_given_up_after_interval_and_timeout() {
        let mut heartbeat = Heartbeat::start(0);
        assert_eq!(heartbeat.expire(300, &CONFIG), Beat::Ping { deadline_ms: 500 });
        assert_eq!(heartbeat.expire(500, &CONFIG), Beat::GiveUp);
    }

    #[test]
    fn an_answer_buys_another_interval() {
        let mut heartbeat = Heartbeat::start(0);
        heartbeat.expire(300, &CONFIG);
        heartbeat.heard(310);
        assert_eq!(heartbeat.expire(500, &CONFIG), Beat::Wait { deadline_ms: 610 });
        assert_eq!(heartbeat.expire(610, &CONFIG), Beat::Ping { deadline_ms: 810 });
    }

    #[test]
    fn as_many_pings_may_be_missed_as_the_configuration_says() {
        let config = HeartbeatConfig { missed_max: 3, ..CONFIG };
        let mut heartbeat = Heartbeat::start(0);
        assert_eq!(heartbeat.expire(300, &config), Beat::Ping { deadline_ms: 500 });
        assert_eq!(heartbeat.expire(500, &config), Beat::Ping { deadline_ms: 700 });
        assert_eq!(heartbeat.expire(700, &config), Beat::Ping { deadline_ms: 900 });
        assert_eq!(heartbeat.expire(900, &config), Beat::GiveUp);
    }

    #[test]
    fn pings_keep_their_interval_where_the_timeout_is_longer() {
        let config = HeartbeatConfig { interval_ms: 200, timeout_ms: 1_000, missed_max: 1 };
        let mut heartbeat = Heartbeat::start(0);
        assert_eq!(heartbeat.expire(200, &config), Beat::Ping { deadline_ms: 400 });
        heartbeat.heard(201);
        assert_eq!(heartbeat.expire(400, &config), Beat::Wait { deadline_ms: 401 });
        assert_eq!(heartbeat.expire(401, &config), Beat::Ping { deadline_ms: 601 });
        assert_eq!(heartbeat.expire(601, &config), Beat::Wait { deadline_ms: 801 });
        assert_eq!(heartbeat.expire(1_400, &config), Beat::Wait { deadline_ms: 1_401 });
        assert_eq!(heartbeat.expire(1_401, &config), Beat::GiveUp);
    }

    #[test]
    fn an_answer_to_the_second_ping_forgives_the_first() {
        let config = HeartbeatConfig { missed_max: 2, ..CONFIG };
        let mut heartbeat = Heartbeat::start(0);
        heartbeat.expire(300, &config);
        heartbeat.expire(500, &config);
        heartbeat.heard(550);
        assert_eq!(heartbeat.expire(700, &config), Beat::Wait { deadline_ms: 850 });
        assert_eq!(heartbeat.expire(850, &config), Beat::Ping { deadline_ms: 1_050 });
        assert_eq!(heartbeat.expire(1_050, &config), Beat::Ping { deadline_ms: 1_250 });
    }

    #[test]
    fn a_ping_of_another_kind_puts_the_next_heartbeat_off_if_it_is_answered() {
        let mut heartbeat = Heartbeat::start(0);
        heartbeat.asked(200);
        heartbeat.heard(210);
        assert_eq!(heartbeat.expire(300, &CONFIG), Beat::Wait { deadline_ms: 510 });
        assert_eq!(heartbeat.expire(510, &CONFIG), Beat::Ping { deadline_ms: 710 });
        // One that follows an open one does not move its deadline.
        heartbeat.asked(600);
        assert_eq!(heartbeat.expire(710, &CONFIG), Beat::GiveUp);
        let mut heartbeat = Heartbeat::start(0);
        heartbeat.asked(200);
        assert_eq!(heartbeat.expire(300, &CONFIG), Beat::Wait { deadline_ms: 400 });
        assert_eq!(heartbeat.expire(400, &CONFIG), Beat::GiveUp);
    }

    #[test]
    fn a_packet_in_the_millisecond_of_the_ping_but_before_it_is_no_answer() {
        let mut heartbeat = Heartbeat::start(0);
        heartbeat.heard(300);
        assert_eq!(heartbeat.expire(300, &CONFIG), Beat::Ping { deadline_ms: 500 });
        assert_eq!(heartbeat.expire(500, &CONFIG), Beat::GiveUp);
    }
}
