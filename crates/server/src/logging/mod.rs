//! Logging: human on a terminal, JSON elsewhere, logfmt by choice, always to stderr. Never payloads, never tokens.
//!
//! Nobody waits for stderr but a thread of its own: see [`queue`].

mod levels;
mod one_line;
mod queue;
mod repeats;

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::LoggingConfig;
use crate::last_error::LastError;
use levels::LevelLayer;
pub(crate) use levels::{AUDIT, Focus, LASTS_MAX, LASTS_MIN, Levels};
use queue::{LogQueue, QueueWriter};
use repeats::{CountRepeats, Repeats};

/// The last error that was logged, for the health report.
static LAST_ERROR: Mutex<Option<LastError>> = Mutex::new(None);

/// The lines on their way to stderr, once [`start`] was called.
static QUEUE: OnceLock<Arc<LogQueue>> = OnceLock::new();

/// What was left out of them.
static REPEATS: OnceLock<Arc<Repeats>> = OnceLock::new();

/// Which lines are written, once [`start`] was called.
static LEVELS: OnceLock<Arc<Levels>> = OnceLock::new();

/// Panics since [`start`], caught or not.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// How long the process's end waits for the last lines to be read.
const FLUSH_PATIENCE: Duration = Duration::from_secs(1);

/// Starts logging for the process; later calls change nothing. `RUST_LOG` goes before the configured level.
pub(crate) fn start(config: &LoggingConfig) {
    let levels = Arc::new(Levels::new(&of_process().unwrap_or_else(|| config.level.clone())));
    // Its own descriptor: whoever holds the standard library's lock on stderr does not hold the log up, nor it them.
    let Ok(stderr) = io::stderr().as_fd().try_clone_to_owned() else { return };
    let (queue, repeats) = (Arc::new(LogQueue::default()), Arc::new(Repeats::default()));
    let lines = layer_of(config.format.shown(), &queue, io::stderr().is_terminal());
    let subscriber = tracing_subscriber::registry()
        .with(LevelLayer(Arc::clone(&levels)))
        .with(CountRepeats(Arc::clone(&repeats)))
        .with(RememberErrors)
        .with(lines);
    // Somebody who uses the library may have set up their own.
    if subscriber.try_init().is_err() || QUEUE.set(Arc::clone(&queue)).is_err() {
        return;
    }
    let _ = REPEATS.set(Arc::clone(&repeats));
    let _ = LEVELS.set(levels);
    std::panic::set_hook(Box::new(note_panic));
    let written = std::thread::Builder::new().name("log-writer".into()).spawn(move || {
        queue.write_to(&mut File::from(stderr), |dropped| {
            repeats.tell(Instant::now());
            if dropped > 0 {
                tracing::warn!(lines = dropped, "log lines were dropped: nobody read them in time");
            }
        });
    });
    // Without a thread the queue fills up and counts; the server works all the same.
    drop(written);
}

/// What writes lines as `format` has them: `human`, `json` or `logfmt`.
fn layer_of<S>(
    format: &str,
    queue: &Arc<LogQueue>,
    has_colours: bool,
) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let has_colours = has_colours && format == "human";
    let writer = QueueWriter { queue: Arc::clone(queue), keeps_colours: has_colours };
    let make_writer = move || writer.clone();
    // Errors of its own it would say on stderr, and wait for that.
    match format {
        "human" => tracing_subscriber::fmt::layer()
            .with_writer(make_writer)
            .log_internal_errors(false)
            .with_ansi(has_colours)
            .with_target(false)
            .boxed(),
        "logfmt" => tracing_logfmt::builder()
            .layer()
            .with_writer(make_writer)
            .log_internal_errors(false)
            .boxed(),
        _ => tracing_subscriber::fmt::layer()
            .with_writer(make_writer)
            .log_internal_errors(false)
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .boxed(),
    }
}

/// Which lines are written; `None` where the program that uses the library has logging of its own.
pub(crate) fn levels() -> Option<Arc<Levels>> {
    LEVELS.get().map(Arc::clone)
}

/// Another level is the configured one from now on, which is checked; not where `RUST_LOG` says it.
pub(crate) fn configure(level: &str) {
    if let Some(levels) = LEVELS.get().filter(|_| of_process().is_none()) {
        levels.configure(level);
    }
}

/// What the process's environment says is written, where that is a filter.
fn of_process() -> Option<String> {
    std::env::var("RUST_LOG").ok().filter(|filter| EnvFilter::try_new(filter).is_ok())
}

/// Says what was left out, and waits a moment for the last lines to be written. For the end of the process.
pub(crate) fn flush() {
    if let Some(repeats) = REPEATS.get() {
        repeats.tell_rest(Instant::now());
    }
    if let Some(queue) = QUEUE.get() {
        queue.flush(FLUSH_PATIENCE);
    }
}

/// Lines that were dropped since the start, because nobody read them in time.
pub(crate) fn lines_dropped() -> u64 {
    QUEUE.get().map_or(0, |queue| queue.dropped())
}

/// Panics since the start, where [`start`] was called.
pub(crate) fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

/// Logs a panic. Its text only where it is one of the code's own sentences: a formatted one may hold what a client sent.
fn note_panic(panic: &PanicHookInfo<'_>) {
    PANICS.fetch_add(1, Ordering::Relaxed);
    let thread = std::thread::current();
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let sentence = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("(formatted)");
    tracing::error!(thread = thread.name(), place, sentence, "a thread panicked");
}

/// The last error that was logged, where [`start`] or the user of the library set logging up with it.
pub(crate) fn last_error() -> Option<LastError> {
    LAST_ERROR.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Keeps the last error.
struct RememberErrors;

impl<S: Subscriber> Layer<S> for RememberErrors {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() == Level::ERROR {
            let mut text = MessageOf(String::new());
            event.record(&mut text);
            let timestamp = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
            *LAST_ERROR.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(LastError { message: text.0, timestamp });
        }
    }
}

/// Reads an event's message and none of its fields, which may name a tenant.
struct MessageOf(String);

impl Visit for MessageOf {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_error_is_kept_without_its_fields() {
        let subscriber = tracing_subscriber::registry().with(RememberErrors);
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!(tenant = "t1", "the disk is full");
            tracing::warn!("never mind");
        });
        let error = last_error().unwrap();
        assert_eq!(error.message, "the disk is full");
        assert!(error.timestamp.ends_with('Z'), "{}", error.timestamp);
    }
}
