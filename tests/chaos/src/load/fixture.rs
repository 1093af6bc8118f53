//! What both loads run on: a hub with room for them, and sessions of customers and dashboards, kitchens and couriers.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use foodtrack_auth::SignError;
use foodtrack_contract::UserRole;
use serde_json::{Map, json};

use super::listeners::Listeners;
use crate::client::{ClientOptions, NodeClient, NodeClients, Swarm, SwarmError};
use crate::hub::{Claims, Hub, HubError, HubSpec, raise_descriptors_max, token};
use foodtrack_simulation::Backoff;
use foodtrack_simulation::Role;

/// Handshakes a second while a load opens: what is measured comes later.
const OPENED_PER_SECOND: f64 = 2_500.0;
/// A turn's longest wait, so that what is due is seen.
pub(super) const TURN: Duration = Duration::from_millis(10);
/// The tenant whose sessions and back end these are.
pub(super) const TENANT: &str = "tenant-0";

/// Users of clients of the library are none of the sessions'.
const FIRST_NODE_USER: usize = 1_000_000;

/// A load that could not be run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The hub does not run.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// The clients do not run.
    #[error(transparent)]
    Swarm(#[from] SwarmError),
    /// A token could not be made.
    #[error("a token")]
    Token(#[from] SignError),
    /// A file, or the Node process.
    #[error("a file or a process of the run")]
    Io(#[from] io::Error),
    /// Not everybody could connect even before anything was done to them.
    #[error("{open} of {sessions} sessions opened in {waited_s} s")]
    Open {
        /// Sessions that are open.
        open: usize,
        /// Sessions that were to open.
        sessions: usize,
        /// For how long that was tried.
        waited_s: u64,
    },
}

/// A hub with sessions.
pub(super) struct Fixture {
    pub(super) hub: Hub,
    pub(super) swarm: Swarm,
    pub(super) sessions: usize,
    /// Removed when the load is over.
    _folder: tempfile::TempDir,
}

impl Fixture {
    pub(super) fn start(program: &Path, sessions: usize, seed: u64) -> Result<Self, LoadError> {
        raise_descriptors_max()?;
        let folder = tempfile::Builder::new().prefix("chaos-").tempdir()?;
        let spec = HubSpec {
            program: program.to_owned(),
            folder: PathBuf::from(folder.path()),
            config: CONFIG.to_owned(),
            data_dir: Some(folder.path().join("data")),
            clock: None,
        };
        let mut hub = Hub::new(spec)?;
        hub.start_and_wait(Duration::from_secs(20))?;
        let mut swarm = Swarm::new(vec![hub.address()], seed)?;
        for session in 0..sessions {
            let delay = Duration::from_secs_f64(session as f64 / OPENED_PER_SECOND);
            let options = ClientOptions {
                auth: auth(session, Role::ALL[session % Role::ALL.len()])?,
                receive_bytes: None,
                backoff: Backoff::LIBRARY,
                connect_timeout: Duration::from_secs(20),
                source: None,
            };
            swarm.add(options, delay);
        }
        Ok(Self { hub, swarm, sessions, _folder: folder })
    }

    /// Waits until everybody is in.
    pub(super) fn open(&mut self, listeners: &mut Listeners) -> Result<(), LoadError> {
        let expected = Duration::from_secs_f64(self.sessions as f64 / OPENED_PER_SECOND);
        let patience = expected * 4 + Duration::from_secs(10);
        let deadline = Instant::now() + patience;
        while self.swarm.open() < self.sessions {
            if Instant::now() > deadline {
                let (open, sessions) = (self.swarm.open(), self.sessions);
                return Err(LoadError::Open { open, sessions, waited_s: patience.as_secs() });
            }
            self.swarm.turn(Instant::now() + TURN, listeners)?;
        }
        Ok(())
    }

    /// The token of the tenant's back end.
    pub(super) fn back_end() -> Result<String, SignError> {
        let (user, role) = ("gateway", UserRole::System);
        token(Claims { tenant: TENANT, user, role, application: None })
    }
}

/// The handshake of a session's user.
pub(super) fn auth(
    session: usize,
    role: Role,
) -> Result<Map<String, serde_json::Value>, SignError> {
    let application = role.application();
    let (user, role) = (format!("user-{session}"), role.user_role());
    let claims = Claims { tenant: TENANT, user: &user, role, application: Some(application) };
    let mut auth = Map::new();
    auth.insert("token".into(), json!(token(claims)?));
    auth.insert("application".into(), json!(application.as_str()));
    Ok(auth)
}

/// Starts so many clients of the library, and waits until all are connected; `None` for none.
pub(super) fn start_node_clients(
    address: SocketAddr,
    count: usize,
    torn_every: Option<Duration>,
) -> Result<Option<NodeClients>, LoadError> {
    let clients = (0..count).map(|client| {
        let (role, user) = (Role::ALL[client % Role::ALL.len()], FIRST_NODE_USER + client);
        Ok(NodeClient {
            recipient: format!("node-{client}"),
            tenant: TENANT.to_owned(),
            user: format!("user-{user}"),
            application: role.application().as_str(),
            auth: auth(user, role)?,
        })
    });
    let clients = clients.collect::<Result<Vec<_>, SignError>>()?;
    Ok(NodeClients::start(&[address], &clients, torn_every)?)
}

/// The hub's defaults, but for limits that a load from one machine would meet.
const CONFIG: &str = "\
[security.rateLimiting]
handshakesPerMinute = 0

[limits]
connectionsPerTenantMax = 0
messagesPerSecondPerTenant = 0

[logging]
level = \"info\"
";
