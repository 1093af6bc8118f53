//! The secret behind sessions' private ids: as long as it is the same, sessions outlive the process.

use std::io;

use foodtrack_shard::SessionKey;

use super::data_dir::{DataDir, DataDirError};

const FILE: &str = "session.key";
const SECRET_BYTES: usize = 32;

/// The data directory's key, made where there is none; without a directory one that ends with the process.
///
/// # Errors
/// [`DataDirError`]: the file is not what a server wrote, or the directory does not take it.
pub(crate) fn session_key(directory: Option<&DataDir>) -> Result<SessionKey, DataDirError> {
    let Some(directory) = directory else { return Ok(SessionKey::new(&fresh_secret()?)) };
    let file = directory.file(FILE);
    let secret = match directory.read(FILE)? {
        Some(bytes) => bytes.try_into().map_err(|bytes: Vec<u8>| DataDirError::Damaged {
            file,
            reason: format!("it has {} bytes and not {SECRET_BYTES}", bytes.len()),
        })?,
        None => {
            let secret = fresh_secret()?;
            directory
                .replace(FILE, &secret)
                .map_err(|source| DataDirError::Unusable { path: file, source })?;
            secret
        }
    };
    Ok(SessionKey::new(&secret))
}

/// A new secret.
///
/// # Errors
/// [`DataDirError`]: the system gives no randomness.
pub(crate) fn fresh_secret() -> Result<[u8; SECRET_BYTES], DataDirError> {
    let mut secret = [0; SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(|error| DataDirError::Unusable {
        path: FILE.into(),
        source: io::Error::other(format!("no randomness for a secret: {error}")),
    })?;
    Ok(secret)
}
