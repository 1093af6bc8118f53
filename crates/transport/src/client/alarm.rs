//! When the application wants to look at a client.

/// One time at most, and one entry of the wheel that matters.
pub(crate) struct Alarm {
    /// Never, where the application does not want to.
    at_ms: u64,
    /// The earliest entry in the wheel.
    timer_ms: u64,
}

impl Default for Alarm {
    fn default() -> Self {
        Self { at_ms: u64::MAX, timer_ms: u64::MAX }
    }
}

impl Alarm {
    /// Sets the time, in place of an earlier call's. Returns whether the wheel is to be told: it knows of an earlier time otherwise.
    pub(crate) fn set(&mut self, at_ms: u64) -> bool {
        self.at_ms = at_ms;
        let is_earlier = at_ms < self.timer_ms;
        if is_earlier {
            self.timer_ms = at_ms;
        }
        is_earlier
    }

    /// An entry of the wheel has come. Returns whether the application is to look now, or when the wheel is to be told again.
    pub(crate) fn expire(&mut self, now_ms: u64) -> Ring {
        if self.timer_ms > now_ms {
            return Ring::No;
        }
        self.timer_ms = u64::MAX;
        if self.at_ms > now_ms {
            if self.at_ms == u64::MAX {
                return Ring::No;
            }
            self.timer_ms = self.at_ms;
            return Ring::At(self.at_ms);
        }
        self.at_ms = u64::MAX;
        Ring::Now
    }
}

/// What follows from an entry of the wheel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ring {
    No,
    Now,
    At(u64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_that_was_put_off_rings_once_at_its_new_time() {
        let mut alarm = Alarm::default();
        assert!(alarm.set(100));
        assert!(!alarm.set(200), "the wheel asks at 100 anyway");
        assert_eq!(alarm.expire(100), Ring::At(200));
        assert!(alarm.set(150));
        assert_eq!(alarm.expire(150), Ring::Now);
        assert_eq!(alarm.expire(200), Ring::No, "the older entry means nothing");
    }
}
