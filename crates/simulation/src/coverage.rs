//! What runs went through.

use std::fmt;

/// How often each thing happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage([u64; Counted::ALL.len()]);

macro_rules! counted {
    ($($name:ident => $text:literal,)*) => {
        /// What is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each says itself what it is as text")]
        pub enum Counted {
            $($name,)*
        }

        impl Counted {
            /// All of them.
            pub const ALL: [Self; [$($text),*].len()] = [$(Self::$name),*];

            /// In words.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

counted! {
    Published => "events published over connections",
    PublishedOverHttp => "events published over HTTP",
    Acknowledged => "events acknowledged",
    Refused => "publications refused",
    Unanswered => "publications whose answer was lost",
    Delivered => "events delivered",
    AskedFor => "events that asked for an acknowledgement",
    Confirmed => "acknowledgements of them that came",
    Connected => "sessions begun",
    Recovered => "sessions recovered",
    Torn => "connections torn",
    Reloaded => "pages opened anew",
    Paused => "clients that did not read for a while",
    Upgraded => "changes from polling to WebSocket",
    Polled => "answers to polls",
    Repeated => "requests that a browser sent again",
    Subscribed => "rooms entered",
    Unsubscribed => "rooms left",
    Killed => "processes killed",
    PowerLost => "machines that lost power",
    Stopped => "processes asked to stop",
    Commits => "commits",
    DiskFull => "commits that found no room",
    SyncFailed => "syncs that failed",
    ChangesLost => "changes that a crash took from the disk",
    ClockJumped => "jumps of the wall clock",
    Absent => "times when nobody was there for minutes",
    LogsClosed => "logs closed because nobody was there",
    LookedFor => "messages looked for by their ids",
}

impl Coverage {
    /// Counts something.
    pub fn add(&mut self, what: Counted, count: u64) {
        self.0[what as usize] += count;
    }

    /// How often it happened.
    pub fn get(&self, what: Counted) -> u64 {
        self.0[what as usize]
    }

    /// Adds another run's.
    pub fn absorb(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(own, more)| *own += more);
    }

    /// What never happened.
    pub fn missing(&self) -> impl Iterator<Item = Counted> {
        Counted::ALL.into_iter().filter(|what| self.get(*what) == 0)
    }
}

/// One line for each.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for what in Counted::ALL {
            writeln!(f, "{:>12} {}", self.get(what), what.as_str())?;
        }
        Ok(())
    }
}
