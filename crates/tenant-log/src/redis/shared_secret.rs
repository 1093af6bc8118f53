//! A secret that all nodes of a cluster have, and nobody else.

use redis::{Client, ErrorKind, RedisError};

use super::keys::Keys;
use super::{RedisOpenError, RedisOptions};

/// How many bytes it has.
const SECRET_BYTES: usize = 32;

/// The cluster's secret, made where there is none: who can read it there can read the logs as well. Waits for Redis.
///
/// # Errors
/// [`RedisOpenError`]
pub fn shared_secret(
    options: &RedisOptions,
    fresh: [u8; SECRET_BYTES],
) -> Result<[u8; SECRET_BYTES], RedisOpenError> {
    let client =
        Client::open(options.url.as_str()).map_err(|error| RedisOpenError::address(&error))?;
    let key = Keys::new(&options.prefix).secret();
    let ask = || -> Result<Vec<u8>, RedisError> {
        let mut connection = client.get_connection_with_timeout(options.patience)?;
        connection.set_read_timeout(Some(options.patience))?;
        connection.set_write_timeout(Some(options.patience))?;
        let mut pipeline = redis::pipe();
        pipeline.cmd("SETNX").arg(&key).arg(&fresh).ignore().cmd("GET").arg(&key);
        let (secret,) = pipeline.query(&mut connection)?;
        Ok(secret)
    };
    let secret = ask().map_err(|error| match error.kind() {
        ErrorKind::AuthenticationFailed => RedisOpenError::NotLetIn,
        _ => RedisOpenError::Away(error.to_string()),
    })?;
    secret.try_into().map_err(|_| RedisOpenError::Foreign(key))
}
