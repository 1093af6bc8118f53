//! What an attack is.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// A kind of hostility.
pub(crate) struct Attack {
    /// What `--only` calls it.
    pub(crate) name: &'static str,
    /// What it does, in a line.
    pub(crate) about: &'static str,
    /// How many connections it has where it is alone.
    pub(crate) connections: usize,
    /// Where they come from.
    pub(crate) sources: Sources,
    /// What the hub runs in while this attack is alone.
    pub(crate) surroundings: Surroundings,
    /// What the hub must do about it beside serving others.
    pub(crate) demand: Option<Demand>,
    /// Makes its connection of this number.
    pub(crate) hostile: fn(usize) -> Box<dyn Hostile>,
}

/// What must become of an attack's own connections and requests, where it is alone.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Demand {
    /// The hub ends each of them, most often before the attack is over.
    Closed,
    /// The hub answers their requests, and accepts none of them.
    Refused,
    /// The hub accepts so many of their requests at once and a second, and no more.
    AcceptedAtMost {
        /// At once.
        burst: usize,
        /// In each second.
        per_second: usize,
    },
}

impl Attack {
    /// An attack from many addresses, on a hub in usual surroundings.
    pub(crate) const fn new(
        name: &'static str,
        about: &'static str,
        connections: usize,
        hostile: fn(usize) -> Box<dyn Hostile>,
    ) -> Self {
        let surroundings = Surroundings::USUAL;
        let (sources, demand) = (Sources::Many, None);
        Self { name, about, connections, sources, surroundings, demand, hostile }
    }
}

/// Where hostile connections come from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sources {
    /// All from one address.
    One,
    /// Each from its own.
    Many,
}

impl Sources {
    /// The address of a horde's connection.
    pub(crate) fn address(self, number: usize) -> Ipv4Addr {
        let part = |value: usize| u8::try_from(value % 250 + 1).unwrap_or(1);
        match self {
            Self::One => Ipv4Addr::new(127, 66, 0, 1),
            Self::Many => Ipv4Addr::new(127, 70, part(number / 250), part(number)),
        }
    }
}

/// What a hub runs in.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings {
    /// The hard limit of descriptors, where it is low.
    pub(crate) descriptors_max: Option<u64>,
    /// Nobody reads the standard error, and much is written to it.
    pub(crate) is_stderr_unread: bool,
    /// Sections of its configuration beside the usual ones.
    pub(crate) more_config: &'static str,
    /// What is done before the well-behaved come.
    pub(crate) preparation: Option<fn(SocketAddr) -> io::Result<()>>,
}

impl Surroundings {
    /// Nothing out of the ordinary.
    pub(crate) const USUAL: Self =
        Self { descriptors_max: None, is_stderr_unread: false, more_config: "", preparation: None };
}

/// One hostile connection. It is asked what to write next; what it wrote is gone from it.
pub(crate) trait Hostile: Send {
    /// The TCP connection is there, the first time or again.
    fn opened(&mut self, out: &mut Vec<u8>);
    /// Bytes came, if it [reads](Self::reads).
    fn received(&mut self, _bytes: &[u8], _out: &mut Vec<u8>) {}
    /// All that it wrote is with the kernel; what else? Asked about a hundred times a second.
    fn more(&mut self, _now: Instant, _out: &mut Vec<u8>) {}
    /// Whether it reads what the hub sends.
    fn reads(&self) -> bool {
        true
    }
    /// Whether it hangs up now.
    fn hangs_up(&self) -> bool {
        false
    }
    /// Requests of it that the hub has accepted.
    fn accepted(&self) -> usize {
        0
    }
    /// Requests of it that the hub has refused.
    fn refused(&self) -> usize {
        0
    }
    /// How long after its end it comes again.
    fn comes_again_after(&self) -> Duration {
        Duration::from_millis(500)
    }
}
