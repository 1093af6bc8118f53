//! Writing much beside others that want the same disk: at a rate, and never with much that is not on disk yet.

use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// After so many bytes a file's are put on disk: a commit that waits for the disk waits behind no more than these. Smaller ones would
/// have the disk seek more often than it writes.
const STRETCH_BYTES: u64 = 2 << 20;
/// How often it is told how far a copy is.
const TOLD_EVERY: Duration = Duration::from_secs(5);

/// How fast a copy is written, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyRate(Option<NonZeroU64>);

impl CopyRate {
    /// As fast as the disk takes it.
    pub const UNLIMITED: Self = Self(None);

    /// So many bytes a second.
    pub const fn per_second(bytes: NonZeroU64) -> Self {
        Self(Some(bytes))
    }

    /// How long so many bytes take at least.
    fn time_of(self, bytes: u64) -> Duration {
        let Some(rate) = self.0 else { return Duration::ZERO };
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate.get());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// What is written.
    pub bytes: u64,
    /// Of about how many bytes.
    pub of: u64,
    /// About how long the rest takes, where that can be told.
    pub left: Option<Duration>,
}

/// Keeps the writer of a file to a rate, and puts what it wrote on disk bit by bit.
pub struct Pacing {
    rate: CopyRate,
    of: u64,
    tell: Box<dyn FnMut(Copied) + Send>,
    begun: Instant,
    told: Instant,
    /// When the stretch that is being written began.
    stretch_begun: Instant,
    /// How much of the file is on disk.
    synced: u64,
}

impl Pacing {
    /// Of a file that will have about `of` bytes. Tells `tell` at once, and then every few seconds, how far it is.
    pub fn start(rate: CopyRate, of: u64, mut tell: Box<dyn FnMut(Copied) + Send>) -> Self {
        let now = Instant::now();
        let left = rate.0.map(|_| rate.time_of(of));
        tell(Copied { bytes: 0, of, left });
        Self { rate, of, tell, begun: now, told: now, stretch_begun: now, synced: 0 }
    }

    /// To be called often, with how many bytes were written into `file` since the start. After a stretch of some MiB they are put on disk, and it
    /// waits until the rate allows the next. A slow disk is not made up for.
    ///
    /// # Errors
    /// What the system said when it put them on disk.
    pub fn wrote(&mut self, file: &File, bytes: u64) -> io::Result<()> {
        let stretch = bytes.saturating_sub(self.synced);
        if stretch < STRETCH_BYTES {
            return Ok(());
        }
        file.sync_data()?;
        self.synced = bytes;
        let spent = self.stretch_begun.elapsed();
        std::thread::sleep(self.rate.time_of(stretch).saturating_sub(spent));
        self.stretch_begun = Instant::now();
        if self.told.elapsed() >= TOLD_EVERY {
            self.told = self.stretch_begun;
            self.tell_of(bytes);
        }
        Ok(())
    }

    fn tell_of(&mut self, bytes: u64) {
        let of = self.of.max(bytes);
        let nanos =
            self.begun.elapsed().as_nanos() * u128::from(of - bytes) / u128::from(bytes.max(1));
        let left = u64::try_from(nanos).ok().map(Duration::from_nanos);
        (self.tell)(Copied { bytes, of, left });
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_copy_keeps_its_rate_and_tells_how_long_it_takes() {
        let mut file = tempfile::tempfile().unwrap();
        let rate = CopyRate::per_second(NonZeroU64::new(32 << 20).unwrap());
        let (tell, told) = channel();
        let begun = Instant::now();
        let tell = Box::new(move |copied| tell.send(copied).unwrap());
        let mut pacing = Pacing::start(rate, 16 << 20, tell);
        for n in 1..=16 {
            file.write_all(&[7; 1 << 20]).unwrap();
            pacing.wrote(&file, n << 20).unwrap();
        }
        assert!(begun.elapsed() >= Duration::from_millis(500), "{:?}", begun.elapsed());
        let left = Some(Duration::from_millis(500));
        assert_eq!(told.recv(), Ok(Copied { bytes: 0, of: 16 << 20, left }));
        pacing.begun = Instant::now().checked_sub(Duration::from_secs(6)).unwrap();
        pacing.tell_of(12 << 20);
        let copied = told.recv().unwrap();
        assert_eq!((copied.bytes, copied.left.unwrap().as_secs()), (12 << 20, 2));
    }
}
