//! What runs went through.

use std::fmt;

use crate::LogModel;

/// How often each thing happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage([u64; Counted::ALL.len()]);

impl Default for Coverage {
    fn default() -> Self {
        Self([0; Counted::ALL.len()])
    }
}

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
    Hung => "processes suspended",
    LogDisturbed => "times that a log which nodes share was disturbed",
    Doubted => "entries of which a node did not know whether they came through",
    Unreached => "entries that did not reach what nodes share",
    StreamFull => "entries that found no room in what nodes share",
    KnownAgain => "entries that what nodes share knew again",
    NoticesLost => "notices of what others wrote that were lost",
    NoticesRepeated => "notices of what others wrote that came twice",
    NotesHeard => "notes of other nodes that were heard",
    Reopened => "logs opened anew after what could not be heard",
}

impl Counted {
    /// Whether only nodes that share a log go through it.
    pub fn is_of_nodes(self) -> bool {
        self as usize >= Self::Hung as usize
    }

    /// Whether only a hub alone goes through it.
    pub fn is_of_one(self) -> bool {
        matches!(
            self,
            Self::PowerLost
                | Self::Commits
                | Self::DiskFull
                | Self::SyncFailed
                | Self::ChangesLost
                | Self::Absent
                | Self::LogsClosed
                | Self::LookedFor
        )
    }
}

impl Coverage {
    /// Counts something.
    pub fn add(&mut self, what: Counted, count: u64) {
        self.0[what as usize] += count;
    }

    /// Counts what a log went through.
    pub(crate) fn add_log(&mut self, log: &LogModel) {
        if let Some(disk) = log.disk() {
            let counts = disk.counts();
            self.add(Counted::Commits, counts.commits);
            self.add(Counted::DiskFull, counts.full);
            self.add(Counted::SyncFailed, counts.failed);
            self.add(Counted::ChangesLost, counts.lost);
            self.add(Counted::LogsClosed, counts.closed);
            self.add(Counted::LookedFor, counts.looked_for);
        }
        if let Some(stream) = log.stream() {
            let counts = stream.counts();
            self.add(Counted::Doubted, counts.doubted);
            self.add(Counted::Unreached, counts.unreached);
            self.add(Counted::StreamFull, counts.full);
            self.add(Counted::KnownAgain, counts.repeated);
            self.add(Counted::NoticesLost, counts.notices_lost);
            self.add(Counted::NoticesRepeated, counts.notices_repeated);
            self.add(Counted::NotesHeard, counts.notes_heard);
            self.add(Counted::Reopened, counts.reopened);
        }
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
