//! A connection to Redis that is made again when it broke, with the scripts in place.

use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ErrorKind, RedisError, ServerErrorKind, Value};

use super::scripts;
use super::servers::{Found, Servers};
use super::values::{array, text};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long between two attempts, after so many that failed in a row.
const BACK_OFF: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
];

/// One connection, and how it is made.
pub(super) struct Link {
    servers: Servers,
    response_timeout: Duration,
    /// The connection, and the server that it leads to.
    connection: Option<(MultiplexedConnection, Found)>,
    /// Attempts that failed in a row, and when the last one was.
    failed: usize,
    tried_at: Option<Instant>,
}

impl Link {
    pub(super) fn new(servers: Servers, response_timeout: Duration) -> Self {
        Self { servers, response_timeout, connection: None, failed: 0, tried_at: None }
    }

    /// The connection is of no use any more.
    pub(super) fn disconnect(&mut self) {
        self.connection = None;
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// When the next attempt may be made, where there is no connection and one failed before.
    pub(super) fn next_attempt(&self) -> Option<Instant> {
        if self.is_connected() || self.failed == 0 {
            return None;
        }
        let back_off = BACK_OFF[self.failed.min(BACK_OFF.len() - 1)];
        // Some of it is chance, or else all nodes would come at once.
        let jitter = back_off.mul_f64(random_part());
        self.tried_at.map(|at| at + back_off / 2 + jitter)
    }

    /// The connection, made where there is none, or where another server is the master by now.
    pub(super) async fn connect(&mut self) -> Result<&mut MultiplexedConnection, RedisError> {
        self.connection.take_if(|(_, found)| self.servers.is_replaced(found));
        if self.connection.is_none() {
            self.tried_at = Some(Instant::now());
            match self.make().await {
                Ok(connection) => {
                    self.connection = Some(connection);
                    self.failed = 0;
                }
                Err(error) => {
                    self.failed += 1;
                    return Err(error);
                }
            }
        }
        let (connection, _) =
            self.connection.as_mut().unwrap_or_else(|| unreachable!("it was just made"));
        Ok(connection)
    }

    async fn make(&self) -> Result<(MultiplexedConnection, Found), RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(self.response_timeout));
        let found = self.servers.find().await?;
        let mut connection =
            found.client.get_multiplexed_async_connection_with_config(&config).await?;
        if found.is_one_of_many() {
            see_to_master(&mut connection).await?;
        }
        scripts::load(&mut connection).await?;
        Ok((connection, found))
    }

    /// Runs a pipeline. Each command has its own answer; an error of the whole breaks the connection.
    pub(super) async fn run(
        &mut self,
        pipeline: &redis::Pipeline,
    ) -> Result<Vec<Result<Value, RedisError>>, RedisError> {
        let connection = self.connect().await?;
        let answers: Result<Vec<Result<Value, RedisError>>, _> =
            pipeline.query_async(connection).await;
        let answers = answers.inspect_err(|_| self.connection = None)?;
        // Scripts are gone after SCRIPT FLUSH or a restart: the next connection brings them. A server that has become a replica is not
        // written to: the next connection looks for the master.
        if answers.iter().any(|it| it.as_ref().is_err_and(is_of_no_use)) {
            self.connection = None;
        }
        Ok(answers)
    }
}

/// A number between 0 and 1.
fn random_part() -> f64 {
    let random = uuid::Uuid::new_v4().as_u128();
    #[expect(clippy::cast_possible_truncation, reason = "these are the lowest bits")]
    let low = random as u32;
    f64::from(low) / f64::from(u32::MAX)
}

/// A server may be named that is not the master yet, or not any more.
async fn see_to_master(connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
    let role: Result<Value, RedisError> = redis::cmd("ROLE").query_async(connection).await;
    let role = match &role {
        Ok(answer) => array(answer).and_then(|parts| text(parts.first()?)),
        // Who may not ask finds out when it writes.
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) => return Ok(()),
        Err(error) => return Err(error.clone()),
    };
    match role {
        Some("master") => Ok(()),
        _ => Err((ErrorKind::Client, "the server that is named the master is none").into()),
    }
}

/// Whether the connection leads to a server that does not know what it must, or may not write.
fn is_of_no_use(error: &RedisError) -> bool {
    use ServerErrorKind::{MasterDown, Moved, NoScript, ReadOnly};
    matches!(error.kind(), ErrorKind::Server(MasterDown | Moved | NoScript | ReadOnly))
}

/// Whether a command is to be sent again for its answer: the server was not ready for it, and did nothing.
pub(super) fn is_again<T>(answer: &Result<T, RedisError>) -> bool {
    use ServerErrorKind as Kind;
    let Err(error) = answer else { return false };
    match error.kind() {
        ErrorKind::Server(
            Kind::Ask
            | Kind::BusyLoading
            | Kind::ClusterDown
            | Kind::MasterDown
            | Kind::Moved
            | Kind::NoScript
            | Kind::ReadOnly
            | Kind::TryAgain,
        ) => true,
        // It cannot write to its disk, or has fewer replicas than it is to have, and takes nothing that it could lose.
        _ => matches!(error.code(), Some("MISCONF" | "NOREPLICAS")),
    }
}
