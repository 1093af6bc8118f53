//! The same line from the same source is written so many times, and so are all lines together; others are counted, and the count is a line.

use std::collections::HashMap;
use std::fmt::{self, Debug, Write};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// How often one source's line is written in [`SOURCE_WINDOW`].
const LINES_PER_SOURCE: u32 = 10;
const SOURCE_WINDOW: Duration = Duration::from_secs(10);
/// How often a line is written in [`SHARED_WINDOW`], whoever it is about and whatever else is written.
const LINES_OF_ITS_OWN: u32 = 5;
/// How many more lines of a level are written in [`SHARED_WINDOW`], of whatever kind. So many strangers who do many kinds of things cannot
/// fill a disk, a rare line comes through beside them, and so does a warning.
const LINES_PER_LEVEL: u32 = 50;
const SHARED_WINDOW: Duration = Duration::from_secs(1);
/// Sources that are told apart at once; more of them share what is everybody's.
const SOURCES_MAX: usize = 4_096;
/// What is kept of a line to name it in its count.
const MESSAGE_BYTES_MAX: usize = 160;
/// The target of the lines that say how many were left out; they are never counted themselves.
const TARGET: &str = "foodtrack_server::logging";

/// The fields that say who a line is about.
const SOURCE_FIELDS: &[&str] = &["address", "peer", "ip", "tenant", "user", "code"];

/// What is counted together.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Kind {
    /// Lines of one place in the code that are about one source.
    Source(Identifier, u64),
    /// Lines of one place in the code, whoever they are about.
    Line(Identifier),
    /// Lines of a level that were more than those of their own place.
    Level(Level),
}

struct Window {
    since: Instant,
    seen: u32,
    left_out: u64,
    level: Level,
    message: String,
}

/// How many lines of a kind were left out.
#[derive(Debug, PartialEq, Eq)]
struct LeftOut {
    level: Level,
    message: String,
    lines: u64,
}

/// The table of what was written lately. Lines at `debug` and `trace` are not counted: who asks for them wants them all.
#[derive(Default)]
pub(super) struct Repeats {
    windows: Mutex<HashMap<Kind, Window>>,
}

impl Repeats {
    /// Writes how many lines were left out in the windows that are over.
    pub(super) fn tell(&self, now: Instant) {
        for LeftOut { level, message, lines } in self.sweep(now) {
            let sentence = "repeated lines were left out";
            match level {
                Level::ERROR => tracing::error!(target: TARGET, lines, of = message, "{sentence}"),
                Level::WARN => tracing::warn!(target: TARGET, lines, of = message, "{sentence}"),
                _ => tracing::info!(target: TARGET, lines, of = message, "{sentence}"),
            }
        }
    }

    /// Writes how many lines were left out until `now`, also in windows that are not over.
    pub(super) fn tell_rest(&self, now: Instant) {
        self.tell(now + SOURCE_WINDOW);
    }

    /// Takes the windows out that are over at `now`.
    fn sweep(&self, now: Instant) -> Vec<LeftOut> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left_out: Vec<LeftOut> = Vec::new();
        windows.retain(|kind, window| {
            if now.saturating_duration_since(window.since) < kind.length() {
                return true;
            }
            if window.left_out > 0 {
                // One line for all the sources of a line.
                match left_out.iter_mut().find(|other| other.message == window.message) {
                    Some(other) => other.lines += window.left_out,
                    None => left_out.push(LeftOut {
                        level: window.level,
                        message: std::mem::take(&mut window.message),
                        lines: window.left_out,
                    }),
                }
            }
            false
        });
        left_out
    }

    /// Whether a line is written; otherwise it is counted.
    fn admit(&self, line: &Identifier, level: Level, event: &impl Recorded, now: Instant) -> bool {
        let mut source = Source::default();
        event.record_to(&mut source);
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(source) = source.hash() {
            let kind = Kind::Source(line.clone(), source);
            let is_told_apart = windows.len() < SOURCES_MAX || windows.contains_key(&kind);
            if is_told_apart && !has_room(&mut windows, &kind, level, now) {
                leave_out(&mut windows, &kind, event);
                return false;
            }
        }
        let kind = Kind::Line(line.clone());
        if has_room(&mut windows, &kind, level, now)
            || has_room(&mut windows, &Kind::Level(level), level, now)
        {
            return true;
        }
        leave_out(&mut windows, &kind, event);
        false
    }
}

impl Kind {
    fn length(&self) -> Duration {
        match self {
            Self::Source(..) => SOURCE_WINDOW,
            Self::Line(_) | Self::Level(_) => SHARED_WINDOW,
        }
    }

    fn lines_max(&self) -> u32 {
        match self {
            Self::Source(..) => LINES_PER_SOURCE,
            Self::Line(_) => LINES_OF_ITS_OWN,
            Self::Level(_) => LINES_PER_LEVEL,
        }
    }
}

/// Takes a line's place in the window of a kind, where there is one.
fn has_room(windows: &mut HashMap<Kind, Window>, kind: &Kind, level: Level, now: Instant) -> bool {
    let fresh = || Window { since: now, seen: 0, left_out: 0, level, message: String::new() };
    let window = windows.entry(kind.clone()).or_insert_with(fresh);
    // A window over which nothing was left out has nothing to say; another waits to be told.
    if window.left_out == 0 && now.saturating_duration_since(window.since) >= kind.length() {
        *window = fresh();
    }
    window.seen = window.seen.saturating_add(1);
    window.seen <= kind.lines_max()
}

