//! What is erased of a tenant, and what comes of it.

use std::fmt;
use std::time::Duration;

/// What is to be erased of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erasure {
    /// All that there is, its keys first.
    Tenant,
    /// What concerns the user of this name, as tokens have it: entries become tombstones.
    User(Box<str>),
    /// What was said of this order, whose customer may have no login: entries become tombstones.
    Order(Box<str>),
}

impl Erasure {
    /// Whose entries become tombstones; `None` where all of the tenant goes.
    pub(crate) fn person(&self) -> Option<Person<'_>> {
        match self {
            Self::Tenant => None,
            Self::User(user) => Some(Person::User(user)),
            Self::Order(order) => Some(Person::OfOrder(order)),
        }
    }
}

/// Whose entries are erased.
#[derive(Clone, Copy, Debug)]
pub enum Person<'a> {
    /// The user of this name, as tokens have it.
    User(&'a str),
    /// Who made this order, and may have no login: what was said of the order goes.
    OfOrder(&'a str),
}

impl From<Person<'_>> for Erasure {
    fn from(person: Person<'_>) -> Self {
        match person {
            Person::User(user) => Self::User(user.into()),
            Person::OfOrder(order) => Self::Order(order.into()),
        }
    }
}

/// What was erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// How many entries: of a tenant those that were there, of a person those that were no tombstones yet.
    pub entries: u64,
    /// Entries that could not be read, and were left as they are: of a person alone.
    pub damaged: u64,
    /// How many orders, assignments, notes, subscribers and dead letters went or lost their customer.
    pub others: u64,
    /// Whether the file was written anew, so that nothing of what went is in any page of it. Where not, there was nothing to erase, or what
    /// went was overwritten, and pieces of rows that were moved about earlier may be in the file until it is.
    pub is_rewritten: bool,
    /// For how long the log's writer did nothing else: of a log that others use meanwhile.
    pub took: Duration,
}

/// Why something is not erased, or not all of it: erasing it once more does the rest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EraseError {
    /// The tenant is being opened.
    #[error("the tenant is being opened: try again shortly")]
    Busy,
    /// There is no room.
    #[error("the disk is full: make room, and erase it again")]
    DiskFull,
    /// The log ended, or takes nothing more.
    #[error("the log ended before all was erased: erase it again")]
    Interrupted,
    /// Keys or rows, in a sentence.
    #[error("{0}")]
    Failed(String),
}

/// Who is told what was erased: once, also where nobody gets to it.
pub struct OnErased(Option<Told>);

type Told = Box<dyn FnOnce(Result<Erased, EraseError>) + Send>;

impl OnErased {
    /// It must be quick, must not panic, and must not call the log.
    pub fn new(told: impl FnOnce(Result<Erased, EraseError>) + Send + 'static) -> Self {
        Self(Some(Box::new(told)))
    }

    /// Tells it.
    pub fn tell(mut self, result: Result<Erased, EraseError>) {
        self.tell_once(result);
    }

    fn tell_once(&mut self, result: Result<Erased, EraseError>) {
        if let Some(told) = self.0.take() {
            told(result);
        }
    }
}

impl Drop for OnErased {
    fn drop(&mut self) {
        self.tell_once(Err(EraseError::Interrupted));
    }
}

impl fmt::Debug for OnErased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnErased").finish_non_exhaustive()
    }
}
