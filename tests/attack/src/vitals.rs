//! What the hub's process costs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const SAMPLE_EVERY: Duration = Duration::from_millis(100);

/// A sample, or the highest of several.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Vitals {
    /// Resident memory.
    pub(crate) resident_bytes: u64,
    /// Open descriptors.
    pub(crate) descriptors: usize,
}

impl Vitals {
    /// Of a process, now; zero of one that is gone.
    pub(crate) fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
        Self { resident_bytes: kib.unwrap_or(0) * 1024, descriptors }
    }

    fn highest(self, other: Self) -> Self {
        Self {
            resident_bytes: self.resident_bytes.max(other.resident_bytes),
            descriptors: self.descriptors.max(other.descriptors),
        }
    }
}

/// Watches a process on a thread of its own.
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vitals>,
}

impl Watch {
    pub(crate) fn start(pid: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stops = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut highest = Vitals::default();
            while !stops.load(Ordering::Relaxed) {
                highest = highest.highest(Vitals::of(pid));
                thread::sleep(SAMPLE_EVERY);
            }
            highest
        });
        Self { stop, thread }
    }

    /// The highest of what it saw.
    pub(crate) fn finish(self) -> Vitals {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

/// What a process has had of the processors since a moment.
pub(crate) struct Processor {
    pid: u32,
    began: Instant,
    before: Duration,
}

impl Processor {
    /// From now on.
    pub(crate) fn of(pid: u32) -> Self {
        Self { pid, began: Instant::now(), before: time_of(pid) }
    }

    /// How many processors it kept busy, on average.
    pub(crate) fn cores(&self) -> f64 {
        let used = time_of(self.pid).saturating_sub(self.before);
        used.as_secs_f64() / self.began.elapsed().as_secs_f64().max(1e-9)
    }
}

/// User and system time of a process; Linux counts it in hundredths of a second for programs.
fn time_of(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name before it may hold anything, so fields are counted from its closing parenthesis.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = fields.split_whitespace().skip(11).take(2).filter_map(|it| it.parse::<u64>().ok());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

/// Counts the lines of a log as it grows.
pub(crate) struct LogLines {
    path: PathBuf,
    read_bytes: usize,
}

impl LogLines {
    pub(crate) fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), read_bytes: 0 }
    }

    /// Lines since the last call.
    pub(crate) fn take(&mut self) -> usize {
        let bytes = fs::read(&self.path).unwrap_or_default();
        let new = bytes.get(self.read_bytes..).unwrap_or_default();
        self.read_bytes = bytes.len();
        memchr::memchr_iter(b'\n', new).count()
    }
}
