//! Tables that were read and checked.

use std::collections::BTreeMap;

use foodtrack_contract::{ApplicationType, EventType, LoginRole};

use crate::check::check;
use crate::incoming::IncomingRule;
use crate::outgoing::OutgoingRule;
use crate::problem::Problems;
use crate::statuses::{Statuses, Words};

/// The tables of today's four applications.
pub const BUILTIN: Tables<'static> =
    Tables { file: "the built-in profile foodtrack", text: include_str!("foodtrack.toml") };

/// Tables as they are written, in TOML.
#[derive(Clone, Copy, Debug)]
pub struct Tables<'t> {
    /// What the text is called when something is wrong with it.
    pub file: &'t str,
    /// The text.
    pub text: &'t str,
}

/// What applications that were written before the contract call things, and what they must be sent.
#[derive(Clone, Debug)]
pub struct Profile {
    pub(crate) origins: BTreeMap<Box<str>, ApplicationType>,
    pub(crate) roles: BTreeMap<Box<str>, LoginRole>,
    pub(crate) statuses: Statuses,
    /// In [`ApplicationType::ALL`]'s order.
    pub(crate) applications: [ApplicationTable; ApplicationType::ALL.len()],
}

/// One application's table.
#[derive(Clone, Debug, Default)]
pub(crate) struct ApplicationTable {
    pub(crate) form: Form,
    pub(crate) words: Words,
    pub(crate) outgoing: BTreeMap<EventType, OutgoingRule>,
    pub(crate) incoming: BTreeMap<Box<str>, IncomingRule>,
}

/// What an event's first argument is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// `{ id, type, timestamp, tenantId, payload }`.
    #[default]
    Enveloped,
    /// The payload itself.
    Flat,
}

impl Profile {
    /// Reads tables; later ones add to earlier ones, and replace what has the same key.
    ///
    /// # Errors
    /// [`Problems`]: everything that is wrong with them, with its line.
    pub fn read(tables: &[Tables<'_>]) -> Result<Self, Problems> {
        check(tables)
    }

    /// The tables of today's four applications.
    pub fn builtin() -> Self {
        match Self::read(&[BUILTIN]) {
            Ok(profile) => profile,
            Err(problems) => unreachable!("a test reads the built-in tables: {problems}"),
        }
    }

    /// The application whose pages come from an origin such as `http://localhost:3000`.
    pub fn application_of(&self, origin: &str) -> Option<ApplicationType> {
        self.origins.get(&*origin.trim_end_matches('/').to_ascii_lowercase()).copied()
    }

    /// What roles of logins mean that are not the contract's own, or not here.
    pub fn roles(&self) -> impl Iterator<Item = (&str, LoginRole)> {
        self.roles.iter().map(|(name, role)| (&**name, *role))
    }

    pub(crate) fn of(&self, application: ApplicationType) -> &ApplicationTable {
        &self.applications[application as usize]
    }
}
