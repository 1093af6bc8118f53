//! A connection to Redis that is made again when it broke, with the scripts in place.

use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, ServerErrorKind, Value};

use super::scripts;

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
    client: Client,
    response_timeout: Duration,
    connection: Option<MultiplexedConnection>,
    /// Attempts that failed in a row, and when the last one was.
    failed: usize,
    tried_at: Option<Instant>,
}

impl Link {
    pub(super) fn new(client: Client, response_timeout: Duration) -> Self {
        Self { client, response_timeout, connection: None, failed: 0, tried_at: None }
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

    /// The connection, made where there is none.
    pub(super) async fn connect(&mut self) -> Result<&mut MultiplexedConnection, RedisError> {
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
        Ok(self.connection.as_mut().unwrap_or_else(|| unreachable!("it was just made")))
    }

    async fn make(&self) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(self.response_timeout));
        let mut connection =
            self.client.get_multiplexed_async_connection_with_config(&config).await?;
        scripts::load(&mut connection).await?;
        Ok(connection)
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
        // Scripts are gone after SCRIPT FLUSH or a fail-over: the next connection brings them.
        if answers.iter().any(|it| it.as_ref().is_err_and(is_script_gone)) {
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

fn is_script_gone(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

/// Whether a command is to be sent again for its answer: the server was not ready for it, and did nothing.
pub(super) fn is_again<T>(answer: &Result<T, RedisError>) -> bool {
    use ServerErrorKind::{BusyLoading, ClusterDown, MasterDown, NoScript, ReadOnly, TryAgain};
    let Err(error) = answer else { return false };
    matches!(
        error.kind(),
        ErrorKind::Server(BusyLoading | ClusterDown | MasterDown | NoScript | ReadOnly | TryAgain)
    )
}
