//! Lines on their way to stderr. Whoever logs puts a line in the queue and goes on; a thread of its own writes. When
//! nobody reads stderr, that thread waits alone, and what the queue does not take is counted.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::one_line::one_line;

/// Lines that wait to be written.
const LINES_MAX: usize = 8_192;
/// Bytes that wait to be written.
const BYTES_MAX: usize = 4 * 1_024 * 1_024;
/// A longer line is cut off.
const LINE_BYTES_MAX: usize = 16 * 1_024;
/// What is written at once.
const BATCH_BYTES: usize = 64 * 1_024;
/// How often the thread looks at what else there is to say, and how long it waits where a sink takes nothing yet.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
const SINK_FULL_WAIT: Duration = Duration::from_millis(10);

/// A bounded queue of lines.
#[derive(Default)]
pub(crate) struct LogQueue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    lines: VecDeque<Box<[u8]>>,
    bytes: usize,
    /// Lines that the thread has taken and not written yet.
    is_writing: bool,
}

impl LogQueue {
    /// Puts a line in, or counts it as dropped. Never waits for who reads.
    pub(crate) fn push(&self, line: &[u8]) {
        let mut waiting = self.lock();
        let cut = line.len().min(LINE_BYTES_MAX);
        if waiting.lines.len() >= LINES_MAX || waiting.bytes + cut > BYTES_MAX {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let mut kept = line[..cut].to_vec();
        if cut < line.len() {
            kept.push(b'\n');
        }
        waiting.bytes += kept.len();
        waiting.lines.push_back(kept.into());
        drop(waiting);
        self.changed.notify_all();
    }

    /// Lines that were dropped since the start.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until all is written, for at most `patience`.
    pub(crate) fn flush(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let mut waiting = self.lock();
        while !waiting.lines.is_empty() || waiting.is_writing {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            waiting = self
                .changed
                .wait_timeout(waiting, left)
                .map_or_else(|error| error.into_inner().0, |(waiting, _)| waiting);
        }
    }

    /// Writes what comes, for ever; calls `look` about once a second with how many lines were dropped since it last was.
    pub(super) fn write_to(&self, sink: &mut impl Write, mut look: impl FnMut(u64)) {
        let (mut looked_at, mut told) = (Instant::now(), 0);
        loop {
            let batch = self.take();
            if !batch.is_empty() && !write_whole(sink, &batch) {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
            self.lock().is_writing = false;
            self.changed.notify_all();
            if looked_at.elapsed() >= LOOK_INTERVAL {
                let dropped = self.dropped();
                look(dropped - told);
                (looked_at, told) = (Instant::now(), dropped);
            }
        }
    }

    /// The oldest lines, as many as are written at once; none where none come for a second.
    fn take(&self) -> Vec<u8> {
        let mut waiting = self.lock();
        if waiting.lines.is_empty() {
            waiting = self
                .changed
                .wait_timeout(waiting, LOOK_INTERVAL)
                .map_or_else(|error| error.into_inner().0, |(waiting, _)| waiting);
        }
        let mut batch = Vec::new();
        while batch.len() < BATCH_BYTES
            && let Some(line) = waiting.lines.pop_front()
        {
            waiting.bytes -= line.len();
            batch.extend_from_slice(&line);
        }
        waiting.is_writing = !batch.is_empty();
        batch
    }

    /// Writes what waits now.
    #[cfg(test)]
    pub(super) fn drain_to(&self, sink: &mut impl Write) -> io::Result<()> {
        let lines = std::mem::take(&mut self.lock().lines);
        lines.iter().try_for_each(|line| sink.write_all(line))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes all of it; false where the sink is broken.
fn write_whole(sink: &mut impl Write, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        match sink.write(bytes) {
            Ok(0) => return false,
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Somebody who shares the terminal or pipe made it non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(SINK_FULL_WAIT);
            }
            Err(_) => return false,
        }
    }
    true
}

/// What the formatter writes its lines to: each `write` is a whole line.
#[derive(Clone)]
pub(super) struct QueueWriter {
    pub(super) queue: Arc<LogQueue>,
    /// Whether the formatter colours its lines.
    pub(super) keeps_colours: bool,
}

impl Write for QueueWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.queue.push(&one_line(line, self.keeps_colours));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// A sink that takes a write only when the test lets it.
    struct Gate {
        open: Receiver<()>,
        written: Sender<Vec<u8>>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.open.recv().is_ok() {
                let _ = self.written.send(bytes.to_vec());
            }
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gated() -> (Arc<LogQueue>, Sender<()>, Receiver<Vec<u8>>) {
        let ((key, open), (written, lines)) = (channel(), channel());
        let queue = Arc::new(LogQueue::default());
        let writer = Arc::clone(&queue);
        std::thread::spawn(move || {
            let teller = Arc::clone(&writer);
            let tell = move |dropped| {
                if dropped > 0 {
                    teller.push(format!("{dropped} lines dropped\n").as_bytes());
                }
            };
            writer.write_to(&mut Gate { open, written }, tell);
        });
        (queue, key, lines)
    }

    #[test]
    fn a_sink_that_takes_nothing_holds_nobody_up_and_costs_a_bounded_amount() {
        let (queue, key, lines) = gated();
        let line = [&[b'x'; 1_000][..], b"\n"].concat();
        for _ in 0..20_000 {
            queue.push(&line);
        }
        assert!(queue.dropped() > 10_000, "{}", queue.dropped());
        {
            let waiting = queue.lock();
            assert!(waiting.bytes <= BYTES_MAX && waiting.lines.len() <= LINES_MAX);
        }
        let started = Instant::now();
        queue.flush(Duration::from_millis(50));
        assert!(started.elapsed() < Duration::from_secs(10));
        // Once it takes something again it hears how much it missed.
        std::thread::spawn(move || while key.send(()).is_ok() {});
        let told = lines
            .iter()
            .find(|batch| String::from_utf8_lossy(batch).contains(" lines dropped"))
            .unwrap();
        let text = String::from_utf8(told).unwrap();
        assert!(text.lines().last().unwrap().ends_with(" lines dropped"), "{text}");
    }

    #[test]
    fn many_short_lines_are_bounded_too_and_a_long_one_is_cut() {
        let queue = LogQueue::default();
        queue.push(&[b'y'; 2 * LINE_BYTES_MAX]);
        assert_eq!(queue.lock().bytes, LINE_BYTES_MAX + 1);
        for _ in 0..LINES_MAX {
            queue.push(b"\n");
        }
        assert_eq!((queue.lock().lines.len(), queue.dropped()), (LINES_MAX, 1));
    }

    #[test]
    fn what_is_flushed_is_written() {
        let (queue, key, lines) = gated();
        queue.push(b"one\n");
        key.send(()).unwrap();
        queue.flush(Duration::from_secs(20));
        assert_eq!(lines.try_recv().unwrap(), b"one\n");
    }
}
