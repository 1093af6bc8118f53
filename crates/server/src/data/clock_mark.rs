//! What time it was when the server last ran: a wall clock that is days ahead after a boot is not believed because of it.

use std::io;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use foodtrack_shard::Clock;

use super::data_dir::{DataDir, DataDirError};
use super::folder::MarkFile;

const FILE: &str = "clock";
/// How often the time is kept.
const PERIOD: Duration = Duration::from_secs(60);

/// The clock that goes on from where the directory says that it stood.
///
/// # Errors
/// [`DataDirError::Unreadable`]. A file that says no time counts as none: it is not worth a server that does not start.
pub(crate) fn clock(directory: Option<&DataDir>) -> Result<Clock, DataDirError> {
    let Some(directory) = directory else { return Ok(Clock::system()) };
    let kept = directory.read(FILE)?;
    let kept_ms =
        kept.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok()?.trim().parse().ok());
    if kept.is_some() && kept_ms.is_none() {
        tracing::warn!(file = %directory.file(FILE).display(), "says no time: the wall clock is believed");
    }
    Ok(Clock::system().going_on_from(kept_ms))
}

/// The time that the directory says it was when a server last ran there, since the Unix epoch; `None` where it says none.
pub(crate) fn kept_time(directory: &Path) -> Option<Duration> {
    let kept = std::fs::read_to_string(directory.join(FILE)).ok()?;
    kept.trim().parse().ok().map(Duration::from_millis)
}

/// Keeps the time once a minute, on a thread of its own, until it is dropped.
pub(crate) struct ClockKeeper {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ClockKeeper {
    /// Starts to keep the time of a clock that shards read.
    ///
    /// # Errors
    /// The system gave no thread.
    pub(crate) fn start(file: MarkFile, clock: Clock) -> io::Result<Self> {
        let (stop, stopped) = channel();
        let thread = thread::Builder::new().name("clock".into()).spawn(move || {
            let mut is_well = true;
            loop {
                // Without it the next start believes an older time for ten minutes: worth a line, once.
                let kept = keep(&file, clock.believed_ms());
                if let Err(error) = &kept
                    && is_well
                {
                    tracing::warn!(%error, "the time is not kept for the next start");
                }
                is_well = kept.is_ok();
                if stopped.recv_timeout(PERIOD) != Err(RecvTimeoutError::Timeout) {
                    let _ = keep(&file, clock.believed_ms());
                    return;
                }
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for ClockKeeper {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so on its way out.
            let _ = thread.join();
        }
    }
}

fn keep(file: &MarkFile, believed_ms: u64) -> io::Result<()> {
    // Nobody has looked at the clock yet.
    if believed_ms == 0 {
        return Ok(());
    }
    file.replace(format!("{believed_ms}\n").as_bytes())
}

/// The file that says what time it was.
pub(crate) fn mark_file(directory: &DataDir) -> MarkFile {
    directory.mark(FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_kept_for_the_next_start_and_a_file_that_says_none_is_no_obstacle() {
        let path = std::env::temp_dir().join(format!("foodtrack-clock-{}", std::process::id()));
        let directory = DataDir::open(&path).unwrap();
        let file = mark_file(&directory);
        keep(&file, 0).unwrap();
        assert_eq!(directory.read(FILE).unwrap(), None);
        keep(&file, 1_795_435_200_042).unwrap();
        assert!(format!("{:?}", clock(Some(&directory)).unwrap()).contains("1795435200042"));
        file.replace(b"noon").unwrap();
        assert!(format!("{:?}", clock(Some(&directory)).unwrap()).contains("None"));
        std::fs::remove_dir_all(path).unwrap();
    }
}
