//! Asking Redis on a thread that waits for the answer.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use redis::{Pipeline, RedisError, Value};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, oneshot};

use super::link::{Link, is_again};
use crate::ReadError;

/// How often a question is put, where the connection broke or the server was not ready.
const ATTEMPTS: u32 = 3;
/// How long between two of them.
const ASK_AGAIN: Duration = Duration::from_millis(30);

/// A way to ask, for any number of threads.
#[derive(Clone)]
pub(super) struct Questions {
    runtime: Handle,
    link: Arc<Mutex<Link>>,
    patience: Duration,
}

impl Questions {
    pub(super) fn new(runtime: Handle, link: Link, patience: Duration) -> Self {
        Self { runtime, link: Arc::new(Mutex::new(link)), patience }
    }

    /// Asks, and waits. It may be asked twice: what changes something must say what is to be, whatever was.
    pub(super) fn ask(&self, pipeline: Pipeline) -> Result<Vec<Value>, ReadError> {
        let (answer, answered) = sync_channel(1);
        let link = Arc::clone(&self.link);
        self.runtime.spawn(async move {
            // Who asked may have lost patience.
            let _ = answer.send(ask(&link, &pipeline).await);
        });
        // Longer than the attempts take together: their own errors say more.
        let patience = self.patience.saturating_mul(2 * ATTEMPTS);
        match answered.recv_timeout(patience) {
            Ok(Ok(values)) => Ok(values),
            Ok(Err(error)) => Err(ReadError::Store(error.to_string())),
            Err(_) => Err(ReadError::Store(String::from("Redis does not answer"))),
        }
    }

    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Waits for what is answered elsewhere.
    pub(super) fn wait(&self, answer: oneshot::Receiver<()>) -> Result<(), ReadError> {
        let (told, is_told) = sync_channel(1);
        self.runtime.spawn(async move {
            // Who waits may have lost patience.
            let _ = told.send(answer.await.is_ok());
        });
        match is_told.recv_timeout(self.patience) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(ReadError::Store(String::from("Redis does not answer"))),
        }
    }
}

async fn ask(link: &Mutex<Link>, pipeline: &Pipeline) -> Result<Vec<Value>, RedisError> {
    let mut attempt = 1;
    loop {
        let answer = ask_once(link, pipeline).await;
        let is_worth_it = match &answer {
            Ok(_) => return answer,
            Err(error) => error.is_io_error() || error.is_connection_dropped() || is_again(&answer),
        };
        if attempt == ATTEMPTS || !is_worth_it {
            return answer;
        }
        attempt += 1;
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

async fn ask_once(link: &Mutex<Link>, pipeline: &Pipeline) -> Result<Vec<Value>, RedisError> {
    // Others ask on the same connection meanwhile.
    let mut connection = link.lock().await.connect().await?.clone();
    let answer = pipeline.query_async(&mut connection).await;
    if answer.is_err() {
        link.lock().await.disconnect();
    }
    answer
}
