//! Somebody whom the server knows, on their way into their tenant.

use std::net::SocketAddr;

use foodtrack_contract::{ApplicationType, DeviceId, Principal, Source, UserRole};

use crate::dialect::Dialect;
use crate::hook::{Hook, HookQuestion, Permit};

/// How long after its end a token still brings a session back, and how long the client then has to show a fresh one, in
/// seconds. Applications' libraries reconnect with the token of their first connection.
pub const EXPIRED_GRACE_S: u64 = 30;

/// A client that may join, on its way into its tenant.
#[derive(Debug)]
pub struct Admission {
    /// Whom its token speaks for.
    pub principal: Principal,
    /// The application it connects as; a backend service may be none.
    pub application: Option<ApplicationType>,
    /// How it is spoken to.
    pub dialect: Dialect,
    /// The device, where the handshake or the token names one.
    pub device: Option<DeviceId>,
    /// What it told of itself.
    pub about: ClientAbout,
    /// The session it says it had.
    pub resume: Option<Resume>,
    /// Its token has just expired: only the return of its session lets it in.
    pub is_expired: bool,
    /// Of the orders that it comes back to and that are not in memory, those that are its user's; `None` until the log was
    /// asked.
    pub owns: Option<Box<[Box<str>]>>,
    /// What the business back end says to its coming in; `None` where it was not asked.
    pub permit: Option<Permit>,
}

/// What a client that comes back shows; nothing of it is proven yet.
#[derive(Debug)]
pub struct Resume {
    /// The private id.
    pub pid: String,
    /// The cursor of the last event it got, if it got any.
    pub offset: Option<String>,
}

impl Admission {
    /// What the business back end is asked before it comes in, where it is.
    pub fn hook_question(&self) -> Option<HookQuestion> {
        HookQuestion::new(Hook::Connect, &self.principal, self.application, self.device.as_ref())
    }

    /// What the client's messages come from.
    pub fn source(&self) -> Source {
        match self.principal.role() {
            UserRole::System => Source::System,
            _ => self.application.map_or(Source::System, Source::Application),
        }
    }
}

/// What a client told of itself, for people to look at.
#[derive(Debug)]
pub struct ClientAbout {
    /// Where it comes from.
    pub address: SocketAddr,
    /// Its `User-Agent`.
    pub user_agent: Option<Box<str>>,
    /// Its application's version.
    pub version: Option<Box<str>>,
    /// The features it says it has.
    pub features: Box<[Box<str>]>,
}
