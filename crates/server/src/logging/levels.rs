//! Which lines are written: by the configured filter, by another for a while, and for a while more of one tenant or user.

use std::fmt::Debug;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::{EnvFilter, Layer};

/// The target of lines that say who changed something of the node: they are written whatever the filter says.
pub(crate) const AUDIT: &str = "foodtrack_server::audit";

/// How many tenants and users are looked at more closely at once.
const FOCUSES_MAX: usize = 16;

/// A tenant, or one of its users, of whom more is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Focus {
    pub(crate) tenant: String,
    /// `None`: all of them.
    pub(crate) user: Option<String>,
    /// Lines of this level too.
    pub(crate) level: Level,
    pub(crate) until: Instant,
}

/// Too many tenants and users are looked at more closely.
#[derive(Debug, thiserror::Error)]
#[error(
    "of {FOCUSES_MAX} tenants and users more is written already; wait until that is over, or end it"
)]
pub(crate) struct TooManyFocuses;

/// What is in force.
pub(crate) struct Levels {
    state: RwLock<State>,
}

struct State {
    /// What is in force where nobody says otherwise.
    configured: String,
    filter: EnvFilter,
    /// The filter that is in force for a while, and how long.
    changed: Option<(String, Instant)>,
    focuses: Vec<Focus>,
}

impl Levels {
    /// `configured` is a filter; one that is none lets `info` through.
    pub(crate) fn new(configured: &str) -> Self {
        let state = State {
            configured: configured.to_owned(),
            filter: filter(configured),
            changed: None,
            focuses: Vec::new(),
        };
        Self { state: RwLock::new(state) }
    }

    /// Another filter is the configured one, which was checked; what was changed for a while stays until then.
    pub(crate) fn configure(&self, text: &str) {
        self.change(|state| {
            text.clone_into(&mut state.configured);
            if state.changed.is_none() {
                state.filter = filter(text);
            }
        });
    }

    /// Has another filter in force for a while, which was checked.
    pub(crate) fn set(&self, text: &str, until: Instant) {
        self.change(|state| {
            state.filter = filter(text);
            state.changed = Some((text.to_owned(), until));
        });
    }

    /// Writes more of one tenant or user for a while, in the place of what was said of the same before.
    ///
    /// # Errors
    /// [`TooManyFocuses`]
    pub(crate) fn focus(&self, focus: Focus) -> Result<(), TooManyFocuses> {
        let others = self.read().focuses.iter().filter(|it| !it.is_on_whom(&focus)).count();
        if others >= FOCUSES_MAX {
            return Err(TooManyFocuses);
        }
        self.change(|state| {
            state.focuses.retain(|it| !it.is_on_whom(&focus));
            state.focuses.push(focus);
        });
        Ok(())
    }

    /// The configured filter again, and nobody is looked at more closely.
    pub(crate) fn reset(&self) {
        self.change(|state| {
            state.filter = filter(&state.configured);
            state.changed = None;
            state.focuses.clear();
        });
    }

    /// Ends what is over at `now`. Returns whether anything was.
    pub(crate) fn end_what_is_over(&self, now: Instant) -> bool {
        let state = self.read();
        let is_over = |until: Instant| until <= now;
        let any = state.changed.as_ref().is_some_and(|(_, until)| is_over(*until))
            || state.focuses.iter().any(|focus| is_over(focus.until));
        drop(state);
        if any {
            self.change(|state| {
                if state.changed.take_if(|(_, until)| is_over(*until)).is_some() {
                    state.filter = filter(&state.configured);
                }
                state.focuses.retain(|focus| !is_over(focus.until));
            });
        }
        any
    }

    /// The filter in force and, where it is not the configured one, until when.
    pub(crate) fn current(&self) -> (String, Option<Instant>) {
        let state = self.read();
        match &state.changed {
            Some((text, until)) => (text.clone(), Some(*until)),
            None => (state.configured.clone(), None),
        }
    }

    /// Whom of a tenant more is written of.
    pub(crate) fn focuses(&self, tenant: &str) -> Vec<Focus> {
        let state = self.read();
        state.focuses.iter().filter(|focus| focus.tenant == tenant).cloned().collect()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner));
        // What each line's place in the code was told of its level holds no longer.
        tracing::callsite::rebuild_interest_cache();
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn filter(text: &str) -> EnvFilter {
    EnvFilter::try_new(text).unwrap_or_else(|_| EnvFilter::new("info"))
}

impl State {
    fn focuses_on(&self, metadata: &Metadata<'_>) -> bool {
        self.focuses.iter().any(|focus| *metadata.level() <= focus.level)
    }
}

impl Focus {
    fn is_on_whom(&self, other: &Self) -> bool {
        self.tenant == other.tenant && self.user == other.user
    }

    fn is_about(&self, event: &Event<'_>) -> bool {
        if *event.metadata().level() > self.level {
            return false;
        }
        let mut about = About { focus: self, is_tenant: false, is_user: self.user.is_none() };
        event.record(&mut about);
        about.is_tenant && about.is_user
    }
}

/// Whether a line is about whom a focus is on.
struct About<'a> {
    focus: &'a Focus,
    is_tenant: bool,
    is_user: bool,
}

impl Visit for About<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "tenant" => self.is_tenant = value == self.focus.tenant,
            "user" => self.is_user |= self.focus.user.as_deref() == Some(value),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if matches!(field.name(), "tenant" | "user") {
            self.record_str(field, &format!("{value:?}"));
        }
    }
}