/// Counts a line that is not written.
fn leave_out(windows: &mut HashMap<Kind, Window>, kind: &Kind, event: &impl Recorded) {
    let Some(window) = windows.get_mut(kind) else { return };
    if window.left_out == 0 {
        let mut message = Message::default();
        event.record_to(&mut message);
        window.message = message.0;
    }
    window.left_out += 1;
}

/// An event, or a test's stand-in.
trait Recorded {
    fn record_to(&self, visitor: &mut dyn Visit);
}

impl Recorded for Event<'_> {
    fn record_to(&self, visitor: &mut dyn Visit) {
        self.record(visitor);
    }
}

/// Hashes the fields that say who a line is about.
#[derive(Default)]
struct Source(Option<DefaultHasher>);

impl Source {
    fn hash(self) -> Option<u64> {
        self.0.map(|hasher| hasher.finish())
    }
}

impl Visit for Source {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if SOURCE_FIELDS.contains(&field.name()) {
            let hasher = self.0.get_or_insert_default();
            field.name().hash(hasher);
            // Writing to a hasher does not fail.
            let _ = write!(HashWriter(hasher), "{value:?}");
        }
    }
}

struct HashWriter<'a>(&'a mut DefaultHasher);

impl Write for HashWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// The beginning of a line's message, without its fields.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
            self.0.truncate(self.0.floor_char_boundary(MESSAGE_BYTES_MAX));
        }
    }
}

/// Lets a line through, or counts it.
pub(super) struct CountRepeats(pub(super) Arc<Repeats>);

impl<S: Subscriber> Layer<S> for CountRepeats {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::INFO || metadata.target() == TARGET {
            return true;
        }
        self.0.admit(&metadata.callsite(), *metadata.level(), event, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tracing_subscriber::layer::SubscriberExt;

    #[derive(Clone, Default)]
    struct Count(Arc<AtomicUsize>);

    impl<S: Subscriber> Layer<S> for Count {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn counted(log: impl FnOnce()) -> (usize, Vec<LeftOut>) {
        let (count, repeats) = (Count::default(), Arc::new(Repeats::default()));
        let layers = tracing_subscriber::registry()
            .with(CountRepeats(Arc::clone(&repeats)))
            .with(count.clone());
        tracing::subscriber::with_default(layers, log);
        let over = Instant::now() + SOURCE_WINDOW;
        (count.0.load(Ordering::Relaxed), repeats.sweep(over))
    }

    #[test]
    fn a_line_of_one_source_is_written_ten_times_and_then_counted() {
        let (written, left_out) = counted(|| {
            for i in 0..50 {
                tracing::info!(address = "192.0.2.1", i, "refused");
            }
            tracing::info!(address = "192.0.2.1", "something else");
        });
        let expected = LeftOut { level: Level::INFO, message: "refused".into(), lines: 40 };
        assert_eq!((written, left_out), (11, vec![expected]));
    }

    #[test]
    fn many_sources_of_one_line_share_fifty_five_a_second() {
        let (written, left_out) = counted(|| {
            for i in 0..5_000 {
                tracing::warn!(address = i, "refused");
            }
        });
        // A slow machine may see more than one second go by.
        assert!((55..2_500).contains(&written), "{written}");
        let lines: u64 = left_out.iter().map(|left_out| left_out.lines).sum();
        // What was let in again after a second was told of in no sweep before.
        assert_eq!(lines, 5_000 - written as u64);
    }

    #[test]
    fn the_table_does_not_grow_with_sources() {
        let repeats = Arc::new(Repeats::default());
        let layers = tracing_subscriber::registry().with(CountRepeats(Arc::clone(&repeats)));
        tracing::subscriber::with_default(layers, || {
            for user in 0..3 * SOURCES_MAX {
                tracing::info!(user, "connected");
            }
        });
        assert!(repeats.windows.lock().unwrap().len() <= SOURCES_MAX + 2);
    }

    #[test]
    fn many_kinds_of_lines_share_fifty_a_second_and_a_rare_one_comes_through_beside_them() {
        let (written, left_out) = counted(|| {
            for i in 0..5_000 {
                tracing::info!(address = i, "refused");
                tracing::info!(address = i, "came");
                tracing::info!(address = i, "went");
            }
            tracing::info!("rare");
            (0..50).for_each(|i| tracing::warn!(address = i, "a warning"));
        });
        let lines: u64 = left_out.iter().map(|left_out| left_out.lines).sum();
        assert_eq!(lines, 15_051 - written as u64);
        assert!(left_out.iter().all(|it| !["rare", "a warning"].contains(&it.message.as_str())));
        // Three times 5 and 50 a second, 1 and 50; a slow machine may see some seconds go by.
        assert!((116..1_500).contains(&written), "{written}");
    }

    #[test]
    fn who_asks_for_debug_lines_gets_all_of_them() {
        let (written, _) = counted(|| (0..300).for_each(|i| tracing::debug!(i, "step")));
        assert_eq!(written, 300);
    }
}