/// Lets through what is to be written.
pub(super) struct LevelLayer(pub(super) Arc<Levels>);

impl<S: Subscriber> Layer<S> for LevelLayer {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        let state = self.0.read();
        match state.focuses_on(metadata) {
            _ if metadata.target() == AUDIT => Interest::always(),
            true => Interest::sometimes(),
            false => Layer::<S>::register_callsite(&state.filter, metadata),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let state = self.0.read();
        let closer = state.focuses.iter().map(|focus| LevelFilter::from_level(focus.level)).max();
        let all = Layer::<S>::max_level_hint(&state.filter)?.max(LevelFilter::WARN);
        Some(closer.map_or(all, |closer| closer.max(all)))
    }

    fn enabled(&self, metadata: &Metadata<'_>, context: Context<'_, S>) -> bool {
        let state = self.0.read();
        metadata.target() == AUDIT
            || state.focuses_on(metadata)
            || Layer::<S>::enabled(&state.filter, metadata, context)
    }

    fn event_enabled(&self, event: &Event<'_>, context: Context<'_, S>) -> bool {
        let state = self.0.read();
        state.focuses.is_empty()
            || event.metadata().target() == AUDIT
            || Layer::<S>::enabled(&state.filter, event.metadata(), context)
            || state.focuses.iter().any(|focus| focus.is_about(event))
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        Layer::<S>::on_new_span(&self.0.read().filter, attributes, id, context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        Layer::<S>::on_record(&self.0.read().filter, id, values, context);
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        Layer::<S>::on_enter(&self.0.read().filter, id, context);
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        Layer::<S>::on_exit(&self.0.read().filter, id, context);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        Layer::<S>::on_close(&self.0.read().filter, id, context);
    }
}

/// How long a change may last, at least and at most.
pub(crate) const LASTS_MIN: Duration = Duration::from_secs(1);
pub(crate) const LASTS_MAX: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use tracing_subscriber::layer::SubscriberExt;

    /// Keeps the levels of what gets through.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<Level>>>);

    impl<S: Subscriber> Layer<S> for Written {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.0.lock().unwrap().push(*event.metadata().level());
        }
    }

    impl Written {
        /// What gets through of one line of each of these levels: nobody's, another tenant's, a user's, another user's.
        fn lines(&self) -> usize {
            self.0.lock().unwrap().clear();
            tracing::debug!("nobody's");
            tracing::debug!(tenant = "t2", user = "ada", "another tenant's");
            tracing::debug!(tenant = "t1", user = "ada", "a user's");
            tracing::debug!(tenant = %"t1", user = %"bea", "another user's");
            self.0.lock().unwrap().len()
        }
    }

    fn with_levels(test: impl FnOnce(&Levels, &Written)) {
        let (levels, written) = (Arc::new(Levels::new("info")), Written::default());
        let layers = tracing_subscriber::registry()
            .with(LevelLayer(Arc::clone(&levels)))
            .with(written.clone());
        tracing::subscriber::with_default(layers, || test(&levels, &written));
    }

    fn focus(tenant: &str, user: Option<&str>) -> Focus {
        let until = Instant::now() + Duration::from_secs(600);
        Focus { tenant: tenant.into(), user: user.map(str::to_owned), level: Level::DEBUG, until }
    }

    #[test]
    fn more_is_written_of_one_tenant_or_user_and_of_nobody_else() {
        with_levels(|levels, written| {
            assert_eq!(written.lines(), 0);
            levels.focus(focus("t1", Some("ada"))).unwrap();
            assert_eq!(written.lines(), 1);
            levels.focus(focus("t1", None)).unwrap();
            assert_eq!(written.lines(), 2);
            assert_eq!((levels.focuses("t1").len(), levels.focuses("t2").len()), (2, 0));
            levels.reset();
            assert_eq!(written.lines(), 0);
        });
    }

    #[test]
    fn another_level_holds_until_its_time_is_over_and_then_the_configured_one() {
        with_levels(|levels, written| {
            let now = Instant::now();
            levels.set("debug", now + Duration::from_secs(60));
            levels.focus(focus("t1", None)).unwrap();
            assert_eq!(written.lines(), 4);
            assert_eq!(levels.current().0, "debug");
            assert!(!levels.end_what_is_over(now + Duration::from_secs(59)));
            assert!(levels.end_what_is_over(now + Duration::from_secs(60)));
            assert_eq!((levels.current(), written.lines()), (("info".into(), None), 2));
            assert!(levels.end_what_is_over(now + Duration::from_secs(3_600)));
            assert_eq!(written.lines(), 0);
        });
    }

    #[test]
    fn who_changed_something_is_written_whatever_is_left_out() {
        with_levels(|levels, written| {
            levels.set("off", Instant::now() + Duration::from_secs(60));
            tracing::error!("left out");
            tracing::warn!(target: AUDIT, "the log level was changed");
            assert_eq!(*written.0.lock().unwrap(), [Level::WARN]);
        });
    }

    #[test]
    fn so_many_are_looked_at_more_closely_and_no_more() {
        let levels = Levels::new("info");
        for n in 0..FOCUSES_MAX {
            levels.focus(focus("t1", Some(&n.to_string()))).unwrap();
        }
        assert!(levels.focus(focus("t1", None)).is_err());
        assert!(levels.focus(focus("t1", Some("0"))).is_ok(), "in the place of the same");
        assert_eq!(levels.focuses("t1").len(), FOCUSES_MAX);
    }
}
